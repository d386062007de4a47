/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Notes that a program at the uplink leaves for ingress_inner. */
#ifndef DSCP_BPF_INFLIGHT_H
#define DSCP_BPF_INFLIGHT_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include <dscp/abi.h>

/* Least recently used, because packets die on their way: no authentication, a replay, a queue that
 * is full. Pinned by name because plain tc loads the object once per program. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, DSCP_INFLIGHT);
	__type(key, struct dscp_inflight_key);
	__type(value, struct dscp_inflight);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} inflight SEC(".maps");

/* Takes a note out of the map: it is good for one packet. */
static __always_inline bool take_note(const struct dscp_inflight_key *key,
				      struct dscp_inflight *note)
{
	struct dscp_inflight *found = bpf_map_lookup_elem(&inflight, key);

	if (!found)
		return false;
	*note = *found;
	bpf_map_delete_elem(&inflight, key);
	return true;
}

/* The bytes of a note as one number, to compare. */
static __always_inline __u64 note_bytes(const struct dscp_inflight *note)
{
	__u64 bytes;

	__builtin_memcpy(&bytes, note->header, sizeof(bytes));
	return bytes;
}

#endif
