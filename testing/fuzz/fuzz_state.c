/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The tool, and pinned maps that say anything. The first byte says which command; the others are
 * what is different (exclusive or) from maps as a load would have left them.
 */
#include <string.h>

#include "command.h"
#include "state/objects.h"
#include "state/peers.h"
#include "fuzz.h"

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
		.netns = OWN_NETNS,
		.uplink_netns = OWN_NETNS,
		.name = "wg0",
		.ports = { 51820 },
		.uplinks = { DEVICE },
		.uplink_names = { "eth0" },
	};

	strcpy(t.link_kind, link_kind);
	return t;
}

static void healthy(struct fuzz_maps *m)
{
	memset(m, 0, sizeof(*m));
	m->config.magic = DSCP_ABI_MAGIC;
	m->config.version = DSCP_ABI_VERSION;
	m->config.build = objects_digest();
	m->tunnels[0] = tunnel(DSCP_KIND_WIREGUARD, "wireguard",
			       DSCP_TUNNEL_EGRESS | DSCP_TUNNEL_INGRESS | DSCP_TUNNEL_PEERS |
				       DSCP_TUNNEL_GIVEN_UPLINKS | DSCP_TUNNEL_GIVEN_PORTS);
	m->tunnels[0].way = DSCP_WAY_TC;
	m->tunnels[1] = tunnel(DSCP_KIND_GRE, "gre", DSCP_TUNNEL_EGRESS);
	m->tunnels[1].n_ports = 0;
	m->tunnels[1].endpoint.kind = DSCP_KIND_GRE;
	m->tunnels[1].ifindex = DEVICE + 1;
	for (unsigned int i = 0; i < ARRAY_SIZE(m->peers); i++) {
		m->peers[i].peer.prefixlen = DSCP_PEER_BITS + 8 * (i + 1);
		m->peers[i].peer.slot = 1;
		m->peers[i].peer.family = i % 2 ? 6 : 4;
		m->peers[i].peer.address[i] = 10;
		m->peers[i].policy = identity();
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(m->flows); i++)
		m->flows[i].flow = (struct dscp_flow){ .ifindex = DEVICE };
	for (unsigned int i = 0; i < ARRAY_SIZE(m->waiting); i++)
		m->waiting[i] = (struct dscp_waiting){ .note = { .slot = 1 }, .state = 1 };
	for (unsigned int i = 0; i < ARRAY_SIZE(m->inflight); i++) {
		m->inflight[i].key.way = 1 + i;
		m->inflight[i].note.slot = 1;
	}
	strcpy(m->link_name, "wg0");
	strcpy(m->link_kind, "wireguard");
}

static void apply(struct fuzz_maps *m, const uint8_t *data, size_t size)
{
	uint8_t *bytes = (uint8_t *)m;

	for (size_t i = 0; i < size && i < sizeof(*m); i++)
		bytes[i] ^= data[i];
}

enum form { TEXT, JSON, OPENMETRICS };

static const struct {
	const char *words[4];
	enum form form;
} commands[] = {
	{ { "status" }, TEXT },
	{ { "status", "--json" }, JSON },
	{ { "status", "--openmetrics" }, OPENMETRICS },
	{ { "dump-map" }, TEXT },
	{ { "dump-map", "--json" }, JSON },
	{ { "dump-map", "wg0" }, TEXT },
	{ { "monitor" }, TEXT },
	{ { "unload", "wg0" }, TEXT },
	{ { "unload", "--all" }, TEXT },
	{ { "load", "wg0", "--uplink", "wg0" }, TEXT },
	{ { "status", "wg0", "--json" }, JSON },
};

/* Each line is a comment or "NAME NUMBER" or "NAME{LABEL="VALUE",...} NUMBER". */
static void check_openmetrics(const char *text)
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
	CHECK(!*text || strstr(text, "\n# EOF\n"), "no end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int which = size ? data[0] % ARRAY_SIZE(commands) : 0;
	char *words[6] = { "dscp-tool" };
	static struct fuzz_maps maps;
	struct fuzz_output o;
	int n = 1, status;

	healthy(&maps);
	if (size)
		apply(&maps, data + 1, size - 1);
	/* libbpf and the kernel see to these. */
	maps.link_name[15] = maps.link_kind[15] = 0;
	fuzz_maps = &maps;
	for (int i = 0; i < 4 && commands[which].words[i]; i++)
		words[n++] = (char *)commands[which].words[i];
	status = fuzz_run(n, words, &o);
	CHECK(status >= EXIT_DONE && status <= EXIT_UNHEALTHY, "exit status %d", status);
	CHECK(status == EXIT_DONE || status == EXIT_UNHEALTHY || o.err_len,
	      "refused without a word");
	check_printable(o.out, o.out_len);
	check_printable(o.err, o.err_len);
	if (commands[which].form == JSON)
		check_json(o.out);
	else if (commands[which].form == OPENMETRICS)
		check_openmetrics(o.out);
	return 0;
}
