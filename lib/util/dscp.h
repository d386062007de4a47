/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Names of codepoints. A DSCP here is always 6 bits, 0 to 63. */
#ifndef UTIL_DSCP_H
#define UTIL_DSCP_H

#include <stddef.h>

#include <dscp/abi.h>

/* Longest name or number of a codepoint, with the terminating zero. */
#define DSCP_NAME_LEN 8

/* The registered name ("EF", "CS0"), or the decimal number of a codepoint that has none.
 * Static storage; dscp must be below 64. */
const char *dscp_name(unsigned int dscp);

/* The names, one after the other; NULL behind the last. */
const char *dscp_word(unsigned int i);

/* One codepoint, by name (any case; DF and BE are CS0) or number (decimal or 0x hex). Returns the
 * codepoint or -EINVAL. */
int dscp_parse(const char *text);

/* Returns the end of a sentence about a text that is no codepoint: why, and the legal values;
 * others: more legal values. Static storage. */
const char *dscp_why_not(const char *text, const char *others);

#endif
