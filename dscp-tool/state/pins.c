/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The pins of a set: maps and programs. */
#include "state/pins.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook/pin.h"
#include "state/kernel.h"
#include "state/map.h"
#include "state/root.h"
#include "state/sane.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/reason.h"

static const char *const directories[] = { "", "/maps", "/programs", "/hooks" };

static void forget(struct pins *pins)
{
	memset(pins->maps, -1, sizeof(pins->maps));
	memset(pins->programs, -1, sizeof(pins->programs));
	pins->tunnels = NULL;
	pins->requests = NULL;
}

void pins_close(struct pins *pins)
{
	for (int i = 0; i < N_MAPS; i++)
		if (pins->maps[i] >= 0)
			close(pins->maps[i]);
	for (int i = 0; i < N_PROGRAMS; i++)
		if (pins->programs[i] >= 0)
			close(pins->programs[i]);
	free(pins->tunnels);
	free(pins->requests);
	forget(pins);
}

void pins_move(struct pins *to, struct pins *from)
{
	*to = *from;
	forget(from);
}

static void map_path(const struct pins *pins, char *path, enum pinned_map map)
{
	snprintf(path, PATH_MAX, "%s/maps/%s", pins->dir, objects_map_name(map));
}

static void program_path(const struct pins *pins, char *path, enum program program)
{
	snprintf(path, PATH_MAX, "%s/programs/%s", pins->dir, programs[program].pin);
}

int pins_failed(const struct pins *pins, int err, const char *what, const char *below)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", pins->dir, below);
	return kernel_failed(err, what, path);
}

int pins_config(const struct pins *pins, struct dscp_config *config)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(pins->maps[MAP_CONFIG], &zero, config) ? -errno : 0;
}

/* Never guess the meaning of something that is not as we make it, and touch nothing then. */
static int not_ours(const struct pins *pins, const char *path)
{
	return failed(-EPROTO,
		      "%s: not as this dscp-tool makes it: unload with the one that did, or "
		      "remove %s",
		      path, pins->dir);
}

/* Pins of another version: never guess. Without a build: a load that has only begun, or an unload
 * that has nearly ended, or one that was killed then; nothing is loaded. */
static int check_version(const struct pins *pins)
{
	struct dscp_config config = {};
	char path[PATH_MAX];
	int err = pins_config(pins, &config);

	map_path(pins, path, MAP_CONFIG);
	if (err)
		return kernel_failed(err, "cannot read", path);
	if (config.magic && config.magic != DSCP_ABI_MAGIC)
		return not_ours(pins, path);
	if (!config.build)
		return -ENOENT;
	if (config.version == DSCP_ABI_VERSION)
		return 0;
	return -ESTALE;
}

bool pins_are_own(const struct pins *pins)
{
	return !pins->set || (pins->set & ~PINS_ASIDE) == netns_cookie();
}

int pins_foreign(const struct pins *pins)
{
	if (!pins->set)
		return failed(-ESTALE,
			      "what is loaded was loaded by an earlier version of dscp-tool, which "
			      "kept no options that could be taken over: take it away with "
			      "dscp-tool unload --all, and load again");
	return failed(-ESTALE,
		      "%s: loaded by another version of dscp-tool: take that over with dscp-tool "
		      "reload --all, or away with dscp-tool unload --all",
		      pins->dir);
}

static void take_tunnel(void *ctx, const void *key, const void *value)
{
	struct pins *pins = ctx;
	const __u32 slot = *(const __u32 *)key;

	if (slot < DSCP_MAX_TUNNELS)
		memcpy(&pins->tunnels[slot], value, sizeof(*pins->tunnels));
}

static void take_request(void *ctx, const void *key, const void *value)
{
	struct pins *pins = ctx;
	const __u32 slot = *(const __u32 *)key;

	if (slot < DSCP_MAX_TUNNELS)
		memcpy(&pins->requests[slot], value, sizeof(*pins->requests));
}

static int read_all(struct pins *pins)
{
	long n = map_for_each(pins->maps[MAP_TUNNELS], sizeof(__u32), sizeof(*pins->tunnels),
			      take_tunnel, pins);

	if (n >= 0)
		n = map_for_each(pins->maps[MAP_REQUESTS], sizeof(__u32), sizeof(*pins->requests),
				 take_request, pins);
	return n < 0 ? n : 0;
}

/* A tunnel without its request was read without the lock: an unload takes the tunnel away first,
 * and then the request. */
static void read_again(struct pins *pins, uint32_t slot)
{
	struct dscp_tunnel *tunnel = &pins->tunnels[slot];

	if (bpf_map_lookup_elem(pins->maps[MAP_TUNNELS], &slot, tunnel) || !tunnel->ifindex)
		memset(tunnel, 0, sizeof(*tunnel));
	else
		bpf_map_lookup_elem(pins->maps[MAP_REQUESTS], &slot, &pins->requests[slot]);
}

int pins_read_tunnels(struct pins *pins)
{
	char path[PATH_MAX];
	int err;

	pins->tunnels = calloc(DSCP_MAX_TUNNELS, sizeof(*pins->tunnels));
	pins->requests = calloc(DSCP_MAX_TUNNELS, sizeof(*pins->requests));
	err = pins->tunnels && pins->requests ? read_all(pins) : -ENOMEM;
	if (err)
		return pins_failed(pins, err, "cannot read", "/maps/tunnels");
	for_each_tunnel (slot, pins) {
		bool sane;

		if (!pins->requests[slot].size)
			read_again(pins, slot);
		sane = sane_tunnel(&pins->tunnels[slot]);
		if (!pins->tunnels[slot].ifindex || (sane && sane_request(&pins->requests[slot])))
			continue;
		map_path(pins, path, sane ? MAP_REQUESTS : MAP_TUNNELS);
		return not_ours(pins, path);
	}
	return 0;
}

/* Without the lock only reading is allowed. (libbpf before 1.0 cannot say so.) */
static int open_object(const char *path)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)path;
	attr.file_flags = root_is_locked() ? 0 : BPF_F_RDONLY;
	return syscall(__NR_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
}

static bool is_file(const char *path)
{
	struct stat st;

	return lstat(path, &st) || S_ISREG(st.st_mode);
}

/* -1: one of ingress that is not there, other errors are less. */
static int open_pin(const struct pins *pins, enum pinned_map map)
{
	char path[PATH_MAX];
	int fd, err;

	map_path(pins, path, map);
	if (!is_file(path))
		return not_ours(pins, path);
	fd = open_object(path);
	err = -errno;
	if (fd >= 0 && objects_map_fits(map, fd))
		return fd;
	if (fd >= 0) {
		close(fd);
		return not_ours(pins, path);
	}
	if (err == -ENOENT && map >= N_EGRESS_MAPS)
		return -1;
	/* No sentence: nothing is loaded, or an unload runs meanwhile, which takes the build away
	 * before any pin. */
	if (err == -ENOENT && (map == MAP_CONFIG || check_version(pins) == -ENOENT))
		return -ENOENT;
	if (err == -ENOENT)
		return not_ours(pins, path);
	kernel_failed(err, "cannot open", path);
	return -EIO;
}

static int open_maps(struct pins *pins)
{
	int err;

	for (int i = 0; i < N_MAPS; i++) {
		pins->maps[i] = open_pin(pins, i);
		if (pins->maps[i] < -1)
			return pins->maps[i];
		err = i == MAP_CONFIG ? check_version(pins) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int open_programs(struct pins *pins)
{
	char path[PATH_MAX];

	for (int i = 0; i < N_PROGRAMS; i++) {
		program_path(pins, path, i);
		if (!is_file(path))
			return not_ours(pins, path);
		pins->programs[i] = open_object(path);
		if (pins->programs[i] < 0 && errno != ENOENT)
			return kernel_failed(-errno, "cannot open", path);
		if (pins->programs[i] >= 0 && !objects_program_fits(i, pins->programs[i]))
			return not_ours(pins, path);
	}
	return 0;
}

static int is_one(const struct hook *hook, void *ctx)
{
	(void)hook;
	(void)ctx;
	return 1;
}

int pins_open(struct pins *pins, uint64_t set)
{
	char path[PATH_MAX];
	int err;

	pins->set = set;
	snprintf(pins->dir, sizeof(pins->dir), set ? STATE_ROOT "/%llu" : STATE_ROOT,
		 (unsigned long long)set);
	forget(pins);
	err = root_check_owner(pins->dir);
	/* A load makes the maps before the hooks, and an unload takes them away behind these: then
	 * programs mark by maps that nothing leads to. Unless it was a load, just now. */
	for (bool again = false; !err; again = true) {
		err = open_maps(pins);
		if (!err)
			err = open_programs(pins);
		if (!err)
			err = pins_read_tunnels(pins);
		if (!err)
			return 0;
		pins_close(pins);
		if (err != -ENOENT || pin_for_each(pins->dir, is_one, NULL) <= 0)
			return err;
		map_path(pins, path, MAP_CONFIG);
		err = again ? not_ours(pins, path) : 0;
	}
	return err;
}

int pins_make(const struct pins *pins)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(directories); i++) {
		snprintf(path, sizeof(path), "%s%s", pins->dir, directories[i]);
		if (mkdir(path, 0700) && errno != EEXIST)
			return kernel_failed(-errno, "cannot make", path);
	}
	return 0;
}

/* Without its build nothing counts as loaded, so nobody meets the half of it; and config goes last.
 * The magic stays: a packet may still be in egress_outer, which must not take this for plain tc. */
static void take_build_away(const struct pins *pins)
{
	const struct dscp_config none = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	char path[PATH_MAX];
	__u32 zero = 0;
	int fd;

	map_path(pins, path, MAP_CONFIG);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	bpf_map_update_elem(fd, &zero, &none, BPF_EXIST);
	close(fd);
}

/* The first error is kept, with its sentence. */
static void take_away(const char *path, int *err)
{
	/* Not empty: a pin that could not be removed has its sentence, and foreign files are left
	 * alone. On a read-only mount nothing can be removed, absent pins included. */
	if (remove(path) && errno != ENOTEMPTY && !*err && !access(path, F_OK))
		*err = kernel_failed(-errno, "cannot remove", path);
}

int pins_remove(const struct pins *pins)
{
	char path[PATH_MAX];
	int err = 0;

	take_build_away(pins);
	for (int i = 0; i < N_PROGRAMS; i++) {
		program_path(pins, path, i);
		take_away(path, &err);
	}
	for (int i = N_MAPS; i-- > MAP_CONFIG;) {
		map_path(pins, path, i);
		take_away(path, &err);
	}
	snprintf(path, sizeof(path), "%s/new", pins->dir);
	take_away(path, &err);
	for (unsigned int i = ARRAY_SIZE(directories); i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", pins->dir, directories[i]);
		take_away(path, &err);
	}
	return err;
}

int pins_put_programs(const struct pins *pins, enum object_id id)
{
	char path[PATH_MAX];

	for (int i = 0; i < N_PROGRAMS; i++) {
		int err;

		if (programs[i].object != id)
			continue;
		program_path(pins, path, i);
		err = pin_put(pins->dir, pins->programs[i], path);
		if (err)
			return kernel_failed(err, "cannot pin", path);
	}
	return 0;
}

int pins_put_map(const struct pins *pins, enum pinned_map map)
{
	char path[PATH_MAX];
	int err;

	map_path(pins, path, map);
	err = pin_put(pins->dir, pins->maps[map], path);
	return err ? kernel_failed(err, "cannot pin", path) : 0;
}

int pins_make_map(struct pins *pins, enum pinned_map map)
{
	int fd = objects_make_map(map);
	char what[32];

	snprintf(what, sizeof(what), "the map %s", objects_map_name(map));
	if (fd < 0)
		return kernel_failed(fd, "the kernel refuses", what);
	pins->maps[map] = fd;
	return pins_put_map(pins, map);
}
