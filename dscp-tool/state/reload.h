/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Loads a tunnel again, as it was asked for, where that makes a difference now. */
#ifndef RELOAD_H
#define RELOAD_H

#include "state/pins.h"

#define RELOAD_TEXT 512

struct reload {
	char name[DSCP_IFNAMSIZ]; /* the device's present one */
	char change[RELOAD_TEXT]; /* what is not as it was, in words; "": nothing */
};

/* Loads the tunnel of slot again if its device, its ports, its uplinks or a hook are not what they
 * were. Under the lock. An error with a change: the tunnel could not be loaded again. */
int reload_tunnel(const struct pins *pins, uint32_t slot, struct reload *reload);

#endif
