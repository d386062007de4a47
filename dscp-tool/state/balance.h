/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Compares the packets of a tunnel device with those that the programs saw, over time.
 *
 * Programs that are attached prove nothing: packets may leave by another device, or in another
 * form. The other side are the device's own counters. A tunnel of the kernel counts a packet as
 * sent when the IP stack has taken it (iptunnel_xmit_stats()), handshakes included, and not the
 * packets that it drops for want of a peer, a key or a route; by then egress_outer has seen the
 * packet. A tun device counts the packets that its program has read, which proves nothing by
 * itself.
 */
#ifndef STATE_BALANCE_H
#define STATE_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <dscp/abi.h>

struct pins;

#define BALANCE_DEVICES 16
#define BALANCE_LEAST 10 /* packets, to decide by */

struct balance_reading {
	__u64 seconds; /* CLOCK_BOOTTIME */
	__u64 sent, received; /* by the tunnel device */
	__u64 passed, seen, no_stamp, other_port; /* egress, see struct dscp_counters */
	__u64 arrived, noticed, no_header; /* ingress: passed, seen, unknown */
	/* Other devices of this network namespace, the uplinks first. */
	struct {
		__u32 ifindex, pad;
		__u64 sent, received;
	} devices[BALANCE_DEVICES];
};

enum balance_fault {
	BALANCE_FINE,
	BALANCE_NOT_SEEN, /* they were seen at no uplink */
	BALANCE_OTHER_PORT, /* nor were these, but with another source port */
	BALANCE_NO_STAMP,
	BALANCE_NOT_REACHED, /* ingress: ingress_inner has had none */
	BALANCE_NO_HEADER, /* ingress: the outer header was not known */
	BALANCE_FAULTS,
};

/* One direction: since the last look that decided, and since it has been at fault. */
struct balance_window {
	struct balance_reading start, last;
	__u32 fault; /* enum balance_fault */
	__u32 doubtful; /* egress: packets were missing, and may have waited for a neighbour */
};

struct balance {
	struct balance_window egress, ingress;
};

/* Begins anew: earlier packets are no reason to complain. */
void balance_begin(const struct pins *pins, uint32_t slot);

/* The fault of a direction, and the counts since. */
struct balance_sum {
	enum balance_fault fault;
	struct balance_reading since; /* seconds: how many it has been */
	bool full; /* there may be more devices than were read */
};

/* Looks at a tunnel of this network namespace. Fewer packets than BALANCE_LEAST since the last look
 * leave its result as it is. keep: the next look is compared with this one. */
void balance_look(const struct pins *pins, uint32_t slot, bool keep, struct balance_sum *egress,
		  struct balance_sum *ingress);

/* Returns an uplink of the set that is below another one of this network namespace, so that packets
 * which leave by that are counted there again; 0: there is none. */
uint32_t balance_again(const struct pins *pins, uint32_t ifindex);

/* The next look asks for the other devices, once for all tunnels of a network namespace. */
void balance_look_anew(void);

#endif
