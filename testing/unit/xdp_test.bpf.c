/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Two XDP programs that count test packets and know which of them runs first. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include "bpf_compiler.h"

#include "xdp_test.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, XDP_COUNTS);
	__type(key, __u32);
	__type(value, __u32);
} counts SEC(".maps");

static __always_inline void add(__u32 index, __u32 n)
{
	__u32 *value = bpf_map_lookup_elem(&counts, &index);

	if (value)
		*value += n;
}

static __always_inline __u32 take(__u32 index)
{
	__u32 *value = bpf_map_lookup_elem(&counts, &index);
	__u32 n = value ? *value : 0;

	if (value)
		*value = 0;
	return n;
}

static __always_inline bool is_test_packet(struct xdp_md *ctx)
{
	const void *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = (void *)(long)ctx->data;

	return (void *)(eth + 1) <= end && eth->h_proto == bpf_htons(XDP_TEST_PROTOCOL);
}

SEC("xdp")
int xdp_ours(struct xdp_md *ctx)
{
	if (is_test_packet(ctx)) {
		add(XDP_OURS, 1);
		add(XDP_PENDING, 1);
	}
	return XDP_PASS;
}

SEC("xdp")
int xdp_theirs(struct xdp_md *ctx)
{
	if (is_test_packet(ctx)) {
		add(XDP_THEIRS, 1);
		add(XDP_IN_ORDER, take(XDP_PENDING));
	}
	return XDP_PASS;
}

/* Without a look at the end of the packet: the verifier refuses it. */
SEC("xdp")
int xdp_bad(struct xdp_md *ctx)
{
	return *(__u32 *)(long)ctx->data;
}

char _license[] SEC("license") = "GPL";
