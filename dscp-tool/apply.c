/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <string.h>

#include "apply.h"
#include "privileges.h"
#include "state.h"
#include "util/log.h"

/* Two tunnels cannot tell their packets apart by the same source port or the same endpoint. */
static int check_conflicts(const struct state *state, uint32_t slot, const struct dscp_tunnel *new)
{
	bool by_source = new->kind == DSCP_KIND_WIREGUARD || new->kind == DSCP_KIND_UDP;

	for (uint32_t other = 1; other < DSCP_MAX_TUNNELS; other++) {
		const struct dscp_tunnel *t = &state->tunnels[other];

		if (!t->ifindex || other == slot)
			continue;
		for (int i = 0; i < new->n_ports * t->n_ports; i++) {
			int port = new->ports[i / t->n_ports];

			if (port != t->ports[i % t->n_ports] ||
			    (!by_source && new->kind == t->kind))
				continue;
			log_error("%s: port %d is %s's already (unload %s first)", new->name, port,
				  t->name, t->name);
			return -EADDRINUSE;
		}
		if (new->endpoint.kind &&
		    !memcmp(&new->endpoint, &t->endpoint, sizeof(t->endpoint))) {
			log_error("%s: its outer packets look like those of %s (unload %s first)",
				  new->name, t->name, t->name);
			return -EADDRINUSE;
		}
	}
	return 0;
}

/* What finds out the mark first, then the maps, then the rewriting: no packet meets a half of it,
 * nor does one go unmarked when a loaded tunnel changes. On failure all is as it was: the old entry
 * comes back, and hooks that only the new one needed go with state_prune(). */
static int apply(struct state *state, uint32_t slot, const struct dscp_tunnel *new)
{
	const struct dscp_tunnel old = state->tunnels[slot];
	struct hook_state before[MAX_HOOKS];
	int err = state_hook_states(new, before);

	if (!err)
		err = state_need(state, new);
	if (err)
		return err;
	if (!old.ifindex)
		err = state_clear_counters(state, slot);
	if (!err)
		err = state_attach(state, new, STAGE_READ, new->attach);
	if (!err)
		err = state_register(state, slot, new);
	if (!err)
		err = state_attach(state, new, STAGE_WRITE, new->attach);
	if (err) {
		state_register(state, slot, &old);
		state_attach_back(state, new, before);
	}
	return err;
}

int apply_tunnel(const struct dscp_tunnel *tunnel, uint32_t flows)
{
	struct state state;
	uint32_t slot;
	int err = state_create(&state, flows), pruned;

	if (err)
		return err;
	slot = state_find(&state, tunnel->name);
	if (!slot)
		slot = state_free_slot(&state);
	if (!slot) {
		log_error("%s: %d tunnels are loaded already", tunnel->name, DSCP_MAX_TUNNELS - 1);
		err = -ENOSPC;
	}
	if (!err)
		err = privileges_check_loaded(&state.tunnels[slot]);
	if (!err)
		err = check_conflicts(&state, slot, tunnel);
	if (!err)
		err = apply(&state, slot, tunnel);
	pruned = state_prune(&state);
	state_close(&state);
	return err ? err : pruned;
}
