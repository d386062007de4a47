/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Runs rounds of random frames, and counts the outcomes. */
#include "fuzz.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "generate.h"

#define SEED 20261127u
#define RUNS 200000u
#define ROUND 50000u /* runs */
#define AUDIT 500u /* steps between two looks at the counters, which take longer than all else */

uint64_t fuzz_seen[N_VERDICTS];

static struct {
	uint64_t seed, runs;
	int64_t only_round; /* -1: all */
	unsigned int audit;
	bool device;
} options = { .seed = SEED, .runs = RUNS, .only_round = -1, .audit = AUDIT };

static struct {
	const struct target *target; /* NULL: nothing is under way */
	uint64_t round, step, runs;
	const char *what[2];
	struct packet packets[2];
	unsigned int n;
	char note[160];
} now;

void fuzz_now(const char *what, const struct packet *p)
{
	if (now.n == 2)
		now.n = 0;
	now.what[now.n] = what;
	now.packets[now.n].len = p->len;
	memcpy(now.packets[now.n++].bytes, p->bytes, p->len);
}

void fuzz_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(now.note, sizeof(now.note), format, args);
	va_end(args);
}

/* A check that fails ends the program: says the subject of the check. */
static void report(void)
{
	if (!now.target)
		return;
	fflush(stderr);
	printf("not ok - %s: --seed %" PRIu64 " --round %" PRIu64 "%s %s, step %" PRIu64
	       " or up to %u before\n",
	       now.target->name, options.seed, now.round, options.device ? " --device" : "",
	       now.target->name, now.step, options.audit - 1);
	printf("# %s\n", now.note);
	for (unsigned int i = 0; i < now.n; i++) {
		printf("# %s, %zu bytes: ", now.what[i], now.packets[i].len);
		for (size_t j = 0; j < now.packets[i].len; j++)
			printf("%02x", now.packets[i].bytes[j]);
		printf("\n");
	}
	fflush(stdout);
	_exit(1);
}

/* SIGTERM: the round under way is the last one. */
static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void run_round(const struct target *t, uint64_t round, uint64_t runs)
{
	uint64_t done = 0;

	now.round = round;
	now.step = 0;
	fuzz_seed(options.seed ^ round << 32);
	t->begin(t);
	while (done < runs) {
		now.n = 0;
		done += t->step(t);
		if (++now.step % options.audit == 0)
			t->audit();
	}
	t->audit();
	t->end(t);
	now.runs += done;
}

static void run_target(const struct target *t)
{
	uint64_t rounds = (options.runs + ROUND - 1) / ROUND, last = options.runs % ROUND;
	struct timespec from, to;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &from);
	now.target = t;
	now.runs = 0;
	for (uint64_t i = 0; i < rounds && !stopped; i++)
		if (options.only_round < 0 || options.only_round == (int64_t)i)
			run_round(t, i, i + 1 == rounds && last ? last : ROUND);
	now.target = NULL;
	clock_gettime(CLOCK_MONOTONIC, &to);
	seconds = to.tv_sec - from.tv_sec + (to.tv_nsec - from.tv_nsec) / 1e9;
	printf("ok - %s%s: %" PRIu64 " runs, seed %" PRIu64 ", %.0f s;", t->name,
	       options.device ? ", L3 packets" : "", now.runs, options.seed, seconds);
	for (int i = 0; i < N_VERDICTS; i++)
		if (fuzz_verdicts[i])
			printf(" %s %" PRIu64, fuzz_verdicts[i], fuzz_seen[i]);
	printf("\n");
}

static int usage(void)
{
	fprintf(stderr, "usage: fuzz_* [--seed N] [--round N] [--runs N] [--audit N] [--device] "
			"PROGRAM\n");
	for (const struct target *t = targets; t->name; t++)
		fprintf(stderr, "  %s\n", t->name);
	return 2;
}

static bool parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' }, { "round", required_argument, NULL, 'r' },
		{ "runs", required_argument, NULL, 'n' }, { "audit", required_argument, NULL, 'a' },
		{ "device", no_argument, NULL, 'd' },	  { NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		uint64_t n = optarg ? strtoull(optarg, &end, 0) : 0;

		if (c == '?' || (optarg && (*end || end == optarg)))
			return false;
		if (c == 's')
			options.seed = n;
		else if (c == 'r')
			options.only_round = n;
		else if (c == 'n')
			options.runs = n;
		else if (c == 'a')
			options.audit = n ? n : 1;
		else
			options.device = true;
	}
	return optind == argc - 1;
}

int main(int argc, char **argv)
{
	const struct target *t = targets;
	const char *reason;

	if (!parse(argc, argv))
		return usage();
	while (t->name && strcmp(t->name, argv[optind]))
		t++;
	if (!t->name)
		return usage();
	reason = t->refused(t);
	if (!reason && options.device)
		reason = t->open_device ? t->open_device() : "an XDP program gets frames only";
	if (reason) {
		printf("ok - %s # SKIP %s\n", t->name, reason);
		return 0;
	}
	atexit(report);
	signal(SIGTERM, stop);
	run_target(t);
	if (options.device)
		t->close_device();
	return 0;
}
