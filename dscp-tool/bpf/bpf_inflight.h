/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Notes that a program at the uplink leaves for ingress_inner. */
#ifndef DSCP_BPF_INFLIGHT_H
#define DSCP_BPF_INFLIGHT_H

#include <linux/bpf.h>
#include <stdbool.h>
#include "bpf_compiler.h"

#include <dscp/abi.h>
#include <dscp/mix.h>

/*
 * A note is made and taken once for each packet, and to insert into a hash and to delete again
 * costs more than all the rest. So there is an array in front: a note has one place there. Where
 * another one is in its place, that one moves to `inflight`; where it cannot have the place, it
 * goes there itself. Neither gets lost. Pinned by name because plain tc loads the object once per
 * program.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DSCP_WAITING);
	__type(key, __u32);
	__type(value, struct dscp_waiting);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} waiting SEC(".maps");

/* Least recently used, because packets die on their way: no authentication, a replay, a queue that
 * is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DSCP_INFLIGHT);
	__type(key, struct dscp_inflight_key);
	__type(value, struct dscp_inflight);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} inflight SEC(".maps");

/* The address of an skb, relative to the map: the verifier lets a program calculate with the
 * difference of two pointers, but not with the pointer to its context. */
static __always_inline __u64 skb_id(struct __sk_buff *skb)
{
	__u32 first = 0;
	void *base = bpf_map_lookup_elem(&waiting, &first);
	__u64 id;

	if (!base)
		return 0;
	id = (unsigned long)skb - (unsigned long)base;
	/* Before the compiler calculates on. */
	asm volatile("" : "+r"(id));
	return id;
}

static __always_inline struct dscp_waiting *find_place(const struct dscp_inflight_key *key)
{
	__u32 place = dscp_place(key->id, key->receiver);

	return bpf_map_lookup_elem(&waiting, &place);
}

static __always_inline __u32 read_state(const struct dscp_waiting *place)
{
	return *(const volatile __u32 *)&place->state;
}

static __always_inline bool change_state(struct dscp_waiting *place, __u32 from, __u32 to)
{
	return compare_and_swap(&place->state, from, to) == from;
}

static __always_inline bool is_in(const struct dscp_waiting *place, __u32 state,
				  const struct dscp_inflight_key *key)
{
	return (state & DSCP_PLACE_MASK) == key->method && place->id == key->id &&
	       place->receiver == key->receiver;
}

/* To the hash too, where it is looked for when the place is another's. What was copied is of that
 * state only if it is the state before and after, and the atomic operations keep the CPU from
 * reading it earlier or later. Returns 0, or that it is not there. */
static __noinline int copy_note(struct dscp_waiting *place, __u32 state)
{
	struct dscp_inflight_key key = { .method = state & DSCP_PLACE_MASK };
	struct dscp_inflight note;

	if (!place || !change_state(place, state, state))
		return -1;
	key.id = place->id;
	key.receiver = place->receiver;
	note = place->note;
	if (!change_state(place, state, state))
		return -1;
	return bpf_map_update_elem(&inflight, &key, &note, BPF_ANY);
}

static __always_inline bool claim(struct dscp_waiting *place, __u32 state,
				  const struct dscp_inflight_key *key)
{
	__u32 method = state & DSCP_PLACE_MASK;

	if (method == DSCP_PLACE_BUSY)
		return false;
	if (method && !is_in(place, state, key) && copy_note(place, state))
		return false;
	return change_state(place, state, (state & ~DSCP_PLACE_MASK) | DSCP_PLACE_BUSY);
}

static __always_inline void put_note(const struct dscp_inflight_key *key,
				     const struct dscp_inflight *note)
{
	struct dscp_waiting *place = find_place(key);
	__u32 state;

	if (!place)
		return;
	state = read_state(place);
	if (!claim(place, state, key)) {
		bpf_map_update_elem(&inflight, key, note, BPF_ANY);
		return;
	}
	place->note = *note;
	place->id = key->id;
	place->receiver = key->receiver;
	/* By an atomic operation only in that it comes after the rest: the place is ours. */
	swap(&place->state, ((state & ~DSCP_PLACE_MASK) + DSCP_PLACE_NEXT) | key->method);
}

static __always_inline const struct dscp_inflight *find_note(const struct dscp_inflight_key *key)
{
	struct dscp_waiting *place = find_place(key);

	if (place && is_in(place, read_state(place), key))
		return &place->note;
	return bpf_map_lookup_elem(&inflight, key);
}

/* Takes a note out: it is good for one packet. */
static __always_inline bool take_note(const struct dscp_inflight_key *key,
				      struct dscp_inflight *note)
{
	struct dscp_waiting *place = find_place(key);
	struct dscp_inflight *found;
	__u32 state;

	if (!place)
		return false;
	state = read_state(place);
	if (is_in(place, state, key)) {
		*note = place->note;
		if (change_state(place, state, state & ~DSCP_PLACE_MASK))
			return true;
	}
	found = bpf_map_lookup_elem(&inflight, key);
	if (!found)
		return false;
	*note = *found;
	/* Still there: so it was while it was copied. Another CPU may use the element of an LRU map
	 * for another key at any time. */
	barrier();
	return !bpf_map_delete_elem(&inflight, key);
}

/* The bytes of a note as one number, to compare. */
static __always_inline __u64 note_bytes(const struct dscp_inflight *note)
{
	__u64 bytes;

	__builtin_memcpy(&bytes, note->header, sizeof(bytes));
	return bytes;
}

#endif
