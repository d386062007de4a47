/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Notes that a program at the uplink leaves for ingress_inner. */
#ifndef DSCP_BPF_NOTES_H
#define DSCP_BPF_NOTES_H

#include <linux/bpf.h>
#include <stdbool.h>
#include "bpf_compiler.h"

#include <dscp/abi.h>
#include <dscp/mix.h>

/*
 * A note is made and taken once for each packet, and to insert into a hash and to delete again
 * costs more than all the rest. So there is an array in front, where each note has one bucket. If
 * another note is in the bucket, that note moves to `notes`. If the bucket cannot be owned, the new
 * note goes to `notes` itself. Neither gets lost. Pinned by name because plain tc loads the object
 * once per program.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DSCP_NOTE_CACHE);
	__type(key, __u32);
	__type(value, struct dscp_bucket);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} note_cache SEC(".maps");

/* Least recently used, because packets die on their way: no authentication, a replay, a queue that
 * is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DSCP_NOTES);
	__type(key, struct dscp_note_key);
	__type(value, struct dscp_note);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} notes SEC(".maps");

/* The address of an skb, relative to the map: the verifier lets a program calculate with the
 * difference of two pointers, but not with the pointer to its context. */
static __always_inline __u64 skb_id(struct __sk_buff *skb)
{
	__u32 first = 0;
	void *base = bpf_map_lookup_elem(&note_cache, &first);
	__u64 id;

	if (!base)
		return 0;
	id = (unsigned long)skb - (unsigned long)base;
	/* Before the compiler calculates on. */
	asm volatile("" : "+r"(id));
	return id;
}

static __always_inline struct dscp_bucket *find_bucket(const struct dscp_note_key *key)
{
	__u32 bucket = dscp_bucket_of(key->id, key->receiver);

	return bpf_map_lookup_elem(&note_cache, &bucket);
}

static __always_inline __u32 read_state(const struct dscp_bucket *bucket)
{
	return *(const volatile __u32 *)&bucket->state;
}

static __always_inline bool change_state(struct dscp_bucket *bucket, __u32 from, __u32 to)
{
	return compare_and_swap(&bucket->state, from, to) == from;
}

static __always_inline bool is_in(const struct dscp_bucket *bucket, __u32 state,
				  const struct dscp_note_key *key)
{
	return (state & DSCP_BUCKET_MASK) == key->method && bucket->id == key->id &&
	       bucket->receiver == key->receiver;
}

/* Copies the note to the hash too, where a reader looks if the bucket has another note. The copy is
 * of that state only if the state is the same before and after, and the atomic operations keep the
 * CPU from reading the note earlier or later. Returns 0, or negative if the note is not there. */
static __noinline int copy_note(struct dscp_bucket *bucket, __u32 state)
{
	struct dscp_note_key key = { .method = state & DSCP_BUCKET_MASK };
	struct dscp_note note;

	if (!bucket || !change_state(bucket, state, state))
		return -1;
	key.id = bucket->id;
	key.receiver = bucket->receiver;
	note = bucket->note;
	if (!change_state(bucket, state, state))
		return -1;
	return bpf_map_update_elem(&notes, &key, &note, BPF_ANY);
}

static __always_inline bool take_bucket(struct dscp_bucket *bucket, __u32 state,
					const struct dscp_note_key *key)
{
	__u32 method = state & DSCP_BUCKET_MASK;

	if (method == DSCP_BUCKET_BUSY)
		return false;
	if (method && !is_in(bucket, state, key) && copy_note(bucket, state))
		return false;
	return change_state(bucket, state, (state & ~DSCP_BUCKET_MASK) | DSCP_BUCKET_BUSY);
}

static __always_inline void put_note(const struct dscp_note_key *key, const struct dscp_note *note)
{
	struct dscp_bucket *bucket = find_bucket(key);
	__u32 state;

	if (!bucket)
		return;
	state = read_state(bucket);
	if (!take_bucket(bucket, state, key)) {
		bpf_map_update_elem(&notes, key, note, BPF_ANY);
		return;
	}
	bucket->note = *note;
	bucket->id = key->id;
	bucket->receiver = key->receiver;
	/* Atomic only for ordering: the bucket is ours, but its state must become visible last. */
	swap(&bucket->state, ((state & ~DSCP_BUCKET_MASK) + DSCP_BUCKET_NEXT) | key->method);
}

static __always_inline const struct dscp_note *find_note(const struct dscp_note_key *key)
{
	struct dscp_bucket *bucket = find_bucket(key);

	if (bucket && is_in(bucket, read_state(bucket), key))
		return &bucket->note;
	return bpf_map_lookup_elem(&notes, key);
}

/* Takes a note out: it is good for one packet. */
static __always_inline bool take_note(const struct dscp_note_key *key, struct dscp_note *note)
{
	struct dscp_bucket *bucket = find_bucket(key);
	struct dscp_note *found;
	__u32 state;

	if (!bucket)
		return false;
	state = read_state(bucket);
	if (is_in(bucket, state, key)) {
		*note = bucket->note;
		if (change_state(bucket, state, state & ~DSCP_BUCKET_MASK))
			return true;
	}
	found = bpf_map_lookup_elem(&notes, key);
	if (!found)
		return false;
	*note = *found;
	/* Still there: so it was while it was copied. Another CPU may use the element of an LRU map
	 * for another key at any time. */
	barrier();
	return !bpf_map_delete_elem(&notes, key);
}

/* The bytes of a note as one number, to compare. */
static __always_inline __u64 note_bytes(const struct dscp_note *note)
{
	__u64 bytes;

	__builtin_memcpy(&bytes, note->header, sizeof(bytes));
	return bytes;
}

#endif
