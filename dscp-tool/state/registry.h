/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The loaded tunnels, and the maps that follow from them. */
#ifndef STATE_REGISTRY_H
#define STATE_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "state/pins.h"

/* Slot of the tunnel of this network namespace with that name: its device has the name now, or it
 * was loaded under the name and its device is gone; 0: not loaded. */
uint32_t registry_find(const struct pins *pins, const char *name);
/* The same for a tunnel that was loaded under the name, with a device that has no other name
 * now. */
uint32_t registry_find_named(const struct pins *pins, const char *name);
/* Finds the slot of a tunnel with that name from a network namespace that is gone, with all that
 * was attached there: such as a container which was started again. Not one that is only out of
 * sight. 0: none. */
uint32_t registry_find_gone(const struct pins *pins, const char *name);
/* Finds the slot of the tunnel with that device number in this network namespace, if it is the
 * device that was loaded. */
uint32_t registry_find_ifindex(const struct pins *pins, uint32_t ifindex);
/* Tells whether the device of a tunnel is in this network namespace, or was. */
bool registry_is_here(const struct pins *pins, uint32_t slot);
/* Finds the present name of a loaded tunnel's device. Where it is gone or out of reach, or has a
 * name that cannot be shown, its former name. Returns name. */
const char *registry_name(const struct pins *pins, uint32_t slot, char name[static DSCP_IFNAMSIZ]);
/* 0: all are taken. */
uint32_t registry_free_slot(const struct pins *pins);

/* The other functions return 0, or a negative errno after a sentence. */

/* Writes tunnel and request to slot; an all-zero tunnel frees it. Ports, endpoints and the rest of
 * the maps follow. */
int registry_write(struct pins *pins, uint32_t slot, const struct dscp_tunnel *tunnel,
		   const struct request *request);

/* Takes away the requests of tunnels that an unload has taken away, and was killed; or that a load
 * has not written yet. Without a sentence. */
void registry_forget_requests(struct pins *pins);

/* build: digest of the objects, so that the pins counts as loaded. */
int registry_write_config(const struct pins *pins, uint64_t build);

/* Empties stamp_cache. egress_inner assumes that each stamp in stamp_cache is also in stamps. Call
 * this when that stops being true; each stamp is then noted again. */
void registry_forget_stamp_cache(const struct pins *pins);

#endif
