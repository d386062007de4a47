/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * wire storm: sends random packets in one network namespace and in one behind it, and judges each
 * frame that arrives at a device of a third one. So many are on their way at most, each packet has
 * to arrive, each byte of it once.
 */
#include "storm.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/ethernet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define SAID_MAX 5

#define FIELD(name) offsetof(struct storm, name)
static const struct option_spec storm_options[] = {
	{ "--setup", OPT_TEXT, FIELD(setup_file), 0, 0 },
	{ "--at", OPT_TEXT, FIELD(at), 0, 0 },
	{ "--seed", OPT_NUMBER, FIELD(seed), 0, 0xffffffff },
	{ "--count", OPT_NUMBER, FIELD(count), 1, 1000000000 },
	{ "--in-flight", OPT_NUMBER, FIELD(in_flight), 1, STORM_FLIGHTS / 2 },
	{ "--senders", OPT_NUMBER, FIELD(n_senders), 1, STORM_SENDERS },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ 0 },
};

/* Waits for a frame: 0, -EIO if a sender has failed, -ETIMEDOUT if there is none for too long. */
static int await_frame(const struct storm *s, int64_t since)
{
	struct pollfd pfd = { .fd = s->observer.fd, .events = POLLIN };

	/* No longer than a second at a time, so that it is seen if a sender fails. */
	while (poll(&pfd, 1, 1000) <= 0) {
		if (stop_requested)
			return -EINTR;
		if (storm_failed(s))
			return -EIO;
		if (now_ns() - since > s->seconds * 1000000000LL)
			return -ETIMEDOUT;
	}
	return 0;
}

static unsigned int last_of(const struct storm_stack *stack)
{
	return stack->tunnel[stack->depth - 1];
}

static void say_missing(const struct storm *s)
{
	const struct storm_flight *f, *all = s->shared->flights;
	unsigned int said = 0;

	for (f = all; f < all + STORM_FLIGHTS && said < SAID_MAX; f++) {
		if (!f->used)
			continue;
		complain("seed %u, packet %u (%s, %s, IPv%d, %u tunnels, the last is %s): %u of %u "
			 "bytes have arrived",
			 s->seed, f->number, storm_way_names[f->way], storm_shape_names[f->shape],
			 f->family == AF_INET6 ? 6 : 4, f->stack.depth,
			 f->stack.depth ? s->setup.tunnels[last_of(&f->stack)].name : "none",
			 f->next, f->end);
		said++;
	}
}

/* Takes frames until all packets have arrived, and then those that should not be there. */
static int run_loop(struct storm *s)
{
	int err = 0;

	while (!err) {
		err = storm_take(s);
		if (err == -EAGAIN && s->arrived < s->count)
			err = await_frame(s, now_ns());
	}
	if (err == -EAGAIN)
		return 0;
	if (err == -ETIMEDOUT)
		say_missing(s);
	complain("%s", strerror(-err));
	return err;
}

/* The work of the senders, altogether. */
static struct storm_sent sum_up(const struct storm *s)
{
	struct storm_sent sum = { 0 };
	unsigned int i, k;

	for (i = 0; i < s->n_senders; i++) {
		sum.sent += s->shared->by[i].sent;
		sum.moved += s->shared->by[i].moved;
		for (k = 0; k < STORM_WAYS; k++)
			sum.way[k] += s->shared->by[i].way[k];
		for (k = 0; k < STORM_SHAPES; k++)
			sum.shape[k] += s->shared->by[i].shape[k];
	}
	return sum;
}

static void print_counts(const char *name, const char *const *names, const unsigned long *counts,
			 unsigned int n)
{
	unsigned int i;

	printf("\"%s\":{", name);
	for (i = 0; i < n; i++)
		printf("%s\"%s\":%lu", i ? "," : "", names[i], counts[i]);
	printf("},");
}

static bool report(const struct storm *s, int err, unsigned int drops)
{
	static const char *const parts[] = { "whole", "first_part", "later_part" };
	const struct storm_counts *n = &s->counts;
	const struct storm_sent sum = sum_up(s);
	const bool ok = !err && !drops && !n->violations && s->arrived == s->count;

	printf("{\"seed\":%u,\"ok\":%s,\"sent\":%u,\"missing\":%u,\"frames\":%lu,\"others\":%lu,"
	       "\"dropped\":%u,\"violations\":%lu,",
	       s->seed, ok ? "true" : "false", sum.sent, sum.sent - s->arrived, n->frames,
	       n->others, drops, n->violations);
	print_counts("way", storm_way_names, sum.way, STORM_WAYS);
	print_counts("shape", storm_shape_names, sum.shape, STORM_SHAPES);
	print_counts("outer", parts, n->outer, 3);
	print_counts("unmarked", storm_class_names, n->unmarked, STORM_CLASSES);
	printf("\"marked\":%lu,\"not_loaded\":%lu,\"as_sent\":%lu,\"inner_parts\":%lu,"
	       "\"nested\":%lu,\"moved\":%lu,\"taken_for\":%lu,\"sealed\":%lu,"
	       "\"users\":%lu}\n",
	       n->marked, n->unloaded, n->as_sent, n->inner_parts, n->nested, sum.moved,
	       n->taken_for, n->sealed, n->users);
	return ok;
}

static int enter(const char *netns)
{
	int err = enter_netns(netns);

	if (err)
		complain("%s: %s", netns, strerror(-err));
	return err;
}

/* In the end in the node: the senders are there, with a socket that is elsewhere. */
static int open_all(struct storm *s, const char *const netns[3])
{
	int err = enter(netns[2]);

	if (!err)
		err = storm_open_doors(s, true);
	if (!err)
		err = enter(netns[1]);
	if (!err)
		err = observer_open(&s->observer, s->at, ETH_P_ALL);
	if (!err)
		err = enter(netns[0]);
	return err ? err : storm_start(s);
}

static int run_with(struct storm *s, int argc, char **argv)
{
	const char *netns[3];
	int err = options_parse(&storm_command, argc, argv, s, netns);

	if (err)
		return exit_usage(err);
	if (!s->setup_file || !s->at) {
		complain("--setup and --at must be given; see wire storm --help");
		return EXIT_USAGE;
	}
	if (storm_read_setup(&s->setup, s->setup_file))
		return EXIT_USAGE;
	stop_on_signals();
	err = open_all(s, netns);
	if (!err)
		err = run_loop(s);
	storm_end(s, err != 0);
	if (s->observer.fd < 0)
		return EXIT_FAILED;
	return report(s, err, observer_drops(&s->observer)) ? 0 : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	struct storm *s = calloc(1, sizeof(*s));
	int status;

	if (!s)
		return EXIT_FAILED;
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->shared == MAP_FAILED) {
		free(s);
		return EXIT_FAILED;
	}
	s->observer.fd = -1;
	s->observer.frames = true;
	s->count = 20000;
	s->in_flight = 64;
	s->seconds = 60;
	s->seed = s->n_senders = 1;
	status = run_with(s, argc, argv);
	if (s->observer.fd >= 0)
		close(s->observer.fd);
	munmap(s->shared, sizeof(*s->shared));
	free(s);
	return status;
}

const struct command storm_command = {
	"storm",
	"NETNS_A NETNS_B NETNS_BEHIND_A --setup FILE --at DEV [--seed N] [--count N]\n"
	"     [--in-flight N] [--seconds S] [--senders N]",
	storm_options,
	3,
	run,
};
