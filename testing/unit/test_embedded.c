/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tests embedded: an object that opens, and damaged ones that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/libbpf.h>
#define ZLIB_CONST
#include <zlib.h>

#include <util/embedded.h>

EMBEDDED(note_cache_test_bpf);

#define LEN (note_cache_test_bpf_end - note_cache_test_bpf_start)

static void opens(void **state)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "its_name");
	struct bpf_object *object =
		embedded_open(note_cache_test_bpf_start, note_cache_test_bpf_end, &opts);

	(void)state;
	assert_non_null(object);
	assert_string_equal(bpf_object__name(object), "its_name");
	assert_non_null(bpf_object__next_program(object, NULL));
	bpf_object__close(object);
}

#define UNPACKED_MAX 65536

/* Unpacks by zlib alone. Returns the length, or 0 if the sum is wrong. */
static size_t unpack(const unsigned char *packed, unsigned char unpacked[UNPACKED_MAX])
{
	z_stream stream = {
		.next_in = packed, .avail_in = LEN, .next_out = unpacked, .avail_out = UNPACKED_MAX
	};
	int ret;

	assert_int_equal(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
	ret = inflate(&stream, Z_FINISH);
	inflateEnd(&stream);
	return ret == Z_STREAM_END ? stream.total_out : 0;
}

/* Some bits of a compressed stream say nothing: of a code that is not used, or of the place that
 * repeated bytes are copied from. */
static bool is_damaged(const unsigned char *copy)
{
	static unsigned char whole[UNPACKED_MAX], unpacked[UNPACKED_MAX];
	size_t whole_len = unpack(note_cache_test_bpf_start, whole), len = unpack(copy, unpacked);

	assert_int_not_equal(whole_len, 0);
	return len != whole_len || memcmp(unpacked, whole, len);
}

static void expect_refused(const unsigned char *copy)
{
	assert_null(embedded_open(copy, copy + LEN, NULL));
	assert_int_equal(errno, EBADMSG);
}

/* Bit by bit, but not of the length at the end, by which memory is allocated. */
static void damage_is_noticed(void **state)
{
	unsigned char *copy = malloc(LEN);
	unsigned int damaged = 0, flips = 0;

	(void)state;
	assert_non_null(copy);
	/* In RFC 1952's header: time, extra flags and system, which say nothing of the object. */
	for (ptrdiff_t i = 10; i < LEN - 4; i += 97) {
		memcpy(copy, note_cache_test_bpf_start, LEN);
		copy[i] ^= 1 << i % 8;
		flips++;
		if (!is_damaged(copy))
			continue;
		expect_refused(copy);
		damaged++;
	}
	assert_true(damaged > flips / 2);
	memcpy(copy, note_cache_test_bpf_start, LEN);
	copy[LEN - 5] ^= 1; /* of the sum */
	expect_refused(copy);
	assert_null(embedded_open(copy, copy, NULL));
	assert_int_equal(errno, EBADMSG);
	free(copy);
}

static void what_is_no_object_is_refused(void **state)
{
	/* "no object", by gzip -9n */
	static const unsigned char text[] = {
		0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
		0xcb, 0xcb, 0x57, 0xc8, 0x4f, 0xca, 0x4a, 0x4d, 0x2e, 0x01,
		0x00, 0x5c, 0xcf, 0xb1, 0xad, 9,    0,	  0,	0,
	};

	(void)state;
	assert_null(embedded_open(text, text + sizeof(text), NULL));
	assert_true(errno > 0);
}

static void sum_is_crc_and_length(void **state)
{
	static const unsigned char end[] = { 0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 1 };

	(void)state;
	assert_true(embedded_sum(end + sizeof(end)) == 0x01000009cbf43926ull);
}

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens),
		cmocka_unit_test(damage_is_noticed),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(sum_is_crc_and_length),
	};

	libbpf_set_print(quiet);
	return cmocka_run_group_tests_name("embedded", tests, NULL, NULL);
}
