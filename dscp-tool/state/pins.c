/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The pins below STATE_DIR: maps and programs, and the lock for a change of them. */
#include "state/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook/pin.h"
#include "state/kernel.h"
#include "state/sane.h"
#include "util/kernel.h"
#include "util/macros.h"
#include "util/privileges.h"
#include "util/reason.h"

#define LOCK_FILE "/run/dscp-tool.lock"
#define LOCK_SECONDS 30

static const char *const directories[] = { "", "/maps", "/programs", "/hooks", "/qdiscs" };

static int take_lock(int operation)
{
	int fd, err = privileges_check();

	if (err)
		return err;
	/* Else hooks would go, and their pins would not. */
	if (access(STATE_DIR, W_OK) && errno == EROFS)
		return kernel_failed(-EROFS, "cannot change", STATE_DIR);
	fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return kernel_failed(-errno, "cannot open", LOCK_FILE);
	if (!flock(fd, operation))
		return fd;
	err = errno == EWOULDBLOCK || errno == EINTR ? -EBUSY : -errno;
	close(fd);
	return err == -EBUSY ? err : kernel_failed(err, "cannot lock", LOCK_FILE);
}

int pins_try_lock(void)
{
	return take_lock(LOCK_EX | LOCK_NB);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Asleep in the kernel, which wakes us when the lock is free. Who tries again after pauses hardly
 * ever finds it so while a shell makes one call after another. */
int pins_lock(void)
{
	const struct sigaction action = { .sa_handler = on_alarm }; /* ends flock() with EINTR */
	sigset_t alarms;
	int fd;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	alarm(LOCK_SECONDS);
	fd = take_lock(LOCK_EX);
	alarm(0);
	if (fd == -EBUSY)
		failed(fd, "another dscp-tool has held %s for %d seconds: see fuser %s", LOCK_FILE,
		       LOCK_SECONDS, LOCK_FILE);
	return fd;
}

static void init(struct pins *pins)
{
	memset(pins, 0, sizeof(*pins));
	memset(pins->maps, -1, sizeof(pins->maps));
	memset(pins->programs, -1, sizeof(pins->programs));
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
	init(pins);
}

static void map_path(char *path, enum pinned_map map)
{
	snprintf(path, PATH_MAX, STATE_DIR "/maps/%s", objects_map_name(map));
}

static void program_path(char *path, enum program program)
{
	snprintf(path, PATH_MAX, STATE_DIR "/programs/%s", programs[program].pin);
}

static int read_config(int fd, struct dscp_config *config)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(fd, &zero, config) ? -errno : 0;
}

static int must_read_config(int fd, struct dscp_config *config)
{
	int err = read_config(fd, config);

	return err ? kernel_failed(err, "cannot read", STATE_DIR "/maps/config") : 0;
}

int pins_config(const struct pins *pins, struct dscp_config *config)
{
	return read_config(pins->maps[MAP_CONFIG], config);
}

/* Never guess what something may be that is not as we make it, and touch nothing then. */
static int not_ours(const char *path)
{
	return failed(-EPROTO,
		      "%s: not as this dscp-tool makes it: unload with the one that did, or "
		      "remove " STATE_DIR,
		      path);
}

/* Pins of another version: never guess. Without a build: a load that has only begun, or an unload
 * that has nearly ended, or one that was killed then; nothing is loaded. */
static int check_version(int config_fd)
{
	struct dscp_config config = {};
	int err = must_read_config(config_fd, &config);

	if (err)
		return err;
	if (config.magic && config.magic != DSCP_ABI_MAGIC)
		return not_ours(STATE_DIR "/maps/config");
	if (!config.build)
		return -ENOENT;
	if (config.version == DSCP_ABI_VERSION)
		return 0;
	return failed(-EPROTO,
		      STATE_DIR
		      ": made by another version of dscp-tool (layout %u, this one has %u): "
		      "unload with that version, or remove the directory",
		      config.version, DSCP_ABI_VERSION);
}

int pins_read_tunnels(struct pins *pins)
{
	pins->tunnels = calloc(DSCP_MAX_TUNNELS, sizeof(*pins->tunnels));
	if (!pins->tunnels)
		return kernel_failed(-ENOMEM, "cannot read", STATE_DIR "/maps/tunnels");
	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (bpf_map_lookup_elem(pins->maps[MAP_TUNNELS], &slot, &pins->tunnels[slot]))
			return kernel_failed(-errno, "cannot read", STATE_DIR "/maps/tunnels");
		if (!sane_tunnel(&pins->tunnels[slot]))
			return not_ours(STATE_DIR "/maps/tunnels");
	}
	return 0;
}

static bool is_file(const char *path)
{
	struct stat st;

	return lstat(path, &st) || S_ISREG(st.st_mode);
}

/* -1: one of ingress that is not there, other errors are less. */
static int open_pin(enum pinned_map map, int config_fd)
{
	char path[PATH_MAX];
	int fd, err;

	map_path(path, map);
	if (!is_file(path))
		return not_ours(path);
	fd = bpf_obj_get(path);
	err = -errno;
	if (fd >= 0 && objects_map_fits(map, fd))
		return fd;
	if (fd >= 0) {
		close(fd);
		return not_ours(path);
	}
	if (err == -ENOENT && map >= N_EGRESS_MAPS)
		return -1;
	/* No sentence: nothing is loaded, or an unload runs meanwhile, which takes the build away
	 * before any pin. */
	if (err == -ENOENT && (map == MAP_CONFIG || check_version(config_fd) == -ENOENT))
		return -ENOENT;
	kernel_failed(err, "cannot open", path);
	return -EIO;
}

static int open_maps(struct pins *pins)
{
	int err;

	for (int i = 0; i < N_MAPS; i++) {
		pins->maps[i] = open_pin(i, pins->maps[MAP_CONFIG]);
		if (pins->maps[i] < -1)
			return pins->maps[i];
		err = i == MAP_CONFIG ? check_version(pins->maps[i]) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int open_programs(struct pins *pins)
{
	char path[PATH_MAX];

	for (int i = 0; i < N_PROGRAMS; i++) {
		program_path(path, i);
		if (!is_file(path))
			return not_ours(path);
		pins->programs[i] = bpf_obj_get(path);
		if (pins->programs[i] < 0 && errno != ENOENT)
			return kernel_failed(-errno, "cannot open", path);
		if (pins->programs[i] >= 0 && !objects_program_fits(i, pins->programs[i]))
			return not_ours(path);
	}
	return 0;
}

static bool in_first_mount_namespace(void)
{
	struct stat own, first;

	return !stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &first) &&
	       own.st_ino == first.st_ino;
}

/* `ip netns exec` makes a mount namespace that hides the system's bpffs: what is loaded cannot be
 * seen from there, and pins made there would be lost at its end. */
static int hidden_bpffs(void)
{
	if (kernel_has_bpffs() || in_first_mount_namespace())
		return 0;
	return failed(-ENODEV,
		      "no bpffs at %s in this mount namespace: instead of `ip netns exec NS`, "
		      "which hides it, use `nsenter --net=/run/netns/NS`",
		      BPFFS);
}

/* A bpffs that nobody has given a mode is open to all, and who was there first has made what it
 * likes: whoever can write there decides what root attaches. */
static int check_owner(void)
{
	struct stat st;

	if (lstat(STATE_DIR, &st) || (S_ISDIR(st.st_mode) && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
				      (!st.st_uid || st.st_uid == geteuid())))
		return 0;
	return failed(-EPROTO,
		      STATE_DIR ": not a directory that only root can write to (owner %u, mode "
				"%o): remove it",
		      st.st_uid, st.st_mode & 07777);
}

int pins_open(struct pins *pins)
{
	int err = hidden_bpffs();

	init(pins);
	if (!err)
		err = check_owner();
	if (!err)
		err = open_maps(pins);
	if (!err)
		err = open_programs(pins);
	if (!err)
		err = pins_read_tunnels(pins);
	if (err)
		pins_close(pins);
	return err;
}

/* Pins need a bpffs: mounted here if the system has none. */
static int prepare_bpffs(void)
{
	if (kernel_has_bpffs())
		return 0;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return kernel_failed(-errno, "cannot mount a bpffs at", BPFFS);
	return 0;
}

static int make_directories(void)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(directories); i++) {
		snprintf(path, sizeof(path), "%s%s", STATE_DIR, directories[i]);
		if (mkdir(path, 0700) && errno != EEXIST)
			return kernel_failed(-errno, "cannot make", path);
	}
	return 0;
}

int pins_make(void)
{
	int err = prepare_bpffs();

	return err ? err : make_directories();
}

/* Without its build nothing counts as loaded, so nobody meets the half of it; and config goes last.
 * The magic stays: a packet may still be in egress_outer, which must not take this for plain tc. */
static void take_build_away(void)
{
	const struct dscp_config none = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	char path[PATH_MAX];
	__u32 zero = 0;
	int fd;

	map_path(path, MAP_CONFIG);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	bpf_map_update_elem(fd, &zero, &none, BPF_EXIST);
	close(fd);
}

/* The first error is kept, with its sentence. */
static void take_away(const char *path, int *err)
{
	/* Not empty: what could not be removed has its sentence, what is others' is left alone. Of
	 * a mount that is read only nothing can be removed, what is not there included. */
	if (remove(path) && errno != ENOTEMPTY && !*err && !access(path, F_OK))
		*err = kernel_failed(-errno, "cannot remove", path);
}

int pins_remove(void)
{
	char path[PATH_MAX];
	int err = 0;

	take_build_away();
	for (int i = 0; i < N_PROGRAMS; i++) {
		program_path(path, i);
		take_away(path, &err);
	}
	for (int i = N_MAPS; i-- > MAP_CONFIG;) {
		map_path(path, i);
		take_away(path, &err);
	}
	take_away(STATE_DIR "/new", &err);
	for (unsigned int i = ARRAY_SIZE(directories); i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", STATE_DIR, directories[i]);
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
		program_path(path, i);
		err = pin_put(STATE_DIR, pins->programs[i], path);
		if (err)
			return kernel_failed(err, "cannot pin", path);
	}
	return 0;
}

int pins_put_map(const struct pins *pins, enum pinned_map map)
{
	char path[PATH_MAX];
	int err;

	map_path(path, map);
	err = pin_put(STATE_DIR, pins->maps[map], path);
	return err ? kernel_failed(err, "cannot pin", path) : 0;
}
