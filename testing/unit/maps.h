/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The maps of a loaded object, set back between two cases: a load takes 0.4 s in a test machine. */
#ifndef MAPS_H
#define MAPS_H

#include <bpf/libbpf.h>
#include <stddef.h>
#include <stdint.h>

#include <dscp/abi.h>

#define MAX_AREAS 8

struct maps {
	struct bpf_object *object;
	uint32_t slots; /* that a test reads of a per-CPU array; the others are never used */
	uint32_t n_cpus;
	struct dscp_counters *counters; /* room for each CPU of each slot */
	unsigned int n_areas;
	struct {
		const char *name;
		void *start;
		size_t size;
	} areas[MAX_AREAS]; /* arrays, as shared memory */
};

/* Before the load: nothing is pinned, and arrays can be shared memory. */
void maps_prepare(struct bpf_object *object);

/* After the load. */
void maps_open(struct maps *maps, struct bpf_object *object, uint32_t slots);
void maps_close(struct maps *maps);

/* All maps are as after the load. */
void maps_clear(struct maps *maps);

/* Returns the array with a name that ends so. */
void *maps_area(const struct maps *maps, const char *name);

/* Adds up the CPUs' values of each slot in that per-CPU array. */
void maps_read_counters(const struct maps *maps, const char *name, struct dscp_counters *sums);

/* Fails the test if the counters of that slot are others. */
void maps_assert_counters(const struct dscp_counters *got, const struct dscp_counters *want,
			  int slot);

/* Writes something into all maps. */
void maps_fill(struct maps *maps);

/* Fails the test if a system call finds anything in a map. */
void maps_assert_clear(struct maps *maps);

#endif
