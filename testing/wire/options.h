/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Command lines of the harness: typed options, strict values, anywhere on the line. */
#ifndef WIRE_OPTIONS_H
#define WIRE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "packet.h"

/* Value of an OPT_CYCLE option: go through all values in turn. */
#define CYCLE (-1)

struct mac {
	bool set;
	uint8_t bytes[6];
};

enum option_kind {
	OPT_FLAG, /* bool */
	OPT_NUMBER, /* unsigned int within [min, max] */
	OPT_CYCLE, /* int within [min, max], or CYCLE for "cycle" */
	OPT_TEXT, /* const char * */
	OPT_ADDRESS, /* struct address */
	OPT_MAC, /* struct mac */
};

struct option_spec {
	const char *name; /* with the dashes; NULL ends the table */
	enum option_kind kind;
	size_t offset; /* into the config struct */
	unsigned long min, max;
};

struct command {
	const char *name;
	const char *usage; /* the value behind the name */
	const struct option_spec *options;
	unsigned int n_args; /* exactly so many positional arguments */
	int (*run)(int argc, char **argv);
};

/* Fills config and args[0..n_args). Returns 0, 1 if --help was given and printed, or -EINVAL
 * after one line on stderr. */
int options_parse(const struct command *cmd, int argc, char **argv, void *config,
		  const char **args);

int parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *number);
int parse_address(const char *text, struct address *address);
int parse_mac(const char *text, struct mac *mac);
/* Bytes in hex, an even number of digits. Returns the number of bytes or -EINVAL. */
int parse_hex(const char *text, uint8_t *bytes, size_t max);

void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
