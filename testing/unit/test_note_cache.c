/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Notes of packets on their way, when several want one bucket at a time: none is lost, none mixed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <dscp/mix.h>
#include <util/embedded.h>

#include "note_cache_test.h"

#define TURNS 100000 /* of each thread in one test */

EMBEDDED(note_cache_test_bpf);

static struct bpf_object *object;
static const struct note_cache_result *results;

static int map_of(const char *name)
{
	return bpf_object__find_map_fd_by_name(object, name);
}

static void map_results(void)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object)
		if (strstr(bpf_map__name(map), ".bss"))
			results = mmap(NULL, bpf_map__value_size(map), PROT_READ, MAP_SHARED,
				       bpf_map__fd(map), 0);
	assert_non_null(results);
	assert_ptr_not_equal(results, MAP_FAILED);
}

static int load(void **state)
{
	struct bpf_program *program;
	struct bpf_map *map;

	(void)state;
	object = embedded_open(note_cache_test_bpf_start, note_cache_test_bpf_end, NULL);
	assert_non_null(object);
	bpf_object__for_each_program (program, object)
		bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	bpf_object__for_each_map (map, object)
		bpf_map__set_pin_path(map, NULL);
	assert_int_equal(bpf_object__load(object), 0);
	map_results();
	return 0;
}

static int unload(void **state)
{
	(void)state;
	munmap((void *)results, sizeof(*results) * NOTE_CACHE_THREADS);
	results = NULL;
	bpf_object__close(object);
	object = NULL;
	return 0;
}

static int run(uint32_t thread, uint64_t id, int turns)
{
	struct note_cache_packet packet = { .id = id, .thread = thread };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = &packet, .data_size_in = sizeof(packet),
		    .repeat = turns);
	int fd = bpf_program__fd(bpf_object__find_program_by_name(object, "put_and_take"));

	return bpf_prog_test_run_opts(fd, &opts);
}

/* The nth identifier, from 0, with notes in that bucket. */
static uint64_t id_with_bucket(uint32_t bucket, unsigned int n)
{
	uint64_t id = 1;

	while (dscp_bucket_of(id, 0) != bucket || n--)
		id++;
	return id;
}

struct turns {
	pthread_t thread;
	uint32_t number;
	uint64_t id;
	int result;
};

static void *take_turns(void *arg)
{
	struct turns *t = arg;

	t->result = run(t->number, t->id, TURNS);
	return NULL;
}

/* A CPU that copies a note to the hash, and is stopped before it is there, may come after one that
 * has the same key and is newer. The old one is then taken: wrong, but never by half. */
#define MOST_STALE (TURNS / 1000)

static void assert_none_lost(uint32_t thread, uint32_t turns)
{
	assert_int_equal(results[thread].turns, turns);
	assert_int_equal(results[thread].lost, 0);
	assert_int_equal(results[thread].wrong, 0);
}

/* Four at once, however many CPUs there are. */
static void one_bucket(void **state)
{
	struct turns all[NOTE_CACHE_THREADS];

	(void)state;
	for (uint32_t i = 0; i < NOTE_CACHE_THREADS; i++) {
		all[i] = (struct turns){ .number = i, .id = id_with_bucket(77, i) };
		assert_int_equal(pthread_create(&all[i].thread, NULL, take_turns, &all[i]), 0);
	}
	for (uint32_t i = 0; i < NOTE_CACHE_THREADS; i++) {
		pthread_join(all[i].thread, NULL);
		assert_int_equal(all[i].result, 0);
	}
	for (uint32_t i = 0; i < NOTE_CACHE_THREADS; i++) {
		assert_int_equal(results[i].turns, TURNS);
		assert_int_equal(results[i].lost, 0);
		assert_int_equal(results[i].mixed, 0);
		assert_uint_in_range(results[i].wrong, 0, MOST_STALE);
	}
}

static struct dscp_bucket at(uint32_t bucket)
{
	struct dscp_bucket w;

	assert_int_equal(bpf_map_lookup_elem(map_of("note_cache"), &bucket, &w), 0);
	return w;
}

static void set(uint32_t bucket, const struct dscp_bucket *w)
{
	assert_int_equal(bpf_map_update_elem(map_of("note_cache"), &bucket, w, BPF_ANY), 0);
}

static bool in_hash(uint64_t id, uint32_t receiver, uint32_t method, struct dscp_note *note)
{
	struct dscp_note_key key = { .id = id, .receiver = receiver, .method = method };

	return !bpf_map_lookup_elem(map_of("notes"), &key, note);
}

/* The note that was in the bucket is in the hash from then on, unchanged. */
static void another_moves(void **state)
{
	struct dscp_bucket other = { .id = 5, .receiver = 6, .state = 8 | DSCP_METHOD_XDP };
	uint64_t id = id_with_bucket(77, 0);
	struct dscp_note note;

	(void)state;
	memset(&other.note, 0x3c, sizeof(other.note));
	set(77, &other);
	assert_int_equal(run(1, id, 1), 0);
	assert_none_lost(1, 1);
	assert_true(in_hash(5, 6, DSCP_METHOD_XDP, &note));
	assert_memory_equal(&note, &other.note, sizeof(note));
	assert_false(in_hash(id, 0, DSCP_METHOD_TC, &note));
	assert_int_equal(at(77).id, id);
	assert_int_equal(at(77).state, 8 + DSCP_BUCKET_NEXT);
}

/* A note that died there with the same key does not. */
static void same_key(void **state)
{
	uint64_t id = id_with_bucket(77, 0);
	struct dscp_bucket dead = { .id = id, .state = DSCP_METHOD_TC };
	struct dscp_note note;

	(void)state;
	set(77, &dead);
	assert_int_equal(run(1, id, 1), 0);
	assert_none_lost(1, 1);
	assert_false(in_hash(id, 0, DSCP_METHOD_TC, &note));
}

/* The count of notes starts again from 0. */
static void last_state(void **state)
{
	struct dscp_bucket last = { .state = ~DSCP_BUCKET_MASK };
	uint64_t id = id_with_bucket(77, 0);

	(void)state;
	set(77, &last);
	assert_int_equal(run(1, id, 2), 0);
	assert_none_lost(1, 2);
	assert_int_equal(at(77).state, DSCP_BUCKET_NEXT);
}

static void busy(void **state)
{
	struct dscp_bucket other = { .id = 5, .state = DSCP_BUCKET_BUSY };
	uint64_t id = id_with_bucket(77, 0);
	struct dscp_bucket now;

	(void)state;
	set(77, &other);
	assert_int_equal(run(1, id, 3), 0);
	assert_none_lost(1, 3);
	now = at(77);
	assert_memory_equal(&now, &other, sizeof(now));
}

static const char *refused(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "refused", 4, 4, 16, NULL);

	return fd < 0 ? strerror(errno) : NULL;
}

static void cannot_run(void **state)
{
	(void)state;
	print_message("BPF: %s\n", refused());
	skip();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, load, unload)

int main(void)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(cannot_run) };
	const struct CMUnitTest tests[] = { TEST(one_bucket), TEST(another_moves), TEST(same_key),
					    TEST(last_state), TEST(busy) };

	if (refused())
		return cmocka_run_group_tests_name("note_cache", none, NULL, NULL);
	return cmocka_run_group_tests_name("note_cache", tests, NULL, NULL);
}
