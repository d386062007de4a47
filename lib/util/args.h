/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Table-driven command lines: options anywhere, "--name=value" and "--name value" alike, also
 * "-nvalue" and several letters behind one dash; names match exactly, "--" ends them.
 * getopt_long() is not used because it accepts abbreviations.
 *
 * The table of a command is the only list of its options: it says where a value goes in the
 * command's configuration, which values are possible, and which options exclude each other.
 */
#ifndef UTIL_ARGS_H
#define UTIL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "macros.h"

enum arg_type {
	ARG_SET, /* set() reads the value */
	ARG_FLAG, /* bool, without a value */
	ARG_TEXT, /* char[], with the terminating zero */
	ARG_NUMBER, /* uint32_t or uint16_t, from min to max */
	ARG_WORD, /* an enum, by the names of its values */
};

/* An option with it is refused while an ARG_WORD of the configuration has that value. */
struct arg_need {
	uint16_t offset;
	unsigned int refused;
	const char *what; /* is needed: "--direction egress or both" */
};

/* An option with it is refused beside the other one. */
struct arg_exclusion {
	const char *by; /* name of the other option */
	const char *because; /* a clause in "--BY excludes --NAME", behind BY; or "" */
};

struct arg_option {
	const char *name; /* without the dashes */
	char letter; /* short form, or 0 */
	const char *metavar; /* NULL: a flag without a value */
	const char *help; /* one line */
	const char *without; /* the state where it is not given; NULL: the earlier state */
	enum arg_type type;
	bool repeats; /* the values of several add up; else a second one is refused */
	/* In the configuration, see ARG_TO() and ARG_LIST(); limit 0: not a list. */
	uint16_t offset, size, count, limit;
	uint32_t min, max; /* ARG_NUMBER */
	/* The name of a value of ARG_WORD, or NULL behind the last. For completion also words of
	 * which a value of ARG_SET is made. */
	const char *(*word)(unsigned int value);
	/* ARG_SET: called for each occurrence with the member at offset, value NULL for a flag.
	 * Returns 0, or -EINVAL after having written the fault of value, and the legal range, to
	 * err. */
	int (*set)(void *member, const char *value, char *err, size_t err_len);
	/* Writes " --NAME VALUE" for a member of ARG_SET, as often as need be, so that set() makes
	 * the same of it; nothing if it is as in base. */
	void (*get)(FILE *to, const struct arg_option *option, const void *config,
		    const void *base);
	const struct arg_need *needs;
	struct arg_exclusion excluded;
	const char *alias; /* an older name, which is accepted and not shown */
};

/* Where the value of an option goes: to a member of the command's configuration, */
#define ARG_TO(config, member)                                                                     \
	.offset = offsetof(config, member), .size = sizeof(((config *)0)->member)
/* or to the next free element of an array, of which n have been given. */
#define ARG_LIST(config, array, n)                                                                 \
	.repeats = true, .offset = offsetof(config, array), .count = offsetof(config, n),          \
	.size = sizeof(*((config *)0)->array), .limit = ARRAY_SIZE(((config *)0)->array)

/* The options that several commands share; config has a member json. */
#define JSON_OPTION(config) "json", 'j', NULL, "as JSON", NULL, ARG_FLAG, ARG_TO(config, json)
#define VERBOSE_OPTION                                                                             \
	{                                                                                          \
		"verbose", 'v', NULL, "show what libbpf and the kernel say",                       \
			.set = args_set_verbose                                                    \
	}
int args_set_verbose(void *member, const char *value, char *err, size_t err_len);

struct arg_command {
	const char *name;
	const char *synopsis; /* positional arguments, for the usage line */
	const char *help; /* one line */
	const struct arg_option *options; /* ends with a NULL name */
	unsigned int min_args;
	unsigned int max_args;
};

#define MAX_NAMES 64 /* of tunnels, behind a command */
#define ARGS_MAX_OPTIONS 16 /* of a command */

/* Sorts argv (argv[0] is the command's name): values of options go to config (NULL: no option has a
 * member), the positional arguments to args[0..*n_args). Returns 0, 1 when --help was given, or
 * -EINVAL and has left the sentence. args must hold command->max_args. */
int args_parse(const struct arg_command *command, int argc, char **argv, void *config,
	       const char **args, unsigned int *n_args);

/* Prints the text of --help to stdout. */
void args_usage(const struct arg_command *command);

/* The nearest name to a word that is none; NULL: none is near. */
struct args_guess {
	const char *name;
	unsigned int slips;
};

/* Takes name for the guess if it is nearer to word than the one before. */
void args_guess(struct args_guess *guess, const char *word, const char *name);

/* Writes the options that make config of base, each with a blank in front, in words for a shell.
 * Flags are left out: they are about the present call. */
void args_print(FILE *to, const struct arg_command *command, const void *config, const void *base);

/* The same of one option. */
void args_print_option(FILE *to, const struct arg_option *option, const void *config,
		       const void *base);

/* Writes a word so that a shell, and args_split(), read it as it is. */
void args_quote(FILE *to, const char *word);

/* Cuts a line into words, in place, as a shell does with blanks, quotes and backslashes. '#' begins
 * a comment. NULL is behind the last word, so words has room for max + 1. Returns how many words
 * there are, -E2BIG: more than max; -EINVAL: a quote has no end. */
int args_split(char *line, char **words, unsigned int max);

/* The table for programs, to stdout: a line for the command and one for each option, with blanks
 * between the words: "COMMAND [SYNOPSIS]" and "COMMAND --NAME -LETTER [METAVAR [WORD...]]"; "-"
 * stands for a letter that there is not. */
void args_list(const struct arg_command *command);

/* A whole number, decimal or 0x hex, nothing before or after it, within [min, max].
 * Returns 0, or -EINVAL with the sentence in err. */
int args_number(const char *text, unsigned long min, unsigned long max, unsigned long *number,
		char *err, size_t err_len);

#endif
