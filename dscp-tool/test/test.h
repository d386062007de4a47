/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The measurements of `dscp-tool test` (echo.c, path.c) between two ends (ends.c), their judgement
 * (model.c), and the forms in which they are printed (print.c). */
#ifndef TEST_TEST_H
#define TEST_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include "state/pins.h"
#include "util/netlink.h"

#define TEST_MAX_COUNT 100 /* requests of each DSCP */
#define TEST_MAX_HOPS 30

/* Milliseconds between two probes, at least, and for an answer, at most. */
#define TEST_PAUSE 100
#define TEST_WAIT 1000

/* How a DSCP comes along the path, as far as hops answer. */
enum test_path {
	TEST_PATH_NOT_TRIED,
	TEST_PATH_SAME,
	TEST_PATH_CHANGED,
	TEST_PATH_LOST,
	TEST_PATH_UNKNOWN,
};

/* The results for one DSCP inside. */
struct test_dscp {
	unsigned int dscp;
	unsigned int sent, answered;
	int expected; /* outside, by the map; -1: the map says keep, or nothing is marked */
	int left; /* outside, by the counters of egress; -1: not known */
	int arrived; /* the DSCP that the replies had inside; -1: there are none */
	uint8_t grown[DSCP_VALUES]; /* requests during which that counter of egress has grown */
	enum test_path path; /* of the DSCP outside */
	int becomes; /* TEST_PATH_CHANGED; else -1 */
	/* TEST_PATH_CHANGED, TEST_PATH_LOST: the last hop where it is as it was sent, 0: this
	 * machine; else -1. */
	int after;
};

struct test {
	bool json;
	bool has_path; /* it is asked for */
	const char *tunnel;
	struct nl_endpoint inner; /* the end that answers echo requests */
	uint32_t count; /* requests of each DSCP */
	uint64_t dscps; /* inside, a bit for each; and the same as a list */
	struct test_dscp list[DSCP_VALUES];
	unsigned int n;
	int device, tunnel_device; /* that requests leave by; that replies come by */
	struct nl_flow outer; /* as outer packets are sent */
	uint64_t outer_netns; /* from there */
	struct nl_endpoint hops[TEST_MAX_HOPS]; /* of family AF_UNSPEC: it does not answer */
	unsigned int n_hops;
	unsigned int n_probes; /* that were sent */
};

enum test_verdict { TEST_FINE, TEST_LOST, TEST_REWRITTEN, TEST_NOT_AS_MAPPED };

/* The functions return 0, TUNNEL_USAGE or a negative errno, with a sentence, unless noted. */

/* Finds the ends; inner is found if its family is AF_UNSPEC. */
int test_find_ends(const struct pins *pins, uint32_t slot, struct test *test);

/* Sends the echo requests. */
int test_echo(const struct pins *pins, uint32_t slot, struct test *test);

/* Sends the probes along the path, with the DSCPs that packets have outside. */
int test_path(struct test *test);

/* The DSCP that a packet has outside, as far as it is known, else the one inside. */
unsigned int test_outer_dscp(const struct test_dscp *one);

enum test_verdict test_verdict(const struct test_dscp *one);
bool test_fine(const struct test *test);

void test_print_text(const struct test *test);
void test_print_json(const struct test *test);

/* Says on a terminal how many probes there were; 0: takes that away. */
void test_progress(unsigned int n_probes);

#endif
