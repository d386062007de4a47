/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Tells which devices and network namespaces are still those that were loaded. The kernel gives a
 * number (ifindex, inode) to another device or namespace as soon as the first one is gone, so a
 * number proves nothing. A devmap does: it holds a device itself, and the kernel takes the entry
 * away when the device is deleted or leaves its namespace (dev_map_notification()). A namespace is
 * held by its loopback device, which lives as long. Nothing is attached, and no packet pays for it.
 */
#include "state/present.h"

#include <errno.h>

#include <bpf/bpf.h>

#include "util/netns.h"
#include "util/reason.h"

#define LOOPBACK 1 /* ifindex of lo, in each namespace (LOOPBACK_IFINDEX) */

static __u32 key_of(uint32_t slot, enum presence what)
{
	return what * DSCP_MAX_TUNNELS + slot;
}

bool present_is(const struct pins *pins, uint32_t slot, enum presence what)
{
	__u32 key = key_of(slot, what), number;

	/* If the kernel does not tell, nothing is taken to have changed: a tunnel is set aside only
	 * for a device or namespace that is known to be gone. */
	if (bpf_map_lookup_elem(pins->maps[MAP_PRESENT], &key, &number))
		return errno != ENOENT;
	return what != PRESENT_DEVICE || number == pins->tunnels[slot].ifindex;
}

uint32_t present_number(const struct pins *pins, uint32_t slot)
{
	__u32 key = key_of(slot, PRESENT_DEVICE), number = 0;

	bpf_map_lookup_elem(pins->maps[MAP_PRESENT], &key, &number);
	return number;
}

static void forget(const struct pins *pins, uint32_t slot, enum presence what)
{
	__u32 key = key_of(slot, what);

	bpf_map_delete_elem(pins->maps[MAP_PRESENT], &key);
}

void present_forget(const struct pins *pins, uint32_t slot)
{
	for (int what = 0; what < N_PRESENT; what++)
		forget(pins, slot, what);
}

/* The kernel looks for the number in the namespace of the process. */
static int note(const struct pins *pins, uint32_t slot, enum presence what,
		const struct dscp_tunnel *tunnel)
{
	const uint64_t netns = what == PRESENT_UPLINK_NETNS ? tunnel->uplink_netns : tunnel->netns;
	__u32 key = key_of(slot, what),
	      number = what == PRESENT_DEVICE ? tunnel->ifindex : LOOPBACK;
	NETNS_VISIT(netns);

	if (netns_own() != netns)
		return -EXDEV;
	if (number & DSCP_IFINDEX_GONE) {
		forget(pins, slot, what);
		return 0;
	}
	return bpf_map_update_elem(pins->maps[MAP_PRESENT], &key, &number, BPF_ANY) ? -errno : 0;
}

int present_note(const struct pins *pins, uint32_t slot, const struct dscp_tunnel *tunnel)
{
	int err = 0;

	for (int what = 0; what < N_PRESENT && !err; what++)
		err = note(pins, slot, what, tunnel);
	if (err == -EINVAL || err == -EXDEV)
		return failed(-ENODEV,
			      "%s: the device or its network namespace went away meanwhile",
			      tunnel->name);
	return err ? pins_failed(pins, err, "cannot write", "/maps/present") : 0;
}

void present_before(const struct pins *pins, uint32_t slot, bool before[static N_PRESENT])
{
	for (int what = 0; what < N_PRESENT; what++)
		before[what] = present_is(pins, slot, what);
}

void present_back(const struct pins *pins, uint32_t slot, const bool before[static N_PRESENT])
{
	for (int what = 0; what < N_PRESENT; what++)
		if (!before[what] || note(pins, slot, what, &pins->tunnels[slot]))
			forget(pins, slot, what);
}
