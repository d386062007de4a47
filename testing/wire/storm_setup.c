/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Reads the setup of a storm. A line each, words separated by spaces:
 *
 *   own ADDRESS
 *   behind ADDRESS
 *   ports FIRST COUNT
 *   user PORT DSCP
 *   tunnel NAME KIND TOS 4|6 PORT ID STACK POLICY [PREFIX:MAP]...
 *   to ADDRESS SIZE STACK [MARK:STACK]...
 *   door DEV own|behind MAC SIZE STACK [4|6]
 *
 * own, behind: addresses of the node, and of the one behind it. ports: source ports that tunnels
 * and sockets have in common. user: a tunnel in user space, by its port. tunnel: TOS is the byte
 * that the kernel writes outside, 0, "inherit", or "none" if it does not even copy ECN; STACK names
 * the tunnels that its outer packets are in; POLICY is "-" if it is not loaded, a map, or
 * "fixed:DSCP". to: where packets go, and where packets of sockets with a mark go. door: 4 or 6 is
 * the IP version that it takes.
 *
 * A stack is "-", or names of tunnels separated by slashes, the outermost first. A map is as in
 * "dscp-tool load", in numbers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/socket.h>

#include <util/macros.h>

#include "storm.h"

static int read_stack(const struct storm_setup *setup, char *text, struct storm_stack *stack)
{
	char *save, *name;
	unsigned int i;

	stack->depth = 0;
	if (strcmp(text, "-") == 0)
		return 0;
	for (name = strtok_r(text, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		for (i = 0; i < setup->n_tunnels; i++)
			if (strcmp(setup->tunnels[i].name, name) == 0)
				break;
		if (i == setup->n_tunnels || stack->depth == STORM_DEPTH)
			return -EINVAL;
		stack->tunnel[stack->depth++] = (uint8_t)i;
	}
	return 0;
}

static int read_target(const char *text, unsigned long *to)
{
	if (strcmp(text, "keep") == 0) {
		*to = STORM_KEEP;
		return 0;
	}
	return parse_number(text, 0, 63, to);
}

/* FROM=TO: FROM is a number, two with a dash between, or an asterisk. */
static int read_entry(char *entry, struct storm_policy *policy)
{
	unsigned long first = 0, last = 63, to;
	char *target = strchr(entry, '='), *dash;

	if (!target)
		return -EINVAL;
	*target++ = 0;
	dash = strchr(entry, '-');
	if (dash)
		*dash++ = 0;
	if (strcmp(entry, "*") &&
	    (parse_number(entry, 0, 63, &first) || parse_number(dash ? dash : entry, 0, 63, &last)))
		return -EINVAL;
	if (read_target(target, &to))
		return -EINVAL;
	for (; first <= last; first++)
		policy->to[first] = (uint8_t)to;
	return 0;
}

static int read_map(char *text, struct storm_policy *policy)
{
	char *save, *entry;
	unsigned int d;

	for (d = 0; d < 64; d++)
		policy->to[d] = (uint8_t)d;
	for (entry = strtok_r(text, ",", &save); entry; entry = strtok_r(NULL, ",", &save))
		if (read_entry(entry, policy))
			return -EINVAL;
	return 0;
}

static int read_policy(char *text, struct storm_tunnel *t)
{
	unsigned long to;

	t->loaded = strcmp(text, "-") != 0;
	if (!t->loaded)
		return 0;
	if (strncmp(text, "fixed:", 6))
		return read_map(text, &t->policy);
	t->fixed = true;
	if (read_target(text + 6, &to))
		return -EINVAL;
	memset(t->policy.to, (int)to, sizeof(t->policy.to));
	return 0;
}

/* PREFIX/BITS:MAP; the address may have colons, the map has none. */
static int read_peer(char *text, struct storm_tunnel *t)
{
	struct storm_peer *peer = &t->peers[t->n_peers];
	char *map = strrchr(text, ':'), *slash = strchr(text, '/');
	unsigned long bits;

	if (!map || !slash || map < slash || t->n_peers == STORM_PEERS)
		return -EINVAL;
	*map++ = 0;
	*slash++ = 0;
	if (parse_address(text, &peer->prefix) || parse_number(slash, 0, 128, &bits))
		return -EINVAL;
	peer->bits = (unsigned int)bits;
	t->n_peers++;
	return read_map(map, &peer->policy);
}

static int read_kind(const char *text, enum tunnel *kind)
{
	static const char *const names[] = { "wireguard", "vxlan", "geneve", "gre", "ipip" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]))
			continue;
		*kind = (enum tunnel)i;
		return 0;
	}
	return -EINVAL;
}

static int read_tunnel(struct storm_setup *setup, char **word, unsigned int n)
{
	struct storm_tunnel *t = &setup->tunnels[setup->n_tunnels];
	unsigned long port, id;
	unsigned int i;

	if (n < 8 || setup->n_tunnels == STORM_TUNNELS || strlen(word[0]) >= sizeof(t->name))
		return -EINVAL;
	strcpy(t->name, word[0]);
	t->inherit = strcmp(word[2], "inherit") == 0;
	t->no_ecn = strcmp(word[2], "none") == 0;
	t->family = strcmp(word[3], "6") ? AF_INET : AF_INET6;
	if (read_kind(word[1], &t->kind) || parse_number(word[4], 0, 65535, &port) ||
	    parse_number(word[5], 0, 0xffffffff, &id) || read_stack(setup, word[6], &t->under) ||
	    read_policy(word[7], t))
		return -EINVAL;
	t->port = (unsigned int)port;
	/* WireGuard has no network, but pads to its MTU. */
	t->mtu = (unsigned int)id;
	t->id = (uint32_t)id;
	for (i = 8; i < n; i++)
		if (read_peer(word[i], t))
			return -EINVAL;
	setup->n_tunnels++;
	return 0;
}

static int read_route(const struct storm_setup *setup, char *text, struct storm_place *place)
{
	struct storm_route *route = &place->routes[place->n_routes];
	char *colon = strchr(text, ':');
	unsigned long mark = 0;

	if (place->n_routes == STORM_ROUTES)
		return -EINVAL;
	if (colon) {
		*colon++ = 0;
		if (parse_number(text, 0, 0xffff, &mark))
			return -EINVAL;
	}
	route->mark = (unsigned int)mark;
	place->n_routes++;
	return read_stack(setup, colon ? colon : text, &route->stack);
}

static int read_place(struct storm_setup *setup, char **word, unsigned int n)
{
	struct storm_place *place = &setup->places[setup->n_places];
	unsigned long size;
	unsigned int i;

	if (n < 3 || setup->n_places == STORM_PLACES || parse_address(word[0], &place->to) ||
	    parse_number(word[1], 256, STORM_L4_MAX, &size))
		return -EINVAL;
	place->size = (unsigned int)size;
	for (i = 2; i < n; i++)
		if (read_route(setup, word[i], place))
			return -EINVAL;
	setup->n_places++;
	return 0;
}

static int read_door(struct storm_setup *setup, char **word, unsigned int n)
{
	struct storm_door *door = &setup->doors[setup->n_doors];
	unsigned long size;

	if (n < 5 || setup->n_doors == STORM_DOORS || strlen(word[0]) >= sizeof(door->dev))
		return -EINVAL;
	strcpy(door->dev, word[0]);
	door->behind = strcmp(word[1], "behind") == 0;
	door->inj.fd = -1;
	if (parse_mac(word[2], &door->mac) || parse_number(word[3], 256, STORM_L4_MAX, &size) ||
	    read_stack(setup, word[4], &door->stack))
		return -EINVAL;
	door->size = (unsigned int)size;
	door->family = n < 6 ? AF_UNSPEC : strcmp(word[5], "6") ? AF_INET : AF_INET6;
	setup->n_doors++;
	return 0;
}

static int read_address(struct address *pair, const char *text)
{
	struct address a;

	if (parse_address(text, &a))
		return -EINVAL;
	pair[a.family == AF_INET6] = a;
	return 0;
}

static int read_user(struct storm_setup *setup, char **word)
{
	unsigned long port, dscp;

	if (parse_number(word[0], 1, 65535, &port) || parse_number(word[1], 0, 63, &dscp))
		return -EINVAL;
	setup->user_port = (unsigned int)port;
	setup->user_dscp = (unsigned int)dscp;
	return 0;
}

static int read_ports(struct storm_setup *setup, char **word)
{
	unsigned long first, n;

	if (parse_number(word[0], 1024, 65535, &first) || parse_number(word[1], 1, 4096, &n))
		return -EINVAL;
	setup->first_port = (unsigned int)first;
	setup->n_ports = (unsigned int)n;
	return 0;
}

static int read_line(struct storm_setup *setup, char *line)
{
	char *word[24], *save;
	unsigned int n = 0;

	for (word[n] = strtok_r(line, " \t\n", &save); word[n] && n < 23;
	     word[n] = strtok_r(NULL, " \t\n", &save))
		n++;
	if (!n)
		return 0;
	if (strcmp(word[0], "tunnel") == 0)
		return read_tunnel(setup, word + 1, n - 1);
	if (strcmp(word[0], "to") == 0)
		return read_place(setup, word + 1, n - 1);
	if (strcmp(word[0], "door") == 0)
		return read_door(setup, word + 1, n - 1);
	if (n == 3 && strcmp(word[0], "user") == 0)
		return read_user(setup, word + 1);
	if (n == 3 && strcmp(word[0], "ports") == 0)
		return read_ports(setup, word + 1);
	if (n == 2 && strcmp(word[0], "own") == 0)
		return read_address(setup->own, word[1]);
	if (n == 2 && strcmp(word[0], "behind") == 0)
		return read_address(setup->behind, word[1]);
	return -EINVAL;
}

int storm_read_setup(struct storm_setup *setup, const char *file)
{
	char line[1024];
	unsigned int n = 0;
	FILE *f = fopen(file, "re");
	int err = f ? 0 : -errno;

	while (!err && fgets(line, sizeof(line), f)) {
		n++;
		err = read_line(setup, line);
	}
	if (f)
		fclose(f);
	if (err)
		complain("%s, line %u: %s", file, n, strerror(-err));
	return err;
}

static bool in_prefix(const struct address *a, const struct storm_peer *peer)
{
	const unsigned int whole = peer->bits / 8, rest = peer->bits % 8;
	const uint8_t mask = (uint8_t)(0xff00 >> rest);

	return a->family == peer->prefix.family &&
	       memcmp(a->bytes, peer->prefix.bytes, whole) == 0 &&
	       (!rest || !((a->bytes[whole] ^ peer->prefix.bytes[whole]) & mask));
}

static const struct storm_policy *policy_for(const struct storm_tunnel *t,
					     const struct address *dst)
{
	const struct storm_policy *best = &t->policy;
	unsigned int i, bits = 0;

	for (i = 0; i < t->n_peers; i++) {
		if (!in_prefix(dst, &t->peers[i]) || t->peers[i].bits < bits)
			continue;
		bits = t->peers[i].bits;
		best = &t->peers[i].policy;
	}
	return best;
}

uint8_t storm_wanted_ds(const struct storm_tunnel *t, uint8_t inner_ds, const struct address *dst,
			uint8_t as_it_was)
{
	const struct storm_policy *policy = dst ? policy_for(t, dst) : &t->policy;
	const uint8_t to = policy->to[inner_ds >> 2];

	/* Without an address inside only fixed mode has anything to say. */
	if (!t->loaded || !(dst || t->fixed) || to == STORM_KEEP)
		return as_it_was;
	return (uint8_t)(to << 2 | (as_it_was & 3));
}

uint8_t storm_kernels_ds(const struct storm_tunnel *t, uint8_t inner_ds)
{
	const uint8_t ecn = inner_ds & 3;

	if (t->no_ecn)
		return 0;
	return (uint8_t)((t->inherit ? inner_ds & 0xfc : 0) | (ecn == 3 ? 2 : ecn));
}
