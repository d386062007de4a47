/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Samples of the cost of a program, by BPF_PROG_TEST_RUN.
 *
 * Made for machines that do other things as well: in each of many rounds every program has its turn
 * in every setting, so that a slow moment hits all of them; processor time instead of the clock's;
 * a round's figure is the median of its bursts, and the result is a quiet round's; and the time
 * that a program adds is its difference to the program that only resets the packet and ran just
 * before it. Settings that are compared use the same loaded programs: where the JIT puts a program
 * makes a difference of a nanosecond.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>

#include <bpf/libbpf.h>

#define ROUNDS 32
#define BURST 1024 /* packets; MAX_QUEUED_PACKETS of WireGuard */
#define BURSTS 64 /* in a round */
#define ROUND_PACKETS (BURST * BURSTS)

#define PORT 51820
#define IP_OFFSET 14
#define PROTO_TCP 6
#define PROTO_UDP 17

struct packet {
	unsigned int length;
	unsigned char bytes[256];
};

/* The programs, with their maps. */
struct programs {
	struct bpf_object *object;
	unsigned int tunnels; /* registered at the moment */
	unsigned int flows; /* so many take turns at the moment */
};

struct probe {
	const char *name;
	const struct programs *programs;
	const char *program;
	const char *reset; /* the program to subtract */
	const char *before; /* has the burst first, and this packet */
	const struct packet *packet, *packet_before;
	unsigned char ds; /* that the packet is to leave with */
	unsigned int burst; /* packets */
	unsigned int bursts;
};

struct result {
	double ns[ROUNDS]; /* medians; per packet, with the cost of the harness and the reset */
	double added[ROUNDS];
	double quiet_ns;
	double quiet_added;
};

unsigned short ip_sum(const unsigned char *ip);

int load_programs(struct programs *p, const char *path, unsigned int map_size);
int map_fd(const struct programs *p, const char *name);

/* Packets of the flows from turn on. The last packet as it comes out is in out; *ns is per packet.
 */
int run(const struct programs *p, const char *name, const struct packet *packet, unsigned int turn,
	unsigned int repeat, struct packet *out, double *ns);

/* One round. */
int measure(const struct probe *probe, struct result *r, unsigned int round, unsigned int turn);
/* After the last one. */
void take_quiet(struct result *r);

#endif
