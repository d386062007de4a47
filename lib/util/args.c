/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads a command line by the table of its command. */
#include "args.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "reason.h"

#define PROGRAM "dscp-tool"
#define GUESS_SLIPS 3 /* so many are too many */
#define GUESS_NAME 31 /* no name is longer */

/* One command line while it is being read. */
struct parse {
	const struct arg_command *command;
	void *config;
	const char **args;
	unsigned int *n_args;
	/* Values, of a flag its name, in the order of the command's options; NULL: not given. */
	const char *given[ARGS_MAX_OPTIONS];
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
		snprintf(err, err_len, "'%.40s' is not a number: use %lu to %lu, decimal or 0x hex",
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
	printf("Usage: " PROGRAM " %s%s%s%s\n\n%s\n\n", command->name,
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

static bool is_word(const char *word, const char *text, size_t len)
{
	return word && strlen(word) == len && !strncmp(word, text, len);
}

/* By its name, of which len characters count, or by its letter if name is NULL. */
static const struct arg_option *find_option(const struct arg_command *command, const char *name,
					    size_t len, char letter)
{
	const struct arg_option *o = command->options;

	for (;; o++) {
		if (!o || !o->name)
			o = &help_option;
		if (name ? is_word(o->name, name, len) || is_word(o->alias, name, len)
			 : letter && o->letter == letter)
			return o;
		if (o == &help_option)
			return NULL;
	}
}

/* Writes "auto, tcx or clsact". */
static void join_words(const struct arg_option *option, char *text, size_t size)
{
	size_t len = 0;

	for (unsigned int i = 0; option->word(i) && len < size; i++)
		len += snprintf(text + len, size - len, "%s%s",
				!i		      ? ""
				: option->word(i + 1) ? ", "
						      : " or ",
				option->word(i));
}

static int parse_word(const struct arg_option *option, const char *value, unsigned long *number,
		      char *err, size_t err_len)
{
	char words[128] = "";

	for (*number = 0; option->word(*number); ++*number)
		if (!strcmp(value, option->word(*number)))
			return 0;
	join_words(option, words, sizeof(words));
	snprintf(err, err_len, "invalid value '%s': use %s", value, words);
	return -EINVAL;
}

static int check_length(const struct arg_option *option, const char *value, char *err,
			size_t err_len)
{
	if (*value && strlen(value) < option->size)
		return 0;
	snprintf(err, err_len, "'%.40s%s' has %zu characters: 1 to %u are possible", value,
		 strlen(value) > 40 ? "..." : "", strlen(value), option->size - 1u);
	return -EINVAL;
}

static void store(const struct arg_option *option, void *member, const char *value,
		  unsigned long number)
{
	if (option->type == ARG_TEXT)
		strcpy(member, value);
	else if (option->size == sizeof(uint16_t))
		*(uint16_t *)member = number;
	else
		*(uint32_t *)member = number;
}

/* Returns 0, or -EINVAL with a sentence in err. */
static int set_member(const struct arg_option *option, char *config, const char *value, char *err,
		      size_t err_len)
{
	char *member = config + option->offset;
	unsigned long number = 0;
	unsigned int *count;

	if (option->type == ARG_SET)
		return option->set(member, value, err, err_len);
	if (!value) { /* of the other types a flag alone has none */
		*(bool *)member = true;
		return 0;
	}
	if (option->type == ARG_NUMBER &&
	    args_number(value, option->min, option->max, &number, err, err_len))
		return -EINVAL;
	if (option->type == ARG_WORD && parse_word(option, value, &number, err, err_len))
		return -EINVAL;
	if (option->type == ARG_TEXT && check_length(option, value, err, err_len))
		return -EINVAL;
	if (option->limit) {
		count = (unsigned int *)(config + option->count);
		if (*count == option->limit) {
			snprintf(err, err_len, "at most %u", option->limit);
			return -EINVAL;
		}
		member += (size_t)option->size * (*count)++;
	}
	store(option, member, value, number);
	return 0;
}

static int set_option(struct parse *parse, const struct arg_option *option, const char *value)
{
	const char **given = &parse->given[option - parse->command->options];
	char err[256] = "";

	if (value && *given && !option->repeats)
		return failed(-EINVAL,
			      "--%s is given twice, with '%.40s' and '%.40s': give it once "
			      "(see " PROGRAM " %s --help)",
			      option->name, *given, value, parse->command->name);
	*given = value ? value : option->name;
	if (!set_member(option, parse->config, value, err, sizeof(err)))
		return 0;
	return failed(-EINVAL, "--%s: %s (see " PROGRAM " %s --help)", option->name, err,
		      parse->command->name);
}

/* Handles an option; its value is value or else next. Returns as take_word() does. */
static int take_option(struct parse *parse, const struct arg_option *option, const char *value,
		       const char *next)
{
	const char *command = parse->command->name;
	int words = 1;

	if (!option->metavar && value)
		return failed(-EINVAL,
			      "--%s takes no value, but got '%s' (see " PROGRAM " %s --help)",
			      option->name, value, command);
	if (option->metavar && !value) {
		/* Never another option: then the value was forgotten. */
		if (!next || !strncmp(next, "--", 2))
			return failed(-EINVAL,
				      "--%s needs a value: --%s %s (see " PROGRAM " %s --help)",
				      option->name, option->name, option->metavar, command);
		value = next;
		words = 2;
	}
	if (option == &help_option)
		return 0;
	return set_option(parse, option, value) ? -EINVAL : words;
}

/* "dscp-tool load TUNNEL", with the blank only where there is a synopsis. */
static int refuse_count(const struct arg_command *command, const char *fault)
{
	const char *synopsis = command->synopsis ? command->synopsis : "";

	return failed(-EINVAL, "%s: usage: " PROGRAM " %s%s%s (see " PROGRAM " %s --help)", fault,
		      command->name, *synopsis ? " " : "", synopsis, command->name);
}

static int take_argument(struct parse *parse, const char *arg)
{
	char fault[96];

	if (!*arg)
		return refuse_count(parse->command, "an argument is empty");
	if (*parse->n_args < parse->command->max_args) {
		parse->args[(*parse->n_args)++] = arg;
		return 0;
	}
	snprintf(fault, sizeof(fault), "unexpected argument '%.60s'", arg);
	return refuse_count(parse->command, fault);
}

static unsigned int least(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

/* How many slips make name of word: a character too much, too few, another one, or two exchanged.
 * GUESS_SLIPS or more: too many. */
static unsigned int slips_between(const char *word, const char *name)
{
	/* Rows for the beginnings of name, one for each beginning of word. */
	unsigned char rows[3][GUESS_NAME + 1];
	const size_t word_len = strlen(word), name_len = strlen(name);

	if (word_len > GUESS_NAME || name_len > GUESS_NAME)
		return GUESS_SLIPS;
	for (size_t i = 0; i <= word_len; i++) {
		unsigned char *row = rows[i % 3], *above = rows[(i + 2) % 3];

		for (size_t j = 0; j <= name_len; j++) {
			unsigned int slips = i + j;

			if (i && j) {
				slips = above[j - 1] +
					(tolower((unsigned char)word[i - 1]) != name[j - 1]);
				slips = least(slips, least(above[j], row[j - 1]) + 1);
			}
			if (i > 1 && j > 1 && word[i - 1] == name[j - 2] &&
			    word[i - 2] == name[j - 1])
				slips = least(slips, rows[(i + 1) % 3][j - 2] + 1);
			row[j] = slips;
		}
	}
	return rows[word_len % 3][name_len];
}

void args_guess(struct args_guess *guess, const char *word, const char *name)
{
	unsigned int slips = slips_between(word, name);

	/* One slip in three letters is possible, or a name that was cut short. */
	if (slips >= GUESS_SLIPS || slips > strlen(name) / 3) {
		if (!*word || strncmp(name, word, strlen(word)))
			return;
		slips = GUESS_SLIPS;
	}
	if (guess->name && guess->slips <= slips)
		return;
	guess->name = name;
	guess->slips = slips;
}

static int unknown_option(const struct parse *parse, const char *arg)
{
	const char *command = parse->command->name, *name = arg + strspn(arg, "-");
	struct args_guess guess = {};
	char word[32];

	if (!strncmp(arg, "-n", 2) || !strncmp(arg, "--netns", 7))
		return failed(
			-EINVAL,
			"unknown option '%s': -n NETNS stands in front of the command (see " PROGRAM
			" %s --help)",
			arg, command);
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, "="), name);
	for (const struct arg_option *o = parse->command->options; word[1] && o && o->name; o++)
		args_guess(&guess, word, o->name);
	args_guess(&guess, word, help_option.name);
	return failed(-EINVAL, "unknown option '%s'%s%s%s (see " PROGRAM " %s --help)", arg,
		      guess.name ? ": did you mean '--" : "", guess.name ? guess.name : "",
		      guess.name ? "'?" : "", command);
}

/* Letters behind one dash: flags, and last an option with the rest of the word as its value, with
 * or without "=" in front, or the next word. Returns as take_word() does. */
static int take_letters(struct parse *parse, const char *arg, const char *next)
{
	const struct arg_option *option;
	const char *rest = arg + 1, *value;
	int words;

	/* A dash has been forgotten: that is no -u with the value "plink". */
	if (find_option(parse->command, rest, strcspn(rest, "="), 0))
		return unknown_option(parse, arg);
	do {
		option = find_option(parse->command, NULL, 0, *rest++);
		if (!option)
			return unknown_option(parse, arg);
		value = *rest && (option->metavar || *rest == '=') ? rest + (*rest == '=') : NULL;
		words = take_option(parse, option, value, next);
	} while (words == 1 && !value && *rest);
	return words;
}

/* Option or argument at argv[0], but letters. Returns how many words it took, 0 for --help, or
 * -EINVAL. */
static int take_word(struct parse *parse, char **argv)
{
	const struct arg_option *option;
	const char *name;
	size_t len;

	/* "-" alone is an argument. */
	if (strncmp(argv[0], "--", 2))
		return take_argument(parse, argv[0]) ? -EINVAL : 1;
	name = argv[0] + 2;
	len = strcspn(name, "=");
	option = find_option(parse->command, name, len, 0);
	if (!option)
		return unknown_option(parse, argv[0]);
	return take_option(parse, option, name[len] ? name + len + 1 : NULL, argv[1]);
}

static bool is_given(const struct parse *parse, const char *name)
{
	for (const struct arg_option *o = parse->command->options; o->name; o++)
		if (!strcmp(o->name, name))
			return parse->given[o - parse->command->options];
	return false;
}

/* Names all options with that need: "--egress-map and --outer-dscp need". */
static int refuse_need(const struct arg_command *command, const struct arg_need *need)
{
	char names[128] = "";
	unsigned int n = 0;
	size_t len = 0;

	for (const struct arg_option *o = command->options; o->name && len < sizeof(names); o++)
		if (o->needs == need)
			len += snprintf(names + len, sizeof(names) - len, "%s--%s",
					n++ ? " and " : "", o->name);
	return failed(-EINVAL, "%s need%s %s", names, n > 1 ? "" : "s", need->what);
}

/* Refuses options that mean nothing together, or without another. */
static int check_together(const struct parse *parse)
{
	const struct arg_option *options = parse->command->options, *o;

	for (o = options; o && o->name; o++)
		if (o->excluded.by && parse->given[o - options] && is_given(parse, o->excluded.by))
			return failed(-EINVAL, "--%s%s excludes --%s", o->excluded.by,
				      o->excluded.because, o->name);
	for (o = options; o && o->name; o++) {
		const struct arg_need *need = parse->given[o - options] ? o->needs : NULL;

		if (need && *(const unsigned int *)((const char *)parse->config + need->offset) ==
				    need->refused)
			return refuse_need(parse->command, need);
	}
	return 0;
}

int args_set_verbose(void *member, const char *value, char *err, size_t err_len)
{
	(void)member;
	(void)value;
	(void)err;
	(void)err_len;
	log_set_verbose(true);
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
		if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-')
			words = take_letters(&parse, argv[i], argv[i + 1]);
		else
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
		return refuse_count(command, "an argument is missing");
	return check_together(&parse);
}

static void list_option(const struct arg_command *command, const struct arg_option *option)
{
	printf("%s --%s -%.1s", command->name, option->name, &option->letter);
	if (option->metavar)
		printf(" %s", option->metavar);
	for (unsigned int i = 0; option->word && option->word(i); i++)
		printf(" %s", option->word(i));
	putchar('\n');
}

void args_list(const struct arg_command *command)
{
	printf("%s%s%s\n", command->name, *command->synopsis ? " " : "", command->synopsis);
	for (const struct arg_option *o = command->options; o->name; o++)
		list_option(command, o);
	list_option(command, &help_option);
}

void args_quote(FILE *to, const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789@%_+=:,./-";

	if (*word && !word[strspn(word, plain)]) {
		fputs(word, to);
		return;
	}
	putc('\'', to);
	for (; *word; word++)
		if (*word == '\'')
			fputs("'\\''", to);
		else
			putc(*word, to);
	putc('\'', to);
}

static uint32_t number_of(const struct arg_option *option, const char *member)
{
	return option->size == sizeof(uint16_t) ? *(const uint16_t *)member
						: *(const uint32_t *)member;
}

static void print_value(FILE *to, const struct arg_option *option, const char *member)
{
	const bool dashed = option->type == ARG_TEXT && *member == '-'; /* as if an option came */

	fprintf(to, " --%s%c", option->name, dashed ? '=' : ' ');
	if (option->type == ARG_TEXT)
		args_quote(to, member);
	else if (option->type == ARG_WORD)
		fputs(option->word(number_of(option, member)), to);
	else
		fprintf(to, "%u", number_of(option, member));
}

void args_print_option(FILE *to, const struct arg_option *option, const void *config,
		       const void *base)
{
	const char *member = (const char *)config + option->offset;

	if (option->type == ARG_SET) {
		if (option->get)
			option->get(to, option, config, base);
	} else if (option->limit) {
		for (uint32_t i = 0; i < *(const uint32_t *)((const char *)config + option->count);
		     i++)
			print_value(to, option, member + (size_t)i * option->size);
	} else if (option->type != ARG_FLAG &&
		   memcmp(member, (const char *)base + option->offset, option->size)) {
		print_value(to, option, member);
	}
}

void args_print(FILE *to, const struct arg_command *command, const void *config, const void *base)
{
	for (const struct arg_option *o = command->options; o->name; o++)
		args_print_option(to, o, config, base);
}

/* Between double quotes a backslash stands for itself, but in front of four characters. */
static bool is_escaped(char quote, char c)
{
	return quote == '"' ? c && strchr("\"\\$`", c) : !quote && c;
}

/* Reads one character of a word, and takes the quotes away. quote: the one that is open, or 0.
 * Returns -1: none was left, it was a quote. */
static int unquoted(const char **from, char *quote)
{
	const char c = *(*from)++;

	if (*quote ? c == *quote : c == '\'' || c == '"') {
		*quote = *quote ? 0 : c;
		return -1;
	}
	if (c == '\\' && is_escaped(*quote, **from))
		return (unsigned char)*(*from)++;
	return (unsigned char)c;
}

/* Cuts off the word at *from, and puts it there without quotes. -EINVAL: a quote has no end. */
static int cut_word(const char **from, char *to)
{
	char quote = 0;
	int c;

	while (**from && (quote || !isspace((unsigned char)**from))) {
		c = unquoted(from, &quote);
		if (c >= 0)
			*to++ = c;
	}
	if (**from)
		++*from;
	*to = 0;
	return quote ? -EINVAL : 0;
}

int args_split(char *line, char **words, unsigned int max)
{
	const char *from = line;
	unsigned int n = 0;

	for (;;) {
		while (isspace((unsigned char)*from))
			from++;
		if (!*from || *from == '#') {
			words[n] = NULL;
			return n;
		}
		if (n == max)
			return -E2BIG;
		/* Reading is never behind writing. */
		words[n] = line + (from - line);
		if (cut_word(&from, words[n++]))
			return -EINVAL;
	}
}
