/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Makes random numbers of a seed. */
#include "numbers.h"

#include "../xorshift.h"

static uint64_t state;

void fuzz_seed(uint64_t seed)
{
	state = xorshift64_seed(seed);
}

uint32_t fuzz_random(void)
{
	return xorshift64(&state);
}

uint32_t fuzz_below(uint32_t n)
{
	return fuzz_random() % n;
}

bool fuzz_one_in(uint32_t n)
{
	return fuzz_below(n) == 0;
}
