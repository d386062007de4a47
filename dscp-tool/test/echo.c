/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Sends echo requests of each DSCP through a tunnel, one after the other. */
#include <string.h>

#include "state/counters.h"
#include "state/prefixes.h"
#include "test/test.h"
#include "util/macros.h"
#include "util/probe.h"
#include "util/reason.h"

/* The requests while they are sent. The number of one is DSCP_VALUES * round + place in the list.
 */
struct run {
	const struct pins *pins;
	uint32_t slot;
	struct test *test;
	struct probe probe;
	struct dscp_counters counters; /* before a request */
	bool answered[TEST_MAX_COUNT * DSCP_VALUES]; /* by number */
};

/* Returns the policy for the peer. */
static const struct dscp_policy *policy_of(const struct run *run, const struct peer_maps *prefixes)
{
	const struct nl_endpoint *inner = &run->test->inner;
	struct dscp_prefix to = { .prefixlen = DSCP_PREFIX_BITS + 128, .family = 6 };
	int i;

	if (inner->family == AF_INET) {
		to.prefixlen = DSCP_PREFIX_BITS + 32;
		to.family = 4;
	}
	memcpy(to.address, &inner->v6, inner->family == AF_INET ? 4 : 16);
	i = prefixes_deciding(prefixes, &to);
	return i < 0 ? &run->pins->tunnels[run->slot].egress : &prefixes->maps[i].policy;
}

/* Applies the map to each DSCP. */
static int expect(const struct run *run)
{
	const struct dscp_tunnel *tunnel = &run->pins->tunnels[run->slot];
	struct test *test = run->test;
	const struct dscp_policy *policy;
	struct peer_maps prefixes;
	int err = prefixes_read(run->pins, run->slot, &run->pins->requests[run->slot], &prefixes);

	policy = policy_of(run, &prefixes);
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		struct test_dscp *one = &test->list[test->n];

		if (!(test->dscps >> dscp & 1))
			continue;
		test->n++;
		one->dscp = dscp;
		one->arrived = one->left = one->expected = one->becomes = one->after = -1;
		if (tunnel->flags & DSCP_TUNNEL_FIXED)
			one->expected = tunnel->outer_dscp;
		else if (tunnel->flags & DSCP_TUNNEL_EGRESS && policy->to[dscp] != DSCP_KEEP)
			one->expected = policy->to[dscp];
	}
	return err;
}

/* A reply may come late, and there may be two. */
static void take(struct run *run, const struct probe_answer *answer)
{
	struct test_dscp *one = &run->test->list[answer->number % run->test->n];

	if (answer->number >= ARRAY_SIZE(run->answered) || run->answered[answer->number])
		return;
	run->answered[answer->number] = true;
	one->answered++;
	/* A DSCP that is not as it was sent is the result to find. */
	if (one->arrived < 0 || one->arrived == (int)one->dscp)
		one->arrived = answer->dscp;
}

/* Other packets of the tunnel are counted, too. */
static void note_grown(struct run *run, uint8_t grown[DSCP_VALUES])
{
	struct dscp_counters now;

	if (counters_read(run->pins, MAP_COUNTERS, run->slot, &now))
		return;
	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		grown[i] += now.dscp[i] > run->counters.dscp[i];
	run->counters = now;
}

/* Returns the DSCP with a counter that has grown with each request: the expected one, if that is
 * among several, since there may be other packets. */
static int find_left(const struct test_dscp *one)
{
	unsigned int n = 0;
	int left = -1;

	if (one->expected >= 0 && one->grown[one->expected] == one->sent)
		return one->expected;
	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		if (one->grown[i] == one->sent) {
			left = i;
			n++;
		}
	return n == 1 ? left : -1;
}

static int request(struct run *run, unsigned int number)
{
	struct test_dscp *one = &run->test->list[number % run->test->n];
	const uint64_t until = probe_now() + TEST_WAIT;
	struct probe_answer answer;
	int err = probe_send_echo(&run->probe, one->dscp, number);

	if (err)
		return failed(err, "%s: cannot send: %s", run->test->tunnel, strerror(-err));
	test_progress(++run->test->n_probes);
	while (!run->answered[number] && probe_wait(&run->probe, until, &answer))
		take(run, &answer);
	usleep(TEST_PAUSE * 1000);
	one->sent++;
	note_grown(run, one->grown);
	one->left = find_left(one);
	return 0;
}

int test_echo(const struct pins *pins, uint32_t slot, struct test *test)
{
	struct run run = { .pins = pins, .slot = slot, .test = test, .probe.to = &test->inner };
	int err = expect(&run);

	if (!err)
		err = probe_open_echo(&run.probe, test->device, test->tunnel_device);
	if (err)
		return err;
	counters_read(pins, MAP_COUNTERS, slot, &run.counters);
	for (unsigned int i = 0; i < test->count * test->n && !err; i++)
		err = request(&run, i);
	probe_close(&run.probe);
	return err;
}
