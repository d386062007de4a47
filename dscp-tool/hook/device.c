/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Pins that say something of a device, and nothing any more when another one has its number. */
#include "hook/device.h"

#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook/hook.h"

int device_pin(const char *dir, int ifindex, const char *path)
{
	const __u32 zero = 0, number = ifindex;
	int fd = bpf_map_create(BPF_MAP_TYPE_DEVMAP, "device", sizeof(zero), sizeof(number), 1,
				NULL);
	int err = fd < 0 ? -errno : 0;

	if (!err && bpf_map_update_elem(fd, &zero, &number, BPF_ANY))
		err = -errno;
	if (!err)
		err = pin_put(dir, fd, path);
	if (fd >= 0)
		close(fd);
	return err;
}

bool device_is_pinned(const char *path)
{
	const __u32 zero = 0;
	__u32 number;
	int fd = bpf_obj_get(path);
	bool there = fd >= 0 && !bpf_map_lookup_elem(fd, &zero, &number);

	if (fd >= 0)
		close(fd);
	return there;
}
