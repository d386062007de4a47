/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Table-driven command lines: options anywhere, "--name=value" and "--name value" alike, names
 * match exactly, "--" ends them. getopt_long() is not used because it accepts abbreviations.
 */
#ifndef UTIL_ARGS_H
#define UTIL_ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* An option with a value is refused when it is given twice, or its values add up. */
enum arg_times { ARG_ONCE, ARG_REPEATS };

struct arg_option {
	const char *name; /* without the dashes */
	char letter; /* short form, or 0 */
	const char *metavar; /* NULL: a flag without a value */
	const char *help; /* one line */
	/* Called for each occurrence, value NULL for a flag. Returns 0, or -EINVAL after having
	 * written what is wrong with value, and the legal range, to err. */
	int (*set)(void *config, const char *value, char *err, size_t err_len);
	enum arg_times times;
};

struct arg_command {
	const char *name;
	const char *synopsis; /* positional arguments, for the usage line */
	const char *help; /* one line */
	const struct arg_option *options; /* ends with a NULL name */
	unsigned int min_args;
	unsigned int max_args;
};

#define ARGS_MAX_OPTIONS 16 /* of a command */

/* Sorts argv (argv[0] is the command's name): options go to their set functions with config,
 * the positional arguments to args[0..*n_args). Returns 0, 1 when --help was given and printed
 * to stdout, -EINVAL after a one-line message on stderr. args must hold command->max_args. */
int args_parse(const struct arg_command *command, int argc, char **argv, void *config,
	       const char **args, unsigned int *n_args);

/* Usage text of one command, generated from its table, to stdout. */
void args_usage(const struct arg_command *command);

/* A whole number, decimal or 0x hex, nothing before or after it, within [min, max].
 * Returns 0, or -EINVAL with the sentence in err. */
int args_number(const char *text, unsigned long min, unsigned long max, unsigned long *number,
		char *err, size_t err_len);

#endif
