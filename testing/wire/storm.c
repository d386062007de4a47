/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * wire storm: sends random packets in one network namespace and in one behind it, and judges each
 * frame that arrives at a device of a third one. So many are on their way at most, each packet has
 * to arrive, each byte of it once.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <net/ethernet.h>

#include "storm.h"

#define FIELD(name) offsetof(struct storm, name)
static const struct option_spec storm_options[] = {
	{ "--setup", OPT_TEXT, FIELD(setup_file), 0, 0 },
	{ "--at", OPT_TEXT, FIELD(at), 0, 0 },
	{ "--seed", OPT_NUMBER, FIELD(seed), 0, 0xffffffff },
	{ "--count", OPT_NUMBER, FIELD(count), 1, 1000000000 },
	{ "--in-flight", OPT_NUMBER, FIELD(in_flight), 1, STORM_FLIGHTS },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ 0 },
};

/* Takes all that has arrived, or waits for one. */
static int take_or_wait(struct storm *s)
{
	struct pollfd pfd = { .fd = s->observer.fd, .events = POLLIN };
	int err = storm_take(s);

	if (err != -EAGAIN) {
		while (!err)
			err = storm_take(s);
		return err == -EAGAIN ? 0 : err;
	}
	if (poll(&pfd, 1, (int)s->seconds * 1000) == 0)
		return -ETIMEDOUT;
	return stop_requested ? -EINTR : 0;
}

/* Waits until there are no more than so many, and the next one has its place. */
static int await_room(struct storm *s, unsigned int limit)
{
	int err = 0;

	while (!err &&
	       (s->on_their_way > limit || (limit && s->flights[s->sent % STORM_FLIGHTS].used)))
		err = take_or_wait(s);
	return err;
}

static void say_missing(const struct storm *s)
{
	const struct storm_flight *f;
	unsigned int said = 0;

	for (f = s->flights; f < s->flights + STORM_FLIGHTS && said < 5; f++) {
		if (!f->used)
			continue;
		complain("seed %u, packet %u (%s, %s): %u of %u bytes have arrived", s->seed,
			 f->number, storm_way_names[f->way], storm_shape_names[f->shape], f->next,
			 f->end);
		said++;
	}
}

/* As many tries as it takes until a packet is unlike those on their way. */
static int send_next(struct storm *s)
{
	int err = storm_send(s);

	while (err == -EBUSY) {
		err = s->on_their_way > s->in_flight / 2 ? take_or_wait(s) : 0;
		if (!err)
			err = storm_send(s);
	}
	return err;
}

static int run_loop(struct storm *s)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->count && !err; i++) {
		err = await_room(s, s->in_flight - 1);
		if (!err)
			err = send_next(s);
	}
	if (!err)
		err = await_room(s, 0);
	while (!err)
		err = storm_take(s);
	if (err == -EAGAIN)
		return 0;
	if (err == -ETIMEDOUT)
		say_missing(s);
	complain("%s", strerror(-err));
	return err;
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
	const bool ok = !err && !drops && !n->violations && !s->on_their_way;

	printf("{\"seed\":%u,\"ok\":%s,\"sent\":%u,\"missing\":%u,\"frames\":%lu,\"others\":%lu,"
	       "\"dropped\":%u,\"violations\":%lu,",
	       s->seed, ok ? "true" : "false", s->sent, s->on_their_way, n->frames, n->others,
	       drops, n->violations);
	print_counts("way", storm_way_names, n->way, STORM_WAYS);
	print_counts("shape", storm_shape_names, n->shape, STORM_SHAPES);
	print_counts("outer", parts, n->outer, 3);
	print_counts("unmarked", storm_class_names, n->unmarked, STORM_CLASSES);
	printf("\"marked\":%lu,\"not_loaded\":%lu,\"as_sent\":%lu,\"inner_parts\":%lu,"
	       "\"nested\":%lu,\"moved\":%lu,\"taken_for\":%lu,\"sealed\":%lu}\n",
	       n->marked, n->unloaded, n->as_sent, n->inner_parts, n->nested, n->moved,
	       n->taken_for, n->sealed);
	return ok;
}

static int enter(const char *netns)
{
	int err = enter_netns(netns);

	if (err)
		complain("%s: %s", netns, strerror(-err));
	return err;
}

/* In the end in the node: everything is sent from there, or by a socket that is elsewhere. */
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
	return err ? err : storm_open_sockets(s);
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
	s->state = s->seed;
	stop_on_signals();
	if (open_all(s, netns))
		return EXIT_FAILED;
	err = run_loop(s);
	return report(s, err, observer_drops(&s->observer)) ? 0 : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	struct storm *s = calloc(1, sizeof(*s));
	int status;

	if (!s)
		return EXIT_FAILED;
	s->observer.fd = s->raw[0] = s->raw[1] = -1;
	s->observer.frames = true;
	s->count = 20000;
	s->in_flight = 64;
	s->seconds = 60;
	s->seed = 1;
	status = run_with(s, argc, argv);
	storm_close(s);
	if (s->observer.fd >= 0)
		close(s->observer.fd);
	free(s);
	return status;
}

const struct command storm_command = {
	"storm",
	"NETNS_A NETNS_B NETNS_BEHIND_A --setup FILE --at DEV [--seed N] [--count N]\n"
	"     [--in-flight N] [--seconds S]",
	storm_options,
	3,
	run,
};
