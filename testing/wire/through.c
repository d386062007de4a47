/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * wire through: one process sends in one network namespace and looks at the packets that arrive in
 * another. The next packet is sent when earlier ones were seen, so that none is lost in a queue,
 * and each has to be seen exactly once.
 */
#include "through.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IN_FLIGHT_MAX 1024

#define FIELD(name) offsetof(struct through_config, name)
#define JUDGE_FIELD(name) FIELD(judge.name)
static const struct option_spec through_options[] = {
	JUDGE_OPTIONS(JUDGE_FIELD),
	{ "--way", OPT_TEXT, FIELD(way), 0, 0 },
	{ "--dev", OPT_TEXT, FIELD(dev), 0, 0 },
	{ "--at", OPT_TEXT, FIELD(at), 0, 0 },
	{ "--behind", OPT_FLAG, FIELD(behind), 0, 0 },
	{ "--leaving", OPT_FLAG, FIELD(leaving), 0, 0 },
	{ "--src", OPT_ADDRESS, FIELD(pat.src), 0, 0 },
	{ "--dst", OPT_ADDRESS, FIELD(pat.dst), 0, 0 },
	{ "--sport", OPT_NUMBER, FIELD(pat.sport), 0, 65535 },
	{ "--dport", OPT_NUMBER, FIELD(pat.dport), 1, 65535 },
	{ "--dscp", OPT_CYCLE, FIELD(pat.dscp), 0, 63 },
	{ "--flows", OPT_FLAG, FIELD(pat.flows), 0, 0 },
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
	{ "--lossy", OPT_FLAG, FIELD(lossy), 0, 0 },
	{ 0 },
};

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

static void print_missing(const struct through *t)
{
	const char *separator = "";
	unsigned int i;

	printf("\"missing\":[");
	for (i = 0; i < t->seen.sent; i++) {
		if (seen_number(&t->seen, i))
			continue;
		printf("%s%u", separator, i);
		separator = ",";
	}
	printf("],");
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
	if (cfg->lossy && (cfg->at || cfg->none || cfg->no_marker || is_stream(t)))
		return "--lossy is for a socket that gets packets and markers";
	if (cfg->pat.flows && !cfg->dev)
		return "--flows needs --dev";
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
	/* A socket's datagrams are from anywhere, and foreign frames are not judged. */
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
	if (t->cfg.lossy)
		print_missing(t);
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
	err = is_stream(t) ? through_stream(t, netns) : through_packets(t, netns);
	return t->open && report(t, err) ? 0 : EXIT_FAILED;
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
	"     [--dev DEV --way udp|tcp|icmp|esp|frag [--eth-src MAC --eth-dst MAC]\n"
	"      [--flows]]\n"
	"     [--dscp D|cycle] [--send-ecn E|cycle] [--count N] [--in-flight N] [--seconds S]\n"
	"     [--none] [--no-marker] [--lossy] [--bytes N]\n"
	"     [--at DEV [--tunnel KIND --from ADDR [--port P] [--behind]]]\n"
	"     [options of wire judge]\n"
	"     or: NETNS_A NETNS_B --way others --dev DEV --at DEV [--leaving] --eth-dst MAC\n"
	"     [--eth-src MAC] [--tunnel-port P] [--count N] [--in-flight N] [--seconds S]",
	through_options,
	2,
	run,
};
