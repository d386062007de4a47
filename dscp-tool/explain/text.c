/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Prints an explanation for people: a line for each step, with the words that status has. */
#include "explain/explain.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#include "util/cake.h"
#include "util/dscp.h"

static void print_policy(const struct explanation *e)
{
	const struct tunnel_status *status = e->status;
	char prefix[PREFIX_NAME_LEN];

	if (status->tunnel.flags & DSCP_TUNNEL_FIXED) {
		printf("  policy         --outer-dscp %s\n", dscp_name(status->tunnel.outer_dscp));
	} else if (e->prefix >= 0) {
		prefixes_name(&status->prefixes->maps[e->prefix].prefix, prefix);
		printf("  policy         --peer-map %s:%s\n", prefix,
		       status_peer_map(status, e->prefix));
	} else if (has_egress(status)) {
		printf("  policy         --egress-map %s%s\n", status_egress_map(status),
		       status->prefixes && !e->query->has_to
			       ? " (where no --peer-map decides: --to)"
			       : "");
	}
}

/* Prints the lines about other packets, and about all. */
static void print_priorities(const struct tunnel_status *status)
{
	if (status->tunnel.flags & DSCP_TUNNEL_PRIORITY)
		printf("  policy         --priority-map %s\n", status_priority_map(status));
	if (status->tunnel.handshake)
		printf("  policy         --handshake-dscp %s\n",
		       dscp_name(status->tunnel.handshake - 1));
}

static void print_endpoint(const struct nl_endpoint *endpoint)
{
	char address[INET6_ADDRSTRLEN];

	if (endpoint->family)
		printf("  endpoint       %s, port %u\n",
		       inet_ntop(endpoint->family, &endpoint->v6, address, sizeof(address)),
		       endpoint->port);
}

static void print_queue(const struct explain_queue *queue)
{
	const struct nl_qdisc *qdisc = &queue->qdisc;

	printf("  qdisc          %s%s %s", queue->dev, qdisc->root ? "" : ", within it",
	       qdisc->kind);
	if (explain_has_tins(qdisc))
		printf(" %s", cake_mode_name(qdisc->diffserv));
	printf(": %s", explain_qdisc(qdisc));
	if (qdisc->fwmark)
		printf(", unless the packet's mark does (fwmark 0x%" PRIx32 ")", qdisc->fwmark);
	printf("%s\n", qdisc->wash ? ", and behind it becomes CS0 (wash)" : "");
}

static void print_tins(const struct explanation *e, const struct explain_uplink *uplink,
		       unsigned int inner)
{
	for (unsigned int i = 0; i < uplink->n_queues; i++) {
		int tin = explain_tin(e, uplink, i, inner);
		const char *name;

		if (tin < 0)
			continue;
		name = cake_tin_name(uplink->queues[i].qdisc.diffserv, tin);
		printf(", %s tin %d%s%s%s", uplink->queues[i].dev, tin, name ? " (" : "",
		       name ? name : "", name ? ")" : "");
	}
}

/* Tells whether the queues treat packets with these DSCPs alike. */
static bool same_tins(const struct explanation *e, const struct explain_uplink *uplink,
		      unsigned int a, unsigned int b)
{
	if (uplink && explain_priority(e, uplink, a) != explain_priority(e, uplink, b))
		return false;
	for (unsigned int i = 0; uplink && i < uplink->n_queues; i++)
		if (explain_tin(e, uplink, i, a) != explain_tin(e, uplink, i, b))
			return false;
	return true;
}

/* Prints the result of a policy for the DSCPs, a line for each row of them with like results.
 * uplink: NULL at ingress. */
static void print_rows(const struct explanation *e, const struct explain_uplink *uplink,
		       const struct dscp_policy *policy)
{
	for (unsigned int first = 0, last; first < DSCP_VALUES; first = last + 1) {
		const unsigned int to = policy->to[first];
		bool same = true, copy = true;

		for (last = first; last + 1 < DSCP_VALUES && e->query->dscp < 0; last++) {
			const unsigned int next = policy->to[last + 1];

			same &= next == to;
			copy &= to == first && next == last + 1;
			if ((!same && !copy) || !same_tins(e, uplink, first, last + 1))
				break;
		}
		if (!explain_asks_for(e, first))
			continue;
		printf("  %-14s %s", uplink ? "egress" : "ingress", dscp_name(first));
		if (last > first)
			printf("-%s", dscp_name(last));
		printf(" -> %s", to == DSCP_KEEP ? "keep"
				 : last > first && to == first && policy->to[last] == last
					 ? "copy"
					 : dscp_name(to));
		if (uplink) {
			printf("%s at %s", to == DSCP_KEEP && e->made_as_cs0 ? " (CS0)" : "",
			       uplink->dev);
			if (explain_priority(e, uplink, first) >= 0)
				printf(", priority %d", explain_priority(e, uplink, first));
			print_tins(e, uplink, first);
		}
		putchar('\n');
	}
}

static void print_uplink(const struct explanation *e, const struct explain_uplink *uplink)
{
	if (uplink->hook >= 0)
		status_print_hook(e->status, uplink->hook);
	else
		printf("  uplink         %s: egress_outer is not there\n", uplink->dev);
	for (unsigned int i = 0; i < uplink->n_queues; i++)
		print_queue(&uplink->queues[i]);
	print_rows(e, uplink, &uplink->leaves);
}

void explain_print_text(const struct explanation *e)
{
	const struct tunnel_status *status = e->status;

	status_print_name(status);
	putchar('\n');
	status_print_problems(status);
	status_print_came_with(status);
	print_policy(e);
	print_priorities(status);
	for (unsigned int i = 0; i < status->n_hooks; i++)
		if (status->hooks[i].role == ROLE_EGRESS_INNER)
			status_print_hook(status, i);
	print_endpoint(&e->endpoint);
	for (unsigned int i = 0; i < e->n_uplinks; i++)
		print_uplink(e, &e->uplinks[i]);
	if (!has_ingress(status))
		return;
	printf("  policy         --ingress-map %s\n", status_ingress_map(status));
	print_rows(e, NULL, &status->tunnel.ingress);
}
