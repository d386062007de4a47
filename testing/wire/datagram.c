/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire udp, wire ping: one ordinary socket, with the DS field set per packet. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include "wire.h"

#define L4_HEADER 8 /* UDP and ICMP echo alike */
#define PING_ID 0x4453

struct datagram_config {
	struct address src, dst;
	unsigned int port, sport, count, rate, seconds;
	int dscp, ecn;
	bool connect;
};

#define FIELD(name) offsetof(struct datagram_config, name)
#define COMMON_OPTIONS                                                                             \
	{ "--src", OPT_ADDRESS, FIELD(src), 0, 0 }, { "--dst", OPT_ADDRESS, FIELD(dst), 0, 0 },    \
		{ "--count", OPT_NUMBER, FIELD(count), 1, 10000000 },                              \
		{ "--rate", OPT_NUMBER, FIELD(rate), 0, 1000000 },                                 \
		{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },                              \
		{ "--dscp", OPT_CYCLE, FIELD(dscp), 0, 63 },                                       \
	{                                                                                          \
		"--ecn", OPT_CYCLE, FIELD(ecn), 0, 3                                               \
	}

static const struct option_spec udp_options[] = {
	COMMON_OPTIONS,
	{ "--port", OPT_NUMBER, FIELD(port), 1, 65535 },
	{ "--sport", OPT_NUMBER, FIELD(sport), 0, 65535 },
	{ "--connect", OPT_FLAG, FIELD(connect), 0, 0 },
	{ 0 },
};

static const struct option_spec ping_options[] = { COMMON_OPTIONS, { 0 } };

int datagram_send(const struct datagrams *to, uint32_t number, size_t ip_len, uint8_t ds)
{
	bool v6 = to->dst.family == AF_INET6;
	struct ip_spec ip = { .src = to->dst, .dst = to->dst };
	struct packet p;

	packet_init(&p);
	packet_append_pattern(&p, ip_len - ip_header_len(&ip) - L4_HEADER, number);
	/* The kernel adds the header of UDP. It replaces an ICMPv6 checksum, and keeps ICMP's. */
	if (to->echo)
		packet_push_icmp(&p, &ip, v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO,
				 (uint32_t)PING_ID << 16 | (number & 0xffff));
	return send_with_ds(to->fd, &to->dst, to->port, to->connected, ds, packet_data(&p),
			    packet_len(&p));
}

int datagram_open(const struct datagrams *to, const struct address *src, unsigned int sport)
{
	if (to->echo)
		return open_socket(SOCK_RAW,
				   to->dst.family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, src,
				   &to->dst, 0);
	return open_socket(SOCK_DGRAM, 0, src, &to->dst, sport);
}

static int send_datagrams(const struct datagram_config *cfg, const struct datagrams *to)
{
	struct pace pace;
	unsigned int i, dscp;
	int err = 0;

	pace_start(&pace, cfg->rate, cfg->seconds);
	for (i = 0; i < cfg->count && !err && !stop_requested; i++) {
		dscp = cycle_value(cfg->dscp, i, 64);
		err = pace_wait(&pace);
		if (!err)
			err = datagram_send(to, i, rule_length(dscp),
					    (uint8_t)(dscp << 2 | cycle_value(cfg->ecn, i, 4)));
	}
	if (err)
		complain("cannot send packet %u: %s", i - 1, strerror(-err));
	printf("{\"sent\":%u}\n", err ? i - 1 : i);
	return err ? EXIT_FAILED : 0;
}

static int check(const struct datagram_config *cfg, bool needs_port)
{
	if (cfg->dst.family == AF_UNSPEC)
		complain("--dst must be given");
	else if (cfg->src.family != AF_UNSPEC && cfg->src.family != cfg->dst.family)
		complain("--src and --dst must be of one family");
	else if (needs_port && !cfg->port)
		complain("--port must be given");
	else
		return 0;
	return -EINVAL;
}

static struct datagram_config defaults(void)
{
	return (struct datagram_config){ .count = 64, .rate = 1000, .seconds = 60, .dscp = CYCLE };
}

static int run(const struct command *command, int argc, char **argv, bool echo)
{
	struct datagram_config cfg = defaults();
	struct datagrams to = { .echo = echo };
	int status, err = options_parse(command, argc, argv, &cfg, NULL);

	if (err)
		return exit_usage(err);
	if (check(&cfg, !echo))
		return EXIT_USAGE;
	stop_on_signals();
	to.dst = cfg.dst;
	to.port = cfg.port;
	to.connected = cfg.connect;
	to.fd = datagram_open(&to, &cfg.src, cfg.sport);
	if (to.fd < 0)
		return EXIT_FAILED;
	status = EXIT_FAILED;
	if (!cfg.connect || connect_socket(to.fd, &cfg.dst, cfg.port) == 0)
		status = send_datagrams(&cfg, &to);
	close(to.fd);
	return status;
}

static int run_udp(int argc, char **argv)
{
	return run(&udp_command, argc, argv, false);
}

static int run_ping(int argc, char **argv)
{
	return run(&ping_command, argc, argv, true);
}

const struct command udp_command = {
	"udp",
	"--dst A --port P [--src A] [--sport P] [--connect] [--count N] [--rate PPS]\n"
	"     [--seconds S] [--dscp D|cycle] [--ecn E|cycle]",
	udp_options,
	0,
	run_udp,
};

const struct command ping_command = {
	"ping",
	"--dst A [--src A] [--count N] [--rate PPS] [--seconds S] [--dscp D|cycle] [--ecn E|cycle]",
	ping_options,
	0,
	run_ping,
};
