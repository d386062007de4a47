/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* --peer-map: the policies of a tunnel that go by the inner destination. */
#ifndef STATE_PEERS_H
#define STATE_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

struct pins;

/* ADDRESS/LENGTH, with the terminating zero. */
#define PEER_NAME_LEN 56

struct peer_map {
	struct dscp_peer peer; /* its slot is of account in the map only */
	struct dscp_policy policy;
};

/* Longer prefixes first, so that the same prefixes always are the same list. While one list
 * replaces another a tunnel has both. */
struct peer_maps {
	struct peer_map maps[2 * DSCP_MAX_PEERS];
	unsigned int n;
};

/* Adds PREFIX:MAP; several of one prefix add up. On error -EINVAL, with a sentence in err. Until
 * peers_complete() the policies say only what their maps name. */
int peers_parse(struct peer_maps *peers, const char *text, char *err, size_t err_len);

/* What a prefix's map does not name is as in the tunnel's own policy. */
void peers_complete(struct peer_maps *peers, const struct dscp_policy *own);

void peers_name(const struct dscp_peer *peer, char name[PEER_NAME_LEN]);

/* These functions return 0, or a negative errno after a sentence. */

/* What the map has, of all slots, in no order. */
int peers_for_each(const struct pins *pins, void (*each)(void *ctx, const struct peer_map *map),
		   void *ctx);
void peers_insert(struct peer_maps *peers, const struct peer_map *map);
int peers_read(const struct pins *pins, uint32_t slot, struct peer_maps *peers);

/* Two steps from one list to another, between which the tunnel's own policy changes: each
 * destination goes from its old policy to its new one at once, with no third in between. */
int peers_add(const struct pins *pins, uint32_t slot, const struct peer_maps *peers);
int peers_remove_others(const struct pins *pins, uint32_t slot, const struct peer_maps *peers);

#endif
