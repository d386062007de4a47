/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The values that the programs of xdp_test.bpf.c leave in their map, by index. */
#ifndef UNIT_XDP_TEST_H
#define UNIT_XDP_TEST_H

enum xdp_count {
	XDP_OURS, /* packets that xdp_ours saw */
	XDP_THEIRS,
	XDP_PENDING, /* packets that xdp_ours saw and xdp_theirs did not yet */
	XDP_IN_ORDER, /* packets that xdp_theirs saw after xdp_ours */
	XDP_COUNTS
};

#define XDP_TEST_PROTOCOL 0x88b5 /* local experimental ethertype: nobody else sends it */

#endif
