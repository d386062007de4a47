/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The request that the command line makes for a tunnel. A member that a loaded tunnel keeps goes
 * into take_request() and discover_request_of(), or monitor forgets it. */
#ifndef TUNNEL_REQUEST_H
#define TUNNEL_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "hook/hook.h"

struct tunnel_request {
	const char *name;
	const char *uplinks[DSCP_MAX_UPLINKS];
	unsigned int n_uplinks; /* 0: find them */
	bool uplinks_may_be_absent; /* those that are named here */
	uint64_t uplink_netns; /* inode of their network namespace; 0: the tunnel's */
	uint16_t ports[DSCP_MAX_PORTS];
	unsigned int n_ports; /* 0: find them */
	bool egress, ingress; /* directions */
	struct dscp_policy egress_map, ingress_map;
	bool peer_maps; /* more policies, by destination */
	enum dscp_way way; /* NONE: the best there is */
	bool fixed;
	uint8_t outer_dscp; /* with fixed */
	enum attach_kind attach;
};

/* The request does not fit the tunnel. No errno has this number. */
#define TUNNEL_USAGE (-4096)

#endif
