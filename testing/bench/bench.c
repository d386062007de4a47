/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * ns per packet of the BPF programs, by BPF_PROG_TEST_RUN: medians of several runs, taken in turn
 * so that a slow moment of the machine hits all of them; "added" is the median less that of the
 * program that only resets the packet.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <dscp/abi.h>

#define RUNS 15
#define REPEAT 200000
#define PORT 51820

struct packet {
	unsigned char bytes[14 + 20 + 8 + 100];
	unsigned int len;
};

/* One figure: a program with a packet in one setting. */
struct figure {
	const char *name;
	const char *program;
	const char *reset; /* what to subtract */
	const struct packet *packet;
	unsigned int runs[RUNS];
	unsigned int reset_runs[RUNS];
	double ns;
	double added;
};

static unsigned short ip_sum(const unsigned char *ip)
{
	unsigned int sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void build(struct packet *p, unsigned char ds, unsigned char protocol, unsigned short port)
{
	unsigned char *ip = p->bytes + 14, *udp = ip + 20;
	unsigned short sum;

	memset(p, 0, sizeof(*p));
	p->len = sizeof(p->bytes);
	memcpy(p->bytes, "\x52\x54\0\0\0\1\x52\x54\0\0\0\2\x08\0", 14);
	memcpy(ip, "\x45\0\0\0\0\0\0\0\x40\0\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	ip[1] = ds;
	ip[3] = p->len - 14;
	ip[9] = protocol;
	sum = ip_sum(ip);
	ip[10] = sum >> 8;
	ip[11] = sum;
	udp[0] = port >> 8;
	udp[1] = port;
	udp[2] = 0x30;
	udp[5] = p->len - 34;
	udp[8] = 4; /* WireGuard data */
}

static int map_set(struct bpf_object *object, const char *name, const void *key, const void *value)
{
	return bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, name), key, value, 0);
}

static int register_tunnels(struct bpf_object *object, unsigned int n)
{
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC, .n_tunnels = n };
	struct dscp_tunnel tunnel = { .kind = DSCP_KIND_WIREGUARD };
	struct dscp_port port = { .kind = DSCP_KIND_WIREGUARD };
	unsigned int zero = 0, err = 0;

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		tunnel.egress.to[i] = i;
	for (unsigned int slot = 1; slot <= n && !err; slot++) {
		unsigned int number = PORT + slot - 1;

		tunnel.ifindex = slot;
		port.slot = slot;
		err |= map_set(object, "tunnels", &slot, &tunnel);
		err |= map_set(object, "ports", &number, &port);
	}
	return err | map_set(object, "config", &zero, &config) ? -errno : 0;
}

static int run(struct bpf_object *object, const char *name, const struct packet *packet,
	       unsigned int repeat, unsigned int *ns)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes, .data_size_in = packet->len,
		    .repeat = repeat);
	int err = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (err)
		fprintf(stderr, "bench: %s: %s\n", name, strerror(-err));
	else if (ns)
		*ns = opts.duration;
	return err;
}

static struct bpf_object *load(const char *path, unsigned int tunnels, unsigned int flows)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	unsigned int entries = flows * 2 < DSCP_DEFAULT_FLOWS ? DSCP_DEFAULT_FLOWS : flows * 2;
	struct bpf_program *program;
	struct bpf_map *map;

	if (!object)
		return NULL;
	bpf_object__for_each_program (program, object)
		bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "flows"), entries);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "base_flows"), entries);
	bpf_object__for_each_map (map, object) {
		bpf_map__set_pin_path(map, NULL);
		if (strstr(bpf_map__name(map), ".rodata"))
			bpf_map__set_initial_value(map, &flows, sizeof(flows));
	}
	if (bpf_object__load(object) || register_tunnels(object, tunnels)) {
		fprintf(stderr, "bench: %s does not load: %s\n", path, strerror(errno));
		bpf_object__close(object);
		return NULL;
	}
	return object;
}

static int by_value(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return x < y ? -1 : x > y;
}

static double median(unsigned int *values)
{
	qsort(values, RUNS, sizeof(*values), by_value);
	return values[RUNS / 2];
}

/* All figures of one setting. repeat: a whole number of turns of all flows. */
static int measure(struct bpf_object *object, struct figure *figures, unsigned int n,
		   unsigned int flows)
{
	unsigned int repeat = flows > REPEAT ? flows : REPEAT / flows * flows;
	static const char *const fill[] = { "ours_inner", "base_inner", "base_fill" };
	int err = 0;

	for (unsigned int i = 0; i < 3 && !err; i++)
		err = run(object, fill[i], figures[0].packet, flows, NULL);
	for (unsigned int r = 0; r < RUNS && !err; r++) {
		for (unsigned int i = 0; i < n && !err; i++) {
			struct figure *f = &figures[i];

			err = run(object, f->reset, f->packet, repeat, &f->reset_runs[r]);
			if (!err)
				err = run(object, f->program, f->packet, repeat, &f->runs[r]);
		}
	}
	for (unsigned int i = 0; i < n && !err; i++) {
		figures[i].ns = median(figures[i].runs);
		figures[i].added = figures[i].ns - median(figures[i].reset_runs);
	}
	return err;
}

/* Ratio to the baseline's program of the same side, which stands first for its side. */
static double ratio(const struct figure *figures, unsigned int i)
{
	const struct figure *base = strstr(figures[i].name, "inner") ? &figures[0] : &figures[1];

	return base->added > 0 ? figures[i].added / base->added : 0;
}

static void print(struct json_object *list, const struct figure *figures, unsigned int n,
		  unsigned int tunnels, unsigned int flows)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct figure *f = &figures[i];
		struct json_object *row = json_object_new_object();

		printf("%7u %8u  %-28s %7.0f %7.0f %7.2f\n", tunnels, flows, f->name, f->ns,
		       f->added, ratio(figures, i));
		json_object_object_add(row, "tunnels", json_object_new_int(tunnels));
		json_object_object_add(row, "flows", json_object_new_int(flows));
		json_object_object_add(row, "what", json_object_new_string(f->name));
		json_object_object_add(row, "ns", json_object_new_double(f->ns));
		json_object_object_add(row, "added_ns", json_object_new_double(f->added));
		json_object_object_add(row, "ratio", json_object_new_double(ratio(figures, i)));
		json_object_array_add(list, row);
	}
}

static int setting(const char *path, struct json_object *list, unsigned int tunnels,
		   unsigned int flows)
{
	struct packet inner, outer, tcp, udp;
	struct figure figures[] = {
		{ .name = "baseline inner",
		  .program = "base_inner",
		  .reset = "reset_inner",
		  .packet = &inner },
		{ .name = "baseline outer",
		  .program = "base_outer",
		  .reset = "reset_outer",
		  .packet = &outer },
		{ .name = "egress_inner",
		  .program = "ours_inner",
		  .reset = "reset_inner",
		  .packet = &inner },
		{ .name = "egress_outer",
		  .program = "ours_outer",
		  .reset = "reset_outer",
		  .packet = &outer },
		{ .name = "egress_outer, other UDP",
		  .program = "egress_outer",
		  .reset = "empty",
		  .packet = &udp },
		{ .name = "egress_outer, TCP",
		  .program = "egress_outer",
		  .reset = "empty",
		  .packet = &tcp },
	};
	unsigned int n = sizeof(figures) / sizeof(*figures);
	struct bpf_object *object = load(path, tunnels, flows);
	int err;

	if (!object)
		return -EINVAL;
	build(&inner, 46 << 2, 17, 4000);
	build(&outer, 0, 17, PORT + tunnels - 1);
	build(&udp, 46 << 2, 17, 4000);
	build(&tcp, 46 << 2, 6, 4000);
	err = measure(object, figures, n, flows);
	if (!err)
		print(list, figures, n, tunnels, flows);
	bpf_object__close(object);
	return err;
}

int main(int argc, char **argv)
{
	static const unsigned int settings[][2] = {
		/* tunnels, flows (powers of two near 10,000 and 1,000,000) */
		{ 1, 1 }, { 100, 1 }, { 1000, 1 }, { 1, 8192 }, { 1, 1048576 }, { 1000, 1048576 },
	};
	struct json_object *report = json_object_new_object(), *list = json_object_new_array();
	struct utsname os;
	int err = 0;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: bench OBJECT [JSON-FILE]\n");
		return 1;
	}
	uname(&os);
	json_object_object_add(report, "kernel", json_object_new_string(os.release));
	json_object_object_add(report, "figures", list);
	printf("ns per packet, median of %d runs; added: less the empty or resetting program;\n"
	       "ratio: added, to the baseline's of the same side\n"
	       "tunnels    flows  what                              ns   added   ratio\n",
	       RUNS);
	for (unsigned int i = 0; i < sizeof(settings) / sizeof(*settings) && !err; i++)
		err = setting(argv[1], list, settings[i][0], settings[i][1]);
	if (!err && argc == 3)
		err = json_object_to_file_ext(argv[2], report, JSON_C_TO_STRING_PRETTY);
	json_object_put(report);
	return err ? 2 : 0;
}
