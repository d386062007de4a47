/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The messages between the tests and the programs of ingress_test.bpf.c, in both directions. */
#ifndef INGRESS_KNOBS_H
#define INGRESS_KNOBS_H

#include <linux/types.h>

#include <dscp/abi.h>

#define MAX_GROWN 64 /* a power of two */

/* Places in the map `next`. */
enum next_program { NEXT_INNER, NEXT_OUTER };

struct ingress_knobs {
	__u64 id; /* of the skb, in the key of its note */
	__u32 next; /* enum next_program */
	__u32 removed; /* bytes that decapsulation takes away behind the link header */
	__u32 type; /* the ethertype that is there then, in network byte order; 0: as before */
	__u32 length; /* to which the packet is cut then; 0: as it is */
	__u32 grown; /* bytes put in front of it all: so much less room is left there */
	__u32 tag; /* 1: with a VLAN tag in the skb's metadata */
	__u32 noted; /* 1: there is a note for the skb, this one: */
	__u32 runs;
	__u32 linear; /* bytes of the packet that the next program can read directly */
	__u32 hash; /* skb->hash */
	__u32 tc_index; /* skb->tc_index */
	__u32 left_tc_index; /* the same behind the next program, if test_back runs */
	struct dscp_note note;
	__u8 head[MAX_GROWN]; /* the bytes that `grown` puts in */
	__s64 error; /* of a helper; 1: there is no next program */
};

#endif
