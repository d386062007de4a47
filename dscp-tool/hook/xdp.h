/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Our XDP program at its hook: the pin of the hook, and libxdp for the rest. */
#ifndef HOOK_XDP_H
#define HOOK_XDP_H

#include "hook/backend.h"

struct bpf_object;

/* Without attach and replace: see xdp_attach(). */
extern const struct hook_backend xdp_backend;

/* Makes the XDP program run at the hook, in place of an older one. libxdp loads it: the program
 * with the name of the hook's role, of an object that is open and not loaded. Takes the object
 * over. sibling_fd: a program that uses the same maps; pinned until the other is there, so that a
 * kill in between leaves nothing that cannot be found. */
int xdp_attach(const struct hook *hook, struct bpf_object *object, int sibling_fd);

/* Takes away the remains of our XDP programs in libxdp, where a process was killed inside it: for
 * device numbers of which no XDP pin is in DIR/hooks. sibling_fd: as above. */
void xdp_sweep(const char *dir, int sibling_fd);

#endif
