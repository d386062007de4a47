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
#include <string.h>

#include "capture.h"
#include <util/args.h>
#include <util/reason.h>

struct config {
	bool json;
	unsigned long port;
	int n_ports, n_json;
	const char *uplinks[4];
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
	{ "uplink", 'u', "DEV", "device of the outer packets", ARG_STRING,
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

struct typed {
	uint32_t before;
	bool flag;
	uint16_t numbers[3], behind_numbers;
	uint32_t number, behind_number;
	enum colour colour, behind_colour;
	const char *name;
	unsigned int n_numbers;
	uint32_t behind;
};

static const char *colour_name(unsigned int colour)
{
	static const char *const names[] = { "red", "green", "blue" };

	return colour <= BLUE ? names[colour] : NULL;
}

static const struct arg_need not_red = { offsetof(struct typed, colour), RED, "--colour green" };

static const struct arg_option typed_options[] = {
	{ "flag", 0, NULL, "", ARG_FLAG, ARG_TO(struct typed, flag) },
	{ "port", 'p', "N", "", ARG_NUMBER, ARG_LIST(struct typed, numbers, n_numbers), .min = 1,
	  .max = 65535 },
	{ "size", 's', "N", "", ARG_NUMBER, ARG_TO(struct typed, number), .max = UINT32_MAX,
	  .excluded = { "flag", " is small: it" } },
	{ "colour", 'c', "COLOUR", "", ARG_WORD, ARG_TO(struct typed, colour),
	  .word = colour_name },
	{ "name", 'n', "NAME", "", ARG_STRING, ARG_TO(struct typed, name), .needs = &not_red },
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
				 typed.behind_colour | typed.behind,
			 0);
	assert_typed_refused("--port: at most 3" SEE, "-p", "1", "-p", "1", "-p", "1", "-p", "1");
	/* A wrong value comes before a full list. */
	assert_typed_refused("--port: 0 is out of range: use 1 to 65535" SEE, "-p", "1", "-p", "1",
			     "-p", "1", "-p", "0");
	assert_typed_refused("--colour: 'Red' is none of red, green, blue" SEE, "-c", "Red");
	assert_typed_refused("--colour: '' is none of red, green, blue" SEE, "--colour=");
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
	assert_int_equal(parse("load", "wg0", "--uplink=--x", "--uplink=", "--uplink=a=b"), 0);
	assert_string_equal(config.uplinks[0], "--x");
	assert_string_equal(config.uplinks[1], "");
	assert_string_equal(config.uplinks[2], "a=b");
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

static void unknown(void **state)
{
	(void)state;
	assert_refused("there is no option '--bogus'", "load", "wg0", "--bogus");
	assert_refused("there is no option '--bogus=1'", "load", "wg0", "--bogus=1");
	assert_refused("there is no option '-x'", "load", "-x", "wg0");
	/* No abbreviations, nothing longer, case counts, and no bundles. */
	assert_refused("there is no option '--upl'", "load", "--upl", "a", "wg0");
	assert_refused("there is no option '--uplinks'", "load", "--uplinks", "a", "wg0");
	assert_refused("there is no option '--JSON'", "load", "--JSON", "wg0");
	assert_refused("there is no option '-ju'", "load", "-ju", "a", "wg0");
	assert_refused("there is no option '--='", "load", "--=", "wg0");
	assert_refused("there is no option '--hel'", "load", "--hel");
	assert_refused("there is no option '-uplink'", "load", "-uplink", "wg0");
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
	assert_refused("--port: 'abc' is no number: use 1 to 65535, decimal or 0x hex", "load",
		       "wg0", "--port", "abc");
	assert_refused("--port: 65536 is out of range: use 1 to 65535", "load", "wg0",
		       "--port=65536");
	assert_refused("--port: '-1' is no number: use 1 to 65535, decimal or 0x hex", "load",
		       "wg0", "--port", "-1");
	assert_refused("--uplink: at most 4", "load", "-u", "a", "-u", "b", "-u", "c", "-u", "d",
		       "-u", "e");
}

static void wrong_count(void **state)
{
	(void)state;
	assert_refused("an argument is missing: usage: dscp-tool load TUNNEL [MORE]", "load",
		       "--json");
	assert_refused("'c' is one argument too many: usage: dscp-tool load TUNNEL [MORE]", "load",
		       "a", "b", "c", "d");
	assert_refused("'c' is one argument too many: usage: dscp-tool load TUNNEL [MORE]", "load",
		       "a", "--", "b", "c");
}

static const char help_text[] = "usage: dscp-tool load [OPTION]... TUNNEL [MORE]\n"
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
	assert_string_equal(errors, "dscp-tool: 'me' is one argument too many: usage: dscp-tool "
				    "help (see dscp-tool help --help)\n");
	assert_int_equal(parse_with(&bare, 2, ask), 1);
	assert_string_equal(out, "usage: dscp-tool help\n\nExplain.\n\n  -h, --help"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_anywhere), cmocka_unit_test(repeated),
		cmocka_unit_test(given_twice),	    cmocka_unit_test(types),
		cmocka_unit_test(together),	    cmocka_unit_test(list),
		cmocka_unit_test(odd_values),	    cmocka_unit_test(double_dash),
		cmocka_unit_test(unknown),	    cmocka_unit_test(wrong_values),
		cmocka_unit_test(wrong_count),	    cmocka_unit_test(help),
		cmocka_unit_test(no_options),	    cmocka_unit_test(number_accepts),
		cmocka_unit_test(number_refuses),
	};

	return cmocka_run_group_tests_name("args", tests, NULL, NULL);
}
