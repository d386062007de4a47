/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the hop on the way of the outer packets that changes or drops a DSCP. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "test/test.h"
#include "util/netns.h"
#include "util/probe.h"
#include "util/reason.h"

/* Hops in a row that do not answer: there are no more that do. */
#define SILENT_HOPS 5

struct run {
	struct test *test;
	struct probe probe;
	uint16_t number; /* of the last probe */
	unsigned int answering[TEST_MAX_HOPS]; /* the hops that answer, by their TTL */
	unsigned int n_answering;
};

/* Asks a hop, again if it does not answer: many routers answer once in a second. Returns 1: it has
 * answered; 0: not; a negative errno. */
static int ask(struct run *run, unsigned int dscp, unsigned int ttl, struct probe_answer *answer)
{
	for (unsigned int i = 0; i < run->test->count; i++) {
		const uint64_t until = probe_now() + TEST_WAIT;
		int err = probe_send_path(&run->probe, dscp, ttl, ++run->number);

		if (err)
			return failed(err, "%s: cannot send outside: %s", run->test->tunnel,
				      strerror(-err));
		test_progress(++run->test->n_probes);
		usleep(TEST_PAUSE * 1000);
		while (probe_wait(&run->probe, until, answer))
			if (answer->number == run->number % PROBE_PATH_NUMBERS)
				return 1;
	}
	return 0;
}

/* Finds the hops, with the DSCP that all packets have where nothing is marked. */
static int find_hops(struct run *run)
{
	struct test *test = run->test;
	struct probe_answer answer = {};

	for (unsigned int ttl = 1; ttl <= TEST_MAX_HOPS && !answer.is_last; ttl++) {
		int ret = ask(run, 0, ttl, &answer);

		if (ret < 0)
			return ret;
		if (ret) {
			test->hops[ttl - 1] = answer.from;
			test->n_hops = ttl;
			run->answering[run->n_answering++] = ttl;
		} else if (ttl == test->n_hops + SILENT_HOPS)
			break;
	}
	return 0;
}

/* Judges a DSCP at a hop that has answered. A hop that does not answer any more has lost the probe
 * only if it still answers the DSCPs that it has answered before. */
static int look(struct run *run, unsigned int ttl, struct test_dscp *one)
{
	const unsigned int dscp = test_outer_dscp(one);
	struct probe_answer answer;
	int ret = ask(run, dscp, ttl, &answer);

	one->becomes = -1;
	if (ret > 0 && answer.dscp != dscp) {
		one->path = TEST_PATH_CHANGED;
		one->becomes = answer.dscp;
	} else if (ret > 0) {
		one->path = TEST_PATH_SAME;
	} else if (!ret) {
		ret = dscp ? ask(run, 0, ttl, &answer) : 0;
		one->path = ret ? TEST_PATH_LOST : TEST_PATH_UNKNOWN;
	}
	return ret < 0 ? ret : 0;
}

/* Looks at the last hop, and if it is not fine there for the first one where it is not, by halves.
 * No other hop is taken to put a change right. */
static int find_change(struct run *run, struct test_dscp *one)
{
	int good = -1, bad = run->n_answering - 1, middle, err;
	struct test_dscp at = *one;

	one->path = TEST_PATH_UNKNOWN;
	err = bad < 0 ? 0 : look(run, run->answering[bad], one);
	while (!err && bad - good > 1 &&
	       (one->path == TEST_PATH_CHANGED || one->path == TEST_PATH_LOST)) {
		middle = (good + bad) / 2;
		err = look(run, run->answering[middle], &at);
		if (at.path == TEST_PATH_SAME) {
			good = middle;
			continue;
		}
		bad = middle;
		one->path = at.path;
		one->becomes = at.becomes;
	}
	if (one->path == TEST_PATH_CHANGED || one->path == TEST_PATH_LOST)
		one->after = good < 0 ? 0 : run->answering[good];
	return err;
}

/* Several can have the same DSCP outside. */
static int find_changes(struct run *run)
{
	struct test_dscp *list = run->test->list, *one;
	int err = 0;

	for (unsigned int i = 0; i < run->test->n && !err; i++) {
		for (one = list; test_outer_dscp(one) != test_outer_dscp(&list[i]);)
			one++;
		if (one == &list[i])
			err = find_change(run, one);
		list[i].path = one->path;
		list[i].becomes = one->becomes;
		list[i].after = one->after;
	}
	return err;
}

int test_path(struct test *test)
{
	struct run run = { .test = test };
	int err;

	NETNS_VISIT(test->outer_netns);
	if (netns_own() != test->outer_netns)
		return failed(-ENODEV, "%s: the network namespace of its uplinks is out of reach",
			      test->tunnel);
	err = probe_open_path(&run.probe, &test->outer);
	if (err)
		return err;
	err = find_hops(&run);
	if (!err)
		err = find_changes(&run);
	probe_close(&run.probe);
	return err;
}
