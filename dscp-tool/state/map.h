/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Any BPF map, by its descriptor. */
#ifndef STATE_MAP_H
#define STATE_MAP_H

#include <stddef.h>
#include <stdint.h>

/* How many entries there is room for; 0: the kernel does not say. */
uint32_t map_capacity(int fd);

/* The kernel's number of it, which no other map has or gets; 0: it does not say. */
uint32_t map_id(int fd);

/* Calls each, if it is not NULL, for every entry, in the order of the map. Entries that come or go
 * meanwhile may be missed. Returns how many there were, or a negative errno, without a sentence. */
long map_for_each(int fd, size_t key_size, size_t value_size,
		  void (*each)(void *ctx, const void *key, const void *value), void *ctx);

#endif
