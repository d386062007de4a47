/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Keeps the time between packets, and ends at a signal. */
#include <errno.h>
#include <time.h>

#include "wire.h"

#define NS_PER_SECOND 1000000000LL

volatile sig_atomic_t stop_requested;

static void on_signal(int sig)
{
	(void)sig;
	stop_requested = 1;
}

void stop_on_signals(void)
{
	/* No SA_RESTART: a blocking call must return. */
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_SECOND + ts.tv_nsec;
}

void pace_start(struct pace *pace, unsigned int rate, unsigned int seconds)
{
	pace->start = now_ns();
	pace->deadline = pace->start + seconds * NS_PER_SECOND;
	pace->rate = rate;
	pace->n = 0;
}

int pace_wait(struct pace *pace)
{
	int64_t now = now_ns(), due = now;
	struct timespec ts;

	if (pace->rate)
		due = pace->start + (int64_t)(pace->n * NS_PER_SECOND / pace->rate);
	pace->n++;
	if (now > pace->deadline || due > pace->deadline)
		return -ETIMEDOUT;
	if (due <= now)
		return 0;
	ts.tv_sec = due / NS_PER_SECOND;
	ts.tv_nsec = due % NS_PER_SECOND;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	return 0;
}
