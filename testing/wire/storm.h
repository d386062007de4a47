/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * wire storm: random packets around tunnels, and an oracle that knows nothing but the policies and
 * the packet inside. The tunnels, and the way that a packet to each address takes, are in a file,
 * the setup; all else comes from the seed.
 */
#ifndef WIRE_STORM_H
#define WIRE_STORM_H

#include <string.h>

#include "inject.h"
#include "observe.h"
#include "wire.h"

#define STORM_TUNNELS 16
#define STORM_DEPTH 3 /* tunnels inside each other */
#define STORM_PEERS 8
#define STORM_PLACES 64
#define STORM_ROUTES 8
#define STORM_DOORS 16
#define STORM_SOCKETS 256
#define STORM_FLIGHTS 1024
#define STORM_GROUPS 64
#define STORM_PARTS 16 /* fragments of one packet */
#define STORM_L4_MAX 4096
#define STORM_SEALED_MAX 8 /* messages that a packet becomes */
#define STORM_SEGMENTS_MAX 8 /* packets that leave a socket as one */
#define STORM_WHOLE_MAX 16384
#define STORM_RECENT 4
#define STORM_SENDERS 8

#define STORM_KEEP 255
#define STORM_RECORD 8 /* bytes of a record, and the size that fragments are cut to */
#define STORM_FIRST 24 /* the first record that no header of layer 4 takes the place of */

/* The tunnels that a packet is in, the outermost first. */
struct storm_stack {
	unsigned int depth;
	uint8_t tunnel[STORM_DEPTH];
};

struct storm_policy {
	uint8_t to[64]; /* or STORM_KEEP */
};

struct storm_peer {
	struct address prefix;
	unsigned int bits;
	struct storm_policy policy;
};

struct storm_tunnel {
	char name[16];
	enum tunnel kind;
	int family; /* outside */
	unsigned int port; /* or IP protocol; 0: of either IP version inside */
	uint32_t id;
	struct storm_stack under; /* that its outer packets are in */
	bool inherit; /* the kernel copies the inner DS field by itself */
	bool no_ecn; /* or not even the ECN bits */
	unsigned int mtu; /* of one that encrypts */
	bool loaded, fixed; /* fixed: packets that are not IP are marked too */
	struct storm_policy policy;
	struct storm_peer peers[STORM_PEERS];
	unsigned int n_peers;
};

/* A way that packets to an address take if the socket has that mark. */
struct storm_route {
	unsigned int mark;
	struct storm_stack stack;
};

/* An address outside of the node, and the largest packet to it that nobody has to fragment. */
struct storm_place {
	struct address to;
	unsigned int size;
	struct storm_route routes[STORM_ROUTES]; /* the first one has mark 0 */
	unsigned int n_routes;
};

/* A device that complete frames are put on: of the node itself, or of one behind it. */
struct storm_door {
	char dev[16];
	bool behind;
	int family; /* that it takes, or AF_UNSPEC */
	struct mac mac; /* of the next hop */
	unsigned int size;
	struct storm_stack stack;
	struct inject inj;
};

struct storm_setup {
	struct storm_tunnel tunnels[STORM_TUNNELS];
	struct storm_place places[STORM_PLACES];
	struct storm_door doors[STORM_DOORS];
	struct address own[2], behind[2]; /* IPv4 and IPv6 of the node, and of the one behind it */
	unsigned int n_tunnels, n_places, n_doors;
	/* A tunnel in user space: its packets come from that port, and have one DSCP. 0: none. */
	unsigned int user_port, user_dscp;
	unsigned int first_port, n_ports; /* source ports that tunnels and sockets have in common */
};

/* The sender of a packet. */
enum storm_way {
	STORM_SOCKET, /* a UDP socket */
	STORM_RAW, /* a raw socket that makes its own IP header */
	STORM_FRAME, /* a packet socket of the node */
	STORM_FORWARD, /* a host behind the node */
	STORM_WAYS,
};

/* The kind of a packet. */
enum storm_shape {
	STORM_PLAIN, /* UDP that is nobody's */
	STORM_SEGMENTS, /* several UDP packets that leave the socket as one (GSO) */
	STORM_TCP,
	STORM_ICMP,
	STORM_ESP,
	STORM_OTHER, /* a protocol that nobody knows */
	STORM_NOT_IP,
	STORM_PARTS_ALL, /* fragments that the sender has cut itself */
	STORM_PARTS_LAST, /* the later ones without the first one */
	STORM_PARTS_FIRST,
	STORM_REUSED, /* fragments with the identification of a tunnel's packet that has passed */
	STORM_WRONG_ID, /* to a tunnel's port, but of another network */
	STORM_WRONG_FAMILY, /* of its network, but over the other IP version */
	STORM_GARBAGE, /* of its network, but nothing that could be read is inside */
	STORM_FORGED, /* as if it were the tunnel's, with a packet inside */
	STORM_SHAPES,
};

/* A packet on its way. */
struct storm_flight {
	bool used;
	uint32_t number;
	enum storm_way way;
	enum storm_shape shape;
	uint8_t ds; /* of the innermost packet */
	uint8_t outer_ds; /* of a forged one */
	uint8_t tunnel; /* that it could be taken for: forged, garbage */
	struct storm_stack stack;
	uint8_t ttl;
	int family;
	bool users; /* from the port of a tunnel in user space, as its first fragment says */
	unsigned int next, end; /* bytes of layer 4: seen so far, in all */
	unsigned int more; /* packets of the same bytes that follow */
	/* In a tunnel that encrypts a packet is known by its length. */
	struct address dst;
	unsigned int sealed[STORM_SEALED_MAX], n_sealed; /* lengths that are still to come */
	uint8_t head[STORM_FIRST - STORM_RECORD]; /* the bytes behind the first eight */
};

/* A fragmented outer packet, put together again. */
struct storm_group {
	bool used;
	struct storm_stack stack; /* of the tunnels outside of it */
	struct parsed first;
	size_t header; /* bytes in front of layer 4 */
	size_t have;
	uint8_t ds[STORM_PARTS];
	unsigned int n;
	uint8_t bytes[STORM_WHOLE_MAX];
};

/* An identification that a tunnel's fragments had. */
struct storm_recent {
	unsigned int version; /* odd while it is being written; 0: never yet */
	struct storm_stack stack;
	struct address src, dst;
	uint32_t id;
};

/* Why a tunnel's packet is as it was: the class of unmarked packets. */
enum storm_class {
	STORM_CLASS_WHOLE,
	STORM_CLASS_FIRST, /* fragment */
	STORM_CLASS_LATER,
	STORM_CLASS_NOT_IP,
	STORM_CLASS_SEALED, /* fragments of WireGuard's packets */
	STORM_CLASSES,
};

struct storm_counts {
	unsigned long frames, others; /* others: not ours, not IP */
	unsigned long violations;
	unsigned long as_sent; /* innermost headers */
	unsigned long marked, unloaded; /* outer headers */
	unsigned long unmarked[STORM_CLASSES];
	unsigned long outer[3]; /* whole, first fragments, later ones */
	unsigned long inner_parts, nested, taken_for, sealed, users;
};

struct storm_socket {
	int fd;
	bool connected;
	struct storm_place *place; /* NULL: to whatever address */
	int family;
	unsigned int route;
	uint8_t usual;
};

/* The work of a sender. */
struct storm_sent {
	uint32_t sent;
	unsigned long way[STORM_WAYS], shape[STORM_SHAPES];
	unsigned long moved; /* sockets, from one route to another */
	bool failed;
};

/* The memory that the senders, a process each, and the observer have in common. */
struct storm_shared {
	struct storm_flight flights[STORM_FLIGHTS];
	struct storm_recent recent[STORM_RECENT];
	struct storm_sent by[STORM_SENDERS];
};

struct storm {
	struct storm_setup setup;
	const char *setup_file, *at;
	unsigned int seed, count, in_flight, seconds, n_senders;
	struct storm_shared *shared;
	unsigned int n_primers; /* packets that the first sender sends before all others */
	/* A sender takes a token for each packet, and gets it back when the packet has arrived. */
	int tokens[STORM_SENDERS][2];
	int primed[2]; /* has a token for each sender when the primers have arrived */
	pid_t pids[STORM_SENDERS];

	/* For a sender. */
	unsigned int sender;
	uint64_t state; /* of the random numbers */
	struct storm_socket sockets[STORM_SOCKETS];
	unsigned int n_sockets;
	int raw[2];
	unsigned int raw_mark[2];
	uint8_t l4[STORM_L4_MAX], segments[STORM_SEGMENTS_MAX * STORM_L4_MAX];

	/* For the observer. */
	struct observer observer;
	uint32_t arrived;
	struct storm_group groups[STORM_GROUPS];
	unsigned int n_recent;
	struct storm_counts counts;
	uint8_t frame[OBSERVE_MAX];
};

/* Reads the setup: 0, or a negative errno after a message. */
int storm_read_setup(struct storm_setup *setup, const char *file);
static inline bool storm_same_stack(const struct storm_stack *a, const struct storm_stack *b)
{
	return a->depth == b->depth && memcmp(a->tunnel, b->tunnel, a->depth) == 0;
}

/* Reads the record at that offset of layer 4: the number, and that it is a record. */
void storm_record(uint8_t record[STORM_RECORD], unsigned int seed, uint32_t number,
		  unsigned int offset);

/* Opens the sockets for sending: doors behind the node, and then, in the node, all the rest. */
int storm_open_doors(struct storm *s, bool behind);
int storm_open_sockets(struct storm *s);
/* Sends the next packet: 0, -EBUSY if none could be made that is unlike those on their way, or
 * another negative errno after a message. */
int storm_send(struct storm *s);
/* How many primers there are, see storm_send.c. */
unsigned int storm_primers(const struct storm_setup *setup);
/* Starts the senders, which send from here, so many packets altogether: 0 or a negative errno after
 * a message. */
int storm_start(struct storm *s);
/* Tells whether a sender has failed, and has said why. */
bool storm_failed(const struct storm *s);
/* Says to the sender of a packet that it has arrived. */
void storm_give_token(const struct storm *s, uint32_t number);
/* Lets all senders begin. */
void storm_say_primed(const struct storm *s);
/* Waits for the senders; if there is no use in going on, ends them. */
void storm_end(struct storm *s, bool kill_them);

/* Returns the outer header that a tunnel should put in front of an IP packet, if the kernel alone
 * says as_it_was. */
uint8_t storm_wanted_ds(const struct storm_tunnel *t, uint8_t inner_ds, const struct address *dst,
			uint8_t as_it_was);
/* As the kernel makes it without the tool: CS0 or the inner DSCP, and ECN by RFC 6040, if at all.
 */
uint8_t storm_kernels_ds(const struct storm_tunnel *t, uint8_t inner_ds);
/* The length of a packet in a message of WireGuard. */
static inline unsigned int storm_padded(unsigned int len, unsigned int mtu)
{
	const unsigned int padded = (len + 15) / 16 * 16;

	return padded < mtu ? padded : mtu;
}
/* The tunnel that encrypts, if these tunnels end in one; or -1. */
static inline int storm_sealed_by(const struct storm_setup *setup, const struct storm_stack *stack)
{
	const int last = stack->depth ? stack->tunnel[stack->depth - 1] : -1;

	return last >= 0 && setup->tunnels[last].kind == TUNNEL_WIREGUARD ? last : -1;
}

/* Takes and judges the next frame: 0, -EAGAIN if there is none, or another negative errno. */
int storm_take(struct storm *s);
extern const char *const storm_way_names[STORM_WAYS];
extern const char *const storm_shape_names[STORM_SHAPES];
extern const char *const storm_class_names[STORM_CLASSES];

#endif
