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

static const struct kind kinds[] = {
	{ { "wireguard", AF_UNSPEC, {} },
	  DSCP_KIND_WIREGUARD,
	  KIND_BY_SOURCE_PORT,
	  EACH_WAY,
	  false },
	{ { "vxlan", AF_UNSPEC, VXLAN_DATA }, DSCP_KIND_VXLAN, KIND_BY_DEST_PORT_ID, TC, true },
	{ { "geneve", AF_UNSPEC, GENEVE_DATA }, DSCP_KIND_GENEVE, KIND_BY_DEST_PORT_ID, TC, true },
	{ { "gre", AF_INET, GRE_DATA }, DSCP_KIND_GRE, KIND_BY_ADDRESSES, TC, false },
	{ { "gretap", AF_INET, GRE_DATA }, DSCP_KIND_GRE, KIND_BY_ADDRESSES, TC, false },
	{ { "ip6gre", AF_INET6, GRE_DATA }, DSCP_KIND_GRE, KIND_BY_ADDRESSES, TC, false },
	{ { "ip6gretap", AF_INET6, GRE_DATA }, DSCP_KIND_GRE, KIND_BY_ADDRESSES, TC, false },
	{ { "ipip", AF_INET, IPTUN_DATA }, DSCP_KIND_IPIP, KIND_BY_ADDRESSES, TC, false },
	{ { "sit", AF_INET, IPTUN_DATA }, DSCP_KIND_IPIP, KIND_BY_ADDRESSES, TC, false },
	{ { "ip6tnl", AF_INET6, IP6TNL_DATA }, DSCP_KIND_IPIP, KIND_BY_ADDRESSES, TC, false },
	/* Rows without a name end the look-up by name, and the last one ends that by kind. */
	{ { "", AF_UNSPEC, {} }, DSCP_KIND_UDP, KIND_BY_SOURCE_PORT, 0, false },
	{ { "", AF_UNSPEC, {} }, DSCP_KIND_NONE, KIND_BY_NOTHING, 0, false },
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

bool kinds_can(uint32_t kind, enum dscp_method method)
{
	return row_of(kind)->methods >> method & 1;
}

bool kinds_handshakes(uint32_t kind)
{
	const struct kind *row = row_of(kind);

	return row->key == KIND_BY_SOURCE_PORT && *row->link.name;
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
