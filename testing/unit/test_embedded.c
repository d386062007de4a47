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
#include <string.h>

#include <bpf/libbpf.h>

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

/* Bit by bit, but not of the length at the end, by which memory is allocated. */
static void damage_is_noticed(void **state)
{
	unsigned char *copy = malloc(LEN);

	(void)state;
	assert_non_null(copy);
	/* In RFC 1952's header: time, extra flags and system, which say nothing of the object. */
	for (ptrdiff_t i = 10; i < LEN - 4; i += 97) {
		memcpy(copy, note_cache_test_bpf_start, LEN);
		copy[i] ^= 1 << i % 8;
		assert_null(embedded_open(copy, copy + LEN, NULL));
		assert_int_equal(errno, EBADMSG);
	}
	copy[LEN - 5] ^= 1; /* of the sum */
	assert_null(embedded_open(copy, copy + LEN, NULL));
	assert_int_equal(errno, EBADMSG);
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
