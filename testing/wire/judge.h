/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The verdict on captured packets; knows nothing of files. Outer packets of a tunnel are judged by
 * the inner packet. With TUNNEL_NONE they are plain ones that came out of a tunnel, and the length
 * rule gives the inner DSCP in the text below.
 */
#ifndef WIRE_JUDGE_H
#define WIRE_JUDGE_H

#include <stdio.h>

#include "packet.h"

enum expect { EXPECT_INNER, EXPECT_FIXED, EXPECT_NONE };

#define ECN_ANY (-1)
#define ECN_INNER (-2) /* Linux's result for the inner one; not if the tunnel encrypts */
#define DSCP_ANY (-1)
#define DSCP_UNKNOWN (-1)

/* Fragments that follow are matched to their first by identification, the last so many. */
#define JUDGE_FRAGMENTS 4096

struct judge_config {
	enum tunnel tunnel;
	struct address from;
	/* WireGuard: UDP source; VXLAN, geneve: UDP destination; none: destination, 0 for any */
	unsigned int port;
	unsigned int outer_sport; /* VXLAN, geneve: UDP source, 0 for any */
	unsigned int outer_sports; /* and so many behind that one */
	enum expect expect;
	unsigned int fixed; /* for EXPECT_FIXED */
	uint8_t map[64]; /* for EXPECT_INNER: the result for an inner DSCP */
	int ecn; /* 0-3, ECN_ANY or ECN_INNER */
	int handshake; /* DSCP of WireGuard's initiation and response, or DSCP_ANY */
	bool rule; /* where the inner length tells a DSCP, the inner header must agree */
	bool unmarked_ok; /* CS0 instead of another DSCP is no error */
	unsigned int overhead; /* bytes of another tunnel inside WireGuard, padding included */
	bool nested; /* another tunnel is inside: length and number are of the packet in that one */
	bool tcp; /* a stream may have a packet of any length, so that none is a marker */
	bool l4; /* judge checksums of UDP, TCP and ICMP, too */
	unsigned int min, each;
	FILE *complaints; /* NULL: none */
};

struct judge_cell {
	unsigned long packets, right, wrong; /* unmarked_ok: some are neither */
};

struct judge_first {
	bool used;
	uint32_t id;
	int inner_dscp;
	int inner_ecn;
};

/* The nature of the packet judged last, for a caller that counts packets one by one. */
struct judge_last {
	bool data, marker; /* data: of the tunnel, or plain, and its length tells a DSCP */
	bool numbered; /* its number can be read, as in packet_number() */
	int dscp; /* that its length tells */
	uint64_t number; /* not numbered: any value that no other packet has */
};

struct judge {
	struct judge_config cfg;
	struct judge_last last;
	unsigned long packets; /* all of the capture */
	unsigned long unparsable;
	unsigned long other; /* not the tunnel's */
	unsigned long markers; /* the tunnel's, not judged */
	unsigned long bytes; /* of data and fragments: the lengths that the inner IP headers state,
				in sum */
	unsigned long data; /* the tunnel's, not fragmented */
	unsigned long fragments_first, fragments_following;
	unsigned long handshake, keepalive, skipped_wrong;
	/* Counters of data and fragments; judged: all but packets of unknown length. */
	unsigned long judged, right, wrong;
	unsigned long wrong_dscp, wrong_ecn, wrong_rule;
	unsigned long unmarked; /* CS0 instead of another DSCP; also wrong unless unmarked_ok */
	unsigned long unknown_length; /* data with an inner DSCP that cannot be told */
	unsigned long bad_ip_checksums, bad_l4_checksums;
	struct judge_cell inner[64]; /* by inner DSCP, where it is known */
	unsigned long outer[64]; /* of data and fragments */
	unsigned long outer_ecn[4];
	unsigned int complained;
	struct judge_first firsts[JUDGE_FRAGMENTS];
};

void judge_init(struct judge *j, const struct judge_config *cfg);
void judge_packet(struct judge *j, const uint8_t *data, size_t len, bool ethernet);
/* A plain packet of which a socket tells only that much; number: the first word of the payload. */
void judge_received(struct judge *j, size_t ip_len, uint8_t ds, uint32_t number);
/* Whether everything was right and enough was seen; the reasons go to complaints. */
bool judge_verdict(const struct judge *j);

#endif
