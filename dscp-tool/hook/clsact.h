/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Programs attached by filters of the qdisc clsact, or for ingress of the qdisc "ingress".
 *
 *   DIR/../qdisc-NETNS-IFINDEX   a devmap with the device: its clsact qdisc was made by us
 *
 * Filters are found by the id of their program. After a kill between pin and filter that is another
 * one: then by a map that the filter's program shares with the pinned program.
 */
#ifndef HOOK_CLSACT_H
#define HOOK_CLSACT_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/backend.h"

extern const struct hook_backend clsact_backend;

/* Returns the parent that nl_filters() takes: where the filters of the hook's point are. */
uint32_t clsact_parent(const struct hook *hook);

/* Returns false if another qdisc is in the position of clsact. */
bool clsact_is_possible(const struct hook *hook);

/* Puts the live filter of a hook behind all others, if others are behind it. The remains of a
 * killed load are removed in any case. */
int clsact_go_last(const struct hook *hook, int prog_fd, const struct hook_state *state,
		   bool others_behind);

/* Removes the qdisc if it is ours and nobody has put a filter there. If somebody has, it is theirs
 * once our last program has gone; so is the one of another device that has the number now. On
 * failure the pin stays, for another try. Without a sentence. */
int clsact_release(const struct hook *hook);

/* Takes over the pin of a qdisc from a set of another version: DIR/qdiscs/NETNS-IFINDEX. Returns
 * 0, or a negative errno after a sentence. */
int clsact_adopt(const struct hook *hook);

/* Removes a filter beside a TCX link, from a change between the two that was killed half way; and
 * the qdisc, also of a filter that somebody has taken away. */
int clsact_sweep(const struct hook *hook);

/* Tells whether a filter went away with a qdisc at ffff: that somebody else had made, and has not
 * made again: our clsact would stand in the way of that. */
bool clsact_awaits_qdisc(const struct hook *hook, const struct hook_state *state);

#endif
