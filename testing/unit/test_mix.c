/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tests mix.h: hashes that were set stay as good as random ones for choosing a queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <dscp/abi.h>
#include <dscp/mix.h>

#include <util/macros.h>

#include "../xorshift.h"

#define SAMPLES 10000000u
#define STAMPS 100000u
#define BINS 1024u
#define N_VALUES (DSCP_STAMP_BITS + 1)
/*
 * Chi-square with 1023 degrees of freedom has mean 1023 and standard deviation 45: five of those.
 * The samples are fixed, so this either holds or does not.
 */
#define CHI_SQUARE_LIMIT (1023 + 5 * 45)

static uint32_t random_state;

static uint32_t next_random(void)
{
	return xorshift32(&random_state);
}

static int seed(void **state)
{
	(void)state;
	random_state = 2463534242u;
	return 0;
}

/* An inverse for every sample also means that no two samples have the same output. An assertion
 * of cmocka for each of millions would take most of the time. */
static bool inverse_holds(uint32_t x)
{
	return dscp_unmix(dscp_mix(x)) == x && dscp_mix(dscp_unmix(x)) == x;
}

static void inverse_of_sequential(void **state)
{
	uint32_t bad = 0;

	(void)state;
	for (uint32_t i = 0; i < SAMPLES; i++) {
		bad += !inverse_holds(i);
		bad += !inverse_holds(UINT32_MAX - i);
	}
	assert_int_equal(bad, 0);
}

static void inverse_of_random(void **state)
{
	uint32_t bad = 0;

	(void)state;
	for (uint32_t i = 0; i < SAMPLES; i++)
		bad += !inverse_holds(next_random());
	assert_int_equal(bad, 0);
}

static void stamp_tells_value(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < STAMPS; i++) {
		uint32_t hash = next_random(), value = i % N_VALUES;
		uint32_t plain = dscp_unmix(dscp_stamp(hash, value));

		assert_int_equal(plain & DSCP_STAMP_BITS, value);
		assert_int_equal(plain & ~DSCP_STAMP_BITS, hash & ~DSCP_STAMP_BITS);
	}
}

/* Flows with the same upper 24 bits in their hashes: one stamp per value, and never the same for
 * two. */
static void stamps_of_collision(void **state)
{
	uint32_t stamps[N_VALUES], hash;

	(void)state;
	for (int flow = 0; flow < 20; flow++) {
		hash = next_random();
		for (uint32_t m = 0; m < N_VALUES; m++) {
			stamps[m] = dscp_stamp(hash, m);
			assert_int_equal(stamps[m],
					 dscp_stamp(hash ^ (m * 7 & DSCP_STAMP_BITS), m));
			for (uint32_t other = 0; other < m; other++)
				assert_int_not_equal(stamps[other], stamps[m]);
		}
	}
}

static void every_bit_is_even(void **state)
{
	uint32_t ones[32] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < STAMPS; i++) {
		uint32_t stamp = dscp_stamp(i << 8, 46);

		for (int bit = 0; bit < 32; bit++)
			ones[bit] += stamp >> bit & 1;
	}
	/* One percent is six standard deviations of a fair coin. */
	for (int bit = 0; bit < 32; bit++)
		assert_uint_in_range(ones[bit], STAMPS * 49 / 100, STAMPS * 51 / 100);
}

static double chi_square(const uint32_t *bins)
{
	double expected = (double)STAMPS / BINS, sum = 0;

	for (uint32_t i = 0; i < BINS; i++)
		sum += (bins[i] - expected) * (bins[i] - expected) / expected;
	return sum;
}

/* CAKE takes hash % 1024, fq_codel scales the top bits. */
static void queues_are_even(void **state)
{
	static const uint32_t values[] = { 0, 8, 34, 46, 63, DSCP_STAMP_FINAL | 46 };

	(void)state;
	for (unsigned int m = 0; m < ARRAY_SIZE(values); m++) {
		uint32_t low[BINS] = { 0 }, top[BINS] = { 0 };

		for (uint32_t i = 0; i < STAMPS; i++) {
			uint32_t stamp = dscp_stamp(i << 8, values[m]);

			low[stamp % BINS]++;
			top[stamp >> 22]++;
		}
		assert_true(chi_square(low) < CHI_SQUARE_LIMIT);
		assert_true(chi_square(top) < CHI_SQUARE_LIMIT);
	}
}

/* A packet without a hash shows 0. */
static void no_stamp_is_zero(void **state)
{
	(void)state;
	for (uint32_t hash = 0; hash < 2 * N_VALUES; hash++) {
		for (uint32_t value = 0; value < N_VALUES; value++) {
			assert_int_not_equal(dscp_stamp(hash, value), 0);
			assert_int_equal(dscp_unmix(dscp_stamp(hash, value)) & DSCP_STAMP_BITS,
					 value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inverse_of_sequential),
		cmocka_unit_test_setup(inverse_of_random, seed),
		cmocka_unit_test_setup(stamp_tells_value, seed),
		cmocka_unit_test_setup(stamps_of_collision, seed),
		cmocka_unit_test(no_stamp_is_zero),
		cmocka_unit_test(every_bit_is_even),
		cmocka_unit_test(queues_are_even),
	};

	return cmocka_run_group_tests_name("mix", tests, NULL, NULL);
}
