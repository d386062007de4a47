/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Tests that no option of load is forgotten: each one is printed so that it is read again as it
 * was, has its place in the request, is compared, and is named where it changes. The table of
 * options is walked, so an option that is new fails here until it has a sample.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook/hook.h"
#include "state/options.h"
#include "state/pins.h"
#include "state/sane.h"
#include "util/macros.h"
#include "util/policy.h"
#include "util/reason.h"

#include "../xorshift.h"

#define MAX_WORDS 512

/* A value of each option that is not the default. */
static const struct sample {
	const char *option, *value;
	const char *with; /* other options that this one needs; NULL: none */
} samples[] = {
	{ "uplink", "eth7", NULL },
	{ "uplink-netns", "blue", NULL },
	{ "direction", "both", NULL },
	{ "egress-map", "*=CS0,EF=EF", NULL },
	{ "peer-map", "10.0.0.5:EF=CS1", NULL },
	{ "ingress-map", "EF=CS0", "--direction both" },
	{ "ingress-method", "tc", "--direction both" },
	{ "outer-dscp", "EF", NULL },
	{ "priority-map", "802.1p,LE=1", NULL },
	{ "handshake-dscp", "CS0", NULL },
	{ "attach", "clsact", NULL },
	{ "port", "51820", NULL },
	{ "flows", "4096", NULL },
};

/* Options about the present call are no part of a request. */
static bool is_asked_for(const struct arg_option *option)
{
	return option->metavar;
}

static const struct sample *sample_of(const struct arg_option *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++)
		if (!strcmp(samples[i].option, option->name))
			return &samples[i];
	fail_msg("--%s has no sample in this test", option->name);
	return NULL;
}

/* The output of a function, to be freed. */
struct text {
	FILE *file;
	char *text;
	size_t len;
};

static void begin_text(struct text *t)
{
	t->file = open_memstream(&t->text, &t->len);
	assert_non_null(t->file);
}

static char *end_text(const struct text *t)
{
	assert_int_equal(fclose(t->file), 0);
	return t->text;
}

static char *printed(const struct options *options)
{
	struct text t;

	begin_text(&t);
	options_print(t.file, "", options);
	return end_text(&t);
}

static char *changes(const struct options *old, const struct options *new)
{
	struct text t;

	begin_text(&t);
	options_print_changes(t.file, "# ", old, new);
	return end_text(&t);
}

/* Parses a line that begins with "dscp-tool load". */
static void parse_line(const char *line, struct options *options)
{
	char *copy = strdup(line), *words[MAX_WORDS + 1];
	int n;

	assert_non_null(copy);
	n = args_split(copy, words, MAX_WORDS);
	if (n < 2)
		fail_msg("%d words: %s", n, line);
	assert_string_equal(words[0], "dscp-tool");
	assert_string_equal(words[1], "load");
	if (options_parse(n - 1, words + 1, options))
		fail_msg("%s: %s", reason_first(), line);
	free(copy);
}

static bool same_bytes(const struct options *a, const struct options *b)
{
	return !memcmp(&a->request, &b->request, sizeof(a->request)) &&
	       !memcmp(&a->prefixes, &b->prefixes, sizeof(a->prefixes));
}

static void assert_same(const struct options *a, const struct options *b)
{
	char *changed = changes(a, b);

	assert_string_equal(changed, "");
	assert_true(options_same(a, b));
	assert_true(options_same(b, a));
	assert_true(same_bytes(a, b));
	free(changed);
}

static void assert_different(const struct options *a, const struct options *b)
{
	assert_false(options_same(a, b));
	assert_false(options_same(b, a));
	assert_false(same_bytes(a, b));
}

/* A printed request is read as the same request. A stored one can be read again. */
static void assert_read_back(const struct options *options)
{
	static struct options again;
	char *line = printed(options), *second;

	parse_line(line, &again);
	assert_same(options, &again);
	second = printed(&again);
	assert_string_equal(line, second);
	assert_null(strchr(line, '\n'));
	assert_true(sane_request(&options->request));
	free(line);
	free(second);
}

/* The line of an option's sample, or without that sample. */
static void parse_sample(const struct sample *sample, bool with, struct options *options)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "dscp-tool load wg0 %s",
			   sample->with ? sample->with : "");

	if (with)
		snprintf(line + len, sizeof(line) - len, " --%s '%s'", sample->option,
			 sample->value);
	parse_line(line, options);
}

static void each_option_is_read_back(void **state)
{
	static struct options options;

	(void)state;
	for (const struct arg_option *o = load_command.options; o->name; o++) {
		if (!is_asked_for(o))
			continue;
		parse_sample(sample_of(o), false, &options);
		assert_read_back(&options);
		parse_sample(sample_of(o), true, &options);
		assert_read_back(&options);
	}
}

/* No sample is of an option that is gone. */
static void each_sample_is_of_an_option(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct arg_option *o = load_command.options;

		while (o->name && strcmp(o->name, samples[i].option))
			o++;
		assert_non_null(o->name);
		assert_true(is_asked_for(o));
	}
}

static void each_option_makes_a_difference(void **state)
{
	static struct options with, without;

	(void)state;
	for (const struct arg_option *o = load_command.options; o->name; o++) {
		if (!is_asked_for(o))
			continue;
		parse_sample(sample_of(o), false, &without);
		parse_sample(sample_of(o), true, &with);
		assert_different(&without, &with);
	}
}

/* One line, which begins with the option's name. */
static void assert_named(const char *text, const char *option)
{
	char want[64];

	snprintf(want, sizeof(want), "# wg0: %s: ", option);
	if (strncmp(text, want, strlen(want)) || strchr(text, '\n') != text + strlen(text) - 1)
		fail_msg("--%s is not what changes: '%s'", option, text);
}

/* An option that is left out has lost its value, or its earlier value holds. */
static void each_change_is_named(void **state)
{
	static struct options with, without;
	char *text;

	(void)state;
	for (const struct arg_option *o = load_command.options; o->name; o++) {
		if (!is_asked_for(o))
			continue;
		parse_sample(sample_of(o), false, &without);
		parse_sample(sample_of(o), true, &with);
		text = changes(&without, &with);
		assert_named(text, o->name);
		free(text);
		text = changes(&with, &without);
		if (o->without)
			assert_named(text, o->name);
		else
			assert_string_equal(text, "");
		free(text);
	}
}

/* All that can be given together, one after another. */
static void all_options_are_read_back(void **state)
{
	static struct options options, before;
	char line[1024] = "dscp-tool load wg0";

	(void)state;
	parse_line(line, &before);
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		if (!strcmp(samples[i].option, "outer-dscp"))
			continue;
		snprintf(line + strlen(line), sizeof(line) - strlen(line), " --%s '%s'",
			 samples[i].option, samples[i].value);
		/* The direction that others need is given already. */
		parse_line(line, &options);
		assert_read_back(&options);
		assert_different(&options, &before);
		before = options;
	}
}

static const struct {
	const char *old, *new, *text;
} sentences[] = {
	{ "", "", "" },
	{ "--uplink eth0", "--uplink eth0 --uplink 'a b'",
	  "# wg0: uplink: eth0 'a b' (was eth0)\n" },
	{ "--uplink eth0", "", "# wg0: uplink: by the routes (was eth0)\n" },
	{ "", "--uplink=-x", "# wg0: uplink: -x (was by the routes)\n" },
	{ "--uplink-netns b", "", "# wg0: uplink-netns: the tunnel's own (was b)\n" },
	{ "-d ingress", "-d both", "# wg0: direction: both (was ingress)\n" },
	{ "-d ingress", "", "# wg0: direction: egress (was ingress)\n" },
	{ "-m '*=CS0,EF=EF'", "", "# wg0: egress-map: copy (was '*=CS0,EF=EF')\n" },
	{ "-m EF=46", "-m CS0=0", "" },
	{ "-d both -i EF=CS0", "-d both", "# wg0: ingress-map: CS0=keep (was 'EF=CS0')\n" },
	{ "-d both -H tc", "",
	  "# wg0: direction: egress (was both)\n# wg0: ingress-method: auto (was tc)\n" },
	{ "-P 10.0.0.0/8:EF=CS1 -P fd00::/16:copy", "-P 10.0.0.0/8:EF=CS1",
	  "# wg0: peer-map: '10.0.0.0/8:EF=CS1' (was 'fd00::/16:copy' '10.0.0.0/8:EF=CS1')\n" },
	{ "-o EF", "", "# wg0: outer-dscp: none (was EF)\n" },
	{ "", "-o 0", "# wg0: outer-dscp: CS0 (was none)\n" },
	{ "-p 1 -p 2", "-p 2", "# wg0: port: 2 (was 1 2)\n" },
	{ "", "-p 45", "# wg0: port: 45 (was the device's)\n" },
	{ "-a tcx", "-a auto", "# wg0: attach: auto (was tcx)\n" },
	{ "-f 1000", "-f 2000", "# wg0: flows: 2000 (was 1000)\n" },
	{ "", "-f 2000", "# wg0: flows: 2000 (was not given)\n" },
	{ "-f 1000", "", "" }, /* as many as there are */
};

static void changes_are_sentences(void **state)
{
	static struct options old, new;
	char line[256], *text;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sentences); i++) {
		snprintf(line, sizeof(line), "dscp-tool load wg0 %s", sentences[i].old);
		parse_line(line, &old);
		snprintf(line, sizeof(line), "dscp-tool load wg0 %s", sentences[i].new);
		parse_line(line, &new);
		text = changes(&old, &new);
		assert_string_equal(text, sentences[i].text);
		free(text);
	}
}

/* Names that a shell, or the tool itself, would take for something else. */
static const char *const odd_names[] = {
	"it's",	  "'",	      "''",	   "\"",       "\"a\"", "\\", "a\\",
	"\\'",	  "$HOME",    "$(id)",	   "`id`",     "#",	"#a", "a#",
	"~",	  "*",	      "?",	   "!",	       "-",	"-x", "--",
	"--port", "--port=1", "-p",	   "a b",      " ",	" a", "a=b",
	"a;b",	  "&",	      "|",	   "<",	       ">",	"(",  "{a,b}",
	"[a]",	  "load",     "dscp-tool", "\xc3\xa9", "\xff",	"%s", "0123456789abcde",
};

static void odd_names_are_read_back(void **state)
{
	static struct options options;

	(void)state;
	parse_line("dscp-tool load wg0 --uplink eth0 --uplink eth1 --uplink-netns blue", &options);
	for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++) {
		struct request *request = &options.request;
		const char *next = odd_names[(i + 1) % ARRAY_SIZE(odd_names)];

		memset(request->name, 0, sizeof(request->name));
		memset(request->uplinks, 0, sizeof(request->uplinks));
		memset(request->uplink_netns_name, 0, sizeof(request->uplink_netns_name));
		strcpy(request->name, odd_names[i]);
		strcpy(request->uplinks[0], odd_names[i]);
		strcpy(request->uplinks[1], next);
		snprintf(request->uplink_netns_name, REQUEST_NETNS, "%s/%s", odd_names[i], next);
		assert_read_back(&options);
		memset(request->uplink_netns_name, 0, sizeof(request->uplink_netns_name));
		strcpy(request->uplink_netns_name, odd_names[i]);
		assert_read_back(&options);
	}
	memset(options.request.uplink_netns_name, '\'', REQUEST_NETNS - 1);
	assert_read_back(&options);
}

/* As much as there is room for. */
static void full_lists_are_read_back(void **state)
{
	static struct options options;
	struct text t;
	char *line;

	(void)state;
	begin_text(&t);
	fputs("dscp-tool load wg0 -m '*=keep,EF=EF'", t.file);
	for (int i = 0; i < DSCP_MAX_UPLINKS; i++)
		fprintf(t.file, " -u uplink%d", i);
	for (int i = 0; i < DSCP_MAX_PORTS; i++)
		fprintf(t.file, " -p %d", 65535 - i);
	for (int i = 0; i < DSCP_MAX_PREFIXES / 2; i++)
		fprintf(t.file, " -P 10.0.%d.0/24:EF=%d -P fd00:%x::/%d:%d=keep", 63 - i, i, i,
			32 + i, i);
	line = end_text(&t);
	parse_line(line, &options);
	free(line);
	assert_int_equal(options.request.n_uplinks, DSCP_MAX_UPLINKS);
	assert_int_equal(options.request.n_ports, DSCP_MAX_PORTS);
	assert_int_equal(options.prefixes.n, DSCP_MAX_PREFIXES);
	assert_read_back(&options);
}

/* In whatever order prefixes are given, they are the same request. Of a prefix that is given twice
 * the entries add up in their order, and --egress-map may come behind. */
static void the_order_of_prefixes_means_nothing(void **state)
{
	static struct options one, other;

	(void)state;
	parse_line("dscp-tool load wg0 -P 10.0.0.2:EF=CS1 -P 10.0.0.1:EF=CS2 -P ::/0:copy "
		   "-P 0.0.0.0/0:LE=LE -P fd00::2:0=1 -P fd00::1:0=2 -m '*=CS0'",
		   &one);
	parse_line("dscp-tool load wg0 -m '*=CS0' -P fd00::1:0=1,0=2 -P 0.0.0.0/0:LE=LE "
		   "-P 10.0.0.1:EF=CS2 -P 10.0.0.2:EF=EF -P ::/0:copy -P fd00::2:0=1 "
		   "-P 10.0.0.2:EF=CS1",
		   &other);
	assert_same(&one, &other);
	assert_read_back(&one);
}

static const char *one_of(uint32_t *seed, const char *const *words, unsigned int n)
{
	return words[xorshift32(seed) % n];
}

/* The map of a prefix has a "=" in it, or is copy alone. */
static void put_map(FILE *to, uint32_t *seed)
{
	static const char *const entries[] = { "*=CS0",		 "*=keep",  "EF=CS1",
					       "CS1-CS3=keep",	 "0=0",	    "7=63",
					       "AF11-AF43=copy", "LE=keep", "copy" };

	fputs(one_of(seed, entries, ARRAY_SIZE(entries) - 1), to);
	while (xorshift32(seed) % 3)
		fprintf(to, ",%s", one_of(seed, entries, ARRAY_SIZE(entries)));
}

static void put_priorities(FILE *to, uint32_t *seed)
{
	static const char *const entries[] = { "802.1p", "pfifo_fast", "fq",	     "keep",
					       "*=0",	 "EF=6",       "CS1-CS3=15", "LE=keep",
					       "0=0",	 "AF11-63=fq", "7-9=802.1p" };

	fputs(one_of(seed, entries, ARRAY_SIZE(entries)), to);
	while (xorshift32(seed) % 3)
		fprintf(to, ",%s", one_of(seed, entries, ARRAY_SIZE(entries)));
}

/* Anything that can be given for egress, in this order or with the map behind the prefixes. */
static void put_random_options(FILE *to, uint32_t *seed)
{
	const uint32_t choice = xorshift32(seed);
	uint32_t n = xorshift32(seed) % DSCP_MAX_UPLINKS;

	while (n-- > 0)
		fprintf(to, " --uplink=eth%u", xorshift32(seed) % 1000);
	for (n = xorshift32(seed) % DSCP_MAX_PORTS; n-- > 0;)
		fprintf(to, " -p %u", 1 + xorshift32(seed) % 65535);
	if (choice & 1)
		fprintf(to, " -f %u", 256 + xorshift32(seed) % 65536);
	for (n = choice & 2 ? xorshift32(seed) % 20 : 0; n-- > 0;) {
		fprintf(to, " -P '10.%u.0.0/%u:", xorshift32(seed) % 4, 16 + xorshift32(seed) % 8);
		put_map(to, seed);
		putc('\'', to);
	}
	if (choice & 4) {
		fputs(" -m '", to);
		put_map(to, seed);
		putc('\'', to);
	}
	if (choice & 16) {
		fputs(" --priority-map '", to);
		put_priorities(to, seed);
		putc('\'', to);
	}
	if (choice & 32)
		fprintf(to, " --handshake-dscp %u", xorshift32(seed) % DSCP_VALUES);
	if (choice & 8) {
		fputs(" -d both -i '", to);
		put_map(to, seed);
		putc('\'', to);
	}
}

static void random_requests_are_read_back(void **state)
{
	static struct options options, before;
	uint32_t seed = 20210618;
	struct text t;
	char *line;

	(void)state;
	parse_line("dscp-tool load wg0", &before);
	for (int i = 0; i < 1000; i++) {
		begin_text(&t);
		fputs("dscp-tool load wg0", t.file);
		put_random_options(t.file, &seed);
		line = end_text(&t);
		parse_line(line, &options);
		assert_read_back(&options);
		/* Two are the same by the comparison if they are by their bytes. */
		assert_int_equal(options_same(&options, &before), same_bytes(&options, &before));
		before = options;
		free(line);
	}
}

static void write_list(const struct pins *pins, uint32_t slot, uint8_t list,
		       const struct peer_maps *prefixes)
{
	struct request request = { .list = list };

	policy_identity(&request.egress_map);
	assert_int_equal(prefixes_write(pins, slot, &request, prefixes), 0);
}

/* How many prefixes there are in a list, and whether it has a policy for the rest. */
static void assert_list(const struct pins *pins, uint16_t slot, uint8_t list, unsigned int n)
{
	const struct dscp_prefix rest = { .prefixlen = DSCP_PREFIX_REST,
					  .slot = slot,
					  .list = list };
	const struct request request = { .prefixes = true, .list = list };
	static struct peer_maps prefixes;
	struct dscp_policy policy;

	assert_int_equal(prefixes_read(pins, slot, &request, &prefixes), 0);
	assert_int_equal(prefixes.n, n);
	assert_int_equal(!bpf_map_lookup_elem(pins->maps[MAP_PREFIXES], &rest, &policy), n != 0);
}

/* A list goes when neither the tunnel nor its request has it. */
static void lists_are_kept(const struct pins *pins)
{
	struct dscp_tunnel *tunnel = &pins->tunnels[700];
	struct request *request = &pins->requests[700];

	tunnel->flags = DSCP_TUNNEL_PREFIXES;
	tunnel->list = 1;
	assert_int_equal(prefixes_forget(pins, 700), 0);
	assert_list(pins, 700, 0, 7);
	assert_list(pins, 700, 1, 1);
	request->list = 1;
	assert_int_equal(prefixes_forget(pins, 700), 0);
	assert_list(pins, 700, 0, 0);
	assert_list(pins, 700, 1, 1);
	tunnel->flags = 0;
	assert_int_equal(prefixes_forget(pins, 700), 0);
	assert_list(pins, 700, 1, 1);
	request->prefixes = false;
	assert_int_equal(prefixes_forget(pins, 700), 0);
	assert_list(pins, 700, 1, 0);
	assert_list(pins, 2, 255, 1);
	/* Nobody's: of an unload that was killed. */
	memset(&pins->requests[2], 0, sizeof(pins->requests[2]));
	assert_int_equal(prefixes_forget(pins, 2), 0);
	assert_list(pins, 2, 255, 0);
}

/* The start of save and reload --all: a request as the maps have it, with the prefixes in the order
 * of the trie. */
static void is_read_from_the_maps(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	static struct dscp_tunnel tunnels[DSCP_MAX_TUNNELS];
	static struct request requests[DSCP_MAX_TUNNELS];
	struct pins pins = { .tunnels = tunnels, .requests = requests };
	static struct options options, other, found;

	(void)state;
	memset(pins.maps, -1, sizeof(pins.maps));
	pins.maps[MAP_PREFIXES] =
		bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "prefixes", sizeof(struct dscp_prefix),
			       sizeof(struct dscp_policy), DSCP_PREFIXES, &opts);
	if (pins.maps[MAP_PREFIXES] < 0 && geteuid())
		skip();
	assert_true(pins.maps[MAP_PREFIXES] >= 0);
	parse_line("dscp-tool load wg0 -P 10.0.0.9:EF=CS1 -P 10.0.0.1:EF=CS2 -P fd00::9:EF=CS3 "
		   "-P fd00::1:EF=CS4 -P 10.0.0.0/8:copy -P 9.0.0.0/8:copy -P ::/0:EF=EF -m 0=1",
		   &options);
	parse_line("dscp-tool load wg1 -P 10.0.0.5:EF=CS1", &other);
	requests[700] = options.request;
	requests[2] = other.request;
	write_list(&pins, 700, 0, &options.prefixes);
	write_list(&pins, 700, 1, &other.prefixes); /* of a load that has not come to the request */
	write_list(&pins, 2, 255, &other.prefixes);
	requests[2].list = other.request.list = 255;
	tunnels[700].ifindex = tunnels[2].ifindex = INT32_MAX; /* no device has it */
	strcpy(tunnels[700].name, "wg0");
	strcpy(tunnels[2].name, "wg1");
	assert_int_equal(options_of(&pins, 700, &found), 0);
	assert_true(options_same(&options, &found));
	assert_true(options_same(&found, &options));
	assert_memory_equal(&options.request, &found.request, sizeof(options.request));
	assert_int_equal(options_of(&pins, 2, &found), 0);
	assert_true(options_same(&other, &found));
	lists_are_kept(&pins);
	close(pins.maps[MAP_PREFIXES]);
}

/* A byte of a stored request that the tool does not write. */
static const struct {
	size_t offset;
	uint8_t byte;
} garbage[] = {
#define AT(member) offsetof(struct request, member)
	{ AT(size), sizeof(struct request) % 256 + 1 },
	{ AT(direction), DIRECTION_BOTH + 1 },
	{ AT(method), DSCP_METHOD_XDP + 1 },
	{ AT(attach), ATTACH_CLSACT + 1 },
	{ AT(n_uplinks), DSCP_MAX_UPLINKS + 1 },
	{ AT(n_ports), DSCP_MAX_PORTS + 1 },
	{ AT(outer_dscp), DSCP_VALUES },
	{ AT(uplink_netns_name), '\n' },
	{ AT(uplink_netns_name) + REQUEST_NETNS - 1, 'x' },
	{ AT(name), 0x7f },
	{ AT(name) + DSCP_IFNAMSIZ - 1, 'x' },
	{ AT(uplinks), '\033' },
	{ AT(uplinks) + DSCP_MAX_UPLINKS * DSCP_IFNAMSIZ - 1, 'x' },
	{ AT(egress_map), DSCP_VALUES },
	{ AT(ingress_map) + DSCP_VALUES - 1, DSCP_KEEP - 1 },
	{ AT(priority_map), DSCP_PRIORITIES + 1 },
	{ AT(priority_map) + DSCP_VALUES - 1, DSCP_KEEP },
	{ AT(handshake), DSCP_VALUES + 1 },
};

static void garbage_is_refused(void **state)
{
	struct request good = { .size = sizeof(good), .n_uplinks = DSCP_MAX_UPLINKS };

	(void)state;
	memset(good.uplink_netns_name, 'x', REQUEST_NETNS - 1);
	memset(good.name, 'x', DSCP_IFNAMSIZ - 1);
	for (int i = 0; i < DSCP_MAX_UPLINKS; i++)
		memset(good.uplinks[i], 'x', DSCP_IFNAMSIZ - 1);
	assert_true(sane_request(&good));
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		struct request bad = good;

		((uint8_t *)&bad)[garbage[i].offset] = garbage[i].byte;
		if (sane_request(&bad))
			fail_msg("byte %zu was taken", garbage[i].offset);
	}
	good.n_uplinks = 0; /* then nothing is behind it */
	memset(good.uplinks, 1, sizeof(good.uplinks));
	assert_true(sane_request(&good));
	good.size = 0; /* nothing is there */
	assert_false(sane_request(&good));
}

/* A tool of another version reads these. */
static const struct {
	const char *name;
	size_t offset, want, size;
} members[] = {
#define MEMBER(name, at)                                                                           \
	{                                                                                          \
#name, offsetof(struct request, name), at, sizeof(((struct request *)0)->name)     \
	}
	MEMBER(size, 0),	  MEMBER(direction, 4),
	MEMBER(method, 8),	  MEMBER(attach, 12),
	MEMBER(n_uplinks, 16),	  MEMBER(n_ports, 20),
	MEMBER(flows, 24),	  MEMBER(fixed, 28),
	MEMBER(outer_dscp, 29),	  MEMBER(prefixes, 30),
	MEMBER(list, 31),	  MEMBER(netns, 32),
	MEMBER(uplink_netns, 40), MEMBER(uplink_netns_name, 48),
	MEMBER(name, 304),	  MEMBER(uplinks, 320),
	MEMBER(ports, 576),	  MEMBER(egress_map, 592),
	MEMBER(ingress_map, 656), MEMBER(priority_map, 720),
	MEMBER(handshake, 784),	  MEMBER(pad, 785),
};

static void members_keep_their_places(void **state)
{
	size_t end = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		if (members[i].offset != members[i].want || members[i].want != end)
			fail_msg("%s is at %zu, and was at %zu", members[i].name, members[i].offset,
				 members[i].want);
		end += members[i].size;
	}
	/* A new member is not in the list until it has a row, behind the others. */
	assert_int_equal(sizeof(struct request), end);
}

/* The meaning of the numbers, in all versions. */
static void numbers_keep_their_meaning(void **state)
{
	(void)state;
	assert_int_equal(DIRECTION_EGRESS, 0);
	assert_int_equal(DIRECTION_INGRESS, 1);
	assert_int_equal(DIRECTION_BOTH, 2);
	assert_int_equal(DSCP_METHOD_NONE, 0);
	assert_int_equal(DSCP_METHOD_TC, 1);
	assert_int_equal(DSCP_METHOD_PEEK, 2);
	assert_int_equal(DSCP_METHOD_XDP, 3);
	assert_int_equal(ATTACH_AUTO, 0);
	assert_int_equal(ATTACH_TCX, 1);
	assert_int_equal(ATTACH_CLSACT, 2);
	assert_int_equal(DSCP_KEEP, 255);
}

/* Where nobody has asked for anything a member is zero, but for these; so an older request reads as
 * one of today. */
static void the_default_is_zero(void **state)
{
	static struct options options;
	struct request *request = &options.request;
	const struct request zero = {};

	(void)state;
	parse_line("dscp-tool load wg0", &options);
	assert_int_equal(request->size, sizeof(*request));
	assert_string_equal(request->name, "wg0");
	for (unsigned int i = 0; i < DSCP_VALUES; i++) {
		assert_int_equal(request->egress_map.to[i], i);
		assert_int_equal(request->ingress_map.to[i], i ? i : DSCP_KEEP);
	}
	request->size = 0;
	memset(request->name, 0, sizeof(request->name));
	memset(&request->egress_map, 0, sizeof(request->egress_map));
	memset(&request->ingress_map, 0, sizeof(request->ingress_map));
	assert_memory_equal(request, &zero, sizeof(zero));
}

/* These are no option's: load finds them out. */
static bool is_found_out(const char *member)
{
	static const char *const found_out[] = { "size", "list", "netns", "uplink_netns", "pad" };

	for (size_t i = 0; i < ARRAY_SIZE(found_out); i++)
		if (!strcmp(member, found_out[i]))
			return true;
	return false;
}

/* Some option changes each member: else none would be kept in it. */
static void each_member_is_an_options(void **state)
{
	static struct options with, without;
	const char *a = (const char *)&with.request, *b = (const char *)&without.request;
	bool changed[ARRAY_SIZE(members)] = {};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		parse_sample(&samples[i], false, &without);
		parse_sample(&samples[i], true, &with);
		for (size_t j = 0; j < ARRAY_SIZE(members); j++)
			changed[j] |= memcmp(a + members[j].offset, b + members[j].offset,
					     members[j].size) != 0;
	}
	for (size_t j = 0; j < ARRAY_SIZE(members); j++)
		if (strcmp(members[j].name, "name") && changed[j] == is_found_out(members[j].name))
			fail_msg("%s: %s", members[j].name,
				 changed[j] ? "an option changes it" : "no option changes it");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sample_is_of_an_option),
		cmocka_unit_test(each_option_is_read_back),
		cmocka_unit_test(each_option_makes_a_difference),
		cmocka_unit_test(each_change_is_named),
		cmocka_unit_test(all_options_are_read_back),
		cmocka_unit_test(changes_are_sentences),
		cmocka_unit_test(odd_names_are_read_back),
		cmocka_unit_test(full_lists_are_read_back),
		cmocka_unit_test(the_order_of_prefixes_means_nothing),
		cmocka_unit_test(random_requests_are_read_back),
		cmocka_unit_test(is_read_from_the_maps),
		cmocka_unit_test(garbage_is_refused),
		cmocka_unit_test(members_keep_their_places),
		cmocka_unit_test(numbers_keep_their_meaning),
		cmocka_unit_test(the_default_is_zero),
		cmocka_unit_test(each_member_is_an_options),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
