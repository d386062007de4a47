/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "command.h"
#include "state.h"
#include "tunnel.h"
#include "util/dscp.h"
#include "util/log.h"
#include "util/netlink.h"

#define MAX_AHEAD 8 /* that are shown */
#define MAX_PROBLEMS (4 + MAX_HOOKS)

static const struct arg_option status_options[] = {
	JSON_OPTION,
	VERBOSE_OPTION,
	{},
};

const struct arg_command status_command = {
	.name = "status",
	.synopsis = "[TUNNEL]",
	.help = "what is loaded, whether it works, and what it has counted",
	.options = status_options,
	.min_args = 0,
	.max_args = 1,
};

/* All that is known of a loaded tunnel, from the kernel, at this moment. */
struct tunnel_status {
	const struct dscp_tunnel *tunnel;
	char name[DSCP_IFNAMSIZ]; /* the present one, if there is one */
	struct hook hooks[MAX_HOOKS];
	struct hook_state states[MAX_HOOKS];
	struct hook_neighbour ahead[MAX_HOOKS][MAX_AHEAD];
	unsigned int n_ahead[MAX_HOOKS];
	char qdiscs[MAX_HOOKS][IFNAMSIZ]; /* at the root of an uplink */
	unsigned int n_hooks;
	struct dscp_counters egress, ingress;
	char problems[MAX_PROBLEMS][128];
	unsigned int n_problems;
};

static void problem(struct tunnel_status *status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void problem(struct tunnel_status *status, const char *fmt, ...)
{
	va_list args;

	if (status->n_problems == MAX_PROBLEMS)
		return;
	va_start(args, fmt);
	vsnprintf(status->problems[status->n_problems++], sizeof(*status->problems), fmt, args);
	va_end(args);
}

static void check_hook(struct tunnel_status *status, const struct hook *hook,
		       const struct hook_state *state)
{
	switch (state->health) {
	case HOOK_MISSING:
		problem(status, "%s is not attached to %s: load the tunnel again", hook->program,
			hook->dev);
		break;
	case HOOK_GONE:
		if (hook->ifindex != (int)status->tunnel->ifindex ||
		    hook->netns != hook_netns()) /* else check_device() says it */
			problem(status, "the device %s (number %d) is gone: load the tunnel again",
				hook->dev, hook->ifindex);
		break;
	case HOOK_OK:
	case HOOK_ELSEWHERE:
		break;
	}
}

/* A device is its number, which the programs are attached to; names come and go. */
static void check_device(struct tunnel_status *status)
{
	const struct dscp_tunnel *t = status->tunnel;
	struct nl_link link;
	struct nl_error why;
	char text[128];

	if (t->netns != hook_netns())
		return;
	if (!nl_link_by_index(t->ifindex, &link, &why)) {
		memcpy(status->name, link.name, DSCP_IFNAMSIZ); /* renamed, perhaps */
		if (tunnel_port_changed(t, text, sizeof(text)))
			problem(status, "%s", text);
	} else if (!nl_link_by_name(t->name, &link, &why)) {
		problem(status, "%s was made anew since: load it again", t->name);
	} else {
		problem(status, "the device %s (number %u) is gone: unload it, or load it again",
			t->name, t->ifindex);
	}
}

/* Who is in front of our program, and what queues what it has marked. */
static void look_around(struct tunnel_status *status, unsigned int i)
{
	const struct hook *hook = &status->hooks[i];
	struct nl_error why;
	int n = hook_ahead(STATE_DIR, hook, &status->states[i], status->ahead[i], MAX_AHEAD);

	status->n_ahead[i] = n < 0 ? 0 : n > MAX_AHEAD ? MAX_AHEAD : n;
	if (!strcmp(hook->program, "egress_outer") && status->states[i].health == HOOK_OK &&
	    hook->netns == hook_netns())
		nl_root_qdisc(hook->ifindex, status->qdiscs[i], &why);
}

static int collect(const struct state *state, uint32_t slot, struct tunnel_status *status)
{
	int err;

	memset(status, 0, sizeof(*status));
	status->tunnel = &state->tunnels[slot];
	memcpy(status->name, status->tunnel->name, DSCP_IFNAMSIZ);
	status->n_hooks = state_hooks(status->tunnel, status->hooks);
	for (unsigned int i = 0; i < status->n_hooks; i++) {
		err = hook_query(STATE_DIR, &status->hooks[i], &status->states[i]);
		if (err)
			return err;
		check_hook(status, &status->hooks[i], &status->states[i]);
		if (!state_is_current(state, status->tunnel, &status->hooks[i], &status->states[i]))
			problem(status,
				"%s at %s is another program than it should be: load the "
				"tunnel again",
				status->hooks[i].program, status->hooks[i].dev);
		look_around(status, i);
	}
	check_device(status);
	err = state_counters(state, MAP_COUNTERS, slot, &status->egress);
	return err ? err : state_counters(state, MAP_ARRIVALS, slot, &status->ingress);
}

static bool has_egress(const struct tunnel_status *status)
{
	return status->tunnel->flags & DSCP_TUNNEL_EGRESS;
}

static bool has_ingress(const struct tunnel_status *status)
{
	return status->tunnel->flags & DSCP_TUNNEL_INGRESS;
}

static const char *direction(const struct tunnel_status *status)
{
	if (!has_ingress(status))
		return "egress";
	return has_egress(status) ? "both" : "ingress";
}

static uint64_t seen(const struct dscp_counters *c)
{
	return c->marked + c->unchanged + c->unknown;
}

/* JSON */

static struct json_object *json_policy(const struct dscp_policy *policy)
{
	struct json_object *map = json_object_new_object();

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (policy->to[dscp] != dscp)
			json_object_object_add(
				map, dscp_name(dscp),
				json_object_new_string(dscp_policy_name(policy, dscp)));
	return map;
}

static void json_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_uint64(number));
}

static void json_string(struct json_object *object, const char *key, const char *string)
{
	json_object_object_add(object, key, json_object_new_string(string));
}

static struct json_object *json_counters(const struct dscp_counters *c)
{
	struct json_object *object = json_object_new_object(), *dscps = json_object_new_object();

	json_number(object, "seen", seen(c));
	json_number(object, "marked", c->marked);
	json_number(object, "unchanged", c->unchanged);
	json_number(object, "unknown", c->unknown);
	json_number(object, "skipped", c->skipped);
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (c->dscp[dscp])
			json_number(dscps, dscp_name(dscp), c->dscp[dscp]);
	json_object_object_add(object, "dscp", dscps);
	return object;
}

static struct json_object *json_ahead(const struct tunnel_status *status, unsigned int hook)
{
	struct json_object *list = json_object_new_array();

	for (unsigned int i = 0; i < status->n_ahead[hook]; i++) {
		const struct hook_neighbour *neighbour = &status->ahead[hook][i];
		struct json_object *object = json_object_new_object();

		json_string(object, "name", neighbour->name);
		json_string(object, "attach", attach_kind_name(neighbour->attach));
		if (neighbour->attach == ATTACH_CLSACT)
			json_number(object, "priority", neighbour->priority);
		json_object_object_add(
			object, "prog_id",
			neighbour->prog_id ? json_object_new_uint64(neighbour->prog_id) : NULL);
		json_object_array_add(list, object);
	}
	return list;
}

static struct json_object *json_hook(const struct tunnel_status *status, unsigned int i)
{
	const struct hook *hook = &status->hooks[i];
	const struct hook_state *state = &status->states[i];
	struct json_object *object = json_object_new_object();

	json_string(object, "dev", hook->dev);
	json_number(object, "ifindex", hook->ifindex);
	json_string(object, "hook", hook_point_name(hook->point));
	json_string(object, "program", hook->program);
	json_object_object_add(object, "attach",
			       state->attach == ATTACH_AUTO
				       ? NULL
				       : json_object_new_string(attach_kind_name(state->attach)));
	if (state->attach == ATTACH_CLSACT)
		json_number(object, "priority", state->priority);
	json_object_object_add(object, "prog_id",
			       state->prog_id ? json_object_new_uint64(state->prog_id) : NULL);
	json_string(object, "state", hook_health_name(state->health));
	json_object_object_add(object, "ahead", json_ahead(status, i));
	if (*status->qdiscs[i])
		json_string(object, "qdisc", status->qdiscs[i]);
	return object;
}

/* Which way, and why. */
static struct json_object *json_way(const struct tunnel_status *status)
{
	const struct dscp_tunnel *t = status->tunnel;
	struct json_object *object;

	if (!has_ingress(status))
		return NULL;
	object = json_object_new_object();
	json_string(object, "way", tunnel_way_name(t->way));
	json_object_object_add(object, "auto",
			       json_object_new_boolean(t->flags & DSCP_TUNNEL_AUTO_WAY));
	json_string(object, "reason",
		    t->flags & DSCP_TUNNEL_AUTO_WAY ? tunnel_way_reason(t) : "asked for");
	return object;
}

static struct json_object *json_tunnel(const struct tunnel_status *status)
{
	struct json_object *object = json_object_new_object(), *ports = json_object_new_array(),
			   *hooks = json_object_new_array(), *problems = json_object_new_array(),
			   *counters = json_object_new_object();
	const struct dscp_tunnel *t = status->tunnel;
	bool fixed = t->flags & DSCP_TUNNEL_FIXED;

	json_string(object, "tunnel", status->name);
	json_number(object, "ifindex", t->ifindex);
	json_string(object, "kind", t->link_kind);
	json_string(object, "direction", direction(status));
	for (int i = 0; i < t->n_ports; i++)
		json_object_array_add(ports, json_object_new_int(t->ports[i]));
	json_object_object_add(object, "ports", ports);
	json_object_object_add(object, "healthy", json_object_new_boolean(!status->n_problems));
	for (unsigned int i = 0; i < status->n_problems; i++)
		json_object_array_add(problems, json_object_new_string(status->problems[i]));
	json_object_object_add(object, "problems", problems);
	json_object_object_add(object, "egress_map",
			       has_egress(status) ? json_policy(&t->egress) : NULL);
	json_object_object_add(object, "ingress_map",
			       has_ingress(status) ? json_policy(&t->ingress) : NULL);
	json_object_object_add(object, "ingress_hook", json_way(status));
	json_object_object_add(object, "outer_dscp",
			       fixed ? json_object_new_string(dscp_name(t->outer_dscp)) : NULL);
	for (unsigned int i = 0; i < status->n_hooks; i++)
		json_object_array_add(hooks, json_hook(status, i));
	json_object_object_add(object, "hooks", hooks);
	json_object_object_add(counters, "egress", json_counters(&status->egress));
	json_object_object_add(counters, "ingress", json_counters(&status->ingress));
	json_object_object_add(object, "counters", counters);
	return object;
}

/* Text */

/* The target that more than half of all codepoints have, or -1: "*=CS0" says it in one word. */
static int common_target(const struct dscp_policy *policy)
{
	unsigned int counts[DSCP_KEEP + 1] = {};

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (++counts[policy->to[dscp]] > DSCP_VALUES / 2)
			return policy->to[dscp];
	return -1;
}

static void print_policy(const char *title, const struct dscp_policy *policy)
{
	int common = common_target(policy);
	bool any = common >= 0;

	printf("  %-9s", title);
	if (any)
		printf(" *=%s", common == DSCP_KEEP ? "keep" : dscp_name(common));
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		if (policy->to[dscp] == (common < 0 ? (int)dscp : common))
			continue;
		printf(" %s=%s", dscp_name(dscp), dscp_policy_name(policy, dscp));
		any = true;
	}
	printf("%s\n", any ? "" : " as it is");
}

static void print_policies(const struct tunnel_status *status)
{
	const struct dscp_tunnel *t = status->tunnel;

	if (t->flags & DSCP_TUNNEL_FIXED)
		printf("  map out   every packet gets %s\n", dscp_name(t->outer_dscp));
	else if (has_egress(status))
		print_policy("map out", &t->egress);
	if (!has_ingress(status))
		return;
	print_policy("map in", &t->ingress);
	printf("  way in    %s: %s\n", tunnel_way_name(t->way),
	       t->flags & DSCP_TUNNEL_AUTO_WAY ? tunnel_way_reason(t) : "asked for");
}

/* Sums by DSCP in lines that fit 80 columns. */
static void print_histogram(const struct dscp_counters *c, const char *title)
{
	int column = printf("  %s", title);
	char word[32];

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		if (!c->dscp[dscp])
			continue;
		snprintf(word, sizeof(word), " %s %" PRIu64, dscp_name(dscp),
			 (uint64_t)c->dscp[dscp]);
		if (column + strlen(word) > 79)
			column = printf("\n           ") - 1;
		column += printf("%s", word);
	}
	printf("\n");
}

static void print_counters(const struct dscp_counters *c, const char *name, const char *title)
{
	printf("  %-9s seen %" PRIu64 ", marked %" PRIu64 ", unchanged %" PRIu64
	       ", unknown %" PRIu64 ", skipped %" PRIu64 "\n",
	       name, seen(c), (uint64_t)c->marked, (uint64_t)c->unchanged, (uint64_t)c->unknown,
	       (uint64_t)c->skipped);
	if (!seen(c))
		return;
	print_histogram(c, title);
}

static void print_ahead(const struct hook_neighbour *neighbour)
{
	printf("    before it  %s, %s", neighbour->name, attach_kind_name(neighbour->attach));
	if (neighbour->attach == ATTACH_CLSACT)
		printf(", priority %" PRIu32, neighbour->priority);
	if (neighbour->prog_id)
		printf(", id %" PRIu32, neighbour->prog_id);
	printf(" (if it ends the chain, ours does not run)\n");
}

static void print_hook(const struct tunnel_status *status, unsigned int i)
{
	const struct hook *hook = &status->hooks[i];
	const struct hook_state *state = &status->states[i];

	printf("  hook      %s %s: %s, ", hook->dev, hook_point_name(hook->point), hook->program);
	if (state->attach != ATTACH_AUTO)
		printf("%s, ", attach_kind_name(state->attach));
	if (state->attach == ATTACH_CLSACT && state->health == HOOK_OK)
		printf("priority %" PRIu32 ", ", state->priority);
	if (state->prog_id)
		printf("id %" PRIu32 ", ", state->prog_id);
	printf("%s", hook_health_name(state->health));
	if (*status->qdiscs[i])
		printf(", then qdisc %s", status->qdiscs[i]);
	printf("\n");
	for (unsigned int n = 0; n < status->n_ahead[i]; n++)
		print_ahead(&status->ahead[i][n]);
}

static void print_tunnel(const struct tunnel_status *status)
{
	const struct dscp_tunnel *t = status->tunnel;

	printf("%s: %s", status->name, *t->link_kind ? t->link_kind : "udp");
	for (int i = 0; i < t->n_ports; i++)
		printf("%s %u", i ? "," : " port", t->ports[i]);
	printf(", %s\n", status->n_problems ? "NOT HEALTHY" : "healthy");
	for (unsigned int i = 0; i < status->n_problems; i++)
		printf("  problem   %s\n", status->problems[i]);
	print_policies(status);
	for (unsigned int i = 0; i < status->n_hooks; i++)
		print_hook(status, i);
	if (has_egress(status))
		print_counters(&status->egress, "egress", "left with");
	if (has_ingress(status))
		print_counters(&status->ingress, "ingress", "now with ");
}

static int report(const struct state *state, uint32_t first, uint32_t last, bool as_json)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_array();
	struct tunnel_status status;
	int exit_status = EXIT_DONE, err;

	json_object_object_add(root, "tunnels", list);
	for (uint32_t slot = first; slot <= last; slot++) {
		if (!state->tunnels || !state->tunnels[slot].ifindex)
			continue;
		err = collect(state, slot, &status);
		if (err) {
			log_error("%s: cannot read its state: %s", state->tunnels[slot].name,
				  log_strerror(err));
			json_object_put(root);
			return EXIT_REFUSED;
		}
		if (status.n_problems)
			exit_status = EXIT_UNHEALTHY;
		if (as_json)
			json_object_array_add(list, json_tunnel(&status));
		else
			print_tunnel(&status);
	}
	if (as_json)
		puts(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
								  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	return exit_status;
}

int run_status(int argc, char **argv)
{
	bool json = false;
	struct state state = {};
	const char *name = NULL;
	unsigned int n_args = 0;
	uint32_t slot = 0;
	int status = parsed(args_parse(&status_command, argc, argv, &json, &name, &n_args)), err;

	if (status >= 0)
		return status;
	err = state_open(&state);
	if (err && err != -ENOENT)
		return EXIT_REFUSED;
	if (n_args && !err)
		slot = state_find(&state, name);
	if (n_args && !slot)
		status = not_loaded(name);
	else
		status = report(&state, slot ? slot : 1, slot ? slot : DSCP_MAX_TUNNELS - 1, json);
	if (err && !n_args && !json)
		puts("no tunnel is loaded");
	state_close(&state);
	return status;
}
