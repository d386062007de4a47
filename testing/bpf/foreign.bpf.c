/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Somebody else's program on the same hook: counts the packets that it sees. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include "bpf_compiler.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} foreign_hits SEC(".maps");

SEC("tc/foreign")
int foreign(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *hits = bpf_map_lookup_elem(&foreign_hits, &zero);

	(void)skb;
	if (hits)
		__sync_fetch_and_add(hits, 1);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
