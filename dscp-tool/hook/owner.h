/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Finds the owner of a BPF program. Names, tags and handles are the same in each copy of the tool,
 * and a machine may have several copies with separate bpffs; maps are not.
 */
#ifndef HOOK_OWNER_H
#define HOOK_OWNER_H

#include <stdbool.h>
#include <stdint.h>

#define OWNER_IDS 32

/* The maps pinned in DIR/maps and the programs pinned in DIR/programs. Zero but for dir: they are
 * read when first needed. */
struct owner {
	const char *dir;
	bool read;
	uint32_t maps[OWNER_IDS], programs[OWNER_IDS];
	char names[OWNER_IDS][16]; /* of the programs */
	unsigned int n_maps, n_programs;
};

/* Tells whether the two programs have a map in common. */
bool owner_shares_map(int prog_fd, int like_fd);

/* Tells whether the program is that owner's and its name begins with name: it has one of the
 * owner's maps, or is pinned. Without CAP_SYS_ADMIN the kernel does not show a program's maps to a
 * caller that knows only the id; then it has to be pinned. */
bool owner_has(struct owner *owner, uint32_t prog_id, const char *name);

#endif
