/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The messages between the tests and the programs of egress_test.bpf.c, in both directions. */
#ifndef EGRESS_KNOBS_H
#define EGRESS_KNOBS_H

#include <linux/types.h>

struct egress_knobs {
	__u32 hash; /* skb->hash when our program begins */
	__u32 after; /* and when it has ended */
	__u32 priority; /* the same of skb->priority */
	__u32 priority_after;
	__u32 vlan_tags; /* pushed before; the last one is in the skb's metadata, not in the frame
			  */
	__u32 prototype; /* 4 or 6: the header that GRE without a remote address shows is in front
			  */
	__u32 runs;
};

#endif
