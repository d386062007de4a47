/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Makes entries in the pinned map stamps, as many as a busy machine would have: the hashes from 1
 * on, all of one device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include <dscp/abi.h>

#define BATCH 4096

static int fill(int fd, unsigned long count, __u32 ifindex)
{
	static struct dscp_stamp flows[BATCH];
	static __u32 hashes[BATCH];

	for (unsigned long done = 0, n; done < count; done += n) {
		__u32 batch;

		n = count - done < BATCH ? count - done : BATCH;
		for (unsigned long i = 0; i < n; i++) {
			hashes[i] = (__u32)(done + i + 1);
			flows[i] = (struct dscp_stamp){ .ifindex = ifindex };
		}
		batch = (__u32)n;
		if (bpf_map_update_batch(fd, hashes, flows, &batch, NULL))
			return -errno;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd, err;

	if (argc != 4) {
		fprintf(stderr, "usage: fill PIN COUNT IFINDEX\n");
		return 2;
	}
	fd = bpf_obj_get(argv[1]);
	err = fd < 0 ? -errno
		     : fill(fd, strtoul(argv[2], NULL, 10), (__u32)strtoul(argv[3], NULL, 10));
	if (err)
		fprintf(stderr, "fill: %s: %s\n", argv[1], strerror(-err));
	return err ? 1 : 0;
}
