/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Pins that say something of a device: a devmap that holds it, as long as it is there. */
#ifndef HOOK_DEVICE_H
#define HOOK_DEVICE_H

#include <stdbool.h>

/* Pins the device that has that number in this network namespace, at path, below DIR. Returns 0 or
 * a negative errno, without a message. */
int device_pin(const char *dir, int ifindex, const char *path);
/* False if that device is gone, or has left its namespace; and if there is no such pin. */
bool device_is_pinned(const char *path);

#endif
