/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The table of BPF programs, and which of them a tunnel needs. */
#include "state/programs.h"

#include <string.h>

const struct role_row program_roles[N_ROLES] = {
	[ROLE_EGRESS_INNER] = {
		.name = "egress_inner",
		.pin = "egress_inner",
		.point = HOOK_EGRESS,
		.stage = STAGE_READ,
		.last = true,
		.stamps = true,
		.direction = DSCP_TUNNEL_EGRESS,
	},
	[ROLE_EGRESS_OUTER] = {
		.name = "egress_outer",
		.pin = "egress_outer",
		.point = HOOK_EGRESS,
		.stage = STAGE_WRITE,
		.first = true,
		.on_uplinks = true,
		.direction = DSCP_TUNNEL_EGRESS,
	},
	[ROLE_INGRESS_OUTER] = {
		.name = "ingress_outer",
		.pin = "ingress_outer",
		.point = HOOK_INGRESS,
		.stage = STAGE_READ,
		.on_uplinks = true,
		.direction = DSCP_TUNNEL_INGRESS,
		.methods = 1u << DSCP_METHOD_NONE | 1u << DSCP_METHOD_TC,
	},
	[ROLE_INGRESS_OUTER_XDP] = {
		.name = "ingress_outer",
		.pin = "ingress_outer_xdp",
		.point = HOOK_XDP,
		.stage = STAGE_READ,
		.on_uplinks = true,
		.direction = DSCP_TUNNEL_INGRESS,
		.methods = 1u << DSCP_METHOD_XDP,
	},
	[ROLE_INGRESS_INNER] = {
		.name = "ingress_inner",
		.pin = "ingress_inner",
		.point = HOOK_INGRESS,
		.stage = STAGE_WRITE,
		.first = true,
		.direction = DSCP_TUNNEL_INGRESS,
	},
};

#define PROGRAM(role, object, name) ROLE_##role, OBJECT_##object, name

const struct program_row programs[N_PROGRAMS] = {
	[EGRESS_INNER] = { PROGRAM(EGRESS_INNER, EGRESS, "egress_inner"), "egress_inner" },
	[EGRESS_INNER_PEERS] = { PROGRAM(EGRESS_INNER, EGRESS, "egress_inner_peers"),
				 "egress_inner_peers", .flags = DSCP_TUNNEL_PREFIXES },
	[EGRESS_OUTER] = { PROGRAM(EGRESS_OUTER, EGRESS, "egress_outer"), "egress_outer" },
	[INGRESS_INNER] = { PROGRAM(INGRESS_INNER, INGRESS, "ingress_inner"), "ingress_inner" },
	[INGRESS_OUTER] = { PROGRAM(INGRESS_OUTER, INGRESS, "ingress_outer"), "ingress_outer" },
	[PEEK_INNER] = { PROGRAM(INGRESS_INNER, PEEK, "ingress_inner"), "ingress_inner_peek",
			 .method = DSCP_METHOD_PEEK },
	[XDP_INNER] = { PROGRAM(INGRESS_INNER, XDP, "ingress_inner"), "ingress_inner_xdp",
			.method = DSCP_METHOD_XDP },
};

enum role program_role_of_pin(const char *pin)
{
	enum role role = 0;

	while (role < N_ROLES && strcmp(program_roles[role].pin, pin))
		role++;
	return role;
}

/* In clear text egress_outer reads the inner packet itself, and in fixed mode it need not know it.
 * But of ovpn the stamp also proves that the packet is not merely forwarded. */
static bool needs_stamp(const struct dscp_tunnel *tunnel)
{
	if (tunnel->kind == DSCP_KIND_OVPN)
		return true;
	return !(tunnel->flags & DSCP_TUNNEL_FIXED) && !dscp_kind_is_clear(tunnel->kind);
}

bool program_role_is_needed(enum role role, const struct dscp_tunnel *tunnel)
{
	const struct role_row *row = &program_roles[role];

	return tunnel->flags & row->direction && (!row->stamps || needs_stamp(tunnel)) &&
	       (!row->methods || row->methods >> tunnel->method & 1);
}

/* Tells whether this is the first program of a role, which asks for nothing. */
static bool is_for(const struct program_row *program, const struct dscp_tunnel *tunnel)
{
	if (!tunnel)
		return !program->flags && !program->method;
	return (tunnel->flags & program->flags) == program->flags &&
	       (!program->method || program->method == tunnel->method);
}

enum program program_for(enum role role, const struct dscp_tunnel *tunnel)
{
	enum program found = N_PROGRAMS;

	/* The last that fits: a program that asks for more stands behind. */
	for (enum program i = 0; i < N_PROGRAMS; i++)
		if (programs[i].role == role && is_for(&programs[i], tunnel))
			found = i;
	return found;
}
