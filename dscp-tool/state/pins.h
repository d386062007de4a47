/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The pins below STATE_DIR: maps and programs, and the lock for a change of them. What is pinned is
 * all that the tool remembers. Functions return 0 or a negative errno; when they fail they have
 * left a sentence (util/reason.h), unless noted.
 */
#ifndef STATE_PINS_H
#define STATE_PINS_H

#include <dscp/abi.h>

#include "state/objects.h"
#include "state/programs.h"

#define STATE_DIR "/sys/fs/bpf/dscp-tool"

struct pins {
	/* File descriptors; -1: not there, which only those of ingress may be. */
	int maps[N_MAPS];
	int programs[N_PROGRAMS];
	struct dscp_tunnel *tunnels; /* all DSCP_MAX_TUNNELS slots, as the map has them */
};

/* Each slot with a tunnel in it. Of a free slot nothing has been checked. */
#define for_each_tunnel(slot, pins)                                                                \
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)                                   \
		if ((pins)->tunnels[slot].ifindex)

/* One change at a time on this machine: a descriptor to close, or a negative errno. The lock goes
 * with the process at the latest. */
int pins_lock(void);
/* The same without waiting, and without a sentence if another process has it: -EBUSY. */
int pins_try_lock(void);

/* Opens what is loaded. -ENOENT, without a sentence: nothing is. */
int pins_open(struct pins *pins);
void pins_close(struct pins *pins);

/* Makes the directories, and a bpffs if the system has none. */
int pins_make(void);

/* Takes all pins away, where nothing is loaded: what a load or an unload that was killed has left.
 */
int pins_remove(void);

/* Pins a map, or the programs of an object, in place of what has these pins. */
int pins_put_map(const struct pins *pins, enum pinned_map map);
int pins_put_programs(const struct pins *pins, enum object_id id);

/* Without a sentence. */
int pins_config(const struct pins *pins, struct dscp_config *config);

int pins_read_tunnels(struct pins *pins);

#endif
