/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The BPF programs, a row each: where a program is attached, and for which tunnels. Several
 * programs can have the same role: at a device one of them runs, and the tunnel says which.
 */
#ifndef STATE_PROGRAMS_H
#define STATE_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include <dscp/abi.h>

enum hook_point { HOOK_EGRESS, HOOK_INGRESS, HOOK_XDP };

/* In which order programs are attached: first the programs that find out a packet's DSCP, then
 * those that write the DSCP. */
enum hook_stage { STAGE_READ, STAGE_WRITE };

/* In the order in which the hooks of a tunnel are listed and attached. */
enum role {
	ROLE_EGRESS_INNER,
	ROLE_EGRESS_OUTER,
	ROLE_INGRESS_OUTER,
	ROLE_INGRESS_OUTER_XDP,
	ROLE_INGRESS_INNER,
	N_ROLES,
};

/* A device can be a tunnel and the uplink of another (WireGuard in VXLAN). Then the DSCP has to go
 * from one to the next: outwards onto the outer header of the first, which is the inner one of the
 * second; inwards the same in the reverse order. And egress_inner reads the packet as others at
 * that hook have left it. */
struct role_row {
	const char *name; /* in messages; the name of each program of the role begins with it */
	const char *pin; /* of its hooks: NETNS-IFINDEX-PIN */
	enum hook_point point;
	enum hook_stage stage;
	bool first; /* goes in front of our other program at that point of a device */
	bool last; /* goes behind everybody, and others behind it are a fault */
	bool on_uplinks; /* else on the tunnel's device */
	bool stamps; /* needed only where egress_outer cannot read the inner packet itself */
	uint32_t direction; /* DSCP_TUNNEL_EGRESS or _INGRESS */
	uint32_t methods; /* bits 1 << enum dscp_method of the tunnels that need it; 0: any */
};

extern const struct role_row program_roles[N_ROLES];

enum object_id { OBJECT_EGRESS, OBJECT_INGRESS, OBJECT_PEEK, OBJECT_XDP, N_OBJECTS };

/* The TC programs, which are pinned. The program of ROLE_INGRESS_OUTER_XDP is not here: libxdp
 * loads it from OBJECT_XDP, once per uplink, and its name is the role's. */
enum program {
	EGRESS_INNER,
	EGRESS_INNER_PEERS,
	EGRESS_OUTER,
	INGRESS_INNER,
	INGRESS_OUTER,
	PEEK_INNER,
	XDP_INNER,
	N_PROGRAMS,
};

struct program_row {
	enum role role;
	enum object_id object;
	const char *name; /* in the object */
	const char *pin;
	/* Condition for tunnels of the role to take this program instead of the role's first: */
	uint32_t flags; /* with all of these flags */
	uint8_t method; /* the program's; DSCP_METHOD_NONE: any */
};

extern const struct program_row programs[N_PROGRAMS];

/* Returns the role with hooks of that pin; N_ROLES: none. */
enum role program_role_of_pin(const char *pin);

/* Tells whether the tunnel needs a program of that role, on its device or on each of its
 * uplinks. */
bool program_role_is_needed(enum role role, const struct dscp_tunnel *tunnel);

/* Returns the program for a role at a device. tunnel: the tunnel of the device, NULL: none. For
 * ROLE_INGRESS_OUTER_XDP: N_PROGRAMS. */
enum program program_for(enum role role, const struct dscp_tunnel *tunnel);

#endif
