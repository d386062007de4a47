/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tests args: command lines that are read, and those that are refused, with the words for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include <util/args.h>
#include <util/reason.h>

struct config {
	bool json;
	unsigned long port;
	int n_ports, n_json;
	char uplinks[4][8];
	unsigned int n_uplinks;
};

static int set_json(void *member, const char *value, char *err, size_t err_len)
{
	(void)err;
	(void)err_len;
	assert_null(value);
	((struct config *)member)->json = true;
	((struct config *)member)->n_json++;
	return 0;
}

static int set_port(void *member, const char *value, char *err, size_t err_len)
{
	((struct config *)member)->n_ports++;
	return args_number(value, 1, 65535, &((struct config *)member)->port, err, err_len);
}

static const struct arg_option options[] = {
	{ "uplink", 'u', "DEV", "device of the outer packets", NULL, ARG_TEXT,
	  ARG_LIST(struct config, uplinks, n_uplinks) },
	{ "port", 'p', "N", "UDP port", .set = set_port },
	{ "json", 'j', NULL, "for programs", .set = set_json },
	{ 0 },
};

static const struct arg_command load = {
	.name = "load",
	.synopsis = "TUNNEL [MORE]",
	.help = "Mark the outer packets of a tunnel.",
	.options = options,
	.min_args = 1,
	.max_args = 2,
};

/* A member of each type, between others that no option is to change. */
enum colour { RED, GREEN, BLUE };

struct range {
	unsigned long low, high;
};

struct typed {
	uint32_t before;
	bool flag;
	uint16_t numbers[3], behind_numbers;
	uint32_t number, behind_number;
	enum colour colour, behind_colour;
	char before_name, name[8], behind_name;
	struct range range;
	unsigned int n_numbers;
	uint32_t behind;
};

static const char *colour_name(unsigned int colour)
{
	static const char *const names[] = { "red", "green", "blue" };

	return colour <= BLUE ? names[colour] : NULL;
}

/* A value that is written by two options: LOW and -HIGH. */
static int set_range(void *member, const char *value, char *err, size_t err_len)
{
	struct range *range = member;
	const bool is_high = *value == '-';

	return args_number(value + is_high, 0, 9, is_high ? &range->high : &range->low, err,
			   err_len);
}

static void get_range(FILE *to, const struct arg_option *option, const void *some, const void *base)
{
	const struct range *range = (const void *)((const char *)some + option->offset);
	const struct range *other = (const void *)((const char *)base + option->offset);

	if (range->low != other->low)
		fprintf(to, " --%s %lu", option->name, range->low);
	if (range->high != other->high)
		fprintf(to, " --%s=-%lu", option->name, range->high);
}

static const struct arg_need not_red = { offsetof(struct typed, colour), RED, "--colour green" };

static const struct arg_option typed_options[] = {
	{ "flag", 0, NULL, "", NULL, ARG_FLAG, ARG_TO(struct typed, flag) },
	{ "port", 'p', "N", "", NULL, ARG_NUMBER, ARG_LIST(struct typed, numbers, n_numbers),
	  .min = 1, .max = 65535 },
	{ "size", 's', "N", "", NULL, ARG_NUMBER, ARG_TO(struct typed, number), .max = UINT32_MAX,
	  .excluded = { "flag", " is small: it" } },
	{ "colour", 'c', "COLOUR", "", NULL, ARG_WORD, ARG_TO(struct typed, colour),
	  .word = colour_name },
	{ "name", 'n', "NAME", "", NULL, ARG_TEXT, ARG_TO(struct typed, name), .needs = &not_red },
	{ "range", 0, "RANGE", "", NULL, ARG_SET, ARG_TO(struct typed, range), .repeats = true,
	  .set = set_range, .get = get_range },
	{},
};

static const struct arg_command typed_command = {
	.name = "load", .synopsis = "", .help = "", .options = typed_options
};

/* Results of the last parse(). */
static struct config config;
static struct typed typed;
static const char *args[2];
static unsigned int n_args;
static char out[4096];
static char errors[4096];

static int parse_with(const struct arg_command *command, int argc, char **argv)
{
	struct capture c1, c2;
	int ret;

	memset(&config, 0, sizeof(config));
	memset(&typed, 0, sizeof(typed));
	c1 = capture(stdout);
	c2 = capture(stderr);
	ret = args_parse(command, argc, argv, command == &typed_command ? (void *)&typed : &config,
			 args, &n_args);
	if (ret > 0)
		args_usage(command);
	reason_print();
	end_capture(&c2, errors, sizeof(errors));
	end_capture(&c1, out, sizeof(out));
	return ret;
}

#define COUNT(...) ((int)(sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *)))
#define parse(...) parse_with(&load, COUNT(__VA_ARGS__), (char *[]){ __VA_ARGS__, NULL })

#define assert_refused(sentence, ...)                                                              \
	do {                                                                                       \
		assert_int_equal(parse(__VA_ARGS__), -EINVAL);                                     \
		assert_string_equal(errors,                                                        \
				    "dscp-tool: " sentence " (see dscp-tool load --help)\n");      \
		assert_string_equal(out, "");                                                      \
	} while (0)

static void options_anywhere(void **state)
{
	(void)state;
	assert_int_equal(parse("load", "--json", "wg0", "--port=51820", "more", "-u", "eth0"), 0);
	assert_true(config.json);
	assert_int_equal(config.port, 51820);
	assert_int_equal(config.n_uplinks, 1);
	assert_string_equal(config.uplinks[0], "eth0");
	assert_int_equal(n_args, 2);
	assert_string_equal(args[0], "wg0");
	assert_string_equal(args[1], "more");
	assert_string_equal(errors, "");
	assert_string_equal(out, "");
}

/* Behind a letter its value, at once or after an equals sign; flags in front of it. */
static void letters(void **state)
{
	(void)state;
	assert_int_equal(parse("load", "-p51820", "wg0", "-ueth0", "-u=eth1", "-u", "=", "-u=="),
			 0);
	assert_int_equal(config.port, 51820);
	assert_int_equal(config.n_uplinks, 4);
	assert_string_equal(config.uplinks[0], "eth0");
	assert_string_equal(config.uplinks[1], "eth1");
	assert_string_equal(config.uplinks[2], "=");
	assert_string_equal(config.uplinks[3], "=");
	assert_int_equal(n_args, 1);
	assert_false(config.json);
	assert_int_equal(parse("load", "-jjueth0", "wg0", "-jp", "7", "-uj", "-u-j"), 0);
	assert_int_equal(config.n_json, 3);
	assert_int_equal(config.port, 7);
	assert_int_equal(config.n_uplinks, 3);
	assert_string_equal(config.uplinks[1], "j");
	assert_string_equal(config.uplinks[2], "-j");
	assert_int_equal(n_args, 1);
	assert_string_equal(args[0], "wg0");
	assert_refused("--port: 'j' is not a number: use 1 to 65535, decimal or 0x hex", "load",
		       "wg0", "-pj");
	assert_refused("--uplink: '' has 0 characters: 1 to 7 are possible", "load", "wg0", "-u=");
	assert_refused("--json takes no value, but got '1'", "load", "wg0", "-j=1");
	assert_refused("--uplink needs a value: --uplink DEV", "load", "wg0", "-ju", "--json");
	/* Known letters in front of an unknown one do nothing else. */
	assert_refused("unknown option '-j1'", "load", "wg0", "-j1");
	assert_refused("unknown option '-jx'", "load", "wg0", "-jx", "eth0");
	/* A long name behind one dash is no letter with a value. */
	assert_refused("unknown option '-uplink': did you mean '--uplink'?", "load", "-uplink",
		       "wg0");
	assert_refused("unknown option '-port=1': did you mean '--port'?", "load", "-port=1",
		       "wg0");
	assert_int_equal(parse("load", "-uuplink", "wg0"), 0);
	assert_string_equal(config.uplinks[0], "uplink");
}

static void repeated(void **state)
{
	(void)state;
	assert_int_equal(parse("load", "--uplink", "a", "--uplink=b", "-u", "c", "wg0"), 0);
	assert_int_equal(config.n_uplinks, 3);
	assert_string_equal(config.uplinks[2], "c");
}

#define TWICE(one, two) "--port is given twice, with '" one "' and '" two "': give it once"
#define TEN "0123456789"

/* The second value is not looked at, whatever it is, the same or nonsense. */
static void given_twice(void **state)
{
	(void)state;
	assert_refused(TWICE("1", "2"), "load", "--port", "1", "wg0", "--port", "2");
	assert_int_equal(config.n_ports, 1);
	assert_int_equal(config.port, 1);
	assert_refused(TWICE("7", "7"), "load", "--port=7", "-p", "7", "wg0");
	assert_refused(TWICE("1", "abc"), "load", "wg0", "-p", "1", "--port=abc", "--bogus");
	assert_refused(TWICE("1", ""), "load", "wg0", "-p", "1", "--port=");
	assert_refused(TWICE("1", TEN TEN TEN TEN), "load", "wg0", "-p", "1", "--port",
		       TEN TEN TEN TEN TEN);
	/* A flag has no value that another could contradict, and one command line no memory of
	 * another. */
	assert_int_equal(parse("load", "--json", "-j", "--json", "wg0", "-p", "1"), 0);
	assert_int_equal(config.n_json, 3);
	assert_int_equal(parse("load", "wg0", "-p", "2", "--", "-p"), 0);
	assert_int_equal(config.port, 2);
}

#define parse_typed(...)                                                                           \
	parse_with(&typed_command, COUNT("load", __VA_ARGS__),                                     \
		   (char *[]){ "load", __VA_ARGS__, NULL })

#define assert_typed_refused(sentence, ...)                                                        \
	do {                                                                                       \
		assert_int_equal(parse_typed(__VA_ARGS__), -EINVAL);                               \
		assert_string_equal(errors, "dscp-tool: " sentence "\n");                          \
	} while (0)
#define SEE " (see dscp-tool load --help)"

static void types(void **state)
{
	(void)state;
	assert_int_equal(parse_typed("--flag", "-p", "65535", "--port=0x1", "-p", "7", "-c", "blue",
				     "--name", "x"),
			 0);
	assert_true(typed.flag);
	assert_int_equal(typed.n_numbers, 3);
	assert_int_equal(typed.numbers[0], 65535);
	assert_int_equal(typed.numbers[1], 1);
	assert_int_equal(typed.numbers[2], 7);
	assert_int_equal(typed.colour, BLUE);
	assert_string_equal(typed.name, "x");
	assert_int_equal(parse_typed("-s", "0xffffffff"), 0);
	assert_int_equal(typed.number, UINT32_MAX);
	assert_int_equal(typed.before | typed.behind_numbers | typed.behind_number |
				 typed.behind_colour | typed.before_name | typed.behind_name |
				 typed.behind,
			 0);
	assert_typed_refused("--port: at most 3" SEE, "-p", "1", "-p", "1", "-p", "1", "-p", "1");
	/* A wrong value comes before a full list. */
	assert_typed_refused("--port: 0 is out of range: use 1 to 65535" SEE, "-p", "1", "-p", "1",
			     "-p", "1", "-p", "0");
	assert_typed_refused("--colour: invalid value 'Red': use red, green or blue" SEE, "-c",
			     "Red");
	assert_typed_refused("--colour: invalid value '': use red, green or blue" SEE, "--colour=");
}

static void together(void **state)
{
	(void)state;
	assert_typed_refused("--flag is small: it excludes --size", "--size=1", "--flag");
	assert_typed_refused("--name needs --colour green", "--name=x");
	assert_typed_refused("--name needs --colour green", "--name=x", "-c", "red");
	assert_int_equal(parse_typed("--name=x", "-c", "green"), 0);
}

static const char listed[] = "load\n"
			     "load --flag -\n"
			     "load --port -p N\n"
			     "load --size -s N\n"
			     "load --colour -c COLOUR red green blue\n"
			     "load --name -n NAME\n"
			     "load --range - RANGE\n"
			     "load --help -h\n";

static void list(void **state)
{
	struct capture c;

	(void)state;
	c = capture(stdout);
	args_list(&typed_command);
	end_capture(&c, out, sizeof(out));
	assert_string_equal(out, listed);
}

static void odd_values(void **state)
{
	(void)state;
	assert_int_equal(parse("load", "wg0", "--uplink=--x", "--uplink= ", "--uplink=a=b"), 0);
	assert_string_equal(config.uplinks[0], "--x");
	assert_string_equal(config.uplinks[1], " ");
	assert_string_equal(config.uplinks[2], "a=b");
}

/* A text has room for its terminating zero; bytes in front of the member and behind it stay. */
static void lengths(void **state)
{
	(void)state;
	assert_int_equal(parse("load", "wg0", "-u", "1234567", "-u", "\"", "-u", "7654321"), 0);
	assert_string_equal(config.uplinks[0], "1234567");
	assert_string_equal(config.uplinks[1], "\"");
	assert_string_equal(config.uplinks[2], "7654321");
	assert_refused("--uplink: '12345678' has 8 characters: 1 to 7 are possible", "load", "wg0",
		       "-u", "12345678");
	assert_refused("--uplink: '' has 0 characters: 1 to 7 are possible", "load", "wg0",
		       "--uplink=");
	assert_refused("--uplink: '" TEN TEN TEN TEN "...' has 41 characters: 1 to 7 are possible",
		       "load", "wg0", "-u", TEN TEN TEN TEN "0");
	assert_int_equal(parse_typed("--name", "1234567", "-c", "blue"), 0);
	assert_string_equal(typed.name, "1234567");
	assert_int_equal(typed.before_name | typed.behind_name, 0);
}

static void double_dash(void **state)
{
	(void)state;
	assert_int_equal(parse("load", "--json", "--", "--port", "-h"), 0);
	assert_int_equal(n_args, 2);
	assert_string_equal(args[0], "--port");
	assert_string_equal(args[1], "-h");
	assert_int_equal(parse("load", "wg0", "--"), 0);
	assert_int_equal(n_args, 1);
	assert_int_equal(parse("load", "-"), 0);
	assert_string_equal(args[0], "-");
	assert_int_equal(parse("load", "wg0", "--", "--"), 0);
	assert_string_equal(args[1], "--");
}

/* No abbreviations, nothing longer, and case counts; but the nearest name is said. */
static void unknown(void **state)
{
	(void)state;
	assert_refused("unknown option '--bogus'", "load", "wg0", "--bogus");
	assert_refused("unknown option '--bogus=1'", "load", "wg0", "--bogus=1");
	assert_refused("unknown option '-x'", "load", "-x", "wg0");
	assert_refused("unknown option '--='", "load", "--=", "wg0");
	assert_refused("unknown option '---'", "load", "---", "wg0");
	assert_refused("unknown option '--upl': did you mean '--uplink'?", "load", "--upl", "a",
		       "wg0");
	assert_refused("unknown option '--uplinks': did you mean '--uplink'?", "load", "--uplinks",
		       "a", "wg0");
	assert_refused("unknown option '--uplnik=eth0': did you mean '--uplink'?", "load",
		       "--uplnik=eth0", "wg0");
	assert_refused("unknown option '--pulnik': did you mean '--uplink'?", "load", "--pulnik");
	assert_refused("unknown option '--JSON': did you mean '--json'?", "load", "--JSON", "wg0");
	assert_refused("unknown option '--hel': did you mean '--help'?", "load", "--hel");
	assert_refused("unknown option '--xuplinkyz'", "load", "--xuplinkyz");
	assert_refused("unknown option '--jn'", "load", "--jn");
	assert_refused("unknown option '-n': -n NETNS stands in front of the command", "load", "-n",
		       "a", "wg0");
	assert_refused("unknown option '--netns=a': -n NETNS stands in front of the command",
		       "load", "--netns=a", "wg0");
}

static const char *guess(const char *word)
{
	static const char *const names[] = { "load", "unload", "reload", "save", "dump-map" };
	struct args_guess best = {};

	for (unsigned int i = 0; i < ARRAY_SIZE(names); i++)
		args_guess(&best, word, names[i]);
	return best.name;
}

/* The fewest slips win, then the first name; a name cut short is the last resort. */
static void guesses(void **state)
{
	(void)state;
	assert_string_equal(guess("olad"), "load");
	assert_string_equal(guess("loa"), "load");
	assert_string_equal(guess("Loud"), "load");
	assert_string_equal(guess("nload"), "load");
	assert_string_equal(guess("unlod"), "unload");
	assert_string_equal(guess("uload"), "load");
	assert_string_equal(guess("releod"), "reload");
	assert_string_equal(guess("savee"), "save");
	assert_string_equal(guess("dmup-mpa"), "dump-map");
	assert_string_equal(guess("dump"), "dump-map");
	assert_string_equal(guess("d"), "dump-map");
	assert_null(guess(""));
	assert_null(guess("status"));
	assert_null(guess("dumping"));
	assert_null(guess("lo-ad-"));
}

static void wrong_values(void **state)
{
	(void)state;
	assert_refused("--uplink needs a value: --uplink DEV", "load", "wg0", "--uplink");
	assert_refused("--uplink needs a value: --uplink DEV", "load", "wg0", "-u");
	assert_refused("--port needs a value: --port N", "load", "--port", "--json", "wg0");
	assert_refused("--port needs a value: --port N", "load", "--port", "--", "wg0");
	assert_refused("--json takes no value, but got '1'", "load", "wg0", "--json=1");
	assert_refused("--json takes no value, but got ''", "load", "wg0", "--json=");
	assert_refused("--help takes no value, but got 'x'", "load", "--help=x");
	assert_refused("--port: 'abc' is not a number: use 1 to 65535, decimal or 0x hex", "load",
		       "wg0", "--port", "abc");
	assert_refused("--port: 65536 is out of range: use 1 to 65535", "load", "wg0",
		       "--port=65536");
	assert_refused("--port: '-1' is not a number: use 1 to 65535, decimal or 0x hex", "load",
		       "wg0", "--port", "-1");
	assert_refused("--uplink: at most 4", "load", "-u", "a", "-u", "b", "-u", "c", "-u", "d",
		       "-u", "e");
}

static void wrong_count(void **state)
{
	(void)state;
	assert_refused("an argument is empty: usage: dscp-tool load TUNNEL [MORE]", "load", "");
	assert_refused("an argument is empty: usage: dscp-tool load TUNNEL [MORE]", "load", "a",
		       "--", "");
	assert_refused("an argument is missing: usage: dscp-tool load TUNNEL [MORE]", "load",
		       "--json");
	assert_refused("unexpected argument 'c': usage: dscp-tool load TUNNEL [MORE]", "load", "a",
		       "b", "c", "d");
	assert_refused("unexpected argument 'c': usage: dscp-tool load TUNNEL [MORE]", "load", "a",
		       "--", "b", "c");
}

static const char help_text[] = "Usage: dscp-tool load [OPTION]... TUNNEL [MORE]\n"
				"\n"
				"Mark the outer packets of a tunnel.\n"
				"\n"
				"  -u, --uplink DEV  device of the outer packets\n"
				"  -p, --port N      UDP port\n"
				"  -j, --json        for programs\n"
				"  -h, --help        show this text\n";

static void help(void **state)
{
	(void)state;
	assert_int_equal(parse("load", "--help"), 1);
	assert_string_equal(out, help_text);
	assert_string_equal(errors, "");
	assert_int_equal(parse("load", "wg0", "-h", "--bogus"), 1);
	assert_string_equal(out, help_text);
	assert_int_equal(parse("load", "-jh"), 1);
	assert_string_equal(out, help_text);
}

static void no_options(void **state)
{
	static const struct arg_command bare = { .name = "help", .help = "Explain." };
	char *none[] = { "help", NULL };
	char *one[] = { "help", "me", NULL };
	char *ask[] = { "help", "-h", NULL };

	(void)state;
	assert_int_equal(parse_with(&bare, 1, none), 0);
	assert_int_equal(n_args, 0);
	assert_int_equal(parse_with(&bare, 2, one), -EINVAL);
	assert_string_equal(errors, "dscp-tool: unexpected argument 'me': usage: dscp-tool "
				    "help (see dscp-tool help --help)\n");
	assert_int_equal(parse_with(&bare, 2, ask), 1);
	assert_string_equal(out, "Usage: dscp-tool help\n\nExplain.\n\n  -h, --help"
				 "  show this text\n");
}

static void number_accepts(void **state)
{
	unsigned long n;
	char err[128];

	(void)state;
	assert_int_equal(args_number("0", 0, 9, &n, err, sizeof(err)), 0);
	assert_int_equal(n, 0);
	assert_int_equal(args_number("010", 0, 99, &n, err, sizeof(err)), 0);
	assert_int_equal(n, 10);
	assert_int_equal(args_number("0xfF", 0, 255, &n, err, sizeof(err)), 0);
	assert_int_equal(n, 255);
	assert_int_equal(args_number("4294967295", 0, UINT32_MAX, &n, err, sizeof(err)), 0);
	assert_int_equal(n, UINT32_MAX);
	assert_int_equal(args_number("5", 5, 5, &n, NULL, 0), 0);
}

static void number_refuses(void **state)
{
	static const char *const bad[] = {
		"",
		" 1",
		"1 ",
		"+1",
		"-1",
		"1x",
		"0x",
		"0x0x1",
		"0xg",
		"1.0",
		"a",
		"x1",
		"1e",
		"\t1",
		"--",
		"1,2",
		"0x-1",
		"11",
		"0",
		"99999999999999999999999",
		"0xfffffffffffffffffffffff",
	};
	unsigned long n;
	char err[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (args_number(bad[i], 1, 10, &n, err, sizeof(err)) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
		assert_non_null(strstr(err, "use 1 to 10"));
	}
	assert_int_equal(args_number("x", 1, 10, &n, NULL, 0), -EINVAL);
}

/* The output of a function, until the next one writes. */
static const char *end_text(FILE *f, char *const *text)
{
	static char copy[16384];

	fclose(f);
	assert_true(strlen(*text) < sizeof(copy));
	strcpy(copy, *text);
	free(*text);
	return copy;
}

static FILE *begin_text(char **text)
{
	static size_t len;
	FILE *f = open_memstream(text, &len);

	assert_non_null(f);
	return f;
}

static const char *quoted(const char *word)
{
	char *text;
	FILE *f = begin_text(&text);

	args_quote(f, word);
	return end_text(f, &text);
}

static const char *printed(const struct typed *some, const struct typed *base)
{
	char *text;
	FILE *f = begin_text(&text);

	args_print(f, &typed_command, some, base);
	return end_text(f, &text);
}

static const char *printed_option(unsigned int i, const struct typed *some)
{
	const struct typed base = {};
	char *text;
	FILE *f = begin_text(&text);

	args_print_option(f, &typed_options[i], some, &base);
	return end_text(f, &text);
}

/* Cuts a line into at most 7 words. */
static char *words[8];
static int split(const char *line)
{
	static char copy[16384];

	assert_true(strlen(line) < sizeof(copy));
	strcpy(copy, line);
	memset(words, 0xff, sizeof(words));
	return args_split(copy, words, ARRAY_SIZE(words) - 1);
}

static void quotes(void **state)
{
	(void)state;
	assert_string_equal(quoted("eth0.7@x%_+=:,./-Z9"), "eth0.7@x%_+=:,./-Z9");
	assert_string_equal(quoted(""), "''");
	assert_string_equal(quoted("a b"), "'a b'");
	assert_string_equal(quoted("*=CS0"), "'*=CS0'");
	assert_string_equal(quoted("#"), "'#'");
	assert_string_equal(quoted("~"), "'~'");
	assert_string_equal(quoted("$HOME"), "'$HOME'");
	assert_string_equal(quoted("a\\b"), "'a\\b'");
	assert_string_equal(quoted("'"), "''\\'''");
	assert_string_equal(quoted("it's"), "'it'\\''s'");
	assert_string_equal(quoted("\xc3\xa9"), "'\xc3\xa9'");
}

static const char *const odd_words[] = {
	"",
	"wg0",
	"-",
	"--",
	"-n",
	"--all",
	" ",
	"a b",
	"  a",
	"a  ",
	"\t",
	"\n",
	"a\nb",
	"\r",
	"\v\f",
	"'",
	"''",
	"it's",
	"\"",
	"\"a\"",
	"\\",
	"a\\",
	"\\'",
	"\\\"",
	"$HOME",
	"${x}",
	"$(date)",
	"`id`",
	"#",
	"a#",
	"# a",
	"!",
	"!!",
	"*",
	"*=CS0",
	"?",
	"[a-z]",
	"{a,b}",
	"~",
	"~root",
	"a=b",
	"&",
	"a;b",
	"|",
	"<",
	">",
	"(",
	")",
	"^",
	"a:b,c./-_%+@",
	"\x01",
	"\x1b",
	"\x7f",
	"\x80",
	"\xff",
	"\xc3\xa9",
	"\xe2\x80\xa6",
};

static void splits_what_it_quotes(void **state)
{
	char line[4096], all[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd_words); i++) {
		snprintf(line, sizeof(line), " %s\t", quoted(odd_words[i]));
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s",
			 quoted(odd_words[i]));
		assert_int_equal(split(line), 2);
		assert_string_equal(words[0], odd_words[i]);
		assert_string_equal(words[1], odd_words[i]);
		assert_null(words[2]);
	}
	for (int c = 1; c < 256; c++)
		all[c - 1] = c;
	all[255] = 0;
	assert_int_equal(split(quoted(all)), 1);
	assert_string_equal(words[0], all);
}

/* The shell is an independent judge. Behind each word is a mark. */
static void a_shell_reads_the_same(void **state)
{
	char *text, want[4096] = "", got[4096];
	FILE *f = begin_text(&text);
	size_t len;

	(void)state;
	fputs("printf '%s|' ", f);
	for (size_t i = 0; i < ARRAY_SIZE(odd_words); i++) {
		putc(' ', f);
		args_quote(f, odd_words[i]);
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s|", odd_words[i]);
	}
	f = popen(end_text(f, &text), "r");
	assert_non_null(f);
	len = fread(got, 1, sizeof(got) - 1, f);
	got[len] = 0;
	assert_int_equal(pclose(f), 0);
	assert_string_equal(got, want);
}

static const struct {
	const char *line;
	int n;
	const char *words[4];
} lines[] = {
	{ "", 0, {} },
	{ " \t\r\n", 0, {} },
	{ "# load wg0", 0, {} },
	{ "  # load 'wg0", 0, {} },
	{ "load wg0\n", 2, { "load", "wg0" } },
	{ "\tload\twg0\r\n", 2, { "load", "wg0" } },
	{ "load wg0 # it's", 2, { "load", "wg0" } },
	{ "load wg0# x#y", 3, { "load", "wg0#", "x#y" } },
	{ "load '#' \\# \"#\"", 4, { "load", "#", "#", "#" } },
	{ "''", 1, { "" } },
	{ "'' \"\" ''\"\"", 3, { "", "", "" } },
	{ "a'b c'd\"e f\"g", 1, { "ab cde fg" } },
	{ "'a\\b' \"a\\b\" a\\b", 3, { "a\\b", "a\\b", "ab" } },
	{ "\"\\\"\\\\\\$\\`\\'\"", 1, { "\"\\$`\\'" } },
	{ "a\\ b \\'", 2, { "a b", "'" } },
	{ "\"it's\" 'say \"so\"'", 2, { "it's", "say \"so\"" } },
	{ "a\\", 1, { "a\\" } }, /* nothing is behind the backslash */
	{ "$HOME *", 2, { "$HOME", "*" } }, /* a shell would replace them */
	{ "\xc3\xa9 '\xff' \\\xfe", 3, { "\xc3\xa9", "\xff", "\xfe" } },
	{ "1 2 3 4 5 6 7 # 8", 7, { "1", "2", "3", "4" } },
	{ "1 2 3 4 5 6 7 8", -E2BIG, {} },
	{ "1 2 3 4 5 6 7 ''", -E2BIG, {} },
	{ "'", -EINVAL, {} },
	{ "a \"b", -EINVAL, {} },
	{ "a 'b\"", -EINVAL, {} },
	{ "a \"b'", -EINVAL, {} },
	{ "a \"b\\\"", -EINVAL, {} },
};

static void splits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		const int n = split(lines[i].line);

		if (n != lines[i].n)
			fail_msg("'%s' has %d words, not %d", lines[i].line, n, lines[i].n);
		for (int j = 0; j < n && j < (int)ARRAY_SIZE(lines[i].words); j++)
			assert_string_equal(words[j], lines[i].words[j]);
		if (n >= 0)
			assert_null(words[n]);
	}
}

/* A forgotten value leaves the option as the last word, and nothing behind it is taken. */
static void split_and_parse(void **state)
{
	(void)state;
	assert_int_equal(split("load wg0 --uplink"), 3);
	assert_int_equal(parse_with(&load, 3, words), -EINVAL);
	assert_string_equal(errors, "dscp-tool: --uplink needs a value: --uplink DEV" SEE "\n");
	assert_int_equal(split("load wg0 --uplink 'a b' -j"), 5);
	assert_int_equal(parse_with(&load, 5, words), 0);
	assert_string_equal(config.uplinks[0], "a b");
	assert_true(config.json);
}

static void prints(void **state)
{
	const struct typed base = {}, other = { .number = 7, .colour = BLUE, .name = "x" };
	const struct typed some = {
		.flag = true,
		.numbers = { 65535, '-', 1 }, /* a number does not begin with a dash */
		.n_numbers = 3,
		.number = 0x2d2d2d2d,
		.colour = GREEN,
		.name = "a b",
		.range = { 1, 2 },
	};

	(void)state;
	assert_string_equal(printed(&base, &base), "");
	assert_string_equal(printed(&some, &base),
			    " --port 65535 --port 45 --port 1 --size 757935405 --colour green"
			    " --name 'a b' --range 1 --range=-2");
	/* Zero is printed too where base has something else. */
	assert_string_equal(printed(&base, &other), " --size 0 --colour red --name ''");
	assert_string_equal(printed(&other, &other), "");
	assert_string_equal(printed_option(0, &some), "");
	assert_string_equal(printed_option(1, &some), " --port 65535 --port 45 --port 1");
	assert_string_equal(printed_option(4, &some), " --name 'a b'");
	assert_string_equal(printed_option(4, &base), "");
	assert_string_equal(printed_option(5, &some), " --range 1 --range=-2");
}

/* For any text, the words that are printed for it make the same of it. */
static void parses_what_it_prints(void **state)
{
	const struct typed base = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd_words); i++) {
		struct typed one;
		char line[4096];
		int n;

		memset(&one, 0, sizeof(one)); /* the holes too, which are compared */
		one.colour = BLUE;
		one.range.high = i % 10;
		if (!*odd_words[i] || strlen(odd_words[i]) >= sizeof(one.name))
			continue;
		strcpy(one.name, odd_words[i]);
		snprintf(line, sizeof(line), "load%s", printed(&one, &base));
		n = split(line);
		assert_true(n > 0);
		if (parse_with(&typed_command, n, words))
			fail_msg("'%s' was refused: %s", line, errors);
		assert_memory_equal(&typed, &one, sizeof(one));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_anywhere),
		cmocka_unit_test(letters),
		cmocka_unit_test(repeated),
		cmocka_unit_test(given_twice),
		cmocka_unit_test(types),
		cmocka_unit_test(together),
		cmocka_unit_test(list),
		cmocka_unit_test(odd_values),
		cmocka_unit_test(double_dash),
		cmocka_unit_test(unknown),
		cmocka_unit_test(guesses),
		cmocka_unit_test(wrong_values),
		cmocka_unit_test(wrong_count),
		cmocka_unit_test(help),
		cmocka_unit_test(no_options),
		cmocka_unit_test(number_accepts),
		cmocka_unit_test(number_refuses),
		cmocka_unit_test(lengths),
		cmocka_unit_test(quotes),
		cmocka_unit_test(splits_what_it_quotes),
		cmocka_unit_test(splits),
		cmocka_unit_test(a_shell_reads_the_same),
		cmocka_unit_test(prints),
		cmocka_unit_test(split_and_parse),
		cmocka_unit_test(parses_what_it_prints),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
