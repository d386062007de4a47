/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tunnels by their names, whichever set they are in. */
#include "state/sets.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "hook/pin.h"
#include "state/present.h"
#include "state/registry.h"
#include "state/root.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/reason.h"

int sets_for_each(each_set *each, other_set *other, void *ctx)
{
	_cleanup_free_ uint64_t *sets = NULL;
	int n = root_sets(&sets), n_others = 0, err = n < 0 ? n : 0, failure;
	struct pins pins;

	for (int i = 0; i < n; i++) {
		const unsigned int before = reason_count();

		failure = pins_open(&pins, sets[i]);
		if (failure && failure != -ENOENT) {
			reason_forget(before);
			sets[n_others++] = sets[i];
			continue;
		}
		failure = each(&pins, ctx);
		pins_close(&pins);
		err = err || failure == -ENOENT ? err : failure;
	}
	/* Last: success for another set clears the sentences. The one about a set which is passed
	 * over is dropped. */
	for (int i = 0; i < n_others; i++) {
		const unsigned int before = reason_count();

		failure = pins_open(&pins, sets[i]);
		if (!failure) {
			failure = each(&pins, ctx);
			pins_close(&pins);
		} else if (failure != -ENOENT) {
			failure = other(&pins, failure, ctx);
		}
		failure = failure == -ENOENT ? 0 : failure;
		if (!failure)
			reason_forget(before);
		err = err ? err : failure;
	}
	return err;
}

int sets_pass_over(struct pins *pins, int err, void *ctx)
{
	(void)pins;
	(void)err;
	(void)ctx;
	return 0;
}

int sets_refuse(struct pins *pins, int err, void *ctx)
{
	(void)ctx;
	return err == -ESTALE ? pins_foreign(pins) : err;
}

/* ctx: the number of a device; 0: any. A set that cannot be read now may have it. */
static int is_at_work_here(const struct hook *hook, void *ctx)
{
	const uint32_t ifindex = *(const uint32_t *)ctx;
	struct hook_state state;

	return hook->netns == netns_own() && (!ifindex || (int)ifindex == hook->ifindex) &&
	       (hook_query(hook, &state) || state.health == HOOK_OK);
}

int sets_refuse_ours(struct pins *pins, int err, void *ctx)
{
	uint32_t any = 0;

	if (pins_are_own(pins) || pin_for_each(pins->dir, is_at_work_here, &any) > 0)
		return sets_refuse(pins, err, ctx);
	return 0;
}

/* How a tunnel answers to a name, the better the later: a device that has the name now is meant
 * before one that had it, and a tunnel that is here before one that is gone, whichever set has the
 * lower number. */
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

struct search {
	const char *name;
	uint32_t ifindex;
	bool gone;
	enum answer best;
	struct pins *pins;
	uint32_t slot;
};

/* The set that has the best answer so far stays open. */
static int take_better(struct pins *pins, void *ctx)
{
	struct search *s = ctx;
	uint32_t slot;
	enum answer answer =
		pins->tunnels ? find(pins, s->name, s->ifindex, s->gone, &slot) : NOT_AT_ALL;

	if (answer <= s->best)
		return 0;
	if (s->best)
		pins_close(s->pins);
	pins_move(s->pins, pins);
	s->slot = slot;
	s->best = answer;
	return 0;
}

static int refuse_for_name(struct pins *pins, int err, void *ctx)
{
	struct search *s = ctx;

	if (pins_are_own(pins) || pin_for_each(pins->dir, is_at_work_here, &s->ifindex) > 0)
		return sets_refuse(pins, err, ctx);
	return 0;
}

int sets_find(const char *name, bool gone, struct pins *pins, uint32_t *slot)
{
	struct search search = {
		.name = name, .ifindex = if_nametoindex(name), .gone = gone, .pins = pins
	};
	const unsigned int before = reason_count();
	int err = sets_for_each(take_better, refuse_for_name, &search);

	*slot = search.slot;
	if (!search.best)
		return err;
	reason_forget(before);
	return 0;
}

struct elsewhere {
	const char *name;
	char *place;
	bool found;
	bool refused; /* a set, where it may be: one is enough to say */
};

static int refuse_first(struct pins *pins, int err, void *ctx)
{
	struct elsewhere *e = ctx;
	const bool first = !e->refused;

	e->refused = true;
	return first ? sets_refuse(pins, err, NULL) : 0;
}

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
	const unsigned int before = reason_count();

	*place = 0;
	sets_for_each(look_for_name, refuse_first, &e);
	if (e.found)
		reason_forget(before);
	log_printable(place);
	return e.found;
}

bool sets_is_here(const struct pins *pins, uint32_t slot)
{
	return registry_is_here(pins, slot) || (pins->tunnels[slot].uplink_netns == netns_own() &&
						present_is(pins, slot, PRESENT_UPLINK_NETNS));
}
