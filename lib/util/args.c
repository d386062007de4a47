/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include "args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define PROGRAM "dscp-tool"

/* One command line while it is being read. */
struct parse {
	const struct arg_command *command;
	void *config;
	const char **args;
	unsigned int *n_args;
	const char *given[ARGS_MAX_OPTIONS]; /* values, in the order of the command's options */
};

static const struct arg_option help_option = {
	.name = "help",
	.letter = 'h',
	.help = "show this text",
};

int args_number(const char *text, unsigned long min, unsigned long max, unsigned long *number,
		char *err, size_t err_len)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = is_hex ? text + 2 : text;
	size_t len = strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789");

	/* strtoul() alone would take blanks, signs and a second 0x. */
	if (!len || digits[len]) {
		snprintf(err, err_len, "'%.40s' is no number: use %lu to %lu, decimal or 0x hex",
			 text, min, max);
		return -EINVAL;
	}
	errno = 0;
	*number = strtoul(digits, NULL, is_hex ? 16 : 10);
	if (errno == ERANGE || *number < min || *number > max) {
		snprintf(err, err_len, "%.40s is out of range: use %lu to %lu", text, min, max);
		return -EINVAL;
	}
	return 0;
}

/* "  -u, --uplink DEV", and its length. */
static int option_text(const struct arg_option *option, char *text, size_t size)
{
	char letter[8] = "    ";

	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	return snprintf(text, size, "  %s--%s%s%s", letter, option->name,
			option->metavar ? " " : "", option->metavar ? option->metavar : "");
}

void args_usage(const struct arg_command *command)
{
	char text[128];
	int width = option_text(&help_option, text, sizeof(text));

	for (const struct arg_option *o = command->options; o && o->name; o++) {
		int len = option_text(o, text, sizeof(text));

		width = len > width ? len : width;
	}
	printf("usage: " PROGRAM " %s%s%s%s\n\n%s\n\n", command->name,
	       command->options && command->options->name ? " [OPTION]..." : "",
	       command->synopsis && *command->synopsis ? " " : "",
	       command->synopsis ? command->synopsis : "", command->help);
	for (const struct arg_option *o = command->options; o && o->name; o++) {
		option_text(o, text, sizeof(text));
		printf("%-*s  %s\n", width, text, o->help);
	}
	option_text(&help_option, text, sizeof(text));
	printf("%-*s  %s\n", width, text, help_option.help);
}

/* The option that arg (with its dashes) names, and the value attached with "=". */
static const struct arg_option *find_option(const struct arg_command *command, const char *arg,
					    const char **value)
{
	size_t len = strcspn(arg, "=");
	const struct arg_option *o = command->options;

	*value = NULL;
	if (arg[1] == '-') {
		*value = arg[len] ? arg + len + 1 : NULL;
		for (; o && o->name; o++) {
			if (strlen(o->name) == len - 2 && !strncmp(o->name, arg + 2, len - 2))
				return o;
		}
		return len == 6 && !strncmp(arg, "--help", len) ? &help_option : NULL;
	}
	for (; o && o->name; o++) {
		if (o->letter && arg[1] == o->letter && !arg[2])
			return o;
	}
	return strcmp(arg, "-h") ? NULL : &help_option;
}

static int set_option(struct parse *parse, const struct arg_option *option, const char *value)
{
	const char **given = &parse->given[option - parse->command->options];
	char err[256] = "";

	if (value && *given && option->times == ARG_ONCE) {
		log_error("--%s is given twice, with '%.40s' and '%.40s': give it once "
			  "(see " PROGRAM " %s --help)",
			  option->name, *given, value, parse->command->name);
		return -EINVAL;
	}
	*given = value;
	if (!option->set(parse->config, value, err, sizeof(err)))
		return 0;
	log_error("--%s: %s (see " PROGRAM " %s --help)", option->name, err, parse->command->name);
	return -EINVAL;
}

/* Handles the option whose value is value or else next. Returns how many words it took, or
 * -EINVAL. */
static int take_option(struct parse *parse, const struct arg_option *option, const char *value,
		       const char *next)
{
	const char *command = parse->command->name;
	int words = 1;

	if (!option->metavar && value) {
		log_error("--%s takes no value, but got '%s' (see " PROGRAM " %s --help)",
			  option->name, value, command);
		return -EINVAL;
	}
	if (option->metavar && !value) {
		/* Never another option: then the value was forgotten. */
		if (!next || !strncmp(next, "--", 2)) {
			log_error("--%s needs a value: --%s %s (see " PROGRAM " %s --help)",
				  option->name, option->name, option->metavar, command);
			return -EINVAL;
		}
		value = next;
		words = 2;
	}
	return set_option(parse, option, value) ? -EINVAL : words;
}

/* "dscp-tool load TUNNEL", with the blank only where there is a synopsis. */
static int refuse_count(const struct arg_command *command, const char *arg, const char *what)
{
	const char *synopsis = command->synopsis ? command->synopsis : "";

	log_error("%s %s: usage: " PROGRAM " %s%s%s (see " PROGRAM " %s --help)", arg, what,
		  command->name, *synopsis ? " " : "", synopsis, command->name);
	return -EINVAL;
}

static int take_argument(struct parse *parse, const char *arg)
{
	char quoted[64];

	if (*parse->n_args < parse->command->max_args) {
		parse->args[(*parse->n_args)++] = arg;
		return 0;
	}
	snprintf(quoted, sizeof(quoted), "'%.60s'", arg);
	return refuse_count(parse->command, quoted, "is one argument too many");
}

/* Option or argument at argv[0]. Returns how many words it took, 0 for --help, or -EINVAL. */
static int take_word(struct parse *parse, char **argv)
{
	const struct arg_command *command = parse->command;
	const struct arg_option *option;
	const char *value;

	/* "-" alone is an argument. */
	if (argv[0][0] != '-' || !argv[0][1])
		return take_argument(parse, argv[0]) ? -EINVAL : 1;
	option = find_option(command, argv[0], &value);
	if (!option) {
		log_error("there is no option '%s' (see " PROGRAM " %s --help)", argv[0],
			  command->name);
		return -EINVAL;
	}
	if (option != &help_option)
		return take_option(parse, option, value, argv[1]);
	if (value)
		return take_option(parse, option, value, NULL);
	args_usage(command);
	return 0;
}

int args_parse(const struct arg_command *command, int argc, char **argv, void *config,
	       const char **args, unsigned int *n_args)
{
	struct parse parse = {
		.command = command, .config = config, .args = args, .n_args = n_args
	};
	int i = 1;
	int words;

	*n_args = 0;
	while (i < argc && strcmp(argv[i], "--")) {
		words = take_word(&parse, argv + i);
		if (words <= 0)
			return words ? words : 1;
		i += words;
	}
	for (i++; i < argc; i++) {
		if (take_argument(&parse, argv[i]))
			return -EINVAL;
	}
	if (*n_args < command->min_args)
		return refuse_count(command, "an argument", "is missing");
	return 0;
}
