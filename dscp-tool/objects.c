/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include <bpf/libbpf.h>

#include "objects.h"
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

static const struct {
	enum object_id object;
	const char *name; /* in the object */
	const char *pin;
} programs[N_PROGRAMS] = {
	[EGRESS_INNER] = { OBJECT_EGRESS, "egress_inner", "egress_inner" },
	[EGRESS_INNER_PEERS] = { OBJECT_EGRESS, "egress_inner_peers", "egress_inner_peers" },
	[EGRESS_OUTER] = { OBJECT_EGRESS, "egress_outer", "egress_outer" },
	[INGRESS_INNER] = { OBJECT_INGRESS, "ingress_inner", "ingress_inner" },
	[INGRESS_OUTER] = { OBJECT_INGRESS, "ingress_outer", "ingress_outer" },
	[PEEK_INNER] = { OBJECT_PEEK, "ingress_inner", "ingress_inner_peek" },
	[XDP_INNER] = { OBJECT_XDP, "ingress_inner", "ingress_inner_xdp" },
};

const char *object_map_name(enum state_map map)
{
	static const char *const names[N_MAPS] = {
		[MAP_CONFIG] = "config",     [MAP_TUNNELS] = "tunnels",
		[MAP_PORTS] = "ports",	     [MAP_ENDPOINTS] = "endpoints",
		[MAP_DEVICES] = "devices",   [MAP_PEERS] = "peers",
		[MAP_FLOWS] = "flows",	     [MAP_RECENT] = "recent",
		[MAP_COUNTERS] = "counters", [MAP_WAITING] = "waiting",
		[MAP_INFLIGHT] = "inflight", [MAP_ARRIVALS] = "arrivals",
	};

	return names[map];
}

const char *object_program_pin(enum state_program program)
{
	return programs[program].pin;
}

enum object_id object_of(enum state_program program)
{
	return programs[program].object;
}

enum object_id object_of_way(enum dscp_way way)
{
	return way == DSCP_WAY_TC     ? OBJECT_INGRESS
	       : way == DSCP_WAY_PEEK ? OBJECT_PEEK
				      : OBJECT_XDP;
}

bool object_present(enum object_id id)
{
	return objects[id].name;
}

uint64_t objects_digest(void)
{
	uint64_t digest = 0xcbf29ce484222325ull;

	for (int i = 0; i < N_OBJECTS; i++)
		if (object_present(i))
			digest = (digest ^ embedded_sum(objects[i].end)) * 0x100000001b3ull;
	return digest;
}

static void set_map(struct bpf_object *object, enum state_map map, const char *dir, uint32_t flows)
{
	struct bpf_map *m = bpf_object__find_map_by_name(object, object_map_name(map));
	char path[PATH_MAX];

	if (!m)
		return;
	snprintf(path, sizeof(path), "%s/maps/%s", dir, object_map_name(map));
	bpf_map__set_pin_path(m, path);
	if (map == MAP_FLOWS && flows)
		bpf_map__set_max_entries(m, flows);
}

static struct bpf_object *open_object(enum object_id id, const char *dir, uint32_t flows)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = objects[id].name);
	struct bpf_object *object = embedded_open(objects[id].start, objects[id].end, &opts);

	for (int map = 0; object && map < N_MAPS; map++)
		set_map(object, map, dir, flows);
	return object;
}

static bool is_xdp(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_XDP;
}

struct bpf_object *object_open(enum object_id id, const char *dir, uint32_t flows)
{
	struct bpf_object *object = open_object(id, dir, flows);
	struct bpf_program *program;

	/* The sections have names of their own, so that `tc ... sec NAME` can tell them apart;
	 * libbpf does not derive the type from those. */
	if (object)
		bpf_object__for_each_program (program, object) {
			if (is_xdp(program))
				bpf_program__set_autoload(program, false);
			else
				bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
		}
	return object;
}

struct bpf_object *object_open_xdp(const char *dir)
{
	struct bpf_object *object = open_object(OBJECT_XDP, dir, 0);
	struct bpf_program *program;

	if (object)
		bpf_object__for_each_program (program, object)
			bpf_program__set_autoload(program, is_xdp(program));
	return object;
}

int object_program_fd(const struct bpf_object *object, enum object_id id,
		      enum state_program program)
{
	if (programs[program].object != id)
		return -1;
	return bpf_program__fd(bpf_object__find_program_by_name(object, programs[program].name));
}
