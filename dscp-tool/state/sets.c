/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tunnels by their names, whichever set they are in. */
#include "state/sets.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "state/present.h"
#include "state/registry.h"
#include "state/root.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/reason.h"

/* foreign: NULL: a set of another version is an error. */
static int visit(uint64_t set, each_set *each, each_set *foreign, void *ctx)
{
	struct pins pins;
	int err = pins_open(&pins, set);

	if (err == -ESTALE)
		return foreign ? foreign(&pins, ctx) : -ESTALE;
	if (!err || err == -ENOENT)
		err = each(&pins, ctx);
	pins_close(&pins);
	return err == -ENOENT ? 0 : err;
}

int sets_for_each_version(each_set *each, each_set *foreign, void *ctx)
{
	_cleanup_free_ uint64_t *sets = NULL;
	int n = root_sets(&sets), err = 0, failure;
	bool is_foreign = false; /* said once, however many there are */

	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		failure = visit(sets[i], each, foreign, ctx);
		is_foreign |= failure == -ESTALE && !foreign;
		err = err ? err : failure;
	}
	return is_foreign ? pins_foreign() : err;
}

int sets_for_each(each_set *each, void *ctx)
{
	return sets_for_each_version(each, NULL, ctx);
}

/* How a tunnel answers to a name, the better the later: a device that has the name now is meant
 * before one that had it, and what is here before what is gone, whichever set has the lower number.
 */
enum answer { NOT_AT_ALL, AS_GONE, BY_NAME, BY_DEVICE };

/* ifindex: of the device that has the name; 0: none has. */
static enum answer find(const struct pins *pins, const char *name, uint32_t ifindex, bool gone,
			uint32_t *slot)
{
	*slot = registry_find_ifindex(pins, ifindex);
	if (*slot)
		return BY_DEVICE;
	*slot = registry_find_named(pins, name);
	if (*slot)
		return BY_NAME;
	*slot = gone ? registry_find_gone(pins, name) : 0;
	return *slot ? AS_GONE : NOT_AT_ALL;
}

int sets_find(const char *name, bool gone, struct pins *pins, uint32_t *slot)
{
	_cleanup_free_ uint64_t *sets = NULL;
	int n = root_sets(&sets), err = n < 0 ? n : 0, failure;
	const uint32_t ifindex = if_nametoindex(name);
	enum answer best = NOT_AT_ALL, answer;
	struct pins other;
	uint32_t found;

	*slot = 0;
	for (int i = 0; i < n && best != BY_DEVICE; i++) {
		failure = pins_open(&other, sets[i]);
		if (failure) {
			err = err || failure == -ENOENT ? err : failure;
			continue;
		}
		answer = find(&other, name, ifindex, gone, &found);
		if (answer <= best) {
			pins_close(&other);
			continue;
		}
		if (best)
			pins_close(pins);
		*pins = other;
		*slot = found;
		best = answer;
	}
	if (best)
		return 0;
	return err == -ESTALE ? pins_foreign() : err;
}

struct elsewhere {
	const char *name;
	char *place;
	bool found;
};

/* The first one that is visible, if there is one. */
static int look_for_name(struct pins *pins, void *ctx)
{
	struct elsewhere *e = ctx;

	if (!pins->tunnels)
		return 0;
	for_each_tunnel (slot, pins) {
		const struct dscp_tunnel *tunnel = &pins->tunnels[slot];

		if (*e->place || tunnel->netns == netns_own() ||
		    strncmp(tunnel->name, e->name, DSCP_IFNAMSIZ) ||
		    !present_is(pins, slot, PRESENT_NETNS))
			continue;
		e->found = true;
		if (!netns_path(tunnel->netns, e->place))
			*e->place = 0;
	}
	return 0;
}

bool sets_elsewhere(const char *name, char place[static NETNS_PATH])
{
	struct elsewhere e = { .name = name, .place = place };

	*place = 0;
	if (sets_for_each(look_for_name, &e))
		reason_clear();
	log_printable(place);
	return e.found;
}

bool sets_is_here(const struct pins *pins, uint32_t slot)
{
	return registry_is_here(pins, slot) || (pins->tunnels[slot].uplink_netns == netns_own() &&
						present_is(pins, slot, PRESENT_UPLINK_NETNS));
}
