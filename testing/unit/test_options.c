/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The tool's command lines that are refused before the kernel is asked: each has exit status 1, one
 * exact line on stderr and nothing on stdout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <util/macros.h>

#include "command.h"
#include "capture.h"

#define MAX_WORDS 160

struct pins;

/* dscp-tool.c's main() */
int tool_main(int argc, char **argv);

/* What the commands call first when the words are right, in place of the functions of pins.c. */
int __wrap_pins_lock(void);
int __wrap_pins_open(struct pins *state);

static bool asked; /* the kernel */
static char out[4096], errors[4096];

int __wrap_pins_lock(void)
{
	asked = true;
	return -EPERM;
}

int __wrap_pins_open(struct pins *state)
{
	(void)state;
	return __wrap_pins_lock();
}

/* Runs the tool with these words, which have spaces between them. */
static int run(const char *words)
{
	char copy[4096], *argv[MAX_WORDS] = { "dscp-tool" }, *rest = copy;
	struct capture c1, c2;
	int argc = 1, status;

	assert_true(strlen(words) < sizeof(copy));
	strcpy(copy, words);
	while (argc < MAX_WORDS - 1 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	assert_null(rest);
	asked = false;
	c1 = capture(stdout);
	c2 = capture(stderr);
	status = tool_main(argc, argv);
	end_capture(&c2, errors, sizeof(errors));
	end_capture(&c1, out, sizeof(out));
	return status;
}

static void assert_refused(const char *words, const char *sentence, const char *command)
{
	char want[1024];
	int status = run(words);

	/* A command's own words are followed by a pointer to its help. */
	if (command)
		snprintf(want, sizeof(want), "dscp-tool: %s (see dscp-tool %s --help)\n", sentence,
			 command);
	else
		snprintf(want, sizeof(want), "dscp-tool: %s\n", sentence);
	if (status != EXIT_USAGE || asked || strcmp(errors, want))
		print_error("dscp-tool %s\n", words);
	assert_int_equal(status, EXIT_USAGE);
	assert_false(asked);
	assert_string_equal(errors, want);
	assert_string_equal(out, "");
}

/* The words are right: the kernel is asked, and this one says no. */
static void assert_accepted(const char *words)
{
	int status = run(words);

	if (!asked)
		print_error("dscp-tool %s\n", words);
	assert_true(asked);
	assert_int_equal(status, EXIT_REFUSED);
	assert_string_equal(errors, "");
}

struct row {
	const char *words, *sentence;
};

static void assert_rows_refused(const char *command, const struct row *rows, size_t n)
{
	char words[1024];

	for (size_t i = 0; i < n; i++) {
		snprintf(words, sizeof(words), "%s %s", command, rows[i].words);
		assert_refused(words, rows[i].sentence, command);
	}
}

#define DSCPS "use a name (CS0-CS7, AF11-AF43, EF, VA, LE, NQB, DF) or a number from 0 to 63"

static const struct row load_values[] = {
	{ "vx4 --frob", "there is no option '--frob'" },
	{ "vx4 wx5", "'wx5' is one argument too many: usage: dscp-tool load TUNNEL" },
	{ "vx4 --port 66000", "--port: 66000 is out of range: use 1 to 65535" },
	{ "vx4 --port 0", "--port: 0 is out of range: use 1 to 65535" },
	{ "vx4 --port 12x", "--port: '12x' is no number: use 1 to 65535, decimal or 0x hex" },
	{ "vx4 --flows 255", "--flows: 255 is out of range: use 256 to 16777216" },
	{ "vx4 --flows 16777217", "--flows: 16777217 is out of range: use 256 to 16777216" },
	{ "vx4 --egress-map EF=AF99",
	  "--egress-map: 'AF99' in 'EF=AF99' is no DSCP: " DSCPS ", keep or copy" },
	{ "vx4 --egress-map 64=EF",
	  "--egress-map: '64' in '64=EF' is no DSCP: " DSCPS ", a range A-B or *" },
	{ "vx4 --egress-map EF",
	  "--egress-map: 'EF' is no FROM=TO, such as EF=AF41 or CS1-CS3=keep" },
	{ "vx4 --direction ingress --ingress-map EF=AF99",
	  "--ingress-map: 'AF99' in 'EF=AF99' is no DSCP: " DSCPS ", keep or copy" },
	{ "vx4 --direction both --ingress-map EF",
	  "--ingress-map: 'EF' is no FROM=TO, such as EF=AF41 or CS1-CS3=keep" },
	{ "vx4 --outer-dscp 64",
	  "--outer-dscp: '64' is no DSCP: a name (CS0-CS7, AF11-AF43, EF, VA, LE, NQB, DF) or a "
	  "number from 0 to 63" },
	{ "vx4 --direction sideways", "--direction: 'sideways' is none of egress, ingress, both" },
	{ "vx4 --attach xdp", "--attach: 'xdp' is none of auto, tcx, clsact" },
	{ "vx4 --direction ingress --ingress-hook tcx",
	  "--ingress-hook: 'tcx' is none of auto, tc, peek, xdp" },
};

static void load_refuses_values(void **state)
{
	(void)state;
	assert_rows_refused("load", load_values, ARRAY_SIZE(load_values));
	assert_refused("load", "an argument is missing: usage: dscp-tool load TUNNEL", "load");
}

static const struct row load_pairs[] = {
	{ "--outer-dscp EF --egress-map EF=CS0",
	  "--outer-dscp leaves nothing to map: it excludes --egress-map" },
	{ "--outer-dscp EF --peer-map 10.0.0.5:EF=CS1",
	  "--outer-dscp leaves nothing to map: it excludes --peer-map" },
	{ "--ingress-map EF=CS0",
	  "--ingress-map and --ingress-hook need --direction ingress or both" },
	{ "--ingress-hook tc",
	  "--ingress-map and --ingress-hook need --direction ingress or both" },
	{ "--direction egress --ingress-hook auto",
	  "--ingress-map and --ingress-hook need --direction ingress or both" },
	{ "--direction ingress --egress-map EF=CS0",
	  "--egress-map and --outer-dscp need --direction egress or both" },
	{ "--direction ingress --outer-dscp EF",
	  "--egress-map and --outer-dscp need --direction egress or both" },
	{ "--direction ingress --peer-map 10.0.0.5:EF=CS1",
	  "--peer-map needs --direction egress or both" },
};

static void load_refuses_contradictions(void **state)
{
	char words[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(load_pairs); i++) {
		snprintf(words, sizeof(words), "load vx4 %s", load_pairs[i].words);
		assert_refused(words, load_pairs[i].sentence, NULL);
	}
}

#define NO_MAP " is no PREFIX:MAP, such as 10.0.0.5:EF=CS1 or fd00:7::/64:*=CS0"

static const struct row peer_maps[] = {
	{ "EF=CS1", "'EF=CS1'" NO_MAP },
	{ "10.0.0.5", "'10.0.0.5'" NO_MAP },
	{ "fd00::5", "'fd00::5'" NO_MAP },
	{ ":EF=CS1", "'' is no IPv4 or IPv6 address" },
	{ "10.0.0.300:EF=CS1", "'10.0.0.300' is no IPv4 or IPv6 address" },
	{ "::ffff:10.0.0.5:EF=CS1", "'::ffff:10.0.0.5' is an IPv4 address: write it as one" },
	{ "10.0.0.0/33:EF=CS1", "'33' is no prefix length of 10.0.0.0: 0 to 32" },
	{ "10.0.0.0/:EF=CS1", "'' is no prefix length of 10.0.0.0: 0 to 32" },
	{ "fd00::/129:EF=CS1", "'129' is no prefix length of fd00::: 0 to 128" },
	{ "10.0.0.5/24:EF=CS1",
	  "10.0.0.5/24 has bits beyond its length: the prefix is 10.0.0.0/24" },
	{ "fd00:7::1/65:EF=CS1",
	  "fd00:7::1/65 has bits beyond its length: the prefix is fd00:7::/65" },
	{ "10.0.0.5:EF=AF99", "'AF99' in 'EF=AF99' is no DSCP: " DSCPS ", keep or copy" },
	{ "10.0.0.5:EF=CS1 --peer-map 10.0.0.5/32:EF=AF99",
	  "'AF99' in 'EF=AF99' is no DSCP: " DSCPS ", keep or copy" },
	{ "copy", "'copy'" NO_MAP },
	{ "10.0.0.5:copies", "'10.0.0.5:copies'" NO_MAP },
	{ "10.0.0.5:keep", "'10.0.0.5:keep'" NO_MAP },
	{ "fd00::copy", "'fd00:' is no IPv4 or IPv6 address" },
	{ "10.0.0.5:copy,EF", "'10.0.0.5:copy,EF'" NO_MAP },
	{ "10.0.0.5:EF=CS1,EF", "'EF' is no FROM=TO, such as EF=AF41 or CS1-CS3=keep" },
};

static void load_refuses_peer_maps(void **state)
{
	char words[1024], sentence[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(peer_maps); i++) {
		snprintf(words, sizeof(words), "load vx4 --peer-map %s", peer_maps[i].words);
		snprintf(sentence, sizeof(sentence), "--peer-map: %s", peer_maps[i].sentence);
		assert_refused(words, sentence, "load");
	}
}

/* "load vx4", and that option so many times, with 1, 2, 3... in the place of %d. */
static const char *repeated(const char *option, int times)
{
	static char words[4096];
	size_t len = snprintf(words, sizeof(words), "load vx4");

	for (int i = 1; i <= times; i++) {
		len += snprintf(words + len, sizeof(words) - len, " ");
		len += snprintf(words + len, sizeof(words) - len, option, i);
	}
	return words;
}

static void load_limits(void **state)
{
	char words[4096];

	(void)state;
	assert_accepted(repeated("--uplink up%d", 16));
	assert_refused(repeated("--uplink up%d", 17), "--uplink: at most 16", "load");
	assert_accepted(repeated("--port %d", 8));
	assert_refused(repeated("--port %d", 9), "--port: at most 8", "load");
	assert_accepted(repeated("--peer-map 10.1.%d.0/24:EF=CS1", 64));
	assert_refused(repeated("--peer-map 10.1.%d.0/24:EF=CS1", 65),
		       "--peer-map: 10.1.65.0/24 is one too many: at most 64", "load");
	assert_accepted("load vx4 --port 65535 --flows 16777216 --outer-dscp 63");
	assert_accepted("load vx4 --port 1 --flows 256 --outer-dscp 0");
	assert_accepted("load vx4 --direction both --ingress-hook tc --ingress-map EF=CS0");
	assert_accepted("load vx4 --direction ingress --ingress-hook xdp --attach clsact");
	/* Several maps of one prefix are one. */
	snprintf(words, sizeof(words), "%s --peer-map 10.1.7.0/24:CS1=CS2",
		 repeated("--peer-map 10.1.%d.0/24:EF=CS1", 64));
	assert_accepted(words);
	assert_accepted("load vx4 --peer-map 10.0.0.5:copy --peer-map fd00::/16:COPY,EF=CS1");
	assert_accepted("load vx4 --peer-map 10.0.0.5:EF=CS1 --egress-map copy -m *=CS0,EF=copy");
	assert_accepted("load vx4 -d both -i CS0=copy --ingress-map EF=keep --egress-map LE=LE");
}

/* Every option of load with a value but those whose values add up, and one of the other commands
 * each. */
static const struct row twice[] = {
	{ "load vx4 -n a --uplink-netns b", "--uplink-netns is given twice, with 'a' and 'b'" },
	{ "load -d both vx4 --direction=egress",
	  "--direction is given twice, with 'both' and 'egress'" },
	{ "load vx4 -d ingress -H tc -H peek",
	  "--ingress-hook is given twice, with 'tc' and 'peek'" },
	{ "load vx4 -o EF --outer-dscp EF", "--outer-dscp is given twice, with 'EF' and 'EF'" },
	{ "load vx4 -a tcx --attach clsact", "--attach is given twice, with 'tcx' and 'clsact'" },
	{ "load vx4 -f 1000 --flows 2000", "--flows is given twice, with '1000' and '2000'" },
	{ "status -w 1 --watch=2", "--watch is given twice, with '1' and '2'" },
	{ "monitor --interval 5 vx4 --interval 6", "--interval is given twice, with '5' and '6'" },
};

static void refuses_twice(void **state)
{
	char sentence[256], command[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(twice); i++) {
		snprintf(sentence, sizeof(sentence), "%s: give it once", twice[i].sentence);
		snprintf(command, sizeof(command), "%.*s", (int)strcspn(twice[i].words, " "),
			 twice[i].words);
		assert_refused(twice[i].words, sentence, command);
	}
	assert_accepted("load -v vx4 --verbose -u eth0 --uplink eth1 -p 1 --port 2");
	assert_accepted("unload --all --all");
	assert_accepted("status --json -j");
}

static const struct row status_values[] = {
	{ "--watch", "--watch needs a value: --watch SECONDS" },
	{ "--watch vx4", "--watch: 'vx4' is no number: use 1 to 3600, decimal or 0x hex" },
	{ "--watch 0", "--watch: 0 is out of range: use 1 to 3600" },
	{ "vx4 --watch=3601", "--watch: 3601 is out of range: use 1 to 3600" },
	{ "--openmetrics=yes", "--openmetrics takes no value, but got 'yes'" },
	{ "vx4 wx5", "'wx5' is one argument too many: usage: dscp-tool status [TUNNEL]" },
};

static void status_refuses(void **state)
{
	(void)state;
	assert_rows_refused("status", status_values, ARRAY_SIZE(status_values));
	assert_refused("status --json --openmetrics", "--openmetrics excludes --json", NULL);
	assert_refused("status vx4 --openmetrics -j", "--openmetrics excludes --json", NULL);
	assert_refused("status --watch 2 --openmetrics",
		       "--openmetrics is one reading: it excludes --watch", NULL);
	assert_accepted("status");
	assert_accepted("status vx4 --openmetrics");
}

static const struct row monitor_values[] = {
	{ "--interval", "--interval needs a value: --interval SECONDS" },
	{ "--interval vx4", "--interval: 'vx4' is no number: use 1 to 86400, decimal or 0x hex" },
	{ "vx4 --interval -1", "--interval: '-1' is no number: use 1 to 86400, decimal or 0x hex" },
	{ "--interval 0", "--interval: 0 is out of range: use 1 to 86400" },
	{ "vx4 --interval=86401", "--interval: 86401 is out of range: use 1 to 86400" },
	{ "--json", "there is no option '--json'" },
};

static void monitor_refuses(void **state)
{
	(void)state;
	assert_rows_refused("monitor", monitor_values, ARRAY_SIZE(monitor_values));
}

static void other_commands_refuse(void **state)
{
	(void)state;
	assert_refused("dump-map vx4 wx5",
		       "'wx5' is one argument too many: usage: dscp-tool dump-map [TUNNEL]",
		       "dump-map");
	assert_refused("dump-map --openmetrics", "there is no option '--openmetrics'", "dump-map");
	assert_refused("features vx4", "'vx4' is one argument too many: usage: dscp-tool features",
		       "features");
	assert_refused("unload", "unload needs the name of one tunnel, or --all", NULL);
	assert_refused("unload --all vx4", "unload needs the name of one tunnel, or --all", NULL);
	assert_refused("unload -j vx4", "there is no option '-j'", "unload");
	assert_accepted("dump-map vx4 --json");
	assert_accepted("unload vx4");
	assert_accepted("unload --all");
}

static void no_command(void **state)
{
	(void)state;
	assert_refused("loa vx4", "'loa' is no command: see dscp-tool help", NULL);
	assert_refused("--frob", "'--frob' is no command: see dscp-tool help", NULL);
	assert_int_equal(run(""), EXIT_USAGE);
	assert_non_null(strstr(errors, "Usage: dscp-tool COMMAND [OPTION...]\n"));
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_refuses_values),
		cmocka_unit_test(load_refuses_contradictions),
		cmocka_unit_test(load_refuses_peer_maps),
		cmocka_unit_test(load_limits),
		cmocka_unit_test(refuses_twice),
		cmocka_unit_test(status_refuses),
		cmocka_unit_test(monitor_refuses),
		cmocka_unit_test(other_commands_refuse),
		cmocka_unit_test(no_command),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
