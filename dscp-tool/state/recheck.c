/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Discovers a loaded tunnel anew, as load does it, and says whether the answer or a hook
 * differs. */
#include "state/recheck.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "hook/clsact.h"
#include "state/hooks.h"
#include "state/present.h"
#include "state/registry.h"
#include "state/sets.h"
#include "tunnel/discover.h"
#include "util/netns.h"
#include "util/reason.h"

static bool hooks_fine(const struct pins *pins, const struct dscp_tunnel *tunnel)
{
	struct hook_state states[MAX_HOOKS] = {};
	struct hook hooks[MAX_HOOKS];
	unsigned int n = hooks_of(pins, tunnel, hooks);
	bool fine = true;

	if (hooks_states(pins, tunnel, states))
		return true; /* not to be known now */
	for (unsigned int i = 0; i < n; i++) {
		if (clsact_awaits_qdisc(&hooks[i], &states[i]))
			continue;
		fine &= states[i].health == HOOK_OK &&
			hooks_current(pins, tunnel, &hooks[i], &states[i]);
	}
	return fine;
}

static void add(char *text, const char *word)
{
	size_t len = strlen(text);

	snprintf(text + len, RECHECK_TEXT - len, "%s%s", *text ? ", " : "", word);
}

static void add_uplinks(char *text, const struct dscp_tunnel *tunnel)
{
	char word[RECHECK_TEXT] = "uplink";

	for (int i = 0; i < tunnel->n_uplinks; i++)
		snprintf(word + strlen(word), sizeof(word) - strlen(word), " %s%s",
			 tunnel->uplink_names[i],
			 tunnel->uplinks[i] == DSCP_UPLINK_ABSENT ? " (absent)" : "");
	add(text, word);
}

/* Names the differences, in words; "" if there are none. */
static void describe(const struct pins *pins, uint32_t slot, const struct dscp_tunnel *new,
		     char *text)
{
	const struct dscp_tunnel *old = &pins->tunnels[slot];
	char word[64];

	*text = 0;
	if (!present_is(pins, slot, PRESENT_DEVICE))
		add(text, "the device was made anew");
	if (strncmp(old->name, new->name, DSCP_IFNAMSIZ))
		add(text, "the device was renamed");
	if (memcmp(old->ports, new->ports, sizeof(old->ports))) {
		snprintf(word, sizeof(word), new->n_ports ? "port %u" : "no peer is left",
			 new->ports[0]);
		add(text, word);
	}
	if (memcmp(old->uplinks, new->uplinks, sizeof(old->uplinks)))
		add_uplinks(text, new);
	else if (memcmp(old->uplink_names, new->uplink_names, sizeof(old->uplink_names)))
		add(text, "an uplink was renamed");
	if (old->method != new->method)
		add(text, "another ingress method");
	if (!*text && memcmp(old, new, sizeof(*old)))
		add(text, "its outer packets look different");
	if (!*text && !hooks_fine(pins, old))
		add(text, "a program was taken away");
}

bool recheck_is_succeeded(const struct pins *pins, uint32_t slot)
{
	struct pins other;
	uint32_t found;
	bool is_other;

	if (present_is(pins, slot, PRESENT_DEVICE))
		return false;
	if (sets_find(pins->tunnels[slot].name, false, &other, &found))
		reason_clear();
	if (!found)
		return false;
	is_other = other.set != pins->set || found != slot;
	pins_close(&other);
	return is_other;
}

/* Finds the present name of a tunnel's device. A device that is still the one that was loaded has
 * any name. Another device is the tunnel only by the name that was loaded, whatever its number
 * is. */
static void find_name(const struct pins *pins, uint32_t slot, char *name)
{
	const struct dscp_tunnel *old = &pins->tunnels[slot];

	if (!present_is(pins, slot, PRESENT_DEVICE) || !if_indextoname(old->ifindex, name))
		memcpy(name, old->name, DSCP_IFNAMSIZ);
}

/* Adds to the reason that another device has the number of a tunnel that is gone, and is left
 * alone: nobody has loaded it by its name. */
static void add_stranger(const struct dscp_tunnel *old)
{
	char stranger[IF_NAMESIZE] = "", why[RECHECK_TEXT];

	if (!if_indextoname(old->ifindex, stranger))
		return;
	snprintf(why, sizeof(why), "%s", reason_first());
	reason_clear();
	failed(0, "%s (its number %u is another device's now, %s, which is left alone)", why,
	       old->ifindex, stranger);
}

/* The device that was loaded, whatever its name is now, as long as our program is on it; else the
 * one of that name. */
void recheck_uplinks(const struct pins *pins, const struct dscp_tunnel *old,
		     struct request *request)
{
	NETNS_VISIT(old->uplink_netns);

	for (unsigned int n = 0; n < request->n_uplinks; n++) {
		char *name = request->uplinks[n];
		int i = 0;

		while (i < old->n_uplinks && strcmp(old->uplink_names[i], name))
			i++;
		if (i < old->n_uplinks && hooks_on_uplink(pins, old->uplink_netns, old->uplinks[i]))
			if_indextoname(old->uplinks[i], name);
	}
}

/* A namespace that has only the number of the one that was loaded is not the tunnel's. */
static int check_namespaces(const struct pins *pins, uint32_t slot)
{
	const struct dscp_tunnel *old = &pins->tunnels[slot];

	if (!present_is(pins, slot, PRESENT_NETNS))
		return failed(-ENODEV,
			      "%.15s: the network namespace that it was loaded in is gone, and "
			      "this one has only its number: unload it, or load it anew",
			      old->name);
	if (!present_is(pins, slot, PRESENT_UPLINK_NETNS))
		return failed(-ENODEV,
			      "%.15s: the network namespace of its uplinks is gone (number %llu): "
			      "unload it, or load it anew",
			      old->name, (unsigned long long)old->uplink_netns);
	return 0;
}

/* Finds out how load would set up the tunnel now, by the device's present name. */
static int discover(const struct pins *pins, uint32_t slot, struct wanted *wanted)
{
	const struct dscp_tunnel *old = &pins->tunnels[slot];
	int err = check_namespaces(pins, slot);

	wanted->request = pins->requests[slot];
	find_name(pins, slot, wanted->request.name);
	if (!err && recheck_is_succeeded(pins, slot))
		err = failed(-ENODEV,
			     "%.15s: the device is gone, and its name is another loaded tunnel's "
			     "now: rename that one first",
			     old->name);
	if (err)
		return err;
	recheck_uplinks(pins, old, &wanted->request);
	err = discover_tunnel(&wanted->request, &wanted->request, &wanted->tunnel);
	if (err && !if_nametoindex(wanted->request.name))
		add_stranger(old);
	if (!err && strncmp(old->link_kind, KIND_UNKNOWN, DSCP_IFNAMSIZ) &&
	    strncmp(old->link_kind, wanted->tunnel.link_kind, DSCP_IFNAMSIZ))
		err = failed(-ENODEV, "%.15s: is a device of another kind now", old->name);
	return err;
}

int recheck_find(const struct pins *pins, uint32_t slot, struct recheck *recheck)
{
	int err = discover(pins, slot, &recheck->wanted);

	*recheck->change = 0;
	if (err)
		return err;
	/* Advice is for whoever has asked for the tunnel; and hooks that cannot be looked at now
	 * are no change. */
	describe(pins, slot, &recheck->wanted.tunnel, recheck->change);
	reason_clear();
	return 0;
}
