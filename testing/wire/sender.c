/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Sends the packets of one pattern, by a socket or on a device. */
#include "sender.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ECT0 2

static int open_device(struct sender *s)
{
	int err = inject_open(&s->inj, s->dev, NULL);

	if (err)
		return err;
	s->pat.ethernet = s->inj.ethernet;
	if (!s->pat.eth_src.set)
		s->pat.eth_src = s->inj.mac;
	err = pattern_check(&s->pat);
	if (err)
		inject_close(&s->inj);
	return err;
}

int sender_open(struct sender *s)
{
	if (s->dev)
		return open_device(s);
	s->to.dst = s->pat.dst;
	s->to.port = s->echo ? 0 : s->pat.dport;
	s->to.echo = s->echo;
	s->to.fd = datagram_open(&s->to, &s->pat.src, s->pat.sport);
	return s->to.fd < 0 ? s->to.fd : 0;
}

void sender_close(struct sender *s)
{
	if (s->dev)
		inject_close(&s->inj);
	else
		close(s->to.fd);
}

unsigned int sender_dscp(const struct sender *s, unsigned int i)
{
	return cycle_value(s->pat.dscp, i, 64);
}

static int inject_pattern(struct sender *s, const struct pattern *pat, unsigned int i)
{
	struct packet packets[PATTERN_PACKETS];
	unsigned int k, n = pattern_build(pat, i, packets);
	int err = 0;

	for (k = 0; k < n && !err; k++)
		err = inject_packet(&s->inj, &packets[k]);
	return err ? err : (int)n;
}

static int send_datagram(struct sender *s, uint32_t number, size_t ip_len, uint8_t ds)
{
	int err = datagram_send(&s->to, number, ip_len, ds);

	if (!err)
		return 1;
	complain("cannot send packet %u: %s", number, strerror(-err));
	return err;
}

int sender_send(struct sender *s, unsigned int i)
{
	const unsigned int dscp = sender_dscp(s, i);

	if (s->dev)
		return inject_pattern(s, &s->pat, i);
	return send_datagram(s, i, rule_length(dscp),
			     (uint8_t)(dscp << 2 | cycle_value(s->pat.ecn, i, 4)));
}

int sender_send_marker(struct sender *s)
{
	struct pattern marker = s->pat;
	int n;

	if (!s->dev) {
		n = send_datagram(s, MARKER_NUMBER, MARKER_LENGTH, ECT0);
		return n < 0 ? n : 0;
	}
	if (marker.proto == PROTO_FRAG)
		marker.proto = PROTO_UDP;
	marker.dscp = 0;
	marker.ecn = ECT0;
	marker.rule = (MARKER_LENGTH - RULE_BASE) / RULE_STEP;
	n = inject_pattern(s, &marker, MARKER_NUMBER);
	return n < 0 ? n : 0;
}
