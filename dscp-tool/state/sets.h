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

/* Calls each for all sets. One in which nothing is loaded, since a load or an unload was killed,
 * has no tunnels (NULL). A set that cannot be opened is no reason to leave out the others: the
 * first error, of each too, is returned in the end. */
typedef int each_set(struct pins *pins, void *ctx);
int sets_for_each(each_set *each, void *ctx);

/* The same, and calls foreign for those of other versions of dscp-tool, which are closed. */
int sets_for_each_version(each_set *each, each_set *foreign, void *ctx);

/* Opens the set that has the tunnel of this network namespace with that name. slot 0, and nothing
 * is open: none has. gone: takes also a tunnel whose namespace is gone, see registry_find_gone().
 */
int sets_find(const char *name, bool gone, struct pins *pins, uint32_t *slot);

/* True if a tunnel of that name is loaded in another network namespace. place: something that leads
 * there; "": it is not visible from here. Leaves no sentence. */
bool sets_elsewhere(const char *name, char place[static NETNS_PATH]);

/* True if a tunnel of this network namespace, or one whose packets leave here. */
bool sets_is_here(const struct pins *pins, uint32_t slot);

#endif
