/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* One change of a tunnel: all of it, or none. */
#include "state/change.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "util/privileges.h"
#include "state/conflict.h"
#include "state/counters.h"
#include "state/hooks.h"
#include "state/install.h"
#include "state/map.h"
#include "state/peers.h"
#include "state/present.h"
#include "state/registry.h"
#include "util/reason.h"

int change_permitted(const struct dscp_tunnel *tunnel)
{
	bool elsewhere = tunnel->uplink_netns != tunnel->netns;

	if ((tunnel->way != DSCP_WAY_XDP && !elsewhere) || privileges_sys_admin())
		return 0;
	return failed(-EPERM, "%s: not permitted without CAP_SYS_ADMIN, since it is loaded with %s",
		      tunnel->name, elsewhere ? "--uplink-netns" : "--ingress-hook xdp");
}

/* The peer maps that are in force; what a load or an unload that was killed has left goes. */
static int peers_before(struct pins *pins, uint32_t slot, struct peer_maps *peers)
{
	bool in_force = pins->tunnels[slot].flags & DSCP_TUNNEL_PEERS;
	unsigned int most = in_force ? DSCP_MAX_PEERS : 0;
	int err = peers_read(pins, slot, peers);

	if (err || peers->n <= most)
		return err;
	peers->n = most;
	return peers_remove_others(pins, slot, peers);
}

/* What finds out the mark first, then the maps, then the rewriting: no packet meets a half of it,
 * nor does one go unmarked when a loaded tunnel changes. But egress_inner, which leaves the policy
 * to egress_outer, takes the place of egress_inner_peers only when the maps say the new one. */
static int change(struct pins *pins, uint32_t slot, const struct dscp_tunnel *new,
		  const struct peer_maps *peers)
{
	const uint32_t no_more = pins->tunnels[slot].flags & ~new->flags;
	const bool plain_again = no_more & DSCP_TUNNEL_PEERS;
	int err = present_note(pins, slot, new);

	if (!err)
		err = peers_add(pins, slot, peers);
	if (!err && !plain_again)
		err = hooks_attach(pins, new, STAGE_READ, new->attach);
	if (!err)
		err = registry_write(pins, slot, new);
	if (!err && plain_again)
		err = hooks_attach(pins, new, STAGE_READ, new->attach);
	if (!err)
		err = hooks_attach(pins, new, STAGE_WRITE, new->attach);
	return err ? err : peers_remove_others(pins, slot, peers);
}

/* A tunnel as it was before a change. */
struct before {
	struct dscp_tunnel tunnel;
	struct hook_state hooks[MAX_HOOKS]; /* those that the new one needs */
	struct peer_maps peers;
	bool present[N_PRESENT];
};

static int remember(struct pins *pins, uint32_t slot, const struct dscp_tunnel *new,
		    struct before *before)
{
	int err = hooks_states(new, before->hooks);

	if (!err)
		err = peers_before(pins, slot, &before->peers);
	before->tunnel = pins->tunnels[slot];
	present_before(pins, slot, before->present);
	return err;
}

/* The old entries come back; hooks that only the new one needed go with install_prune(). */
static void take_back(struct pins *pins, uint32_t slot, const struct dscp_tunnel *new,
		      const struct before *before)
{
	peers_add(pins, slot, &before->peers);
	registry_write(pins, slot, &before->tunnel);
	present_back(pins, slot, before->present);
	hooks_back(pins, new, before->hooks);
	peers_remove_others(pins, slot, &before->peers);
}

/* A tunnel whose device is gone keeps its slot and options: it may be made anew. But the number is
 * another device's now, and with the number go the pins of hooks. */
static int set_aside(struct pins *pins, uint32_t slot)
{
	struct dscp_tunnel tunnel = pins->tunnels[slot];

	tunnel.ifindex = DSCP_IFINDEX_GONE | slot;
	return registry_write(pins, slot, &tunnel);
}

/* A tunnel that is going to be loaded has its number for itself: what the pins of a device say that
 * had the number before, and is gone, goes. */
static int clear_number(struct pins *pins, const struct dscp_tunnel *tunnel)
{
	bool any = false;
	int err = 0;

	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS && !err; slot++) {
		if (pins->tunnels[slot].ifindex != tunnel->ifindex ||
		    present_is(pins, slot, PRESENT_DEVICE))
			continue;
		err = set_aside(pins, slot);
		any = true;
	}
	return any && !err ? install_prune(pins) : err;
}

/* Sees to it that nothing is in the way of the tunnel. */
static int check(struct pins *pins, uint32_t slot, const struct dscp_tunnel *new)
{
	int err;

	if (!slot)
		return failed(-ENOSPC, "%s: %d tunnels are loaded already (unload one first)",
			      new->name, DSCP_MAX_TUNNELS - 1);
	err = change_permitted(&pins->tunnels[slot]);
	if (!err)
		err = clear_number(pins, new);
	return err ? err : conflict_check(pins, slot, new);
}

/* Finds the slot of a tunnel, or a free one; 0: there is none. */
static uint32_t find_slot(const struct pins *pins, const char *name, bool *anew)
{
	uint32_t slot = registry_find(pins, name);

	*anew = !slot;
	if (!slot)
		slot = registry_find_gone(pins, name);
	return slot ? slot : registry_free_slot(pins);
}

int change_tunnel(const struct dscp_tunnel *tunnel, const struct peer_maps *peers, uint32_t flows)
{
	struct before before;
	struct pins pins;
	uint32_t slot, old_flows;
	bool anew;
	int err = install_open(&pins, flows), pruned;

	if (err)
		return err;
	old_flows = map_capacity(pins.maps[MAP_FLOWS]);
	slot = find_slot(&pins, tunnel->name, &anew);
	err = check(&pins, slot, tunnel);
	if (!err)
		err = install_renew(&pins, flows);
	/* Before a packet can find the slot: egress_outer leaves a packet alone that it cannot
	 * count. */
	if (!err)
		err = install_room(&pins, slot);
	if (!err)
		err = install_need(&pins, tunnel);
	if (!err && anew)
		err = counters_clear(&pins, slot);
	if (!err)
		err = remember(&pins, slot, tunnel, &before);
	if (!err) {
		err = change(&pins, slot, tunnel, peers ? peers : &before.peers);
		if (err)
			take_back(&pins, slot, tunnel, &before);
	}
	if (err && map_capacity(pins.maps[MAP_FLOWS]) != old_flows)
		install_renew(&pins, old_flows);
	pruned = install_prune(&pins);
	pins_close(&pins);
	return err ? err : pruned;
}
