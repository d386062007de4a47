/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire send: complete packets, put on a device as they are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "inject.h"
#include "pattern.h"
#include "wire.h"

#define PAYLOAD_MAX 1400

struct send_config {
	struct pattern pat;
	const char *proto, *vlan, *payload, *wireguard, *copies_of, *record;
	unsigned int count, rate, seconds, ip_options, remark, ahead;
};

#define FIELD(name) offsetof(struct send_config, name)
static const struct option_spec send_options[] = {
	{ "--proto", OPT_TEXT, FIELD(proto), 0, 0 },
	{ "--src", OPT_ADDRESS, FIELD(pat.src), 0, 0 },
	{ "--dst", OPT_ADDRESS, FIELD(pat.dst), 0, 0 },
	{ "--count", OPT_NUMBER, FIELD(count), 1, 10000000 },
	{ "--rate", OPT_NUMBER, FIELD(rate), 0, 1000000 },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ "--dscp", OPT_CYCLE, FIELD(pat.dscp), 0, 63 },
	{ "--length-dscp", OPT_CYCLE, FIELD(pat.rule), 0, 63 },
	{ "--ecn", OPT_CYCLE, FIELD(pat.ecn), 0, 3 },
	{ "--sport", OPT_NUMBER, FIELD(pat.sport), 0, 65535 },
	{ "--dport", OPT_NUMBER, FIELD(pat.dport), 0, 65535 },
	{ "--flows", OPT_FLAG, FIELD(pat.flows), 0, 0 },
	{ "--ttl", OPT_NUMBER, FIELD(pat.ttl), 1, 255 },
	{ "--ip-options", OPT_NUMBER, FIELD(ip_options), 0, 10 },
	{ "--eth-dst", OPT_MAC, FIELD(pat.eth_dst), 0, 0 },
	{ "--eth-src", OPT_MAC, FIELD(pat.eth_src), 0, 0 },
	{ "--vlan", OPT_TEXT, FIELD(vlan), 0, 0 },
	{ "--payload", OPT_TEXT, FIELD(payload), 0, 0 },
	{ "--wireguard", OPT_TEXT, FIELD(wireguard), 0, 0 },
	{ "--copies-of", OPT_TEXT, FIELD(copies_of), 0, 0 },
	{ "--remark", OPT_NUMBER, FIELD(remark), 0, 63 },
	{ "--ahead", OPT_NUMBER, FIELD(ahead), 0, 0x7fffffff },
	{ "--record", OPT_TEXT, FIELD(record), 0, 0 },
	{ 0 },
};

static int parse_vlans(const char *text, struct pattern *pat)
{
	char first[8];
	const char *comma = strchr(text, ',');
	size_t len = comma ? (size_t)(comma - text) : strlen(text);
	unsigned long id;

	if (len < sizeof(first)) {
		memcpy(first, text, len);
		first[len] = 0;
		if (parse_number(first, 1, 4094, &id) == 0) {
			pat->vlans[pat->n_vlans++] = (uint16_t)id;
			if (!comma)
				return 0;
			if (pat->n_vlans < 2)
				return parse_vlans(comma + 1, pat);
		}
	}
	complain("--vlan: '%s' is not one or two numbers from 1 to 4094", text);
	return -EINVAL;
}

static int parse_wireguard(const char *text, unsigned int *type)
{
	unsigned long number;

	if (strcmp(text, "keepalive") == 0) {
		*type = WG_KEEPALIVE;
		return 0;
	}
	if (parse_number(text, WG_INITIATION, WG_DATA, &number)) {
		complain("--wireguard: '%s' is not a type from 1 to 4, or 'keepalive'", text);
		return -EINVAL;
	}
	*type = (unsigned int)number;
	return 0;
}

static int finish_pattern(struct send_config *cfg, uint8_t *payload)
{
	int len;

	if (pattern_proto(cfg->proto, &cfg->pat.proto))
		return -EINVAL;
	if (cfg->vlan && parse_vlans(cfg->vlan, &cfg->pat))
		return -EINVAL;
	if (cfg->wireguard && parse_wireguard(cfg->wireguard, &cfg->pat.wireguard))
		return -EINVAL;
	cfg->pat.options_len = (size_t)cfg->ip_options * 4;
	if (!cfg->payload)
		return 0;
	len = parse_hex(cfg->payload, payload, PAYLOAD_MAX);
	if (len < 0) {
		complain("--payload: not up to %d bytes in hex", PAYLOAD_MAX);
		return len;
	}
	cfg->pat.payload = payload;
	cfg->pat.payload_len = (size_t)len;
	return 0;
}

static int send_pattern(const struct send_config *cfg, struct inject *inj, struct pace *pace)
{
	struct packet packets[PATTERN_PACKETS];
	unsigned int i, k, n;
	int err;

	for (i = 0; i < cfg->count && !stop_requested; i++) {
		n = pattern_build(&cfg->pat, i, packets);
		for (k = 0; k < n; k++) {
			err = pace_wait(pace);
			if (!err)
				err = inject_packet(inj, &packets[k]);
			if (err)
				return err;
		}
	}
	return 0;
}

static void set_dscp(uint8_t *ip, const struct parsed *h, unsigned int dscp)
{
	uint16_t sum;

	if (h->family == AF_INET6) {
		ip[0] = (uint8_t)((ip[0] & 0xf0) | dscp >> 2);
		ip[1] = (uint8_t)((ip[1] & 0x3f) | (dscp & 3) << 6);
		return;
	}
	ip[1] = (uint8_t)(dscp << 2 | (ip[1] & 3));
	memset(ip + 10, 0, 2);
	sum = packet_checksum(0, ip, (size_t)(ip[0] & 15) * 4);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
}

/* Forges a recorded message as somebody could: another DSCP, and the number of a later one. */
static void forge(const struct send_config *cfg, struct packet *p, bool ethernet)
{
	struct parsed h;
	uint8_t *message;

	if (packet_parse(packet_data(p), packet_len(p), ethernet, &h) || !h.ports)
		return;
	set_dscp(packet_data(p) + h.l3, &h, (h.ds / 4u + cfg->remark) % 64);
	if (h.payload_len < WG_KEEPALIVE_LEN || !cfg->ahead)
		return;
	message = packet_data(p) + h.payload;
	if (h.family == AF_INET)
		memset(message - 2, 0, 2); /* no UDP checksum */
	for (unsigned int i = 8, carry = cfg->ahead; i < 16; i++, carry >>= 8) {
		carry += message[i];
		message[i] = (uint8_t)carry;
	}
}

static int replay(const struct send_config *cfg, pcap_t *pcap, struct inject *inj,
		  struct pace *pace)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	struct packet p;
	int err;

	if ((pcap_datalink(pcap) == DLT_EN10MB) != inj->ethernet) {
		complain("--copies-of: the file's packets are not of the device's kind");
		return -EINVAL;
	}
	while (pcap_next_ex(pcap, &header, &data) == 1 && !stop_requested) {
		if (header->caplen < header->len || header->len > PACKET_MAX - PACKET_HEADROOM) {
			complain("--copies-of: a packet of %u bytes is not complete", header->len);
			return -EINVAL;
		}
		packet_init(&p);
		packet_append(&p, data, header->caplen);
		if (cfg->remark || cfg->ahead)
			forge(cfg, &p, inj->ethernet);
		err = pace_wait(pace);
		if (!err)
			err = inject_packet(inj, &p);
		if (err)
			return err;
	}
	return 0;
}

static int send_copies(const struct send_config *cfg, struct inject *inj, struct pace *pace)
{
	char text[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(cfg->copies_of, text);
	int err;

	if (!pcap) {
		complain("%s", text);
		return -ENOENT;
	}
	err = replay(cfg, pcap, inj, pace);
	pcap_close(pcap);
	return err;
}

static int send_all(struct send_config *cfg, const char *dev)
{
	struct inject inj;
	struct pace pace;
	unsigned int i;
	int err, close_err;

	if (inject_open(&inj, dev, cfg->record))
		return EXIT_FAILED;
	cfg->pat.ethernet = inj.ethernet;
	if (!cfg->pat.eth_src.set)
		cfg->pat.eth_src = inj.mac;
	err = cfg->copies_of ? 0 : pattern_check(&cfg->pat);
	if (err) {
		inject_close(&inj);
		return EXIT_USAGE;
	}
	pace_start(&pace, cfg->rate, cfg->seconds);
	err = cfg->copies_of ? 0 : send_pattern(cfg, &inj, &pace);
	for (i = 0; cfg->copies_of && i < cfg->count && !err && !stop_requested; i++)
		err = send_copies(cfg, &inj, &pace);
	if (err == -ETIMEDOUT)
		complain("not done after %u seconds", cfg->seconds);
	printf("{\"sent\":%u}\n", inj.sent);
	close_err = inject_close(&inj);
	return err || close_err ? EXIT_FAILED : 0;
}

static int run(int argc, char **argv)
{
	struct send_config cfg = { .pat = { .rule = RULE_AS_DSCP, .sport = 40000, .dport = 40001 },
				   .count = 1,
				   .rate = 1000,
				   .seconds = 60 };
	uint8_t payload[PAYLOAD_MAX];
	const char *dev;
	int err = options_parse(&send_command, argc, argv, &cfg, &dev);

	if (err)
		return exit_usage(err);
	if (!cfg.copies_of && finish_pattern(&cfg, payload))
		return EXIT_USAGE;
	stop_on_signals();
	return send_all(&cfg, dev);
}

const struct command send_command = {
	"send",
	"DEV --proto udp|tcp|icmp|esp|frag|arp|nd --src A --dst B [--count N] [--rate PPS]\n"
	"     [--seconds S] [--dscp D|cycle] [--ecn E|cycle] [--length-dscp D|cycle] [--sport P]\n"
	"     [--dport P] [--ttl N] [--ip-options WORDS] [--eth-dst MAC] [--eth-src MAC]\n"
	"     [--vlan ID[,ID]] [--payload HEX | --wireguard 1-4|keepalive] [--flows]\n"
	"     [--record FILE]\n"
	"     or: DEV --copies-of FILE [--count TIMES] [--rate PPS] [--record FILE]\n"
	"     [--remark N] [--ahead N]: the DSCP, and the counter of a WireGuard message, are N "
	"more",
	send_options,
	1,
	run,
};
