/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * One BPF program at one hook of one device, remembered by a pin (pin.h). The pins are all the
 * memory there is: they are checked against the kernel each time. A hook in another network
 * namespace is worked on there, for which CAP_SYS_ADMIN is needed.
 *
 * Functions return 0 or a negative errno. Where one fails it has left a sentence (failed()), unless
 * noted.
 */
#ifndef HOOK_HOOK_H
#define HOOK_HOOK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "state/programs.h"

enum attach_kind {
	ATTACH_AUTO, /* the present kind, else TCX where the kernel has it, else clsact */
	ATTACH_TCX,
	ATTACH_CLSACT,
	ATTACH_XDP_NATIVE, /* by the driver */
	ATTACH_XDP_GENERIC, /* by the network stack */
};

struct hook {
	const char *dir; /* where the pins are */
	uint64_t netns; /* inode of the network namespace of ifindex */
	int ifindex;
	char dev[IFNAMSIZ]; /* for messages */
	enum role role;
};

static inline const struct role_row *hook_role(const struct hook *hook)
{
	return &program_roles[hook->role];
}

enum hook_health {
	HOOK_OK,
	HOOK_MISSING, /* none of our programs is attached there */
	HOOK_GONE, /* the device itself is no more */
	HOOK_ELSEWHERE, /* in another network namespace, which cannot be entered */
};

struct hook_state {
	enum hook_health health;
	enum attach_kind attach; /* AUTO if there is no pin */
	uint32_t prog_id;
	uint32_t priority; /* clsact only */
};

const char *hook_kind_name(enum attach_kind kind);
const char *hook_health_name(enum hook_health health);
const char *hook_point_name(enum hook_point point);

/* The hook for one of our programs on a device. */
struct hook hook_for(const char *dir, enum role role, uint64_t netns, int ifindex, const char *dev);

/* Makes the program prog_fd run at the hook, in place of an older one without a gap, and at its
 * position among foreign programs: a last one goes behind them again. Not for XDP. */
int hook_attach(const struct hook *hook, int prog_fd, enum attach_kind kind);

/* Puts another program in place of a live one: the kind and the place stay. Not for XDP. */
int hook_update(const struct hook *hook, int prog_fd);

/* Takes away the program, the pin, and clsact if it is ours and unused. Nothing there: 0. -EXDEV: a
 * filter or XDP program in another network namespace, out of reach. */
int hook_detach(const struct hook *hook);

/* Reads how a hook is. Without a sentence. */
int hook_query(const struct hook *hook, struct hook_state *state);

/* A program or filter of somebody else at the same point. */
struct hook_neighbour {
	enum attach_kind attach; /* TCX or CLSACT */
	uint32_t prog_id; /* 0: a filter of another kind than bpf */
	uint32_t priority; /* CLSACT */
	/* Name of the program, or the filter's kind. Without CAP_SYS_ADMIN the filter's name for
	 * its program, and "" by TCX. */
	char name[64];
};

enum hook_side {
	HOOK_AHEAD, /* runs before ours */
	HOOK_BEHIND, /* runs after ours; of a hook that is to be last only */
};

/* Lists the programs on that side of our program at a TC hook that is fine; at most max are
 * written. Returns how many were; 0 also if the kernel does not tell. */
unsigned int hook_neighbours(const struct hook *hook, const struct hook_state *state,
			     enum hook_side side, struct hook_neighbour *neighbours,
			     unsigned int max);

#endif
