/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The parts that the fuzzers of both directions share: options, rounds, and the report of a
 * failure. A round has separate maps and depends on nothing but the seed and its number, so that
 * one round shows a failure again.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>

#include "egress_packet.h"

struct target {
	const char *name;
	/* NULL, or why it cannot run here. */
	const char *(*refused)(const struct target *target);
	/* Maps, for one round. */
	void (*begin)(const struct target *target);
	void (*end)(const struct target *target);
	/* One packet. Returns how many runs of a program that was. */
	unsigned int (*step)(const struct target *target);
	/* Checks that the counters add up, and that maps have not more than they may. */
	void (*audit)(void);
	/* Passes L3 packets through a device; NULL if there is none. */
	const char *(*open_device)(void);
	void (*close_device)(void);
	int id; /* the fuzzer's */
};

extern const struct target targets[]; /* the last one has no name */

/* Shows a failure: the packet of this step, and all that belongs to it. */
void fuzz_now(const char *what, const struct packet *p);
void fuzz_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Counts an outcome of packets, for the line at the end. */
#define N_VERDICTS 5
extern uint64_t fuzz_seen[N_VERDICTS];
extern const char *const fuzz_verdicts[N_VERDICTS];

#endif
