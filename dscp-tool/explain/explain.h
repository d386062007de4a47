/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The model of `dscp-tool explain` (model.c, peer.c), and the forms of output, a file each. */
#ifndef EXPLAIN_EXPLAIN_H
#define EXPLAIN_EXPLAIN_H

#include <stdbool.h>

#include <json-c/json.h>

#include "status/status.h"
#include "util/netlink.h"

#define MAX_QUEUES 8 /* of an uplink and of the devices below it */

struct explain_query {
	int dscp; /* of the packet; negative: each */
	bool has_to;
	struct dscp_prefix to; /* where the inner packet goes: a prefix of one address */
};

struct explain_queue {
	char dev[IFNAMSIZ];
	struct nl_qdisc qdisc;
};

/* A device that the outer packets leave by now. */
struct explain_uplink {
	int ifindex;
	char dev[IFNAMSIZ];
	int hook; /* of the status; negative: egress_outer is not to be there */
	struct dscp_policy leaves; /* the DSCP by the inner one; DSCP_KEEP: as it was made */
	struct dscp_policy priority; /* as dscp_tunnel.priority */
	struct explain_queue queues[MAX_QUEUES];
	unsigned int n_queues;
};

struct explanation {
	const struct tunnel_status *status; /* with the problems that stand in the way */
	const struct explain_query *query;
	int prefix; /* of status->prefixes[0], the prefix that decides; negative: none */
	struct nl_endpoint endpoint; /* of the peer of query->to; of family AF_UNSPEC: not known */
	bool made_as_cs0; /* so the device makes all outer headers; else that is not known */
	struct explain_uplink uplinks[DSCP_MAX_UPLINKS];
	unsigned int n_uplinks;
};

/* Explains a tunnel of this network namespace. */
void explain_tunnel(struct tunnel_status *status, const struct explain_query *query,
		    struct explanation *e);

/* Finds the peer of WireGuard that query->to leads to, and the uplink on the way to that peer.
 * False: the query or the kind of the tunnel asks for no peer. */
bool explain_find_peer(struct explanation *e, struct tunnel_status *status);

/* Returns the DSCP that a packet leaves by an uplink with; DSCP_KEEP: it is not known. */
unsigned int explain_outer(const struct explanation *e, const struct explain_uplink *uplink,
			   unsigned int inner);

/* Returns the tin of the packet in that queue of the uplink; negative: none, or it is not known. */
int explain_tin(const struct explanation *e, const struct explain_uplink *uplink,
		unsigned int queue, unsigned int inner);

/* Returns the priority that it gets there; negative: it keeps its own, or that is not known. */
int explain_priority(const struct explanation *e, const struct explain_uplink *uplink,
		     unsigned int inner);

/* Tells whether the qdisc has tins, and the DSCP decides on one. */
bool explain_has_tins(const struct nl_qdisc *qdisc);
/* Returns a sentence on the part that a DSCP has in that qdisc. */
const char *explain_qdisc(const struct nl_qdisc *qdisc);

static inline bool explain_asks_for(const struct explanation *e, unsigned int dscp)
{
	return e->query->dscp < 0 || e->query->dscp == (int)dscp;
}

void explain_print_text(const struct explanation *e);
struct json_object *explain_json(const struct explanation *e);

#endif
