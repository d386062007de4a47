/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Checks whether the tool could have written the values that are read from the maps. */
#include "state/sane.h"

#include <stddef.h>
#include <string.h>

#include "hook/hook.h"
#include "tunnel/kinds.h"

bool sane_text(const char *text, size_t size)
{
	size_t i = 0;

	while (i < size && (unsigned char)text[i] >= ' ' && text[i] != 0x7f)
		i++;
	return i < size && !text[i];
}

bool sane_name(const char name[DSCP_IFNAMSIZ])
{
	return sane_text(name, DSCP_IFNAMSIZ);
}

static bool sane_priorities(const struct dscp_policy *policy)
{
	bool sane = true;

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		sane = sane && policy->to[i] <= DSCP_PRIORITIES;
	return sane;
}

static bool sane_policy(const struct dscp_policy *policy)
{
	bool sane = true;

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		sane = sane && (policy->to[i] < DSCP_VALUES || policy->to[i] == DSCP_KEEP);
	return sane;
}

bool sane_tunnel(const struct dscp_tunnel *t)
{
	bool sane = kinds_key(t->kind) != KIND_BY_NOTHING;

	sane = sane && t->method <= DSCP_METHOD_XDP;
	sane = sane && t->n_ports <= DSCP_MAX_PORTS && t->n_uplinks <= DSCP_MAX_UPLINKS;
	sane = sane && sane_name(t->name) && sane_name(t->link_kind);
	for (unsigned int i = 0; sane && i < t->n_uplinks; i++)
		sane = sane_name(t->uplink_names[i]);
	return sane || !t->ifindex;
}

bool sane_request(const struct request *request)
{
	bool sane = request->size == sizeof(*request); /* 0: nothing was stored */

	sane = sane && request->direction <= DIRECTION_BOTH && request->method <= DSCP_METHOD_XDP &&
	       request->attach <= ATTACH_CLSACT && request->n_uplinks <= DSCP_MAX_UPLINKS &&
	       request->n_ports <= DSCP_MAX_PORTS && request->outer_dscp < DSCP_VALUES;

	sane = sane && sane_name(request->name);
	sane = sane && sane_text(request->uplink_netns_name, REQUEST_NETNS);
	sane = sane && sane_policy(&request->egress_map) && sane_policy(&request->ingress_map);
	sane = sane && sane_priorities(&request->priority_map) && request->handshake <= DSCP_VALUES;
	for (unsigned int i = 0; sane && i < request->n_uplinks; i++)
		sane = sane_name(request->uplinks[i]);
	return sane;
}
