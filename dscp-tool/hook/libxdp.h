/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Attaches one of our XDP programs at a device, beside foreign ones, through the dispatcher of
 * libxdp: all programs that share a device have to follow its protocol. libxdp is optional; without
 * it libxdp_attach() says so.
 *
 * libxdp has separate pins, BPFFS/xdp/dispatch-IFINDEX-ID/, where BPFFS is /sys/fs/bpf or
 * $LIBXDP_BPFFS. They go with the last program; the directory BPFFS/xdp, which is its lock,
 * stays. It has to be the same bpffs each time, or libxdp does not find its own programs.
 * ifindex is of the network namespace that this process is in.
 *
 * Functions return 0 or a negative errno. Where attach or detach fails the sentence is kept
 * (failed()).
 */
#ifndef HOOK_LIBXDP_H
#define HOOK_LIBXDP_H

#include <stdbool.h>
#include <stdint.h>

struct bpf_object;

enum xdp_mode {
	XDP_HOOK_NONE,
	XDP_HOOK_NATIVE, /* in the driver */
	XDP_HOOK_GENERIC, /* in the network stack, for any device: slower */
};

struct xdp_hook_state {
	bool attached;
	enum xdp_mode mode; /* NONE if not attached */
	uint32_t prog_id; /* 0 if not attached */
};

/* Tells whether the tool was built with libxdp. */
bool libxdp_supported(void);

/* Makes the XDP program called name (of the function) run at a device, early in the chain, and
 * those behind it too. Native mode where the driver has it, else generic; where programs are
 * attached already, their mode, since the kernel allows but one.
 *
 * object is opened and not loaded, its maps' pin paths are set, autoload of its other programs is
 * off. It is closed here in every case, also after a failure.
 *
 * Our older program old_prog_id there (0: none) is taken away once the new one is in place; if
 * that fails, the new one is taken away instead. *prog_fd is a new descriptor of the program, for
 * the caller to pin and close: libxdp loads it, so nobody knew it before. */
int libxdp_attach(int ifindex, const char *dev, struct bpf_object *object, const char *name,
		  uint32_t old_prog_id, int *prog_fd);

/* Takes our program away and leaves the others. Nothing there, or no such device: 0; pins that
 * libxdp made for the program may be there still, see leftovers_remove(). */
int libxdp_detach(int ifindex, const char *dev, uint32_t prog_id);

/* The id of a program of that name which is attached there and has a map in common with the program
 * like_fd, or 0: ours, when a process was killed before it could remember which. */
uint32_t libxdp_find(int ifindex, const char *name, int like_fd);

/* Is the program with that id attached there, as a part of the dispatcher or alone? */
int libxdp_query(int ifindex, uint32_t prog_id, struct xdp_hook_state *state);

#endif
