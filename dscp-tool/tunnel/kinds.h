/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The kinds of tunnels that are served, a row each. A new kind is a row here, a number in
 * <dscp/abi.h>, and in the programs how its packets are known: match_*() and find_in_*() of
 * dscp_egress.bpf.c, match_*() of dscp_ingress.bpf.c, tunnel_fits() of bpf_cleartext.h. The
 * completion asks for DEVTYPE.
 */
#ifndef TUNNEL_KINDS_H
#define TUNNEL_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "util/netlink.h"

/* Fields of the outer header that tell tunnels of one kind apart. */
enum kind_key {
	KIND_BY_NOTHING, /* not a kind */
	KIND_BY_SOURCE_PORT,
	KIND_BY_DEST_PORT_ID, /* and the family */
	KIND_BY_ADDRESSES, /* and the key, if there is one */
};

/* The source for ports, and for the addresses that the kernel sends to. */
enum kind_peers {
	PEERS_OF_LINK, /* nobody but the link */
	PEERS_OF_FDB,
	PEERS_OF_WIREGUARD, /* and of amneziawg */
	PEERS_OF_OVPN,
};

struct kind {
	struct nl_kind link; /* no name: a user space tunnel, of any device */
	uint8_t kind; /* enum dscp_kind */
	uint8_t key; /* enum kind_key */
	uint8_t methods; /* bits (1 << enum dscp_method): methods of ingress */
	uint8_t peers; /* enum kind_peers */
	bool external_ok; /* is served in external mode too */
	bool handshakes; /* egress_outer tells handshakes and keepalives from data */
};

/* NULL: not served. */
const struct kind *kinds_by_name(const char *name);

/* The same for nl_link_kinds(). */
const struct nl_kind *kinds_link(const char *name);

enum kind_key kinds_key(uint32_t kind);
enum kind_peers kinds_peers(uint32_t kind);

/* Tells whether ingress can work by that method. */
bool kinds_can(uint32_t kind, enum dscp_method method);

/* Tells whether egress_outer tells handshakes and keepalives from data: clear text has none, and
 * user space has its own. */
bool kinds_handshakes(uint32_t kind);

#define KINDS_LIST 128

/* Writes the names of all kinds, with commas; KINDS_LIST has room for half as many again. */
void kinds_list(char text[static KINDS_LIST]);

#endif
