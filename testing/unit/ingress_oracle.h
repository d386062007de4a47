/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Judges packets in place of the ingress programs, written down a second time and in another way:
 * lists instead of maps, bytes instead of structs. The end of a packet's link-layer header is not
 * guessed but told.
 */
#ifndef INGRESS_ORACLE_H
#define INGRESS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "egress_packet.h"

#define OVPN_HEADER 24 /* opcode and peer 4, packet number 4, tag 16 */
#define N_SLOTS 8
#define N_PORTS 8
#define MAX_FRONT 1024
#define NO_DSCP 0x100u

struct world {
	struct dscp_tunnel tunnels[N_SLOTS]; /* by slot; ifindex 0: not registered */
	struct {
		uint16_t port, slot;
		uint8_t ingress_kind;
	} ports[N_PORTS];
	unsigned int n_ports;
	uint32_t ingress_kinds; /* bits of the other kinds */
	bool configured; /* by a tool, even if there is no tunnel */
	uint32_t hash; /* skb->hash at the uplink */
};

/* A packet that came out of a tunnel. */
struct delivered {
	uint8_t front[MAX_FRONT]; /* the bytes in memory in front of it */
	size_t front_len;
	struct packet packet; /* link: 0 if it begins with its IP header */
	uint32_t ifindex; /* of the tunnel device */
	uint32_t segments;
	bool tag; /* a VLAN tag in the metadata */
	uint32_t hash; /* skb->hash */
	uint16_t tc_index; /* skb->tc_index */
};

/* A note in the map `notes`. */
struct noted {
	struct dscp_note_key key;
	struct dscp_note note;
	bool there;
};

enum passing {
	PASSED, /* nothing noted, nothing counted */
	SKIPPED,
	NOTED,
};

struct passage {
	enum passing what;
	uint32_t slot; /* SKIPPED: the counter that has it */
	struct noted noted;
};

enum verdict {
	UNTOUCHED, /* and not counted */
	UNKNOWN,
	UNCHANGED,
	MARKED,
};

struct outcome {
	enum verdict verdict;
	uint32_t slot;
	uint8_t dscp; /* that it has afterwards */
	bool taken; /* the note is gone */
	bool passed; /* came out of a tunnel that is known */
	uint8_t came; /* one more than the outer DSCP, or 0: not known */
};

/* At the uplink. link: length of the link-layer header, by which the ethertype comes. */
struct passage judge_passing(enum dscp_method method, const struct world *world,
			     const struct packet *wire);

/* At the tunnel. noted: the note with the skb's address, or the only one; not used by peek. */
struct outcome judge_arrival(enum dscp_method method, const struct world *world,
			     const struct delivered *d, const struct noted *noted);

/* The length of Ethernet and up to two tags, and the ethertype behind it. */
size_t link_length(const uint8_t *bytes, size_t len, uint16_t *type);

#endif
