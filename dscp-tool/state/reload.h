/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* What load would make of a loaded tunnel now, and what is different then. */
#ifndef STATE_RELOAD_H
#define STATE_RELOAD_H

#include "state/pins.h"

#define RELOAD_TEXT 512

struct reload {
	struct dscp_tunnel tunnel; /* as it is to be loaded, by the device's present name */
	char change[RELOAD_TEXT]; /* what is not as it was, in words; "": nothing */
};

/* Discovers the tunnel of slot anew. A change: its device, its ports, its uplinks or a hook are not
 * what they were. Returns 0, or a negative errno after a sentence and with no change. */
int reload_find(const struct pins *pins, uint32_t slot, struct reload *reload);

#endif
