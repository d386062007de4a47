/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The steps of load, for other commands. */
#ifndef LOAD_H
#define LOAD_H

#include "state/options.h"

/* Loads a tunnel as the options say, or changes it. old: its own till now; NULL: it is not loaded.
 * The lock is held. dry_run: only says why that would not succeed, as far as can be known without a
 * change and without the lock. Returns 0, TUNNEL_USAGE or a negative errno, after a sentence. */
int load_tunnel(const struct options *options, const struct options *old, bool dry_run);

/* Says why it would not succeed with that device, whatever is loaded. Returns the same. */
int load_fits(const struct options *options);

/* Reads the request of the loaded tunnel of that name. Returns 1: it is loaded; 0: it is not; a
 * negative errno, after a sentence. */
int load_old(const char *name, struct options *old);

#endif
