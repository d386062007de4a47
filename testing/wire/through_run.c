/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Runs "wire through": sends, waits, and judges the packets that arrive. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/sock_diag.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "others.h"
#include "through.h"

/* How often the patience for one packet makes up that for a whole TCP stream. */
#define STREAM_TIMES 10
/* Missing DSCPs that are named. */
#define SAID_MAX 3

/*
 * Arriving packets
 */

/* Judges the next packet: 0, -EAGAIN if there is none, or another negative errno. */
static int judge_next(struct through *t)
{
	struct received got;
	ssize_t len;
	int err;

	if (!t->cfg.at) {
		err = receive_datagram(t->observer.fd, &got);
		if (!err)
			judge_received(&t->judge, got.ip_len, got.ds, got.number);
		return err;
	}
	len = observer_next(&t->observer, t->packet);
	if (len < 0)
		return (int)len;
	judge_packet(&t->judge, t->packet, (size_t)len, false);
	return 0;
}

/* Takes account of the next packet. One that should not be there ends the run. */
static int take_packet(struct through *t)
{
	const struct judge_last *last = &t->judge.last;
	const unsigned int before = t->seen.seen;
	int err = judge_next(t);

	if (err)
		return err;
	if (last->data && !is_stream(t))
		seen_packet(&t->seen, last);
	if (last->marker && t->marker_seen)
		t->seen.twice++;
	t->marker_seen |= last->marker;
	if (t->seen.seen > before || last->marker)
		t->last_seen_ns = now_ns();
	return t->seen.twice || t->seen.strange ? -EEXIST : 0;
}

static bool same_bytes(struct packet *p, const uint8_t *bytes, size_t len)
{
	return packet_len(p) == len && memcmp(packet_data(p), bytes, len) == 0;
}

/* Returns true for one of the sender's own packets, such as a handshake of a tunnel. */
static bool not_of_others(const struct through *t, size_t len)
{
	struct others_config others;
	struct parsed p;

	others_init(&others);
	return packet_parse(t->packet, len, true, &p) == 0 && p.family != AF_UNSPEC &&
	       !address_equal(&p.src, &others.src) && !address_equal(&p.src, &others.src6);
}

/* Finds the frame on its way that has these bytes: its slot, or a negative errno. */
static int find_frame(struct through *t, size_t len)
{
	unsigned int i;

	for (i = 0; i < t->cfg.in_flight; i++)
		if (t->used[i] && same_bytes(&t->frames[i], t->packet, len))
			return (int)i;
	return -ENOENT;
}

/* The same for foreign frames, which are compared to those on their way. */
static int take_frame(struct through *t)
{
	ssize_t len = observer_next(&t->observer, t->packet);
	int slot;

	if (len < 0)
		return (int)len;
	slot = find_frame(t, (size_t)len);
	if (slot >= 0) {
		t->used[slot] = false;
		t->seen.seen++;
		t->last_seen_ns = now_ns();
		return 0;
	}
	if (not_of_others(t, (size_t)len)) {
		t->judge.other++;
		return 0;
	}
	t->seen.strange++;
	complain("a frame of %zd bytes arrived that is not one of those on their way", len);
	return -EEXIST;
}

static int take(struct through *t)
{
	return t->frames ? take_frame(t) : take_packet(t);
}

/* Takes all that has arrived, or waits for one. */
static int take_or_wait(struct through *t)
{
	struct pollfd pfd = { .fd = t->observer.fd, .events = POLLIN };
	int64_t left;
	int err = take(t);

	if (!err) {
		while (!err)
			err = take(t);
		return err == -EAGAIN ? 0 : err;
	}
	if (err != -EAGAIN)
		return err;
	left = t->last_seen_ns + t->cfg.seconds * 1000000000LL - now_ns();
	if (left <= 0)
		return -ETIMEDOUT;
	poll(&pfd, 1, (int)(left / 1000000) + 1);
	return stop_requested ? -EINTR : 0;
}

/*
 * The closed loop
 */

static int send_packet(struct through *t, unsigned int i)
{
	int n = sender_send(&t->sender, i);

	if (n < 0)
		return n;
	seen_sent(&t->seen, sender_dscp(&t->sender, i), (unsigned int)n);
	return 0;
}

static int send_frame(struct through *t, unsigned int i)
{
	struct others_config others;
	unsigned int slot = 0;
	int err;

	others_init(&others);
	others.eth_src = t->sender.pat.eth_src;
	others.eth_dst = t->sender.pat.eth_dst;
	if (t->cfg.tunnel_port)
		others.tunnel_port = t->cfg.tunnel_port;
	while (t->used[slot])
		slot++;
	others_build(&others, i, &t->frames[slot]);
	err = inject_packet(&t->sender.inj, &t->frames[slot]);
	if (err)
		return err;
	t->used[slot] = true;
	t->seen.sent++;
	return 0;
}

/* Waits until no more than so many are on their way. */
static int await_in_flight(struct through *t, unsigned int limit)
{
	int err = 0;

	while (!err && seen_in_flight(&t->seen) > limit)
		err = take_or_wait(t);
	return err;
}

/* Sends a last packet, behind which nothing is on its way, and waits for it. */
static int await_marker(struct through *t)
{
	int err = sender_send_marker(&t->sender);

	t->marker_seen = false;
	t->last_seen_ns = now_ns();
	while (!err && !t->marker_seen)
		err = take_or_wait(t);
	return err;
}

/* Takes the packets that have arrived, without waiting. */
static int drain(struct through *t)
{
	int err;

	do
		err = take(t);
	while (!err);
	return err == -EAGAIN ? 0 : err;
}

/* The last foreign frame is their marker: it is sent when all others have been seen. */
static int run_frames(struct through *t)
{
	unsigned int i;
	int err = 0;

	t->last_seen_ns = now_ns();
	for (i = 0; i < t->cfg.count && !err; i++) {
		err = await_in_flight(t, i + 1 == t->cfg.count ? 0 : t->cfg.in_flight - 1);
		if (!err)
			err = send_frame(t, i);
	}
	if (!err)
		err = await_in_flight(t, 0);
	return err ? err : drain(t);
}

/* For a wire that loses packets, but no marker: behind one, each packet is either seen or lost. */
static int run_windows(struct through *t)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < t->cfg.count && !err; i++) {
		err = send_packet(t, i);
		if (!err && ((i + 1) % t->cfg.in_flight == 0 || i + 1 == t->cfg.count))
			err = await_marker(t);
	}
	return err ? err : drain(t);
}

static int run_loop(struct through *t)
{
	unsigned int i;
	int err = 0;

	t->last_seen_ns = now_ns();
	for (i = 0; i < t->cfg.count && !err; i++) {
		err = send_packet(t, i);
		/* Fragments are two packets. */
		if (!err && !t->cfg.none)
			err = await_in_flight(t, t->cfg.in_flight - 1);
	}
	if (!err && !t->cfg.none)
		err = await_in_flight(t, 0);
	if (!err && !t->cfg.no_marker)
		err = await_marker(t);
	return err ? err : drain(t);
}

static void explain(const struct through *t, int err)
{
	const struct seen *s = &t->seen;
	unsigned int d, said = 0;

	if (s->twice || s->strange)
		complain("%u packets were seen twice, %u were not sent", s->twice, s->strange);
	if (err == -ETIMEDOUT)
		complain("lost: %u packets were sent, %u seen, and for %u s no more%s", s->sent,
			 s->seen, t->cfg.seconds,
			 s->seen == s->count || t->cfg.lossy ? " (the marker)" : "");
	else if (err && err != -EEXIST)
		complain("%s", strerror(-err));
	for (d = 0; d < 64 && err == -ETIMEDOUT && !t->cfg.none && !t->cfg.lossy && said < SAID_MAX;
	     d++)
		if (s->seen_of[d] != s->sent_of[d] && ++said)
			complain("DSCP %u: %u of %u were seen", d, s->seen_of[d], s->sent_of[d]);
	if (t->cfg.none && s->seen)
		complain("%u packets arrived, and none should have", s->seen);
	if (t->drops)
		complain("%u packets were dropped by the socket that observes", t->drops);
}

static unsigned int count_drops(const struct through *t)
{
	uint32_t memory[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(memory);

	if (t->cfg.at)
		return observer_drops(&t->observer);
	getsockopt(t->observer.fd, SOL_SOCKET, SO_MEMINFO, memory, &len);
	return memory[SK_MEMINFO_DROPS];
}

/*
 * A TCP stream: all bytes have to come, and each packet of it is right
 */

/* Serves in a separate process, which succeeds when it has read all bytes. */
static pid_t start_server(const struct tcp_config *tcp)
{
	struct tcp_served served = { 0 };
	int listener = tcp_open_server(tcp->port);
	pid_t pid = listener < 0 ? -1 : fork();

	if (pid == 0)
		_exit(tcp_serve(tcp, listener, &served) == 0 && served.bytes == tcp->bytes ? 0 : 1);
	if (pid < 0)
		complain("cannot serve TCP: %s", strerror(errno));
	if (listener >= 0)
		close(listener);
	return pid;
}

static int run_stream(struct through *t, const struct tcp_config *tcp, int client)
{
	pid_t pid = start_server(tcp);
	int status = 1, err;

	if (pid < 0)
		return -ECHILD;
	err = tcp_transfer(tcp, client);
	if (waitpid(pid, &status, 0) != pid || status)
		err = -EIO;
	/* The bytes that the server has read have passed the observer. */
	return err ? err : drain(t);
}

static struct tcp_config stream(const struct through *t)
{
	return (struct tcp_config){ .src = t->cfg.pat.src,
				    .dst = t->cfg.pat.dst,
				    .port = t->cfg.pat.dport,
				    .dscp = (unsigned int)t->cfg.pat.dscp,
				    .bytes = t->cfg.bytes,
				    .connections = 1,
				    .seconds = STREAM_TIMES * t->cfg.seconds };
}

/*
 * The ends
 */

static int open_sender(struct through *t)
{
	if (way_is(t, "others")) {
		t->frames = calloc(t->cfg.in_flight, sizeof(*t->frames));
		t->used = calloc(t->cfg.in_flight, sizeof(*t->used));
		if (!t->frames || !t->used)
			return -ENOMEM;
	}
	return sender_open(&t->sender);
}

static int open_observer(struct through *t)
{
	const bool inner = t->cfg.judge.cfg.tunnel == TUNNEL_NONE && !t->frames;
	uint16_t protocol = ETH_P_ALL;

	if (!t->cfg.at) {
		t->observer.fd = receive_open(t->cfg.pat.dport);
		if (t->observer.fd < 0)
			complain("cannot listen on port %u: %s", t->cfg.pat.dport,
				 strerror(-t->observer.fd));
		return t->observer.fd < 0 ? -EIO : 0;
	}
	if (inner || t->cfg.behind)
		protocol = pattern_ethertype(&t->cfg.pat);
	t->observer.frames = t->frames != NULL;
	t->observer.leaving = t->cfg.leaving;
	return observer_open(&t->observer, t->cfg.at, protocol);
}

static int enter(const char *netns)
{
	int err = enter_netns(netns);

	if (err)
		complain("%s: %s", netns, strerror(-err));
	return err;
}

static int run_as_asked(struct through *t)
{
	if (t->frames)
		return run_frames(t);
	return t->cfg.lossy ? run_windows(t) : run_loop(t);
}

static bool is_complete(const struct through *t)
{
	if (t->drops)
		return false;
	if (t->cfg.lossy)
		return t->seen.sent == t->seen.count && !t->seen.twice && !t->seen.strange;
	return t->cfg.none ? !t->seen.seen : seen_exactly(&t->seen);
}

int through_packets(struct through *t, const char *const netns[2])
{
	int err = enter(netns[0]);

	if (!err)
		err = open_sender(t);
	if (err)
		return err;
	err = enter(netns[1]);
	if (!err)
		err = open_observer(t);
	if (!err) {
		t->open = true;
		err = run_as_asked(t);
		t->drops = count_drops(t);
		explain(t, err);
		close(t->observer.fd);
	}
	sender_close(&t->sender);
	t->complete = !err && is_complete(t);
	return err;
}

int through_stream(struct through *t, const char *const netns[2])
{
	struct tcp_config tcp = stream(t);
	int client, err = enter(netns[0]);

	client = err ? -1 : tcp_open_client(&tcp);
	if (client < 0)
		return -EIO;
	err = enter(netns[1]);
	if (!err)
		err = open_observer(t);
	if (!err) {
		t->open = true;
		err = run_stream(t, &tcp, client);
		t->drops = count_drops(t);
		explain(t, err);
		close(t->observer.fd);
	}
	close(client);
	if (!err && t->judge.bytes < tcp.bytes)
		complain("%u bytes were sent, packets of %lu were seen", tcp.bytes, t->judge.bytes);
	t->complete = !err && !t->drops && t->judge.judged && t->judge.bytes >= tcp.bytes;
	return err;
}
