/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Sets of another version of dscp-tool, whose maps mean something else. What is certain in each:
 * the pins of hooks, and the requests (tunnel/request.h). Functions return 0 or a negative errno
 * after a sentence.
 */
#ifndef STATE_FOREIGN_H
#define STATE_FOREIGN_H

#include "state/peers.h"
#include "state/pins.h"

/* Takes away everything that the pins of the set name, and the set. */
int foreign_remove(struct pins *pins);

/* The same, and calls each with what was asked for its tunnels. peers: NULL where there are none,
 * or they cannot be read. */
int foreign_take_over(struct pins *pins,
		      int (*each)(const struct request *request, const struct peer_maps *peers));

#endif
