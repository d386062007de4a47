/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The parts that the benchmark's C files and *.bpf.c share. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/types.h>

#define BENCH_DSCP 46 /* of every packet that shows one: EF */
#define BENCH_INGRESS_DSCP 34 /* the ingress policy's result for it: AF41 */
/* Length of the frame that is left when the outer headers of an ingress frame are off. */
#define BENCH_INNER_FRAME 142

/* The .bss of the objects. */
struct bench_state {
	__u32 flow_mask; /* flows take turns; their number, a power of two, less 1 */
	__u32 turn;
};

#endif
