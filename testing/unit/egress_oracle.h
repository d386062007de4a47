/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Judges packets in place of egress_outer, written down a second time and in another way: lists
 * instead of maps, bytes instead of structs. The end of a packet's link-layer header is not guessed
 * but told.
 */
#ifndef EGRESS_ORACLE_H
#define EGRESS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "egress_packet.h"

#define N_SLOTS 32
#define N_STAMPS 256
#define N_NOTES 512

/* A stamp as egress_inner leaves it in the maps. */
struct stamp {
	uint32_t hash;
	uint32_t ifindex;
	uint8_t value; /* DSCP_STAMP_* */
	bool in_flows;
	bool in_recent;
};

/* The tunnel of a datagram's fragments, as its first one has left it. */
struct note {
	uint32_t uplink;
	int family;
	uint8_t protocol;
	uint32_t id;
	uint8_t addresses[32]; /* as they are in the header: 8 or 32 bytes */
	uint32_t slot;
	uint32_t dscp; /* DSCP_KEEP, DSCP_UNKNOWN */
};

/* The inner packets of a tunnel to a prefix: all their DSCPs become that. */
struct prefix {
	uint32_t slot;
	uint8_t list; /* of the tunnel's lists */
	bool rest; /* all that the list has no prefix for; then length is 0 */
	bool ip6;
	uint8_t address[16];
	unsigned int length;
	uint8_t to;
};

#define N_WORLD_PREFIXES 16

struct world {
	struct dscp_tunnel tunnels[N_SLOTS]; /* by slot */
	struct stamp stamps[N_STAMPS];
	unsigned int n_stamps;
	struct note notes[N_NOTES];
	unsigned int n_notes;
	struct prefix prefixes[N_WORLD_PREFIXES];
	unsigned int n_prefixes;
	uint32_t uplink; /* ifindex of the device that packets leave by */
	bool configured; /* by a tool, even if there is no tunnel */
};

enum verdict {
	NOT_OURS, /* not touched, not counted */
	SKIPPED,
	UNKNOWN,
	UNCHANGED,
	MARKED,
};

struct outcome {
	enum verdict verdict;
	uint32_t slot;
	uint8_t dscp; /* MARKED: the new one; SKIPPED: the same, or DSCP_KEEP */
	uint8_t priority; /* one more than the new skb->priority, or 0: stays */
	enum dscp_reason reason; /* UNKNOWN */
	uint8_t came; /* one more than the DSCP of the inner header, or 0: not read */
	size_t ip; /* where the outer IP header is; set if it is not NOT_OURS */
	bool ip6;
	/* The change of the notes: this one goes, if it was there, and comes if it is to. */
	struct note note;
	bool forgets, notes;
	bool later; /* a fragment that is not the first one */
};

/* Tells whether the outer header gets the DSCP of the outcome. */
static inline bool outcome_changes(const struct outcome *o)
{
	return o->verdict == MARKED || (o->verdict == SKIPPED && o->dscp != DSCP_KEEP);
}

/* The fields that egress_inner should see in a packet. */
struct inner {
	bool ip; /* false: not an IP packet, and the rest is not set */
	bool ip6;
	uint8_t dscp;
	const uint8_t *dest; /* the address */
};

/* Lengths in the headers are not looked at. type: as for judge(). */
struct inner judge_inner(const uint8_t *bytes, size_t len, uint16_t type);

/* type: ethertype of an L3 packet; 0: the packet begins with an Ethernet header. */
struct outcome judge(const struct world *world, const uint8_t *bytes, size_t len, uint16_t type,
		     uint32_t hash);

/* Judges a packet that has come in by another device: only an ovpn's is rewritten, which the stamp
 * proves. */
struct outcome judge_forwarded(const struct world *world, uint32_t hash, struct outcome outcome);

/* Changes the world as a packet with that outcome does. */
void judge_done(struct world *world, const struct outcome *outcome);

#endif
