/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds out the fate of a packet: by the loaded tunnels, and by the kernel's answers about the
 * devices that the packet leaves by. */
#include "explain/explain.h"

#include <stdio.h>
#include <string.h>

#include <linux/pkt_sched.h>

#include "status/problems.h"
#include "tunnel/discover.h"
#include "util/cake.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/reason.h"

bool explain_has_tins(const struct nl_qdisc *qdisc)
{
	return !strncmp(qdisc->kind, "cake", 4) && cake_mode_name(qdisc->diffserv);
}

/* A filter of a qdisc runs behind egress_outer, and sees the outer DSCP. */
const char *explain_qdisc(const struct nl_qdisc *qdisc)
{
	static const char *const effects[][2] = {
		{ " pfifo_fast prio mqprio taprio ets skbprio htb hfsc drr qfq ",
		  "does not read the DSCP: a filter or the packet's priority decides" },
		{ " fq ", "does not read the DSCP: keeps flows apart, and since Linux 6.8 the "
			  "packet's priority decides" },
		{ " fq_codel fq_pie sfq hhf ", "does not read the DSCP: keeps flows apart" },
		{ " pfifo bfifo codel pie red tbf netem choke ",
		  "does not read the DSCP: one queue for all" },
		{ " mq ", "has a qdisc for each queue of the device" },
		{ " noqueue ", "queues nothing" },
		{ " noop ", "drops everything: the device is down" },
	};
	char word[IFNAMSIZ + 2];

	if (explain_has_tins(qdisc))
		return qdisc->diffserv == CAKE_DIFFSERV_BESTEFFORT
			       ? "one tin for all: diffserv4 has four"
			       : "the DSCP decides on the tin";
	snprintf(word, sizeof(word), " %s ", qdisc->kind);
	for (unsigned int i = 0; i < ARRAY_SIZE(effects); i++)
		if (strstr(effects[i][0], word))
			return effects[i][1];
	return "whether it reads the DSCP is not known here";
}

unsigned int explain_outer(const struct explanation *e, const struct explain_uplink *uplink,
			   unsigned int inner)
{
	unsigned int to = uplink->leaves.to[inner];

	return to == DSCP_KEEP && e->made_as_cs0 ? 0 : to;
}

int explain_tin(const struct explanation *e, const struct explain_uplink *uplink,
		unsigned int queue, unsigned int inner)
{
	const struct nl_qdisc *qdisc = &uplink->queues[queue].qdisc;
	unsigned int outer = explain_outer(e, uplink, inner);

	if (outer >= DSCP_VALUES || !explain_has_tins(qdisc))
		return -1;
	return cake_tin(qdisc->diffserv, outer);
}

int explain_priority(const struct explanation *e, const struct explain_uplink *uplink,
		     unsigned int inner)
{
	unsigned int outer = explain_outer(e, uplink, inner);

	return outer < DSCP_VALUES ? uplink->priority.to[outer] - 1 : -1;
}

/* Returns the policy of egress for the destination. */
static struct dscp_policy policy_of(const struct explanation *e)
{
	const struct dscp_tunnel *t = &e->status->tunnel;
	struct dscp_policy policy = t->egress;

	if (e->prefix >= 0)
		policy = e->status->prefixes->maps[e->prefix].policy;
	if (t->flags & DSCP_TUNNEL_FIXED)
		memset(&policy, t->outer_dscp, sizeof(policy));
	return policy;
}

/* Tells whether a hook is fine. A hook that cannot be seen from here counts as fine, as in
 * status. */
static bool is_at_work(const struct tunnel_status *status, unsigned int i)
{
	return status->states[i].health == HOOK_OK || status->states[i].health == HOOK_ELSEWHERE;
}

/* Finds the hook of egress_outer on an uplink. The packets are marked there if that program is at
 * work, and egress_inner, where the tunnel has that. */
static void find_hook(struct explanation *e, struct explain_uplink *uplink)
{
	const struct tunnel_status *status = e->status;
	bool works = has_egress(status);

	uplink->hook = -1;
	for (unsigned int i = 0; i < status->n_hooks; i++) {
		const struct hook *hook = &status->hooks[i];

		if (hook->role == ROLE_EGRESS_INNER)
			works &= is_at_work(status, i);
		else if (hook->role == ROLE_EGRESS_OUTER && hook->ifindex == uplink->ifindex)
			uplink->hook = i;
	}
	memset(&uplink->leaves, DSCP_KEEP, sizeof(uplink->leaves));
	memset(&uplink->priority, 0, sizeof(uplink->priority));
	if (!works || uplink->hook < 0 || !is_at_work(status, uplink->hook))
		return;
	uplink->leaves = policy_of(e);
	uplink->priority = status->tunnel.priority;
}

/* Devices with queues that are still to be read. */
struct search {
	struct nl_devices devices;
	int above; /* the device that has the ports */
};

static void add_port(const struct nl_link *link, void *ctx)
{
	struct search *search = ctx;

	if (link->master == search->above)
		nl_add_device(&search->devices, link->ifindex);
}

/* Reads the queues of a device; where it has none, the packet goes on to the device below. */
static void read_queues(struct explain_uplink *uplink, struct search *search, int ifindex)
{
	struct nl_qdisc list[MAX_QUEUES];
	struct nl_link link;
	struct nl_error why;
	int n;

	if (nl_link_by_index(ifindex, &link, &why))
		return;
	log_printable(link.name);
	n = nl_qdiscs(ifindex, list, MAX_QUEUES, &why);
	/* Within cake_mq there are more of the same. */
	if (n > 1 && explain_has_tins(list))
		n = 1;
	for (int i = 0; i < n && uplink->n_queues < MAX_QUEUES; i++) {
		struct explain_queue *queue = &uplink->queues[uplink->n_queues++];

		memcpy(queue->dev, link.name, sizeof(queue->dev));
		queue->qdisc = list[i];
	}
	if (n != 1 || strcmp(list->kind, "noqueue"))
		return;
	nl_add_device(&search->devices, link.real);
	search->above = ifindex;
	nl_links(add_port, search, &why);
}

static void look_at_uplink(struct explanation *e, struct tunnel_status *status,
			   struct explain_uplink *uplink)
{
	struct search search = { { { uplink->ifindex }, 1 }, 0 };
	NETNS_VISIT(status->tunnel.uplink_netns);
	struct nl_link link;
	struct nl_error why;

	find_hook(e, uplink);
	uplink->n_queues = 0;
	if (netns_own() != status->tunnel.uplink_netns ||
	    nl_link_by_index(uplink->ifindex, &link, &why))
		return;
	log_printable(link.name);
	memcpy(uplink->dev, link.name, sizeof(uplink->dev));
	if (!link.up)
		problems_add(status, "%s, where its packets leave, is down", link.name);
	for (unsigned int i = 0; i < search.devices.n; i++)
		read_queues(uplink, &search, search.devices.list[i]);
}

/* Takes the uplinks from the look-ups of a load, unless they were named then. */
static void find_uplinks(struct explanation *e, struct tunnel_status *status)
{
	const struct dscp_tunnel *found = &status->tunnel;
	struct request request;
	struct dscp_tunnel now;

	if (!status->request.n_uplinks && !status->device_gone) {
		discover_egress_of(&status->request, status->name, &request);
		if (!discover_tunnel(&request, NULL, &now))
			found = &now;
		else
			problems_add(status, "%s", reason_first());
		reason_clear();
	}
	for (int i = 0; i < found->n_uplinks; i++) {
		struct explain_uplink *uplink = &e->uplinks[e->n_uplinks];

		if (found->uplinks[i] == DSCP_UPLINK_ABSENT)
			continue;
		uplink->ifindex = found->uplinks[i];
		memcpy(uplink->dev, found->uplink_names[i], sizeof(uplink->dev));
		e->n_uplinks++;
	}
}

static void check_tunnel(struct tunnel_status *status)
{
	if (!has_egress(status))
		problems_add(status,
			     "only its ingress is loaded, so outer headers stay as the tunnel "
			     "makes them: load it with --direction both (save prints its other "
			     "options)");
	if (status->up == DOWN)
		problems_add(status, "%s is down: ip link set %s up", status->name, status->name);
}

void explain_tunnel(struct tunnel_status *status, const struct explain_query *query,
		    struct explanation *e)
{
	e->status = status;
	e->query = query;
	e->prefix = query->has_to && status->prefixes
			    ? prefixes_deciding(status->prefixes, &query->to)
			    : -1;
	e->made_as_cs0 = dscp_kind_is_stamped(status->tunnel.kind);
	e->n_uplinks = 0;
	check_tunnel(status);
	if (!explain_find_peer(e, status))
		find_uplinks(e, status);
	for (unsigned int i = 0; i < e->n_uplinks; i++)
		look_at_uplink(e, status, &e->uplinks[i]);
}
