/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The directory of all state, on the bpffs: finds it, makes it, locks it, and lists the sets in it.
 * A set has the pins of one network namespace of uplinks (pins.h). Functions return 0 or a negative
 * errno after a sentence (util/reason.h), unless noted.
 */
#ifndef STATE_ROOT_H
#define STATE_ROOT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/kernel.h"

#define STATE_ROOT BPFFS "/dscp-tool"

/* Makes the bpffs visible that this process would see outside of `ip netns exec`, which mounts an
 * empty /sys. Where there is none at all, nothing is loaded, and that is no error in the first
 * mount namespace. */
int root_reach(void);

/* One change at a time: locks the directory, so that whoever shares the pins shares the lock. Until
 * root_unlock() SIGHUP, SIGINT, SIGPIPE and SIGTERM wait. Returns a descriptor, or a negative
 * errno; -ENOENT, without a sentence: there is no directory, so nothing is loaded, and make is
 * false. */
int root_lock(bool make);
/* The same without waiting, without making anything, and without a sentence if another process has
 * the lock: -EBUSY. */
int root_try_lock(void);
/* The same, but waits: for a change to be done, which takes less than the two seconds after which
 * this gives up. */
int root_lock_to_look(void);
/* Takes the directory away if nothing is in it. Of a negative number: nothing. */
void root_unlock(const int *fd);
/* Tells whether this process holds the lock. */
bool root_is_locked(void);

#define _cleanup_lock_ __attribute__((cleanup(root_unlock)))

/* Refuses a directory, or a set in it, that somebody else than root can write to. Nothing there:
 * 0. */
int root_check_owner(const char *path);

/* Numbers of the sets that there are, in ascending order; to be freed. 0 is the set of version 5 or
 * before, which was the only one, flat in STATE_ROOT: a set of another version (foreign.h) without
 * requests. Returns how many; 0 also if there is no directory. */
int root_sets(uint64_t **sets);

#endif
