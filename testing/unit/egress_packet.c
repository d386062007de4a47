/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Builds packets for the tests of the BPF programs. */
#include "egress_packet.h"

#include <assert.h>
#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

#define PATTERN 0xa5 /* of IPv4 options, which nobody here reads */

uint16_t get16(const uint8_t *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

void set16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = value >> 8;
	bytes[1] = value & 0xff;
}

void set32(uint8_t *bytes, uint32_t value)
{
	set16(bytes, value >> 16);
	set16(bytes + 2, value & 0xffff);
}

uint16_t header_sum(const uint8_t *ip, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += get16(ip + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint8_t *put(struct packet *p, const void *bytes, size_t len)
{
	uint8_t *at = p->bytes + p->len;

	assert(p->len + len <= sizeof(p->bytes));
	if (bytes)
		memcpy(at, bytes, len);
	else
		memset(at, 0, len);
	p->len += len;
	return at;
}

void put_none(struct packet *p)
{
	memset(p, 0, sizeof(*p));
}

void put_ethernet(struct packet *p, unsigned int tags)
{
	put_none(p);
	put(p, "\x52\x54\0\0\0\1\x52\x54\0\0\0\2\0", ETHERNET);
	p->link = p->len;
	for (unsigned int i = 0; i < tags; i++) {
		put_type(p, i == 0 && tags > 1 ? ETH_P_8021AD : ETH_P_8021Q);
		set16(put(p, NULL, TAG), 0x6000 + 100 + i);
		p->link = p->len;
	}
}

void put_type(struct packet *p, uint16_t type)
{
	if (p->link)
		set16(p->bytes + p->link - 2, type);
}

void put_ip4(struct packet *p, uint8_t protocol, unsigned int words)
{
	uint8_t *ip;

	if (p->len == p->link)
		put_type(p, ETH_P_IP);
	p->ip = p->len;
	p->ip6 = false;
	ip = put(p, "\x45\0\0\0\x12\x34\0\0\x40\0\0\0\xc0\0\2\1\xc0\0\2\2", 20);
	ip[0] = 0x40 | words;
	ip[9] = protocol;
	if (words > 5)
		memset(put(p, NULL, (words - 5) * 4), PATTERN, (words - 5) * 4);
}

void put_ip6(struct packet *p, uint8_t next)
{
	uint8_t *ip;

	if (p->len == p->link)
		put_type(p, ETH_P_IPV6);
	p->ip = p->len;
	p->ip6 = true;
	ip = put(p, "\x60\x0b\xcd\xef\0\0\0\x40", 8);
	ip[1] &= 0x0f;
	ip[6] = next;
	put(p, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	put(p, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
}

void put_udp(struct packet *p, uint16_t source, uint16_t dest)
{
	uint8_t *udp = put(p, NULL, 8);

	set16(udp, source);
	set16(udp + 2, dest);
}

static void finish_ip4(struct packet *p, uint8_t *ip)
{
	size_t header = (ip[0] & 0xf) * 4;

	set16(ip + 2, p->len - p->ip);
	set16(ip + 10, 0);
	if (header >= 20 && p->ip + header <= p->len)
		set16(ip + 10, ~header_sum(ip, header));
	if (ip[9] == IPPROTO_UDP && p->ip + header + 8 <= p->len)
		set16(ip + header + 4, p->len - p->ip - header);
}

void finish(struct packet *p)
{
	uint8_t *ip = p->bytes + p->ip;

	if (!p->ip6) {
		finish_ip4(p, ip);
		return;
	}
	set16(ip + 4, p->len - p->ip - 40);
	if (ip[6] == IPPROTO_UDP && p->ip + 48 <= p->len)
		set16(ip + 44, p->len - p->ip - 40);
}

uint8_t get_ds(const uint8_t *ip, bool ip6)
{
	return ip6 ? (ip[0] & 0xf) << 4 | ip[1] >> 4 : ip[1];
}

void set_ds(struct packet *p, uint8_t ds)
{
	uint8_t *ip = p->bytes + p->ip;

	if (p->ip6) {
		ip[0] = (ip[0] & 0xf0) | ds >> 4;
		ip[1] = (ip[1] & 0x0f) | (ds & 0xf) << 4;
	} else {
		ip[1] = ds;
		set16(ip + 10, 0);
		set16(ip + 10, ~header_sum(ip, (ip[0] & 0xf) * 4));
	}
}
