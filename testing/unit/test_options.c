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
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <util/macros.h>

#include "command.h"
#include "capture.h"

#define MAX_WORDS 160

/* main.c's main() */
int tool_main(int argc, char **argv);

/* Stand-ins for the functions of root.c, which the commands call first when the words are right. */
int __wrap_root_lock(bool make);
int __wrap_root_try_lock(void);
int __wrap_root_sets(uint64_t **sets);

static bool asked; /* the kernel */
static char out[4096], errors[4096];

int __wrap_root_lock(bool make)
{
	(void)make;
	asked = true;
	return -EPERM;
}

int __wrap_root_try_lock(void)
{
	return __wrap_root_lock(false);
}

int __wrap_root_sets(uint64_t **sets)
{
	*sets = NULL;
	return __wrap_root_lock(false);
}

/* Runs the tool with these words, which have spaces between them. */
static int run(const char *words)
{
	char copy[4096], *argv[MAX_WORDS] = { "dscp-tool" }, *rest = copy;
	struct capture c1, c2;
	int argc = 1, status;
	sigset_t signals;

	assert_true(strlen(words) < sizeof(copy));
	strcpy(copy, words);
	while (argc < MAX_WORDS - 1 && (argv[argc] = strsep(&rest, " ")))
		argc++;
	assert_null(rest);
	asked = false;
	sigprocmask(SIG_BLOCK, NULL, &signals); /* monitor never gives them back */
	c1 = capture(stdout);
	c2 = capture(stderr);
	status = tool_main(argc, argv);
	end_capture(&c2, errors, sizeof(errors));
	end_capture(&c1, out, sizeof(out));
	sigprocmask(SIG_SETMASK, &signals, NULL);
	return status;
}

/* Commands of these tests that have --json say their sentence on stderr in JSON, too: want. */
static void assert_json_of(const char *words, const char *want)
{
	const char *name = "dscp-tool: ";
	char json[1100] = "";

	if ((!strncmp(words, "status ", 7) || !strncmp(words, "dump-map ", 9)) &&
	    (strstr(words, "--json ") || strstr(words, " -j")))
		snprintf(json, sizeof(json), "{\"errors\":[\"%.*s\"],\"exit_status\":1}\n",
			 (int)(strlen(want) - strlen(name) - 1), want + strlen(name));
	assert_string_equal(out, json);
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
	assert_json_of(words, want);
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

#define DSCPS "use a name (CS0-CS7, AF11-AF43, EF, VA, LE, NQB, DF, BE) or a number from 0 to 63"

#define UPPER "a DSCP is its upper six bits"

#define NO_PRIORITY " is not a priority: use a number from 0 to 15, keep, 802.1p, pfifo_fast or fq"

static const struct row load_values[] = {
	{ "vx4 --frob", "unknown option '--frob'" },
	{ "vx4 -n a", "unknown option '-n': -n NETNS stands in front of the command" },
	{ "vx4 --dry-run=yes", "--dry-run takes no value, but got 'yes'" },
	{ "vx4 wx5", "unexpected argument 'wx5': usage: dscp-tool load TUNNEL" },
	{ "vx4 --uplink 0123456789abcdef",
	  "--uplink: '0123456789abcdef' has 16 characters: 1 to 15 are possible" },
	{ "vx4 --uplink=", "--uplink: '' has 0 characters: 1 to 15 are possible" },
	{ "vx4 --uplink-netns=", "--uplink-netns: '' has 0 characters: 1 to 255 are possible" },
	{ "vx4 --port 66000", "--port: 66000 is out of range: use 1 to 65535" },
	{ "vx4 --port 0", "--port: 0 is out of range: use 1 to 65535" },
	{ "vx4 --port 12x", "--port: '12x' is not a number: use 1 to 65535, decimal or 0x hex" },
	{ "vx4 --flows 255", "--flows: 255 is out of range: use 256 to 16777216" },
	{ "vx4 --flows 16777217", "--flows: 16777217 is out of range: use 256 to 16777216" },
	{ "vx4 --egress-map EF=AF99",
	  "--egress-map: 'AF99' in 'EF=AF99' is not a DSCP: " DSCPS ", keep or copy" },
	{ "vx4 --egress-map 64=EF",
	  "--egress-map: '64' in '64=EF' is the DS field (TOS byte) of CS2: " UPPER },
	{ "vx4 --egress-map 256=EF",
	  "--egress-map: '256' in '256=EF' is not a DSCP: " DSCPS ", a range A-B or *" },
	{ "vx4 --egress-map EF=CS1,", "--egress-map: '' is an empty entry (a comma too many?): use "
				      "FROM=TO, such as EF=AF41" },
	{ "vx4 --egress-map EF",
	  "--egress-map: 'EF' is not FROM=TO, such as EF=AF41 or CS1-CS3=keep" },
	{ "vx4 --direction ingress --ingress-map EF=AF99",
	  "--ingress-map: 'AF99' in 'EF=AF99' is not a DSCP: " DSCPS ", keep or copy" },
	{ "vx4 --direction both --ingress-map EF",
	  "--ingress-map: 'EF' is not FROM=TO, such as EF=AF41 or CS1-CS3=keep" },
	{ "vx4 --outer-dscp AF44", "--outer-dscp: 'AF44' is not a DSCP: " DSCPS },
	{ "vx4 --outer-dscp 0xb8",
	  "--outer-dscp: '0xb8' is the DS field (TOS byte) of EF: " UPPER },
	{ "vx4 --handshake-dscp CS8", "--handshake-dscp: 'CS8' is not a DSCP: " DSCPS " or keep" },
	{ "vx4 --handshake-dscp copy",
	  "--handshake-dscp: 'copy' is not a DSCP: " DSCPS " or keep" },
	{ "vx4 --handshake-dscp 0x88",
	  "--handshake-dscp: '0x88' is the DS field (TOS byte) of AF41: " UPPER },
	{ "vx4 --priority-map EF=16", "--priority-map: '16' in 'EF=16'" NO_PRIORITY },
	{ "vx4 --priority-map EF=CS1", "--priority-map: 'CS1' in 'EF=CS1'" NO_PRIORITY },
	{ "vx4 --priority-map copy",
	  "--priority-map: 'copy' is not FROM=TO, such as EF=6 or CS1-CS3=keep" },
	{ "vx4 --direction sideways",
	  "--direction: invalid value 'sideways': use egress, ingress or both" },
	{ "vx4 --attach xdp", "--attach: invalid value 'xdp': use auto, tcx or clsact" },
	{ "vx4 --direction ingress --ingress-method tcx",
	  "--ingress-method: invalid value 'tcx': use auto, tc, peek or xdp" },
};

static void load_refuses_values(void **state)
{
	(void)state;
	assert_rows_refused("load", load_values, ARRAY_SIZE(load_values));
	assert_refused("load", "an argument is missing: usage: dscp-tool load TUNNEL", "load");
	assert_refused("load 0123456789abcdef",
		       "there is no device '0123456789abcdef': a name has "
		       "at most 15 characters",
		       NULL);
}

static const struct row load_pairs[] = {
	{ "--outer-dscp EF --egress-map EF=CS0",
	  "--outer-dscp leaves nothing to map: it excludes --egress-map" },
	{ "--outer-dscp EF --peer-map 10.0.0.5:EF=CS1",
	  "--outer-dscp leaves nothing to map: it excludes --peer-map" },
	{ "--ingress-map EF=CS0",
	  "--ingress-map and --ingress-method need --direction ingress or both" },
	{ "--ingress-method tc",
	  "--ingress-map and --ingress-method need --direction ingress or both" },
	{ "--direction egress --ingress-method auto",
	  "--ingress-map and --ingress-method need --direction ingress or both" },
	{ "--direction ingress --egress-map EF=CS0",
	  "--egress-map and --outer-dscp need --direction egress or both" },
	{ "--direction ingress --outer-dscp EF",
	  "--egress-map and --outer-dscp need --direction egress or both" },
	{ "--direction ingress --priority-map 802.1p",
	  "--priority-map and --handshake-dscp need --direction egress or both" },
	{ "--direction ingress --handshake-dscp keep",
	  "--priority-map and --handshake-dscp need --direction egress or both" },
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

#define NO_MAP " is not PREFIX:MAP, such as 10.0.0.5:EF=CS1 or fd00:7::/64:*=CS0"

static const struct row peer_maps[] = {
	{ "EF=CS1", "'EF=CS1'" NO_MAP },
	{ "10.0.0.5", "'10.0.0.5'" NO_MAP },
	{ "fd00::5", "'fd00::5'" NO_MAP },
	{ ":EF=CS1", "'' is not an IPv4 or IPv6 address" },
	{ "10.0.0.300:EF=CS1", "'10.0.0.300' is not an IPv4 or IPv6 address" },
	{ "::ffff:10.0.0.5:EF=CS1", "'::ffff:10.0.0.5' is an IPv4 address: write it as one" },
	{ "10.0.0.0/33:EF=CS1", "'33' is not a prefix length of 10.0.0.0: 0 to 32" },
	{ "10.0.0.0/:EF=CS1", "'' is not a prefix length of 10.0.0.0: 0 to 32" },
	{ "fd00::/129:EF=CS1", "'129' is not a prefix length of fd00::: 0 to 128" },
	{ "10.0.0.5/24:EF=CS1", "10.0.0.5/24 has host bits set; use 10.0.0.0/24" },
	{ "fd00:7::1/65:EF=CS1", "fd00:7::1/65 has host bits set; use fd00:7::/65" },
	{ "10.0.0.5:EF=AF99", "'AF99' in 'EF=AF99' is not a DSCP: " DSCPS ", keep or copy" },
	{ "10.0.0.5:EF=CS1 --peer-map 10.0.0.5/32:EF=AF99",
	  "'AF99' in 'EF=AF99' is not a DSCP: " DSCPS ", keep or copy" },
	{ "copy", "'copy'" NO_MAP },
	{ "10.0.0.5:copies", "'10.0.0.5:copies'" NO_MAP },
	{ "10.0.0.5:keep", "'10.0.0.5:keep'" NO_MAP },
	{ "fd00::copy", "'fd00:' is not an IPv4 or IPv6 address" },
	{ "10.0.0.5:copy,EF", "'10.0.0.5:copy,EF'" NO_MAP },
	{ "10.0.0.5:EF=CS1,EF", "'EF' is not FROM=TO, such as EF=AF41 or CS1-CS3=keep" },
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
	assert_accepted("load vx4 --priority-map PFIFO_FAST,*=15,0=0xf,CS1-CS3=802.1p "
			"--priority-map fq,EF=keep,keep --handshake-dscp KEEP --outer-dscp EF");
	assert_accepted("load vx4 --port 1 --flows 256 --outer-dscp 0");
	assert_accepted("load vx4 --direction both --ingress-method tc --ingress-map EF=CS0");
	/* The older name. */
	assert_accepted("load vx4 --direction both --ingress-hook=peek");
	assert_accepted("load vx4 --direction ingress --ingress-method xdp --attach clsact");
	/* Several maps of one prefix are one. */
	snprintf(words, sizeof(words), "%s --peer-map 10.1.7.0/24:CS1=CS2",
		 repeated("--peer-map 10.1.%d.0/24:EF=CS1", 64));
	assert_accepted(words);
	assert_accepted("load vx4 --peer-map 10.0.0.5:copy --peer-map fd00::/16:COPY,EF=CS1");
	assert_accepted("load vx4 --peer-map 10.0.0.5:EF=CS1 --egress-map copy -m *=CS0,EF=copy");
	assert_accepted("load 0123456789abcde --uplink 0123456789abcde");
	assert_accepted("load vx4 --dry-run --egress-map *=CS0");
	assert_accepted("load vx4 -d both -i CS0=copy --ingress-map EF=keep --egress-map LE=LE");
}

/* Every option of load with a value but those with values that add up, and one of the other
 * commands each. */
static const struct row twice[] = {
	{ "load vx4 --uplink-netns a --uplink-netns b",
	  "--uplink-netns is given twice, with 'a' and 'b'" },
	{ "load -d both vx4 --direction=egress",
	  "--direction is given twice, with 'both' and 'egress'" },
	{ "load vx4 -d ingress -H tc -H peek",
	  "--ingress-method is given twice, with 'tc' and 'peek'" },
	{ "load vx4 -d both --ingress-hook tc --ingress-method peek",
	  "--ingress-method is given twice, with 'tc' and 'peek'" },
	{ "load vx4 -o EF --outer-dscp EF", "--outer-dscp is given twice, with 'EF' and 'EF'" },
	{ "load vx4 --handshake-dscp EF --handshake-dscp keep",
	  "--handshake-dscp is given twice, with 'EF' and 'keep'" },
	{ "load vx4 -a tcx --attach clsact", "--attach is given twice, with 'tcx' and 'clsact'" },
	{ "load vx4 -f 1000 --flows 2000", "--flows is given twice, with '1000' and '2000'" },
	{ "status -w 1 --watch=2", "--watch is given twice, with '1' and '2'" },
	{ "test vx4 --count 1 -c 2", "--count is given twice, with '1' and '2'" },
	{ "test vx4 --peer ::1 --peer ::2", "--peer is given twice, with '::1' and '::2'" },
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
	assert_accepted("load vx4 -vdboth -ueth0 -u=eth1 -p4789 -m*=CS0 -i=EF=EF");
	assert_accepted("unload --all --all");
	assert_accepted("status --json -j");
}

static const struct row status_values[] = {
	{ "--watch", "--watch needs a value: --watch SECONDS" },
	{ "--watch vx4", "--watch: 'vx4' is not a number: use 1 to 3600, decimal or 0x hex" },
	{ "--watch 0", "--watch: 0 is out of range: use 1 to 3600" },
	{ "vx4 --watch=3601", "--watch: 3601 is out of range: use 1 to 3600" },
	{ "--openmetrics=yes", "--openmetrics takes no value, but got 'yes'" },
	{ "--prometheus=yes", "--prometheus takes no value, but got 'yes'" },
	{ "--all-netns=yes", "--all-netns takes no value, but got 'yes'" },
	{ "-a", "unknown option '-a'" },
};

static void status_refuses(void **state)
{
	(void)state;
	assert_rows_refused("status", status_values, ARRAY_SIZE(status_values));
	assert_refused("status --json --openmetrics", "--openmetrics excludes --json", NULL);
	assert_refused("status vx4 --openmetrics -j", "--openmetrics excludes --json", NULL);
	assert_refused("status --watch 2 --openmetrics",
		       "--openmetrics is one reading: it excludes --watch", NULL);
	assert_refused("status --prometheus --openmetrics", "--openmetrics excludes --prometheus",
		       NULL);
	assert_refused("status --json --prometheus",
		       "--prometheus is one reading: it excludes --json and --watch", NULL);
	assert_refused("status --prometheus --watch 2",
		       "--prometheus is one reading: it excludes --json and --watch", NULL);
	assert_refused("status --all-netns vx4", "--all-netns shows all tunnels: no name is needed",
		       NULL);
	assert_accepted("status");
	assert_accepted("status vx4 wx5 --openmetrics");
	assert_accepted("status --all-netns --json");
	assert_accepted("status -jw1 vx4");
	assert_accepted("status --all-netns --prometheus");
}

static const struct row monitor_values[] = {
	{ "--interval", "--interval needs a value: --interval SECONDS" },
	{ "--interval vx4",
	  "--interval: 'vx4' is not a number: use 1 to 86400, decimal or 0x hex" },
	{ "vx4 --interval -1",
	  "--interval: '-1' is not a number: use 1 to 86400, decimal or 0x hex" },
	{ "--interval 0", "--interval: 0 is out of range: use 1 to 86400" },
	{ "vx4 --interval=86401", "--interval: 86401 is out of range: use 1 to 86400" },
	{ "--json", "unknown option '--json'" },
	{ "--all", "unknown option '--all'" },
};

static void monitor_refuses(void **state)
{
	(void)state;
	assert_rows_refused("monitor", monitor_values, ARRAY_SIZE(monitor_values));
	assert_accepted("monitor");
	assert_accepted("monitor vx4 --interval 86400 wx5");
}

static void reload_refuses(void **state)
{
	(void)state;
	assert_refused("reload --all vx4",
		       "reload needs the names of tunnels, or --all, or neither", NULL);
	assert_refused("reload --dry-run", "unknown option '--dry-run'", "reload");
	assert_refused("reload vx4 --port 1", "unknown option '--port'", "reload");
	assert_accepted("reload");
	assert_accepted("reload vx4 wx5");
	assert_accepted("reload -a");
}

static void other_commands_refuse(void **state)
{
	(void)state;
	assert_refused("dump-map vx4 wx5",
		       "unexpected argument 'wx5': usage: dscp-tool dump-map [TUNNEL]", "dump-map");
	assert_refused("dump-map --openmetrics", "unknown option '--openmetrics'", "dump-map");
	assert_refused("features vx4", "unexpected argument 'vx4': usage: dscp-tool features",
		       "features");
	assert_refused("monitor ", "an argument is empty: usage: dscp-tool monitor [TUNNEL...]",
		       "monitor");
	assert_refused("unload vx4 ",
		       "an argument is empty: usage: dscp-tool unload TUNNEL... | --all", "unload");
	assert_refused("unload", "unload needs the names of tunnels, or --all", NULL);
	assert_refused("unload --all vx4", "unload needs the names of tunnels, or --all", NULL);
	assert_refused("unload -j vx4", "unknown option '-j'", "unload");
	assert_refused("save vx4", "unexpected argument 'vx4': usage: dscp-tool save", "save");
	assert_refused("save --all", "unknown option '--all'", "save");
	assert_accepted("dump-map vx4 --json");
	assert_accepted("unload vx4");
	assert_accepted("unload vx4 wx5");
	assert_accepted("unload --all");
	assert_accepted("save");
	assert_accepted("save --verbose"); /* it has no configuration */
}

static void explain_refuses(void **state)
{
	(void)state;
	assert_refused("explain", "an argument is missing: usage: dscp-tool explain TUNNEL...",
		       "explain");
	assert_refused("explain vx4 --dscp EF --dscp AF41",
		       "--dscp is given twice, with 'EF' and 'AF41': give it once", "explain");
	assert_refused(
		"explain vx4 -d 184",
		"--dscp: '184' is the DS field (TOS byte) of EF: a DSCP is its upper six bits",
		"explain");
	assert_refused("explain vx4 --to 10.0.0.0/8",
		       "--to: '10.0.0.0/8' is not an IPv4 or IPv6 address", "explain");
	assert_refused("explain vx4 --to fd00:", "--to: 'fd00:' is not an IPv4 or IPv6 address",
		       "explain");
	assert_refused("explain vx4 -t ::ffff:10.0.0.5",
		       "--to: '::ffff:10.0.0.5' is an IPv4 address: write it as one", "explain");
	assert_refused("explain vx4 --to "
		       "fd00:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0005",
		       "--to: 'fd00:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0005' is not "
		       "an IPv4 or IPv6 address",
		       "explain");
	assert_accepted("explain vx4 wx5");
	assert_accepted("explain vx4 -j --dscp be --to fd00::5");
}

/* The commands that take several names take so many, and no more. */
static void counts_names(void **state)
{
	static const char *const commands[] = { "unload", "status", "monitor", "reload",
						"explain" };
	static const char *const usage[] = { "TUNNEL... | --all", "[TUNNEL...]", "[TUNNEL...]",
					     "[TUNNEL...]", "TUNNEL..." };
	char words[1024], sentence[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		strcpy(words, commands[i]);
		for (int n = 1; n <= MAX_NAMES; n++)
			snprintf(words + strlen(words), sizeof(words) - strlen(words), " vx%d", n);
		assert_accepted(words);
		strcat(words, " wx5");
		snprintf(sentence, sizeof(sentence),
			 "unexpected argument 'wx5': usage: dscp-tool %s %s", commands[i],
			 usage[i]);
		assert_refused(words, sentence, commands[i]);
	}
}

/* A file of these lines, by a path that is this process's own. */
static const char *file_with(const char *lines)
{
	static FILE *file;
	static char path[64];

	if (file)
		fclose(file);
	file = tmpfile();
	assert_non_null(file);
	fputs(lines, file);
	rewind(file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(file));
	return path;
}

#define NOT_HERE(word) "unexpected command '" word "': use load TUNNEL [OPTION]..."
#define SEE_LOAD " (see dscp-tool load --help)"

static const struct {
	unsigned int number;
	const char *lines, *sentence;
} bad_files[] = {
	{ 1, "unload vx4\n", NOT_HERE("unload") },
	{ 1, "dscp-tool\n", NOT_HERE("") },
	{ 1, "dscp-tool unload vx4\n", NOT_HERE("unload") },
	{ 1, "dscp-tool -n b load vx4\n", NOT_HERE("-n") },
	{ 1, "'' load vx4\n", NOT_HERE("") },
	{ 2, "load vx4\nLOAD vx4", NOT_HERE("LOAD") },
	{ 3, "# load\n\nload", "an argument is missing: usage: dscp-tool load TUNNEL" SEE_LOAD },
	{ 1, "load vx4 wx5", "unexpected argument 'wx5': usage: dscp-tool load TUNNEL" SEE_LOAD },
	{ 1, "load vx4 --frob", "unknown option '--frob'" SEE_LOAD },
	{ 1, "load vx4 --port", "--port needs a value: --port PORT" SEE_LOAD },
	{ 1, "load vx4 --port # 5", "--port needs a value: --port PORT" SEE_LOAD },
	{ 1, "load vx4 -o EF -m copy",
	  "--outer-dscp leaves nothing to map: it excludes "
	  "--egress-map" },
	{ 1, "load vx4 --dry-run", "--dry-run is not for a file" },
	{ 1, "load vx4 --help --frob", "--help is not for a file" },
	{ 1, "load vx4 -vh", "--help is not for a file" },
	{ 1, "load vx4 -h", "--help is not for a file" },
	{ 1, "load --help=yes vx4", "--help takes no value, but got 'yes'" SEE_LOAD },
	{ 2, "\nload vx4 'a", "a quote has no end" },
	{ 1, "load 0123456789abcdef",
	  "there is no device '0123456789abcdef': a name has at most "
	  "15 characters" },
	{ 3, "load vx4\nload vx6\ndscp-tool load -u eth0 vx4\n", "vx4 is in line 1 already" },
};

static void assert_file_refused(const char *lines, unsigned int number, const char *sentence)
{
	const char *path = file_with(lines);
	char words[128], want[1024];

	snprintf(words, sizeof(words), "apply %s", path);
	snprintf(want, sizeof(want), "%s:%u: %s", path, number, sentence);
	assert_refused(words, want, NULL);
	file_with(lines);
	strcat(words, " --dry-run");
	assert_refused(words, want, NULL);
}

static void apply_refuses(void **state)
{
	char many[2048] = "load vx4";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++)
		assert_file_refused(bad_files[i].lines, bad_files[i].number, bad_files[i].sentence);
	for (int i = 0; i < 511; i++)
		strcat(many, " -v");
	assert_file_refused(many, 1, "more than 512 words");
	assert_refused("apply", "an argument is missing: usage: dscp-tool apply FILE", "apply");
	assert_refused("apply /a /b", "unexpected argument '/b': usage: dscp-tool apply FILE",
		       "apply");
	assert_refused("apply /dev/null/a", "cannot open /dev/null/a: Not a directory", NULL);
	assert_refused("apply /", "cannot read /: Is a directory", NULL);
}

static void assert_file_accepted(const char *lines)
{
	char words[128];

	snprintf(words, sizeof(words), "apply %s", file_with(lines));
	assert_accepted(words);
	snprintf(words, sizeof(words), "apply --dry-run %s", file_with(lines));
	assert_accepted(words);
}

static void apply_accepts(void **state)
{
	int saved = dup(STDIN_FILENO);

	(void)state;
	assert_file_accepted("");
	assert_file_accepted("# nothing\n\n  \t\n#\n");
	assert_file_accepted("load vx4\n");
	assert_file_accepted("dscp-tool load vx4 --port 7 # with a comment\n"
			     "\tload 'vx6' -m '*=CS0,EF=EF'\r\n"
			     "load -u eth0 -- -x\n"
			     "load -- --help");
	assert_true(freopen(file_with("load vx4\n"), "r", stdin) == stdin);
	assert_accepted("apply -");
	assert_true(freopen(file_with("load vx4\nload\n"), "r", stdin) == stdin);
	assert_refused("apply -", "-:2: an argument is missing: usage: dscp-tool load TUNNEL",
		       "load");
	dup2(saved, STDIN_FILENO);
	close(saved);
}

/* In front of the command. This process is in its own network namespace already. */
static void another_netns(void **state)
{
	static const char *const forms[] = {
		"-n %d %s", "-n%d %s", "-n=%d %s", "--netns %d %s", "--netns=%d %s",
	};
	char words[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		snprintf(words, sizeof(words), forms[i], (int)getpid(), "status vx4");
		assert_accepted(words);
		snprintf(words, sizeof(words), forms[i], (int)getpid(), "status --frob");
		assert_refused(words, "unknown option '--frob'", "status");
	}
	assert_refused("-n", "-n needs a network namespace: a name, PID or path", NULL);
	assert_refused("--netns", "--netns needs a network namespace: a name, PID or path", NULL);
	assert_refused("-n 1 -n/proc/self/ns/net status",
		       "-n is given twice, with '1' and '/proc/self/ns/net': give it once", NULL);
	/* It may be gone, which is no mistake in the words. */
	assert_int_equal(run("-nself/ns/net status"), EXIT_REFUSED);
	assert_string_equal(errors, "dscp-tool: -n 'self/ns/net': No such file or directory: use a "
				    "name in /run/netns, the PID of a process, or a path\n");
	assert_false(asked);
	assert_string_equal(out, "");
	assert_refused("--netnsx status",
		       "unknown command '--netnsx': did you mean '--netns'? (see dscp-tool help)",
		       NULL);
}

/* No line is too long for a terminal of 80 columns. */
static void assert_narrow(void)
{
	for (const char *line = out; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\n") > 80)
			fail_msg("more than 80 columns: %.*s", (int)strcspn(line, "\n"), line);
}

/* "help COMMAND" is "COMMAND --help". */
static void help_of_a_command(void **state)
{
	static const char *const commands[] = {
		"load",	    "unload", "reload", "status",  "explain",  "test",
		"dump-map", "save",   "apply",	"monitor", "features",
	};
	char words[64], text[sizeof(out)];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		snprintf(words, sizeof(words), "%s --help", commands[i]);
		assert_int_equal(run(words), EXIT_DONE);
		assert_narrow();
		strcpy(text, out);
		snprintf(words, sizeof(words), "help %s", commands[i]);
		assert_int_equal(run(words), EXIT_DONE);
		assert_string_equal(out, text);
		assert_string_equal(errors, "");
		assert_false(asked);
	}
	assert_int_equal(run("help"), EXIT_DONE);
	assert_narrow();
	strcpy(text, out);
	assert_int_equal(run("help help"), EXIT_DONE);
	assert_string_equal(out, text);
	assert_int_equal(run("help --help"), EXIT_DONE);
	assert_string_equal(out, text);
	assert_int_equal(run("-n /proc/self/ns/net help"), EXIT_DONE);
	assert_string_equal(out, text);
	assert_refused("help bogus", "unknown command 'bogus' (see dscp-tool help)", NULL);
	assert_refused("help olad",
		       "unknown command 'olad': did you mean 'load'? (see dscp-tool help)", NULL);
	assert_refused("help load vx4",
		       "unexpected argument 'vx4': usage: dscp-tool help [COMMAND]", NULL);
}

static void no_command(void **state)
{
	(void)state;
	assert_refused("loa vx4",
		       "unknown command 'loa': did you mean 'load'? (see dscp-tool help)", NULL);
	assert_refused("statsu",
		       "unknown command 'statsu': did you mean 'status'? (see dscp-tool help)",
		       NULL);
	assert_refused("mon", "unknown command 'mon': did you mean 'monitor'? (see dscp-tool help)",
		       NULL);
	assert_refused(
		"--versoin",
		"unknown command '--versoin': did you mean '--version'? (see dscp-tool help)",
		NULL);
	assert_refused("--frob", "unknown command '--frob' (see dscp-tool help)", NULL);
	assert_int_equal(run(""), EXIT_USAGE);
	assert_non_null(strstr(errors, "Usage: dscp-tool [-n NETNS] COMMAND [OPTION...]\n"));
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
		cmocka_unit_test(reload_refuses),
		cmocka_unit_test(other_commands_refuse),
		cmocka_unit_test(explain_refuses),
		cmocka_unit_test(counts_names),
		cmocka_unit_test(apply_refuses),
		cmocka_unit_test(apply_accepts),
		cmocka_unit_test(another_netns),
		cmocka_unit_test(help_of_a_command),
		cmocka_unit_test(no_command),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
