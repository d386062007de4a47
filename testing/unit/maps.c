/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Set the maps of a loaded object back to their state after the load. */
#include "maps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>

#define MAX_KEY 64
#define ENTRIES 100 /* of a hash table, by maps_fill() */

/* Constants cannot change, and programs are put into a table once. */
static bool is_fixed(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_PROG_ARRAY ||
	       strstr(bpf_map__name(map), ".rodata");
}

/* As the kernel has them in memory. */
static size_t array_size(const struct bpf_map *map)
{
	return (size_t)bpf_map__max_entries(map) * ((bpf_map__value_size(map) + 7) & ~7u);
}

static bool is_array(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_ARRAY && !is_fixed(map);
}

void maps_prepare(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		bpf_map__set_pin_path(map, NULL);
		if (is_array(map))
			bpf_map__set_map_flags(map, bpf_map__map_flags(map) | BPF_F_MMAPABLE);
	}
}

void maps_open(struct maps *maps, struct bpf_object *object, uint32_t slots)
{
	struct bpf_map *map;
	void *start;

	*maps = (struct maps){ .object = object,
			       .slots = slots,
			       .n_cpus = libbpf_num_possible_cpus() };
	maps->counters = calloc(slots * maps->n_cpus, sizeof(*maps->counters));
	assert_non_null(maps->counters);
	bpf_object__for_each_map (map, object) {
		if (!is_array(map))
			continue;
		assert_true(maps->n_areas < MAX_AREAS);
		start = mmap(NULL, array_size(map), PROT_READ | PROT_WRITE, MAP_SHARED,
			     bpf_map__fd(map), 0);
		assert_ptr_not_equal(start, MAP_FAILED);
		maps->areas[maps->n_areas].name = bpf_map__name(map);
		maps->areas[maps->n_areas].start = start;
		maps->areas[maps->n_areas++].size = array_size(map);
	}
}

void maps_close(struct maps *maps)
{
	while (maps->n_areas > 0) {
		maps->n_areas--;
		munmap(maps->areas[maps->n_areas].start, maps->areas[maps->n_areas].size);
	}
	free(maps->counters);
	maps->counters = NULL;
}

void *maps_area(const struct maps *maps, const char *name)
{
	for (unsigned int i = 0; i < maps->n_areas; i++) {
		const char *full = maps->areas[i].name;
		size_t len = strlen(full), end = strlen(name);

		if (len >= end && !strcmp(full + len - end, name))
			return maps->areas[i].start;
	}
	fail_msg("there is no array %s", name);
	return NULL;
}

static void add_counters(struct dscp_counters *sum, const struct dscp_counters *counters)
{
	const uint64_t *from = (const uint64_t *)counters;
	uint64_t *to = (uint64_t *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

/* Passes over values of zero, which nearly all are: a sanitizer looks at each number that is
 * added. */
void maps_read_counters(const struct maps *maps, const char *name, struct dscp_counters *sums)
{
	static const struct dscp_counters zero;
	uint32_t *keys = calloc(maps->slots, sizeof(*keys)), next, count = maps->slots;
	int fd = bpf_object__find_map_fd_by_name(maps->object, name);

	assert_non_null(keys);
	assert_int_equal(bpf_map_lookup_batch(fd, NULL, &next, keys, maps->counters, &count, NULL),
			 0);
	assert_int_equal(count, maps->slots);
	free(keys);
	memset(sums, 0, maps->slots * sizeof(*sums));
	for (uint32_t i = 0; i < maps->slots * maps->n_cpus; i++)
		if (memcmp(&maps->counters[i], &zero, sizeof(zero)))
			add_counters(&sums[i / maps->n_cpus], &maps->counters[i]);
}

/* cmocka compares byte by byte, which is a third of all the time of a test. */
void maps_assert_counters(const struct dscp_counters *got, const struct dscp_counters *want,
			  int slot)
{
	if (!memcmp(got, want, sizeof(*got)))
		return;
	print_error("counters of slot %d\n", slot);
	assert_memory_equal(got, want, sizeof(*got));
}

/* Each key is looked for while the one before it is still there: from nowhere the kernel would
 * search all empty buckets again. */
static void clear_hash(const struct bpf_map *map)
{
	uint8_t keys[2][MAX_KEY];
	int fd = bpf_map__fd(map), now = 0;
	bool more;

	assert_true(bpf_map__key_size(map) <= MAX_KEY);
	more = !bpf_map_get_next_key(fd, NULL, keys[now]);
	while (more) {
		more = !bpf_map_get_next_key(fd, keys[now], keys[!now]);
		assert_int_equal(bpf_map_delete_elem(fd, keys[now]), 0);
		now = !now;
	}
}

/* Sets a per-CPU array: the values of all CPUs of all slots are this byte. */
static void set_slots(const struct maps *maps, const struct bpf_map *map, int byte)
{
	size_t size = (size_t)maps->n_cpus * ((bpf_map__value_size(map) + 7) & ~7u);
	uint8_t *values = malloc(size);

	assert_non_null(values);
	memset(values, byte, size);
	for (uint32_t slot = 0; slot < maps->slots; slot++)
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &slot, values, BPF_ANY), 0);
	free(values);
}

void maps_clear(struct maps *maps)
{
	struct bpf_map *map;

	for (unsigned int i = 0; i < maps->n_areas; i++)
		memset(maps->areas[i].start, 0, maps->areas[i].size);
	bpf_object__for_each_map (map, maps->object) {
		if (is_fixed(map) || is_array(map))
			continue;
		if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
			set_slots(maps, map, 0);
		else
			clear_hash(map);
	}
}

/* The first word is the length of a prefix, in a trie. */
static void fill_hash(const struct bpf_map *map)
{
	uint8_t key[MAX_KEY] = { 0 }, *value = calloc(1, bpf_map__value_size(map));

	assert_non_null(value);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		memcpy(key, &i, sizeof(i));
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
	}
	free(value);
}

void maps_fill(struct maps *maps)
{
	struct bpf_map *map;

	for (unsigned int i = 0; i < maps->n_areas; i++)
		memset(maps->areas[i].start, 0xff, maps->areas[i].size);
	bpf_object__for_each_map (map, maps->object) {
		if (is_fixed(map) || is_array(map))
			continue;
		if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
			set_slots(maps, map, 0xff);
		else
			fill_hash(map);
	}
}

static void assert_zero(const struct bpf_map *map, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			fail_msg("byte %zu of %s is %u", i, bpf_map__name(map), bytes[i]);
}

/* Clears an array, of one value per CPU or not. */
static void assert_values_zero(const struct bpf_map *map, uint32_t entries, size_t value_size)
{
	uint32_t *keys = calloc(entries, sizeof(*keys)), next, count = entries;
	uint8_t *values = malloc(entries * value_size);

	assert_non_null(keys);
	assert_non_null(values);
	bpf_map_lookup_batch(bpf_map__fd(map), NULL, &next, keys, values, &count, NULL);
	assert_int_equal(count, entries);
	assert_zero(map, values, entries * value_size);
	free(values);
	free(keys);
}

void maps_assert_clear(struct maps *maps)
{
	struct bpf_map *map;
	uint8_t key[MAX_KEY];

	bpf_object__for_each_map (map, maps->object) {
		size_t size = bpf_map__value_size(map);

		if (is_fixed(map))
			continue;
		if (is_array(map))
			assert_values_zero(map, bpf_map__max_entries(map), size);
		else if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
			assert_values_zero(map, maps->slots, maps->n_cpus * ((size + 7) & ~7u));
		else
			assert_int_equal(bpf_map_get_next_key(bpf_map__fd(map), NULL, key),
					 -ENOENT);
	}
}
