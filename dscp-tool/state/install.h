/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Puts objects, maps and programs in force for all tunnels together, and takes them away. The order
 * of a load, and the way back, are change.c's.
 * Functions return 0, or a negative errno after a sentence.
 */
#ifndef STATE_INSTALL_H
#define STATE_INSTALL_H

#include <stdbool.h>
#include <stdint.h>

#include "state/pins.h"

/* Opens the maps and programs of a set, or makes the set. flows: capacity of the map stamps, 0:
 * DSCP_DEFAULT_FLOWS. */
int install_open(struct pins *pins, uint64_t set, uint32_t flows);

/* Loads anew, and exchanges the programs at every hook, if those in force are of another build, if
 * the map stamps has another size (flows; 0: any will do), or if a load was killed half way. */
int install_renew(struct pins *pins, uint32_t flows);

/* Has the counters grow until they have a place for that slot: programs with larger maps take the
 * place of those at every hook. */
int install_room(struct pins *pins, uint32_t slot);

/* Loads the programs that a tunnel's direction and method need, if they are not there. */
int install_need(struct pins *pins, const struct dscp_tunnel *tunnel);

/* The pinned programs are those that this tool carries, or a load of this tool was killed half way.
 */
bool install_is_ours(const struct pins *pins);

/* Takes away every hook that no tunnel needs, and everything when there is no tunnel. */
int install_prune(struct pins *pins);

#endif
