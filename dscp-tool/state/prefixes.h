/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* --peer-map: the policies of a tunnel that go by the inner destination. */
#ifndef STATE_PREFIXES_H
#define STATE_PREFIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

struct pins;
struct request;

/* ADDRESS/LENGTH, with the terminating zero. */
#define PREFIX_NAME_LEN 56

struct peer_map {
	struct dscp_prefix prefix; /* slot and list are of account in the map only */
	struct dscp_policy policy;
};

/* Longer prefixes first, so that the same prefixes always are the same list. */
struct peer_maps {
	struct peer_map maps[DSCP_MAX_PREFIXES];
	unsigned int n;
};

/* Adds PREFIX:MAP; several of one prefix add up. On error -EINVAL, with a sentence in err. Until
 * prefixes_complete() the policies have only the DSCPs that their maps name. */
int prefixes_parse(struct peer_maps *prefixes, const char *text, char *err, size_t err_len);

/* Reads ADDRESS[/LENGTH], and changes text. On error -EINVAL, with a sentence in err. */
int prefixes_parse_one(struct dscp_prefix *prefix, char *text, char *err, size_t err_len);
/* Tells whether the prefix has all addresses of the other one. */
bool prefixes_cover(const struct dscp_prefix *prefix, const struct dscp_prefix *other);
/* Index of the prefix that decides for an address, the longest that has it; -1: none. */
int prefixes_deciding(const struct peer_maps *prefixes, const struct dscp_prefix *address);

/* Takes DSCPs that a prefix's map does not name from the tunnel's own policy. */
void prefixes_complete(struct peer_maps *prefixes, const struct dscp_policy *own);

void prefixes_name(const struct dscp_prefix *prefix, char name[PREFIX_NAME_LEN]);

void prefixes_insert(struct peer_maps *prefixes, const struct peer_map *map);

/* The numbers of a tunnel's lists: of the one in force, and of the one that its request names. -1:
 * there is none. */
void prefixes_lists(const struct dscp_tunnel *tunnel, const struct request *request, int lists[2]);

/* These functions return 0, or a negative errno after a sentence. */

/* Reads the map, all slots and lists, in no order. */
int prefixes_for_each(const struct pins *pins, void (*each)(void *ctx, const struct peer_map *map),
		      void *ctx);
/* The prefixes of the request of a slot. */
int prefixes_read(const struct pins *pins, uint32_t slot, const struct request *request,
		  struct peer_maps *prefixes);

/* Writes the list that the request names, completed by the rest of the request. */
int prefixes_write(const struct pins *pins, uint32_t slot, const struct request *request,
		   const struct peer_maps *prefixes);
/* Takes away all lists of that slot but those that the tunnel or its request has. */
int prefixes_forget(const struct pins *pins, uint32_t slot);

#endif
