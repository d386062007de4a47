/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads and writes names of codepoints. */
#include "dscp.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include "args.h"
#include "macros.h"

/* IANA's registry "Differentiated Services Field Codepoints". */
static const struct {
	char name[DSCP_NAME_LEN];
	unsigned int dscp;
} names[] = {
	{ "CS0", 0 },	{ "CS1", 8 },	{ "CS2", 16 },	{ "CS3", 24 },
	{ "CS4", 32 },	{ "CS5", 40 },	{ "CS6", 48 },	{ "CS7", 56 }, /* RFC 2474 */
	{ "AF11", 10 }, { "AF12", 12 }, { "AF13", 14 }, { "AF21", 18 },
	{ "AF22", 20 }, { "AF23", 22 }, { "AF31", 26 }, { "AF32", 28 },
	{ "AF33", 30 }, { "AF41", 34 }, { "AF42", 36 }, { "AF43", 38 }, /* RFC 2597 */
	{ "EF", 46 }, /* RFC 3246 */
	{ "VA", 44 }, /* RFC 5865 */
	{ "LE", 1 }, /* RFC 8622 */
	{ "NQB", 45 }, /* RFC 9956 */
	{ "DF", 0 }, /* RFC 2474's default, read only: an earlier entry has the name for output */
	{ "BE", 0 }, /* best effort, in the same way */
};
#define N_NAMES ARRAY_SIZE(names)

const char *dscp_name(unsigned int dscp)
{
	static char numbers[DSCP_VALUES][DSCP_NAME_LEN];

	for (size_t i = 0; i < N_NAMES; i++) {
		if (names[i].dscp == dscp)
			return names[i].name;
	}
	dscp %= DSCP_VALUES;
	snprintf(numbers[dscp], sizeof(numbers[dscp]), "%u", dscp);
	return numbers[dscp];
}

const char *dscp_word(unsigned int i)
{
	return i < N_NAMES ? names[i].name : NULL;
}

int dscp_parse(const char *text)
{
	unsigned long number;

	for (size_t i = 0; i < N_NAMES; i++) {
		if (!strcasecmp(names[i].name, text))
			return names[i].dscp;
	}
	if (args_number(text, 0, DSCP_VALUES - 1, &number, NULL, 0))
		return -EINVAL;
	return number;
}

const char *dscp_why_not(const char *text, const char *others)
{
	static char why[160];
	unsigned long field;

	if (!args_number(text, DSCP_VALUES, UINT8_MAX, &field, NULL, 0))
		snprintf(why, sizeof(why),
			 "is the DS field (TOS byte) of %s: a DSCP is its upper six bits",
			 dscp_name(field >> 2));
	else
		snprintf(why, sizeof(why),
			 "is not a DSCP: use a name (CS0-CS7, AF11-AF43, EF, VA, LE, NQB, DF, BE) "
			 "or "
			 "a number from 0 to 63%s",
			 others);
	return why;
}
