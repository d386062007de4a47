/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads the counters of a tunnel, and keeps them when their array grows. */
#include "state/counters.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "state/kernel.h"
#include "state/map.h"
#include "state/pins.h"
#include "util/macros.h"

#define N_WORDS (sizeof(struct dscp_counters) / sizeof(__u64))
#define WORD(field) (offsetof(struct dscp_counters, field) / sizeof(__u64))
#define FIELD(name, n, of_data)                                                                    \
	{                                                                                          \
#name, WORD(name), n, of_data                                                      \
	}

const struct counter_field counter_fields[N_COUNTERS] = {
	[COUNTER_MARKED] = FIELD(marked, 1, true),
	[COUNTER_UNCHANGED] = FIELD(unchanged, 1, true),
	[COUNTER_UNKNOWN] = FIELD(unknown, DSCP_REASONS, true),
	[COUNTER_SKIPPED] = FIELD(skipped, 1, false),
};

const char counter_reasons[DSCP_REASONS][16] = {
	[DSCP_NO_STAMP] = "no_stamp",	      [DSCP_NOT_IP] = "not_ip",
	[DSCP_FRAGMENT] = "fragment",	      [DSCP_UNREADABLE] = "unreadable",
	[DSCP_NO_NOTE] = "no_note",	      [DSCP_OTHER_HEADER] = "other_header",
	[DSCP_OTHER_LENGTH] = "other_length", [DSCP_AMBIGUOUS] = "ambiguous",
};

static uint64_t sum_of(const __u64 *words, unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += words[i];
	return sum;
}

uint64_t counters_get(const struct dscp_counters *counters, unsigned int field)
{
	return sum_of((const __u64 *)counters + counter_fields[field].word,
		      counter_fields[field].n);
}

uint64_t counters_stamped(const struct dscp_counters *counters)
{
	return counters->stamped_bytes ? sum_of(counters->came_with, DSCP_VALUES) : 0;
}

uint64_t counters_seen(const struct dscp_counters *counters)
{
	uint64_t seen = 0;

	for (unsigned int i = 0; i < N_COUNTERS; i++)
		seen += counter_fields[i].of_data ? counters_get(counters, i) : 0;
	return seen;
}

/* Room for the counters on all CPUs; NULL: see errno. */
static struct dscp_counters *per_cpu(int *cpus)
{
	*cpus = libbpf_num_possible_cpus();
	return *cpus < 0 ? NULL : calloc(*cpus, sizeof(struct dscp_counters));
}

#define ONCE_LESS UINT64_MAX /* unsigned numbers wrap */

/* Adds the counts of another once (1), or takes them away (ONCE_LESS). */
static void add(struct dscp_counters *sum, const struct dscp_counters *other, uint64_t times)
{
	for (unsigned int i = 0; i < N_WORDS; i++)
		((__u64 *)sum)[i] += times * ((const __u64 *)other)[i];
}

bool counters_have_grown(const struct dscp_counters *now, const struct dscp_counters *before)
{
	for (unsigned int i = 0; i < N_WORDS; i++)
		if (((const __u64 *)now)[i] < ((const __u64 *)before)[i])
			return false;
	return true;
}

struct dscp_counters counters_since(const struct dscp_counters *now,
				    const struct dscp_counters *before)
{
	struct dscp_counters since = *now;

	if (before)
		add(&since, before, ONCE_LESS);
	return since;
}

/* Adds the counts of an array; of a slot that it has no room for, nothing. */
static int add_array(int fd, uint32_t slot, struct dscp_counters *sum)
{
	int cpus, err = 0;
	struct dscp_counters *values = per_cpu(&cpus);

	if (!values)
		return -errno;
	if (bpf_map_lookup_elem(fd, &slot, values))
		err = errno == ENOENT ? 0 : -errno;
	else
		for (int cpu = 0; cpu < cpus; cpu++)
			add(sum, &values[cpu], 1);
	free(values);
	return err;
}

static uint32_t carried_key(enum pinned_map map, uint32_t slot)
{
	return map == MAP_INGRESS_COUNTERS ? slot | DSCP_CARRIED_INGRESS : slot;
}

/* Reads the counts of earlier arrays; all zero if there is nothing. */
static int read_carried(const struct pins *pins, uint32_t key, struct dscp_carried *carried)
{
	memset(carried, 0, sizeof(*carried));
	if (pins->maps[MAP_CARRIED] < 0 ||
	    !bpf_map_lookup_elem(pins->maps[MAP_CARRIED], &key, carried) || errno == ENOENT)
		return 0;
	return -errno;
}

int counters_read(const struct pins *pins, enum pinned_map map, uint32_t slot,
		  struct dscp_counters *sum)
{
	int fd = pins->maps[map], err;
	struct dscp_carried carried;

	err = read_carried(pins, carried_key(map, slot), &carried);
	*sum = carried.counters;
	if (err || fd < 0 || (carried.map && carried.map == map_id(fd)))
		return err;
	return add_array(fd, slot, sum);
}

static int clear(const struct pins *pins, enum pinned_map map, uint32_t slot)
{
	uint32_t key = carried_key(map, slot);
	int cpus, err = 0;
	struct dscp_counters *values;

	if (pins->maps[MAP_CARRIED] >= 0 && bpf_map_delete_elem(pins->maps[MAP_CARRIED], &key) &&
	    errno != ENOENT)
		return -errno;
	if (pins->maps[map] < 0)
		return 0;
	values = per_cpu(&cpus);
	if (!values || bpf_map_update_elem(pins->maps[map], &slot, values, BPF_ANY))
		err = -errno;
	free(values);
	return err;
}

static int with_reason(const struct pins *pins, int err)
{
	return err ? pins_failed(pins, err, "cannot write the counters in", "/maps") : 0;
}

int counters_clear(const struct pins *pins, uint32_t slot)
{
	int err = clear(pins, MAP_COUNTERS, slot);

	return with_reason(pins, err ? err : clear(pins, MAP_INGRESS_COUNTERS, slot));
}

uint32_t counters_wanted(const struct pins *pins, enum pinned_map map, uint32_t slot)
{
	uint32_t slots = pins->maps[map] < 0 ? 0 : map_capacity(pins->maps[map]);
	uint32_t wanted = slots;

	while (wanted && wanted <= slot)
		wanted *= 2;
	return wanted == slots ? 0 : wanted;
}

/* The counts and the array that they end with change in one step. */
static int carry_slot(struct pins *pins, int old, uint32_t id, uint32_t slot, uint32_t key)
{
	const struct dscp_counters none = {};
	struct dscp_counters sum = {};
	struct dscp_carried carried = {};
	int err = add_array(old, slot, &sum);

	if (!err)
		err = read_carried(pins, key, &carried);
	if (err || carried.map == id || !memcmp(&sum, &none, sizeof(sum)))
		return err;
	add(&carried.counters, &sum, 1);
	carried.map = id;
	return bpf_map_update_elem(pins->maps[MAP_CARRIED], &key, &carried, BPF_ANY) ? -errno : 0;
}

/* The map carried, which is not there yet. Returns 0, or a negative errno after a sentence. */
static int make_carried(struct pins *pins)
{
	int fd = objects_make_map(MAP_CARRIED), err;

	if (fd < 0)
		return with_reason(pins, fd);
	pins->maps[MAP_CARRIED] = fd;
	err = pins_put_map(pins, MAP_CARRIED);
	if (err) { /* later counts there would be lost with this process */
		close(fd);
		pins->maps[MAP_CARRIED] = -1;
	}
	return err;
}

typedef int each_slot(struct pins *pins, int array, uint32_t id, uint32_t slot, uint32_t key);

/* Calls each for all slots of an array. */
static int for_slots(struct pins *pins, enum pinned_map map, int array, each_slot *each)
{
	uint32_t slots = map_capacity(array), id = map_id(array);
	int err = slots && id ? 0 : -EINVAL;

	for (uint32_t slot = 1; !err && slot < slots; slot++)
		err = each(pins, array, id, slot, carried_key(map, slot));
	return with_reason(pins, err);
}

int counters_carry(struct pins *pins, enum pinned_map map, int old)
{
	int err = pins->maps[MAP_CARRIED] < 0 ? make_carried(pins) : 0;

	return err ? err : for_slots(pins, map, old, carry_slot);
}

/* The sum with the array's counts is as it was, and grows with the array again. */
static int take_back_slot(struct pins *pins, int array, uint32_t id, uint32_t slot, uint32_t key)
{
	struct dscp_counters sum = {};
	struct dscp_carried carried;
	int err = read_carried(pins, key, &carried);

	if (err || carried.map != id)
		return err;
	err = add_array(array, slot, &sum);
	if (err)
		return err;
	add(&carried.counters, &sum, ONCE_LESS);
	carried.map = 0;
	return bpf_map_update_elem(pins->maps[MAP_CARRIED], &key, &carried, BPF_ANY) ? -errno : 0;
}

int counters_take_back(struct pins *pins, enum pinned_map map, int old)
{
	return for_slots(pins, map, old, take_back_slot);
}

static int add_slot(struct pins *pins, int array, uint32_t id, uint32_t slot, uint32_t key)
{
	const struct dscp_counters none = {};
	struct dscp_counters sum = {};
	struct dscp_carried carried;
	int err = add_array(array, slot, &sum);

	(void)id;
	if (err || !memcmp(&sum, &none, sizeof(sum)))
		return err;
	err = read_carried(pins, key, &carried);
	if (!err && pins->maps[MAP_CARRIED] < 0)
		err = make_carried(pins);
	if (err)
		return err;
	add(&carried.counters, &sum, 1);
	return bpf_map_update_elem(pins->maps[MAP_CARRIED], &key, &carried, BPF_ANY) ? -errno : 0;
}

int counters_add(struct pins *pins, enum pinned_map map, int other)
{
	return for_slots(pins, map, other, add_slot);
}
