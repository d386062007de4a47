/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Prints a status as JSON. */
#include "status/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/method.h"
#include "util/dscp.h"
#include "util/json.h"
#include "util/policy.h"

static const char *direction(const struct tunnel_status *status)
{
	if (!has_ingress(status))
		return "egress";
	return has_egress(status) ? "both" : "ingress";
}

static struct json_object *json_policy(const struct dscp_policy *policy)
{
	struct json_object *map = json_object_new_object();

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (policy->to[dscp] != dscp)
			json_string(map, dscp_name(dscp), policy_name(policy, dscp));
	return map;
}

/* Lists the DSCPs that are not kept. */
static struct json_object *json_priorities(const struct dscp_policy *policy)
{
	struct json_object *map = json_object_new_object();

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (policy->to[dscp])
			json_number(map, dscp_name(dscp), policy->to[dscp] - 1);
	return map;
}

static struct json_object *json_peer_maps(const struct tunnel_status *status)
{
	const struct peer_maps *prefixes = status->prefixes;
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; prefixes && i < prefixes->n; i++) {
		struct json_object *object = json_object_new_object();
		char name[PREFIX_NAME_LEN];

		prefixes_name(&prefixes->maps[i].prefix, name);
		json_string(object, "prefix", name);
		json_object_object_add(object, "map", json_policy(&prefixes->maps[i].policy));
		json_string(object, "map_text", status_peer_map(status, i));
		json_object_array_add(list, object);
	}
	return list;
}

struct json_object *status_json_dscps(const __u64 packets[DSCP_VALUES])
{
	struct json_object *dscps = json_object_new_object();

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (packets[dscp])
			json_number(dscps, dscp_name(dscp), packets[dscp]);
	return dscps;
}

/* The total, and the number for each reason that the direction has. */
static struct json_object *json_unknown(const struct dscp_counters *c, bool ingress, uint64_t total)
{
	struct json_object *object = json_object_new_object();

	json_number(object, "total", total);
	for (unsigned int i = 0; i < DSCP_REASONS; i++)
		if ((i >= DSCP_NO_NOTE) == ingress)
			json_number(object, counter_reasons[i], c->unknown[i]);
	return object;
}

static struct json_object *json_counters(const struct dscp_counters *c, bool ingress)
{
	struct json_object *object = json_object_new_object();

	if (!ingress) {
		json_number(object, "stamped", counters_stamped(c));
		json_number(object, "stamped_bytes", c->stamped_bytes);
	}
	json_number(object, "seen", counters_seen(c));
	for (unsigned int i = 0; i < N_COUNTERS; i++) {
		if (counter_fields[i].n > 1)
			json_object_object_add(object, counter_fields[i].name,
					       json_unknown(c, ingress, counters_get(c, i)));
		else
			json_number(object, counter_fields[i].name, counters_get(c, i));
	}
	json_number(object, "bytes", c->bytes);
	json_object_object_add(object, "came_with", status_json_dscps(c->came_with));
	json_object_object_add(object, "dscp", status_json_dscps(c->dscp));
	return object;
}

static struct json_object *json_neighbours(const struct hook_neighbour *neighbours, unsigned int n)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < n; i++) {
		const struct hook_neighbour *neighbour = &neighbours[i];
		struct json_object *object = json_object_new_object();

		json_string(object, "name", neighbour->name);
		json_string(object, "attach", hook_kind_name(neighbour->attach));
		if (neighbour->attach == ATTACH_CLSACT)
			json_number(object, "priority", neighbour->priority);
		json_number_if(object, "prog_id", neighbour->prog_id, neighbour->prog_id);
		json_object_array_add(list, object);
	}
	return list;
}

static void json_up(struct json_object *object, enum up_or_down up)
{
	json_object_object_add(object, "up",
			       up == NOT_KNOWN ? NULL : json_object_new_boolean(up == UP));
}

struct json_object *status_json_hook(const struct tunnel_status *status, unsigned int i)
{
	const struct hook *hook = &status->hooks[i];
	const struct hook_state *state = &status->states[i];
	struct json_object *object = json_object_new_object();

	json_string(object, "dev", hook->dev);
	json_number(object, "ifindex", hook->ifindex);
	json_up(object, status->hook_up[i]);
	json_string(object, "hook", hook_point_name(hook_role(hook)->point));
	json_string(object, "program", hook_role(hook)->name);
	json_string(object, "attach",
		    state->attach == ATTACH_AUTO ? NULL : hook_kind_name(state->attach));
	if (state->attach == ATTACH_CLSACT)
		json_number(object, "priority", state->priority);
	json_number_if(object, "prog_id", state->prog_id, state->prog_id);
	json_string(object, "state", hook_health_name(state->health));
	json_object_object_add(object, "ahead",
			       json_neighbours(status->ahead[i], status->n_ahead[i]));
	json_object_object_add(object, "behind",
			       json_neighbours(status->behind[i], status->n_behind[i]));
	if (*status->qdiscs[i])
		json_string(object, "qdisc", status->qdiscs[i]);
	if (*status->again[i])
		json_string(object, "counted_again_at", status->again[i]);
	return object;
}

/* Names the method, and why it was chosen. */
static struct json_object *json_ingress_method(const struct tunnel_status *status)
{
	const struct dscp_tunnel *t = &status->tunnel;
	struct json_object *object;

	if (!has_ingress(status))
		return NULL;
	object = json_object_new_object();
	json_string(object, "method", method_name(t->method));
	json_boolean(object, "auto", status->request.method == DSCP_METHOD_NONE);
	json_string(object, "reason",
		    status->request.method == DSCP_METHOD_NONE ? method_reason(t) : "asked for");
	return object;
}

static struct json_object *json_netns(uint64_t netns, const char *path)
{
	struct json_object *object = json_object_new_object();
	uint64_t cookie = *path ? netns_cookie_of(netns) : 0;

	json_number_if(object, "cookie", cookie, cookie);
	json_number(object, "inode", netns);
	json_string(object, "path", *path ? path : NULL);
	return object;
}

static struct json_object *json_uplink_netns(const struct tunnel_status *status)
{
	return uplinks_elsewhere(&status->tunnel)
		       ? json_netns(status->tunnel.uplink_netns, status->uplink_netns)
		       : NULL;
}

static struct json_object *json_command(const struct tunnel_status *status)
{
	char *text = status_load_line(status);
	struct json_object *object = text ? json_object_new_string(text) : NULL;

	free(text);
	return object;
}

/* Reads the device's answer: null where it has none, or cannot be asked. */
static void add_ends(struct json_object *object, const struct tunnel_status *status)
{
	json_number_if(object, "vni", has_vni(status), status->id);
	json_number_if(object, "key", has_key(status), status->id);
	json_string(object, "local", *status->local ? status->local : NULL);
	json_string(object, "remote", *status->remote ? status->remote : NULL);
}

static void add_maps(struct json_object *object, const struct tunnel_status *status)
{
	const bool out = has_egress(status), in = has_ingress(status);

	json_object_object_add(object, "egress_map",
			       out ? json_policy(&status->tunnel.egress) : NULL);
	json_string(object, "egress_map_text", out ? status_egress_map(status) : NULL);
	json_object_object_add(object, "peer_maps", json_peer_maps(status));
	json_object_object_add(object, "priority_map",
			       out ? json_priorities(&status->tunnel.priority) : NULL);
	json_string(object, "priority_map_text", out ? status_priority_map(status) : NULL);
	json_object_object_add(object, "ingress_map",
			       in ? json_policy(&status->tunnel.ingress) : NULL);
	json_string(object, "ingress_map_text", in ? status_ingress_map(status) : NULL);
}

struct json_object *status_json_problems(const struct tunnel_status *status)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < status->n_problems; i++)
		json_object_array_add(list, json_object_new_string(status->problems[i]));
	return list;
}

static struct json_object *json_tunnel(const struct tunnel_status *status)
{
	struct json_object *object = json_object_new_object(), *ports = json_object_new_array(),
			   *hooks = json_object_new_array(), *counters = json_object_new_object();
	const struct dscp_tunnel *t = &status->tunnel;
	bool fixed = t->flags & DSCP_TUNNEL_FIXED;

	json_string(object, "tunnel", status->name);
	json_number(object, "ifindex", t->ifindex);
	json_string(object, "kind", t->link_kind);
	json_up(object, status->up);
	json_object_object_add(object, "netns", json_netns(t->netns, status->netns));
	json_string(object, "direction", direction(status));
	for (int i = 0; i < t->n_ports; i++)
		json_object_array_add(ports, json_object_new_uint64(t->ports[i]));
	json_object_object_add(object, "ports", ports);
	add_ends(object, status);
	json_boolean(object, "healthy", !status->n_problems);
	json_object_object_add(object, "problems", status_json_problems(status));
	add_maps(object, status);
	json_object_object_add(object, "ingress_method", json_ingress_method(status));
	json_string(object, "outer_dscp", fixed ? dscp_name(t->outer_dscp) : NULL);
	json_string(object, "handshake_dscp", t->handshake ? dscp_name(t->handshake - 1) : NULL);
	json_object_object_add(object, "uplink_netns", json_uplink_netns(status));
	json_object_object_add(object, "command", json_command(status));
	for (unsigned int i = 0; i < status->n_hooks; i++)
		json_object_array_add(hooks, status_json_hook(status, i));
	json_object_object_add(object, "hooks", hooks);
	json_object_object_add(counters, "egress", json_counters(&status->egress, false));
	json_object_object_add(counters, "ingress", json_counters(&status->ingress, true));
	json_object_object_add(object, "counters", counters);
	return object;
}

static struct json_object *json_flows(const struct status *status)
{
	struct json_object *object;

	if (!status->loaded)
		return NULL;
	object = json_object_new_object();
	json_number(object, "entries", status->flows);
	json_number(object, "capacity", status->flows_capacity);
	return object;
}

/* One line, also for --watch. */
void status_print_json(const struct status *status, int exit_status)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < status->n_tunnels; i++)
		json_object_array_add(list, json_tunnel(&status->tunnels[i]));
	fputs("{\"tunnels\":", stdout);
	json_print(list);
	fputs(",\"flows\":", stdout);
	json_print(json_flows(status));
	json_end(exit_status);
}
