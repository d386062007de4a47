/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Random numbers of a state by xorshift (George Marsaglia, "Xorshift RNGs", 2003): the same numbers
 * everywhere, which rand() does not promise. A state of 0 would stay 0.
 */
#ifndef TESTING_XORSHIFT_H
#define TESTING_XORSHIFT_H

#include <stdint.h>

static inline uint32_t xorshift32(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* The upper half of 64 bits. */
static inline uint32_t xorshift64(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 32;
}

/* The state for a seed, which may be 0. Neighbouring seeds are far from each other at once. */
static inline uint64_t xorshift64_seed(uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u ^ 0x2545f4914f6cdd1du;

	if (!state)
		state = 1;
	for (int i = 0; i < 8; i++)
		xorshift64(&state);
	return state;
}

#endif
