/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads, writes and parses the policies by inner destination. */
#include "state/prefixes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <bpf/bpf.h>

#include "state/kernel.h"
#include "state/pins.h"
#include "util/args.h"
#include "util/macros.h"
#include "util/policy.h"

static int inet_family(const struct dscp_prefix *prefix)
{
	return prefix->family == 4 ? AF_INET : AF_INET6;
}

static unsigned int length_of(const struct dscp_prefix *prefix)
{
	return prefix->prefixlen - DSCP_PREFIX_BITS;
}

void prefixes_name(const struct dscp_prefix *prefix, char name[PREFIX_NAME_LEN])
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(inet_family(prefix), prefix->address, address, sizeof(address));
	snprintf(name, PREFIX_NAME_LEN, "%s/%u", address, length_of(prefix));
}

static bool same_prefix(const struct dscp_prefix *a, const struct dscp_prefix *b)
{
	return a->prefixlen == b->prefixlen && a->family == b->family &&
	       !memcmp(a->address, b->address, sizeof(a->address));
}

/* Index of a prefix, or -1. */
static int find(const struct peer_maps *prefixes, const struct dscp_prefix *prefix)
{
	for (unsigned int i = 0; i < prefixes->n; i++)
		if (same_prefix(&prefixes->maps[i].prefix, prefix))
			return i;
	return -1;
}

/* Clears the bits beyond the length. False: nothing was there. */
static bool clear_host_bits(struct dscp_prefix *prefix)
{
	bool any = false;

	for (unsigned int i = 0; i < sizeof(prefix->address); i++) {
		int bits = (int)length_of(prefix) - (int)i * 8;
		uint8_t mask = bits >= 8 ? 0xff : bits > 0 ? 0xff << (8 - bits) : 0;

		any |= prefix->address[i] & ~mask;
		prefix->address[i] &= mask;
	}
	return any;
}

int prefixes_parse_one(struct dscp_prefix *prefix, char *text, char *err, size_t err_len)
{
	char *slash = strchr(text, '/'), name[PREFIX_NAME_LEN];
	unsigned long length, longest;

	if (slash)
		*slash = '\0';
	memset(prefix, 0, sizeof(*prefix));
	if (inet_pton(AF_INET, text, prefix->address) == 1)
		prefix->family = 4;
	else if (inet_pton(AF_INET6, text, prefix->address) == 1)
		prefix->family = 6;
	if (!prefix->family) {
		snprintf(err, err_len, "'%s' is not an IPv4 or IPv6 address", text);
		return -EINVAL;
	}
	if (prefix->family == 6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)prefix->address)) {
		snprintf(err, err_len, "'%s' is an IPv4 address: write it as one", text);
		return -EINVAL;
	}
	longest = prefix->family == 4 ? 32 : 128;
	length = longest;
	if (slash && args_number(slash + 1, 0, longest, &length, NULL, 0)) {
		snprintf(err, err_len, "'%s' is not a prefix length of %s: 0 to %lu", slash + 1,
			 text, longest);
		return -EINVAL;
	}
	prefix->prefixlen = DSCP_PREFIX_BITS + length;
	if (!clear_host_bits(prefix))
		return 0;
	prefixes_name(prefix, name);
	snprintf(err, err_len, "%s/%lu has host bits set; use %s", text, length, name);
	return -EINVAL;
}

bool prefixes_cover(const struct dscp_prefix *prefix, const struct dscp_prefix *other)
{
	struct dscp_prefix part = *other;

	if (prefix->prefixlen > other->prefixlen)
		return false;
	part.prefixlen = prefix->prefixlen;
	clear_host_bits(&part);
	return same_prefix(prefix, &part);
}

/* Longer prefixes come first. */
int prefixes_deciding(const struct peer_maps *prefixes, const struct dscp_prefix *address)
{
	for (unsigned int i = 0; i < prefixes->n; i++)
		if (prefixes_cover(&prefixes->maps[i].prefix, address))
			return i;
	return -1;
}

/* Longer prefixes first; then in one order, whatever order they were given in or the map has. */
static bool goes_before(const struct dscp_prefix *a, const struct dscp_prefix *b)
{
	if (a->prefixlen != b->prefixlen)
		return a->prefixlen > b->prefixlen;
	if (a->family != b->family)
		return a->family < b->family;
	return memcmp(a->address, b->address, sizeof(a->address)) < 0;
}

/* More than there is room for is in no list. The tunnel's own policy is no prefix. */
void prefixes_insert(struct peer_maps *prefixes, const struct peer_map *map)
{
	unsigned int i = prefixes->n;

	/* Read without the lock, an entry may come twice. */
	if (i == DSCP_MAX_PREFIXES || map->prefix.prefixlen < DSCP_PREFIX_BITS ||
	    find(prefixes, &map->prefix) >= 0)
		return;
	for (; i && goes_before(&map->prefix, &prefixes->maps[i - 1].prefix); i--)
		prefixes->maps[i] = prefixes->maps[i - 1];
	prefixes->maps[i] = *map;
	prefixes->n++;
}

static int add(struct peer_maps *prefixes, const struct dscp_prefix *prefix, const char *text,
	       char *err, size_t err_len)
{
	struct peer_map map = { .prefix = *prefix };
	char name[PREFIX_NAME_LEN];
	int known = find(prefixes, prefix), ret;

	if (known >= 0)
		return policy_parse(&policy_dscps, &prefixes->maps[known].policy, text, err,
				    err_len);
	policy_unnamed(&map.policy);
	ret = policy_parse(&policy_dscps, &map.policy, text, err, err_len);
	if (ret)
		return ret;
	if (prefixes->n == DSCP_MAX_PREFIXES) {
		prefixes_name(prefix, name);
		snprintf(err, err_len, "%s is one too many: at most %d", name, DSCP_MAX_PREFIXES);
		return -EINVAL;
	}
	prefixes_insert(prefixes, &map);
	return 0;
}

/* IPv6 has colons and a map has none; but 10.0.0.5 or fd00::5 alone is no map either. */
static bool is_map(const char *text)
{
	return strchr(text, '=') || !strcasecmp(text, "copy");
}

int prefixes_parse(struct peer_maps *prefixes, const char *text, char *err, size_t err_len)
{
	char *copy = strdup(text), *colon = copy ? strrchr(copy, ':') : NULL;
	struct dscp_prefix prefix;
	int ret;

	if (!copy || !colon || !is_map(colon + 1)) {
		snprintf(err, err_len,
			 "'%s' is not PREFIX:MAP, such as 10.0.0.5:EF=CS1 or fd00:7::/64:*=CS0",
			 text);
		free(copy);
		return -EINVAL;
	}
	*colon = '\0';
	ret = prefixes_parse_one(&prefix, copy, err, err_len);
	if (!ret)
		ret = add(prefixes, &prefix, colon + 1, err, err_len);
	free(copy);
	return ret;
}

void prefixes_complete(struct peer_maps *prefixes, const struct dscp_policy *own)
{
	for (unsigned int i = 0; i < prefixes->n; i++)
		policy_complete(&prefixes->maps[i].policy, own);
}

static int failed(const struct pins *pins, const char *what)
{
	return pins_failed(pins, -errno, what, "/maps/prefixes");
}

int prefixes_for_each(const struct pins *pins, void (*each)(void *ctx, const struct peer_map *map),
		      void *ctx)
{
	int fd = pins->maps[MAP_PREFIXES];
	struct dscp_prefix last;
	struct peer_map map;
	bool first = true;

	while (!bpf_map_get_next_key(fd, first ? NULL : &last, &map.prefix)) {
		first = false;
		last = map.prefix;
		if (!bpf_map_lookup_elem(fd, &last, &map.policy))
			each(ctx, &map);
		else if (errno != ENOENT) /* which is one that was just removed */
			break;
	}
	return errno == ENOENT ? 0 : failed(pins, "cannot read");
}

struct list {
	struct peer_maps *prefixes;
	uint32_t slot;
	uint8_t number;
};

static void read_one(void *ctx, const struct peer_map *map)
{
	const struct list *list = ctx;

	if (map->prefix.slot == list->slot && map->prefix.list == list->number)
		prefixes_insert(list->prefixes, map);
}

int prefixes_read(const struct pins *pins, uint32_t slot, const struct request *request,
		  struct peer_maps *prefixes)
{
	struct list wanted = { .prefixes = prefixes, .slot = slot, .number = request->list };

	prefixes->n = 0;
	return request->prefixes ? prefixes_for_each(pins, read_one, &wanted) : 0;
}

void prefixes_lists(const struct dscp_tunnel *tunnel, const struct request *request, int lists[2])
{
	lists[0] = tunnel->flags & DSCP_TUNNEL_PREFIXES ? tunnel->list : -1;
	lists[1] = request->prefixes ? request->list : -1;
}

int prefixes_write(const struct pins *pins, uint32_t slot, const struct request *request,
		   const struct peer_maps *prefixes)
{
	struct peer_map map = { .prefix.prefixlen = DSCP_PREFIX_REST,
				.policy = request->egress_map };

	for (unsigned int i = 0;; i++) {
		map.prefix.slot = slot;
		map.prefix.list = request->list;
		if (bpf_map_update_elem(pins->maps[MAP_PREFIXES], &map.prefix, &map.policy,
					BPF_ANY))
			return failed(pins, "cannot write");
		if (i == prefixes->n)
			return 0;
		map = prefixes->maps[i];
	}
}

/* Entries of lists that neither a tunnel nor its request has: a tunnel has three lists at most. */
struct left_over {
	uint32_t slot;
	int in_use[2];
	unsigned int n;
	struct dscp_prefix entries[3 * (DSCP_MAX_PREFIXES + 1)];
};

static void add_left_over(void *ctx, const struct peer_map *map)
{
	struct left_over *left = ctx;

	if (map->prefix.slot == left->slot && map->prefix.list != left->in_use[0] &&
	    map->prefix.list != left->in_use[1] && left->n < ARRAY_SIZE(left->entries))
		left->entries[left->n++] = map->prefix;
}

/* A packet may still be looking for its destination in the list that was in force. Shorter prefixes
 * go first, as the kernel names them last: whoever reads without the lock finds a prefix with its
 * policy, or not at all. */
int prefixes_forget(const struct pins *pins, uint32_t slot)
{
	struct left_over left;
	int err;

	left.slot = slot;
	left.n = 0;
	prefixes_lists(&pins->tunnels[slot], &pins->requests[slot], left.in_use);
	err = prefixes_for_each(pins, add_left_over, &left);
	if (left.n)
		kernel_wait_for_programs();
	while (!err && left.n)
		if (bpf_map_delete_elem(pins->maps[MAP_PREFIXES], &left.entries[--left.n]))
			err = failed(pins, "cannot write");
	return err;
}
