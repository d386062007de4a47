/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Judges captured packets one by one, and counts verdicts. */
#include "judge.h"

#include <stdarg.h>
#include <string.h>

#include <netinet/in.h>
#include <sys/socket.h>

#define COMPLAINTS_MAX 10

static __attribute__((format(printf, 2, 3))) void blame(struct judge *j, const char *fmt, ...)
{
	va_list ap;

	if (!j->cfg.complaints || j->complained++ >= COMPLAINTS_MAX)
		return;
	fprintf(j->cfg.complaints, "packet %lu: ", j->packets);
	va_start(ap, fmt);
	vfprintf(j->cfg.complaints, fmt, ap);
	va_end(ap);
	fputc('\n', j->cfg.complaints);
}

void judge_init(struct judge *j, const struct judge_config *cfg)
{
	memset(j, 0, sizeof(*j));
	j->cfg = *cfg;
}

static void check_checksums(struct judge *j, const uint8_t *data, size_t len,
			    const struct parsed *p)
{
	if (p->ip_checksum_bad) {
		j->bad_ip_checksums++;
		blame(j, "bad IPv4 header checksum");
	}
	if (j->cfg.l4 && packet_l4_checksum_bad(data, len, p)) {
		j->bad_l4_checksums++;
		blame(j, "bad checksum of protocol %u", p->proto);
	}
}

static bool carries_tunnel(const struct judge *j, const struct parsed *p)
{
	switch (j->cfg.tunnel) {
	case TUNNEL_WIREGUARD:
	case TUNNEL_OVPN:
		return p->ports && p->proto == IPPROTO_UDP && p->sport == j->cfg.port;
	case TUNNEL_VXLAN:
	case TUNNEL_GENEVE:
		return p->ports && p->proto == IPPROTO_UDP && p->dport == j->cfg.port &&
		       (!j->cfg.outer_sport ||
			(p->sport >= j->cfg.outer_sport &&
			 p->sport <= j->cfg.outer_sport + j->cfg.outer_sports));
	case TUNNEL_GRE:
		return p->proto == IPPROTO_GRE;
	case TUNNEL_IPIP:
		return p->proto == IPPROTO_IPIP || p->proto == IPPROTO_IPV6;
	case TUNNEL_NONE:
		return !j->cfg.port || (p->ports && p->dport == j->cfg.port);
	}
	return false;
}

/* The DSCP it must have, or DSCP_ANY. */
static int wanted_dscp(const struct judge *j, int inner_dscp)
{
	if (j->cfg.expect == EXPECT_FIXED)
		return (int)j->cfg.fixed;
	return j->cfg.expect == EXPECT_INNER ? j->cfg.map[inner_dscp] : DSCP_ANY;
}

static void count_cell(struct judge_cell *cell, bool right, bool wrong)
{
	cell->packets++;
	cell->right += right;
	cell->wrong += wrong;
}

/* Judges one packet; inner values are DSCP_UNKNOWN or ECN_ANY where they are not known. */
static void judge_ds(struct judge *j, const struct parsed *p, int inner_dscp, int inner_ecn)
{
	unsigned int dscp = p->ds >> 2, ecn = p->ds & 3;
	int want_ecn = j->cfg.ecn == ECN_INNER ? inner_ecn : j->cfg.ecn;
	bool off, unmarked, bad_dscp, bad_ecn;
	int want;

	j->outer[dscp]++;
	j->outer_ecn[ecn]++;
	if (inner_dscp == DSCP_UNKNOWN)
		j->unknown_length++;
	if (inner_dscp == DSCP_UNKNOWN && j->cfg.expect == EXPECT_INNER)
		return;
	j->judged++;
	want = wanted_dscp(j, inner_dscp);
	off = want != DSCP_ANY && (int)dscp != want;
	unmarked = off && dscp == 0;
	bad_dscp = off && !(unmarked && j->cfg.unmarked_ok);
	bad_ecn = want_ecn != ECN_ANY && (int)ecn != want_ecn;
	j->unmarked += unmarked;
	j->wrong_dscp += bad_dscp;
	j->wrong_ecn += bad_ecn;
	j->wrong += bad_dscp || bad_ecn;
	j->right += !(off || bad_ecn);
	if (inner_dscp != DSCP_UNKNOWN)
		count_cell(&j->inner[inner_dscp], !(off || bad_ecn), bad_dscp || bad_ecn);
	if (bad_dscp)
		blame(j, "%zu bytes, inner DSCP %d: DSCP %u instead of %d", p->ip_len, inner_dscp,
		      dscp, want);
	if (bad_ecn)
		blame(j, "%zu bytes: ECN %u instead of %d", p->ip_len, ecn, want_ecn);
}

static void skip(struct judge *j, const struct parsed *p, int want, const char *what)
{
	if (want == DSCP_ANY || p->ds >> 2 == want)
		return;
	j->skipped_wrong++;
	blame(j, "%s with DSCP %d instead of %d", what, p->ds >> 2, want);
}

static uint64_t little_endian(const uint8_t *p, unsigned int n)
{
	uint64_t value = 0;

	while (n--)
		value = value << 8 | p[n];
	return value;
}

/* Notes a data message: a session's counter never has a value twice. */
static void wireguard_last(struct judge *j, const uint8_t *h, size_t ip_len)
{
	j->last.dscp = rule_dscp(ip_len);
	j->last.marker = rule_marker(ip_len) && !j->cfg.tcp;
	j->last.number = little_endian(h + 8, 8) ^ little_endian(h + 4, 4) << 32;
	j->bytes += ip_len;
}

/* Sorts out WireGuard's own messages; true if it is data. */
static bool wireguard_data(struct judge *j, const uint8_t *data, size_t len, const struct parsed *p)
{
	const uint8_t *h = data + p->payload;

	if (p->payload + WG_HEADER_LEN > len || p->payload_len < 4 || h[1] || h[2] || h[3]) {
		j->other++;
	} else if (h[0] == WG_DATA && p->payload_len > WG_KEEPALIVE_LEN) {
		wireguard_last(j, h, p->payload_len - WG_KEEPALIVE_LEN - j->cfg.overhead);
		return true;
	} else if (h[0] == WG_DATA && p->payload_len == WG_KEEPALIVE_LEN) {
		j->keepalive++;
		skip(j, p, j->cfg.handshake == DSCP_ANY ? DSCP_ANY : 0, "keepalive");
	} else if (h[0] >= WG_INITIATION && h[0] <= WG_COOKIE) {
		j->handshake++;
		/* Linux sends a cookie reply as plain DSCP 0, the other two as AF41. */
		skip(j, p, j->cfg.handshake == DSCP_ANY || h[0] != WG_COOKIE ? j->cfg.handshake : 0,
		     "handshake");
	} else {
		j->other++;
	}
	return false;
}

/* Sorts out OpenVPN's control messages and keepalives; true if it is data. A session's packet
 * number never has a value twice. */
static bool ovpn_data(struct judge *j, const uint8_t *data, size_t len, const struct parsed *p)
{
	const uint8_t *h = data + p->payload;
	size_t inner = p->payload_len - OVPN_HEADER_LEN;

	if (p->payload + OVPN_HEADER_LEN > len || p->payload_len < OVPN_HEADER_LEN) {
		j->other++;
	} else if (h[0] >> 3 != OVPN_DATA) {
		j->handshake++;
		skip(j, p, j->cfg.handshake, "control message");
	} else if (inner == OVPN_PING_LEN) {
		j->keepalive++;
		skip(j, p, j->cfg.handshake, "keepalive");
	} else {
		j->last.dscp = rule_dscp(inner - j->cfg.overhead);
		j->last.marker = rule_marker(inner - j->cfg.overhead) && !j->cfg.tcp;
		j->last.number = little_endian(h, 8);
		j->bytes += inner - j->cfg.overhead;
		return true;
	}
	return false;
}

/* Writes the outer ECN as Linux does (INET_ECN_encapsulate, RFC 3168's full functionality): a CE
 * stays inside, outside it is ECT(0). */
static int encapsulated_ecn(int inner)
{
	return inner == 3 ? 2 : inner;
}

/* Notes a packet that can be read: a plain one, or that inside a tunnel. */
static void readable_last(struct judge *j, const uint8_t *data, size_t len, const struct parsed *p)
{
	uint32_t number = 0;

	j->last.dscp = rule_dscp(p->ip_len);
	j->last.numbered = packet_number(data, len, p, &number);
	j->last.number = number;
	j->last.marker =
		rule_marker(p->ip_len) && number == MARKER_NUMBER && !p->fragment && !j->cfg.tcp;
	j->bytes += p->ip_len;
}

static void read_inner(struct judge *j, const uint8_t *data, size_t len, const struct parsed *p,
		       int *dscp, int *ecn)
{
	struct parsed inner, innermost;
	int told;

	if (packet_parse_inner(data, len, p, j->cfg.tunnel, &inner) || inner.family == AF_UNSPEC)
		return;
	innermost = inner;
	if (j->cfg.nested && packet_parse_inner(data, len, &inner, j->cfg.tunnel, &innermost))
		return;
	readable_last(j, data, len, &innermost);
	*dscp = inner.ds >> 2;
	*ecn = encapsulated_ecn(inner.ds & 3);
	told = j->last.dscp;
	/* Lengths out of range are the kernel's own: neighbour discovery, errors. */
	if (j->cfg.rule && told != DSCP_UNKNOWN && told != *dscp) {
		j->wrong_rule++;
		blame(j, "the inner length %zu tells DSCP %d, the inner header %d",
		      innermost.ip_len, told, *dscp);
	}
}

static void judge_following(struct judge *j, const struct parsed *p)
{
	const struct judge_first *first = &j->firsts[p->frag_id % JUDGE_FRAGMENTS];

	/* Has no port: the tunnel's only if its first fragment was. */
	if (!first->used || first->id != p->frag_id) {
		j->other++;
		return;
	}
	j->fragments_following++;
	judge_ds(j, p, first->inner_dscp, first->inner_ecn);
}

static void judge_tunnel(struct judge *j, const uint8_t *data, size_t len, const struct parsed *p)
{
	int dscp = DSCP_UNKNOWN, ecn = ECN_ANY;

	if (j->cfg.tunnel == TUNNEL_WIREGUARD) {
		if (!wireguard_data(j, data, len, p))
			return;
		dscp = j->last.dscp;
	} else if (j->cfg.tunnel == TUNNEL_OVPN) {
		if (!ovpn_data(j, data, len, p))
			return;
		dscp = j->last.dscp;
	} else {
		read_inner(j, data, len, p, &dscp, &ecn);
	}
	if (j->last.marker) {
		j->markers++;
		return;
	}
	j->last.data = j->last.dscp != DSCP_UNKNOWN;
	if (p->fragment) {
		j->firsts[p->frag_id % JUDGE_FRAGMENTS] = (struct judge_first){
			.used = true, .id = p->frag_id, .inner_dscp = dscp, .inner_ecn = ecn
		};
		j->fragments_first++;
	} else {
		j->data++;
	}
	judge_ds(j, p, dscp, ecn);
}

/* Judges a packet that is noted in last. */
static void judge_plain(struct judge *j, const struct parsed *p)
{
	if (j->last.marker) {
		j->markers++;
		return;
	}
	j->last.data = j->last.dscp != DSCP_UNKNOWN;
	if (!p->fragment)
		j->data++;
	else if (p->frag_offset)
		j->fragments_following++;
	else
		j->fragments_first++;
	judge_ds(j, p, j->last.dscp, ECN_ANY);
}

static void judge_readable(struct judge *j, const uint8_t *data, size_t len, const struct parsed *p)
{
	readable_last(j, data, len, p);
	judge_plain(j, p);
}

void judge_received(struct judge *j, size_t ip_len, uint8_t ds, uint32_t number)
{
	struct parsed p = { .ip_len = ip_len, .ds = ds };

	j->packets++;
	j->bytes += ip_len;
	j->last = (struct judge_last){ .numbered = true,
				       .number = number,
				       .dscp = rule_dscp(ip_len),
				       .marker = rule_marker(ip_len) && number == MARKER_NUMBER };
	judge_plain(j, &p);
}

void judge_packet(struct judge *j, const uint8_t *data, size_t len, bool ethernet)
{
	struct parsed p;

	j->packets++;
	j->last = (struct judge_last){ .dscp = DSCP_UNKNOWN };
	if (packet_parse(data, len, ethernet, &p)) {
		j->unparsable++;
		blame(j, "malformed headers");
		return;
	}
	if (p.family == AF_UNSPEC) {
		j->other++;
		return;
	}
	check_checksums(j, data, len, &p);
	if (!address_equal(&p.src, &j->cfg.from))
		j->other++;
	else if (j->cfg.tunnel != TUNNEL_NONE && p.fragment && p.frag_offset)
		judge_following(j, &p);
	else if (!carries_tunnel(j, &p))
		j->other++;
	else if (j->cfg.tunnel != TUNNEL_NONE)
		judge_tunnel(j, data, len, &p);
	else
		judge_readable(j, data, len, &p);
}

static bool enough(const struct judge *j)
{
	bool ok = j->judged >= j->cfg.min;
	unsigned int i;

	if (!ok && j->cfg.complaints)
		fprintf(j->cfg.complaints, "only %lu data packets were judged, %u are needed\n",
			j->judged, j->cfg.min);
	for (i = 0; i < 64; i++) {
		if (j->inner[i].packets >= j->cfg.each)
			continue;
		if (j->cfg.complaints)
			fprintf(j->cfg.complaints, "DSCP %u: only %lu packets, %u are needed\n", i,
				j->inner[i].packets, j->cfg.each);
		ok = false;
	}
	return ok;
}

bool judge_verdict(const struct judge *j)
{
	/* Evaluated first, so that its reasons are stated in any case. */
	bool ok = enough(j);

	return ok && !j->wrong && !j->wrong_rule && !j->skipped_wrong && !j->unparsable &&
	       !j->bad_ip_checksums && !j->bad_l4_checksums;
}
