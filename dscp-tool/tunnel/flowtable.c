/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Finds the flowtables of nftables that take a tunnel's packets past our programs. Since Linux 6.19
 * the flowtable does by itself the work of an IPIP device, and since 7.0 that which an ip6tnl
 * device does to IPv6 packets: it sends the outer packet by the lowest device of the route, and
 * takes the inner packet out where the outer one comes in. No hook of the tunnel's device is
 * passed, and at egress no hook of a VLAN.
 */
#include "tunnel/flowtable.h"

#include <stdio.h>
#include <string.h>

#include "tunnel/uplinks.h"
#include "util/macros.h"
#include "util/netns.h"

#define MAX_FLOWTABLES 8 /* of one device */
#define MAX_STACK 8 /* of VLANs on VLANs */

/* Functions of the kernel: one adds flows, the others tell a flowtable the way through a device of
 * a kind. found: since flowtable_look_anew() */
static struct {
	const char *kind, *name;
	bool found;
} functions[] = {
	{ "", "nft_flow_offload_eval", false },
	{ "ipip", "ipip_fill_forward_path", false },
	{ "ip6tnl", "ip6_tnl_fill_forward_path", false },
};
#define N_FUNCTIONS ARRAY_SIZE(functions)
static bool functions_read;

/* The work that a flowtable does by itself with packets of a tunnel. */
struct bypass {
	const struct dscp_tunnel *tunnel;
	const struct nl_link *link;
	char uplink[IFNAMSIZ];
	char lowest[IFNAMSIZ]; /* below uplink, or uplink itself */
	bool out, in; /* past one of our programs */
};

static bool is_symbol(const char *symbol, const char *name)
{
	/* Clang's link time optimization adds a suffix. */
	return !strncmp(symbol, name, strlen(name)) && strchr(".", symbol[strlen(name)]);
}

/* Reads which of the functions the running kernel has, with the modules that are loaded. A kernel
 * that has no list of its symbols is not asked anything: the question for flowtables might load a
 * module. */
static void read_functions(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[256], symbol[128];

	functions_read = true;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %*s %127s", symbol) != 1)
			continue;
		for (size_t i = 0; i < N_FUNCTIONS; i++)
			functions[i].found |= is_symbol(symbol, functions[i].name);
	}
	if (f)
		fclose(f);
}

void flowtable_look_anew(void)
{
	functions_read = false;
	for (size_t i = 0; i < N_FUNCTIONS; i++)
		functions[i].found = false;
}

/* Tells whether a flowtable of this kernel can do the work of the tunnel's device. The kernel
 * leaves alone an ip6tnl that limits encapsulation, as ip6tnl does by default. */
static bool can_be_offloaded(const struct nl_link *link)
{
	if (link->external || link->encap_limit)
		return false;
	for (size_t i = 1; i < N_FUNCTIONS; i++) {
		if (strcmp(functions[i].kind, link->kind))
			continue;
		if (!functions_read)
			read_functions();
		return functions[0].found && functions[i].found;
	}
	return false;
}

/* Fills in the bypass at that uplink; false if no flowtable sends the tunnel's packets there, as to
 * a bridge: the kernel does not find a bridge's port for a tunnel. */
static bool find_lowest(int ifindex, struct bypass *bypass)
{
	struct nl_link link;
	struct nl_error why;

	if (nl_link_by_index(ifindex, &link, &why))
		return false;
	memcpy(bypass->uplink, link.name, IFNAMSIZ);
	for (int i = 0; i < MAX_STACK && link.below; i++)
		if (nl_link_by_index(link.below, &link, &why))
			return false;
	memcpy(bypass->lowest, link.name, IFNAMSIZ);
	bypass->out = bypass->tunnel->flags & DSCP_TUNNEL_EGRESS &&
		      !uplinks_has(bypass->tunnel, link.ifindex);
	bypass->in = bypass->tunnel->flags & DSCP_TUNNEL_INGRESS;
	return strcmp(link.kind, "bridge") && (bypass->out || bypass->in);
}

static void describe(const struct bypass *bypass, const struct nl_flowtable *flowtable, char *text,
		     size_t size)
{
	const char *name = bypass->link->name;
	char past[64];

	snprintf(past, sizeof(past), "%s%s%s%s", bypass->out ? "egress_outer at " : "",
		 bypass->out ? bypass->uplink : "", bypass->out && bypass->in ? " and " : "",
		 bypass->in ? "ingress_inner" : "");
	snprintf(text, size,
		 "the flowtable %s of nft's table %s %s takes packets of %s past %s: in its rule "
		 "put "
		 "'iifname != \"%s\" oifname != \"%s\"' in front of 'flow add'",
		 flowtable->name, nl_flowtable_family(flowtable), flowtable->table, name, past,
		 name, name);
}

static bool is_bypassed(const struct bypass *bypass, char *text, size_t size)
{
	struct nl_flowtable list[MAX_FLOWTABLES];
	const struct nl_link *link = bypass->link;
	struct nl_error why;
	int n = nl_flowtables(bypass->lowest, list, MAX_FLOWTABLES, &why);

	for (int i = 0; i < n; i++) {
		if (nl_flowtable_adds(&list[i], link->name, link->ifindex, &why) <= 0)
			continue;
		describe(bypass, &list[i], text, size);
		return true;
	}
	return false;
}

bool flowtable_bypasses(const struct dscp_tunnel *tunnel, const struct nl_link *link, char *text,
			size_t size)
{
	struct bypass bypass = { .tunnel = tunnel, .link = link };

	/* A flowtable has devices of one network namespace. */
	if (tunnel->uplink_netns != netns_own() || !can_be_offloaded(link))
		return false;
	for (int i = 0; i < tunnel->n_uplinks; i++)
		if (find_lowest(tunnel->uplinks[i], &bypass) && is_bypassed(&bypass, text, size))
			return true;
	return false;
}
