/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tunnels with outer packets that look alike: a tunnel that is indistinguishable from another is
 * not loaded. */
#ifndef STATE_CONFLICT_H
#define STATE_CONFLICT_H

#include <stdint.h>

#include <dscp/abi.h>

struct pins;

/* Says why a tunnel cannot be loaded into that slot, beside those that are loaded. Returns 0 or a
 * negative errno, after a sentence. */
int conflict_check(const struct pins *pins, uint32_t slot, const struct dscp_tunnel *new);

/* Calls each for every loaded tunnel and device that is not loaded, but with packets that are taken
 * for that tunnel's. Only for devices in network namespaces that can be entered. */
void conflict_strangers(const struct pins *pins,
			void (*each)(void *ctx, uint32_t slot, const char *device), void *ctx);

#endif
