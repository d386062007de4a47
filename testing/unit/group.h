/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Groups of cases that share a loaded object. No case may depend on another one:
 * DSCP_TEST_ORDER=reverse in the environment runs each group from its end, and a number runs it
 * shuffled by that seed.
 */
#ifndef GROUP_H
#define GROUP_H

#include <stddef.h>

#include <util/macros.h>

struct CMUnitTest;

struct group {
	const struct CMUnitTest *tests;
	size_t n;
};

#define GROUP(tests) ((struct group){ tests, ARRAY_SIZE(tests) })

/* Returns how many failed. */
int run_group(const char *name, struct group group, int (*load)(void **), int (*unload)(void **));

#endif
