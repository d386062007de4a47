/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Removes the pins of libxdp's dispatchers that run no more. */
#include "hook/leftovers.h"

#ifdef HAVE_LIBXDP

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/libxdp.h>

#include "hook/owner.h"

/* The id of the program of a pinned link; 0 if there is none. */
static uint32_t program_of_link(const char *path)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.prog_id = 0;
	close(fd);
	return info.prog_id;
}

/* A dispatcher that was being pinned may have left the link alone. */
static int pinned_program(const char *program, const char *link)
{
	int fd = bpf_obj_get(program);

	if (fd < 0 && errno == ENOENT)
		fd = bpf_prog_get_fd_by_id(program_of_link(link)); /* fails without a program */
	return fd;
}

static bool is_unwanted(const struct leftovers *what, int ifindex, int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (prog_fd < 0 || bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return false;
	if (!what->name)
		return ifindex == what->ifindex && info.id == what->prog_id;
	return !strcmp(info.name, what->name) && owner_shares_map(prog_fd, what->like_fd) &&
	       !what->in_use(ifindex, what->ctx);
}

static bool exists(const char *dir, const char *name)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

/* Only where our program is the only one: nobody can tell from here whether the dispatcher does not
 * run on in another network namespace, where the device was moved to, with foreign programs. */
static void remove_pins(const struct leftovers *what, int ifindex, const char *dir)
{
	char program[PATH_MAX + 16], link[PATH_MAX + 16];
	int fd;

	if (exists(dir, "prog1-link") || exists(dir, "prog1-prog"))
		return;
	snprintf(program, sizeof(program), "%s/prog0-prog", dir);
	snprintf(link, sizeof(link), "%s/prog0-link", dir);
	fd = pinned_program(program, link);
	if (is_unwanted(what, ifindex, fd)) {
		unlink(link);
		unlink(program);
	}
	if (fd >= 0)
		close(fd);
	rmdir(dir); /* if it is empty, and then it is of no use to anybody */
}

/* libxdp pins a link, named after its program, and unpins it, to see whether links can be pinned;
 * while it does so it holds the lock that is ours now. */
static void remove_trial(const char *path, uint32_t named)
{
	const uint32_t id = program_of_link(path);

	if (id && id == named)
		unlink(path);
}

void leftovers_remove(const struct leftovers *what)
{
	const char *bpffs = secure_getenv(XDP_BPFFS_ENVVAR);
	char dir[PATH_MAX], path[PATH_MAX];
	const struct dirent *entry;
	DIR *entries;
	int ifindex;
	uint32_t id;

	snprintf(dir, sizeof(dir), "%s/xdp", bpffs ? bpffs : "/sys/fs/bpf");
	entries = opendir(dir);
	if (!entries)
		return;
	if (flock(dirfd(entries), LOCK_EX)) { /* libxdp's lock, until closedir() */
		closedir(entries);
		return;
	}
	while ((entry = readdir(entries))) {
		const char *name = entry->d_name;
		int end = 0;

		if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= PATH_MAX)
			continue;
		if (sscanf(name, "dispatch-%d-%u%n", &ifindex, &id, &end) == 2 && !name[end])
			remove_pins(what, ifindex, path);
		else if (sscanf(name, "prog-test-link-%d-%u%n", &ifindex, &id, &end) == 2 &&
			 !name[end])
			remove_trial(path, id);
	}
	closedir(entries);
}

#else

void leftovers_remove(const struct leftovers *what)
{
	(void)what;
}

#endif
