/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the hooks that the tunnels need, and the programs that are attached there. */
#include "state/hooks.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "hook/pin.h"
#include "hook/xdp.h"
#include "state/kernel.h"
#include "state/present.h"
#include "util/netns.h"

/* The tunnel that has a hook; NULL: none. */
static const struct dscp_tunnel *tunnel_of(const struct pins *pins, const struct hook *hook)
{
	for_each_tunnel (slot, pins)
		if (pins->tunnels[slot].ifindex == (__u32)hook->ifindex &&
		    pins->tunnels[slot].netns == hook->netns)
			return &pins->tunnels[slot];
	return NULL;
}

/* Returns the program for a hook. tunnel: the tunnel of the device, if the hook is at one. */
static int program_fd(const struct pins *pins, const struct hook *hook,
		      const struct dscp_tunnel *tunnel)
{
	return pins->programs[program_for(hook->role, tunnel)];
}

static int attach_xdp(const struct pins *pins, const struct hook *hook)
{
	struct bpf_object *object = objects_open_xdp(pins->dir, pins->maps);

	if (!object)
		return kernel_failed(-errno, "cannot read", "the built-in BPF object");
	return xdp_attach(hook, object, pins->programs[XDP_INNER]);
}

bool hooks_needed(const struct pins *pins, const struct hook *hook)
{
	struct hook hooks[MAX_HOOKS];

	for_each_tunnel (slot, pins) {
		unsigned int n = hooks_of(pins, &pins->tunnels[slot], hooks);

		for (unsigned int i = 0; i < n; i++)
			if (hooks[i].netns == hook->netns && hooks[i].ifindex == hook->ifindex &&
			    hooks[i].role == hook->role)
				return true;
	}
	return false;
}

struct update {
	const struct pins *pins;
	int err;
};

/* A hook of an earlier load gets the program that is now in force; a broken one is left to the
 * next load of its tunnel. */
static int update_hook(const struct hook *hook, void *ctx)
{
	struct update *update = ctx;
	const struct pins *pins = update->pins;
	struct hook_state state;
	int err;

	if (update->err)
		return 0;
	err = hook_query(hook, &state);
	if (err)
		err = pins_failed(pins, err, "cannot read", "/hooks");
	else if (state.health == HOOK_OK && hooks_needed(pins, hook))
		err = hook_role(hook)->point == HOOK_XDP
			      ? attach_xdp(pins, hook)
			      : hook_update(hook, program_fd(pins, hook, tunnel_of(pins, hook)));
	update->err = err;
	return 0;
}

int hooks_update(struct pins *pins)
{
	struct update update = { .pins = pins };
	int err = pin_for_each(pins->dir, update_hook, &update);

	return err ? pins_failed(pins, err, "cannot list", "/hooks") : update.err;
}

/* The hooks of one role, on all uplinks. */
static unsigned int uplink_hooks(const struct pins *pins, const struct dscp_tunnel *t,
				 struct hook *hooks, enum role role)
{
	unsigned int n = 0;

	for (int i = 0; i < t->n_uplinks; i++)
		if (t->uplinks[i] != DSCP_UPLINK_ABSENT)
			hooks[n++] = hook_for(pins->dir, role, t->uplink_netns, t->uplinks[i],
					      t->uplink_names[i]);
	return n;
}

unsigned int hooks_of(const struct pins *pins, const struct dscp_tunnel *t, struct hook *hooks)
{
	unsigned int n = 0;

	for (enum role role = 0; role < N_ROLES; role++)
		if (!program_role_is_needed(role, t))
			continue;
		else if (program_roles[role].on_uplinks)
			n += uplink_hooks(pins, t, hooks + n, role);
		else
			hooks[n++] = hook_for(pins->dir, role, t->netns, t->ifindex, t->name);
	return n;
}

bool hooks_on_uplink(const struct pins *pins, uint64_t netns, uint32_t ifindex)
{
	struct hook_state state;

	for (enum role role = 0; role < N_ROLES; role++) {
		const struct hook hook = hook_for(pins->dir, role, netns, ifindex, "");

		if (program_roles[role].on_uplinks && !hook_query(&hook, &state) &&
		    state.health == HOOK_OK)
			return true;
	}
	return false;
}

int hooks_attach(const struct pins *pins, const struct dscp_tunnel *tunnel, enum hook_stage stage,
		 enum attach_kind kind)
{
	struct hook hooks[MAX_HOOKS];
	unsigned int n = hooks_of(pins, tunnel, hooks);
	struct hook_state present;
	int err = 0;

	for (unsigned int i = 0; i < n && !err; i++) {
		if (hook_role(&hooks[i])->stage != stage)
			continue;
		if (hook_role(&hooks[i])->point != HOOK_XDP)
			err = hook_attach(&hooks[i], program_fd(pins, &hooks[i], tunnel), kind);
		else if (hook_query(&hooks[i], &present) || present.health != HOOK_OK)
			err = attach_xdp(pins, &hooks[i]);
	}
	return err;
}

void hooks_judge(const struct pins *pins, uint32_t slot, const struct hook *hook,
		 struct hook_state *state)
{
	const struct dscp_tunnel *t = &pins->tunnels[slot];
	const bool of_tunnel = hook->netns == t->netns && hook->ifindex == (int)t->ifindex;
	const enum presence what = of_tunnel		     ? PRESENT_DEVICE
				   : hook->netns == t->netns ? PRESENT_NETNS
							     : PRESENT_UPLINK_NETNS;
	char path[NETNS_PATH];

	/* A device that has only the number, or is in a namespace that has, has none of our
	 * programs. */
	if (!present_is(pins, slot, what))
		state->health = HOOK_GONE;
	else if (state->health == HOOK_GONE && state->attach != ATTACH_TCX &&
		 hook->netns != netns_own() && !netns_path(hook->netns, path))
		state->health = HOOK_ELSEWHERE;
}

int hooks_states(const struct pins *pins, const struct dscp_tunnel *tunnel,
		 struct hook_state *states)
{
	struct hook hooks[MAX_HOOKS];
	unsigned int n = hooks_of(pins, tunnel, hooks);
	int err = 0;

	for (unsigned int i = 0; i < n && !err; i++)
		err = hook_query(&hooks[i], &states[i]);
	return err ? pins_failed(pins, err, "cannot read", "/hooks") : 0;
}

void hooks_back(const struct pins *pins, const struct dscp_tunnel *tunnel,
		const struct hook_state *before)
{
	struct hook hooks[MAX_HOOKS];
	unsigned int n = hooks_of(pins, tunnel, hooks);

	for (unsigned int i = 0; i < n; i++)
		if (before[i].health == HOOK_OK && hook_role(&hooks[i])->point != HOOK_XDP)
			hook_attach(&hooks[i],
				    program_fd(pins, &hooks[i], tunnel_of(pins, &hooks[i])),
				    before[i].attach);
}

/* By the id: a program of the same instructions that another copy of the tool has loaded, or an
 * earlier load with a map of another size, has other maps. */
static bool same_program(uint32_t prog_id, int fd)
{
	struct bpf_prog_info wanted = {};
	__u32 len = sizeof(wanted);

	/* Returns true also if that cannot be known. */
	return bpf_obj_get_info_by_fd(fd, &wanted, &len) || wanted.id == prog_id;
}

bool hooks_current(const struct pins *pins, const struct dscp_tunnel *tunnel,
		   const struct hook *hook, const struct hook_state *present)
{
	return present->health != HOOK_OK || hook_role(hook)->point == HOOK_XDP ||
	       same_program(present->prog_id, program_fd(pins, hook, tunnel));
}
