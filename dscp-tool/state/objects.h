/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The BPF objects that the tool carries (embed.S), and their maps and programs. */
#ifndef STATE_OBJECTS_H
#define STATE_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include <dscp/abi.h>

#include "state/programs.h"

enum pinned_map {
	MAP_CONFIG,
	MAP_TUNNELS,
	MAP_PORTS,
	MAP_ENDPOINTS,
	MAP_DEVICES,
	MAP_PREFIXES,
	MAP_STAMPS,
	MAP_STAMP_CACHE,
	MAP_FRAGMENTS,
	MAP_COUNTERS,
	/* Maps of the tool, in none of the objects: see pins_make_map(). */
	MAP_PRESENT,
	MAP_REQUESTS,
	MAP_BALANCE,
	/* Only with ingress. */
	MAP_NOTE_CACHE,
	MAP_NOTES,
	MAP_INGRESS_COUNTERS,
	/* In no object. */
	MAP_CARRIED,
	N_MAPS,
};

/* The entries of a tunnel, in the map present. */
enum presence { PRESENT_DEVICE, PRESENT_NETNS, PRESENT_UPLINK_NETNS, N_PRESENT };
#define PRESENT_ENTRIES (N_PRESENT * DSCP_MAX_TUNNELS)

#define N_EGRESS_MAPS MAP_NOTE_CACHE

struct bpf_object;

/* Name of a map in its object and of its pin. */
const char *objects_map_name(enum pinned_map map);
/* Makes a map that is in no object. Returns its descriptor, or a negative errno. */
int objects_make_map(enum pinned_map map);
/* Tells whether the descriptor is a map of this type and these sizes. */
bool objects_map_fits(enum pinned_map map, int fd);
/* Tells whether the descriptor is a program of this name, for TC. */
bool objects_program_fits(enum program program, int fd);
/* Returns the object for ingress by that method. */
enum object_id objects_of_method(enum dscp_method method);

/* False for the object of the method peek if the BPF compiler lacks CO-RE. */
bool objects_has(enum object_id id);

/* Returns the digest of all objects, which tells whether pinned programs are this tool's. It does
 * not depend on their packed form, so that another gzip makes no difference. */
uint64_t objects_digest(void);

/* Maps that are to be made: their capacities, if not 0, and whether a map with a capacity given
 * here is pinned (as NAME in dir, like the others). */
struct object_sizes {
	uint32_t entries[N_MAPS];
	bool unpinned;
};

/* Opens an object with the maps of these descriptors, and new ones where there is none (-1). NULL:
 * errno tells why. */
struct bpf_object *objects_open(enum object_id id, const char *dir, const int fds[N_MAPS],
				const struct object_sizes *sizes);

/* The same with the XDP program alone, for libxdp to load. All maps are there. */
struct bpf_object *objects_open_xdp(const char *dir, const int fds[N_MAPS]);

/* Descriptor of one of the programs of a loaded object, or -1 if it is of another object. */
int objects_program_fd(const struct bpf_object *object, enum object_id id, enum program program);

#endif
