/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "util/log.h"
#include "objects.h"
#include "state.h"

#define BPFFS "/sys/fs/bpf"
#define LOCK_FILE "/run/dscp-tool.lock"
#define LOCK_SECONDS 30

static const char *const directories[] = { "", "/maps", "/programs", "/hooks", "/qdiscs" };

#define N_DIRECTORIES (sizeof(directories) / sizeof(*directories))

static int failed(const char *what, const char *name, int err)
{
	const char *reason = log_reason();

	/* EACCES with a reason is the verifier's. */
	if (err == -EPERM || (err == -EACCES && !*reason))
		log_error("%s %s: %s (root is needed, or CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON)",
			  what, name, log_strerror(err));
	else
		log_error("%s %s: %s%s%s", what, name, log_strerror(err), *reason ? ": " : "",
			  reason);
	return err;
}

int state_lock(void)
{
	int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600), tries = LOCK_SECONDS * 10;
	const struct timespec pause = { .tv_nsec = 100000000 };

	if (fd < 0)
		return failed("cannot open", LOCK_FILE, -errno);
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			close(fd);
			return failed("cannot lock", LOCK_FILE, -errno);
		}
		if (!tries--) {
			close(fd);
			log_error("another dscp-tool has held %s for %d seconds: see fuser %s",
				  LOCK_FILE, LOCK_SECONDS, LOCK_FILE);
			return -EBUSY;
		}
		nanosleep(&pause, NULL);
	}
	return 0; /* left open: the lock goes with the process */
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

static void program_path(char *path, enum state_program program)
{
	snprintf(path, PATH_MAX, STATE_DIR "/programs/%s", object_program_pin(program));
}

static int read_config(int fd, struct dscp_config *config)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(fd, &zero, config) ? -errno : 0;
}

/* Pins of another version: never guess. Without a build: a load that has only begun, or an unload
 * that has nearly ended, or one that was killed then; nothing is loaded. */
static int check_version(int config_fd)
{
	struct bpf_map_info info = {};
	struct dscp_config config = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(config_fd, &info, &len))
		return failed("cannot read", STATE_DIR "/maps/config", -errno);
	if (info.value_size == sizeof(config)) {
		read_config(config_fd, &config);
		if (!config.build)
			return -ENOENT;
	}
	if (config.magic == DSCP_ABI_MAGIC && config.version == DSCP_ABI_VERSION)
		return 0;
	log_error("%s: made by another version of dscp-tool (layout %u, this one has %u): unload "
		  "with "
		  "that version, or remove the directory",
		  STATE_DIR, config.magic == DSCP_ABI_MAGIC ? config.version : 0, DSCP_ABI_VERSION);
	return -EPROTO;
}

static int read_tunnels(struct state *state)
{
	state->tunnels = calloc(DSCP_MAX_TUNNELS, sizeof(*state->tunnels));
	if (!state->tunnels)
		return failed("cannot read", STATE_DIR "/maps/tunnels", -ENOMEM);
	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (bpf_map_lookup_elem(state->maps[MAP_TUNNELS], &slot, &state->tunnels[slot]))
			return failed("cannot read", STATE_DIR "/maps/tunnels", -errno);
	return 0;
}

static int open_pin(enum state_map map, int config_fd)
{
	char path[PATH_MAX];
	int fd, err;

	map_path(path, map);
	fd = bpf_obj_get(path);
	if (fd >= 0)
		return fd;
	err = -errno;
	if (err == -ENOENT && map >= N_EGRESS_MAPS)
		return -1;
	/* No message: nothing is loaded, or an unload runs meanwhile, which takes the build away
	 * before any pin. */
	if (err == -ENOENT && (map == MAP_CONFIG || check_version(config_fd) == -ENOENT))
		return -ENOENT;
	failed("cannot open", path, err);
	return -EIO;
}

static int open_maps(struct state *state)
{
	int err;

	for (int i = 0; i < N_MAPS; i++) {
		state->maps[i] = open_pin(i, state->maps[MAP_CONFIG]);
		if (state->maps[i] < 0 && i < N_EGRESS_MAPS)
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
		state->programs[i] = bpf_obj_get(path);
		if (state->programs[i] < 0 && errno != ENOENT)
			return failed("cannot open", path, -errno);
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

int state_open(struct state *state)
{
	int err = hidden_bpffs();

	state_init(state);
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
		return failed("cannot mount a bpffs at", BPFFS, -errno);
	return 0;
}

static int make_directories(void)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i < N_DIRECTORIES; i++) {
		snprintf(path, sizeof(path), "%s%s", STATE_DIR, directories[i]);
		if (mkdir(path, 0700) && errno != EEXIST)
			return failed("cannot make", path, -errno);
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

void state_remove(void)
{
	char path[PATH_MAX];

	take_build_away();
	for (int i = 0; i < N_PROGRAMS; i++) {
		program_path(path, i);
		unlink(path);
	}
	for (int i = N_MAPS; i-- > MAP_CONFIG;) {
		map_path(path, i);
		unlink(path);
	}
	unlink(STATE_DIR "/new");
	for (unsigned int i = N_DIRECTORIES; i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", STATE_DIR, directories[i]);
		rmdir(path);
	}
}

static __u32 map_capacity(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.max_entries;
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

		if (object_of(i) != id)
			continue;
		program_path(path, i);
		err = hook_pin(STATE_DIR, state->programs[i], path);
		if (err)
			return failed("cannot pin", path, err);
	}
	return 0;
}

/* What recent holds egress_inner takes for noted in flows. When that is not so any more, each
 * flow has to be noted again. */
static void forget_recent(const struct state *state)
{
	const __u32 none = 0;

	for (__u32 i = 0; i < DSCP_RECENT; i++)
		bpf_map_update_elem(state->maps[MAP_RECENT], &i, &none, BPF_ANY);
}

static int pin_resized(const struct state *state)
{
	char path[PATH_MAX];
	int err;

	map_path(path, MAP_FLOWS);
	err = hook_pin(STATE_DIR, state->maps[MAP_FLOWS], path);
	if (err)
		return failed("cannot pin", path, err);
	forget_recent(state);
	return 0;
}

/* The tunnel that has a hook; NULL: none. */
static const struct dscp_tunnel *tunnel_of(const struct state *state, const struct hook *hook)
{
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (state->tunnels[slot].ifindex == (__u32)hook->ifindex &&
		    state->tunnels[slot].netns == hook->netns)
			return &state->tunnels[slot];
	return NULL;
}

static bool is_program(const struct hook *hook, const char *name)
{
	return !strcmp(hook->program, name);
}

/* The program for a hook. tunnel: whose device it is, if it is ingress_inner's. */
static int program_fd(const struct state *state, const struct hook *hook,
		      const struct dscp_tunnel *tunnel)
{
	enum state_program program = EGRESS_INNER;

	if (is_program(hook, "egress_outer"))
		program = EGRESS_OUTER;
	else if (is_program(hook, "ingress_outer"))
		program = INGRESS_OUTER;
	else if (is_program(hook, "ingress_inner"))
		program = !tunnel || tunnel->way == DSCP_WAY_TC ? INGRESS_INNER
			  : tunnel->way == DSCP_WAY_PEEK	? PEEK_INNER
								: XDP_INNER;
	return state->programs[program];
}

static int attach_xdp(const struct state *state, const struct hook *hook)
{
	struct bpf_object *object = object_open_xdp(STATE_DIR);

	if (!object)
		return failed("cannot read", "the built-in BPF object", -errno);
	return hook_attach_xdp(STATE_DIR, hook, object, state->programs[XDP_INNER]);
}

static int attach(const struct state *state, const struct hook *hook,
		  const struct dscp_tunnel *tunnel, enum attach_kind kind)
{
	struct hook_state present;

	if (hook->point != HOOK_XDP)
		return hook_attach(STATE_DIR, hook, program_fd(state, hook, tunnel), kind);
	if (!hook_query(STATE_DIR, hook, &present) && present.health == HOOK_OK)
		return 0;
	return attach_xdp(state, hook);
}

/* A hook of an earlier load gets the program that is now in force; a broken one is left to the
 * next load of its tunnel. */
static int update_hook(const struct hook *hook, void *ctx)
{
	struct hook_state state;
	int err = hook_query(STATE_DIR, hook, &state);

	if (err || state.health != HOOK_OK)
		return 0;
	if (hook->point == HOOK_XDP)
		return attach_xdp(ctx, hook);
	return attach(ctx, hook, tunnel_of(ctx, hook), ATTACH_AUTO);
}

static int write_config(const struct state *state, __u64 build)
{
	struct dscp_config config = {
		.magic = DSCP_ABI_MAGIC,
		.version = DSCP_ABI_VERSION,
		.build = build,
	};
	__u32 zero = 0;

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (state->tunnels[slot].flags & DSCP_TUNNEL_EGRESS)
			config.kinds |= 1u << state->tunnels[slot].kind;
		if (state->tunnels[slot].flags & DSCP_TUNNEL_INGRESS)
			config.arriving |= 1u << state->tunnels[slot].kind;
	}
	if (!bpf_map_update_elem(state->maps[MAP_CONFIG], &zero, &config, BPF_ANY))
		return 0;
	return failed("cannot write", STATE_DIR "/maps/config", -errno);
}

/* Loads one of this tool's objects; the maps that are pinned already are used again. resize: not
 * the map flows, which is made with that capacity. */
static int load_object(struct state *state, enum object_id id, __u32 flows, bool resize)
{
	struct bpf_object *object;
	int err;

	log_reason_reset();
	object = object_open(id, STATE_DIR, flows);
	if (!object)
		return failed("cannot read", "the built-in BPF object", -errno);
	if (resize)
		bpf_map__set_pin_path(bpf_object__find_map_by_name(object, "flows"), NULL);
	err = bpf_object__load(object);
	if (err)
		failed("the kernel refuses", "the BPF object", err);
	else if ((err = take_descriptors(state, object, id)))
		failed("cannot keep", "the BPF object", err);
	bpf_object__close(object);
	return err;
}

static bool has_programs(const struct state *state, enum object_id id)
{
	for (int i = 0; i < N_PROGRAMS; i++)
		if (object_of(i) == id && state->programs[i] < 0)
			return false;
	return true;
}

int state_need(struct state *state, const struct dscp_tunnel *tunnel)
{
	enum object_id id = object_of_way(tunnel->way);
	int err;

	if (!(tunnel->flags & DSCP_TUNNEL_INGRESS) || has_programs(state, id))
		return 0;
	err = load_object(state, id, 0, false);
	return err ? err : pin_programs(state, id);
}

/* The programs of an older build, or a map of another size: load anew and exchange everywhere. */
static int renew(struct state *state, __u32 flows)
{
	bool resize = flows != map_capacity(state->maps[MAP_FLOWS]);
	int old[N_PROGRAMS], err = 0;

	memcpy(old, state->programs, sizeof(old));
	memset(state->programs, -1, sizeof(state->programs));
	for (int i = 0; i < N_PROGRAMS && !err; i++)
		if ((old[i] >= 0 || object_of(i) == OBJECT_EGRESS) && state->programs[i] < 0)
			err = load_object(state, object_of(i), flows,
					  resize && object_of(i) == OBJECT_EGRESS);
	if (!err)
		err = hook_for_each(STATE_DIR, update_hook, state);
	if (!err && resize)
		err = pin_resized(state);
	for (int i = 0; i < N_OBJECTS && !err; i++)
		if (has_programs(state, i))
			err = pin_programs(state, i);
	if (!err)
		err = write_config(state, objects_digest());
	for (int i = 0; i < N_PROGRAMS; i++)
		if (old[i] >= 0)
			close(old[i]);
	return err;
}

static int create(struct state *state, __u32 flows)
{
	int err = prepare_bpffs();

	if (!err)
		err = make_directories();
	if (!err)
		err = load_object(state, OBJECT_EGRESS, flows, false);
	if (!err)
		err = pin_programs(state, OBJECT_EGRESS);
	if (!err)
		err = read_tunnels(state);
	if (!err)
		err = write_config(state, objects_digest());
	if (err)
		state_remove();
	return err;
}

int state_create(struct state *state, uint32_t flows)
{
	struct dscp_config config = {};
	__u32 capacity;
	int err = state_open(state);

	if (err == -ENOENT) {
		state_remove(); /* of a load that was killed */
		err = create(state, flows);
	}
	if (!err)
		err = read_config(state->maps[MAP_CONFIG], &config);
	if (!err) {
		capacity = map_capacity(state->maps[MAP_FLOWS]);
		if (config.build != objects_digest() || !has_programs(state, OBJECT_EGRESS) ||
		    (flows && flows != capacity))
			err = renew(state, flows ? flows : capacity);
	}
	if (err)
		state_close(state);
	return err;
}

int state_counters(const struct state *state, enum state_map map, uint32_t slot,
		   struct dscp_counters *sum)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct dscp_counters *values;

	memset(sum, 0, sizeof(*sum));
	if (state->maps[map] < 0)
		return 0;
	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (bpf_map_lookup_elem(state->maps[map], &slot, values))
		err = -errno;
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		sum->marked += values[cpu].marked;
		sum->unchanged += values[cpu].unchanged;
		sum->unknown += values[cpu].unknown;
		sum->skipped += values[cpu].skipped;
		for (int dscp = 0; dscp < DSCP_VALUES; dscp++)
			sum->dscp[dscp] += values[cpu].dscp[dscp];
	}
	free(values);
	return err;
}

int state_clear_counters(const struct state *state, uint32_t slot)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct dscp_counters *values;

	if (cpus < 0)
		return cpus;
	values = calloc(cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	if (bpf_map_update_elem(state->maps[MAP_COUNTERS], &slot, values, BPF_ANY) ||
	    (state->maps[MAP_ARRIVALS] >= 0 &&
	     bpf_map_update_elem(state->maps[MAP_ARRIVALS], &slot, values, BPF_ANY)))
		err = -errno;
	free(values);
	return err ? failed("cannot write the counters in", STATE_DIR "/maps", err) : 0;
}

uint32_t state_find_ifindex(const struct state *state, uint32_t ifindex)
{
	uint64_t netns = hook_netns();

	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (state->tunnels[slot].ifindex == ifindex && state->tunnels[slot].netns == netns)
			return slot;
	return 0;
}

/* The name that a tunnel was loaded under still means that device, or none. */
static bool goes_by(const struct dscp_tunnel *tunnel, const char *name)
{
	char present[IF_NAMESIZE];

	return !strncmp(tunnel->name, name, DSCP_IFNAMSIZ) &&
	       (!if_indextoname(tunnel->ifindex, present) || !strcmp(present, name));
}

uint32_t state_find(const struct state *state, const char *name)
{
	unsigned int ifindex = if_nametoindex(name);
	uint32_t slot = ifindex ? state_find_ifindex(state, ifindex) : 0;
	uint64_t netns = hook_netns();

	for (uint32_t other = 1; !slot && other < DSCP_MAX_TUNNELS; other++) {
		const struct dscp_tunnel *t = &state->tunnels[other];

		if (t->ifindex && t->netns == netns && goes_by(t, name))
			slot = other;
	}
	return slot;
}

uint32_t state_free_slot(const struct state *state)
{
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (!state->tunnels[slot].ifindex)
			return slot;
	return 0;
}

const char *state_device_name(const struct state *state, uint32_t ifindex)
{
	const char *name = NULL;

	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (state->tunnels[slot].ifindex != ifindex)
			continue;
		if (name)
			return NULL;
		name = state->tunnels[slot].name;
	}
	return name;
}

/* The entries of ports, devices and endpoints follow from the tunnels: they are derived anew
 * whenever a tunnel changes, from all tunnels but the slot that is being freed. */

static bool by_source_port(__u8 kind)
{
	return kind == DSCP_KIND_WIREGUARD || kind == DSCP_KIND_UDP;
}

static bool has_port(const struct dscp_tunnel *tunnel, __u32 number)
{
	for (int i = 0; i < tunnel->n_ports; i++)
		if (tunnel->ports[i] == number)
			return tunnel->ifindex;
	return false;
}

static int derive_port(const struct state *state, __u32 number, __u32 freed)
{
	struct dscp_port port = {};

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		const struct dscp_tunnel *t = &state->tunnels[slot];

		if (slot == freed || !has_port(t, number))
			continue;
		if (t->flags & DSCP_TUNNEL_INGRESS)
			port.arrives = t->kind;
		if (t->flags & DSCP_TUNNEL_EGRESS)
			port.kind = t->kind;
		if (by_source_port(t->kind) ||
		    (t->flags & DSCP_TUNNEL_ANY_ID && t->flags & DSCP_TUNNEL_EGRESS))
			port.slot = slot;
	}
	return bpf_map_update_elem(state->maps[MAP_PORTS], &number, &port, BPF_ANY) ? -errno : 0;
}

/* Devices of two namespaces can have the same number; then it tells nothing. */
static int derive_device(const struct state *state, __u32 ifindex, __u32 freed)
{
	__u32 found = 0, n = 0;

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (state->tunnels[slot].ifindex != ifindex || slot == freed)
			continue;
		found = slot;
		n++;
	}
	if (n == 1)
		return bpf_map_update_elem(state->maps[MAP_DEVICES], &ifindex, &found, BPF_ANY)
			       ? -errno
			       : 0;
	return bpf_map_delete_elem(state->maps[MAP_DEVICES], &ifindex) && errno != ENOENT ? -errno
											  : 0;
}

static int derive_endpoint(const struct state *state, const struct dscp_endpoint *endpoint,
			   __u32 freed)
{
	int map = state->maps[MAP_ENDPOINTS];

	for (__u32 slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		if (slot != freed && state->tunnels[slot].flags & DSCP_TUNNEL_EGRESS &&
		    !memcmp(&state->tunnels[slot].endpoint, endpoint, sizeof(*endpoint)))
			return bpf_map_update_elem(map, endpoint, &slot, BPF_ANY) ? -errno : 0;
	}
	return bpf_map_delete_elem(map, endpoint) && errno != ENOENT ? -errno : 0;
}

static int derive(const struct state *state, const struct dscp_tunnel *tunnel, __u32 freed)
{
	int err = 0;

	if (!tunnel->ifindex)
		return 0;
	for (int i = 0; i < tunnel->n_ports && !err; i++)
		err = derive_port(state, tunnel->ports[i], freed);
	if (!err)
		err = derive_device(state, tunnel->ifindex, freed);
	if (!err && tunnel->endpoint.kind)
		err = derive_endpoint(state, &tunnel->endpoint, freed);
	return err;
}

static int write_tunnel(struct state *state, __u32 slot, const struct dscp_tunnel *tunnel)
{
	state->tunnels[slot] = *tunnel;
	return bpf_map_update_elem(state->maps[MAP_TUNNELS], &slot, tunnel, BPF_ANY) ? -errno : 0;
}

int state_register(struct state *state, uint32_t slot, const struct dscp_tunnel *tunnel)
{
	const struct dscp_tunnel old = state->tunnels[slot];
	int err = 0;

	/* No packet may find a slot that says nothing: entries that point to it go first. */
	if (!tunnel->ifindex)
		err = derive(state, &old, slot);
	if (!err)
		err = write_tunnel(state, slot, tunnel);
	if (!err)
		err = derive(state, tunnel, 0);
	if (!err)
		err = derive(state, &old, 0);
	if (err)
		return failed("cannot write the maps in", STATE_DIR, err);
	if (old.ifindex && old.ifindex != tunnel->ifindex)
		forget_recent(state);
	return write_config(state, objects_digest());
}

/* The hooks of one program, on all uplinks. */
static unsigned int uplink_hooks(const struct dscp_tunnel *t, struct hook *hooks,
				 const char *program, enum hook_point point)
{
	for (int i = 0; i < t->n_uplinks; i++)
		hooks[i] = hook_for(program, point, t->netns, t->uplinks[i], t->uplink_names[i]);
	return t->n_uplinks;
}

unsigned int state_hooks(const struct dscp_tunnel *t, struct hook *hooks)
{
	unsigned int n = 0;

	if (t->flags & DSCP_TUNNEL_EGRESS) {
		if (!(t->flags & DSCP_TUNNEL_FIXED))
			hooks[n++] = hook_for("egress_inner", HOOK_EGRESS, t->netns, t->ifindex,
					      t->name);
		n += uplink_hooks(t, hooks + n, "egress_outer", HOOK_EGRESS);
	}
	if (t->flags & DSCP_TUNNEL_INGRESS) {
		if (t->way != DSCP_WAY_PEEK)
			n += uplink_hooks(t, hooks + n, "ingress_outer",
					  t->way == DSCP_WAY_XDP ? HOOK_XDP : HOOK_INGRESS);
		hooks[n++] = hook_for("ingress_inner", HOOK_INGRESS, t->netns, t->ifindex, t->name);
	}
	return n;
}

static enum hook_stage stage_of(const struct hook *hook)
{
	return is_program(hook, "egress_inner") || is_program(hook, "ingress_outer") ? STAGE_READ
										     : STAGE_WRITE;
}

int state_attach(const struct state *state, const struct dscp_tunnel *tunnel, enum hook_stage stage,
		 enum attach_kind kind)
{
	struct hook hooks[MAX_HOOKS];
	unsigned int n = state_hooks(tunnel, hooks);
	int err = 0;

	for (unsigned int i = 0; i < n && !err; i++)
		if (stage_of(&hooks[i]) == stage)
			err = attach(state, &hooks[i], tunnel, kind);
	return err;
}

int state_hook_states(const struct dscp_tunnel *tunnel, struct hook_state *states)
{
	struct hook hooks[MAX_HOOKS];
	unsigned int n = state_hooks(tunnel, hooks);
	int err = 0;

	for (unsigned int i = 0; i < n && !err; i++)
		err = hook_query(STATE_DIR, &hooks[i], &states[i]);
	return err ? failed("cannot read", STATE_DIR "/hooks", err) : 0;
}

void state_attach_back(const struct state *state, const struct dscp_tunnel *tunnel,
		       const struct hook_state *before)
{
	struct hook hooks[MAX_HOOKS];
	unsigned int n = state_hooks(tunnel, hooks);

	for (unsigned int i = 0; i < n; i++)
		if (before[i].health == HOOK_OK && hooks[i].point != HOOK_XDP)
			attach(state, &hooks[i], tunnel_of(state, &hooks[i]), before[i].attach);
}

static bool hook_needed(const struct state *state, const struct hook *hook)
{
	struct hook hooks[MAX_HOOKS];

	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++) {
		unsigned int n = state->tunnels[slot].ifindex
					 ? state_hooks(&state->tunnels[slot], hooks)
					 : 0;

		for (unsigned int i = 0; i < n; i++)
			if (hooks[i].netns == hook->netns && hooks[i].ifindex == hook->ifindex &&
			    hooks[i].point == hook->point && is_program(hook, hooks[i].program))
				return true;
	}
	return false;
}

struct prune {
	const struct state *state;
	int err;
};

/* One that cannot be removed from here is no reason to keep the others. */
static int prune_hook(const struct hook *hook, void *ctx)
{
	struct prune *prune = ctx;
	int err = hook_needed(prune->state, hook) ? 0 : hook_detach(STATE_DIR, hook);

	if (err)
		prune->err = err;
	return 0;
}

int state_prune(struct state *state)
{
	struct prune prune = { .state = state };
	int err = hook_for_each(STATE_DIR, prune_hook, &prune);

	if (err)
		return failed("cannot list", STATE_DIR "/hooks", err);
	if (prune.err)
		return prune.err;
	for (uint32_t slot = 1; slot < DSCP_MAX_TUNNELS; slot++)
		if (state->tunnels[slot].ifindex)
			return 0;
	state_remove();
	return 0;
}
