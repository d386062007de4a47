/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Accounts of packets that are sent once each and have to be seen once each, in any order. */
#ifndef WIRE_SEEN_H
#define WIRE_SEEN_H

#include "judge.h"

/* So many packets without a number are remembered, to tell one that comes twice. */
#define SEEN_RECENT 4096

struct seen {
	unsigned int count; /* of packets in all */
	unsigned int sent, seen;
	unsigned int twice; /* seen before, or more of a DSCP than were sent */
	unsigned int strange; /* with a number that was not sent */
	unsigned int sent_of[64], seen_of[64]; /* by the DSCP that the length tells */
	uint8_t *have; /* a bit for each number */
	uint64_t recent[SEEN_RECENT];
	bool recent_used[SEEN_RECENT];
};

/* 0 or -ENOMEM. */
int seen_init(struct seen *s, unsigned int count);
void seen_free(struct seen *s);
void seen_sent(struct seen *s, unsigned int dscp, unsigned int packets);
/* Takes account of a packet of data. */
void seen_packet(struct seen *s, const struct judge_last *last);
static inline unsigned int seen_in_flight(const struct seen *s)
{
	return s->sent - s->seen;
}
/* Tells whether the packet with that number was seen. */
static inline bool seen_number(const struct seen *s, unsigned int number)
{
	return s->have[number / 8] >> number % 8 & 1;
}
/* Tells whether all were sent, all were seen, and nothing else was. */
bool seen_exactly(const struct seen *s);

#endif
