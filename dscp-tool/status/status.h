/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The model of `dscp-tool status` (collect.c), its problems (problems.c), and the forms of its
 * output, a file each. */
#ifndef STATUS_STATUS_H
#define STATUS_STATUS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "state/counters.h"
#include "state/hooks.h"
#include "state/prefixes.h"
#include "state/sets.h"
#include "util/args.h"
#include "util/netns.h"

#define MAX_NEIGHBOURS 8 /* that are shown, on each side */
#define MAX_PROBLEMS (9 + MAX_HOOKS)
#define PROBLEM_LEN 512

struct json_object;

/* Whether a device is set up (IFF_UP). */
enum up_or_down { NOT_KNOWN, UP, DOWN };

/* All that is known of a loaded tunnel, from the kernel, at this moment. */
struct tunnel_status {
	struct dscp_tunnel tunnel;
	struct request request; /* its options of load */
	uint32_t slot; /* of its set */
	/* Something that leads to its network namespace, and to its uplinks' one, if that is
	 * another; "": it is gone, or out of sight. */
	char netns[NETNS_PATH], uplink_netns[NETNS_PATH];
	char name[DSCP_IFNAMSIZ]; /* the present one, if there is one */
	/* The device's answer about its outer packets, if it has one and can be asked: VNI or key,
	 * and addresses, "": any. */
	bool has_id;
	uint32_t id;
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	bool netns_gone, uplink_netns_gone;
	bool device_gone;
	enum up_or_down up;
	bool same_name; /* as another one of its network namespace */
	bool has_stranger; /* a device that is not loaded looks like it */
	struct hook hooks[MAX_HOOKS];
	struct hook_state states[MAX_HOOKS];
	enum up_or_down hook_up[MAX_HOOKS]; /* its device */
	bool current[MAX_HOOKS]; /* the program there is the one that it should be */
	struct hook_neighbour ahead[MAX_HOOKS][MAX_NEIGHBOURS];
	struct hook_neighbour behind[MAX_HOOKS]
				    [MAX_NEIGHBOURS]; /* egress_inner, see check_behind() */
	char again[MAX_HOOKS][DSCP_IFNAMSIZ]; /* where packets of that hook are counted again */
	unsigned int n_ahead[MAX_HOOKS], n_behind[MAX_HOOKS];
	char qdiscs[MAX_HOOKS][IFNAMSIZ]; /* at the root of an uplink */
	unsigned int n_hooks;
	struct dscp_counters egress, ingress;
	/* With --watch, the same tunnel so many seconds ago; NULL: it was not shown yet. */
	const struct tunnel_status *before;
	double seconds;
	struct peer_maps *prefixes; /* two: the maps in force, and the request's; NULL: none */
	int lists[2]; /* the numbers of these */
	char problems[MAX_PROBLEMS][PROBLEM_LEN];
	const char *constant[MAX_PROBLEMS]; /* the same without counts; NULL: there are none */
	unsigned int n_problems;
};

struct status {
	bool loaded; /* anything at all; else there are no flows either */
	struct tunnel_status *tunnels;
	unsigned int n_tunnels, n_elsewhere; /* those in other network namespaces, not asked for */
	uint32_t flows, flows_capacity; /* of the sets that these tunnels are in, together */
};

/* The tunnels to show: the tunnels of this network namespace that have the names, or all that are
 * or leave here (no names), or all that can be found. */
struct status_query {
	const char *names[MAX_NAMES];
	unsigned int n_names;
	bool all_netns;
	bool only_looks; /* is no reading that later ones are compared with */
	other_set *other; /* the remedy for a set that cannot be opened */
	bool found[MAX_NAMES]; /* the answer */
};

/* Looks twice where there is a problem: the second time under the lock, if that can be had within
 * two seconds. Returns 0, or a negative errno after a message; status_free() in any case. */
int status_collect(struct status_query *query, struct status *status);
void status_free(struct status *status);

bool status_healthy(const struct status *status);

/* Finds the tunnels of now in a status of so many seconds ago, which has to stay as long. */
void status_compare(struct status *now, const struct status *before, double seconds);

static inline bool has_egress(const struct tunnel_status *status)
{
	return status->tunnel.flags & DSCP_TUNNEL_EGRESS;
}

static inline bool has_ingress(const struct tunnel_status *status)
{
	return status->tunnel.flags & DSCP_TUNNEL_INGRESS;
}

static inline bool uplinks_elsewhere(const struct dscp_tunnel *tunnel)
{
	return tunnel->uplink_netns != tunnel->netns;
}

static inline bool has_vni(const struct tunnel_status *status)
{
	return status->has_id &&
	       (status->tunnel.kind == DSCP_KIND_VXLAN || status->tunnel.kind == DSCP_KIND_GENEVE);
}

static inline bool has_key(const struct tunnel_status *status)
{
	return status->has_id && !has_vni(status);
}

/* The command that loads the tunnel as it was loaded, from here; to be freed. NULL: nothing leads
 * to its network namespace, or there is no memory. */
char *status_load_line(const struct tunnel_status *status);

/* Its maps as --egress-map, --ingress-map and --peer-map take them. Valid until the next call. */
const char *status_egress_map(const struct tunnel_status *status);
const char *status_priority_map(const struct tunnel_status *status);
const char *status_ingress_map(const struct tunnel_status *status);
const char *status_peer_map(const struct tunnel_status *status, unsigned int i);

void status_print_text(const struct status *status);
/* Parts of that: the first line as far as the device goes, without its end; and whole lines. */
void status_print_name(const struct tunnel_status *status);
void status_print_problems(const struct tunnel_status *status);
void status_print_came_with(const struct tunnel_status *status);
void status_print_hook(const struct tunnel_status *status, unsigned int i);
/* exit_status: of the errors, if something is missing. */
void status_print_json(const struct status *status, int exit_status);
struct json_object *status_json_problems(const struct tunnel_status *status);
struct json_object *status_json_dscps(const __u64 packets[DSCP_VALUES]);
struct json_object *status_json_hook(const struct tunnel_status *status, unsigned int i);
void status_print_openmetrics(const struct status *status);
void status_print_prometheus(const struct status *status);

#endif
