/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Changes a loaded tunnel, or loads a new one. */
#ifndef STATE_CHANGE_H
#define STATE_CHANGE_H

#include <stdint.h>

#include "state/pins.h"

struct peer_maps;

/* A tunnel that is to be loaded: the request, and the result. */
struct wanted {
	struct request request;
	struct dscp_tunnel tunnel;
};

/* Makes a tunnel loaded as it says, be it new or changed, or leaves all as it was. prefixes: its
 * policies by destination, NULL: as they are. flows: capacity of the map stamps, 0: as it is. The
 * lock is held. Returns 0 or a negative errno, after a sentence. */
int change_tunnel(struct wanted *wanted, const struct peer_maps *prefixes, uint32_t flows);

/* In the place of a kind, of a tunnel that was never found. */
#define KIND_UNKNOWN "unknown"

/* Makes of it a tunnel without a device, which keeps the request: change_tunnel() puts it in its
 * place, and the next reload loads it. */
void change_without_device(struct wanted *wanted);

/* Says whether another tunnel is in the way of that one, and changes nothing. */
int change_check(const struct wanted *wanted);

/* Frees the slot of a loaded tunnel. Its hooks go with install_prune(). Returns 0 or a negative
 * errno, after a sentence. */
int change_remove(struct pins *pins, uint32_t slot);

#endif
