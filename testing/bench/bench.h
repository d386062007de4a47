/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* What bench.c and bench.bpf.c share. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/types.h>

#define BENCH_DSCP 46 /* of every inner packet: EF */

/* The .bss of the object. */
struct bench_state {
	__u32 flow_mask; /* flows take turns; their number, a power of two, less 1 */
	__u32 turn;
};

#endif
