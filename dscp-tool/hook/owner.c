/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tells our programs from another copy's of the tool, by the maps that they use. */
#include "hook/owner.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define MAX_MAPS 16 /* none of our programs has more */

/* A program's name, and up to MAX_MAPS of its maps. */
struct program {
	struct bpf_prog_info info;
	uint32_t maps[MAX_MAPS];
	unsigned int n_maps;
};

static bool read_program(int prog_fd, struct program *program)
{
	__u32 len = sizeof(program->info);

	memset(program, 0, sizeof(*program));
	program->info.map_ids = (uintptr_t)program->maps;
	program->info.nr_map_ids = MAX_MAPS;
	if (prog_fd < 0 || bpf_obj_get_info_by_fd(prog_fd, &program->info, &len))
		return false;
	program->n_maps = program->info.nr_map_ids < MAX_MAPS ? program->info.nr_map_ids : MAX_MAPS;
	return true;
}

static bool have_one_in_common(const uint32_t *a, unsigned int n_a, const uint32_t *b,
			       unsigned int n_b)
{
	for (unsigned int i = 0; i < n_a * n_b; i++)
		if (a[i / n_b] == b[i % n_b])
			return true;
	return false;
}

bool owner_shares_map(int prog_fd, int like_fd)
{
	struct program program, like;

	return read_program(prog_fd, &program) && read_program(like_fd, &like) &&
	       have_one_in_common(program.maps, program.n_maps, like.maps, like.n_maps);
}

static void add_map(struct owner *owner, int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (owner->n_maps < OWNER_IDS && !bpf_obj_get_info_by_fd(fd, &info, &len))
		owner->maps[owner->n_maps++] = info.id;
}

static void add_program(struct owner *owner, int fd)
{
	struct program program;

	if (owner->n_programs == OWNER_IDS || !read_program(fd, &program))
		return;
	memcpy(owner->names[owner->n_programs], program.info.name, sizeof(*owner->names));
	owner->programs[owner->n_programs++] = program.info.id;
}

/* Calls add for each pin in a directory below the owner's. */
static void read_pins(struct owner *owner, const char *below,
		      void (*add)(struct owner *owner, int fd))
{
	char dir[PATH_MAX], path[PATH_MAX];
	struct dirent **names;
	int n, fd;

	snprintf(dir, sizeof(dir), "%s/%s", owner->dir, below);
	n = scandir(dir, &names, NULL, NULL);
	if (n < 0)
		return;
	for (int i = 0; i < n; i++) {
		fd = snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name) < PATH_MAX
			     ? bpf_obj_get(path)
			     : -1;
		if (fd >= 0) {
			add(owner, fd);
			close(fd);
		}
		free(names[i]);
	}
	free(names);
}

static bool is_pinned(const struct owner *owner, uint32_t prog_id, const char *name)
{
	for (unsigned int i = 0; i < owner->n_programs; i++)
		if (owner->programs[i] == prog_id && !strncmp(owner->names[i], name, strlen(name)))
			return true;
	return false;
}

bool owner_has(struct owner *owner, uint32_t prog_id, const char *name)
{
	struct program program;
	int fd = bpf_prog_get_fd_by_id(prog_id);
	bool known = read_program(fd, &program);

	if (fd >= 0)
		close(fd);
	if (!owner->read) {
		read_pins(owner, "maps", add_map);
		read_pins(owner, "programs", add_program);
		owner->read = true;
	}
	if (is_pinned(owner, prog_id, name))
		return true;
	return known && !strncmp(program.info.name, name, strlen(name)) &&
	       have_one_in_common(program.maps, program.n_maps, owner->maps, owner->n_maps);
}
