/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Flowtables of nftables, which forward a tunnel's packets past our programs. */
#ifndef TUNNEL_FLOWTABLE_H
#define TUNNEL_FLOWTABLE_H

#include <stdbool.h>
#include <stddef.h>

#include <dscp/abi.h>

#include "util/netlink.h"

/* Tells, with a sentence, whether a flowtable of this network namespace takes packets of the tunnel
 * with the device link past a program that would mark them. False also if nobody can tell. */
bool flowtable_bypasses(const struct dscp_tunnel *tunnel, const struct nl_link *link, char *text,
			size_t size);

/* Forgets the abilities of the kernel, which are read once, since that takes longer than all
 * else. */
void flowtable_look_anew(void);

#endif
