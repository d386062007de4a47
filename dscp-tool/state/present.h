/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tells which devices and network namespaces are still those that were loaded. */
#ifndef STATE_PRESENT_H
#define STATE_PRESENT_H

#include <stdbool.h>
#include <stdint.h>

#include "state/pins.h"

/* Tells whether the device or namespace of a loaded tunnel is still the one that was loaded,
 * whatever now has its number. */
bool present_is(const struct pins *pins, uint32_t slot, enum presence what);

/* The number of that device; 0: it is gone. */
uint32_t present_number(const struct pins *pins, uint32_t slot);

/* Sets a tunnel's device and namespaces, as found by number now, as slot's; or sets none. A tunnel
 * may have no device (DSCP_IFINDEX_GONE). */
int present_note(const struct pins *pins, uint32_t slot, const struct dscp_tunnel *tunnel);
void present_forget(const struct pins *pins, uint32_t slot);

/* How it is, and back to that, when slot is as before again. */
void present_before(const struct pins *pins, uint32_t slot, bool before[static N_PRESENT]);
void present_back(const struct pins *pins, uint32_t slot, const bool before[static N_PRESENT]);

#endif
