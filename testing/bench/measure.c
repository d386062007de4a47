/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Measures a BPF program by its test run. */
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <dscp/abi.h>

#include "bench.h"

#define QUIET (ROUNDS / 8) /* of the rounds in the order of their medians, this one counts */

unsigned short ip_sum(const unsigned char *ip)
{
	unsigned int sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/*
 * The object
 */

int map_fd(const struct programs *p, const char *name)
{
	return bpf_object__find_map_fd_by_name(p->object, name);
}

static struct bpf_map *bss(const struct programs *p)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, p->object)
		if (strstr(bpf_map__name(map), ".bss"))
			return map;
	return NULL;
}

int load_programs(struct programs *p, const char *path, unsigned int map_size)
{
	struct bpf_program *program;
	struct bpf_map *map;

	p->object = bpf_object__open_file(path, NULL);
	if (!p->object)
		return -errno;
	bpf_object__for_each_program (program, p->object)
		if (bpf_program__type(program) != BPF_PROG_TYPE_XDP)
			bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	bpf_object__for_each_map (map, p->object) {
		bpf_map__set_pin_path(map, NULL);
		if (map_size && bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH)
			bpf_map__set_max_entries(map, map_size);
		/* The tool lets the counters grow with the number of tunnels. */
		if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
			bpf_map__set_max_entries(map, DSCP_MAX_TUNNELS);
	}
	map = bss(p);
	if (!map || bpf_map__value_size(map) != sizeof(struct bench_state))
		return -EINVAL;
	return bpf_object__load(p->object);
}

/* The next packet is of that flow. */
static int set_turn(const struct programs *p, unsigned int turn)
{
	struct bench_state state = { .flow_mask = p->flows - 1, .turn = turn };
	unsigned int zero = 0;

	return bpf_map_update_elem(bpf_map__fd(bss(p)), &zero, &state, BPF_ANY) ? -errno : 0;
}

/*
 * Runs
 */

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

int run(const struct programs *p, const char *name, const struct packet *packet, unsigned int turn,
	unsigned int repeat, struct packet *out, double *ns)
{
	struct bpf_program *program = bpf_object__find_program_by_name(p->object, name);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = packet->length, .data_out = out->bytes,
		    .data_size_out = sizeof(out->bytes), .repeat = repeat);
	int err = set_turn(p, turn);
	double start = cpu_ns();

	err = err ? err : bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	*ns = (cpu_ns() - start) / repeat;
	out->length = opts.data_size_out;
	if (err)
		fprintf(stderr, "bench: %s: %s\n", name, strerror(-err));
	return err;
}

static unsigned char ds_of(const struct packet *packet)
{
	const unsigned char *ip = packet->bytes + IP_OFFSET;

	return ip[0] >> 4 == 4 ? ip[1] : (ip[0] << 4 | ip[1] >> 4) & 0xff;
}

/* A program that does not find the packet that it is here for has nothing to show. */
static int check_result(const struct probe *probe, const struct packet *out)
{
	if (ds_of(out) == probe->ds)
		return 0;
	fprintf(stderr, "bench: %s leaves the DS field 0x%02x, not 0x%02x\n", probe->name,
		ds_of(out), probe->ds);
	return -EINVAL;
}

/* One sample. */
static int burst(const struct probe *probe, unsigned int turn, double *ns, double *added)
{
	const struct programs *p = probe->programs;
	struct packet out;
	double reset = 0, unused;
	int err = 0;

	if (probe->before)
		err = run(p, probe->before, probe->packet_before, turn, probe->burst, &out,
			  &unused);
	err = err ? err : run(p, probe->reset, probe->packet, turn, probe->burst, &out, &reset);
	err = err ? err : run(p, probe->program, probe->packet, turn, probe->burst, &out, ns);
	*added = *ns - reset;
	return err ? err : check_result(probe, &out);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double in_order(double *values, unsigned int n, unsigned int which)
{
	qsort(values, n, sizeof(*values), by_value);
	return values[which];
}

int measure(const struct probe *probe, struct result *r, unsigned int round, unsigned int turn)
{
	double ns[BURSTS], added[BURSTS];
	int err = 0;

	for (unsigned int i = 0; i < probe->bursts && !err; i++)
		err = burst(probe, turn + i * probe->burst, &ns[i], &added[i]);
	if (err)
		return err;
	r->ns[round] = in_order(ns, probe->bursts, probe->bursts / 2);
	r->added[round] = in_order(added, probe->bursts, probe->bursts / 2);
	return 0;
}

void take_quiet(struct result *r)
{
	r->quiet_ns = in_order(r->ns, ROUNDS, QUIET);
	r->quiet_added = in_order(r->added, ROUNDS, QUIET);
}
