/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Random numbers of a seed: one sequence for each round of a test. */
#include "random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static uint64_t random_state;
static unsigned long current;
static bool on;

/* xorshift64, George Marsaglia, "Xorshift RNGs", 2003; a seed of 0 would stay 0 */
static void random_seed(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15u ^ 0x2545f4914f6cdd1du;
	if (!random_state)
		random_state = 1;
	for (int i = 0; i < 8; i++)
		next_random();
}

uint32_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 32;
}

bool one_in(uint32_t n)
{
	return next_random() % n == 0;
}

void random_round(unsigned long round)
{
	random_seed(RANDOM_SEED ^ (uint64_t)round << 32);
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
