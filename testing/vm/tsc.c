/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Prints the frequency of this processor's time stamp counter in kHz, which is also an emulated
 * processor's. A machine that finds it out by itself while its emulator has to wait for a processor
 * is wrong by any factor, and so are all times and limits in there.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define TRIES 1000
#define WAIT_NS 100000000

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>

static uint64_t counter(void)
{
	return __rdtsc();
}
#else
static uint64_t counter(void)
{
	return 0;
}
#endif

struct moment {
	uint64_t ns, ticks;
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

/* Reads both clocks at once: of many tries the one that was interrupted the least. */
static struct moment read_both(void)
{
	struct moment best = { 0 };
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = now(), ticks = counter(), after = now();

		if (after - before >= least)
			continue;
		least = after - before;
		best = (struct moment){ before + least / 2, ticks };
	}
	return best;
}

int main(void)
{
	struct moment from = read_both(), to;

	if (!counter())
		return 1;
	nanosleep(&(struct timespec){ .tv_nsec = WAIT_NS }, NULL);
	to = read_both();
	printf("%llu\n",
	       (unsigned long long)((to.ticks - from.ticks) * 1000000 / (to.ns - from.ns)));
	return 0;
}
