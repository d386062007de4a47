/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * wire through: one process sends in one network namespace and looks at what arrives in another.
 * The next packet is sent when earlier ones were seen, so that none is lost in a queue, and each
 * has to be seen exactly once.
 */
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

#include "judge_options.h"
#include "observe.h"
#include "others.h"
#include "seen.h"
#include "sender.h"

/* How often the patience for one packet makes up that for a whole TCP stream. */
#define STREAM_TIMES 10
#define IN_FLIGHT_MAX 1024
/* Missing DSCPs that are named. */
#define SAID_MAX 3

struct through_config {
	struct judge_options judge;
	struct pattern pat;
	const char *way, *dev, *at;
	unsigned int count, in_flight, seconds, bytes, tunnel_port;
	bool none, no_marker, leaving;
};

struct through {
	struct through_config cfg;
	struct sender sender;
	struct observer observer; /* of a device, or its fd is the UDP socket */
	struct judge judge;
	struct seen seen;
	int64_t last_seen_ns;
	bool marker_seen, complete;
	unsigned int drops;
	uint8_t packet[OBSERVE_MAX];
	/* For others: what is on its way. */
	struct packet *frames;
	bool *used;
};

#define FIELD(name) offsetof(struct through_config, name)
#define JUDGE_FIELD(name) FIELD(judge.name)
static const struct option_spec through_options[] = {
	JUDGE_OPTIONS(JUDGE_FIELD),
	{ "--way", OPT_TEXT, FIELD(way), 0, 0 },
	{ "--dev", OPT_TEXT, FIELD(dev), 0, 0 },
	{ "--at", OPT_TEXT, FIELD(at), 0, 0 },
	{ "--leaving", OPT_FLAG, FIELD(leaving), 0, 0 },
	{ "--src", OPT_ADDRESS, FIELD(pat.src), 0, 0 },
	{ "--dst", OPT_ADDRESS, FIELD(pat.dst), 0, 0 },
	{ "--sport", OPT_NUMBER, FIELD(pat.sport), 0, 65535 },
	{ "--dport", OPT_NUMBER, FIELD(pat.dport), 1, 65535 },
	{ "--dscp", OPT_CYCLE, FIELD(pat.dscp), 0, 63 },
	{ "--send-ecn", OPT_CYCLE, FIELD(pat.ecn), 0, 3 },
	{ "--eth-src", OPT_MAC, FIELD(pat.eth_src), 0, 0 },
	{ "--eth-dst", OPT_MAC, FIELD(pat.eth_dst), 0, 0 },
	{ "--count", OPT_NUMBER, FIELD(count), 0, 10000000 },
	{ "--in-flight", OPT_NUMBER, FIELD(in_flight), 1, IN_FLIGHT_MAX },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ "--bytes", OPT_NUMBER, FIELD(bytes), 1, 2000000000 },
	{ "--tunnel-port", OPT_NUMBER, FIELD(tunnel_port), 1, 65535 },
	{ "--none", OPT_FLAG, FIELD(none), 0, 0 },
	{ "--no-marker", OPT_FLAG, FIELD(no_marker), 0, 0 },
	{ 0 },
};

static bool way_is(const struct through *t, const char *way)
{
	return strcmp(t->cfg.way, way) == 0;
}

static bool is_stream(const struct through *t)
{
	return way_is(t, "tcp") && !t->cfg.dev;
}

/*
 * What arrives
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

/* The same for frames of others, which are compared to those on their way. */
static int take_frame(struct through *t)
{
	ssize_t len = observer_next(&t->observer, t->packet);
	unsigned int i;

	if (len < 0)
		return (int)len;
	for (i = 0; i < t->cfg.in_flight; i++) {
		if (!t->used[i] || !same_bytes(&t->frames[i], t->packet, (size_t)len))
			continue;
		t->used[i] = false;
		t->seen.seen++;
		t->last_seen_ns = now_ns();
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

	t->last_seen_ns = now_ns();
	while (!err && !t->marker_seen)
		err = take_or_wait(t);
	return err;
}

/* Takes what has arrived without being waited for. */
static int drain(struct through *t)
{
	int err;

	do
		err = take(t);
	while (!err);
	return err == -EAGAIN ? 0 : err;
}

/* The last frame of others is their marker: it is sent when all others have been seen. */
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
			 s->seen, t->cfg.seconds, s->seen == s->count ? " (the marker)" : "");
	else if (err && err != -EEXIST)
		complain("%s", strerror(-err));
	for (d = 0; d < 64 && err == -ETIMEDOUT && !t->cfg.none && said < SAID_MAX; d++)
		if (s->seen_of[d] != s->sent_of[d] && ++said)
			complain("DSCP %u: %u of %u were seen", d, s->seen_of[d], s->sent_of[d]);
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

/* Serves in a process of its own, which succeeds when it has read all bytes. */
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
	/* What the server has read has passed the observer. */
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
	if (inner)
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

static int run_packets(struct through *t, const char *const netns[2])
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
		err = t->frames ? run_frames(t) : run_loop(t);
		t->drops = count_drops(t);
		explain(t, err);
		close(t->observer.fd);
	}
	sender_close(&t->sender);
	t->complete = !err && !t->drops && (t->cfg.none ? !t->seen.seen : seen_exactly(&t->seen));
	return err;
}

static int run_tcp(struct through *t, const char *const netns[2])
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

/*
 * The command
 */

static void init(struct through_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	judge_options_init(&cfg->judge);
	cfg->judge.cfg.min = 0;
	cfg->judge.expect = "inner";
	cfg->judge.tunnel = "none";
	cfg->pat.dscp = CYCLE;
	cfg->pat.rule = RULE_AS_DSCP;
	cfg->pat.dport = 5000;
	cfg->way = "udp";
	cfg->count = 640;
	cfg->in_flight = 64;
	cfg->seconds = 60;
	cfg->bytes = 4000000;
}

static const char *find_fault(const struct through *t)
{
	const struct through_config *cfg = &t->cfg;

	if (way_is(t, "others"))
		return cfg->dev && cfg->at && cfg->pat.eth_dst.set
			       ? NULL
			       : "--way others needs --dev, --at and --eth-dst";
	if (cfg->pat.dst.family == AF_UNSPEC)
		return "--dst must be given";
	if (cfg->pat.src.family != AF_UNSPEC && cfg->pat.src.family != cfg->pat.dst.family)
		return "--src and --dst must be of one family";
	if (cfg->judge.cfg.from.family == AF_UNSPEC && cfg->at)
		return "--from or --src must be given";
	if (!cfg->at && strcmp(cfg->way, "udp"))
		return "only --way udp can do without --at";
	if (is_stream(t) && cfg->pat.dscp == CYCLE)
		return "--way tcp needs --dscp";
	if (cfg->dev || is_stream(t) || way_is(t, "ping") || way_is(t, "udp"))
		return NULL;
	return "such packets need --dev";
}

static int finish(struct through *t)
{
	struct through_config *cfg = &t->cfg;
	const char *fault;

	if (cfg->judge.cfg.from.family == AF_UNSPEC && strcmp(cfg->judge.tunnel, "none") == 0)
		cfg->judge.cfg.from = cfg->pat.src;
	fault = find_fault(t);
	if (fault) {
		complain("%s; see wire through --help", fault);
		return -EINVAL;
	}
	/* What a socket gets is from anywhere, and frames of others are not judged. */
	if (!cfg->at)
		cfg->judge.cfg.from = cfg->pat.dst;
	if (way_is(t, "others")) {
		parse_address("192.0.2.1", &cfg->pat.src);
		cfg->pat.dst = cfg->judge.cfg.from = cfg->pat.src;
	} else if (cfg->dev && pattern_proto(cfg->way, &cfg->pat.proto)) {
		return -EINVAL;
	}
	if (judge_options_finish(&cfg->judge))
		return -EINVAL;
	cfg->judge.cfg.tcp = is_stream(t);
	if (cfg->dev && !cfg->pat.sport)
		cfg->pat.sport = 40000;
	t->sender.pat = cfg->pat;
	t->sender.dev = cfg->dev;
	t->sender.echo = way_is(t, "ping");
	return 0;
}

static bool report(struct through *t, int err)
{
	/* Evaluated first, so that its reasons are stated in any case. */
	bool ok = judge_verdict(&t->judge);

	ok = ok && !err && t->complete;
	printf("{\"complete\":%s,\"sent\":%u,\"seen\":%u,\"twice\":%u,\"strange\":%u,\"dropped\":%"
	       "u,",
	       t->complete ? "true" : "false", t->seen.sent, t->seen.seen, t->seen.twice,
	       t->seen.strange, t->drops);
	print_json_members(&t->judge, ok);
	puts("}");
	return ok;
}

static unsigned int packets(const struct through *t)
{
	return t->cfg.dev && t->cfg.pat.proto == PROTO_FRAG ? 2 * t->cfg.count : t->cfg.count;
}

static int run_with(struct through *t, int argc, char **argv)
{
	const char *netns[2];
	int err;

	init(&t->cfg);
	err = options_parse(&through_command, argc, argv, &t->cfg, netns);
	if (err)
		return exit_usage(err);
	if (finish(t))
		return EXIT_USAGE;
	if (seen_init(&t->seen, packets(t)))
		return EXIT_FAILED;
	judge_init(&t->judge, &t->cfg.judge.cfg);
	stop_on_signals();
	err = is_stream(t) ? run_tcp(t, netns) : run_packets(t, netns);
	return report(t, err) ? 0 : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	struct through *t = calloc(1, sizeof(*t));
	int status;

	if (!t)
		return EXIT_FAILED;
	t->observer.fd = -1;
	status = run_with(t, argc, argv);
	seen_free(&t->seen);
	free(t->frames);
	free(t->used);
	free(t);
	return status;
}

const struct command through_command = {
	"through",
	"NETNS_A NETNS_B --dst B [--src A] [--way udp|ping|tcp] [--sport P] [--dport P]\n"
	"     [--dev DEV --way udp|tcp|icmp|esp|frag [--eth-src MAC --eth-dst MAC]]\n"
	"     [--dscp D|cycle] [--send-ecn E|cycle] [--count N] [--in-flight N] [--seconds S]\n"
	"     [--none] [--no-marker] [--bytes N]\n"
	"     [--at DEV [--tunnel KIND --from ADDR [--port P]]] [options of wire judge]\n"
	"     or: NETNS_A NETNS_B --way others --dev DEV --at DEV [--leaving] --eth-dst MAC\n"
	"     [--eth-src MAC] [--tunnel-port P] [--count N] [--in-flight N] [--seconds S]",
	through_options,
	2,
	run,
};
