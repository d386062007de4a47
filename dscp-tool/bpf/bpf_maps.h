/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The maps that the programs of both directions share. All may be empty (plain tc). */
#ifndef DSCP_BPF_MAPS_H
#define DSCP_BPF_MAPS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include "bpf_compiler.h"

#include <dscp/abi.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dscp_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DSCP_MAX_TUNNELS);
	__type(key, __u32);
	__type(value, struct dscp_tunnel);
} tunnels SEC(".maps");

/* An array, not a hash: its look-up is inlined, so a UDP packet outside tunnels costs two loads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct dscp_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, DSCP_MAX_TUNNELS);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

static __always_inline const struct dscp_config *read_config(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

/* Loaded by plain tc, not by a tool: that would mark by its policies or not at all. */
static __always_inline bool nothing_registered(void)
{
	const struct dscp_config *cfg = read_config();

	return cfg && !cfg->magic;
}

/* Is there a tunnel of that kind, for packets that leave or for those that arrive? */
static __always_inline bool kind_registered(__u32 kind, bool ingress)
{
	const struct dscp_config *cfg = read_config();

	return cfg && (ingress ? cfg->ingress_kinds : cfg->kinds) & (1u << kind);
}

#endif
