/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The stamp: a flow's hash with the DSCP in its low six bits, run through a bijection of 32 bits.
 * Bijective, so that two packets with the same stamp have the same DSCP by construction; well
 * mixed, because CAKE takes hash % 1024 and fq_codel the top bits to tell flows apart.
 *
 * The constants are from the exhaustive search of Christopher Wellons' hash-prospector for
 * xorshift-multiply bijections with the lowest avalanche bias.
 */
#ifndef DSCP_MIX_H
#define DSCP_MIX_H

#include <linux/types.h>

#define DSCP_STAMP_MASK 0x3fu

static inline __attribute__((always_inline)) __u32 dscp_mix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	x ^= x >> 16;
	return x;
}

/* The inverse: the multipliers' inverses modulo 2^32, the shifts undone. */
static inline __attribute__((always_inline)) __u32 dscp_unmix(__u32 x)
{
	x ^= x >> 16;
	x *= 0x43021123u;
	x ^= x >> 15 ^ x >> 30;
	x *= 0x1d69e2a5u;
	x ^= x >> 16;
	return x;
}

/* Never 0, which is what a packet without a hash shows: the only preimage of 0 is 0, so the flows
 * whose upper bits are 0 share the stamps of their neighbours, DSCP by DSCP. */
static inline __attribute__((always_inline)) __u32 dscp_stamp(__u32 hash, __u32 dscp)
{
	__u32 flow = hash & ~DSCP_STAMP_MASK;

	return dscp_mix((flow ? flow : DSCP_STAMP_MASK + 1) | dscp);
}

#endif
