/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* What the programs have counted for a tunnel, in the per-CPU arrays of now and of before. */
#ifndef COUNTERS_H
#define COUNTERS_H

#include <stdint.h>

#include <dscp/abi.h>

#include "state/objects.h"

struct pins;

/* The counters of a slot, MAP_COUNTERS or MAP_ARRIVALS, summed over the CPUs. 0 or a negative
 * errno, without a message. */
int counters_read(const struct pins *pins, enum pinned_map map, uint32_t slot,
		  struct dscp_counters *sum);

/* The other functions return 0, or a negative errno after a message. */

int counters_clear(const struct pins *pins, uint32_t slot);

/* How many slots MAP_COUNTERS or MAP_ARRIVALS should have for one more: what is there, doubled as
 * often as need be. 0: the map is not there, or has room. */
uint32_t counters_wanted(const struct pins *pins, enum pinned_map map, uint32_t slot);

/* Keeps what old has counted, an array that no program counts in any more and that another one is
 * to replace as MAP_COUNTERS or MAP_ARRIVALS. Once: to be called again is to change nothing. */
int counters_carry(struct pins *pins, enum pinned_map map, int old);

#endif
