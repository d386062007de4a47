/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * What is loaded: the maps and programs pinned under STATE_DIR, and nothing else. Functions
 * return 0 or a negative errno; when they fail they have said why (log_error), unless noted.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "state/objects.h"
#include "hook/hook.h"

#define STATE_DIR "/sys/fs/bpf/dscp-tool"

#define MAX_HOOKS (2 * (1 + DSCP_MAX_UPLINKS)) /* of a tunnel */

struct state {
	/* File descriptors; -1: not there, which only those of ingress may be. */
	int maps[N_MAPS];
	int programs[N_PROGRAMS];
	struct dscp_tunnel *tunnels; /* all DSCP_MAX_TUNNELS slots, as the map has them */
};

/* One change at a time on this machine: a descriptor to close, or a negative errno. The lock goes
 * with the process at the latest. */
int state_lock(void);
/* The same without waiting, and without a message if another process has it: -EBUSY. */
int state_try_lock(void);

/* Opens what is loaded. -ENOENT, without a message: nothing is. */
int state_open(struct state *state);

/* Opens what is loaded, or makes it; brings the programs of every hook to this tool's version.
 * flows: capacity of the map flows, 0: as it is, or DSCP_DEFAULT_FLOWS. */
int state_create(struct state *state, uint32_t flows);

/* Has the counters grow until they have a place for that slot: programs with larger maps take the
 * place of those at every hook. */
int state_make_room(struct state *state, uint32_t slot);

/* Loads the programs that a tunnel's direction and way need, if they are not there. */
int state_need(struct state *state, const struct dscp_tunnel *tunnel);

void state_close(struct state *state);

/* Slot of the tunnel of this network namespace with that name: its device has the name now, or it
 * was loaded under the name and its device is gone; 0: not loaded. */
uint32_t state_find(const struct state *state, const char *name);
/* Slot of a tunnel with that name whose network namespace is gone, and with it all that was
 * attached there: that of a container which was started again. Not one that is only out of sight.
 * 0: none. */
uint32_t state_find_gone(const struct state *state, const char *name);
/* Slot of the tunnel whose device has that number in this network namespace, and is the one that
 * was loaded. */
uint32_t state_find_ifindex(const struct state *state, uint32_t ifindex);
/* True if the device or namespace of a loaded tunnel is still the one that was loaded, whatever now
 * has its number. Without a message. (present.c) */
bool state_is_present(const struct state *state, uint32_t slot, enum state_present what);
/* Makes the map for it. */
int state_make_present(struct state *state);
/* From now on a tunnel's device and namespaces, those that have the numbers now, are those of slot;
 * or none are. */
int state_note_present(const struct state *state, uint32_t slot, const struct dscp_tunnel *tunnel);
void state_forget_present(const struct state *state, uint32_t slot);
/* How it is, and back to that, when slot is as before again. */
void state_present_before(const struct state *state, uint32_t slot, bool before[static N_PRESENT]);
void state_present_back(const struct state *state, uint32_t slot,
			const bool before[static N_PRESENT]);
/* A tunnel that is going to be loaded has its number for itself: what the pins of a device say that
 * had the number before, and is gone, goes. */
int state_clear_number(struct state *state, const struct dscp_tunnel *tunnel);
/* 0: all are taken. */
uint32_t state_free_slot(const struct state *state);
/* Name of the tunnel device that stamped a flow, or NULL. */
const char *state_device_name(const struct state *state, uint32_t ifindex);

/* Makes slot say what tunnel says; an all-zero tunnel frees it. Ports, endpoints and the rest
 * of the maps follow. */
int state_register(struct state *state, uint32_t slot, const struct dscp_tunnel *tunnel);

/* A device's name that can be shown: the kernel takes control characters, terminals obey them. */
bool state_is_name(const char name[DSCP_IFNAMSIZ]);

/* The hooks a tunnel needs, at most MAX_HOOKS. Returns how many. */
unsigned int state_hooks(const struct dscp_tunnel *tunnel, struct hook *hooks);

/* Attaches the programs of one stage to a tunnel's hooks. */
int state_attach(const struct state *state, const struct dscp_tunnel *tunnel, enum hook_stage stage,
		 enum attach_kind kind);

/* How a tunnel's hooks are, in the order of state_hooks(); and back to that: those that were fine
 * get the program that the registered tunnel needs, attached as before; new ones are left for
 * state_prune(). */
int state_hook_states(const struct dscp_tunnel *tunnel, struct hook_state *states);
void state_attach_back(const struct state *state, const struct dscp_tunnel *tunnel,
		       const struct hook_state *before);

/* False: a hook of that tunnel runs another program than the tunnel says, since a load was killed
 * in the middle. */
bool state_is_current(const struct state *state, const struct dscp_tunnel *tunnel,
		      const struct hook *hook, const struct hook_state *present);

/* The pinned programs are those that this tool carries. */
bool state_is_ours(const struct state *state);

/* If a load was killed while it exchanged programs: exchanges them all again. */
int state_mend(struct state *state);

/* Takes all pins away, where nothing is loaded: what a load or an unload that was killed has left.
 */
int state_remove(void);

/* Takes away every hook that no tunnel needs, and everything when there is no tunnel. */
int state_prune(struct state *state);

/* Between state.c (the pins), registry.c (the tunnels), counters.c and attach.c (the hooks). */

/* The map carried, which is not there yet. Returns 0, or a negative errno without a message. */
int state_make_carried(struct state *state);

/* What the tool could have written there. */
bool state_is_sane(const struct dscp_tunnel *tunnel);
/* Says "WHAT NAME: why", and returns err. */
int state_failed(const char *what, const char *name, int err);
/* What recent holds egress_inner takes for noted in flows. When that is not so any more, each
 * flow has to be noted again. */
void state_forget_recent(const struct state *state);
/* build: digest of the objects, so that the state counts as loaded. */
int state_write_config(const struct state *state, uint64_t build);
/* Every live hook gets the program that is now in force; a broken one is left to the next load of
 * its tunnel. */
int state_update_hooks(struct state *state);

#endif
