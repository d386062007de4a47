/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "state/change.h"
#include "state/conflict.h"
#include "state/counters.h"
#include "state/peers.h"
#include "privileges.h"
#include "state/state.h"
#include "util/log.h"

/* The peer maps that are in force; what a load or an unload that was killed has left goes. */
static int peers_before(struct state *state, uint32_t slot, struct peer_maps *peers)
{
	bool in_force = state->tunnels[slot].flags & DSCP_TUNNEL_PEERS;
	unsigned int most = in_force ? DSCP_MAX_PEERS : 0;
	int err = peers_read(state, slot, peers);

	if (err || peers->n <= most)
		return err;
	peers->n = most;
	return peers_remove_others(state, slot, peers);
}

/* What finds out the mark first, then the maps, then the rewriting: no packet meets a half of it,
 * nor does one go unmarked when a loaded tunnel changes. But egress_inner, which leaves the policy
 * to egress_outer, takes the place of egress_inner_peers only when the maps say the new one. */
static int change(struct state *state, uint32_t slot, const struct dscp_tunnel *new,
		  const struct peer_maps *peers)
{
	const uint32_t no_more = state->tunnels[slot].flags & ~new->flags;
	const bool plain_again = no_more & DSCP_TUNNEL_PEERS;
	int err = peers_add(state, slot, peers);

	if (!err && !plain_again)
		err = state_attach(state, new, STAGE_READ, new->attach);
	if (!err)
		err = state_register(state, slot, new);
	if (!err && plain_again)
		err = state_attach(state, new, STAGE_READ, new->attach);
	if (!err)
		err = state_attach(state, new, STAGE_WRITE, new->attach);
	return err ? err : peers_remove_others(state, slot, peers);
}

/* On failure all is as it was: the old entries come back, and hooks that only the new one needed go
 * with state_prune(). */
static int apply(struct state *state, uint32_t slot, const struct dscp_tunnel *new,
		 const struct peer_maps *peers, bool anew)
{
	const struct dscp_tunnel old = state->tunnels[slot];
	struct hook_state before[MAX_HOOKS];
	struct peer_maps old_peers;
	bool present[N_PRESENT];
	int err = state_hook_states(new, before);

	if (!err)
		err = state_need(state, new);
	if (!err && anew)
		err = counters_clear(state, slot);
	if (!err)
		err = peers_before(state, slot, &old_peers);
	if (err)
		return err;
	state_present_before(state, slot, present);
	err = state_note_present(state, slot, new);
	if (!err)
		err = change(state, slot, new, peers ? peers : &old_peers);
	if (!err)
		return 0;
	peers_add(state, slot, &old_peers);
	state_register(state, slot, &old);
	state_present_back(state, slot, present);
	state_attach_back(state, new, before);
	peers_remove_others(state, slot, &old_peers);
	return err;
}

int apply_tunnel(const struct dscp_tunnel *tunnel, const struct peer_maps *peers, uint32_t flows)
{
	struct state state;
	uint32_t slot;
	bool anew;
	int err = state_create(&state, flows), pruned;

	if (err)
		return err;
	slot = state_find(&state, tunnel->name);
	anew = !slot;
	if (!slot)
		slot = state_find_gone(&state, tunnel->name);
	if (!slot)
		slot = state_free_slot(&state);
	if (!slot) {
		log_error("%s: %d tunnels are loaded already (unload one first)", tunnel->name,
			  DSCP_MAX_TUNNELS - 1);
		err = -ENOSPC;
	}
	if (!err)
		err = privileges_check_loaded(&state.tunnels[slot]);
	if (!err)
		err = state_clear_number(&state, tunnel);
	if (!err)
		err = conflict_check(&state, slot, tunnel);
	/* Before a packet can find the slot: egress_outer leaves a packet alone that it cannot
	 * count. */
	if (!err)
		err = state_make_room(&state, slot);
	if (!err)
		err = apply(&state, slot, tunnel, peers, anew);
	pruned = state_prune(&state);
	state_close(&state);
	return err ? err : pruned;
}
