/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Keeps account of packets that were sent and of those that were seen. */
#include "seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int seen_init(struct seen *s, unsigned int count)
{
	memset(s, 0, sizeof(*s));
	s->count = count;
	s->have = calloc(count / 8 + 1, 1);
	return s->have ? 0 : -ENOMEM;
}

void seen_free(struct seen *s)
{
	free(s->have);
	s->have = NULL;
}

void seen_sent(struct seen *s, unsigned int dscp, unsigned int packets)
{
	s->sent += packets;
	s->sent_of[dscp] += packets;
}

/* Returns true if it was there already. */
static bool have(struct seen *s, uint64_t number)
{
	const uint8_t bit = (uint8_t)(1 << number % 8);
	const bool before = s->have[number / 8] & bit;

	s->have[number / 8] |= bit;
	return before;
}

static bool have_recent(struct seen *s, uint64_t number)
{
	const unsigned int i = number % SEEN_RECENT;
	const bool before = s->recent_used[i] && s->recent[i] == number;

	s->recent_used[i] = true;
	s->recent[i] = number;
	return before;
}

void seen_packet(struct seen *s, const struct judge_last *last)
{
	if (last->numbered && last->number >= s->sent) {
		s->strange++;
		return;
	}
	if ((last->numbered ? have(s, last->number) : have_recent(s, last->number)) ||
	    s->seen_of[last->dscp] == s->sent_of[last->dscp]) {
		s->twice++;
		return;
	}
	s->seen_of[last->dscp]++;
	s->seen++;
}

bool seen_exactly(const struct seen *s)
{
	return s->sent == s->count && s->seen == s->count && !s->twice && !s->strange;
}
