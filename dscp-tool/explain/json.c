/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Makes JSON of an explanation. */
#include "explain/explain.h"

#include <arpa/inet.h>

#include "util/cake.h"
#include "util/dscp.h"
#include "util/json.h"
#include "util/policy.h"

static struct json_object *json_tins(const struct explanation *e,
				     const struct explain_uplink *uplink, unsigned int inner)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < uplink->n_queues; i++) {
		int tin = explain_tin(e, uplink, i, inner);
		struct json_object *object;

		if (tin < 0)
			continue;
		object = json_object_new_object();
		json_string(object, "dev", uplink->queues[i].dev);
		json_number(object, "tin", tin);
		json_string(object, "name", cake_tin_name(uplink->queues[i].qdisc.diffserv, tin));
		json_object_array_add(list, object);
	}
	return list;
}

/* A row for each DSCP. uplink: NULL at ingress. */
static struct json_object *json_rows(const struct explanation *e,
				     const struct explain_uplink *uplink,
				     const struct dscp_policy *policy)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		struct json_object *object;
		unsigned int outer;
		int priority;

		if (!explain_asks_for(e, dscp))
			continue;
		object = json_object_new_object();
		json_string(object, "dscp", dscp_name(dscp));
		json_string(object, "becomes", policy_name(policy, dscp));
		if (uplink) {
			outer = explain_outer(e, uplink, dscp);
			json_string(object, "outer", outer == DSCP_KEEP ? NULL : dscp_name(outer));
			priority = explain_priority(e, uplink, dscp);
			json_number_if(object, "priority", priority >= 0, priority);
			json_object_object_add(object, "tins", json_tins(e, uplink, dscp));
		}
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *json_queues(const struct explain_uplink *uplink)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < uplink->n_queues; i++) {
		const struct nl_qdisc *qdisc = &uplink->queues[i].qdisc;
		struct json_object *object = json_object_new_object();
		const bool tins = explain_has_tins(qdisc);

		json_string(object, "dev", uplink->queues[i].dev);
		json_string(object, "qdisc", qdisc->kind);
		json_boolean(object, "root", qdisc->root);
		json_string(object, "diffserv", tins ? cake_mode_name(qdisc->diffserv) : NULL);
		json_boolean(object, "wash", qdisc->wash);
		json_number(object, "fwmark", qdisc->fwmark);
		json_string(object, "effect", explain_qdisc(qdisc));
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *json_uplinks(const struct explanation *e)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < e->n_uplinks; i++) {
		const struct explain_uplink *uplink = &e->uplinks[i];
		struct json_object *object = json_object_new_object();

		json_string(object, "dev", uplink->dev);
		json_number(object, "ifindex", uplink->ifindex);
		json_object_object_add(
			object, "hook",
			uplink->hook < 0 ? NULL : status_json_hook(e->status, uplink->hook));
		json_object_object_add(object, "qdiscs", json_queues(uplink));
		json_object_object_add(object, "egress", json_rows(e, uplink, &uplink->leaves));
		json_object_array_add(list, object);
	}
	return list;
}

/* Names the option that decides about the DSCP, and its value. */
static struct json_object *json_policy(const struct explanation *e)
{
	const struct tunnel_status *status = e->status;
	struct json_object *object;
	char prefix[PREFIX_NAME_LEN];

	if (!has_egress(status))
		return NULL;
	object = json_object_new_object();
	if (status->tunnel.flags & DSCP_TUNNEL_FIXED) {
		json_string(object, "option", "outer-dscp");
		json_string(object, "value", dscp_name(status->tunnel.outer_dscp));
	} else if (e->prefix >= 0) {
		prefixes_name(&status->prefixes->maps[e->prefix].prefix, prefix);
		json_string(object, "option", "peer-map");
		json_string(object, "prefix", prefix);
		json_string(object, "value", status_peer_map(status, e->prefix));
	} else {
		json_string(object, "option", "egress-map");
		json_string(object, "value", status_egress_map(status));
	}
	return object;
}

struct json_object *explain_json(const struct explanation *e)
{
	struct json_object *object = json_object_new_object();
	const struct tunnel_status *status = e->status;
	char to[INET6_ADDRSTRLEN], endpoint[INET6_ADDRSTRLEN];
	const int family = e->query->to.family == 4 ? AF_INET : AF_INET6;

	json_string(object, "tunnel", status->name);
	json_number(object, "ifindex", status->tunnel.ifindex);
	json_string(object, "kind", status->tunnel.link_kind);
	json_string(object, "to",
		    e->query->has_to ? inet_ntop(family, e->query->to.address, to, sizeof(to))
				     : NULL);
	json_string(object, "endpoint",
		    inet_ntop(e->endpoint.family, &e->endpoint.v6, endpoint, sizeof(endpoint)));
	json_object_object_add(object, "problems", status_json_problems(status));
	json_object_object_add(object, "came_with", status_json_dscps(status->egress.came_with));
	json_object_object_add(object, "policy", json_policy(e));
	json_object_object_add(object, "uplinks", json_uplinks(e));
	json_object_object_add(object, "ingress",
			       has_ingress(status) ? json_rows(e, NULL, &status->tunnel.ingress)
						   : NULL);
	return object;
}
