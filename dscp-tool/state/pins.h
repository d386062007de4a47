/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * A set: the maps and programs of one network namespace of uplinks, pinned in a directory of
 * STATE_ROOT that has the namespace's number (netns_cookie()). The pins are all that the tool
 * remembers. Functions return 0 or a negative errno; when they fail they have left a sentence
 * (util/reason.h), unless noted.
 */
#ifndef STATE_PINS_H
#define STATE_PINS_H

#include <dscp/abi.h>

#include "state/objects.h"
#include "state/programs.h"
#include "tunnel/request.h"

#define PINS_DIR 64

/* In the number of a set that another version has made, and this one is taking over (foreign.c): no
 * network namespace has such a number. */
#define PINS_ASIDE (1ull << 63)

struct pins {
	uint64_t set;
	char dir[PINS_DIR]; /* where they are */
	/* File descriptors; -1: not there, which is possible only for the maps of ingress. */
	int maps[N_MAPS];
	int programs[N_PROGRAMS];
	/* All DSCP_MAX_TUNNELS slots, as the maps have them. */
	struct dscp_tunnel *tunnels;
	struct request *requests;
};

/* Each slot with a tunnel in it. Of a free slot nothing has been checked. */
#define for_each_tunnel(slot, pins)                                                                \
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)                                   \
		if ((pins)->tunnels[slot].ifindex)

/* Opens the set with that number. -ENOENT, without a sentence: nothing is loaded there. -ESTALE,
 * without a sentence: the set is of another version of dscp-tool (foreign.h). Then only dir and set
 * say something. */
int pins_open(struct pins *pins, uint64_t set);
/* Leaves the sentence for -ESTALE, and returns that. */
int pins_foreign(const struct pins *pins);
void pins_close(struct pins *pins);
/* Moves the open descriptors of from to the other one. */
void pins_move(struct pins *to, struct pins *from);

/* Tells whether this is the set of uplinks in this network namespace, also if it is being taken
 * over; or the flat one, which may be of any. */
bool pins_are_own(const struct pins *pins);

/* Makes the directories. */
int pins_make(const struct pins *pins);

/* Takes all pins away, where nothing is loaded: the remains of a killed load or unload. */
int pins_remove(const struct pins *pins);

/* Makes a map that is in no object, and pins it. Returns 0, or a negative errno after a sentence.
 */
int pins_make_map(struct pins *pins, enum pinned_map map);

/* Pins a map, or the programs of an object, in place of the present pins. */
int pins_put_map(const struct pins *pins, enum pinned_map map);
int pins_put_programs(const struct pins *pins, enum object_id id);

/* Keeps the sentence "TEXT PATH: why", for a path below dir that begins with a slash; returns
 * err. */
int pins_failed(const struct pins *pins, int err, const char *what, const char *below);

/* Without a sentence. */
int pins_config(const struct pins *pins, struct dscp_config *config);

int pins_read_tunnels(struct pins *pins);

#endif
