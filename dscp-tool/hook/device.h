/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The device of a hook: whether the number still means that device, here or elsewhere. */
#ifndef HOOK_DEVICE_H
#define HOOK_DEVICE_H

#include <stdbool.h>

#include "hook/hook.h"

/* If the kernel does not answer, the device counts as there: nothing is to be forgotten then. */
bool device_exists(int ifindex);

/* Tells whether the hook's number means the hook's device: only then can a program be looked for by
 * number there. False: health says why not. */
bool device_in_reach(const struct hook *hook, enum hook_health *health);
/* 0 if this process is in the network namespace of the hook; else -EXDEV, with a sentence. */
int device_need_reach(const struct hook *hook);

/* Pins a devmap with the device that has the number in this network namespace, at path, below DIR.
 * Returns 0 or a negative errno, without a sentence. */
int device_pin(const char *dir, int ifindex, const char *path);
/* 1, or 0 if that device is gone, or has left its namespace, and if there is no such pin; a
 * negative errno if that cannot be known. Without a sentence. */
int device_is_pinned(const char *path);

#endif
