/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Damages, doubles, delays and forges the frames of a wire, by count. */
#include "impair.h"

#include <errno.h>
#include <string.h>

#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "options.h"
#include "packet.h"

/* Where bits are damaged: behind the MAC addresses and the type, in the headers of IPv4, UDP and
 * WireGuard, and a little behind them. */
#define DAMAGE_START ETHER_HDR_LEN
#define DAMAGE_BITS (48 * 8)
/* Coprime to it, so that each bit has its turn. */
#define DAMAGE_STEP 7
/* Without a VLAN and options, which WireGuard has none of. */
#define UDP_HEADER (ETHER_HDR_LEN + 20)
#define UDP_CHECKSUM (UDP_HEADER + 6)
#define WORD_MAX 32
/* The number that is added to the DSCP of a forged packet. */
#define FORGED_DSCP 7

static int parse_hold(const char *text, struct impair *imp)
{
	const char *colon = strchr(text, ':');
	char number[WORD_MAX] = "";
	unsigned long every, later;

	if (!colon || (size_t)(colon - text) >= sizeof(number))
		return -EINVAL;
	memcpy(number, text, (size_t)(colon - text));
	if (parse_number(number, 1, 1000000, &every) ||
	    parse_number(colon + 1, 1, IMPAIR_HELD_MAX - 1, &later))
		return -EINVAL;
	imp->hold = (unsigned int)every;
	imp->hold_for = (unsigned int)later;
	return 0;
}

static int parse_condition(const char *word, const char *value, struct impair *imp)
{
	unsigned long number;

	if (strcmp(word, "hold") == 0)
		return parse_hold(value, imp);
	if (parse_number(value, 1, 1000000, &number))
		return -EINVAL;
	if (strcmp(word, "damage") == 0)
		imp->damage = (unsigned int)number;
	else if (strcmp(word, "double") == 0)
		imp->doubled = (unsigned int)number;
	else if (strcmp(word, "forge") == 0)
		imp->forge = (unsigned int)number;
	else
		return -EINVAL;
	return 0;
}

int impair_set(struct impair *imp, const char *text)
{
	char word[WORD_MAX], value[WORD_MAX];
	int used;

	impair_release(imp);
	imp->damage = imp->doubled = imp->hold = imp->hold_for = imp->forge = 0;
	imp->frames = imp->copies = 0;
	imp->n_damaged = imp->n_doubled = imp->n_held = imp->n_forged = imp->n_lost = 0;
	for (; sscanf(text, "%31s %31s%n", word, value, &used) == 2; text += used)
		if (parse_condition(word, value, imp))
			return -EINVAL;
	return sscanf(text, "%31s", word) == 1 ? -EINVAL : 0;
}

/* IPv4 alone has a checksum over its header, so that a damaged one is never taken for right. */
static bool carries_data(const uint8_t *frame, size_t len)
{
	struct parsed p;

	return len <= IMPAIR_FRAME_MAX && packet_parse(frame, len, true, &p) == 0 &&
	       p.family == AF_INET && p.l4 == UDP_HEADER && p.ports && p.proto == IPPROTO_UDP &&
	       !p.fragment && p.payload_len > WG_KEEPALIVE_LEN && p.payload + 1 < len &&
	       frame[p.payload] == WG_DATA && rule_dscp(p.payload_len - WG_KEEPALIVE_LEN) >= 0;
}

/* Flips one bit, each time another one. */
static void damage_frame(uint8_t *frame, unsigned int i)
{
	const unsigned int bit = i * DAMAGE_STEP % DAMAGE_BITS;
	size_t where = DAMAGE_START + bit / 8;

	/* A checksum of UDP that becomes 0 says that there is none. */
	if (where == UDP_CHECKSUM || where == UDP_CHECKSUM + 1)
		where += 2;
	frame[where] ^= (uint8_t)(1 << bit % 8);
}

static void put_held(struct impair *imp)
{
	const struct impair_held *h = &imp->held[imp->first];

	imp->put(imp->to, h->frame, h->len);
	imp->first = (imp->first + 1) % IMPAIR_HELD_MAX;
	imp->waiting--;
}

void impair_release(struct impair *imp)
{
	while (imp->waiting)
		put_held(imp);
}

static void hold(struct impair *imp, const uint8_t *frame, size_t len)
{
	struct impair_held *h = &imp->held[(imp->first + imp->waiting++) % IMPAIR_HELD_MAX];

	h->due = imp->copies + imp->hold_for;
	h->len = len;
	memcpy(h->frame, frame, len);
	imp->n_held++;
}

/* Returns true for each so manieth. */
static bool turn(unsigned int count, unsigned int every)
{
	return every && count % every == 0;
}

/* Returns whether the copy is damaged. */
static bool pass_copy(struct impair *imp, const uint8_t *frame, size_t len)
{
	uint8_t copy[IMPAIR_FRAME_MAX];
	bool damaged;

	imp->copies++;
	damaged = turn(imp->copies, imp->damage);
	memcpy(copy, frame, len);
	if (damaged)
		damage_frame(copy, imp->n_damaged++);
	if (turn(imp->copies, imp->hold))
		hold(imp, copy, len);
	else
		imp->put(imp->to, copy, len);
	while (imp->waiting && imp->held[imp->first].due <= imp->copies)
		put_held(imp);
	return damaged;
}

/* Forges a frame as an attacker can that sees it and has no key. Without a checksum of UDP, which
 * is right over IPv4, and with one of the header, so that it gets as far as it can. */
static void put_forged(struct impair *imp, const uint8_t *frame, size_t len)
{
	uint8_t forged[IMPAIR_FRAME_MAX], *ip = forged + ETHER_HDR_LEN;
	uint16_t sum;

	memcpy(forged, frame, len);
	ip[1] = (uint8_t)(((ip[1] >> 2) + FORGED_DSCP) << 2 | (ip[1] & 3));
	memset(ip + 10, 0, 2);
	sum = packet_checksum(0, ip, (size_t)(ip[0] & 15) * 4);
	ip[10] = (uint8_t)(sum >> 8);
	ip[11] = (uint8_t)sum;
	memset(forged + UDP_CHECKSUM, 0, 2);
	forged[len - 1] ^= 1;
	imp->n_forged++;
	imp->put(imp->to, forged, len);
}

static bool pass_frame(struct impair *imp, const uint8_t *frame, size_t len)
{
	const bool forge = turn(imp->frames, imp->forge);
	bool lost;

	if (forge && imp->n_forged % 2 == 0) {
		put_forged(imp, frame, len);
		return pass_copy(imp, frame, len);
	}
	lost = pass_copy(imp, frame, len);
	if (forge)
		put_forged(imp, frame, len);
	return lost;
}

void impair_frame(struct impair *imp, const uint8_t *frame, size_t len)
{
	bool lost;

	if (!carries_data(frame, len)) {
		impair_release(imp);
		imp->put(imp->to, frame, len);
		return;
	}
	imp->frames++;
	lost = pass_frame(imp, frame, len);
	if (turn(imp->frames, imp->doubled)) {
		imp->n_doubled++;
		lost &= pass_copy(imp, frame, len);
	}
	if (lost && imp->n_lost < IMPAIR_LOST_MAX)
		imp->lost[imp->n_lost++] = imp->frames - 1;
}

void impair_report(const struct impair *imp, FILE *out)
{
	unsigned int i;

	fprintf(out,
		"{\"frames\":%u,\"damaged\":%u,\"doubled\":%u,\"held\":%u,"
		"\"forged\":%u,\"lost\":[",
		imp->frames, imp->n_damaged, imp->n_doubled, imp->n_held, imp->n_forged);
	for (i = 0; i < imp->n_lost; i++)
		fprintf(out, "%s%u", i ? "," : "", imp->lost[i]);
	fputs("]}\n", out);
}
