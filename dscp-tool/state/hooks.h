/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The hooks that the tunnels need, and the programs that are attached there. */
#ifndef STATE_HOOKS_H
#define STATE_HOOKS_H

#include <stdbool.h>

#include "hook/hook.h"
#include "state/pins.h"

#define MAX_HOOKS (2 * (1 + DSCP_MAX_UPLINKS)) /* of a tunnel */

/* The hooks a tunnel needs, at most MAX_HOOKS; they are of the pins and end with them. Returns how
 * many. */
unsigned int hooks_of(const struct pins *pins, const struct dscp_tunnel *tunnel,
		      struct hook *hooks);

/* Tells whether a tunnel needs that hook. */
bool hooks_needed(const struct pins *pins, const struct hook *hook);

/* Tells whether a live program of ours on an uplink shows that its number is still the one of the
 * device that was loaded. netns: of the uplink. */
bool hooks_on_uplink(const struct pins *pins, uint64_t netns, uint32_t ifindex);

/* Functions return 0, or a negative errno after a sentence. */

/* Attaches the programs of one stage to a tunnel's hooks. */
int hooks_attach(const struct pins *pins, const struct dscp_tunnel *tunnel, enum hook_stage stage,
		 enum attach_kind kind);

/* How a tunnel's hooks are, in the order of hooks_of(); and back to that: those that were fine
 * get the program that the registered tunnel needs, attached as before; new ones are left for
 * install_prune(). */
int hooks_states(const struct pins *pins, const struct dscp_tunnel *tunnel,
		 struct hook_state *states);
/* Corrects the state that was found for a hook of a tunnel by the knowledge of gone devices: not
 * every number is still the number of the device or the network namespace that was loaded, and one
 * that cannot be seen from here is elsewhere. */
void hooks_judge(const struct pins *pins, uint32_t slot, const struct hook *hook,
		 struct hook_state *state);
void hooks_back(const struct pins *pins, const struct dscp_tunnel *tunnel,
		const struct hook_state *before);

/* Every live hook gets the program that is now in force; a broken one is left to the next load of
 * its tunnel. */
int hooks_update(struct pins *pins);

/* False: a hook of that tunnel runs another program than the tunnel says, since a load was killed
 * in the middle. */
bool hooks_current(const struct pins *pins, const struct dscp_tunnel *tunnel,
		   const struct hook *hook, const struct hook_state *present);

#endif
