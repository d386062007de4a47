/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The grammar of a policy, --egress-map and --ingress-map, which gives each DSCP a new value; and
 * of --priority-map, which gives a packet its skb->priority by its DSCP. */
#ifndef UTIL_POLICY_H
#define UTIL_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

/* The words of a policy: keep, presets, names of codepoints; NULL behind the last. */
const char *policy_word(unsigned int i);
const char *policy_priority_word(unsigned int i);

/* Each DSCP becomes itself. */
void policy_identity(struct dscp_policy *policy);
/* The default of ingress. */
void policy_ingress(struct dscp_policy *policy);

/* A policy that names nothing yet, and the same completed by another policy: each DSCP that no
 * entry has named since takes its value from the other policy. */
void policy_unnamed(struct dscp_policy *policy);
void policy_complete(struct dscp_policy *policy, const struct dscp_policy *by);

/* The possible values of TO, in a map of DSCPs and in one of priorities. A map of priorities is a
 * policy too, with values one more than skb->priority; 0 keeps that. */
extern const struct policy_grammar policy_dscps, policy_priorities;

/* Applies a map, ENTRY[,ENTRY...], on top of the present policy; later entries win. ENTRY is
 * FROM=TO, or a preset for "*=PRESET". FROM is a name, a number, A-B or *; TO is keep or a preset
 * (each DSCP of FROM becomes the preset's value for it), or else of DSCPs a name or number, and of
 * priorities a number. Of DSCPs the preset is copy, of priorities they are keep, 802.1p, pfifo_fast
 * and fq. On error returns -EINVAL, leaves policy as it was and writes one sentence with the
 * offending text and the legal range to err. */
int policy_parse(const struct policy_grammar *grammar, struct dscp_policy *policy, const char *text,
		 char *err, size_t err_len);

/* Adds the DSCPs of a list, FROM[,FROM...], to a set of bits. Errors as of policy_parse(). */
int policy_list(uint64_t *set, const char *text, char *err, size_t err_len);

/* A map of few entries that policy_parse() makes policy of, on top of base: ranges, and perhaps
 * a preset or "*=TO" in front of them. Never nothing. Valid until the next call. */
const char *policy_text(const struct policy_grammar *grammar, const struct dscp_policy *policy,
			const struct dscp_policy *base);

/* The same of DSCPs, of which policy_parse() makes policy on top of a copy too: all that is not a
 * copy is named, though base may have it already. */
const char *policy_whole(const struct dscp_policy *policy, const struct dscp_policy *base);

/* Returns the name of a DSCP's value in policy: a codepoint's, or "keep". */
const char *policy_name(const struct dscp_policy *policy, unsigned int from);

#endif
