/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The table of the kinds of tunnels, and the look-ups in it. */
#include "tunnel/kinds.h"

#include <string.h>

#include <linux/if_link.h>

/* From <linux/if_tunnel.h>, which includes <linux/if.h>, and that clashes with <net/if.h> on
 * systems without glibc. */
enum {
	IFLA_IPTUN_LINK = 1,
	IFLA_IPTUN_LOCAL = 2,
	IFLA_IPTUN_REMOTE = 3,
	IFLA_IPTUN_FLAGS = 8,
	IFLA_IPTUN_ENCAP_TYPE = 15,
	IFLA_IPTUN_COLLECT_METADATA = 19,
	IFLA_IPTUN_FWMARK = 20,
	IFLA_GRE_LINK = 1,
	IFLA_GRE_OFLAGS = 3,
	IFLA_GRE_OKEY = 5,
	IFLA_GRE_LOCAL = 6,
	IFLA_GRE_REMOTE = 7,
	IFLA_GRE_ENCAP_TYPE = 14,
	IFLA_GRE_COLLECT_METADATA = 18,
	IFLA_GRE_FWMARK = 20,
};

#define VXLAN_DATA                                                                                 \
	{                                                                                          \
		.port = IFLA_VXLAN_PORT, .vni = IFLA_VXLAN_ID,                                     \
		.external = IFLA_VXLAN_COLLECT_METADATA,                                           \
		.local = { IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6 },                                  \
		.remote = { IFLA_VXLAN_GROUP, IFLA_VXLAN_GROUP6 }, .lower = IFLA_VXLAN_LINK        \
	}

#define GENEVE_DATA                                                                                \
	{                                                                                          \
		.port = IFLA_GENEVE_PORT, .vni = IFLA_GENEVE_ID,                                   \
		.external = IFLA_GENEVE_COLLECT_METADATA, .remote = {                              \
			IFLA_GENEVE_REMOTE,                                                        \
			IFLA_GENEVE_REMOTE6                                                        \
		}                                                                                  \
	}

#define GRE_DATA                                                                                   \
	{                                                                                          \
		.key = IFLA_GRE_OKEY, .key_flags = IFLA_GRE_OFLAGS,                                \
		.external = IFLA_GRE_COLLECT_METADATA, .encap = IFLA_GRE_ENCAP_TYPE,               \
		.local = { IFLA_GRE_LOCAL }, .remote = { IFLA_GRE_REMOTE },                        \
		.lower = IFLA_GRE_LINK, .fwmark = IFLA_GRE_FWMARK                                  \
	}

#define IPTUN_DATA                                                                                 \
	{                                                                                          \
		.external = IFLA_IPTUN_COLLECT_METADATA, .encap = IFLA_IPTUN_ENCAP_TYPE,           \
		.local = { IFLA_IPTUN_LOCAL }, .remote = { IFLA_IPTUN_REMOTE },                    \
		.lower = IFLA_IPTUN_LINK, .fwmark = IFLA_IPTUN_FWMARK                              \
	}

#define IP6TNL_DATA                                                                                \
	{                                                                                          \
		.external = IFLA_IPTUN_COLLECT_METADATA, .encap = IFLA_IPTUN_ENCAP_TYPE,           \
		.local = { IFLA_IPTUN_LOCAL }, .remote = { IFLA_IPTUN_REMOTE },                    \
		.lower = IFLA_IPTUN_LINK, .fwmark = IFLA_IPTUN_FWMARK,                             \
		.ip6_flags = IFLA_IPTUN_FLAGS                                                      \
	}

#define TC (1u << DSCP_METHOD_TC)
#define EACH_WAY (TC | (1u << DSCP_METHOD_PEEK) | (1u << DSCP_METHOD_XDP))

#define ENCRYPTED(name, kind, methods, peers, handshakes)                                          \
	{                                                                                          \
		{ name, AF_UNSPEC, {} }, kind, KIND_BY_SOURCE_PORT, methods, peers, false,         \
			handshakes                                                                 \
	}
#define BY_PORT(name, data, kind, peers)                                                           \
	{                                                                                          \
		{ name, AF_UNSPEC, data }, kind, KIND_BY_DEST_PORT_ID, TC, peers, true, false      \
	}
#define BY_ADDRESSES(name, family, data, kind)                                                     \
	{                                                                                          \
		{ name, family, data }, kind, KIND_BY_ADDRESSES, TC, PEERS_OF_LINK, false, false   \
	}

static const struct kind kinds[] = {
	ENCRYPTED("wireguard", DSCP_KIND_WIREGUARD, EACH_WAY, PEERS_OF_WIREGUARD, true),
	ENCRYPTED("amneziawg", DSCP_KIND_AMNEZIAWG, 0, PEERS_OF_WIREGUARD, false),
	ENCRYPTED("ovpn", DSCP_KIND_OVPN, TC, PEERS_OF_OVPN, true),
	BY_PORT("vxlan", VXLAN_DATA, DSCP_KIND_VXLAN, PEERS_OF_FDB),
	BY_PORT("geneve", GENEVE_DATA, DSCP_KIND_GENEVE, PEERS_OF_LINK),
	BY_ADDRESSES("gre", AF_INET, GRE_DATA, DSCP_KIND_GRE),
	BY_ADDRESSES("gretap", AF_INET, GRE_DATA, DSCP_KIND_GRE),
	BY_ADDRESSES("ip6gre", AF_INET6, GRE_DATA, DSCP_KIND_GRE),
	BY_ADDRESSES("ip6gretap", AF_INET6, GRE_DATA, DSCP_KIND_GRE),
	BY_ADDRESSES("ipip", AF_INET, IPTUN_DATA, DSCP_KIND_IPIP),
	BY_ADDRESSES("sit", AF_INET, IPTUN_DATA, DSCP_KIND_IPIP),
	BY_ADDRESSES("ip6tnl", AF_INET6, IP6TNL_DATA, DSCP_KIND_IPIP),
	/* Rows without a name end the look-up by name, and the last one ends that by kind. */
	ENCRYPTED("", DSCP_KIND_UDP, 0, PEERS_OF_LINK, false),
	{ { "", AF_UNSPEC, {} }, DSCP_KIND_NONE, KIND_BY_NOTHING, 0, PEERS_OF_LINK, false, false },
};

const struct kind *kinds_by_name(const char *name)
{
	for (const struct kind *row = kinds; *row->link.name; row++)
		if (!strcmp(row->link.name, name))
			return row;
	return NULL;
}

const struct nl_kind *kinds_link(const char *name)
{
	const struct kind *row = kinds_by_name(name);

	return row ? &row->link : NULL;
}

/* Rows of one kind agree in all but the names and the families of links. */
static const struct kind *row_of(uint32_t kind)
{
	const struct kind *row = kinds;

	while (row->kind && row->kind != kind)
		row++;
	return row;
}

enum kind_key kinds_key(uint32_t kind)
{
	return row_of(kind)->key;
}

enum kind_peers kinds_peers(uint32_t kind)
{
	return row_of(kind)->peers;
}

bool kinds_can(uint32_t kind, enum dscp_method method)
{
	return row_of(kind)->methods >> method & 1;
}

bool kinds_handshakes(uint32_t kind)
{
	return row_of(kind)->handshakes;
}

void kinds_list(char text[static KINDS_LIST])
{
	*text = '\0';
	for (const struct kind *row = kinds; *row->link.name; row++) {
		if (row != kinds)
			strcat(text, ", ");
		strcat(text, row->link.name);
	}
}
