/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Packets for the tests of the egress programs, put together from the front. */
#ifndef EGRESS_PACKET_H
#define EGRESS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETHERNET 14
#define TAG 4

struct packet {
	uint8_t bytes[6000];
	size_t len;
	size_t link; /* length of the link-layer header, 0: an L3 packet */
	size_t ip; /* the last IP header put in */
	bool ip6;
};

uint16_t get16(const uint8_t *bytes);
uint32_t get32(const uint8_t *bytes);
void set16(uint8_t *bytes, uint16_t value);
void set32(uint8_t *bytes, uint32_t value);

/* Ones' complement sum of an IPv4 header, folded: 0xffff if its checksum is right. */
uint16_t header_sum(const uint8_t *ip, size_t len);

/* An empty packet; or an Ethernet header without a type, and so many VLAN tags. */
void put_none(struct packet *p);
void put_ethernet(struct packet *p, unsigned int tags);

/* Sets the ethertype of the next header; nothing happens in an L3 packet. */
void put_type(struct packet *p, uint16_t type);

/* Bytes, or zeros if they are NULL. Returns where they are. */
uint8_t *put(struct packet *p, const void *bytes, size_t len);

/* From 192.0.2.1 to 192.0.2.2, or from 2001:db8::1 to 2001:db8::2, with DS field 0. words: length
 * of the header in units of 4 bytes, 5 without options. */
void put_ip4(struct packet *p, uint8_t protocol, unsigned int words);
void put_ip6(struct packet *p, uint8_t next);
void put_udp(struct packet *p, uint16_t source, uint16_t dest);

/* Lengths and the checksum of the IP header, and the length of UDP if that comes behind it. */
void finish(struct packet *p);

/* The whole DS field. The checksum stays right. */
uint8_t get_ds(const uint8_t *ip, bool ip6);
void set_ds(struct packet *p, uint8_t ds);

#endif
