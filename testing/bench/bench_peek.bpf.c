/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Ingress, the method "peek". */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bench_ingress.h"

static __always_inline int ingress_inner(struct __sk_buff *skb);

#include "../../dscp-tool/bpf/dscp_ingress_peek.bpf.c"

PROGRAM("tc/inner")
int inner(struct __sk_buff *skb)
{
	reset_packet(skb);
	return ingress_inner(skb);
}
