/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Pins of dispatchers, BPFFS/xdp/dispatch-IFINDEX-ID/, that libxdp has left: libxdp unpins a
 * program that it detaches, but nobody tells it that a device was deleted, or that ip(8) took a
 * dispatcher away. Without removal, program and maps would stay until the next boot.
 */
#ifndef HOOK_LEFTOVERS_H
#define HOOK_LEFTOVERS_H

#include <stdbool.h>
#include <stdint.h>

/* The dispatchers to remove: those with one program alone, ours. */
struct leftovers {
	/* For a program that is detached: the device and the id of the program. */
	int ifindex;
	uint32_t prog_id;
	/* Or, if name is not NULL, of a process that was killed inside libxdp: of programs of that
	 * name, with a map in common with the program like_fd. They stay at a device number for
	 * which in_use() says yes: there one of them runs, and another may in a moment, since
	 * libxdp pins first. */
	const char *name;
	int like_fd;
	bool (*in_use)(int ifindex, const void *ctx);
	const void *ctx;
};

/* Removes them, and a pin that libxdp has made to try out links. */
void leftovers_remove(const struct leftovers *what);

#endif
