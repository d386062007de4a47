/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The processes that send a storm: one for each CPU, so that packets of several are between their
 * first fragment and the last one at the same time. Each stays on its CPU, or else the fragments of
 * a packet could overtake each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "storm.h"

#define TRIES 64 /* to draw a packet that is unlike those on their way */

static int take_from(const int pipe[2])
{
	uint8_t token;
	ssize_t n;

	do
		n = read(pipe[0], &token, 1);
	while (n < 0 && errno == EINTR && !stop_requested);
	return n == 1 ? 0 : -EPIPE;
}

/* Waits until a packet has arrived, if as many are on their way as may be: 0 or a negative errno.
 */
static int take_token(const struct storm *s)
{
	return take_from(s->tokens[s->sender]);
}

void storm_give_token(const struct storm *s, uint32_t number)
{
	const uint8_t token = 0;

	if (write(s->tokens[number % s->n_senders][1], &token, 1) != 1)
		complain("a token is lost: %s", strerror(errno));
}

void storm_say_primed(const struct storm *s)
{
	const uint8_t tokens[STORM_SENDERS] = { 0 };

	if (write(s->primed[1], tokens, s->n_senders) != (ssize_t)s->n_senders)
		complain("the senders cannot begin: %s", strerror(errno));
}

/* If no packet can be found that is unlike those on their way, waits until there are fewer. */
static int send_next(struct storm *s, unsigned int *spare)
{
	int err = -EBUSY, i;

	while (err == -EBUSY) {
		for (i = 0; i < TRIES && err == -EBUSY; i++)
			err = storm_send(s);
		if (err != -EBUSY)
			break;
		if (take_token(s))
			return -EPIPE;
		++*spare;
	}
	return err;
}

static int send_all(struct storm *s)
{
	const unsigned int n = s->count / s->n_senders + (s->sender < s->count % s->n_senders);
	const unsigned int primers = s->sender ? 0 : s->n_primers;
	unsigned int i, spare = 0;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		if (i == primers && take_from(s->primed))
			return -EPIPE;
		if (spare)
			spare--;
		else
			err = take_token(s);
		if (!err)
			err = send_next(s, &spare);
	}
	return err;
}

static void stay_on_a_cpu(unsigned int number)
{
	cpu_set_t all, one;
	int cpu, n = 0;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || n++ != (int)number % CPU_COUNT(&all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void __attribute__((noreturn)) run_sender(struct storm *s)
{
	unsigned int i;
	int err;

	/* It ends with the observer. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < s->n_senders; i++)
		close(s->tokens[i][1]);
	close(s->primed[1]);
	stay_on_a_cpu(s->sender);
	s->state = s->seed + ((uint64_t)s->sender << 32);
	err = storm_open_sockets(s);
	if (!err)
		err = send_all(s);
	s->shared->by[s->sender].failed = err != 0;
	_exit(err ? 1 : 0);
}

int storm_start(struct storm *s)
{
	unsigned int i, k;

	if (pipe2(s->primed, O_CLOEXEC))
		return -errno;
	s->n_primers = storm_primers(&s->setup);
	if (s->n_primers > s->count / s->n_senders)
		s->n_primers = s->count / s->n_senders;
	if (!s->n_primers)
		storm_say_primed(s);
	for (i = 0; i < s->n_senders; i++) {
		if (pipe2(s->tokens[i], O_CLOEXEC))
			return -errno;
		for (k = 0; k < s->in_flight / s->n_senders || !k; k++)
			storm_give_token(s, i);
	}
	for (s->sender = 0; s->sender < s->n_senders; s->sender++) {
		s->pids[s->sender] = fork();
		if (s->pids[s->sender] == 0)
			run_sender(s);
		if (s->pids[s->sender] < 0)
			return -errno;
	}
	return 0;
}

bool storm_failed(const struct storm *s)
{
	unsigned int i;

	for (i = 0; i < s->n_senders; i++)
		if (s->shared->by[i].failed)
			return true;
	return false;
}

void storm_end(struct storm *s, bool kill_them)
{
	unsigned int i;

	for (i = 0; i < s->n_senders; i++) {
		if (s->pids[i] <= 0)
			continue;
		if (kill_them)
			kill(s->pids[i], SIGKILL);
		waitpid(s->pids[i], NULL, 0);
	}
}
