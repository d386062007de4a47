/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Sets of another version of dscp-tool, where maps mean something else. Two things are certain in
 * each: the pins of hooks, and the requests (tunnel/request.h). Functions return 0 or a negative
 * errno after a sentence.
 */
#ifndef STATE_FOREIGN_H
#define STATE_FOREIGN_H

#include "state/prefixes.h"
#include "state/pins.h"

/* Takes away everything that the pins of the set name, and the set. */
int foreign_remove(struct pins *pins);

/* Whether there is something to load for a request. A device or namespace that only has the name or
 * the number of the one that was loaded is not there. */
enum foreign_state {
	FOREIGN_PRESENT,
	FOREIGN_NO_DEVICE,
	FOREIGN_SUCCEEDED, /* the device is gone, and another tunnel of the set has its name */
	FOREIGN_NO_NETNS,
};

/* The same, and then calls each with the requests of its tunnels, in their network namespaces,
 * once all that can be is known: that the requests can be read, their network namespaces entered,
 * and each tunnel found that has its device. If not, nothing is changed, and the old programs go
 * on. each returns 0, or 1: it has said something; or a negative errno: the request has to be kept,
 * and so the old set is, for the next call. Sentences that are kept already are lost: print them
 * first. */
typedef int foreign_each(const struct request *request, const struct peer_maps *prefixes,
			 enum foreign_state state);
int foreign_take_over(struct pins *pins, foreign_each *each);

#endif
