/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Judges the measured DSCPs, and shows how many probes there were so far. */
#include <stdio.h>
#include <unistd.h>

#include "test/test.h"

void test_progress(unsigned int n_probes)
{
	if (!isatty(STDERR_FILENO))
		return;
	if (n_probes)
		fprintf(stderr, "\r%u probes\r", n_probes);
	else
		fputs("\033[K", stderr); /* ECMA-48: EL */
}

unsigned int test_outer_dscp(const struct test_dscp *one)
{
	if (one->left >= 0)
		return one->left;
	return one->expected >= 0 ? (unsigned int)one->expected : one->dscp;
}

/* A reply can have the DSCP that was sent inside, where nothing is marked over there or CS0 keeps
 * it, or the DSCP that has left outside. */
enum test_verdict test_verdict(const struct test_dscp *one)
{
	if (!one->answered || one->path == TEST_PATH_LOST)
		return TEST_LOST;
	if (one->path == TEST_PATH_CHANGED ||
	    (one->arrived != (int)one->dscp && one->arrived != (int)test_outer_dscp(one)))
		return TEST_REWRITTEN;
	if (one->left >= 0 && one->expected >= 0 && one->left != one->expected)
		return TEST_NOT_AS_MAPPED;
	return TEST_FINE;
}

bool test_fine(const struct test *test)
{
	for (unsigned int i = 0; i < test->n; i++)
		if (test_verdict(&test->list[i]))
			return false;
	return true;
}
