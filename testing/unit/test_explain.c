/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Tests the lines that explain prints of an uplink with CAKE and other qdiscs, which this kernel
 * need not have, and which prefix decides. 28-explain.sh compares the tins with the kernel's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pkt_sched.h>

#include "capture.h"
#include "explain/explain.h"
#include "util/policy.h"

static struct tunnel_status status;
static struct explain_query query;
static struct explanation explanation;
static struct explain_uplink *const uplink = &explanation.uplinks[0];

/* A tunnel with egress, and an uplink without its program. */
static int prepare(void **state)
{
	(void)state;
	memset(&status, 0, sizeof(status));
	memset(&query, 0, sizeof(query));
	memset(&explanation, 0, sizeof(explanation));
	strcpy(status.name, "wg0");
	strcpy(status.tunnel.link_kind, "wireguard");
	status.tunnel.flags = DSCP_TUNNEL_EGRESS;
	status.tunnel.netns = status.tunnel.uplink_netns = netns_own();
	policy_identity(&status.tunnel.egress);
	query.dscp = -1;
	explanation.status = &status;
	explanation.query = &query;
	explanation.prefix = -1;
	explanation.n_uplinks = 1;
	strcpy(uplink->dev, "eth0");
	uplink->hook = -1;
	policy_identity(&uplink->leaves);
	return 0;
}

static struct nl_qdisc *add_qdisc(const char *dev, const char *kind)
{
	struct explain_queue *queue = &uplink->queues[uplink->n_queues++];

	strcpy(queue->dev, dev);
	strcpy(queue->qdisc.kind, kind);
	queue->qdisc.root = true;
	return &queue->qdisc;
}

/* Behind the first line, which names the tunnel, and the policy. */
static void assert_lines(const char *want)
{
	struct capture c = capture(stdout);
	char text[8192], *rest;

	explain_print_text(&explanation);
	end_capture(&c, text, sizeof(text));
	rest = strstr(text, "  uplink ");
	assert_non_null(rest);
	assert_string_equal(rest, want);
}

static void each_dscp_in_four_tins(void **state)
{
	(void)state;
	add_qdisc("eth0", "cake")->diffserv = CAKE_DIFFSERV_DIFFSERV4;
	for (unsigned int dscp = 16; dscp < DSCP_VALUES; dscp++)
		uplink->leaves.to[dscp] = dscp == 46 ? 46 : 0;
	uplink->leaves.to[63] = DSCP_KEEP;
	assert_lines("  uplink         eth0: egress_outer is not there\n"
		     "  qdisc          eth0 cake diffserv4: the DSCP decides on the tin\n"
		     "  egress         CS0 -> CS0 at eth0, eth0 tin 1 (Best Effort)\n"
		     "  egress         LE -> LE at eth0, eth0 tin 0 (Bulk)\n"
		     "  egress         2-3 -> copy at eth0, eth0 tin 1 (Best Effort)\n"
		     "  egress         4 -> 4 at eth0, eth0 tin 2 (Video)\n"
		     "  egress         5-7 -> copy at eth0, eth0 tin 1 (Best Effort)\n"
		     "  egress         CS1 -> CS1 at eth0, eth0 tin 0 (Bulk)\n"
		     "  egress         9-15 -> copy at eth0, eth0 tin 1 (Best Effort)\n"
		     "  egress         CS2-NQB -> CS0 at eth0, eth0 tin 1 (Best Effort)\n"
		     "  egress         EF -> EF at eth0, eth0 tin 3 (Voice)\n"
		     "  egress         47-62 -> CS0 at eth0, eth0 tin 1 (Best Effort)\n"
		     "  egress         63 -> keep at eth0\n");
}

/* Between two that stay alike, constant and copy, the longer row is taken, whichever comes
 * first. */
static void shortest_rows(void **state)
{
	(void)state;
	memset(&uplink->leaves, 5, sizeof(uplink->leaves));
	for (unsigned int dscp = 5; dscp < 10; dscp++)
		uplink->leaves.to[dscp] = dscp;
	assert_lines("  uplink         eth0: egress_outer is not there\n"
		     "  egress         CS0-5 -> 5 at eth0\n"
		     "  egress         6-9 -> copy at eth0\n"
		     "  egress         AF11-63 -> 5 at eth0\n");
}

/* WireGuard makes packets with CS0. */
static void kept(void **state)
{
	(void)state;
	memset(&uplink->leaves, DSCP_KEEP, sizeof(uplink->leaves));
	add_qdisc("eth0", "cake")->diffserv = CAKE_DIFFSERV_DIFFSERV3;
	explanation.made_as_cs0 = true;
	assert_lines("  uplink         eth0: egress_outer is not there\n"
		     "  qdisc          eth0 cake diffserv3: the DSCP decides on the tin\n"
		     "  egress         CS0-63 -> keep (CS0) at eth0, eth0 tin 1 (Best Effort)\n");
}

static void one_dscp_and_several_qdiscs(void **state)
{
	struct nl_qdisc *qdisc;

	(void)state;
	query.dscp = 46;
	add_qdisc("eth0", "htb");
	qdisc = add_qdisc("eth0", "cake");
	qdisc->root = false;
	qdisc->diffserv = CAKE_DIFFSERV_DIFFSERV8;
	qdisc->wash = true;
	qdisc = add_qdisc("eth1", "cake_mq");
	qdisc->diffserv = CAKE_DIFFSERV_BESTEFFORT;
	add_qdisc("eth2", "cake")->fwmark = 0xff;
	add_qdisc("eth3", "cake")->diffserv = CAKE_DIFFSERV_MAX;
	assert_lines(
		"  uplink         eth0: egress_outer is not there\n"
		"  qdisc          eth0 htb: does not read the DSCP: a filter or the packet's "
		"priority "
		"decides\n"
		"  qdisc          eth0, within it cake diffserv8: the DSCP decides on the tin, and "
		"behind it "
		"becomes CS0 (wash)\n"
		"  qdisc          eth1 cake_mq besteffort: one tin for all: diffserv4 has four\n"
		"  qdisc          eth2 cake diffserv3: the DSCP decides on the tin, unless the "
		"packet's "
		"mark "
		"does (fwmark 0xff)\n"
		"  qdisc          eth3 cake: whether it reads the DSCP is not known here\n"
		"  egress         EF -> EF at eth0, eth0 tin 6, eth1 tin 0, eth2 tin 2 (Voice)\n");
}

static void assert_effect(const char *kind, const char *effect)
{
	struct nl_qdisc qdisc = { .root = true };

	strcpy(qdisc.kind, kind);
	assert_string_equal(explain_qdisc(&qdisc), effect);
}

/* A kind is a whole word of the list. */
static void effects(void **state)
{
	(void)state;
	assert_effect("prio", "does not read the DSCP: a filter or the packet's priority decides");
	assert_effect("ets", "does not read the DSCP: a filter or the packet's priority decides");
	assert_effect("fq_codel", "does not read the DSCP: keeps flows apart");
	assert_effect("codel", "does not read the DSCP: one queue for all");
	assert_effect("fq", "does not read the DSCP: keeps flows apart, and since Linux 6.8 the "
			    "packet's priority decides");
	assert_effect("mq", "has a qdisc for each queue of the device");
	assert_effect("noop", "drops everything: the device is down");
	assert_effect("", "whether it reads the DSCP is not known here");
	assert_effect("pf", "whether it reads the DSCP is not known here");
	assert_effect("fifo", "whether it reads the DSCP is not known here");
	assert_effect("a very long kind", "whether it reads the DSCP is not known here");
}

static bool covers(const char *prefix, const char *address)
{
	char first[64], second[64], err[128];
	struct dscp_prefix a, b;

	snprintf(first, sizeof(first), "%s", prefix);
	snprintf(second, sizeof(second), "%s", address);
	assert_int_equal(prefixes_parse_one(&a, first, err, sizeof(err)), 0);
	assert_int_equal(prefixes_parse_one(&b, second, err, sizeof(err)), 0);
	return prefixes_cover(&a, &b);
}

static void prefixes(void **state)
{
	(void)state;
	assert_true(covers("10.0.0.0/8", "10.255.0.1"));
	assert_true(covers("10.0.0.5", "10.0.0.5"));
	assert_true(covers("0.0.0.0/0", "10.0.0.5"));
	assert_true(covers("10.0.0.128/25", "10.0.0.255"));
	assert_true(covers("fd00:7::/33", "fd00:7::5"));
	assert_true(covers("::/0", "fd00:7::5"));
	assert_false(covers("10.0.0.128/25", "10.0.0.127"));
	assert_false(covers("10.0.0.4", "10.0.0.5"));
	assert_false(covers("::/0", "10.0.0.5"));
	assert_false(covers("0.0.0.0/0", "::5"));
	assert_false(covers("fd00:7:8000::/33", "fd00:7::5"));
	assert_false(covers("10.0.0.0/24", "10.0.0.0/8"));
}

#define TEST(name) cmocka_unit_test_setup(name, prepare)

static const struct CMUnitTest tests[] = {
	TEST(each_dscp_in_four_tins),	   TEST(shortest_rows), TEST(kept),
	TEST(one_dscp_and_several_qdiscs), TEST(effects),	TEST(prefixes),
};

int main(void)
{
	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
