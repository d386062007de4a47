/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Keeps the loaded tunnels, and the maps that follow from them. */
#include "state/registry.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include <bpf/bpf.h>

#include "state/present.h"
#include "state/sane.h"
#include "tunnel/kinds.h"
#include "util/netns.h"

#define FORGET_BATCH 1024

/* In batches: one call per bucket took two thirds of the time of an unload. */
void registry_forget_stamp_cache(const struct pins *pins)
{
	const __u32 none[FORGET_BATCH] = {};
	__u32 buckets[FORGET_BATCH], n;

	for (__u32 first = 0; first < DSCP_STAMP_CACHE; first += n) {
		for (n = 0; n < FORGET_BATCH && first + n < DSCP_STAMP_CACHE; n++)
			buckets[n] = first + n;
		if (!bpf_map_update_batch(pins->maps[MAP_STAMP_CACHE], buckets, none, &(__u32){ n },
					  NULL))
			continue;
		for (__u32 i = 0; i < n; i++)
			bpf_map_update_elem(pins->maps[MAP_STAMP_CACHE], &buckets[i], none,
					    BPF_ANY);
	}
}

int registry_write_config(const struct pins *pins, uint64_t build)
{
	struct dscp_config config = {
		.magic = DSCP_ABI_MAGIC,
		.version = DSCP_ABI_VERSION,
		.build = build,
	};
	__u32 zero = 0;

	for_each_tunnel (slot, pins) {
		if (pins->tunnels[slot].flags & DSCP_TUNNEL_EGRESS)
			config.kinds |= 1u << pins->tunnels[slot].kind;
		if (pins->tunnels[slot].flags & DSCP_TUNNEL_INGRESS)
			config.ingress_kinds |= 1u << pins->tunnels[slot].kind;
	}
	if (!bpf_map_update_elem(pins->maps[MAP_CONFIG], &zero, &config, BPF_ANY))
		return 0;
	return pins_failed(pins, -errno, "cannot write", "/maps/config");
}

uint32_t registry_find_ifindex(const struct pins *pins, uint32_t ifindex)
{
	uint64_t netns = netns_own();

	for_each_tunnel (slot, pins)
		if (pins->tunnels[slot].ifindex == ifindex && pins->tunnels[slot].netns == netns &&
		    present_is(pins, slot, PRESENT_DEVICE))
			return slot;
	return 0;
}

/* The name that a tunnel was loaded under means no other device than the one that was loaded. */
static bool goes_by(const struct pins *pins, uint32_t slot, const char *name)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	char now[IF_NAMESIZE];

	return !strncmp(tunnel->name, name, DSCP_IFNAMSIZ) &&
	       (!present_is(pins, slot, PRESENT_DEVICE) || !if_indextoname(tunnel->ifindex, now) ||
		!strcmp(now, name));
}

bool registry_is_here(const struct pins *pins, uint32_t slot)
{
	return pins->tunnels[slot].netns == netns_own() && present_is(pins, slot, PRESENT_NETNS);
}

uint32_t registry_find_named(const struct pins *pins, const char *name)
{
	for_each_tunnel (slot, pins)
		if (registry_is_here(pins, slot) && goes_by(pins, slot, name))
			return slot;
	return 0;
}

uint32_t registry_find(const struct pins *pins, const char *name)
{
	uint32_t slot = registry_find_ifindex(pins, if_nametoindex(name));

	return slot ? slot : registry_find_named(pins, name);
}

const char *registry_name(const struct pins *pins, uint32_t slot, char name[static DSCP_IFNAMSIZ])
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	NETNS_VISIT(tunnel->netns);

	if (netns_own() != tunnel->netns || !present_is(pins, slot, PRESENT_DEVICE) ||
	    !if_indextoname(tunnel->ifindex, name) || !sane_name(name))
		memcpy(name, tunnel->name, DSCP_IFNAMSIZ);
	return name;
}

uint32_t registry_find_gone(const struct pins *pins, const char *name)
{
	for_each_tunnel (slot, pins)
		if (!strncmp(pins->tunnels[slot].name, name, DSCP_IFNAMSIZ) &&
		    !present_is(pins, slot, PRESENT_NETNS))
			return slot;
	return 0;
}

uint32_t registry_free_slot(const struct pins *pins)
{
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (!pins->tunnels[slot].ifindex)
			return slot;
	return 0;
}

/* The entries of ports, devices and endpoints follow from the tunnels: they are derived anew
 * whenever a tunnel changes, from all tunnels but the slot that is being freed. */

static bool has_port(const struct dscp_tunnel *tunnel, __u32 number)
{
	for (int i = 0; i < tunnel->n_ports; i++)
		if (tunnel->ports[i] == number)
			return true;
	return false;
}

static int derive_port(const struct pins *pins, __u32 number, __u32 freed)
{
	struct dscp_port port = {};

	for_each_tunnel (slot, pins) {
		const struct dscp_tunnel *t = &pins->tunnels[slot];

		if (slot == freed || !has_port(t, number))
			continue;
		if (t->flags & DSCP_TUNNEL_INGRESS)
			port.ingress_kind = t->kind;
		if (t->flags & DSCP_TUNNEL_EGRESS)
			port.kind = t->kind;
		if (kinds_key(t->kind) == KIND_BY_SOURCE_PORT ||
		    (t->flags & DSCP_TUNNEL_ANY_ID && t->flags & DSCP_TUNNEL_EGRESS))
			port.slot = slot;
	}
	return bpf_map_update_elem(pins->maps[MAP_PORTS], &number, &port, BPF_ANY) ? -errno : 0;
}

/* Devices of two namespaces can have the same number; then it tells nothing. */
static int derive_device(const struct pins *pins, __u32 ifindex, __u32 freed)
{
	__u32 found = 0, n = 0;

	for_each_tunnel (slot, pins) {
		if (pins->tunnels[slot].ifindex != ifindex || slot == freed)
			continue;
		found = slot;
		n++;
	}
	if (n == 1)
		return bpf_map_update_elem(pins->maps[MAP_DEVICES], &ifindex, &found, BPF_ANY)
			       ? -errno
			       : 0;
	return bpf_map_delete_elem(pins->maps[MAP_DEVICES], &ifindex) && errno != ENOENT ? -errno
											 : 0;
}

static int derive_endpoint(const struct pins *pins, const struct dscp_endpoint *endpoint,
			   __u32 freed)
{
	int map = pins->maps[MAP_ENDPOINTS];

	for_each_tunnel (slot, pins) {
		if (slot != freed && pins->tunnels[slot].flags & DSCP_TUNNEL_EGRESS &&
		    !memcmp(&pins->tunnels[slot].endpoint, endpoint, sizeof(*endpoint)))
			return bpf_map_update_elem(map, endpoint, &slot, BPF_ANY) ? -errno : 0;
	}
	return bpf_map_delete_elem(map, endpoint) && errno != ENOENT ? -errno : 0;
}

static int derive(const struct pins *pins, const struct dscp_tunnel *tunnel, __u32 freed)
{
	int err = 0;

	if (!tunnel->ifindex)
		return 0;
	for (int i = 0; i < tunnel->n_ports && !err; i++)
		err = derive_port(pins, tunnel->ports[i], freed);
	if (!err)
		err = derive_device(pins, tunnel->ifindex, freed);
	if (!err && tunnel->endpoint.kind)
		err = derive_endpoint(pins, &tunnel->endpoint, freed);
	return err;
}

#define MODE (DSCP_TUNNEL_EGRESS | DSCP_TUNNEL_FIXED | DSCP_TUNNEL_PREFIXES)

/* The kernel copies an element while programs read it: a packet may meet the flags of one load and
 * the policy of the other. So a change of mode has a step in between. A policy that differs there
 * is one that its flags do not look at yet, or not any more. */
static struct dscp_tunnel between(const struct dscp_tunnel *old, const struct dscp_tunnel *new)
{
	struct dscp_tunnel middle = *new;

	middle.flags = (new->flags & ~MODE) | (old->flags & MODE);
	if (old->flags & DSCP_TUNNEL_PREFIXES)
		middle.list = old->list;
	if (old->flags & DSCP_TUNNEL_FIXED)
		middle.outer_dscp = old->outer_dscp;
	else if (new->flags & DSCP_TUNNEL_FIXED)
		middle.egress = old->egress;
	else if (new->flags & DSCP_TUNNEL_PREFIXES) {
		middle.flags |= DSCP_TUNNEL_PREFIXES;
		middle.egress = old->egress;
	}
	return middle;
}

static int write_tunnel(struct pins *pins, __u32 slot, const struct dscp_tunnel *tunnel)
{
	const struct dscp_tunnel *old = &pins->tunnels[slot];
	struct dscp_tunnel middle = between(old, tunnel);
	int map = pins->maps[MAP_TUNNELS];

	if (old->flags & tunnel->flags & DSCP_TUNNEL_EGRESS &&
	    (old->flags ^ tunnel->flags) & MODE &&
	    bpf_map_update_elem(map, &slot, &middle, BPF_ANY))
		return -errno;
	pins->tunnels[slot] = *tunnel;
	return bpf_map_update_elem(map, &slot, tunnel, BPF_ANY) ? -errno : 0;
}

static int write_request(struct pins *pins, __u32 slot, const struct request *request)
{
	pins->requests[slot] = *request;
	return bpf_map_update_elem(pins->maps[MAP_REQUESTS], &slot, request, BPF_ANY) ? -errno : 0;
}

static int free_slot(struct pins *pins, __u32 slot)
{
	present_forget(pins, slot);
	bpf_map_delete_elem(pins->maps[MAP_BALANCE], &slot);
	memset(&pins->requests[slot], 0, sizeof(*pins->requests));
	return bpf_map_delete_elem(pins->maps[MAP_REQUESTS], &slot) && errno != ENOENT ? -errno : 0;
}

void registry_forget_requests(struct pins *pins)
{
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (!pins->tunnels[slot].ifindex && pins->requests[slot].size)
			free_slot(pins, slot);
}

int registry_write(struct pins *pins, uint32_t slot, const struct dscp_tunnel *tunnel,
		   const struct request *request)
{
	const struct dscp_tunnel old = pins->tunnels[slot];
	struct dscp_config config;
	int err = pins_config(pins, &config);

	if (err)
		return pins_failed(pins, err, "cannot read", "/maps/config");
	/* A kill from here on leaves a request that the next reload carries out. */
	if (tunnel->ifindex)
		err = write_request(pins, slot, request);
	/* No packet may find a slot that says nothing: entries that point to it go first. */
	else
		err = derive(pins, &old, slot);
	if (!err)
		err = write_tunnel(pins, slot, tunnel);
	if (!err)
		err = derive(pins, tunnel, 0);
	if (!err)
		err = derive(pins, &old, 0);
	if (!err && !tunnel->ifindex)
		err = free_slot(pins, slot);
	if (err)
		return pins_failed(pins, err, "cannot write the maps in", "");
	if (old.ifindex && old.ifindex != tunnel->ifindex)
		registry_forget_stamp_cache(pins);
	return registry_write_config(pins, config.build);
}
