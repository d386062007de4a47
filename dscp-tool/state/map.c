/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads a BPF map of any kind, in batches where the kernel has them. */
#include "state/map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

/* Entries per system call. A batch must hold the largest bucket of the hash, and that is small. */
#define BATCH 4096
#define BATCH_BYTES 262144u /* but no more than these */

/* All zero if the kernel does not tell. */
static struct bpf_map_info info_of(int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		memset(&info, 0, sizeof(info));
	return info;
}

uint32_t map_capacity(int fd)
{
	return info_of(fd).max_entries;
}

uint32_t map_id(int fd)
{
	return info_of(fd).id;
}

static uint32_t batch_of(size_t entry_size)
{
	const size_t n = BATCH_BYTES / entry_size;

	/* None would go on for ever. */
	return n > BATCH ? BATCH : n ? n : 1;
}

long map_for_each(int fd, size_t key_size, size_t value_size,
		  void (*each)(void *ctx, const void *key, const void *value), void *ctx)
{
	const uint32_t batch = batch_of(key_size + value_size);
	char *keys = calloc(batch, key_size), *values = calloc(batch, value_size);
	bool more = true, started = false;
	long total = 0, err = keys && values ? 0 : -ENOMEM;
	uint32_t position, n;

	while (!err && more) {
		n = batch;
		if (bpf_map_lookup_batch(fd, started ? &position : NULL, &position, keys, values,
					 &n, NULL)) {
			more = false;
			err = errno == ENOENT ? 0 : -errno;
		}
		started = true;
		for (uint32_t i = 0; each && !err && i < n; i++)
			each(ctx, keys + i * key_size, values + i * value_size);
		total += err ? 0 : n;
	}
	free(keys);
	free(values);
	return err ? err : total;
}
