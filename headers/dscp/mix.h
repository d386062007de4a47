/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The stamp: a flow's hash with a value (DSCP_STAMP_*) in its low eight bits, run through a
 * bijection of 32 bits. Bijective, so that two packets with the same stamp have the same value by
 * construction; well mixed, because CAKE takes hash % 1024 and fq_codel the top bits to tell flows
 * apart.
 *
 * The constants are from the exhaustive search of Christopher Wellons' hash-prospector for
 * xorshift-multiply bijections with the lowest avalanche bias.
 */
#ifndef DSCP_MIX_H
#define DSCP_MIX_H

#include <linux/types.h>

#include <dscp/abi.h>

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

/* Never 0, as a packet without a hash shows: the only preimage of 0 is 0, so flows with upper bits
 * of 0 share the stamps of their neighbours, value by value. */
static inline __attribute__((always_inline)) __u32 dscp_stamp(__u32 hash, __u32 value)
{
	__u32 flow = hash & ~DSCP_STAMP_BITS;

	return dscp_mix((flow ? flow : DSCP_STAMP_BITS + 1) | value);
}

/* The bucket of an ingress note in the map note_cache. Multiplicative hashing (golden ratio):
 * addresses of skbs and counters are evenly spaced. */
static inline __attribute__((always_inline)) __u32 dscp_bucket_of(__u64 id, __u32 receiver)
{
	return (id ^ (__u64)receiver << 32) * 0x9e3779b97f4a7c15ull >> 50 & (DSCP_NOTE_CACHE - 1);
}

#endif
