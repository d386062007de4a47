/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tells the device of a hook from another one that has its number now. */
#include "hook/device.h"

#include <errno.h>
#include <net/if.h>

#include <bpf/bpf.h>

#include "hook/pin.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/reason.h"

bool device_exists(int ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname(ifindex, name) || errno != ENXIO;
}

bool device_in_reach(const struct hook *hook, enum hook_health *health)
{
	char path[NETNS_PATH];

	if (hook->netns != netns_own())
		*health = netns_path(hook->netns, path) ? HOOK_ELSEWHERE : HOOK_GONE;
	else if (!device_exists(hook->ifindex))
		*health = HOOK_GONE;
	else
		return true;
	return false;
}

int device_need_reach(const struct hook *hook)
{
	if (hook->netns == netns_own())
		return 0;
	return failed(-EXDEV,
		      "%s: its network namespace cannot be entered (CAP_SYS_ADMIN is needed)",
		      hook->dev);
}

int device_pin(const char *dir, int ifindex, const char *path)
{
	const __u32 zero = 0, number = ifindex;
	_cleanup_close_ int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "device", sizeof(zero),
						sizeof(number), 1, NULL);

	if (fd < 0 || bpf_map_update_elem(fd, &zero, &number, BPF_ANY))
		return -errno;
	return pin_put(dir, fd, path);
}

int device_is_pinned(const char *path)
{
	const __u32 zero = 0;
	__u32 number;
	_cleanup_close_ int fd = bpf_obj_get(path);

	if (fd >= 0 && !bpf_map_lookup_elem(fd, &zero, &number))
		return 1;
	return errno == ENOENT ? 0 : -errno;
}
