/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The counts of the programs for a tunnel, in the per-CPU arrays of now and of before. */
#ifndef STATE_COUNTERS_H
#define STATE_COUNTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "state/objects.h"

struct pins;

/* The outcomes of packets, in the order of all outputs. */
enum { COUNTER_MARKED, COUNTER_UNCHANGED, COUNTER_UNKNOWN, COUNTER_SKIPPED, N_COUNTERS };
extern const struct counter_field {
	const char *name;
	uint8_t word; /* where it is in struct dscp_counters, in words of eight bytes */
	uint8_t n; /* how many words it is the sum of */
	bool of_data; /* a packet with data, which has been "seen" */
} counter_fields[N_COUNTERS];

/* Names of enum dscp_reason. */
extern const char counter_reasons[DSCP_REASONS][16];

uint64_t counters_get(const struct dscp_counters *counters, unsigned int field);
/* Returns the packets that egress_inner has stamped. */
uint64_t counters_stamped(const struct dscp_counters *counters);
/* False if some counter is less than before: they have begun anew. */
bool counters_have_grown(const struct dscp_counters *now, const struct dscp_counters *before);
/* Returns the counts since before; NULL: all. */
struct dscp_counters counters_since(const struct dscp_counters *now,
				    const struct dscp_counters *before);
/* Returns the sum over packets with data. */
uint64_t counters_seen(const struct dscp_counters *counters);

/* The counters of a slot, MAP_COUNTERS or MAP_INGRESS_COUNTERS, summed over the CPUs. 0 or a
 * negative errno, without a sentence. */
int counters_read(const struct pins *pins, enum pinned_map map, uint32_t slot,
		  struct dscp_counters *sum);

/* The other functions return 0, or a negative errno after a sentence. */

int counters_clear(const struct pins *pins, uint32_t slot);

/* Returns how many slots MAP_COUNTERS or MAP_INGRESS_COUNTERS should have for one more: the present
 * number, doubled as often as need be. 0: the map is not there, or has room. */
uint32_t counters_wanted(const struct pins *pins, enum pinned_map map, uint32_t slot);

/* Keeps the counts of old, an array that no program counts in any more and that another one is to
 * replace as MAP_COUNTERS or MAP_INGRESS_COUNTERS. Once: to be called again is to change
 * nothing. */
int counters_carry(struct pins *pins, enum pinned_map map, int old);
/* Undoes that, before programs count in old again. */
int counters_take_back(struct pins *pins, enum pinned_map map, int old);
/* Keeps the counts of another array, which is to go. */
int counters_add(struct pins *pins, enum pinned_map map, int other);

#endif
