/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Names of codepoints and the policy grammar. A DSCP here is always 6 bits, 0 to 63. */
#ifndef UTIL_DSCP_H
#define UTIL_DSCP_H

#include <stddef.h>

#include <dscp/abi.h>

/* Longest name or number of a codepoint, with the terminating zero. */
#define DSCP_NAME_LEN 8

/* The registered name ("EF", "CS0"), or the decimal number of a codepoint that has none.
 * Static storage; dscp must be below 64. */
const char *dscp_name(unsigned int dscp);

/* The names, and the words of a policy: names, keep, copy; NULL behind the last. */
const char *dscp_word(unsigned int i);
const char *dscp_policy_word(unsigned int i);

/* One codepoint, by name (any case; DF is CS0) or number (decimal or 0x hex). Returns the
 * codepoint or -EINVAL. */
int dscp_parse(const char *text);

void dscp_policy_identity(struct dscp_policy *policy);

/* A policy that names nothing yet, and the same completed by another policy: each DSCP that no
 * entry has named since takes what the other policy makes of that DSCP. */
void dscp_policy_unnamed(struct dscp_policy *policy);
void dscp_policy_complete(struct dscp_policy *policy, const struct dscp_policy *by);

/* Applies a map, ENTRY[,ENTRY...], on top of what policy holds; later entries win. ENTRY is
 * FROM=TO, or "copy" for "*=copy". FROM is a name, a number, A-B or *; TO is a name, a number, keep
 * or copy (each DSCP of FROM becomes itself). On error returns -EINVAL, leaves policy as it was and
 * writes one sentence with the offending text and the legal range to err. */
int dscp_policy_parse(struct dscp_policy *policy, const char *text, char *err, size_t err_len);

/* The name of what policy makes of a DSCP: a codepoint's, or "keep". */
const char *dscp_policy_name(const struct dscp_policy *policy, unsigned int from);

#endif
