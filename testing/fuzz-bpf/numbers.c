/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Make random numbers by xorshift64: George Marsaglia, "Xorshift RNGs", 2003. */
#include "numbers.h"

static uint64_t state;

void fuzz_seed(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15u ^ 0x2545f4914f6cdd1du;
	if (!state) /* it would stay 0 */
		state = 1;
	for (int i = 0; i < 8; i++)
		fuzz_random();
}

uint32_t fuzz_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 32;
}

uint32_t fuzz_below(uint32_t n)
{
	return fuzz_random() % n;
}

bool fuzz_one_in(uint32_t n)
{
	return fuzz_below(n) == 0;
}
