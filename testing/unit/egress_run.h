/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The egress programs loaded apart from everything else (nothing is pinned), and two ways to hand
 * them a packet: BPF_PROG_TEST_RUN, which takes frames only and knows everything about them, and
 * the egress of a tun or tap device in a separate network namespace, for L3 packets and frames that
 * newer kernels refuse to test.
 */
#ifndef EGRESS_RUN_H
#define EGRESS_RUN_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "egress_knobs.h"
#include "egress_oracle.h"
#include "egress_packet.h"

/* The content of the maps, and the tests' messages to the programs. */
extern struct world world;
extern struct egress_knobs *knobs;

/* NULL, or why these tests cannot run here. */
const char *bpf_refused(void);

/* For a group of cases, behind device_open(): all maps are empty after this. */
void egress_load(void);
void egress_unload(void);

/* For each case: all maps are empty again, and knobs are zero. */
void egress_reset(void);
/* Fails the test if egress_reset() leaves anything in a map. */
void egress_reset_fully(void);
int egress_map(const char *name);

/* A device in a new network namespace. Fails the test, or returns why there can be none. */
const char *device_open(bool frames);
void device_close(void);
int device_ifindex(void);

/* Puts a tunnel, a stamp, a note or a prefix into the maps and into the world. */
void add_tunnel(uint32_t slot, const struct dscp_tunnel *tunnel);
void add_stamp(const struct stamp *stamp);
void add_note(const struct note *note);
void add_prefix(const struct prefix *prefix);

/* Fails the test if the notes of fragments are not the world's. */
void assert_notes(void);
/* All of them go, from both. */
void forget_notes(void);

/* ctx: NULL, or more of the kernel's knowledge about the packet. False: this kernel refuses to make
 * a packet so short. */
bool run_frame(const char *program, const struct packet *in, struct packet *out,
	       const struct __sk_buff *ctx);
/* type: skb->protocol. linear: so many bytes are in the linear part of the skb, 0: all. */
void run_device(const char *program, const struct packet *in, uint16_t type, uint32_t linear,
		struct packet *out);

/* How a local program sends a packet itself. */
struct sender {
	int type; /* SOCK_DGRAM, SOCK_RAW */
	int protocol; /* of the socket: IPPROTO_UDP, or a raw socket's protocol */
	uint16_t source, dest; /* ports of a UDP socket */
};

/* The payload goes from such a socket to 192.0.2.2, from 192.0.2.1, through the device, which has
 * L3 packets. */
void run_socket(const char *program, const struct sender *sender, const void *payload, size_t len,
		struct packet *out);

/* The counters of all slots, summed over the CPUs. */
void read_counters(struct dscp_counters counters[N_SLOTS]);
unsigned int count_flows(void);

#endif
