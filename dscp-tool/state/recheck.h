/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds how load would set up a loaded tunnel now, and the differences. */
#ifndef STATE_RECHECK_H
#define STATE_RECHECK_H

#include "state/change.h"

#define RECHECK_TEXT 512

struct recheck {
	struct wanted wanted; /* as it is to be loaded, by the device's present name */
	char change[RECHECK_TEXT]; /* the differences, in words; "": none */
};

/* Tells whether the device is gone, and its name means another loaded tunnel now. */
bool recheck_is_succeeded(const struct pins *pins, uint32_t slot);

/* Finds the present names of the uplinks that a request names, if hooks of the tunnel are at work
 * on them. */
void recheck_uplinks(const struct pins *pins, const struct dscp_tunnel *old,
		     struct request *request);

/* Discovers the tunnel of slot anew. A change: its device, its ports, its uplinks or a hook differ.
 * Returns 0, or a negative errno after a sentence and with no change. */
int recheck_find(const struct pins *pins, uint32_t slot, struct recheck *recheck);

#endif
