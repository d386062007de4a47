/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Random numbers of a seed: one sequence for each round of a test. */
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../xorshift.h"

static uint64_t random_state;
static unsigned long current;
static bool on;

uint32_t next_random(void)
{
	return xorshift64(&random_state);
}

bool one_in(uint32_t n)
{
	return next_random() % n == 0;
}

void random_round(unsigned long round)
{
	random_state = xorshift64_seed(RANDOM_SEED ^ (uint64_t)round << 32);
	current = round;
	on = true;
}

void random_end(void)
{
	on = false;
}

void random_teardown(void)
{
	if (on)
		print_error("in round %lu\n", current);
	on = false;
}
