/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Random packets for the egress programs: headers of every kind, and some bytes of them changed. */
#ifndef EGRESS_RANDOM_H
#define EGRESS_RANDOM_H

#include "egress_cases.h"
#include "random.h"

/* offset: in units of eight bytes. */
struct packet fragment_of(const struct packet *p, uint16_t offset, bool more);

/* A chain of IPv6 headers of eight bytes, then UDP from WireGuard's port. */
struct packet chain(const uint8_t *headers, unsigned int n);

/* Makes the packets that random_packet() changes; the device has to be open before. */
void make_templates(void);
void add_template(struct packet p);
struct packet random_packet(void);

/* Returns a stamp of the world in four of eight calls. */
uint32_t random_hash(void);

/* Returns the DSCP and destination that egress_inner has to see in the packet. */
struct inner ask_inner(const struct packet *p);

#endif
