/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Random packets that are made of headers, and the damage done to them afterwards. The same seed
 * makes the same packets on every machine.
 */
#ifndef FUZZ_GENERATE_H
#define FUZZ_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress_packet.h"
#include "numbers.h"

/* Values that packets and maps have in common, so that they meet. */
#define N_FUZZ_PORTS 8
#define N_FUZZ_IDS 4
#define N_FUZZ_ADDRESSES 3
extern const uint16_t fuzz_ports[N_FUZZ_PORTS];
extern const uint32_t fuzz_ids[N_FUZZ_IDS]; /* VNIs and GRE keys */
void fuzz_address(uint8_t *to, bool ip6, unsigned int n);

/* Where things are in a packet of a tunnel; udp 0: there is none. */
struct layout {
	size_t udp, inner;
};

/* An IP packet of any tunnel with those bytes inside, at the end of p. */
void generate_tunnel(struct packet *p, const struct packet *inner, struct layout *layout);
/* An IP packet, with up to so many more inside each other, at the end of p. */
void generate_ip(struct packet *p, unsigned int depth);
/* The same in Ethernet with up to three tags. */
void generate_frame(struct packet *p, unsigned int depth);

/* Up to `most` changes of the first bytes: bits, bytes, words that mean something. */
void damage(uint8_t *bytes, size_t len, unsigned int most);
/* Bytes put in, taken out, or cut off, never to less than `least`. */
void resize(struct packet *p, size_t least);

#endif
