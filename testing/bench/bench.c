/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * ns per packet of the BPF programs, by BPF_PROG_TEST_RUN; see measure.h for how.
 *
 * A packet meets egress_outer soon after egress_inner, at most a queue of the tunnel later. So
 * packets come in bursts: the inner program has a burst, then the outer program has the same one.
 */
#include "bench.h"

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
#include <util/macros.h>

#include "ingress.h"
#include "kinds.h"
#include "measure.h"

#define FRAME (IP_OFFSET + 20 + 8 + 100)

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
	const char *reset; /* the program to subtract */
	const char *before; /* has the burst first */
	enum packet_kind packet;
	enum figure_index base; /* the program to compare with */
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
#define N_SETTINGS ARRAY_SIZE(settings)
#define MAX_FLOWS (1 << 20)
#define SLICES (MAX_FLOWS / ROUND_PACKETS)

struct bench {
	struct programs usual; /* maps of the default size */
	struct programs large; /* maps for MAX_FLOWS */
	struct packet packets[N_PACKETS];
	struct result results[N_SETTINGS][N_FIGURES];
	struct ingress *ingress;
	struct kinds *kinds;
};

/*
 * Packets
 */

static void build(struct packet *p, unsigned char dscp, unsigned char protocol, unsigned int port)
{
	unsigned char *ip = p->bytes + IP_OFFSET, *udp = ip + 20;
	unsigned short sum;

	memset(p, 0, sizeof(*p));
	p->length = FRAME;
	memcpy(p->bytes, "\x52\x54\0\0\0\1\x52\x54\0\0\0\2\x08\0", IP_OFFSET);
	memcpy(ip, "\x45\0\0\0\0\0\0\0\x40\0\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	ip[1] = dscp << 2;
	ip[3] = FRAME - IP_OFFSET;
	ip[9] = protocol;
	sum = ip_sum(ip);
	ip[10] = sum >> 8;
	ip[11] = sum;
	udp[0] = port >> 8;
	udp[1] = port;
	udp[2] = 0x30;
	udp[5] = FRAME - IP_OFFSET - 20;
	udp[8] = 4; /* WireGuard data */
}

/*
 * The object
 */

/* Tunnel n is in slot n and has the n-th port from PORT. */
static int register_tunnel(const struct programs *p, unsigned int n, bool there)
{
	/* 1 is the device that packets of a test run leave by: the first tunnel's, which is in
	 * another network namespace than its uplinks. */
	struct dscp_tunnel tunnel = {
		.ifindex = n, .netns = 1, .kind = DSCP_KIND_WIREGUARD, .flags = DSCP_TUNNEL_EGRESS
	};
	struct dscp_port port = { .slot = n, .kind = DSCP_KIND_WIREGUARD };
	unsigned int number = PORT + n - 1;

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		tunnel.egress.to[i] = i;
	if (!there) {
		memset(&tunnel, 0, sizeof(tunnel));
		memset(&port, 0, sizeof(port));
	}
	if (there && bpf_map_update_elem(map_fd(p, "devices"), &n, &n, BPF_ANY))
		return -errno;
	if (!there)
		bpf_map_delete_elem(map_fd(p, "devices"), &n);
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

/* Lets each of the flows leave its entries in the maps. */
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

static int measure_figure(struct bench *b, unsigned int s, const struct programs *p, unsigned int i,
			  unsigned int round, unsigned int turn)
{
	const struct figure *f = &figures[i];
	const struct packet *packet = &b->packets[f->packet];
	struct probe probe = { .name = f->name,
			       .programs = p,
			       .program = f->program,
			       .reset = f->reset,
			       .before = f->before,
			       .packet = packet,
			       .packet_before = &b->packets[INNER],
			       .ds = BENCH_DSCP << 2,
			       .burst = BURST,
			       .bursts = BURSTS };

	return measure(&probe, &b->results[s][i], round, turn);
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
		err = measure_figure(b, s, p, f, round, turn);
	return err;
}

static void take_all_quiet(struct bench *b)
{
	for (unsigned int s = 0; s < N_SETTINGS; s++)
		for (unsigned int f = 0; f < N_FIGURES; f++)
			take_quiet(&b->results[s][f]);
}

static int measure_all(struct bench *b)
{
	int err = warm_up(b, &b->large, MAX_FLOWS);

	for (unsigned int round = 0; round < ROUNDS && !err; round++) {
		for (unsigned int s = 0; s < N_SETTINGS && !err; s++)
			err = measure_setting(b, s, round);
		err = err ? err : ingress_round(b->ingress, round);
		err = err ? err : kinds_round(b->kinds, round);
	}
	if (!err)
		take_all_quiet(b);
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

/* One tunnel, one flow: the setting of the ingress figures. */
static double baseline_outer(const struct bench *b)
{
	return b->results[0][BASE_OUTER].quiet_added;
}

static double peek_to_base(const struct bench *b, enum figure_index unused __attribute__((unused)))
{
	return ingress_peek_added(b->ingress) / baseline_outer(b);
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
	{ "peek to the baseline's egress_outer", peek_to_base, BASE_OUTER, 1 },
};

static struct json_object *print_bars(const struct bench *b, bool *missed)
{
	struct json_object *list = json_object_new_array();

	printf("\nworst ratio in any setting, and the most it may be\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(bars); i++) {
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

static int report(struct bench *b, const char *file, bool *missed)
{
	struct json_object *root = json_object_new_object();
	struct utsname os;
	int err = 0;

	uname(&os);
	json_object_object_add(root, "kernel", json_object_new_string(os.release));
	json_object_object_add(root, "machine", json_object_new_string(os.machine));
	json_object_object_add(root, "figures", print_figures(b));
	json_object_object_add(root, "ingress", ingress_print(b->ingress, baseline_outer(b)));
	json_object_object_add(root, "kinds", kinds_print(b->kinds));
	json_object_object_add(root, "bars", print_bars(b, missed));
	if (file && json_object_to_file_ext(file, root, JSON_C_TO_STRING_PRETTY)) {
		fprintf(stderr, "bench: %s: %s\n", file, json_util_get_last_err());
		err = -EIO;
	}
	json_object_put(root);
	return err;
}

static int load(struct bench *b, const char *dir)
{
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/bench.bpf.o", dir);
	err = load_programs(&b->usual, path, DSCP_DEFAULT_FLOWS);
	/* Not so full that flows are evicted. */
	err = err ? err : load_programs(&b->large, path, 2 * MAX_FLOWS);
	if (err)
		fprintf(stderr, "bench: %s does not load: %s\n", path, strerror(-err));
	b->ingress = err ? NULL : ingress_open(dir);
	b->kinds = b->ingress ? kinds_open(dir) : NULL;
	return b->kinds ? 0 : -ENOENT;
}

int main(int argc, char **argv)
{
	bool missed = false;
	struct bench *b;
	int err;

	if (argc < 2 || argc > 3) {
		fprintf(stderr,
			"usage: bench OBJECT-DIRECTORY [JSON-FILE]\n"
			"Exit status 0: all bars passed, 1: one was missed, 2: cannot run\n");
		return 2;
	}
	b = calloc(1, sizeof(*b));
	if (!b)
		return 2;
	build(&b->packets[INNER], BENCH_DSCP, PROTO_UDP, 4000);
	build(&b->packets[OTHER_UDP], BENCH_DSCP, PROTO_UDP, 4000);
	build(&b->packets[OTHER_TCP], BENCH_DSCP, PROTO_TCP, 4000);
	err = load(b, argv[1]);
	err = err ? err : measure_all(b);
	err = err ? err : report(b, argc == 3 ? argv[2] : NULL, &missed);
	kinds_close(b->kinds);
	ingress_close(b->ingress);
	bpf_object__close(b->usual.object);
	bpf_object__close(b->large.object);
	free(b);
	return err ? 2 : missed;
}
