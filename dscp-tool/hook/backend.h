/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The interface between hook.c and the ways of attaching a program: tcx.c, clsact.c and xdp.c. The
 * functions run in the network namespace of the hook, if that can be entered, and return 0 or a
 * negative errno.
 */
#ifndef HOOK_BACKEND_H
#define HOOK_BACKEND_H

#include "hook/hook.h"

struct hook_backend {
	/* Fills in the state of a hook with a pin of this kind; state is HOOK_MISSING before.
	 * Without a sentence. */
	int (*query)(const struct hook *hook, int pin, struct hook_state *state);
	/* Attaches the program where nothing of this kind is attached, and pins it in place of the
	 * hook's present pin. After a failure that pin may be gone. */
	int (*attach)(const struct hook *hook, int prog_fd);
	/* Puts the program in place of the one of a live hook, in one step. Without a sentence. */
	int (*replace)(const struct hook *hook, int prog_fd, const struct hook_state *state);
	/* Takes away the program that pin and state are of, not the pin. With a sentence. */
	int (*detach)(const struct hook *hook, int pin, const struct hook_state *state);
};

/* Leaves the sentence "DEVICE: TEXT PROGRAM: why". */
int hook_refused(const struct hook *hook, const char *what, int err);

#endif
