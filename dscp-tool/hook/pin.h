/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The pins of hooks: their names and their content.
 *
 *   DIR/hooks/NETNS-IFINDEX-ROLE   a TCX link, or with clsact and XDP the program itself
 *   DIR/new                        a pin on its way to its place
 *
 * The names are numbers because bpffs allows no dot in a name, and names of devices may have one
 * (eth0.34). No function here leaves a sentence.
 */
#ifndef HOOK_PIN_H
#define HOOK_PIN_H

#include <stdint.h>

#include "hook/hook.h"

/* The path of a hook's pin, PATH_MAX bytes. */
void pin_path(char *path, const struct hook *hook);

/* Opens the object that is pinned for a hook. Returns its descriptor, or a negative errno: -ENOENT
 * if nothing is. */
int pin_open(const struct hook *hook);

/* How the program of a hook with this pin is attached: ATTACH_TCX, _CLSACT or _XDP_NATIVE, the
 * latter for both modes. Or a negative errno. */
int pin_kind(const struct hook *hook, int pin);

/* The id of the program of a descriptor; 0: not known. */
uint32_t pin_program_id(int fd);

/* Pins fd at path, below DIR, in one step: it replaces the present pin, which stays if that
 * fails. */
int pin_put(const char *dir, int fd, const char *path);
/* The same at the place of a hook. */
int pin_put_hook(const struct hook *hook, int fd);
/* Removes the pin that a killed process has left on its way: a link there may be in our way. */
void pin_remove_new(const char *dir);
/* Removes the pin of a hook, which need not be there. */
int pin_remove(const struct hook *hook);

/* Calls each for every other pin of this tool at the device of a hook: a tunnel of another set may
 * have the device for an uplink, or is that device. pin and kind are as pin_open() and pin_kind()
 * return them. Stops at a non-zero result and returns it. */
typedef int pin_beside(const struct hook *other, int pin, enum attach_kind kind, void *ctx);
int pin_for_each_beside(const struct hook *hook, pin_beside *each, void *ctx);

/* Calls each for every pin in DIR/hooks; stops at a non-zero result and returns it. The name of the
 * device is the present one, or "device N" if the device is gone or elsewhere. each may detach the
 * hook. */
int pin_for_each(const char *dir, int (*each)(const struct hook *hook, void *ctx), void *ctx);

#endif
