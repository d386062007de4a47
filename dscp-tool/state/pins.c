/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "util/log.h"
#include "state/counters.h"
#include "state/map.h"
#include "state/objects.h"
#include "privileges.h"
#include "state/state.h"

#define BPFFS "/sys/fs/bpf"
#define LOCK_FILE "/run/dscp-tool.lock"
#define LOCK_SECONDS 30
#define HALF_WAY (~objects_digest()) /* in the place of the build */

static const char *const directories[] = { "", "/maps", "/programs", "/hooks", "/qdiscs" };

#define N_DIRECTORIES (sizeof(directories) / sizeof(*directories))

int state_failed(const char *what, const char *name, int err)
{
	const char *reason = log_reason();

	/* EACCES with a reason is the verifier's. */
	if (err == -EPERM || (err == -EACCES && !*reason))
		log_error("%s %s: %s (root is needed%s)", what, name, log_strerror(err),
			  privileges_complete() ? ": " PRIVILEGES " are not enough here"
						: ", or " PRIVILEGES);
	else
		log_error("%s %s: %s%s%s", what, name, log_strerror(err), *reason ? ": " : "",
			  reason);
	return err;
}

static int take_lock(int operation)
{
	int fd, err = privileges_check();

	if (err)
		return err;
	/* Else hooks would go, and their pins would not. */
	if (access(STATE_DIR, W_OK) && errno == EROFS)
		return state_failed("cannot change", STATE_DIR, -EROFS);
	fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return state_failed("cannot open", LOCK_FILE, -errno);
	if (!flock(fd, operation))
		return fd;
	err = errno == EWOULDBLOCK || errno == EINTR ? -EBUSY : -errno;
	close(fd);
	return err == -EBUSY ? err : state_failed("cannot lock", LOCK_FILE, err);
}

int state_try_lock(void)
{
	return take_lock(LOCK_EX | LOCK_NB);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Asleep in the kernel, which wakes us when the lock is free. Who tries again after pauses hardly
 * ever finds it so while a shell makes one call after another. */
int state_lock(void)
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
		log_error("another dscp-tool has held %s for %d seconds: see fuser %s", LOCK_FILE,
			  LOCK_SECONDS, LOCK_FILE);
	return fd;
}

static void state_init(struct state *state)
{
	memset(state, 0, sizeof(*state));
	memset(state->maps, -1, sizeof(state->maps));
	memset(state->programs, -1, sizeof(state->programs));
}

void state_close(struct state *state)
{
	for (int i = 0; i < N_MAPS; i++)
		if (state->maps[i] >= 0)
			close(state->maps[i]);
	for (int i = 0; i < N_PROGRAMS; i++)
		if (state->programs[i] >= 0)
			close(state->programs[i]);
	free(state->tunnels);
	state_init(state);
}

static void map_path(char *path, enum state_map map)
{
	snprintf(path, PATH_MAX, STATE_DIR "/maps/%s", object_map_name(map));
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

	return err ? state_failed("cannot read", STATE_DIR "/maps/config", err) : 0;
}

/* Never guess what something may be that is not as we make it, and touch nothing then. */
static int not_ours(const char *path)
{
	log_error("%s: not as this dscp-tool makes it: unload with the one that did, or "
		  "remove " STATE_DIR,
		  path);
	return -EPROTO;
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
	log_error(STATE_DIR ": made by another version of dscp-tool (layout %u, this one has %u): "
			    "unload with that version, or remove the directory",
		  config.version, DSCP_ABI_VERSION);
	return -EPROTO;
}

static int read_tunnels(struct state *state)
{
	state->tunnels = calloc(DSCP_MAX_TUNNELS, sizeof(*state->tunnels));
	if (!state->tunnels)
		return state_failed("cannot read", STATE_DIR "/maps/tunnels", -ENOMEM);
	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (bpf_map_lookup_elem(state->maps[MAP_TUNNELS], &slot, &state->tunnels[slot]))
			return state_failed("cannot read", STATE_DIR "/maps/tunnels", -errno);
		if (!state_is_sane(&state->tunnels[slot]))
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
static int open_pin(enum state_map map, int config_fd)
{
	char path[PATH_MAX];
	int fd, err;

	map_path(path, map);
	if (!is_file(path))
		return not_ours(path);
	fd = bpf_obj_get(path);
	err = -errno;
	if (fd >= 0 && object_map_fits(map, fd))
		return fd;
	if (fd >= 0) {
		close(fd);
		return not_ours(path);
	}
	if (err == -ENOENT && map >= N_EGRESS_MAPS)
		return -1;
	/* No message: nothing is loaded, or an unload runs meanwhile, which takes the build away
	 * before any pin. */
	if (err == -ENOENT && (map == MAP_CONFIG || check_version(config_fd) == -ENOENT))
		return -ENOENT;
	state_failed("cannot open", path, err);
	return -EIO;
}

static int open_maps(struct state *state)
{
	int err;

	for (int i = 0; i < N_MAPS; i++) {
		state->maps[i] = open_pin(i, state->maps[MAP_CONFIG]);
		if (state->maps[i] < -1)
			return state->maps[i];
		err = i == MAP_CONFIG ? check_version(state->maps[i]) : 0;
		if (err)
			return err;
	}
	return 0;
}

static int open_programs(struct state *state)
{
	char path[PATH_MAX];

	for (int i = 0; i < N_PROGRAMS; i++) {
		program_path(path, i);
		if (!is_file(path))
			return not_ours(path);
		state->programs[i] = bpf_obj_get(path);
		if (state->programs[i] < 0 && errno != ENOENT)
			return state_failed("cannot open", path, -errno);
		if (state->programs[i] >= 0 && !object_program_fits(i, state->programs[i]))
			return not_ours(path);
	}
	return 0;
}

static bool has_bpffs(void)
{
	struct statfs fs;

	return !statfs(BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC;
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
	if (has_bpffs() || in_first_mount_namespace())
		return 0;
	log_error("no bpffs at %s in this mount namespace: instead of `ip netns exec NS`, which "
		  "hides "
		  "it, use `nsenter --net=/run/netns/NS`",
		  BPFFS);
	return -ENODEV;
}

/* A bpffs that nobody has given a mode is open to all, and who was there first has made what it
 * likes: whoever can write there decides what root attaches. */
static int check_owner(void)
{
	struct stat st;

	if (lstat(STATE_DIR, &st) || (S_ISDIR(st.st_mode) && !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
				      (!st.st_uid || st.st_uid == geteuid())))
		return 0;
	log_error(STATE_DIR ": not a directory that only root can write to (owner %u, mode %o): "
			    "remove it",
		  st.st_uid, st.st_mode & 07777);
	return -EPROTO;
}

int state_open(struct state *state)
{
	int err = hidden_bpffs();

	state_init(state);
	if (!err)
		err = check_owner();
	if (!err)
		err = open_maps(state);
	if (!err)
		err = open_programs(state);
	if (!err)
		err = read_tunnels(state);
	if (err)
		state_close(state);
	return err;
}

/* Pins need a bpffs: mounted here if the system has none. */
static int prepare_bpffs(void)
{
	if (has_bpffs())
		return 0;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return state_failed("cannot mount a bpffs at", BPFFS, -errno);
	return 0;
}

static int make_directories(void)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i < N_DIRECTORIES; i++) {
		snprintf(path, sizeof(path), "%s%s", STATE_DIR, directories[i]);
		if (mkdir(path, 0700) && errno != EEXIST)
			return state_failed("cannot make", path, -errno);
	}
	return 0;
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

/* The first error is said and kept. */
static void take_away(const char *path, int *err)
{
	/* Not empty: what could not be removed has been said, what is others' is left alone. Of a
	 * mount that is read only nothing can be removed, what is not there included. */
	if (remove(path) && errno != ENOTEMPTY && !*err && !access(path, F_OK))
		*err = state_failed("cannot remove", path, -errno);
}

int state_remove(void)
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
	for (unsigned int i = N_DIRECTORIES; i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", STATE_DIR, directories[i]);
		take_away(path, &err);
	}
	return err;
}

/* The descriptors outlive the object. */
static int take_descriptor(int *place, int fd)
{
	if (fd < 0) /* not in this object */
		return 0;
	if (*place >= 0)
		close(*place);
	*place = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *place < 0 ? -errno : 0;
}

static int take_descriptors(struct state *state, const struct bpf_object *object, enum object_id id)
{
	int err = 0;

	for (int i = 0; i < N_MAPS && !err; i++)
		err = take_descriptor(&state->maps[i],
				      bpf_object__find_map_fd_by_name(object, object_map_name(i)));
	for (int i = 0; i < N_PROGRAMS && !err; i++)
		err = take_descriptor(&state->programs[i], object_program_fd(object, id, i));
	return err;
}

static int pin_programs(const struct state *state, enum object_id id)
{
	char path[PATH_MAX];

	for (int i = 0; i < N_PROGRAMS; i++) {
		int err;

		if (programs[i].object != id)
			continue;
		program_path(path, i);
		err = pin_put(STATE_DIR, state->programs[i], path);
		if (err)
			return state_failed("cannot pin", path, err);
	}
	return 0;
}

/* In place of what has that pin, if anything has. */
static int pin_map(const struct state *state, enum state_map map)
{
	char path[PATH_MAX];
	int err;

	map_path(path, map);
	err = pin_put(STATE_DIR, state->maps[map], path);
	return err ? state_failed("cannot pin", path, err) : 0;
}

int state_make_carried(struct state *state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, object_map_name(MAP_CARRIED), sizeof(__u32),
				sizeof(struct dscp_carried), DSCP_CARRIED, &opts);

	if (fd < 0)
		return fd;
	state->maps[MAP_CARRIED] = fd;
	return pin_map(state, MAP_CARRIED);
}

static void copy_flow(void *to, const void *stamp, const void *flow)
{
	bpf_map_update_elem(*(int *)to, stamp, flow, BPF_NOEXIST);
}

/* What is in the map flows of another size, as far as it has room: what recent holds is taken for
 * noted there, and packets are on their way whose stamp only the old one knows. */
static int copy_flows(int from, int to)
{
	long n = map_for_each(from, sizeof(__u32), sizeof(struct dscp_flow), copy_flow, &to);

	return n < 0 ? n : 0;
}

/* Loads one of this tool's objects. The maps that are there are used again. */
static int load_object(struct state *state, enum object_id id, const struct object_sizes *sizes)
{
	struct bpf_object *object;
	int err;

	if (!object_present(id)) {
		log_error("a tunnel is loaded with --ingress-hook peek, which this build lacks: "
			  "unload it first");
		return -EOPNOTSUPP;
	}
	log_reason_reset();
	object = object_open(id, STATE_DIR, state->maps, sizes);
	if (!object)
		return state_failed("cannot read", "the built-in BPF object", -errno);
	err = bpf_object__load(object);
	if (err)
		state_failed("the kernel refuses", "the BPF object", err);
	else if ((err = take_descriptors(state, object, id)))
		state_failed("cannot keep", "the BPF object", err);
	bpf_object__close(object);
	return err;
}

static bool has_programs(const struct state *state, enum object_id id)
{
	for (int i = 0; i < N_PROGRAMS; i++)
		if (programs[i].object == id && state->programs[i] < 0)
			return false;
	return true;
}

int state_need(struct state *state, const struct dscp_tunnel *tunnel)
{
	const struct object_sizes sizes = {
		.entries[MAP_ARRIVALS] = map_capacity(state->maps[MAP_COUNTERS]),
	};
	enum object_id id = object_of_way(tunnel->way);
	int err;

	if (!(tunnel->flags & DSCP_TUNNEL_INGRESS) || has_programs(state, id))
		return 0;
	err = load_object(state, id, &sizes);
	return err ? err : pin_programs(state, id);
}

/* Programs, and maps that are made anew, with what was in their place. */
struct renewal {
	struct object_sizes sizes;
	int maps[N_MAPS], programs[N_PROGRAMS]; /* -1: none, or not made anew */
};

static void set_aside(struct state *state, struct renewal *before)
{
	memcpy(before->programs, state->programs, sizeof(before->programs));
	memset(state->programs, -1, sizeof(state->programs));
	for (int i = 0; i < N_MAPS; i++) {
		before->maps[i] = before->sizes.entries[i] ? state->maps[i] : -1;
		if (before->sizes.entries[i])
			state->maps[i] = -1;
	}
}

/* Closes the old one, or if the renewal has failed the new one, whose place the old one takes. */
static void settle(int *new, int old, bool failed)
{
	int unused = failed ? *new : old;

	if (old < 0)
		return;
	if (failed)
		*new = old;
	if (unused >= 0)
		close(unused);
}

static void put_away(struct state *state, const struct renewal *before, bool failed)
{
	for (int i = 0; i < N_MAPS; i++)
		settle(&state->maps[i], before->maps[i], failed);
	for (int i = 0; i < N_PROGRAMS; i++)
		settle(&state->programs[i], before->programs[i], failed);
}

static int load_anew(struct state *state, const struct renewal *before)
{
	int err = 0;

	for (int i = 0; i < N_PROGRAMS && !err; i++)
		if ((before->programs[i] >= 0 || programs[i].object == OBJECT_EGRESS) &&
		    state->programs[i] < 0)
			err = load_object(state, programs[i].object, &before->sizes);
	return err;
}

/* Waits until no program runs any more that no hook has. Only a kernel with nohz_full= cannot do
 * that; then a packet may be missing in the counters. */
static void wait_for_programs(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static int keep_counters(struct state *state, const struct renewal *before)
{
	static const enum state_map grown[] = { MAP_COUNTERS, MAP_ARRIVALS };
	int err = 0;

	for (int i = 0; i < 2 && !err; i++)
		if (before->maps[grown[i]] >= 0)
			err = counters_carry(state, grown[i], before->maps[grown[i]]);
	return err;
}

/* The new programs at every hook, and what the maps of before have. */
static int exchange(struct state *state, const struct renewal *before)
{
	int old_flows = before->maps[MAP_FLOWS], err;

	if (old_flows >= 0)
		copy_flows(old_flows, state->maps[MAP_FLOWS]);
	err = state_update_hooks(state);
	if (err)
		return err;
	wait_for_programs();
	/* What was noted meanwhile. */
	if (old_flows >= 0 && copy_flows(old_flows, state->maps[MAP_FLOWS]))
		state_forget_recent(state);
	err = keep_counters(state, before);
	for (int i = 0; i < N_MAPS && !err; i++)
		if (before->maps[i] >= 0)
			err = pin_map(state, i);
	for (int i = 0; i < N_OBJECTS && !err; i++)
		if (has_programs(state, i))
			err = pin_programs(state, i);
	return err;
}

/* The programs of an older build, or maps of another size: load anew and exchange everywhere. Half
 * way not all hooks have the same maps: a load that finds it so does it all again. */
static int renew(struct state *state, const uint32_t entries[N_MAPS])
{
	struct renewal before = { .sizes.unpinned = true };
	int err;

	memcpy(before.sizes.entries, entries, sizeof(before.sizes.entries));
	set_aside(state, &before);
	err = load_anew(state, &before);
	if (!err)
		err = state_write_config(state, HALF_WAY);
	if (!err)
		err = exchange(state, &before);
	if (!err)
		err = state_write_config(state, objects_digest());
	put_away(state, &before, err);
	return err;
}

int state_make_room(struct state *state, uint32_t slot)
{
	const uint32_t entries[N_MAPS] = {
		[MAP_COUNTERS] = counters_wanted(state, MAP_COUNTERS, slot),
		[MAP_ARRIVALS] = counters_wanted(state, MAP_ARRIVALS, slot),
	};

	return entries[MAP_COUNTERS] || entries[MAP_ARRIVALS] ? renew(state, entries) : 0;
}

static int create(struct state *state, __u32 flows)
{
	const struct object_sizes sizes = { .entries[MAP_FLOWS] = flows };
	int err = prepare_bpffs();

	if (!err)
		err = make_directories();
	if (!err)
		err = load_object(state, OBJECT_EGRESS, &sizes);
	if (!err)
		err = pin_programs(state, OBJECT_EGRESS);
	if (!err)
		err = state_make_present(state);
	if (!err)
		err = read_tunnels(state);
	if (!err)
		err = state_write_config(state, objects_digest());
	if (err)
		state_remove();
	return err;
}

bool state_is_ours(const struct state *state)
{
	struct dscp_config config = {};

	return !read_config(state->maps[MAP_CONFIG], &config) &&
	       (config.build == objects_digest() || config.build == HALF_WAY);
}

/* If another build, another size of flows or a load that was killed calls for it. */
static int renew_if_need_be(struct state *state, uint32_t flows)
{
	uint32_t entries[N_MAPS] = {};
	struct dscp_config config;
	int err = must_read_config(state->maps[MAP_CONFIG], &config);

	if (err)
		return err;
	if (flows != map_capacity(state->maps[MAP_FLOWS]))
		entries[MAP_FLOWS] = flows;
	/* Of the load that was killed there may be an array whose counts are carried already. */
	if (config.build != objects_digest()) {
		entries[MAP_COUNTERS] = map_capacity(state->maps[MAP_COUNTERS]);
		if (state->maps[MAP_ARRIVALS] >= 0)
			entries[MAP_ARRIVALS] = map_capacity(state->maps[MAP_ARRIVALS]);
	}
	if (entries[MAP_FLOWS] || entries[MAP_COUNTERS] || !has_programs(state, OBJECT_EGRESS))
		return renew(state, entries);
	return 0;
}

int state_mend(struct state *state)
{
	struct dscp_config config = {};

	return read_config(state->maps[MAP_CONFIG], &config) || config.build != HALF_WAY
		       ? 0
		       : renew_if_need_be(state, 0);
}

int state_create(struct state *state, uint32_t flows)
{
	int err = state_open(state);

	if (err == -ENOENT) {
		err = state_remove(); /* of a load that was killed */
		if (!err)
			err = create(state, flows);
	}
	if (!err)
		err = renew_if_need_be(state, flows);
	if (err)
		state_close(state);
	return err;
}
