/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Which devices and network namespaces are still those that were loaded. The kernel gives a number
 * (ifindex, inode) to another device or namespace as soon as the first one is gone, so a number
 * proves nothing. A devmap does: it holds a device itself, and the kernel takes the entry away when
 * the device is deleted or leaves its namespace (dev_map_notification()). A namespace is held by
 * its loopback device, which lives as long. Nothing is attached, and no packet pays for it.
 */
#include <errno.h>

#include <bpf/bpf.h>

#include "state/state.h"
#include "util/log.h"
#include "util/netns.h"

#define LOOPBACK 1 /* ifindex of lo, in each namespace (LOOPBACK_IFINDEX) */

int state_make_present(struct state *state)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "present", sizeof(__u32), sizeof(__u32),
				PRESENT_ENTRIES, NULL);

	if (fd < 0)
		return state_failed("the kernel refuses", "the map present", -errno);
	state->maps[MAP_PRESENT] = fd;
	if (bpf_obj_pin(fd, STATE_DIR "/maps/present"))
		return state_failed("cannot pin", STATE_DIR "/maps/present", -errno);
	return 0;
}

static __u32 key_of(uint32_t slot, enum state_present what)
{
	return what * DSCP_MAX_TUNNELS + slot;
}

bool state_is_present(const struct state *state, uint32_t slot, enum state_present what)
{
	__u32 key = key_of(slot, what), number;
	bool there = !bpf_map_lookup_elem(state->maps[MAP_PRESENT], &key, &number);

	return there && (what != PRESENT_DEVICE || number == state->tunnels[slot].ifindex);
}

static void forget(const struct state *state, uint32_t slot, enum state_present what)
{
	__u32 key = key_of(slot, what);

	bpf_map_delete_elem(state->maps[MAP_PRESENT], &key);
}

void state_forget_present(const struct state *state, uint32_t slot)
{
	for (int what = 0; what < N_PRESENT; what++)
		forget(state, slot, what);
}

/* The kernel looks for the number in the namespace of the process. */
static int note(const struct state *state, uint32_t slot, enum state_present what,
		const struct dscp_tunnel *tunnel)
{
	const uint64_t netns = what == PRESENT_UPLINK_NETNS ? tunnel->uplink_netns : tunnel->netns;
	__u32 key = key_of(slot, what),
	      number = what == PRESENT_DEVICE ? tunnel->ifindex : LOOPBACK;
	NETNS_VISIT(netns);

	if (netns_own() != netns)
		return -EXDEV;
	return bpf_map_update_elem(state->maps[MAP_PRESENT], &key, &number, BPF_ANY) ? -errno : 0;
}

int state_note_present(const struct state *state, uint32_t slot, const struct dscp_tunnel *tunnel)
{
	int err = 0;

	for (int what = 0; what < N_PRESENT && !err; what++)
		err = note(state, slot, what, tunnel);
	if (err == -EINVAL || err == -EXDEV) {
		log_error("%s: the device or its network namespace went away meanwhile",
			  tunnel->name);
		return -ENODEV;
	}
	return err ? state_failed("cannot write", STATE_DIR "/maps/present", err) : 0;
}

void state_present_before(const struct state *state, uint32_t slot, bool before[static N_PRESENT])
{
	for (int what = 0; what < N_PRESENT; what++)
		before[what] = state_is_present(state, slot, what);
}

void state_present_back(const struct state *state, uint32_t slot,
			const bool before[static N_PRESENT])
{
	for (int what = 0; what < N_PRESENT; what++)
		if (!before[what] || note(state, slot, what, &state->tunnels[slot]))
			forget(state, slot, what);
}

/* A tunnel whose device is gone keeps its slot and options: it may be made anew. But the number is
 * another device's now, and with the number go the pins of hooks. */
static int set_aside(struct state *state, uint32_t slot)
{
	struct dscp_tunnel tunnel = state->tunnels[slot];

	tunnel.ifindex = DSCP_IFINDEX_GONE | slot;
	return state_register(state, slot, &tunnel);
}

int state_clear_number(struct state *state, const struct dscp_tunnel *tunnel)
{
	bool any = false;
	int err = 0;

	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS && !err; slot++) {
		if (state->tunnels[slot].ifindex != tunnel->ifindex ||
		    state_is_present(state, slot, PRESENT_DEVICE))
			continue;
		err = set_aside(state, slot);
		any = true;
	}
	return any && !err ? state_prune(state) : err;
}
