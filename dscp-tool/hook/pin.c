/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Makes, reads, lists and removes the pins of hooks. */
#include "hook/pin.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "util/macros.h"
#include "util/netns.h"

void pin_path(char *path, const struct hook *hook)
{
	snprintf(path, PATH_MAX, "%s/hooks/%llu-%d-%s", hook->dir, (unsigned long long)hook->netns,
		 hook->ifindex, hook_role(hook)->pin);
}

int pin_open(const struct hook *hook)
{
	char path[PATH_MAX];
	int fd;

	pin_path(path, hook);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int pin_kind(const struct hook *hook, int pin)
{
	char path[64], line[128];
	bool link = false;
	int err;
	FILE *f;

	if (hook_role(hook)->point == HOOK_XDP)
		return ATTACH_XDP_NATIVE;
	/* A program's and a link's information are indistinguishable, but the kernel names the
	 * type of the object here. */
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pin);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		link |= !strncmp(line, "link_type:", 10);
	err = ferror(f) ? -EIO : 0;
	fclose(f);
	if (err)
		return err;
	return link ? ATTACH_TCX : ATTACH_CLSACT;
}

uint32_t pin_program_id(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

static void new_path(char *path, const char *dir)
{
	snprintf(path, PATH_MAX, "%s/new", dir);
	unlink(path);
}

int pin_put(const char *dir, int fd, const char *path)
{
	char new[PATH_MAX];

	if (!bpf_obj_pin(fd, path))
		return 0;
	if (errno != EEXIST)
		return -errno;
	new_path(new, dir);
	return bpf_obj_pin(fd, new) || rename(new, path) ? -errno : 0;
}

int pin_put_hook(const struct hook *hook, int fd)
{
	char path[PATH_MAX];

	pin_path(path, hook);
	return pin_put(hook->dir, fd, path);
}

void pin_remove_new(const char *dir)
{
	char path[PATH_MAX];

	new_path(path, dir);
}

int pin_remove(const struct hook *hook)
{
	char path[PATH_MAX];

	pin_path(path, hook);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

static int look_at(const struct hook *hook, pin_beside *each, void *ctx)
{
	_cleanup_close_ int pin = pin_open(hook);
	int kind = pin < 0 ? pin : pin_kind(hook, pin);

	if (kind < 0)
		return kind == -ENOENT ? 0 : kind;
	return each(hook, pin, kind, ctx);
}

static int is_set(const struct dirent *entry)
{
	return *entry->d_name >= '0' && *entry->d_name <= '9';
}

int pin_for_each_beside(const struct hook *hook, pin_beside *each, void *ctx)
{
	const char *own = strrchr(hook->dir, '/') + 1;
	struct hook other = *hook;
	char dir[PATH_MAX];
	struct dirent **sets;
	int n, err = 0;

	snprintf(dir, sizeof(dir), "%s/..", hook->dir);
	n = scandir(dir, &sets, is_set, NULL);
	if (n < 0)
		return -errno;
	other.dir = dir;
	for (int i = 0; i < n; i++) {
		bool same = !strcmp(sets[i]->d_name, own);

		snprintf(dir, sizeof(dir), "%s/../%s", hook->dir, sets[i]->d_name);
		for (other.role = 0; other.role < N_ROLES && !err; other.role++)
			if (!same || other.role != hook->role)
				err = look_at(&other, each, ctx);
		free(sets[i]);
	}
	free(sets);
	return err;
}

static bool parse(const char *dir, const char *name, struct hook *hook)
{
	unsigned long long netns;
	char pin[32];

	memset(hook, 0, sizeof(*hook));
	if (sscanf(name, "%llu-%d-%31s", &netns, &hook->ifindex, pin) != 3)
		return false;
	hook->dir = dir;
	hook->netns = netns;
	hook->role = program_role_of_pin(pin);
	if (hook->role == N_ROLES)
		return false;
	NETNS_VISIT(hook->netns);
	if (hook->netns != netns_own() || !if_indextoname(hook->ifindex, hook->dev))
		snprintf(hook->dev, sizeof(hook->dev), "device %d", hook->ifindex);
	return true;
}

int pin_for_each(const char *dir, int (*each)(const struct hook *hook, void *ctx), void *ctx)
{
	char path[PATH_MAX];
	struct dirent **names;
	struct hook hook;
	int n, err = 0;

	snprintf(path, sizeof(path), "%s/hooks", dir);
	n = scandir(path, &names, NULL, NULL);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (!err && parse(dir, names[i]->d_name, &hook))
			err = each(&hook, ctx);
		free(names[i]);
	}
	free(names);
	return err;
}
