/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Foreign programs and filters at the point of one of our TC hooks. */
#ifndef HOOK_AROUND_H
#define HOOK_AROUND_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/hook.h"

/* Our other programs that run at the same point, of whichever set: the device may be the uplink of
 * another tunnel. While a tunnel goes from one set to another there are more than one. */
struct beside {
	const struct hook *hook; /* given */
	uint32_t ids[8];
	unsigned int n;
	unsigned int kinds; /* of the programs of another role, bits 1 << enum attach_kind */
};

struct around {
	/* Given: our program, as if it ran in this state; our others, which are not listed; the
	 * side; and place for max of them. */
	const struct hook *hook;
	const struct hook_state *state;
	struct beside beside;
	enum hook_side side;
	struct hook_neighbour *list;
	unsigned int max;
	/* Found: how many, and whether some are programs attached by TCX, or filters. */
	unsigned int n;
	bool tcx, clsact;
	bool passed; /* ours, in the order in which they run */
};

/* Lists them, in the network namespace of the hook. Returns how many there are, or a negative
 * errno, without a sentence. */
int around_list(struct around *around);

#endif
