/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tunnels by their names, whichever set they are in. Functions return 0 or a negative errno after a
 * sentence, unless noted. */
#ifndef STATE_SETS_H
#define STATE_SETS_H

#include <stdbool.h>
#include <stdint.h>

#include "state/pins.h"
#include "util/netns.h"

/* Called for a set that is open. One in which nothing is loaded, since a load or an unload was
 * killed, has no tunnels (NULL). */
typedef int each_set(struct pins *pins, void *ctx);

/* Called for a set that cannot be opened, which is closed. err: -ESTALE: of another version of
 * dscp-tool (foreign.h), without a sentence; else damaged. Returns 0: it is passed over, and of no
 * account. */
typedef int other_set(struct pins *pins, int err, void *ctx);
int sets_pass_over(struct pins *pins, int err, void *ctx);
int sets_refuse(struct pins *pins, int err, void *ctx);
/* Refuses a set that concerns this network namespace: the set of uplinks here, and one that has a
 * program on a device here. Sets of other namespaces are passed over. */
int sets_refuse_ours(struct pins *pins, int err, void *ctx);

/* Calls one of these for each set. One that fails is no reason to leave out the others: the first
 * error is returned in the end. */
int sets_for_each(each_set *each, other_set *other, void *ctx);

/* Opens the set that has the tunnel of this network namespace with that name. slot 0, and nothing
 * is open: none has, or one that may have it is refused: the set of uplinks here, and one that has
 * a program on the device. gone: takes also a tunnel of a namespace that is gone, see
 * registry_find_gone(). */
int sets_find(const char *name, bool gone, struct pins *pins, uint32_t *slot);

/* Tells whether a tunnel of that name is loaded in another network namespace. place: something that
 * leads there; "": it is not visible from here. False, after a sentence: that could not be seen in
 * all sets. */
bool sets_elsewhere(const char *name, char place[static NETNS_PATH]);

/* Tells whether a tunnel is of this network namespace, or its packets leave here. */
bool sets_is_here(const struct pins *pins, uint32_t slot);

#endif
