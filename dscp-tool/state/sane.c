/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Whether the tool could have written what is read from the maps. */
#include "state/sane.h"

#include <stddef.h>

#include "hook/hook.h"
#include "tunnel/kinds.h"

bool sane_name(const char name[DSCP_IFNAMSIZ])
{
	size_t i = 0;

	while (i < DSCP_IFNAMSIZ && (unsigned char)name[i] >= ' ' && name[i] != 0x7f)
		i++;
	return i < DSCP_IFNAMSIZ && !name[i];
}

bool sane_tunnel(const struct dscp_tunnel *t)
{
	bool sane = kinds_key(t->kind) != KIND_BY_NOTHING;

	sane = sane && t->way <= DSCP_WAY_XDP && t->attach <= ATTACH_CLSACT;
	sane = sane && t->n_ports <= DSCP_MAX_PORTS && t->n_uplinks <= DSCP_MAX_UPLINKS;
	sane = sane && sane_name(t->name) && sane_name(t->link_kind);
	for (unsigned int i = 0; sane && i < t->n_uplinks; i++)
		sane = sane_name(t->uplink_names[i]);
	return sane || !t->ifindex;
}
