/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Shapes that the test of the note cache and its program share. */
#ifndef NOTE_CACHE_TEST_H
#define NOTE_CACHE_TEST_H

#include <linux/types.h>

#define NOTE_CACHE_THREADS 4 /* a power of two */

/* The frame that tells put_and_take its caller. */
struct note_cache_packet {
	__u8 ethernet[16];
	__u64 id;
	__u32 thread;
	__u8 rest[36];
};

struct note_cache_result {
	__u32 turns;
	__u32 lost; /* notes that were not there */
	__u32 wrong; /* notes that were not as they had been put just now */
	__u32 mixed; /* notes that were of several */
};

#endif
