/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Ingress, the method "tc". */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bench_ingress.h"

static __always_inline int ingress_outer(struct __sk_buff *skb);
static __always_inline int ingress_inner(struct __sk_buff *skb);

#include "../../dscp-tool/bpf/dscp_ingress.bpf.c"

PROGRAM("tc/outer_alone")
int outer_alone(struct __sk_buff *skb)
{
	return ingress_outer(skb);
}

PROGRAM("tc/outer")
int outer(struct __sk_buff *skb)
{
	reset_packet(skb);
	return ingress_outer(skb);
}

PROGRAM("tc/both")
int both(struct __sk_buff *skb)
{
	reset_packet(skb);
	ingress_outer(skb);
	return ingress_inner(skb);
}
