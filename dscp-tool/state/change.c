/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* One change of a tunnel: all of it, or none. */
#include "state/change.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "state/balance.h"
#include "state/conflict.h"
#include "state/counters.h"
#include "state/hooks.h"
#include "state/install.h"
#include "state/map.h"
#include "state/prefixes.h"
#include "state/present.h"
#include "state/registry.h"
#include "state/sets.h"
#include "util/netns.h"
#include "util/privileges.h"
#include "util/reason.h"

/* Returns 0 if this process may change or unload a loaded tunnel. */
static int check_permitted(const struct pins *pins, uint32_t slot)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	bool elsewhere = tunnel->uplink_netns != tunnel->netns;
	char name[DSCP_IFNAMSIZ];

	if ((tunnel->method != DSCP_METHOD_XDP && !elsewhere) || privileges_sys_admin())
		return 0;
	return failed(-EPERM, "%s: not permitted without CAP_SYS_ADMIN, since it is loaded with %s",
		      registry_name(pins, slot, name),
		      elsewhere ? "--uplink-netns" : "--ingress-method xdp");
}

/* Attach the programs that read the DSCP, then write the maps, then attach the programs that
 * rewrite the DSCP, so that no packet sees a half-configured tunnel and none goes unmarked during a
 * change. The exception is egress_inner, which leaves the policy to egress_outer: it replaces
 * egress_inner_peers only after the maps have the new policy. */
static int change(struct pins *pins, uint32_t slot, const struct wanted *wanted)
{
	const struct dscp_tunnel *new = &wanted->tunnel;
	const enum attach_kind attach = wanted->request.attach;
	const uint32_t no_more = pins->tunnels[slot].flags & ~new->flags;
	const bool plain_again = no_more & DSCP_TUNNEL_PREFIXES;
	int err = present_note(pins, slot, new);

	if (!err && !plain_again)
		err = hooks_attach(pins, new, STAGE_READ, attach);
	if (!err)
		err = registry_write(pins, slot, new, &wanted->request);
	if (!err && plain_again)
		err = hooks_attach(pins, new, STAGE_READ, attach);
	if (!err)
		err = hooks_attach(pins, new, STAGE_WRITE, attach);
	return err;
}

/* A tunnel as it was before a change. */
struct before {
	struct dscp_tunnel tunnel;
	struct request request;
	struct hook_state hooks[MAX_HOOKS]; /* those that the new one needs */
	bool present[N_PRESENT];
};

static int remember(struct pins *pins, uint32_t slot, const struct dscp_tunnel *new,
		    struct before *before)
{
	int err = hooks_states(pins, new, before->hooks);

	before->tunnel = pins->tunnels[slot];
	before->request = pins->requests[slot];
	present_before(pins, slot, before->present);
	return err;
}

/* Removes the lists that are not in use any more. No packet is looked for in one, so the change is
 * made even if one is left: the next change of this slot begins with clear_slot(). */
static void forget_lists(const struct pins *pins, uint32_t slot)
{
	const unsigned int before = reason_count();

	if (prefixes_forget(pins, slot))
		reason_forget(before);
}

/* The old entries come back; hooks that only the new one needed go with install_prune(). */
static void take_back(struct pins *pins, uint32_t slot, const struct dscp_tunnel *new,
		      const struct before *before)
{
	int err = registry_write(pins, slot, &before->tunnel, &before->request);

	present_back(pins, slot, before->present);
	hooks_back(pins, new, before->hooks);
	if (!err) /* else the maps may still name the new list */
		forget_lists(pins, slot);
}

/* Writes a tunnel that has changed, with the request that it has. */
static int write_again(struct pins *pins, uint32_t slot, const struct dscp_tunnel *tunnel)
{
	const struct request request = pins->requests[slot];

	return registry_write(pins, slot, tunnel, &request);
}

/* A tunnel without its device keeps its slot and options: the device may be made anew. But the
 * number is another device's now, and with the number go the pins of hooks. */
static int set_aside(struct pins *pins, uint32_t slot)
{
	struct dscp_tunnel tunnel = pins->tunnels[slot];

	tunnel.ifindex = DSCP_IFINDEX_GONE | slot;
	return write_again(pins, slot, &tunnel);
}

/* A tunnel that is going to be loaded has its number for itself: the pins of an earlier device with
 * the number, which is gone, are removed. */
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

/* An uplink of other tunnels that is gone may have lost its number to an uplink of this one, which
 * will have programs by that number: from now on they await theirs by its name. */
static int clear_uplink(struct pins *pins, const struct dscp_tunnel *new, int n)
{
	int err = 0;

	for_each_tunnel (slot, pins) {
		struct dscp_tunnel tunnel = pins->tunnels[slot];
		bool any = false;

		if (tunnel.uplink_netns != new->uplink_netns)
			continue;
		for (int i = 0; i < tunnel.n_uplinks; i++) {
			if (tunnel.uplinks[i] != new->uplinks[n] ||
			    !strncmp(tunnel.uplink_names[i], new->uplink_names[n], DSCP_IFNAMSIZ))
				continue;
			tunnel.uplinks[i] = DSCP_UPLINK_ABSENT;
			any = true;
		}
		if (any && !err)
			err = write_again(pins, slot, &tunnel);
	}
	return err;
}

static int clear_uplinks(struct pins *pins, const struct dscp_tunnel *new)
{
	int err = 0;

	for (int i = 0; i < new->n_uplinks && !err; i++)
		if (new->uplinks[i] != DSCP_UPLINK_ABSENT &&
		    !hooks_on_uplink(pins, new->uplink_netns, new->uplinks[i]))
			err = clear_uplink(pins, new, i);
	return err;
}

/* There is a slot, and its content may be changed. */
static int check_slot(const struct pins *pins, uint32_t slot, const struct dscp_tunnel *new)
{
	return slot ? check_permitted(pins, slot)
		    : failed(-ENOSPC, "%s: %d tunnels are loaded already (unload one first)",
			     new->name, DSCP_MAX_TUNNELS - 1);
}

/* A filter and an XDP program can only be removed in their own network namespace; a TCX link
 * anywhere. */
static int check_removable(const struct pins *pins, uint32_t slot)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	struct hook_state states[MAX_HOOKS] = {};
	struct hook hooks[MAX_HOOKS];
	unsigned int n = hooks_of(pins, tunnel, hooks);
	int err = check_permitted(pins, slot);

	if (!err)
		err = hooks_states(pins, tunnel, states);
	for (unsigned int i = 0; i < n && !err; i++) {
		hooks_judge(pins, slot, &hooks[i], &states[i]);
		if (states[i].health == HOOK_ELSEWHERE)
			err = failed(-EXDEV,
				     "%s: attached in another network namespace: unload it there, "
				     "or with CAP_SYS_ADMIN",
				     tunnel->name);
	}
	return err;
}

int change_remove(struct pins *pins, uint32_t slot)
{
	const struct dscp_tunnel none = {};
	int err = check_removable(pins, slot);

	if (!err)
		err = registry_write(pins, slot, &none, NULL);
	if (!err)
		forget_lists(pins, slot);
	return err;
}

/* Tells whether all network namespaces of a set are gone, and with them all that was attached. */
static bool is_left_over(const struct pins *pins)
{
	for_each_tunnel (slot, pins)
		if (present_is(pins, slot, PRESENT_NETNS) ||
		    present_is(pins, slot, PRESENT_UPLINK_NETNS))
			return false;
	return true;
}

/* Where a tunnel is loaded. */
struct place {
	uint64_t set;
	const char *name;
	uint32_t ifindex;
	bool known; /* its device was loaded there before */
};

static int find_place(struct place *place, const struct dscp_tunnel *tunnel)
{
	place->name = tunnel->name;
	place->ifindex = tunnel->ifindex;
	place->set = netns_cookie_of(tunnel->uplink_netns);
	if (place->set)
		return 0;
	return failed(-ENODEV,
		      "%s: the network namespace of its uplinks cannot be told from others now",
		      tunnel->name);
}

/* The same tunnel in another set. A device that was loaded before is no other one's successor, just
 * because it has that one's name now. */
static uint32_t find_old(const struct pins *pins, const struct place *place)
{
	uint32_t old = registry_find_ifindex(pins, place->ifindex);

	return old || place->known ? old : registry_find(pins, place->name);
}

/* Removes a tunnel from another set, where its packets left before; and a tunnel that nothing can
 * be found by any more. */
static int tidy_up(struct pins *pins, void *ctx)
{
	const struct place *place = ctx;
	uint32_t old;
	bool all;
	int err = 0;

	if (!pins->tunnels)
		return pins_remove(pins);
	all = is_left_over(pins);
	old = find_old(pins, place);
	if (pins->set == place->set || (!all && !old))
		return 0;
	for_each_tunnel (slot, pins)
		if ((all || slot == old) && !err)
			err = change_remove(pins, slot);
	return err ? err : install_prune(pins);
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

int change_check(const struct wanted *wanted)
{
	struct place place = {};
	struct pins pins;
	bool anew;
	int err = find_place(&place, &wanted->tunnel);

	if (!err)
		err = pins_open(&pins, place.set);
	if (err == -ESTALE)
		return pins_foreign(&pins);
	if (err)
		return err == -ENOENT ? 0 : err;
	err = conflict_check(&pins, find_slot(&pins, wanted->tunnel.name, &anew), &wanted->tunnel);
	pins_close(&pins);
	return err;
}

/* Clears the predecessor of a tunnel from the slot, in a network namespace that is gone: half of
 * each would be a tunnel that is not here and not gone either, and that keeps its ports for itself.
 * Clears as well the lists of prefixes that a killed process has left. */
static int clear_slot(struct pins *pins, uint32_t slot, bool anew)
{
	const struct dscp_tunnel none = {};
	int err = 0;

	if (anew && pins->tunnels[slot].ifindex)
		err = registry_write(pins, slot, &none, NULL);
	if (!err && anew)
		err = counters_clear(pins, slot);
	return err ? err : prefixes_forget(pins, slot);
}

/* Gives a tunnel a new list for its prefixes, if it has any. prefixes: NULL: the list that its
 * request names. */
static int give_list(const struct pins *pins, uint32_t slot, struct wanted *wanted,
		     const struct peer_maps *prefixes)
{
	uint8_t list = pins->tunnels[slot].list;

	if (!prefixes)
		return 0;
	if (prefixes->n && ++list == pins->requests[slot].list)
		list++;
	wanted->request.list = wanted->tunnel.list = list;
	return prefixes->n ? prefixes_write(pins, slot, &wanted->request, prefixes) : 0;
}

/* Completes the request and the tunnel from the slot. */
static void complete(const struct pins *pins, uint32_t slot, struct wanted *wanted)
{
	if (!wanted->request.flows) /* the size stays, and so does the request for it */
		wanted->request.flows = pins->requests[slot].flows;
	if (wanted->tunnel.ifindex == DSCP_IFINDEX_GONE)
		wanted->tunnel.ifindex |= slot;
}

/* Asks whether the tunnel may have the slot, before anything is changed for it. */
static int admit(struct pins *pins, uint32_t slot, struct wanted *wanted)
{
	int err = check_slot(pins, slot, &wanted->tunnel);

	if (err)
		return err;
	complete(pins, slot, wanted);
	err = clear_number(pins, &wanted->tunnel);
	if (!err)
		err = conflict_check(pins, slot, &wanted->tunnel);
	return err ? err : clear_uplinks(pins, &wanted->tunnel);
}

/* Makes the change, or takes back the steps that were made of one. */
static int carry_out(struct pins *pins, uint32_t slot, struct wanted *wanted,
		     const struct peer_maps *prefixes)
{
	struct before before;
	int err = remember(pins, slot, &wanted->tunnel, &before);

	if (err)
		return err;
	err = give_list(pins, slot, wanted, prefixes);
	if (!err)
		err = change(pins, slot, wanted);
	if (err) {
		take_back(pins, slot, &wanted->tunnel, &before);
		return err;
	}
	balance_look_anew();
	balance_begin(pins, slot);
	forget_lists(pins, slot);
	return 0;
}

/* Finds the tunnel's slot in a set that is open, and makes all ready for a packet that finds it. */
static int make_ready(struct pins *pins, struct wanted *wanted, uint32_t flows, uint32_t *slot)
{
	bool anew;
	int err;

	*slot = find_slot(pins, wanted->tunnel.name, &anew);
	err = admit(pins, *slot, wanted);
	if (!err)
		err = install_renew(pins, flows);
	/* egress_outer leaves a packet alone that it cannot count. */
	if (!err)
		err = install_room(pins, *slot);
	if (!err)
		err = install_need(pins, &wanted->tunnel);
	return err ? err : clear_slot(pins, *slot, anew);
}

int change_tunnel(struct wanted *wanted, const struct peer_maps *prefixes, uint32_t flows)
{
	struct place place;
	struct pins pins;
	uint32_t slot, old_flows;
	int err = find_place(&place, &wanted->tunnel), pruned;

	if (!err)
		err = install_open(&pins, place.set, flows);
	if (err)
		return err;
	place.known = registry_find_ifindex(&pins, place.ifindex);
	old_flows = map_capacity(pins.maps[MAP_STAMPS]);
	err = make_ready(&pins, wanted, flows, &slot);
	if (!err)
		err = carry_out(&pins, slot, wanted, prefixes);
	if (err && map_capacity(pins.maps[MAP_STAMPS]) != old_flows)
		install_renew(&pins, old_flows);
	pruned = install_prune(&pins);
	pins_close(&pins);
	if (!err)
		err = pruned;
	if (err || wanted->tunnel.ifindex & DSCP_IFINDEX_GONE)
		return err;
	/* Sets of another version are taken over one after the other, and a damaged set is left to
	 * a caller that asks for it. */
	return sets_for_each(tidy_up, sets_pass_over, &place);
}

void change_without_device(struct wanted *wanted)
{
	const struct request *request = &wanted->request;
	struct dscp_tunnel *tunnel = &wanted->tunnel;

	memset(tunnel, 0, sizeof(*tunnel));
	tunnel->ifindex = DSCP_IFINDEX_GONE;
	tunnel->kind = DSCP_KIND_UDP; /* without a port: no packet is one */
	tunnel->netns = request->netns;
	tunnel->uplink_netns = request->uplink_netns ? request->uplink_netns : request->netns;
	memcpy(tunnel->name, request->name, DSCP_IFNAMSIZ);
	memcpy(tunnel->link_kind, KIND_UNKNOWN, sizeof(KIND_UNKNOWN));
}
