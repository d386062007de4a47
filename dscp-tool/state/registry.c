/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Which tunnels are loaded, and the maps that follow from them. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "state/map.h"
#include "state/state.h"
#include "util/netns.h"

bool state_is_name(const char name[DSCP_IFNAMSIZ])
{
	size_t i = 0;

	while (i < DSCP_IFNAMSIZ && (unsigned char)name[i] >= ' ' && name[i] != 0x7f)
		i++;
	return i < DSCP_IFNAMSIZ && !name[i];
}

bool state_is_sane(const struct dscp_tunnel *t)
{
	bool sane = t->kind != DSCP_KIND_NONE && t->kind <= DSCP_KIND_IPIP;

	sane = sane && t->way <= DSCP_WAY_XDP && t->attach <= ATTACH_CLSACT;
	sane = sane && t->n_ports <= DSCP_MAX_PORTS && t->n_uplinks <= DSCP_MAX_UPLINKS;
	sane = sane && state_is_name(t->name) && state_is_name(t->link_kind);
	for (unsigned int i = 0; sane && i < t->n_uplinks; i++)
		sane = state_is_name(t->uplink_names[i]);
	return sane || !t->ifindex;
}

#define FORGET_BATCH 1024

/* In batches: one call per place took two thirds of the time of an unload. */
void state_forget_recent(const struct state *state)
{
	const __u32 none[FORGET_BATCH] = {};
	__u32 places[FORGET_BATCH], n;

	for (__u32 first = 0; first < DSCP_RECENT; first += n) {
		for (n = 0; n < FORGET_BATCH && first + n < DSCP_RECENT; n++)
			places[n] = first + n;
		if (!bpf_map_update_batch(state->maps[MAP_RECENT], places, none, &(__u32){ n },
					  NULL))
			continue;
		for (__u32 i = 0; i < n; i++)
			bpf_map_update_elem(state->maps[MAP_RECENT], &places[i], none, BPF_ANY);
	}
}

int state_write_config(const struct state *state, uint64_t build)
{
	struct dscp_config config = {
		.magic = DSCP_ABI_MAGIC,
		.version = DSCP_ABI_VERSION,
		.build = build,
	};
	__u32 zero = 0;

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (state->tunnels[slot].flags & DSCP_TUNNEL_EGRESS)
			config.kinds |= 1u << state->tunnels[slot].kind;
		if (state->tunnels[slot].flags & DSCP_TUNNEL_INGRESS)
			config.arriving |= 1u << state->tunnels[slot].kind;
	}
	if (!bpf_map_update_elem(state->maps[MAP_CONFIG], &zero, &config, BPF_ANY))
		return 0;
	return state_failed("cannot write", STATE_DIR "/maps/config", -errno);
}

uint32_t state_find_ifindex(const struct state *state, uint32_t ifindex)
{
	uint64_t netns = netns_own();

	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (state->tunnels[slot].ifindex == ifindex &&
		    state->tunnels[slot].netns == netns &&
		    state_is_present(state, slot, PRESENT_DEVICE))
			return slot;
	return 0;
}

/* The name that a tunnel was loaded under means no other device than the one that was loaded. */
static bool goes_by(const struct state *state, uint32_t slot, const char *name)
{
	const struct dscp_tunnel *tunnel = &state->tunnels[slot];
	char now[IF_NAMESIZE];

	return !strncmp(tunnel->name, name, DSCP_IFNAMSIZ) &&
	       (!state_is_present(state, slot, PRESENT_DEVICE) ||
		!if_indextoname(tunnel->ifindex, now) || !strcmp(now, name));
}

uint32_t state_find(const struct state *state, const char *name)
{
	unsigned int ifindex = if_nametoindex(name);
	uint32_t slot = ifindex ? state_find_ifindex(state, ifindex) : 0;
	uint64_t netns = netns_own();

	for (uint32_t other = 1; !slot && other < DSCP_MAX_TUNNELS; other++) {
		const struct dscp_tunnel *t = &state->tunnels[other];

		if (t->ifindex && t->netns == netns && goes_by(state, other, name) &&
		    state_is_present(state, other, PRESENT_NETNS))
			slot = other;
	}
	return slot;
}

uint32_t state_find_gone(const struct state *state, const char *name)
{
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		const struct dscp_tunnel *t = &state->tunnels[slot];

		if (t->ifindex && !strncmp(t->name, name, DSCP_IFNAMSIZ) &&
		    !state_is_present(state, slot, PRESENT_NETNS))
			return slot;
	}
	return 0;
}

uint32_t state_free_slot(const struct state *state)
{
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (!state->tunnels[slot].ifindex)
			return slot;
	return 0;
}

const char *state_device_name(const struct state *state, uint32_t ifindex)
{
	const char *name = NULL;

	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (state->tunnels[slot].ifindex != ifindex)
			continue;
		if (name)
			return NULL;
		name = state->tunnels[slot].name;
	}
	return name;
}

/* The entries of ports, devices and endpoints follow from the tunnels: they are derived anew
 * whenever a tunnel changes, from all tunnels but the slot that is being freed. */

static bool by_source_port(__u8 kind)
{
	return kind == DSCP_KIND_WIREGUARD || kind == DSCP_KIND_UDP;
}

static bool has_port(const struct dscp_tunnel *tunnel, __u32 number)
{
	/* Of a free slot nothing has been checked. */
	for (int i = 0; tunnel->ifindex && i < tunnel->n_ports; i++)
		if (tunnel->ports[i] == number)
			return true;
	return false;
}

static int derive_port(const struct state *state, __u32 number, __u32 freed)
{
	struct dscp_port port = {};

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		const struct dscp_tunnel *t = &state->tunnels[slot];

		if (slot == freed || !has_port(t, number))
			continue;
		if (t->flags & DSCP_TUNNEL_INGRESS)
			port.arrives = t->kind;
		if (t->flags & DSCP_TUNNEL_EGRESS)
			port.kind = t->kind;
		if (by_source_port(t->kind) ||
		    (t->flags & DSCP_TUNNEL_ANY_ID && t->flags & DSCP_TUNNEL_EGRESS))
			port.slot = slot;
	}
	return bpf_map_update_elem(state->maps[MAP_PORTS], &number, &port, BPF_ANY) ? -errno : 0;
}

/* Devices of two namespaces can have the same number; then it tells nothing. */
static int derive_device(const struct state *state, __u32 ifindex, __u32 freed)
{
	__u32 found = 0, n = 0;

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (state->tunnels[slot].ifindex != ifindex || slot == freed)
			continue;
		found = slot;
		n++;
	}
	if (n == 1)
		return bpf_map_update_elem(state->maps[MAP_DEVICES], &ifindex, &found, BPF_ANY)
			       ? -errno
			       : 0;
	return bpf_map_delete_elem(state->maps[MAP_DEVICES], &ifindex) && errno != ENOENT ? -errno
											  : 0;
}

static int derive_endpoint(const struct state *state, const struct dscp_endpoint *endpoint,
			   __u32 freed)
{
	int map = state->maps[MAP_ENDPOINTS];

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (slot != freed && state->tunnels[slot].flags & DSCP_TUNNEL_EGRESS &&
		    !memcmp(&state->tunnels[slot].endpoint, endpoint, sizeof(*endpoint)))
			return bpf_map_update_elem(map, endpoint, &slot, BPF_ANY) ? -errno : 0;
	}
	return bpf_map_delete_elem(map, endpoint) && errno != ENOENT ? -errno : 0;
}

static int derive(const struct state *state, const struct dscp_tunnel *tunnel, __u32 freed)
{
	int err = 0;

	if (!tunnel->ifindex)
		return 0;
	for (int i = 0; i < tunnel->n_ports && !err; i++)
		err = derive_port(state, tunnel->ports[i], freed);
	if (!err)
		err = derive_device(state, tunnel->ifindex, freed);
	if (!err && tunnel->endpoint.kind)
		err = derive_endpoint(state, &tunnel->endpoint, freed);
	return err;
}

#define MODE (DSCP_TUNNEL_EGRESS | DSCP_TUNNEL_FIXED | DSCP_TUNNEL_PEERS)

/* The kernel copies an element while programs read it: a packet may meet the flags of one load and
 * the policy of the other. So a change of mode has a step in between. A policy that differs there
 * is one that its flags do not look at yet, or not any more. */
static struct dscp_tunnel between(const struct dscp_tunnel *old, const struct dscp_tunnel *new)
{
	struct dscp_tunnel middle = *new;

	middle.flags = (new->flags & ~MODE) | (old->flags & MODE);
	if (old->flags & DSCP_TUNNEL_FIXED)
		middle.outer_dscp = old->outer_dscp;
	else if (new->flags & DSCP_TUNNEL_FIXED)
		middle.egress = old->egress;
	else if (new->flags & DSCP_TUNNEL_PEERS) {
		middle.flags |= DSCP_TUNNEL_PEERS;
		middle.egress = old->egress;
	}
	return middle;
}

static int write_tunnel(struct state *state, __u32 slot, const struct dscp_tunnel *tunnel)
{
	const struct dscp_tunnel *old = &state->tunnels[slot];
	struct dscp_tunnel middle = between(old, tunnel);
	int map = state->maps[MAP_TUNNELS];

	if (old->flags & tunnel->flags & DSCP_TUNNEL_EGRESS &&
	    (old->flags ^ tunnel->flags) & MODE &&
	    bpf_map_update_elem(map, &slot, &middle, BPF_ANY))
		return -errno;
	state->tunnels[slot] = *tunnel;
	return bpf_map_update_elem(map, &slot, tunnel, BPF_ANY) ? -errno : 0;
}

int state_register(struct state *state, uint32_t slot, const struct dscp_tunnel *tunnel)
{
	const struct dscp_tunnel old = state->tunnels[slot];
	int err = 0;

	/* No packet may find a slot that says nothing: entries that point to it go first. */
	if (!tunnel->ifindex)
		err = derive(state, &old, slot);
	if (!err)
		err = write_tunnel(state, slot, tunnel);
	if (!err)
		err = derive(state, tunnel, 0);
	if (!err)
		err = derive(state, &old, 0);
	if (err)
		return state_failed("cannot write the maps in", STATE_DIR, err);
	if (!tunnel->ifindex)
		state_forget_present(state, slot);
	if (old.ifindex && old.ifindex != tunnel->ifindex)
		state_forget_recent(state);
	return state_write_config(state, objects_digest());
}
