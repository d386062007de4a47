/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Fuzzes the tool with pinned maps that say anything. The first byte chooses the command; the
 * others are the difference (exclusive or) from maps as a load would have left them.
 */
#include <string.h>

#include <util/args.h>
#include <util/reason.h>

#include "command.h"
#include "state/objects.h"
#include "state/options.h"
#include "fuzz.h"

/* The file that apply reads: a tunnel as it is loaded, and one that is not there. */
#define FILE_OF_LINES                                                                              \
	"# as save prints them\n"                                                                  \
	"dscp-tool load wg0 --uplink eth0 --direction both --ingress-method tc --port 51820\n"     \
	"load 'wg 1' --peer-map '10.0.0.0/8:EF=CS1'\n"

static struct dscp_policy identity(void)
{
	struct dscp_policy policy;

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		policy.to[i] = i;
	return policy;
}

static struct dscp_tunnel tunnel(uint8_t kind, const char *link_kind, uint32_t flags)
{
	struct dscp_tunnel t = {
		.ifindex = DEVICE,
		.kind = kind,
		.n_ports = 1,
		.n_uplinks = 1,
		.flags = flags,
		.egress = identity(),
		.ingress = identity(),
		.priority = { .to = { [46] = 7 } },
		.handshake = kind == DSCP_KIND_WIREGUARD ? 1 : 0,
		.netns = OWN_NETNS,
		.uplink_netns = OWN_NETNS,
		.name = "wg0",
		.ports = { 51820 },
		.uplinks = { UPLINK },
		.uplink_names = { UPLINK_NAME },
	};

	t.ingress.to[0] = DSCP_KEEP;
	strcpy(t.link_kind, link_kind);
	return t;
}

static struct request request(const char *name, uint32_t direction)
{
	struct request r = {
		.size = sizeof(r),
		.direction = direction,
		.method = direction == DIRECTION_EGRESS ? DSCP_METHOD_NONE : DSCP_METHOD_TC,
		.n_uplinks = 1,
		.n_ports = 1,
		.netns = OWN_NETNS,
		.uplinks = { UPLINK_NAME },
		.ports = { 51820 },
		.egress_map = identity(),
		.ingress_map = identity(),
		.priority_map = { .to = { [46] = 7 } },
	};

	strcpy(r.name, name);
	r.ingress_map.to[0] = DSCP_KEEP;
	return r;
}

/* The tunnel is one in clear text, of which the kernel is asked nothing but the link. */
static void make_clear(struct fuzz_maps *m)
{
	m->tunnels[0] = tunnel(DSCP_KIND_GRE, "gre", DSCP_TUNNEL_EGRESS | DSCP_TUNNEL_PREFIXES);
	m->tunnels[0].n_ports = 0;
	m->tunnels[0].ports[0] = 0;
	m->tunnels[0].endpoint.kind = DSCP_KIND_GRE;
	m->tunnels[0].endpoint.family = 4;
	m->requests[0].request = request("wg0", DIRECTION_EGRESS);
	m->requests[0].request.n_ports = 0;
	m->requests[0].request.ports[0] = 0;
	m->requests[0].request.prefixes = true;
	strcpy(m->link_kind, "gre");
}

static void healthy_requests(struct fuzz_maps *m)
{
	m->requests[0].slot = 1;
	m->requests[0].request = request("wg0", DIRECTION_BOTH);
	m->requests[0].request.prefixes = true;
	m->requests[1].slot = 2;
	m->requests[1].request = request("gre1", DIRECTION_EGRESS);
	m->requests[2].slot = DSCP_MAX_TUNNELS - 1;
	m->requests[2].request = request("wg2", DIRECTION_INGRESS);
}

static void healthy(struct fuzz_maps *m)
{
	memset(m, 0, sizeof(*m));
	m->config.magic = DSCP_ABI_MAGIC;
	m->config.version = DSCP_ABI_VERSION;
	m->config.build = objects_digest();
	m->tunnels[0] = tunnel(DSCP_KIND_WIREGUARD, "wireguard",
			       DSCP_TUNNEL_EGRESS | DSCP_TUNNEL_INGRESS | DSCP_TUNNEL_PREFIXES);
	m->tunnels[0].method = DSCP_METHOD_TC;
	m->tunnels[1] = tunnel(DSCP_KIND_GRE, "gre", DSCP_TUNNEL_EGRESS);
	m->tunnels[1].n_ports = 0;
	m->tunnels[1].endpoint.kind = DSCP_KIND_GRE;
	m->tunnels[1].endpoint.family = 4;
	m->tunnels[1].endpoint.remote[0] = 10;
	m->tunnels[1].ifindex = DEVICE + 1;
	strcpy(m->tunnels[1].name, "gre1");
	for (unsigned int i = 0; i < ARRAY_SIZE(m->prefixes); i++) {
		m->prefixes[i].prefix.prefixlen = DSCP_PREFIX_BITS + 8 * (i + 1);
		m->prefixes[i].prefix.slot = 1;
		m->prefixes[i].prefix.family = i % 2 ? 6 : 4;
		m->prefixes[i].prefix.address[i] = 10;
		m->prefixes[i].policy = identity();
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(m->stamps); i++)
		m->stamps[i].flow = (struct dscp_stamp){ .ifindex = DEVICE };
	for (unsigned int i = 0; i < ARRAY_SIZE(m->note_cache); i++)
		m->note_cache[i] = (struct dscp_bucket){ .note = { .slot = 1 }, .state = 1 };
	for (unsigned int i = 0; i < ARRAY_SIZE(m->notes); i++) {
		m->notes[i].key.method = 1 + i;
		m->notes[i].note.slot = 1;
	}
	healthy_requests(m);
	m->pinned = 1;
	strcpy(m->link_name, "wg0");
	strcpy(m->link_kind, "wireguard");
}

static void apply(struct fuzz_maps *m, const uint8_t *data, size_t size)
{
	uint8_t *bytes = (uint8_t *)m;

	for (size_t i = 0; i < size && i < sizeof(*m); i++)
		bytes[i] ^= data[i];
}

enum form { TEXT, JSON, OPENMETRICS, PROMETHEUS, COMMANDS };

static const struct {
	const char *words[4];
	enum form form;
} commands[] = {
	{ { "status" }, TEXT },
	{ { "status", "--json" }, JSON },
	{ { "status", "--openmetrics" }, OPENMETRICS },
	{ { "status", "--prometheus" }, PROMETHEUS },
	{ { "dump-map" }, TEXT },
	{ { "explain", "wg0", "--to", "10.0.0.5" }, TEXT },
	{ { "explain", "wg0", "--json" }, JSON },
	{ { "dump-map", "--json" }, JSON },
	{ { "dump-map", "wg0" }, TEXT },
	{ { "monitor" }, TEXT },
	{ { "unload", "wg0" }, TEXT },
	{ { "unload", "--all" }, TEXT },
	{ { "load", "wg0", "--uplink", "wg0" }, TEXT },
	{ { "status", "wg0", "--json" }, JSON },
	{ { "status", "--all-netns", "--json" }, JSON },
	{ { "load", "wg0", "--uplink=eth0" }, TEXT },
	{ { "load", "wg0", "--uplink=eth0", "--dry-run" }, TEXT },
	{ { "reload" }, TEXT },
	{ { "reload", "--all" }, TEXT },
	{ { "reload", "wg0", "wg2" }, TEXT },
	{ { "apply", "FILE" }, TEXT },
	{ { "apply", "-", "--dry-run" }, TEXT },
	{ { "save" }, COMMANDS },
};

/* Each line is a comment or "NAME NUMBER" or "NAME{LABEL="VALUE",...} NUMBER". */
static void check_metrics(const char *text, bool has_end)
{
	for (const char *line = text, *end; *line; line = end + 1) {
		const char *space;

		end = strchr(line, '\n');
		CHECK(end, "no end of the last line: %s", line);
		if (*line == '#')
			continue;
		CHECK(!strncmp(line, "dscp_tool_", 10), "%.*s", (int)(end - line), line);
		space = memrchr(line, ' ', end - line);
		CHECK(space && space + 1 + strspn(space + 1, "0123456789") == end, "%.*s",
		      (int)(end - line), line);
	}
	CHECK(!*text || !strstr(text, "\n# EOF\n") != has_end, "an end, or none");
}

/* Tells whether each DSCP in the prefixes' policies is one. Others are shown as something. */
static bool can_be_said(const struct fuzz_maps *m)
{
	bool can = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(m->prefixes); i++)
		for (unsigned int j = 0; j < DSCP_VALUES; j++)
			can &= m->prefixes[i].policy.to[j] < DSCP_VALUES ||
			       m->prefixes[i].policy.to[j] == DSCP_KEEP;
	return can;
}

/* A line of save is read again as it was printed, or refused: a stored request may have options
 * that exclude each other. */
static void check_command(const char *text, size_t len)
{
	static struct options options;
	char *line = strndup(text, len), *words[512], *again;
	int n = args_split(line, words, ARRAY_SIZE(words) - 1);
	FILE *f = open_memstream(&again, &(size_t){ 0 });

	CHECK(n > 2 && !strcmp(words[0], "dscp-tool") && !strcmp(words[1], "load"), "%.*s",
	      (int)len, text);
	if (!options_parse(n - 1, words + 1, &options)) {
		options_print(f, "", &options);
		fclose(f);
		CHECK((strlen(again) == len && !memcmp(again, text, len)) ||
			      !can_be_said(fuzz_maps),
		      "%s is %.*s", again, (int)len, text);
	} else {
		fclose(f);
	}
	reason_clear();
	free(again);
	free(line);
}

static void check_commands(const char *text)
{
	for (const char *end; *text; text = end + 1) {
		end = strchr(text, '\n');
		CHECK(end, "no end of the last line: %s", text);
		check_command(text, end - text);
	}
}

static void check_form(enum form form, const char *text)
{
	if (form == JSON)
		check_json(text);
	else if (form == OPENMETRICS || form == PROMETHEUS)
		check_metrics(text, form == OPENMETRICS);
	else if (form == COMMANDS)
		check_commands(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int which = size ? data[0] % ARRAY_SIZE(commands) : 0;
	char *words[6] = { "dscp-tool" };
	static struct fuzz_maps maps;
	struct fuzz_output o;
	int n = 1, status;

	healthy(&maps);
	if (size && data[0] / ARRAY_SIZE(commands) % 2)
		make_clear(&maps);
	if (size)
		apply(&maps, data + 1, size - 1);
	/* libbpf and the kernel see to these. */
	maps.link_name[15] = maps.link_kind[15] = 0;
	fuzz_maps = &maps;
	fuzz_file = FILE_OF_LINES;
	for (int i = 0; i < 4 && commands[which].words[i]; i++)
		words[n++] = (char *)commands[which].words[i];
	status = fuzz_run(n, words, &o);
	CHECK(status >= EXIT_DONE && status <= EXIT_UNHEALTHY, "exit status %d", status);
	CHECK(status == EXIT_DONE || status == EXIT_UNHEALTHY || o.err_len,
	      "refused without a word");
	check_printable(o.out, o.out_len);
	check_printable(o.err, o.err_len);
	check_form(commands[which].form, o.out);
	return 0;
}
