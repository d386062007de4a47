/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tests which tin of CAKE takes which DSCP, by lists of names. They are the lists of tc-cake(8),
 * but for TOS1, which is not in the tables of Linux 6.1 to 7.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <linux/pkt_sched.h>

#include "util/cake.h"
#include "util/dscp.h"

/* tins: the DSCPs of each; all others are in the tin rest. */
static void assert_tins(uint32_t mode, unsigned int rest, const char *const *tins, unsigned int n)
{
	unsigned int want[DSCP_VALUES];
	char words[256], *left, *word;

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		want[dscp] = rest;
	for (unsigned int tin = 0; tin < n; tin++) {
		assert_true(strlen(tins[tin]) < sizeof(words));
		left = strcpy(words, tins[tin]);
		while ((word = strsep(&left, " "))) {
			if (*word)
				want[dscp_parse(word) % DSCP_VALUES] = tin;
		}
	}
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++)
		if (cake_tin(mode, dscp) != want[dscp])
			fail_msg("%s: tin %u for %s, not %u", cake_mode_name(mode),
				 cake_tin(mode, dscp), dscp_name(dscp), want[dscp]);
}

static void three_tins(void **state)
{
	static const char *const tins[] = { "LE CS1", "", "4 VA EF CS6 CS7" };

	(void)state;
	assert_tins(CAKE_DIFFSERV_DIFFSERV3, 1, tins, 3);
}

static void four_tins(void **state)
{
	static const char *const tins[] = {
		"LE CS1",
		"",
		"4 CS2 AF21 AF22 AF23 CS3 AF31 AF32 AF33 AF41 AF42 AF43",
		"CS4 CS5 VA EF CS6 CS7",
	};

	(void)state;
	assert_tins(CAKE_DIFFSERV_DIFFSERV4, 1, tins, 4);
}

static void eight_tins(void **state)
{
	static const char *const tins[] = {
		"LE",
		"2 CS1 AF11 AF12 AF13",
		"",
		"CS3 AF31 AF32 AF33 AF41 AF42 AF43",
		"4 AF21 AF22 AF23",
		"CS2",
		"CS4 CS5 VA EF",
		"CS6 CS7",
	};

	(void)state;
	assert_tins(CAKE_DIFFSERV_DIFFSERV8, 2, tins, 8);
}

static void other_modes(void **state)
{
	(void)state;
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		assert_int_equal(cake_tin(CAKE_DIFFSERV_BESTEFFORT, dscp), 0);
		assert_int_equal(cake_tin(CAKE_DIFFSERV_PRECEDENCE, dscp), dscp / 8);
	}
}

static void names(void **state)
{
	static const char *const modes[] = { "diffserv3", "diffserv4", "diffserv8", "besteffort",
					     "precedence" };

	(void)state;
	for (uint32_t mode = 0; mode < CAKE_DIFFSERV_MAX; mode++)
		assert_string_equal(cake_mode_name(mode), modes[mode]);
	assert_null(cake_mode_name(CAKE_DIFFSERV_MAX));
	assert_null(cake_mode_name(UINT32_MAX));
	assert_string_equal(cake_tin_name(CAKE_DIFFSERV_DIFFSERV3, 0), "Bulk");
	assert_string_equal(cake_tin_name(CAKE_DIFFSERV_DIFFSERV3, 1), "Best Effort");
	assert_string_equal(cake_tin_name(CAKE_DIFFSERV_DIFFSERV3, 2), "Voice");
	assert_string_equal(cake_tin_name(CAKE_DIFFSERV_DIFFSERV4, 2), "Video");
	assert_string_equal(cake_tin_name(CAKE_DIFFSERV_DIFFSERV4, 3), "Voice");
	assert_null(cake_tin_name(CAKE_DIFFSERV_DIFFSERV8, 3));
	assert_null(cake_tin_name(CAKE_DIFFSERV_BESTEFFORT, 0));
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(three_tins),  cmocka_unit_test(four_tins), cmocka_unit_test(eight_tins),
	cmocka_unit_test(other_modes), cmocka_unit_test(names),
};

int main(void)
{
	return cmocka_run_group_tests_name("cake", tests, NULL, NULL);
}
