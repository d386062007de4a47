/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Opens the BPF objects that the tool carries, with the maps that are pinned. */
#include "state/objects.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "state/balance.h"
#include "tunnel/request.h"
#include "util/embedded.h"

EMBEDDED(dscp_egress_bpf);
EMBEDDED(dscp_ingress_bpf);
EMBEDDED(dscp_ingress_peek_bpf);
EMBEDDED(dscp_ingress_xdp_bpf);

#define OBJECT(name) "dscp_" #name, dscp_##name##_bpf_start, dscp_##name##_bpf_end

static const struct {
	const char *name;
	const unsigned char *start, *end;
} objects[N_OBJECTS] = {
	[OBJECT_EGRESS] = { OBJECT(egress) },
	[OBJECT_INGRESS] = { OBJECT(ingress) },
#ifdef HAVE_CORE
	[OBJECT_PEEK] = { OBJECT(ingress_peek) },
#endif
	[OBJECT_XDP] = { OBJECT(ingress_xdp) },
};

/* As the objects declare them, or as the tool makes them. */
static const struct {
	const char *name;
	uint8_t type;
	uint8_t key_size;
	uint16_t value_size;
	uint32_t max_entries; /* 0: see capacity_fits() */
} maps[N_MAPS] = {
	[MAP_CONFIG] = { "config", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct dscp_config), 1 },
	[MAP_TUNNELS] = { "tunnels", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct dscp_tunnel),
			  DSCP_MAX_TUNNELS },
	[MAP_PORTS] = { "ports", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct dscp_port), 65536 },
	[MAP_ENDPOINTS] = { "endpoints", BPF_MAP_TYPE_HASH, sizeof(struct dscp_endpoint), 4,
			    DSCP_MAX_ENDPOINTS },
	[MAP_DEVICES] = { "devices", BPF_MAP_TYPE_HASH, 4, 4, DSCP_MAX_TUNNELS },
	[MAP_PREFIXES] = { "prefixes", BPF_MAP_TYPE_LPM_TRIE, sizeof(struct dscp_prefix),
			   sizeof(struct dscp_policy), DSCP_PREFIXES },
	[MAP_STAMPS] = { "stamps", BPF_MAP_TYPE_LRU_HASH, 4, sizeof(struct dscp_stamp), 0 },
	[MAP_STAMP_CACHE] = { "stamp_cache", BPF_MAP_TYPE_ARRAY, 4, 4, DSCP_STAMP_CACHE },
	[MAP_FRAGMENTS] = { "fragments", BPF_MAP_TYPE_LRU_HASH, sizeof(struct dscp_fragment_key),
			    sizeof(struct dscp_fragment), DSCP_FRAGMENTS },
	[MAP_COUNTERS] = { "counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, sizeof(struct dscp_counters),
			   0 },
	[MAP_PRESENT] = { "present", BPF_MAP_TYPE_DEVMAP, 4, 4, PRESENT_ENTRIES },
	[MAP_REQUESTS] = { "requests", BPF_MAP_TYPE_HASH, 4, sizeof(struct request),
			   DSCP_MAX_TUNNELS },
	[MAP_BALANCE] = { "balance", BPF_MAP_TYPE_HASH, 4, sizeof(struct balance),
			  DSCP_MAX_TUNNELS },
	[MAP_NOTE_CACHE] = { "note_cache", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct dscp_bucket),
			     DSCP_NOTE_CACHE },
	[MAP_NOTES] = { "notes", BPF_MAP_TYPE_LRU_HASH, sizeof(struct dscp_note_key),
			sizeof(struct dscp_note), DSCP_NOTES },
	[MAP_INGRESS_COUNTERS] = { "ingress_counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
				   sizeof(struct dscp_counters), 0 },
	[MAP_CARRIED] = { "carried", BPF_MAP_TYPE_HASH, 4, sizeof(struct dscp_carried),
			  DSCP_CARRIED },
};

const char *objects_map_name(enum pinned_map map)
{
	return maps[map].name;
}

int objects_make_map(enum pinned_map map)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts,
		    .map_flags = maps[map].type == BPF_MAP_TYPE_HASH ? BPF_F_NO_PREALLOC : 0);
	int fd = bpf_map_create(maps[map].type, maps[map].name, maps[map].key_size,
				maps[map].value_size, maps[map].max_entries, &opts);

	return fd < 0 ? -errno : fd;
}

static bool capacity_fits(enum pinned_map map, uint32_t entries)
{
	if (maps[map].max_entries)
		return entries == maps[map].max_entries;
	/* stamps can have any, both counters start with few and double. */
	return map == MAP_STAMPS || (entries >= DSCP_FIRST_SLOTS && entries <= DSCP_MAX_TUNNELS &&
				     !(entries & (entries - 1)));
}

bool objects_map_fits(enum pinned_map map, int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	/* The kernel describes a program or a link in another way, which does not fit. */
	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == maps[map].type &&
	       info.key_size == maps[map].key_size && info.value_size == maps[map].value_size &&
	       capacity_fits(map, info.max_entries);
}

bool objects_program_fits(enum program program, int fd)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == BPF_PROG_TYPE_SCHED_CLS &&
	       !strncmp(info.name, programs[program].name, sizeof(info.name) - 1);
}

enum object_id objects_of_method(enum dscp_method method)
{
	return method == DSCP_METHOD_TC	    ? OBJECT_INGRESS
	       : method == DSCP_METHOD_PEEK ? OBJECT_PEEK
					    : OBJECT_XDP;
}

bool objects_has(enum object_id id)
{
	return objects[id].name;
}

uint64_t objects_digest(void)
{
	uint64_t digest = 0xcbf29ce484222325ull;

	for (int i = 0; i < N_OBJECTS; i++)
		if (objects_has(i))
			digest = (digest ^ embedded_sum(objects[i].end)) * 0x100000001b3ull;
	return digest;
}

static int set_map(struct bpf_map *m, enum pinned_map map, const char *dir, int fd,
		   const struct object_sizes *sizes)
{
	const uint32_t entries = fd < 0 ? sizes->entries[map] : 0;
	char path[PATH_MAX];
	int err;

	snprintf(path, sizeof(path), "%s/maps/%s", dir, objects_map_name(map));
	err = bpf_map__set_pin_path(m, fd >= 0 || (entries && sizes->unpinned) ? NULL : path);
	if (!err && fd >= 0)
		err = bpf_map__reuse_fd(m, fd);
	if (!err && entries)
		err = bpf_map__set_max_entries(m, entries);
	return err;
}

static struct bpf_object *open_object(enum object_id id, const char *dir, const int fds[N_MAPS],
				      const struct object_sizes *sizes)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = objects[id].name);
	struct bpf_object *object = embedded_open(objects[id].start, objects[id].end, &opts);
	struct bpf_map *m;
	int err = 0;

	for (int map = 0; object && !err && map < N_MAPS; map++) {
		m = bpf_object__find_map_by_name(object, objects_map_name(map));
		if (m)
			err = set_map(m, map, dir, fds[map], sizes);
	}
	if (!err)
		return object;
	bpf_object__close(object);
	errno = -err;
	return NULL;
}

static bool is_xdp(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_XDP;
}

struct bpf_object *objects_open(enum object_id id, const char *dir, const int fds[N_MAPS],
				const struct object_sizes *sizes)
{
	struct bpf_object *object = open_object(id, dir, fds, sizes);
	struct bpf_program *program;

	/* Each section has a separate name, so that `tc ... sec NAME` can tell them apart; libbpf
	 * does not derive the type from those. */
	if (object)
		bpf_object__for_each_program (program, object) {
			if (is_xdp(program))
				bpf_program__set_autoload(program, false);
			else
				bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
		}
	return object;
}

struct bpf_object *objects_open_xdp(const char *dir, const int fds[N_MAPS])
{
	const struct object_sizes sizes = {};
	struct bpf_object *object = open_object(OBJECT_XDP, dir, fds, &sizes);
	struct bpf_program *program;

	if (object)
		bpf_object__for_each_program (program, object)
			bpf_program__set_autoload(program, is_xdp(program));
	return object;
}

int objects_program_fd(const struct bpf_object *object, enum object_id id, enum program program)
{
	if (programs[program].object != id)
		return -1;
	return bpf_program__fd(bpf_object__find_program_by_name(object, programs[program].name));
}
