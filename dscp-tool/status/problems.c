/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the problems of a tunnel, and a remedy for each. */
#include "status/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tunnel/discover.h"
#include "tunnel/flowtable.h"
#include "tunnel/uplinks.h"
#include "util/log.h"
#include "util/netlink.h"

void problems_add(struct tunnel_status *status, const char *fmt, ...)
{
	unsigned int i = 0, n = status->n_problems;
	va_list args;

	if (n == MAX_PROBLEMS)
		return;
	va_start(args, fmt);
	vsnprintf(status->problems[n], sizeof(*status->problems), fmt, args);
	va_end(args);
	log_printable(status->problems[n]); /* names of devices that are not ours are in it */
	/* Two hooks of a device have the same to say. */
	while (strcmp(status->problems[i], status->problems[n]))
		i++;
	status->n_problems += i == n;
}

static void check_netns(struct tunnel_status *status)
{
	if (uplinks_elsewhere(&status->tunnel) && status->uplink_netns_gone)
		problems_add(
			status,
			"the network namespace of its uplinks (number %llu) is gone: unload it, or "
			"load it anew",
			status->tunnel.uplink_netns);
}

/* Tells whether check_netns() or check_device() has said it already. */
static bool is_said_elsewhere(const struct tunnel_status *status, const struct hook *hook)
{
	if (hook->netns != status->tunnel.netns)
		return status->uplink_netns_gone;
	return status->netns_gone || hook->ifindex == (int)status->tunnel.ifindex;
}

static void check_health(struct tunnel_status *status, unsigned int i)
{
	const struct hook *hook = &status->hooks[i];

	switch (status->states[i].health) {
	case HOOK_MISSING:
		problems_add(status, "%s is not attached to %s: reload the tunnel",
			     hook_role(hook)->name, hook->dev);
		break;
	case HOOK_GONE:
		if (!is_said_elsewhere(status, hook))
			problems_add(status,
				     "the device %s (number %d) is gone, or in another network "
				     "namespace: reload the tunnel",
				     hook->dev, hook->ifindex);
		break;
	case HOOK_OK:
	case HOOK_ELSEWHERE:
		break;
	}
}

/* Says how egress_inner becomes the last one again. */
static const char *remedy_behind(const struct tunnel_status *status,
				 const struct hook_neighbour *behind)
{
	if (behind->attach == ATTACH_CLSACT && behind->priority == UINT16_MAX)
		return "give it a priority below 65535, and reload the tunnel";
	if (behind->attach == ATTACH_CLSACT && status->request.attach == ATTACH_TCX)
		return "load the tunnel with --attach clsact (save prints its other options)";
	return "reload the tunnel";
}

/* A program with the last word on the inner DSCP has to come before egress_inner, which reads
 * it. */
static void check_behind(struct tunnel_status *status, unsigned int i)
{
	const struct hook_neighbour *behind = status->behind[i];
	char more[32] = "";

	if (!status->n_behind[i])
		return;
	if (status->n_behind[i] > 1)
		snprintf(more, sizeof(more), " (and %u more)", status->n_behind[i] - 1);
	problems_add(status, "%s%s runs behind %s at %s and may change the DSCP that was read: %s",
		     *behind->name ? behind->name : "a program", more,
		     hook_role(&status->hooks[i])->name, status->hooks[i].dev,
		     remedy_behind(status, behind));
}

static void check_hook(struct tunnel_status *status, unsigned int i)
{
	check_health(status, i);
	if (!status->current[i])
		problems_add(status,
			     "%s at %s is another program than it should be: reload the tunnel",
			     hook_role(&status->hooks[i])->name, status->hooks[i].dev);
	check_behind(status, i);
}

static void device_gone(struct tunnel_status *status)
{
	const struct dscp_tunnel *t = &status->tunnel;
	char number[sizeof(" (number 4294967295)")] = "";
	struct nl_link link;
	struct nl_error why;

	if (status->netns_gone)
		problems_add(status, "its network namespace is gone: unload it, or load it anew");
	else if (t->netns == netns_own() && !nl_link_by_name(t->name, &link, &why))
		problems_add(status, "%s was made anew since: reload it", t->name);
	else {
		if (!(t->ifindex & DSCP_IFINDEX_GONE))
			snprintf(number, sizeof(number), " (number %u)", t->ifindex);
		problems_add(
			status,
			"the device %s%s is gone, or in another network namespace: unload it, or "
			"make it anew and reload it",
			t->name, number);
	}
}

static void check_device(struct tunnel_status *status, const struct nl_link *link)
{
	const struct dscp_tunnel *t = &status->tunnel;
	char text[sizeof(*status->problems)];

	if (status->device_gone)
		device_gone(status);
	if (!link)
		return;
	if (discover_unservable(link, text, sizeof(text)))
		problems_add(status, "%s", text);
	if (discover_features_changed(t, link, text, sizeof(text)))
		problems_add(status, "%s", text);
	if (discover_uplinks_changed(&status->request, t, link, text, sizeof(text)))
		problems_add(status, "%s", text);
	if (flowtable_bypasses(t, link, text, sizeof(text)))
		problems_add(status, "%s", text);
}

static void check_uplinks(struct tunnel_status *status)
{
	const struct dscp_tunnel *t = &status->tunnel;

	for (int i = 0; i < t->n_uplinks; i++)
		if (t->uplinks[i] == DSCP_UPLINK_ABSENT)
			problems_add(status, UPLINK_ABSENT, t->uplink_names[i]);
}

void problems_find(struct tunnel_status *status, const struct nl_link *link)
{
	check_netns(status);
	for (unsigned int i = 0; i < status->n_hooks; i++)
		check_hook(status, i);
	check_device(status, link);
	check_uplinks(status);
}

void problems_add_stranger(struct tunnel_status *status, const char *device)
{
	problems_add(status,
		     "packets of %s, which is not loaded, are marked like its own: %s, or give %s "
		     "another port, key or address",
		     device, status->device_gone ? "unload the tunnel" : "load it too", device);
}
