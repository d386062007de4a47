/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire others: traffic of other people on an Ethernet uplink, the same for the same seed. */
#include "others.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <util/macros.h>

#include "inject.h"
#include "pattern.h"
#include "wire.h"
#include "../xorshift.h"

#define LENGTH_MAX 1300 /* of a payload: fits the MTU with all headers */
#define FRAGMENT_LEN 512
#define VXLAN_PORT 4789

/* One packet in the making. */
struct mix {
	const struct others_config *cfg;
	uint32_t random; /* state of the generator */
	unsigned int i;
	struct ip_spec ip;
	bool v6;
};

#define FIELD(name) offsetof(struct others_config, name)
static const struct option_spec others_options[] = {
	{ "--src", OPT_ADDRESS, FIELD(src), 0, 0 },
	{ "--dst", OPT_ADDRESS, FIELD(dst), 0, 0 },
	{ "--src6", OPT_ADDRESS, FIELD(src6), 0, 0 },
	{ "--dst6", OPT_ADDRESS, FIELD(dst6), 0, 0 },
	{ "--eth-src", OPT_MAC, FIELD(eth_src), 0, 0 },
	{ "--eth-dst", OPT_MAC, FIELD(eth_dst), 0, 0 },
	{ "--tunnel-port", OPT_NUMBER, FIELD(tunnel_port), 1, 65535 },
	{ "--count", OPT_NUMBER, FIELD(count), 1, 10000000 },
	{ "--rate", OPT_NUMBER, FIELD(rate), 0, 1000000 },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ "--seed", OPT_NUMBER, FIELD(seed), 1, 0xffffffff },
	{ "--record", OPT_TEXT, FIELD(record), 0, 0 },
	{ 0 },
};

static uint32_t next_random(struct mix *m)
{
	return xorshift32(&m->random);
}

static uint16_t random_port(struct mix *m)
{
	return (uint16_t)(1024 + next_random(m) % 64000);
}

static void append_random_length(struct mix *m, struct packet *p)
{
	packet_append_pattern(p, 4 + next_random(m) % LENGTH_MAX, m->i);
}

static void udp_random(struct mix *m, struct packet *p)
{
	append_random_length(m, p);
	packet_push_udp(p, &m->ip, random_port(m), random_port(m));
	packet_push_ip(p, &m->ip, IPPROTO_UDP);
}

/* From the tunnel's port, but not its address, with any payload. */
static void udp_tunnel_port(struct mix *m, struct packet *p)
{
	append_random_length(m, p);
	packet_push_udp(p, &m->ip, (uint16_t)m->cfg->tunnel_port, random_port(m));
	packet_push_ip(p, &m->ip, IPPROTO_UDP);
}

/* The same, and the payload is as WireGuard's data too. */
static void udp_like_wireguard(struct mix *m, struct packet *p)
{
	packet_append_pattern(p, rule_length(next_random(m) % 64) + WG_TAG_LEN, m->i);
	packet_push_wireguard(p, WG_DATA, next_random(m), m->i);
	packet_push_udp(p, &m->ip, (uint16_t)m->cfg->tunnel_port, random_port(m));
	packet_push_ip(p, &m->ip, IPPROTO_UDP);
}

static void tcp(struct mix *m, struct packet *p)
{
	append_random_length(m, p);
	packet_push_tcp(p, &m->ip, random_port(m), random_port(m), m->i, TH_ACK);
	packet_push_ip(p, &m->ip, IPPROTO_TCP);
}

static void echo(struct mix *m, struct packet *p)
{
	append_random_length(m, p);
	packet_push_icmp(p, &m->ip, m->v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO, next_random(m));
	packet_push_ip(p, &m->ip, m->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

static void esp(struct mix *m, struct packet *p)
{
	append_random_length(m, p);
	packet_push_esp(p, next_random(m), m->i);
	packet_push_ip(p, &m->ip, IPPROTO_ESP);
}

/* IPv4 options, or an IPv6 extension header. */
static void udp_with_options(struct mix *m, struct packet *p)
{
	append_random_length(m, p);
	packet_push_udp(p, &m->ip, (uint16_t)m->cfg->tunnel_port, random_port(m));
	if (m->v6)
		packet_push_ext(p, IPPROTO_UDP);
	else
		m->ip.options_len = 4 * (1 + next_random(m) % 10);
	packet_push_ip(p, &m->ip, m->v6 ? IPPROTO_DSTOPTS : IPPROTO_UDP);
}

static void fragment(struct mix *m, struct packet *p)
{
	bool first = next_random(m) & 1;
	struct packet whole;

	packet_init(&whole);
	packet_append_pattern(&whole, 2 * FRAGMENT_LEN - 8, m->i);
	packet_push_udp(&whole, &m->ip, (uint16_t)m->cfg->tunnel_port, random_port(m));
	packet_slice(p, &whole, first ? 0 : FRAGMENT_LEN, FRAGMENT_LEN);
	m->ip.fragment = true;
	m->ip.more = first;
	m->ip.frag_offset = first ? 0 : FRAGMENT_LEN;
	packet_push_ip(p, &m->ip, IPPROTO_UDP);
}

static void vxlan(struct mix *m, struct packet *p)
{
	append_random_length(m, p);
	packet_push_udp(p, &m->ip, random_port(m), random_port(m));
	packet_push_ip(p, &m->ip, IPPROTO_UDP);
	packet_push_eth(p, m->cfg->eth_dst.bytes, m->cfg->eth_src.bytes,
			m->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	packet_push_vxlan(p, next_random(m) & 0xffffff);
	packet_push_udp(p, &m->ip, random_port(m), VXLAN_PORT);
	packet_push_ip(p, &m->ip, IPPROTO_UDP);
}

/* A solicitation, an advertisement or a router solicitation; a nonce option tells them apart. */
static void neighbour(struct mix *m, struct packet *p)
{
	static const uint8_t types[] = { ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT,
					 ND_ROUTER_SOLICIT };
	static const uint8_t nonce[4] = { 14, 1 };
	uint8_t type = types[next_random(m) % 3];

	m->ip.ttl = 255;
	if (type != ND_ROUTER_SOLICIT)
		packet_append(p, m->ip.dst.bytes, 16);
	packet_append(p, nonce, sizeof(nonce));
	packet_append_pattern(p, 4, m->i);
	packet_push_icmp(p, &m->ip, type, 0);
	packet_push_ip(p, &m->ip, IPPROTO_ICMPV6);
}

static void arp(struct mix *m, struct packet *p)
{
	const uint8_t header[8] = { 0, 1, 8, 0, 6, 4, 0, (uint8_t)(1 + next_random(m) % 2) };

	packet_append(p, header, sizeof(header));
	packet_append(p, m->cfg->eth_src.bytes, 6);
	packet_append(p, m->cfg->src.bytes, 4);
	/* The target's hardware and protocol address, told apart by the number. */
	packet_append_pattern(p, 10, m->i);
}

typedef void (*kind_fn)(struct mix *m, struct packet *p);

static uint16_t build_body(struct mix *m, struct packet *p)
{
	static const kind_fn both[] = {
		udp_random, udp_tunnel_port,  udp_like_wireguard, tcp,	echo,
		esp,	    udp_with_options, fragment,		  vxlan
	};
	const unsigned int n_both = ARRAY_SIZE(both);
	unsigned int kind = next_random(m) % (n_both + 1);

	packet_init(p);
	if (kind < n_both) {
		both[kind](m, p);
	} else if (m->v6) {
		neighbour(m, p);
	} else {
		arp(m, p);
		return ETHERTYPE_ARP;
	}
	return m->v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
}

void others_build(const struct others_config *cfg, unsigned int i, struct packet *p)
{
	struct mix m = { .cfg = cfg, .i = i, .random = cfg->seed ^ (i * 2654435761u) };
	struct pattern link = { .ethernet = true,
				.eth_src = cfg->eth_src,
				.eth_dst = cfg->eth_dst };
	uint16_t ethertype;

	if (!m.random)
		m.random = 1; /* the one state xorshift cannot leave */
	/* The first numbers of neighbouring states are alike. */
	next_random(&m);
	next_random(&m);
	m.v6 = next_random(&m) & 1;
	m.ip.src = m.v6 ? cfg->src6 : cfg->src;
	m.ip.dst = m.v6 ? cfg->dst6 : cfg->dst;
	m.ip.ds = (uint8_t)i; /* all DSCPs and ECN values in turn */
	m.ip.ttl = 64;
	m.ip.id = i;
	ethertype = build_body(&m, p);
	/* One in eight has a tag, half of those two. */
	if (next_random(&m) % 8 == 0) {
		link.n_vlans = 1 + (next_random(&m) & 1);
		link.vlans[0] = (uint16_t)(1 + next_random(&m) % 4094);
		link.vlans[1] = (uint16_t)(1 + next_random(&m) % 4094);
	}
	pattern_link_header(&link, p, ethertype);
}

void others_init(struct others_config *cfg)
{
	*cfg = (struct others_config){
		.count = 10000, .rate = 2000, .seconds = 60, .seed = 1, .tunnel_port = 51820
	};
	/* RFC 5737 and RFC 3849: addresses for documentation. */
	parse_address("198.51.100.7", &cfg->src);
	parse_address("203.0.113.9", &cfg->dst);
	parse_address("2001:db8:77::7", &cfg->src6);
	parse_address("2001:db8:99::9", &cfg->dst6);
}

static int send_others(const struct others_config *cfg, struct inject *inj)
{
	struct packet p;
	struct pace pace;
	unsigned int i;
	int err = 0;

	pace_start(&pace, cfg->rate, cfg->seconds);
	for (i = 0; i < cfg->count && !stop_requested && !err; i++) {
		others_build(cfg, i, &p);
		err = pace_wait(&pace);
		if (err)
			complain("not done after %u seconds", cfg->seconds);
		else
			err = inject_packet(inj, &p);
	}
	printf("{\"sent\":%u}\n", inj->sent);
	return err;
}

static int run(int argc, char **argv)
{
	struct others_config cfg;
	struct inject inj;
	const char *dev;
	int err;

	others_init(&cfg);
	err = options_parse(&others_command, argc, argv, &cfg, &dev);
	if (err)
		return exit_usage(err);
	if (!cfg.eth_dst.set || cfg.src.family != AF_INET || cfg.dst.family != AF_INET ||
	    cfg.src6.family != AF_INET6 || cfg.dst6.family != AF_INET6) {
		complain("--eth-dst must be given; --src and --dst are IPv4, --src6 and --dst6 "
			 "IPv6");
		return EXIT_USAGE;
	}
	stop_on_signals();
	if (inject_open(&inj, dev, cfg.record))
		return EXIT_FAILED;
	if (!cfg.eth_src.set)
		cfg.eth_src = inj.mac;
	if (inj.ethernet)
		err = send_others(&cfg, &inj);
	else
		complain("%s is not an Ethernet device", dev);
	err = inject_close(&inj) || err || !inj.ethernet;
	return err ? EXIT_FAILED : 0;
}

const struct command others_command = {
	"others",
	"DEV --eth-dst MAC [--eth-src MAC] [--count N] [--seed N] [--rate PPS] [--seconds S]\n"
	"     [--src A --dst B] [--src6 A --dst6 B] [--tunnel-port P] [--record FILE]",
	others_options,
	1,
	run,
};
