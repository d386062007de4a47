/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Collects the content of status: one model for all forms of output. */
#include "status/status.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/balance.h"
#include "state/conflict.h"
#include "state/counters.h"
#include "state/kernel.h"
#include "state/map.h"
#include "state/present.h"
#include "state/registry.h"
#include "state/root.h"
#include "state/sane.h"
#include "state/sets.h"
#include "status/problems.h"
#include "tunnel/flowtable.h"
#include "util/log.h"
#include "util/netlink.h"
#include "util/reason.h"

static void find_netns(struct tunnel_status *status, const struct pins *pins, uint32_t slot)
{
	const struct dscp_tunnel *t = &status->tunnel;

	status->netns_gone = !present_is(pins, slot, PRESENT_NETNS);
	status->uplink_netns_gone = !present_is(pins, slot, PRESENT_UPLINK_NETNS);
	if (status->netns_gone || !netns_path(t->netns, status->netns))
		*status->netns = 0;
	if (!uplinks_elsewhere(t) || status->uplink_netns_gone ||
	    !netns_path(t->uplink_netns, status->uplink_netns))
		*status->uplink_netns = 0;
	log_printable(status->netns);
	log_printable(status->uplink_netns);
}

/* An address that is not set is zero, and stays "". */
static void find_end(char text[static INET6_ADDRSTRLEN], uint8_t family,
		     const uint8_t address[static 16])
{
	static const uint8_t none[16];

	if (memcmp(address, none, sizeof(none)))
		inet_ntop(family, address, text, INET6_ADDRSTRLEN);
}

/* Finds the device that was loaded, whatever its name is now. False: gone, or out of reach. */
static bool find_device(struct tunnel_status *status, const struct pins *pins, uint32_t slot,
			struct nl_link *link)
{
	const struct dscp_tunnel *t = &status->tunnel;
	struct nl_error why;

	status->device_gone = !present_is(pins, slot, PRESENT_DEVICE);
	if (status->device_gone || status->netns_gone)
		return false;
	NETNS_VISIT(t->netns);
	if (netns_own() != t->netns || nl_link_by_index(t->ifindex, link, &why))
		return false;
	status->up = link->up ? UP : DOWN;
	status->has_id = link->has_id && !link->external;
	status->id = link->id;
	find_end(status->local, link->family, link->local);
	find_end(status->remote, link->family, link->remote);
	return true;
}

/* Finds the present name and state of a live hook's device: it may have been renamed since the
 * load. */
static void look_at_device(struct tunnel_status *status, unsigned int i)
{
	struct hook *hook = &status->hooks[i];
	struct nl_link link;
	struct nl_error why;

	if (status->states[i].health != HOOK_OK || hook->netns != netns_own() ||
	    nl_link_by_index(hook->ifindex, &link, &why))
		return;
	if (sane_name(link.name))
		memcpy(hook->dev, link.name, sizeof(hook->dev));
	status->hook_up[i] = link.up ? UP : DOWN;
}

/* Finds the programs in front of our program and behind, and the qdisc that queues the marked
 * packets. */
static void look_around(const struct pins *pins, struct tunnel_status *status, unsigned int i)
{
	const struct hook *hook = &status->hooks[i];
	const struct hook_state *state = &status->states[i];
	NETNS_VISIT(hook->netns);
	struct nl_error why;
	struct nl_link below;

	look_at_device(status, i);
	status->n_ahead[i] =
		hook_neighbours(hook, state, HOOK_AHEAD, status->ahead[i], MAX_NEIGHBOURS);
	status->n_behind[i] =
		hook_neighbours(hook, state, HOOK_BEHIND, status->behind[i], MAX_NEIGHBOURS);
	if (hook->role != ROLE_EGRESS_OUTER || state->health != HOOK_OK ||
	    hook->netns != netns_own())
		return;
	nl_root_qdisc(hook->ifindex, status->qdiscs[i], &why);
	if (!nl_link_by_index(balance_again(pins, hook->ifindex), &below, &why) &&
	    sane_name(below.name))
		memcpy(status->again[i], below.name, DSCP_IFNAMSIZ);
}

static int collect_tunnel(const struct pins *pins, uint32_t slot, bool keep,
			  struct tunnel_status *status)
{
	struct nl_link link;
	bool found;
	int err;

	memset(status, 0, sizeof(*status));
	status->tunnel = pins->tunnels[slot];
	status->request = pins->requests[slot];
	status->slot = slot;
	find_netns(status, pins, slot);
	registry_name(pins, slot, status->name);
	status->n_hooks = hooks_of(pins, &status->tunnel, status->hooks);
	for (unsigned int i = 0; i < status->n_hooks; i++) {
		err = hook_query(&status->hooks[i], &status->states[i]);
		if (err)
			return err;
		hooks_judge(pins, slot, &status->hooks[i], &status->states[i]);
		status->current[i] =
			hooks_current(pins, &status->tunnel, &status->hooks[i], &status->states[i]);
		look_around(pins, status, i);
		status->hooks[i].dir = NULL; /* goes with the pins */
	}
	found = find_device(status, pins, slot, &link);
	problems_find(status, found && status->tunnel.netns == netns_own() ? &link : NULL);
	if (found)
		problems_add_balance(status, pins, &link, keep);
	err = counters_read(pins, MAP_COUNTERS, slot, &status->egress);
	return err ? err : counters_read(pins, MAP_INGRESS_COUNTERS, slot, &status->ingress);
}

static void find_same_names(struct tunnel_status *tunnels, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int j = 0; j < n && !tunnels[i].same_name; j++)
			tunnels[i].same_name = i != j &&
					       !strcmp(tunnels[i].name, tunnels[j].name) &&
					       tunnels[i].tunnel.netns == tunnels[j].tunnel.netns;
	}
}

/* The tunnels of one set. */
struct part {
	struct tunnel_status *tunnels;
	unsigned int n;
};

/* One device is enough to say. */
static void add_stranger(void *ctx, uint32_t slot, const char *device)
{
	const struct part *part = ctx;

	for (unsigned int i = 0; i < part->n; i++) {
		struct tunnel_status *t = &part->tunnels[i];

		if (t->slot != slot || t->has_stranger)
			continue;
		t->has_stranger = true;
		problems_add_stranger(t, device);
	}
}

struct prefix_lists {
	struct tunnel_status *of_slot[DSCP_MAX_TUNNELS]; /* NULL: has none, or is not asked for */
};

static void collect_prefix(void *ctx, const struct peer_map *map)
{
	const struct prefix_lists *lists = ctx;
	struct tunnel_status *status = lists->of_slot[map->prefix.slot % DSCP_MAX_TUNNELS];

	for (int i = 0; status && i < 2; i++)
		if (status->lists[i] == map->prefix.list)
			prefixes_insert(&status->prefixes[i], map);
}

/* In one go for all of a set: the map is not sorted by tunnel. */
static int collect_prefixes(const struct pins *pins, const struct part *part)
{
	struct prefix_lists lists = {};
	bool any = false;

	for (unsigned int i = 0; i < part->n; i++) {
		struct tunnel_status *t = &part->tunnels[i];

		prefixes_lists(&t->tunnel, &t->request, t->lists);
		if (t->lists[0] < 0 && t->lists[1] < 0)
			continue;
		t->prefixes = calloc(2, sizeof(*t->prefixes));
		if (!t->prefixes)
			return kernel_failed(-ENOMEM, "cannot read", "the state of the tunnels");
		lists.of_slot[t->slot] = t;
		any = true;
	}
	return any ? prefixes_for_each(pins, collect_prefix, &lists) : 0;
}

static int collect_flows(const struct pins *pins, struct status *status)
{
	int fd = pins->maps[MAP_STAMPS];
	long n = map_for_each(fd, sizeof(uint32_t), sizeof(struct dscp_stamp), NULL, NULL);

	if (n < 0) {
		log_error("cannot read the map stamps: %s", log_strerror(n));
		return n;
	}
	status->flows += n;
	status->flows_capacity += map_capacity(fd);
	return 0;
}

/* The request, and the model so far. */
struct collection {
	struct status_query *query;
	struct status *status;
};

/* Tells whether a slot is asked for; by_name: the slots that the names have in this set. */
static bool is_asked_for(const struct status_query *query, const struct pins *pins, uint32_t slot,
			 const uint32_t by_name[MAX_NAMES])
{
	for (unsigned int i = 0; i < query->n_names; i++)
		if (by_name[i] == slot)
			return true;
	return !query->n_names && (query->all_netns || sets_is_here(pins, slot));
}

static struct tunnel_status *add(struct status *status)
{
	struct tunnel_status *more =
		realloc(status->tunnels, (status->n_tunnels + 1) * sizeof(*status->tunnels));

	if (more)
		status->tunnels = more;
	return more ? &more[status->n_tunnels++] : NULL;
}

static int collect_tunnels(const struct collection *c, const struct pins *pins)
{
	uint32_t by_name[MAX_NAMES] = {};
	struct tunnel_status *status;
	int err = 0;

	for (unsigned int i = 0; i < c->query->n_names; i++) {
		by_name[i] = registry_find(pins, c->query->names[i]);
		c->query->found[i] |= by_name[i];
	}
	for_each_tunnel (slot, pins) {
		if (err)
			break;
		if (!is_asked_for(c->query, pins, slot, by_name)) {
			c->status->n_elsewhere++;
			continue;
		}
		status = add(c->status);
		if (!status)
			return kernel_failed(-ENOMEM, "cannot read", "the state of the tunnels");
		err = collect_tunnel(pins, slot, !c->query->only_looks, status);
		if (err)
			log_error("%s: cannot read its state: %s", pins->tunnels[slot].name,
				  log_strerror(err));
	}
	return err;
}

static int collect_rest(const struct collection *c, const struct pins *pins, struct part *part)
{
	int err;

	c->status->loaded = true;
	conflict_strangers(pins, add_stranger, part);
	err = collect_prefixes(pins, part);
	return err ? err : collect_flows(pins, c->status);
}

/* A set that is known by half is left out: the rest can be shown. */
static int collect_set(struct pins *pins, void *ctx)
{
	const struct collection *c = ctx;
	struct status *status = c->status;
	const unsigned int before = status->n_tunnels;
	int err = pins->tunnels ? collect_tunnels(c, pins) : 0;
	struct part part = { .n = status->n_tunnels - before };

	if (!err && part.n) {
		part.tunnels = status->tunnels + before;
		err = collect_rest(c, pins, &part);
	}
	while (err && status->n_tunnels > before)
		free(status->tunnels[--status->n_tunnels].prefixes);
	return err;
}

static int say_other(struct pins *pins, int err, void *ctx)
{
	const struct collection *c = ctx;

	return c->query->other(pins, err, NULL);
}

/* A change by another process looks like a fault: the change is awaited, and the next one begins
 * after the second look. Tells whether to look again. Without the lock the first answer stands; if
 * there is no lock, nothing is loaded any more. */
static bool await_change(int *lock)
{
	*lock = root_lock_to_look();
	if (*lock >= 0 || *lock == -ENOENT)
		return true;
	reason_clear();
	return false;
}

int status_collect(struct status_query *query, struct status *status)
{
	struct collection collection = { .query = query, .status = status };
	_cleanup_lock_ int lock = -1;
	int err;

	for (bool again = false;; again = true) {
		memset(status, 0, sizeof(*status));
		memset(query->found, 0, sizeof(query->found));
		flowtable_look_anew();
		balance_look_anew();
		err = sets_for_each(collect_set, say_other, &collection);
		find_same_names(status->tunnels, status->n_tunnels);
		if (err || again || status_healthy(status) || !await_change(&lock))
			return err;
		status_free(status);
	}
}

void status_free(struct status *status)
{
	for (unsigned int i = 0; i < status->n_tunnels; i++)
		free(status->tunnels[i].prefixes);
	free(status->tunnels);
}

/* The counters of a slot that was freed meanwhile begin anew. */
static bool is_same(const struct tunnel_status *now, const struct tunnel_status *before)
{
	return now->slot == before->slot && now->tunnel.ifindex == before->tunnel.ifindex &&
	       now->tunnel.netns == before->tunnel.netns &&
	       now->tunnel.uplink_netns == before->tunnel.uplink_netns &&
	       counters_have_grown(&now->egress, &before->egress) &&
	       counters_have_grown(&now->ingress, &before->ingress);
}

void status_compare(struct status *now, const struct status *before, double seconds)
{
	for (unsigned int i = 0; i < now->n_tunnels && seconds > 0; i++)
		for (unsigned int j = 0; j < before->n_tunnels; j++)
			if (is_same(&now->tunnels[i], &before->tunnels[j])) {
				now->tunnels[i].before = &before->tunnels[j];
				now->tunnels[i].seconds = seconds;
			}
}

bool status_healthy(const struct status *status)
{
	for (unsigned int i = 0; i < status->n_tunnels; i++)
		if (status->tunnels[i].n_problems)
			return false;
	return true;
}
