/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The options of load, which other commands read and write too. */
#ifndef STATE_OPTIONS_H
#define STATE_OPTIONS_H

#include <stdio.h>

#include "state/prefixes.h"
#include "tunnel/request.h"
#include "util/args.h"

struct pins;

/* The table of the options. */
extern const struct arg_command load_command;

struct options {
	struct request request; /* but for uplink_netns, which the name leads to */
	struct peer_maps prefixes;
	bool dry_run;
};

/* Parses "load TUNNEL [OPTION]..."; argv[0] is "load". Returns as args_parse() does. */
int options_parse(int argc, char **argv, struct options *options);

/* Reads the request of a loaded tunnel. Returns 0, or a negative errno after a sentence. */
int options_of(const struct pins *pins, uint32_t slot, struct options *options);

/* Tells whether both ask for the same. */
bool options_same(const struct options *a, const struct options *b);

/* Prints a line for everything that a loaded tunnel loses or that changes, if it gets the new ones.
 * prefix: in front of each. */
void options_print_changes(FILE *to, const char *prefix, const struct options *old,
			   const struct options *new);

/* Prints the command, in words for a shell, that options_parse() makes the same of. Without an
 * end of line. netns: for -n; "": the command is for the tunnel's network namespace. */
void options_print(FILE *to, const char *netns, const struct options *options);

/* The same for a request in separate memory, to be freed. prefixes: NULL: none. NULL: there is no
 * memory. */
char *options_text(const char *netns, const struct request *request,
		   const struct peer_maps *prefixes);

/* The same to stdout, as a line. */
static inline void puts_command(const struct options *options)
{
	options_print(stdout, "", options);
	putchar('\n');
}

#endif
