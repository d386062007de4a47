/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Run the cases of a group, in another order if the environment says so. */
#include "group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <string.h>

#include "effort.h"
#include "random.h"

static void swap(struct CMUnitTest *a, struct CMUnitTest *b)
{
	struct CMUnitTest c = *a;

	*a = *b;
	*b = c;
}

static void put_in_order(struct CMUnitTest *tests, size_t n, const char *order)
{
	if (!strcmp(order, "reverse")) {
		for (size_t i = 0; i < n / 2; i++)
			swap(&tests[i], &tests[n - 1 - i]);
		return;
	}
	random_round(strtoul(order, NULL, 0));
	random_end();
	for (size_t i = n; i > 1; i--)
		swap(&tests[i - 1], &tests[next_random() % i]);
}

int run_group(const char *name, struct group group, int (*load)(void **), int (*unload)(void **))
{
	const char *order = getenv("DSCP_TEST_ORDER");
	struct CMUnitTest *tests = calloc(group.n, sizeof(*tests));
	int failed;

	if (!tests)
		return 1;
	effort_print();
	memcpy(tests, group.tests, group.n * sizeof(*tests));
	if (order)
		put_in_order(tests, group.n, order);
	failed = _cmocka_run_group_tests(name, tests, group.n, load, unload);
	free(tests);
	return failed;
}
