/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * ns per packet of the BPF programs, by BPF_PROG_TEST_RUN.
 *
 * A packet meets egress_outer soon after egress_inner, at most a queue of the tunnel later. So
 * packets come in bursts: the inner program has a burst, then the outer program has the same one.
 *
 * Made for machines that do other things as well: in each of many rounds every program has its
 * turn in every setting, so that a slow moment hits all of them; processor time instead of the
 * clock's; a round's figure is the median of its bursts, and the result that of a quiet round; and
 * what a program adds is its difference to the program that only resets the packet and ran just
 * before it. Settings that are compared use the same loaded programs: where the JIT puts a program
 * makes a difference of a nanosecond.
 */
#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <dscp/abi.h>

#include "bench.h"

#define ROUNDS 32
#define BURST 1024 /* packets; MAX_QUEUED_PACKETS of WireGuard */
#define BURSTS 64 /* in a round */
#define QUIET (ROUNDS / 8) /* of the rounds in the order of their medians, this one counts */
#define ROUND_PACKETS (BURST * BURSTS)
#define PORT 51820
#define IP_OFFSET 14
#define PROTO_TCP 6
#define PROTO_UDP 17

struct packet {
	unsigned char bytes[IP_OFFSET + 20 + 8 + 100];
};

enum packet_kind { INNER, OUTER, OTHER_UDP, OTHER_TCP, N_PACKETS };
enum figure_index {
	BASE_INNER,
	BASE_OUTER,
	OUR_INNER,
	OUR_OUTER,
	ON_OTHER_UDP,
	ON_OTHER_TCP,
	N_FIGURES,
};

static const struct figure {
	const char *name;
	const char *program;
	const char *reset; /* what to subtract */
	const char *before; /* has the burst first */
	enum packet_kind packet;
	enum figure_index base; /* what to compare with */
} figures[N_FIGURES] = {
	[BASE_INNER] = { "baseline inner", "base_inner", "reset_inner", NULL, INNER, BASE_INNER },
	[BASE_OUTER] = { "baseline outer", "base_outer", "reset_base_outer", "base_inner", OUTER,
			 BASE_OUTER },
	[OUR_INNER] = { "egress_inner", "ours_inner", "reset_inner", NULL, INNER, BASE_INNER },
	[OUR_OUTER] = { "egress_outer", "ours_outer", "reset_outer", "ours_inner", OUTER,
			BASE_OUTER },
	[ON_OTHER_UDP] = { "egress_outer, other UDP", "egress_outer", "empty", NULL, OTHER_UDP,
			   BASE_OUTER },
	[ON_OTHER_TCP] = { "egress_outer, other TCP", "egress_outer", "empty", NULL, OTHER_TCP,
			   BASE_OUTER },
};

/* Flows: powers of two near 10,000 and 1,000,000. */
static const struct setting {
	unsigned int tunnels, flows;
} settings[] = {
	{ 1, 1 }, { 100, 1 }, { 1000, 1 }, { 1, 8192 }, { 1, 1 << 20 }, { 1000, 1 << 20 },
};
#define N_SETTINGS (sizeof(settings) / sizeof(*settings))
#define MAX_FLOWS (1 << 20)
#define SLICES (MAX_FLOWS / ROUND_PACKETS)

struct result {
	double ns[ROUNDS]; /* medians; per packet, with what the harness and the reset cost */
	double added[ROUNDS];
	double quiet_ns;
	double quiet_added;
};

/* The programs, with their maps. */
struct programs {
	struct bpf_object *object;
	unsigned int tunnels; /* registered at the moment */
	unsigned int flows; /* so many take turns at the moment */
};

struct bench {
	struct programs usual; /* maps of the default size */
	struct programs large; /* maps for MAX_FLOWS */
	struct packet packets[N_PACKETS];
	struct result results[N_SETTINGS][N_FIGURES];
};

/*
 * Packets
 */

static unsigned short ip_sum(const unsigned char *ip)
{
	unsigned int sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += ip[i] << 8 | ip[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void build(struct packet *p, unsigned char dscp, unsigned char protocol, unsigned int port)
{
	unsigned char *ip = p->bytes + IP_OFFSET, *udp = ip + 20;
	unsigned short sum;

	memset(p, 0, sizeof(*p));
	memcpy(p->bytes, "\x52\x54\0\0\0\1\x52\x54\0\0\0\2\x08\0", IP_OFFSET);
	memcpy(ip, "\x45\0\0\0\0\0\0\0\x40\0\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	ip[1] = dscp << 2;
	ip[3] = sizeof(p->bytes) - IP_OFFSET;
	ip[9] = protocol;
	sum = ip_sum(ip);
	ip[10] = sum >> 8;
	ip[11] = sum;
	udp[0] = port >> 8;
	udp[1] = port;
	udp[2] = 0x30;
	udp[5] = sizeof(p->bytes) - IP_OFFSET - 20;
	udp[8] = 4; /* WireGuard data */
}

/*
 * The object
 */

static int map_fd(const struct programs *p, const char *name)
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

static int load(struct programs *p, const char *path, unsigned int map_size)
{
	struct bpf_program *program;
	struct bpf_map *map;

	p->object = bpf_object__open_file(path, NULL);
	if (!p->object)
		return -errno;
	bpf_object__for_each_program (program, p->object)
		bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	bpf_object__for_each_map (map, p->object) {
		bpf_map__set_pin_path(map, NULL);
		if (bpf_map__type(map) == BPF_MAP_TYPE_LRU_HASH)
			bpf_map__set_max_entries(map, map_size);
	}
	map = bss(p);
	if (!map || bpf_map__value_size(map) != sizeof(struct bench_state))
		return -EINVAL;
	return bpf_object__load(p->object);
}

/* Tunnel n is in slot n and has the n-th port from PORT. */
static int register_tunnel(const struct programs *p, unsigned int n, bool there)
{
	struct dscp_tunnel tunnel = { .ifindex = n, .kind = DSCP_KIND_WIREGUARD };
	struct dscp_port port = { .slot = n, .kind = DSCP_KIND_WIREGUARD };
	unsigned int number = PORT + n - 1;

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		tunnel.egress.to[i] = i;
	if (!there) {
		memset(&tunnel, 0, sizeof(tunnel));
		memset(&port, 0, sizeof(port));
	}
	if (bpf_map_update_elem(map_fd(p, "tunnels"), &n, &tunnel, BPF_ANY) ||
	    bpf_map_update_elem(map_fd(p, "ports"), &number, &port, BPF_ANY))
		return -errno;
	return 0;
}

static int register_tunnels(struct programs *p, unsigned int n)
{
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC };
	unsigned int zero = 0;
	int err = 0;

	config.version = DSCP_ABI_VERSION;
	config.kinds = 1u << DSCP_KIND_WIREGUARD;
	for (; p->tunnels < n && !err; p->tunnels++)
		err = register_tunnel(p, p->tunnels + 1, true);
	for (; p->tunnels > n && !err; p->tunnels--)
		err = register_tunnel(p, p->tunnels, false);
	if (!err && bpf_map_update_elem(map_fd(p, "config"), &zero, &config, BPF_ANY))
		err = -errno;
	return err;
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

/* Packets of the flows from turn on. The last packet as it comes out is in out; *ns is per packet.
 */
static int run(const struct programs *p, const char *name, const struct packet *packet,
	       unsigned int turn, unsigned int repeat, struct packet *out, double *ns)
{
	struct bpf_program *program = bpf_object__find_program_by_name(p->object, name);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->bytes,
		    .data_size_in = sizeof(packet->bytes), .data_out = out->bytes,
		    .data_size_out = sizeof(out->bytes), .repeat = repeat);
	int err = set_turn(p, turn);
	double start = cpu_ns();

	err = err ? err : bpf_prog_test_run_opts(bpf_program__fd(program), &opts);
	*ns = (cpu_ns() - start) / repeat;
	if (err)
		fprintf(stderr, "bench: %s: %s\n", name, strerror(-err));
	return err;
}

/* What each of the flows leaves in the maps. */
static int warm_up(const struct bench *b, struct programs *p, unsigned int flows)
{
	const struct packet *packet = &b->packets[INNER];
	struct packet out;
	double ns = 0;
	int err;

	p->flows = flows;
	err = run(p, "base_inner", packet, 0, flows, &out, &ns);
	return err ? err : run(p, "ours_inner", packet, 0, flows, &out, &ns);
}

/* A program that does not find the packet to be what it is here for has nothing to show. */
static int check_result(const struct bench *b, const struct figure *f, const struct packet *out)
{
	unsigned char want = b->packets[f->packet].bytes[IP_OFFSET + 1];

	if (f->packet == OUTER)
		want = BENCH_DSCP << 2;
	if (out->bytes[IP_OFFSET + 1] == want)
		return 0;
	fprintf(stderr, "bench: %s leaves the DS field 0x%02x, not 0x%02x\n", f->name,
		out->bytes[IP_OFFSET + 1], want);
	return -EINVAL;
}

/* One sample. */
static int burst(const struct bench *b, const struct programs *p, const struct figure *f,
		 unsigned int turn, double *ns, double *added)
{
	const struct packet *packet = &b->packets[f->packet];
	struct packet out;
	double reset = 0, unused;
	int err = 0;

	if (f->before)
		err = run(p, f->before, &b->packets[INNER], turn, BURST, &out, &unused);
	err = err ? err : run(p, f->reset, packet, turn, BURST, &out, &reset);
	err = err ? err : run(p, f->program, packet, turn, BURST, &out, ns);
	*added = *ns - reset;
	return err ? err : check_result(b, f, &out);
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

static int measure(const struct bench *b, const struct programs *p, const struct figure *f,
		   struct result *r, unsigned int round, unsigned int turn)
{
	double ns[BURSTS], added[BURSTS];
	int err = 0;

	for (unsigned int i = 0; i < BURSTS && !err; i++)
		err = burst(b, p, f, turn + i * BURST, &ns[i], &added[i]);
	if (err)
		return err;
	r->ns[round] = in_order(ns, BURSTS, BURSTS / 2);
	r->added[round] = in_order(added, BURSTS, BURSTS / 2);
	return 0;
}

static int measure_setting(struct bench *b, unsigned int s, unsigned int round)
{
	struct programs *p = settings[s].flows == MAX_FLOWS ? &b->large : &b->usual;
	/* Flows that nobody has touched for a while: the two large settings are neighbours. */
	unsigned int turn = (round + s * (SLICES / 2)) % SLICES * ROUND_PACKETS;
	int err = register_tunnels(p, settings[s].tunnels);

	/* The last tunnel's. */
	build(&b->packets[OUTER], 0, PROTO_UDP, PORT + settings[s].tunnels - 1);
	if (!err && p != &b->large)
		err = warm_up(b, p, settings[s].flows);
	for (unsigned int f = 0; f < N_FIGURES && !err; f++)
		err = measure(b, p, &figures[f], &b->results[s][f], round, turn);
	return err;
}

static void take_quiet(struct bench *b)
{
	for (unsigned int s = 0; s < N_SETTINGS; s++) {
		for (unsigned int f = 0; f < N_FIGURES; f++) {
			struct result *r = &b->results[s][f];

			r->quiet_ns = in_order(r->ns, ROUNDS, QUIET);
			r->quiet_added = in_order(r->added, ROUNDS, QUIET);
		}
	}
}

static int measure_all(struct bench *b)
{
	int err = warm_up(b, &b->large, MAX_FLOWS);

	for (unsigned int round = 0; round < ROUNDS && !err; round++)
		for (unsigned int s = 0; s < N_SETTINGS && !err; s++)
			err = measure_setting(b, s, round);
	if (!err)
		take_quiet(b);
	return err;
}

/*
 * Report
 */

static double ratio(const struct result *of, const struct result *to)
{
	return to->quiet_added > 0 ? of->quiet_added / to->quiet_added : 0;
}

static struct json_object *print_figure(const struct bench *b, unsigned int s, unsigned int f)
{
	const struct result *r = &b->results[s][f], *base = &b->results[s][figures[f].base];
	struct json_object *row = json_object_new_object();

	printf("%7u %8u  %-24s %7.1f %7.1f %7.2f\n", settings[s].tunnels, settings[s].flows,
	       figures[f].name, r->quiet_ns, r->quiet_added, ratio(r, base));
	json_object_object_add(row, "tunnels", json_object_new_int(settings[s].tunnels));
	json_object_object_add(row, "flows", json_object_new_int(settings[s].flows));
	json_object_object_add(row, "what", json_object_new_string(figures[f].name));
	json_object_object_add(row, "ns", json_object_new_double(r->quiet_ns));
	json_object_object_add(row, "added_ns", json_object_new_double(r->quiet_added));
	json_object_object_add(row, "ratio", json_object_new_double(ratio(r, base)));
	return row;
}

static struct json_object *print_figures(const struct bench *b)
{
	struct json_object *list = json_object_new_array();

	printf("ns per packet: median of %d bursts of %d packets, in a quiet one of %d rounds\n"
	       "added: less what it costs to reset the packet; ratio: of added, to the baseline\n\n"
	       "tunnels    flows  program                       ns   added   ratio\n",
	       BURSTS, BURST, ROUNDS);
	for (unsigned int s = 0; s < N_SETTINGS; s++)
		for (unsigned int f = 0; f < N_FIGURES; f++)
			json_object_array_add(list, print_figure(b, s, f));
	return list;
}

/* The largest ratio to the baseline in any setting. */
static double worst_to_base(const struct bench *b, enum figure_index f)
{
	double worst = 0, value;

	for (unsigned int s = 0; s < N_SETTINGS; s++) {
		value = ratio(&b->results[s][f], &b->results[s][figures[f].base]);
		worst = value > worst ? value : worst;
	}
	return worst;
}

/* The largest ratio of 1,000 tunnels to one, for the same number of flows. */
static double worst_to_one(const struct bench *b, enum figure_index f)
{
	double worst = 0, value;

	for (unsigned int one = 0; one < N_SETTINGS; one++) {
		for (unsigned int s = 0; s < N_SETTINGS; s++) {
			if (settings[one].tunnels != 1 || settings[s].tunnels != 1000 ||
			    settings[one].flows != settings[s].flows)
				continue;
			value = ratio(&b->results[s][f], &b->results[one][f]);
			worst = value > worst ? value : worst;
		}
	}
	return worst;
}

static const struct bar {
	const char *text;
	double (*worst)(const struct bench *b, enum figure_index f);
	enum figure_index figure;
	double limit;
} bars[] = {
	{ "egress_inner to the baseline's", worst_to_base, OUR_INNER, 1 },
	{ "egress_outer to the baseline's", worst_to_base, OUR_OUTER, 1 },
	{ "other UDP to the baseline's outer", worst_to_base, ON_OTHER_UDP, 0.5 },
	{ "other TCP to the baseline's outer", worst_to_base, ON_OTHER_TCP, 0.5 },
	{ "egress_inner, 1000 tunnels to one", worst_to_one, OUR_INNER, 1.1 },
	{ "egress_outer, 1000 tunnels to one", worst_to_one, OUR_OUTER, 1.1 },
	{ "other UDP, 1000 tunnels to one", worst_to_one, ON_OTHER_UDP, 1.1 },
	{ "other TCP, 1000 tunnels to one", worst_to_one, ON_OTHER_TCP, 1.1 },
};

static struct json_object *print_bars(const struct bench *b, bool *missed)
{
	struct json_object *list = json_object_new_array();

	printf("\nworst ratio in any setting, and the most it may be\n");
	for (unsigned int i = 0; i < sizeof(bars) / sizeof(*bars); i++) {
		struct json_object *row = json_object_new_object();
		double worst = bars[i].worst(b, bars[i].figure);
		bool pass = worst <= bars[i].limit;

		printf("%s  %-36s %5.2f  %5.2f\n", pass ? "pass" : "FAIL", bars[i].text, worst,
		       bars[i].limit);
		json_object_object_add(row, "bar", json_object_new_string(bars[i].text));
		json_object_object_add(row, "worst", json_object_new_double(worst));
		json_object_object_add(row, "limit", json_object_new_double(bars[i].limit));
		json_object_object_add(row, "pass", json_object_new_boolean(pass));
		json_object_array_add(list, row);
		*missed |= !pass;
	}
	return list;
}

static int report(const struct bench *b, const char *file, bool *missed)
{
	struct json_object *root = json_object_new_object();
	struct utsname os;
	int err = 0;

	uname(&os);
	json_object_object_add(root, "kernel", json_object_new_string(os.release));
	json_object_object_add(root, "machine", json_object_new_string(os.machine));
	json_object_object_add(root, "figures", print_figures(b));
	json_object_object_add(root, "bars", print_bars(b, missed));
	if (file && json_object_to_file_ext(file, root, JSON_C_TO_STRING_PRETTY)) {
		fprintf(stderr, "bench: %s: %s\n", file, json_util_get_last_err());
		err = -EIO;
	}
	json_object_put(root);
	return err;
}

int main(int argc, char **argv)
{
	bool missed = false;
	struct bench *b;
	int err;

	if (argc < 2 || argc > 3) {
		fprintf(stderr,
			"usage: bench OBJECT [JSON-FILE]\n"
			"Exit status 0: all bars passed, 1: one was missed, 2: cannot run\n");
		return 2;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		return 2;
	build(&b->packets[INNER], BENCH_DSCP, PROTO_UDP, 4000);
	build(&b->packets[OTHER_UDP], BENCH_DSCP, PROTO_UDP, 4000);
	build(&b->packets[OTHER_TCP], BENCH_DSCP, PROTO_TCP, 4000);
	err = load(&b->usual, argv[1], DSCP_DEFAULT_FLOWS);
	/* Not so full that flows are evicted. */
	err = err ? err : load(&b->large, argv[1], 2 * MAX_FLOWS);
	if (err)
		fprintf(stderr, "bench: %s does not load: %s\n", argv[1], strerror(-err));
	err = err ? err : measure_all(b);
	err = err ? err : report(b, argc == 3 ? argv[2] : NULL, &missed);
	bpf_object__close(b->usual.object);
	bpf_object__close(b->large.object);
	free(b);
	return err ? 2 : missed;
}
