/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Unpacks the BPF objects that the program carries, and hands them to libbpf. */
#include "embedded.h"

#include <errno.h>
#include <stdlib.h>

#include <bpf/libbpf.h>

#define ZLIB_CONST
#include <zlib.h>

/* RFC 1952 */
#define MIN_PACKED (10 + 8) /* header and trailer */
#define SUM_LEN 8 /* the trailer: CRC-32 and length, the low byte first */

#define GZIP_WINDOW (16 + MAX_WBITS) /* zlib.h: 16 more means gzip, and not zlib's own format */

uint64_t embedded_sum(const unsigned char *end)
{
	uint64_t sum = 0;

	for (int i = 1; i <= SUM_LEN; i++)
		sum = sum << 8 | end[-i];
	return sum;
}

static int unpack(const unsigned char *packed, size_t len, void *to, size_t size)
{
	z_stream stream = { .next_in = packed, .avail_in = len, .next_out = to, .avail_out = size };
	int ret = inflateInit2(&stream, GZIP_WINDOW);

	if (ret == Z_OK) {
		/* Compares the sum, too. */
		ret = inflate(&stream, Z_FINISH);
		inflateEnd(&stream);
	}
	return ret == Z_STREAM_END ? 0 : ret == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

struct bpf_object *embedded_open(const unsigned char *start, const unsigned char *end,
				 const struct bpf_object_open_opts *opts)
{
	struct bpf_object *object = NULL;
	size_t size = end - start < MIN_PACKED ? 0 : embedded_sum(end) >> 32;
	void *unpacked = malloc(size ?: 1); /* of 0 bytes NULL would be no lack of memory */
	int err = unpacked ? unpack(start, end - start, unpacked, size) : -ENOMEM;

	if (!err) {
		/* libbpf has copied the parts that it needs when this returns. */
		object = bpf_object__open_mem(unpacked, size, opts);
		err = object ? 0 : -errno;
	}
	free(unpacked);
	errno = -err;
	return object;
}
