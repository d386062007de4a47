/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tests dscp: names of codepoints, and the grammar of policies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <util/dscp.h>
#include <util/macros.h>
#include <util/policy.h>

#include "../xorshift.h"

#define LEGAL "use a name (CS0-CS7, AF11-AF43, EF, VA, LE, NQB, DF, BE) or a number from 0 to 63"

static char err[512];

static void names(void **state)
{
	char name[DSCP_NAME_LEN];
	int class, drop;

	(void)state;
	for (class = 0; class < 8; class ++) {
		snprintf(name, sizeof(name), "CS%d", class % 8);
		assert_string_equal(dscp_name(8 * class), name);
		assert_int_equal(dscp_parse(name), 8 * class);
	}
	/* RFC 2597: class in the upper three bits, drop precedence in the next two. */
	for (class = 1; class <= 4; class ++) {
		for (drop = 1; drop <= 3; drop++) {
			snprintf(name, sizeof(name), "AF%d%d", class % 8, drop % 8);
			assert_string_equal(dscp_name(8 * class + 2 * drop), name);
			assert_int_equal(dscp_parse(name), 8 * class + 2 * drop);
		}
	}
	assert_string_equal(dscp_name(46), "EF");
	assert_string_equal(dscp_name(44), "VA");
	assert_string_equal(dscp_name(1), "LE");
	assert_string_equal(dscp_name(45), "NQB");
	assert_int_equal(dscp_parse("DF"), 0);
	assert_int_equal(dscp_parse("BE"), 0);
	assert_string_equal(dscp_name(63), "63");
	assert_string_equal(dscp_name(2), "2");
}

/* Every name that is printed can be read, and all 64 are different. */
static void names_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < DSCP_VALUES; i++) {
		assert_int_equal(dscp_parse(dscp_name(i)), i);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(dscp_name(i), dscp_name(j));
	}
}

static void parse_accepts(void **state)
{
	(void)state;
	assert_int_equal(dscp_parse("ef"), 46);
	assert_int_equal(dscp_parse("Af41"), 34);
	assert_int_equal(dscp_parse("df"), 0);
	assert_int_equal(dscp_parse("0"), 0);
	assert_int_equal(dscp_parse("63"), 63);
	assert_int_equal(dscp_parse("0x2e"), 46);
	assert_int_equal(dscp_parse("0X2E"), 46);
}

static const char *const bad_names[] = {
	"",
	"64",
	"-1",
	"+1",
	"0x40",
	"0x",
	"0x0x1",
	"AF99",
	"CS8",
	"AF10",
	"AF",
	"EF ",
	" EF",
	"4 6",
	"46.",
	"keep",
	"*",
	"EFX",
	"1e1",
	"46\n",
	"EF=",
	"x2e",
	"99999999999999999999",
	"CS",
	"AF44",
	"AF51",
	"2e",
	"CS-1",
	"0x-1",
	"0x 1",
};

static void parse_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_names); i++) {
		if (dscp_parse(bad_names[i]) != -EINVAL)
			fail_msg("'%s' was accepted", bad_names[i]);
	}
}

static struct dscp_policy parsed(const char *text)
{
	struct dscp_policy policy;

	policy_identity(&policy);
	if (policy_parse(&policy_dscps, &policy, text, err, sizeof(err)))
		fail_msg("'%s': %s", text, err);
	return policy;
}

static void identity(void **state)
{
	struct dscp_policy policy;

	(void)state;
	policy_identity(&policy);
	for (unsigned int i = 0; i < DSCP_VALUES; i++) {
		assert_int_equal(policy.to[i], i);
		assert_string_equal(policy_name(&policy, i), dscp_name(i));
	}
}

static void policy_single(void **state)
{
	struct dscp_policy policy = parsed("EF=AF41,0x8=63,0=keep");

	(void)state;
	assert_int_equal(policy.to[46], 34);
	assert_int_equal(policy.to[8], 63);
	assert_int_equal(policy.to[0], DSCP_KEEP);
	assert_int_equal(policy.to[1], 1);
	assert_string_equal(policy_name(&policy, 0), "keep");
	assert_string_equal(policy_name(&policy, 46), "AF41");
	assert_int_equal(parsed("EF=KEEP").to[46], DSCP_KEEP);
}

static void policy_range(void **state)
{
	struct dscp_policy policy = parsed("cs1-AF13=LE,40-40=0,62-63=keep");

	(void)state;
	assert_int_equal(policy.to[7], 7);
	for (int i = 8; i <= 14; i++)
		assert_int_equal(policy.to[i], 1);
	assert_int_equal(policy.to[15], 15);
	assert_int_equal(policy.to[40], 0);
	assert_int_equal(policy.to[41], 41);
	assert_int_equal(policy.to[63], DSCP_KEEP);
}

static void policy_all_then_one(void **state)
{
	struct dscp_policy policy = parsed("*=CS0,EF=EF");

	(void)state;
	for (int i = 0; i < DSCP_VALUES; i++)
		assert_int_equal(policy.to[i], i == 46 ? 46 : 0);
	policy = parsed("EF=EF,*=CS0");
	assert_int_equal(policy.to[46], 0);
}

/* A second policy is laid over the first. */
static void policy_on_top(void **state)
{
	struct dscp_policy policy = parsed("CS0=keep");

	(void)state;
	assert_int_equal(policy_parse(&policy_dscps, &policy, "EF=CS5", err, sizeof(err)), 0);
	assert_int_equal(policy.to[0], DSCP_KEEP);
	assert_int_equal(policy.to[46], 40);
}

/* copy makes each DSCP itself again, whatever stood there before. */
static void policy_copy(void **state)
{
	struct dscp_policy policy = parsed("*=CS0,cs1-AF13=Copy,7=keep,7=COPY");

	(void)state;
	assert_int_equal(dscp_parse("copy"), -EINVAL);
	for (int i = 0; i < DSCP_VALUES; i++)
		assert_int_equal(policy.to[i], i >= 7 && i <= 14 ? i : 0);
	for (int way = 0; way < 2; way++) {
		policy = parsed(way ? "*=keep,COPY,EF=CS5" : "*=keep,*=copy,EF=CS5");
		for (int i = 0; i < DSCP_VALUES; i++)
			assert_int_equal(policy.to[i], i == 46 ? 40 : i);
	}
}

/* DSCPs that a map names are the map's; the rest is the other policy's. */
static void policy_completed(void **state)
{
	struct dscp_policy own = parsed("*=CS0,CS7=keep,LE=LE"), policy;

	(void)state;
	policy_unnamed(&policy);
	policy_complete(&policy, &own);
	assert_memory_equal(&policy, &own, sizeof(policy));
	policy_unnamed(&policy);
	assert_int_equal(
		policy_parse(&policy_dscps, &policy, "EF=CS5,CS1-CS2=copy", err, sizeof(err)), 0);
	assert_int_equal(policy_parse(&policy_dscps, &policy, "CS2=keep,0=63", err, sizeof(err)),
			 0);
	policy_complete(&policy, &own);
	for (int i = 0; i < DSCP_VALUES; i++) {
		int want = i == 46 ? 40 : i == 16 ? DSCP_KEEP : i ? own.to[i] : 63;

		assert_int_equal(policy.to[i], i >= 8 && i < 16 ? i : want);
	}
	/* A complete policy is not changed. */
	own = parsed("*=keep");
	policy_complete(&policy, &own);
	assert_int_equal(policy.to[2], 0);
	assert_int_equal(policy.to[46], 40);
}

static const char *const bad_maps[] = {
	"",
	",",
	"EF",
	"EF=",
	"=EF",
	"=",
	"EF=EF,",
	",EF=EF",
	"EF=EF,,LE=LE",
	"EF=AF99",
	"XX=EF",
	"EF==EF",
	"EF=EF=EF",
	"EF =EF",
	"EF= EF",
	" EF=EF",
	"EF=EF ",
	"EF=*",
	"EF=CS1-CS2",
	"CS2-CS1=EF",
	"CS1-=EF",
	"-CS1=EF",
	"-=EF",
	"CS1-CS2-CS3=EF",
	"keep=EF",
	"*-EF=EF",
	"EF-*=EF",
	"**=EF",
	"64=0",
	"0=64",
	"0-64=0",
	"EF=EF;LE=LE",
	"EF:EF",
	"EF=keep2",
	"EF=copy2",
	"copy=EF",
	"copy=copy",
	"copy2",
	"keep",
	"copy-EF=EF",
	"*=CS0,copy,",
	"EF=-1",
	"00000000000000000000000000000000000000000000000000000000000000000000000000=EF",
};

static void policy_refuses(void **state)
{
	struct dscp_policy before, policy;

	(void)state;
	before = parsed("CS7=keep");
	for (size_t i = 0; i < ARRAY_SIZE(bad_maps); i++) {
		policy = before;
		err[0] = '\0';
		if (policy_parse(&policy_dscps, &policy, bad_maps[i], err, sizeof(err)) != -EINVAL)
			fail_msg("'%s' was accepted", bad_maps[i]);
		assert_memory_equal(&policy, &before, sizeof(policy));
		assert_non_null(strchr(err, '\''));
		assert_null(strchr(err, '\n'));
	}
	/* Not the part before the mistake either. */
	policy = before;
	assert_int_equal(policy_parse(&policy_dscps, &policy, "EF=LE,XX=LE", err, sizeof(err)),
			 -EINVAL);
	assert_memory_equal(&policy, &before, sizeof(policy));
}

static void assert_refused(const char *text, const char *sentence)
{
	struct dscp_policy policy;

	policy_identity(&policy);
	assert_int_equal(policy_parse(&policy_dscps, &policy, text, err, sizeof(err)), -EINVAL);
	assert_string_equal(err, sentence);
}

#define EMPTY "'' is an empty entry (a comma too many?): use FROM=TO, such as EF=AF41"
#define DS_FIELD(name) " is the DS field (TOS byte) of " name ": a DSCP is its upper six bits"

static void policy_sentences(void **state)
{
	char tiny[8];
	struct dscp_policy policy;

	(void)state;
	assert_refused("LE=LE,EF=AF99",
		       "'AF99' in 'EF=AF99' is not a DSCP: " LEGAL ", keep or copy");
	assert_refused("XX=EF", "'XX' in 'XX=EF' is not a DSCP: " LEGAL ", a range A-B or *");
	assert_refused("CS1-XX=EF", "'XX' in 'CS1-XX=EF' is not a DSCP: " LEGAL);
	assert_refused("AF43-AF11=EF", "'AF43-AF11' in 'AF43-AF11=EF' runs backwards: "
				       "put the lower DSCP first");
	assert_refused("EF=EF,", EMPTY);
	assert_refused(",EF=EF", EMPTY);
	assert_refused("EF=EF,,LE=LE", EMPTY);
	assert_refused("", EMPTY);
	assert_refused(" ", "' ' is not FROM=TO, such as EF=AF41 or CS1-CS3=keep");
	assert_refused("EF=", "'' in 'EF=' is not a DSCP: " LEGAL ", keep or copy");
	/* The DS field is four times the DSCP, and has ECN bits. */
	assert_refused("0xb8=EF", "'0xb8' in '0xb8=EF'" DS_FIELD("EF"));
	assert_refused("0-184=EF", "'184' in '0-184=EF'" DS_FIELD("EF"));
	assert_refused("EF=0xBB", "'0xBB' in 'EF=0xBB'" DS_FIELD("EF"));
	assert_refused("EF=64", "'64' in 'EF=64'" DS_FIELD("CS2"));
	assert_refused("EF=255", "'255' in 'EF=255'" DS_FIELD("63"));
	assert_refused("EF=256", "'256' in 'EF=256' is not a DSCP: " LEGAL ", keep or copy");
	policy_identity(&policy);
	assert_int_equal(policy_parse(&policy_dscps, &policy, "XX", tiny, sizeof(tiny)), -EINVAL);
	assert_int_equal(strlen(tiny), sizeof(tiny) - 1);
}

static void assert_printed(const char *base_map, const char *map, const char *text)
{
	const struct dscp_policy base = parsed(base_map);
	struct dscp_policy policy = base;

	assert_int_equal(policy_parse(&policy_dscps, &policy, map, err, sizeof(err)), 0);
	assert_string_equal(policy_text(&policy_dscps, &policy, &base), text);
}

static void policy_prints(void **state)
{
	(void)state;
	assert_printed("copy", "copy", "copy");
	assert_printed("CS0=keep", "CS1=CS1", "CS0=keep");
	assert_printed("copy", "ef=0x28,63=KEEP,7=7", "EF=CS5,63=keep");
	assert_printed("copy", "*=0,EF=EF", "*=CS0,EF=EF");
	assert_printed("*=CS0", "EF=46", "EF=EF");
	assert_printed("*=CS0", "copy,0=keep", "copy,CS0=keep");
	assert_printed("CS0=keep", "0=0", "copy");
	assert_printed("CS0=keep,EF=CS1", "0=0", "CS0=CS0");
	assert_printed("copy", "*=keep", "*=keep");
	assert_printed("copy", "0-1=LE", "CS0=LE");
	assert_printed("33-63=0", "33-63=0", "CS0=CS0");
	/* Ranges: with gaps that are right already, and of those that are copied again. */
	assert_printed("copy", "AF11-AF43=CS0", "AF11-AF43=CS0");
	assert_printed("copy", "CS5-CS6=EF", "CS5-CS6=EF");
	assert_printed("copy", "CS1-CS3=keep,CS2=EF", "CS1-15=keep,CS2=EF,17-CS3=keep");
	assert_printed("copy", "*=CS0,AF11-AF43=copy", "*=CS0,AF11-AF43=copy");
	assert_printed("copy", "*=CS0,AF11-AF43=copy,EF=EF", "*=CS0,AF11-AF43=copy,EF=EF");
	assert_printed("*=CS0,EF=EF", "EF=CS5", "EF=CS5");
	assert_printed("*=CS0", "*=0", "*=CS0");
}

/* Few DSCPs or many become something else: of a policy that copies, or has one target, or none. */
static struct dscp_policy random_policy(uint32_t *seed)
{
	const uint32_t sort = xorshift32(seed) % 3, changes = xorshift32(seed) % 3;
	const uint32_t common = xorshift32(seed) % (DSCP_VALUES + 1);
	struct dscp_policy policy;

	for (unsigned int i = 0; i < DSCP_VALUES; i++) {
		const uint32_t any = xorshift32(seed) % (DSCP_VALUES + 1);
		const bool is_changed = changes && !(xorshift32(seed) % (2 * changes * changes));
		const uint32_t to = is_changed || sort == 2 ? any : sort ? common : i;

		policy.to[i] = to == DSCP_VALUES ? DSCP_KEEP : to;
	}
	return policy;
}

static void assert_read_back(const struct dscp_policy *policy, const struct dscp_policy *base,
			     const struct dscp_policy *on)
{
	struct dscp_policy again = *on;
	const char *text = policy_text(&policy_dscps, policy, base);

	assert_string_not_equal(text, "");
	if (policy_parse(&policy_dscps, &again, text, err, sizeof(err)))
		fail_msg("'%s': %s", text, err);
	policy_complete(&again, base);
	if (memcmp(&again, policy, sizeof(again)))
		fail_msg("'%s' is another policy", text);
}

/* As an option, and by itself. */
static void assert_whole(const struct dscp_policy *policy, const struct dscp_policy *base)
{
	const char *text = policy_whole(policy, base);
	struct dscp_policy on_base = *base, on_copy;

	policy_identity(&on_copy);
	assert_int_equal(policy_parse(&policy_dscps, &on_base, text, err, sizeof(err)), 0);
	assert_int_equal(policy_parse(&policy_dscps, &on_copy, text, err, sizeof(err)), 0);
	if (memcmp(&on_base, policy, sizeof(on_base)) || memcmp(&on_copy, policy, sizeof(on_copy)))
		fail_msg("'%s' is another policy", text);
}

/* Laid over the base, and completed by the base, as --peer-map is by --egress-map. */
static void policy_reads_what_it_prints(void **state)
{
	uint32_t seed = 20210618;
	struct dscp_policy unnamed;

	(void)state;
	policy_unnamed(&unnamed);
	for (int i = 0; i < 5000; i++) {
		const struct dscp_policy base = random_policy(&seed), other = random_policy(&seed);

		assert_read_back(&other, &base, &base);
		assert_read_back(&other, &base, &unnamed);
		assert_read_back(&base, &base, &base);
		assert_read_back(&base, &base, &unnamed);
		assert_whole(&other, &base);
		assert_whole(&base, &base);
	}
}

static void policy_whole_names_what_is_not_a_copy(void **state)
{
	struct dscp_policy ingress, changed = parsed("CS0=keep,EF=CS1");

	(void)state;
	policy_ingress(&ingress);
	assert_string_equal(policy_whole(&ingress, &ingress), "CS0=keep");
	assert_string_equal(policy_whole(&changed, &ingress), "CS0=keep,EF=CS1");
	assert_string_equal(policy_text(&policy_dscps, &changed, &ingress), "EF=CS1");
	policy_identity(&changed);
	assert_string_equal(policy_whole(&changed, &ingress), "copy");
}

static struct dscp_policy priorities(const char *text)
{
	struct dscp_policy policy = {};

	if (policy_parse(&policy_priorities, &policy, text, err, sizeof(err)))
		fail_msg("'%s': %s", text, err);
	return policy;
}

static void priority_values(void **state)
{
	struct dscp_policy policy = priorities("EF=6,CS1-CS2=0,AF41=0xf,15=keep");

	(void)state;
	for (int i = 0; i < DSCP_VALUES; i++) {
		int want = i == 46 ? 7 : i == 34 ? 16 : i >= 8 && i <= 16 && i != 15;

		assert_int_equal(policy.to[i], want);
	}
	policy = priorities("*=15,Keep");
	assert_memory_equal(&policy, &(struct dscp_policy){}, sizeof(policy));
}

/* As a map of all names says it, which the man page gives as the meaning of a preset. */
static void priority_presets(void **state)
{
	static const char *const same[][2] = {
		{ "802.1p", "*=0,8-15=1,16-23=2,24-31=3,32-39=4,40-47=5,48-55=6,56-63=7" },
		{ "pfifo_fast", "*=0,LE=1,CS1=1,CS3=4,AF31=4,AF32=4,AF33=4,CS4=4,AF41=4,AF42=4,"
				"AF43=4,CS5=6,VA=6,EF=6,CS6=7,CS7=7" },
		{ "fq", "*=0,LE=1,CS1=1,CS3=6,AF31=6,AF32=6,AF33=6,CS4=6,AF41=6,AF42=6,AF43=6,"
			"CS5=6,VA=6,EF=6,CS6=7,CS7=7" },
		{ "keep", "*=keep" },
		/* A part of one. */
		{ "CS1-CS3=802.1p", "8-15=1,16-23=2,24=3" },
		{ "fq,CS0-EF=keep", "CS6=7,CS7=7,47=0,49-55=0,57-63=0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		struct dscp_policy a = priorities(same[i][0]), b = priorities(same[i][1]);

		if (memcmp(&a, &b, sizeof(a)))
			fail_msg("%s is not %s", same[i][0], same[i][1]);
	}
}

static const char *const bad_priorities[] = {
	"",	   ",",	    "EF",    "EF=",	  "EF=16",  "EF=-1",	"EF=6.0",   "EF=CS1",
	"EF=copy", "copy",  "=6",    "XX=6",	  "802.1",  "802.1p=6", "fq,",	    "fq fq",
	"EF=fq2",  "fq=fq", "keep2", "CS2-CS1=6", "EF=255", "EF=6;",	"*=6,64=1", "pfifo-fast",
};

static void priority_refuses(void **state)
{
	const struct dscp_policy before = priorities("CS7=7");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_priorities); i++) {
		struct dscp_policy policy = before;

		err[0] = '\0';
		if (policy_parse(&policy_priorities, &policy, bad_priorities[i], err,
				 sizeof(err)) != -EINVAL)
			fail_msg("'%s' was accepted", bad_priorities[i]);
		assert_memory_equal(&policy, &before, sizeof(policy));
		assert_non_null(strchr(err, '\''));
		assert_null(strchr(err, '\n'));
	}
}

/* The shortest form: a preset's name, and the DSCPs that are not as the preset has them. */
static void priority_prints(void **state)
{
	static const char *const texts[][2] = {
		{ "keep", "keep" },
		{ "EF=6", "EF=6" },
		{ "*=0", "*=0" },
		{ "802.1p", "802.1p" },
		{ "fq", "fq" },
		{ "pfifo_fast", "pfifo_fast" },
		{ "802.1p,1=1,10=keep", "802.1p,LE=1,AF11=keep" },
		{ "pfifo_fast,34-38=6", "pfifo_fast,AF41-AF43=6" },
		{ "8-23=802.1p", "CS1-23=802.1p" },
		{ "802.1p,1=1", "802.1p,LE=1" },
		{ "fq,9-63=802.1p", "802.1p,LE=1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct dscp_policy policy = priorities(texts[i][0]), none = {};

		assert_string_equal(policy_text(&policy_priorities, &policy, &none), texts[i][1]);
	}
}

static void priority_reads_what_it_prints(void **state)
{
	uint32_t seed = 20210618;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct dscp_policy policy = i % 2 ? priorities("fq") : priorities("802.1p");
		const struct dscp_policy base = i % 3 ? priorities("keep") : policy;
		struct dscp_policy again = base;

		for (uint32_t n = xorshift32(&seed) % 64; n; n--)
			policy.to[xorshift32(&seed) % DSCP_VALUES] =
				xorshift32(&seed) % (DSCP_PRIORITIES + 1);
		if (policy_parse(&policy_priorities, &again,
				 policy_text(&policy_priorities, &policy, &base), err, sizeof(err)))
			fail_msg("%s", err);
		assert_memory_equal(&again, &policy, sizeof(policy));
	}
}

/* A list adds up, and one with a fault in it is refused. */
static void list_adds_up(void **state)
{
	static const char *const bad[] = { "", "EF,", "EF,XX", "64", "CS1-", "CS2-CS1", "EF=EF" };
	uint64_t set = 0;

	(void)state;
	assert_int_equal(policy_list(&set, "ef,CS0,1-3", err, sizeof(err)), 0);
	assert_int_equal(set, 1ull << 46 | 0xf);
	assert_int_equal(policy_list(&set, "63", err, sizeof(err)), 0);
	assert_int_equal(set, 1ull << 63 | 1ull << 46 | 0xf);
	assert_int_equal(policy_list(&set, "*", err, sizeof(err)), 0);
	assert_int_equal(set, UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		*err = '\0';
		assert_int_equal(policy_list(&set, bad[i], err, sizeof(err)), -EINVAL);
		assert_string_not_equal(err, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(names_round_trip),
		cmocka_unit_test(parse_accepts),
		cmocka_unit_test(parse_refuses),
		cmocka_unit_test(identity),
		cmocka_unit_test(policy_single),
		cmocka_unit_test(policy_range),
		cmocka_unit_test(policy_all_then_one),
		cmocka_unit_test(policy_on_top),
		cmocka_unit_test(policy_copy),
		cmocka_unit_test(policy_completed),
		cmocka_unit_test(policy_refuses),
		cmocka_unit_test(policy_sentences),
		cmocka_unit_test(policy_prints),
		cmocka_unit_test(list_adds_up),
		cmocka_unit_test(policy_reads_what_it_prints),
		cmocka_unit_test(policy_whole_names_what_is_not_a_copy),
		cmocka_unit_test(priority_values),
		cmocka_unit_test(priority_presets),
		cmocka_unit_test(priority_refuses),
		cmocka_unit_test(priority_prints),
		cmocka_unit_test(priority_reads_what_it_prints),
	};

	return cmocka_run_group_tests_name("dscp", tests, NULL, NULL);
}
