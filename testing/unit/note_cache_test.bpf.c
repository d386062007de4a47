/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Puts a note and takes it out again, over and over, while other CPUs want the same bucket. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bpf_notes.h"
#include "bpf_packet.h"

#include "note_cache_test.h"

struct note_cache_result results[NOTE_CACHE_THREADS];

/* All of it tells the owner of the note. */
static __always_inline void fill(struct dscp_note *note, __u32 thread, __u32 turn)
{
	__builtin_memset(note->header, thread + 1, sizeof(note->header));
	note->distance = turn;
	note->length = turn ^ (thread + 1);
	note->slot = thread + 1;
	note->ds = thread + 1;
	note->flags = turn;
}

/* One that this thread has put at some time. */
static __always_inline bool is_whole(const struct dscp_note *note, __u32 thread)
{
	struct dscp_note own = {};

	fill(&own, thread, note->distance);
	return note_bytes(note) == note_bytes(&own) && note->length == own.length &&
	       note->slot == own.slot && note->ds == own.ds && note->flags == own.flags;
}

static __always_inline bool same(const struct dscp_note *a, const struct dscp_note *b)
{
	return note_bytes(a) == note_bytes(b) && a->distance == b->distance &&
	       a->length == b->length && a->slot == b->slot && a->ds == b->ds &&
	       a->flags == b->flags;
}

SEC("tc/put_and_take")
int put_and_take(struct __sk_buff *skb)
{
	struct dscp_note note = {}, taken = {};
	struct dscp_note_key key = { .method = DSCP_METHOD_TC };
	struct note_cache_packet *packet = packet_start(skb);
	struct note_cache_result *result;
	__u32 thread;

	if ((void *)(packet + 1) > packet_end(skb))
		return TC_ACT_SHOT;
	thread = packet->thread & (NOTE_CACHE_THREADS - 1);
	key.id = packet->id;
	result = &results[thread];
	fill(&note, thread, result->turns++);
	put_note(&key, &note);
	if (!take_note(&key, &taken)) {
		result->lost++;
		return TC_ACT_UNSPEC;
	}
	if (!same(&note, &taken))
		result->wrong++;
	if (!is_whole(&taken, thread))
		result->mixed++;
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
