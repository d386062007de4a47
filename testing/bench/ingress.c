/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Measures ingress. A note is made for one packet and taken by it, so the two programs of a method
 * go over the same packet one after the other, and the one at the uplink also alone; the difference
 * is the cost of the one at the tunnel. "tc" alone replaces the note of the round before; "xdp"
 * alone makes a new one each time, and a program that has the burst before takes away the last
 * burst's notes.
 */
#include "ingress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include <dscp/abi.h>
#include <util/macros.h>

#include "bench.h"
#include "measure.h"

#define UDP_BYTES 8
#define WIREGUARD_BYTES 16
#define WIREGUARD_TAG 16
#define LOOPBACK 1 /* ifindex of the device that packets of a test run are from */
#define PORT_OF_OTHERS 4000
#define NOTES 64 /* at a time, as a driver hands up packets: NAPI_POLL_WEIGHT */

enum method { TC, PEEK, XDP, N_METHODS };
enum packet_kind { TUNNEL, OTHER_UDP, OTHER_TCP, N_PACKETS };
enum family { IP4, IP6, N_FAMILIES };

static const char *const objects[N_METHODS] = {
	[TC] = "bench_tc.bpf.o",
	[PEEK] = "bench_peek.bpf.o",
	[XDP] = "bench_xdp.bpf.o",
};

enum figure_index {
	EMPTY,
	TC_OUTER,
	TC_BOTH,
	TC_OTHER_UDP,
	TC_OTHER_TCP,
	PEEK_INNER,
	XDP_OUTER,
	XDP_BOTH,
	XDP_OTHER_UDP,
	XDP_OTHER_TCP,
	N_FIGURES,
};

static const struct figure {
	enum method method;
	const char *program;
	const char *reset; /* the program to subtract */
	const char *before; /* has the burst first */
	enum packet_kind packet;
	bool marks;
} figures[N_FIGURES] = {
	[EMPTY] = { TC, "empty", "empty", NULL, OTHER_UDP, false },
	[TC_OUTER] = { TC, "outer", "reset", NULL, TUNNEL, false },
	[TC_BOTH] = { TC, "both", "reset", NULL, TUNNEL, true },
	[TC_OTHER_UDP] = { TC, "outer_alone", "empty", NULL, OTHER_UDP, false },
	[TC_OTHER_TCP] = { TC, "outer_alone", "empty", NULL, OTHER_TCP, false },
	[PEEK_INNER] = { PEEK, "inner", "reset", NULL, TUNNEL, true },
	[XDP_OUTER] = { XDP, "outer", "reset_counter", "forget", TUNNEL, false },
	[XDP_BOTH] = { XDP, "both", "reset", NULL, TUNNEL, true },
	[XDP_OTHER_UDP] = { XDP, "outer_alone", "empty", NULL, OTHER_UDP, false },
	[XDP_OTHER_TCP] = { XDP, "outer_alone", "empty", NULL, OTHER_TCP, false },
};

/* The table. */
static const struct row {
	const char *name;
	enum figure_index figure, less; /* the same: nothing is to be subtracted */
} rows[] = {
	{ "tc: ingress_outer", TC_OUTER, TC_OUTER },
	{ "tc: ingress_inner", TC_BOTH, TC_OUTER },
	{ "tc: both", TC_BOTH, TC_BOTH },
	{ "tc: ingress_outer, other UDP", TC_OTHER_UDP, TC_OTHER_UDP },
	{ "tc: ingress_outer, other TCP", TC_OTHER_TCP, TC_OTHER_TCP },
	{ "peek: ingress_inner", PEEK_INNER, PEEK_INNER },
	{ "xdp: ingress_outer", XDP_OUTER, XDP_OUTER },
	{ "xdp: ingress_inner", XDP_BOTH, XDP_OUTER },
	{ "xdp: both", XDP_BOTH, XDP_BOTH },
	{ "xdp: ingress_outer, other UDP", XDP_OTHER_UDP, XDP_OTHER_UDP },
	{ "xdp: ingress_outer, other TCP", XDP_OTHER_TCP, XDP_OTHER_TCP },
};
#define N_ROWS ARRAY_SIZE(rows)

struct ingress {
	struct programs programs[N_METHODS];
	struct packet packets[N_FAMILIES][N_PACKETS];
	struct result results[N_FAMILIES][N_FIGURES];
};

/*
 * Packets
 */

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static unsigned int put_ip4(unsigned char *ip, unsigned char protocol, unsigned int payload)
{
	memcpy(ip, "\x45\0\0\0\0\0\0\0\x40\0\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	ip[1] = BENCH_DSCP << 2;
	put16(ip + 2, 20 + payload);
	ip[9] = protocol;
	put16(ip + 10, ip_sum(ip));
	return 20;
}

static unsigned int put_ip6(unsigned char *ip, unsigned char protocol, unsigned int payload)
{
	memset(ip, 0, 40);
	put16(ip, 6 << 12 | BENCH_DSCP << 6);
	put16(ip + 4, payload);
	ip[6] = protocol;
	ip[7] = 64;
	ip[8] = ip[24] = 0xfd;
	ip[23] = 1;
	ip[39] = 2;
	return 40;
}

/* IP, UDP and WireGuard header of a message with a packet of that length in it. */
static unsigned int put_headers(unsigned char *ip, enum family family, unsigned char protocol,
				unsigned int port, unsigned int inner)
{
	unsigned int udp_length = UDP_BYTES + WIREGUARD_BYTES + inner + WIREGUARD_TAG;
	unsigned int length = family == IP4 ? put_ip4(ip, protocol, udp_length)
					    : put_ip6(ip, protocol, udp_length);
	unsigned char *udp = ip + length;

	put16(udp, 4000);
	put16(udp + 2, port);
	put16(udp + 4, udp_length);
	udp[UDP_BYTES] = 4; /* data */
	return length + UDP_BYTES + WIREGUARD_BYTES;
}

/* See bench_ingress.h. The packet that ingress_inner sees is as long as the first headers say. */
static void build(struct packet *p, enum family family, unsigned char protocol, unsigned int port)
{
	unsigned char *ip = p->bytes + IP_OFFSET;
	unsigned int headers;

	memset(p, 0, sizeof(*p));
	memcpy(p->bytes, "\x52\x54\0\0\0\1\x52\x54\0\0\0\2", 12);
	put16(p->bytes + 12, family == IP4 ? 0x0800 : 0x86dd);
	headers = put_headers(ip, family, protocol, port, BENCH_INNER_FRAME);
	memcpy(ip + headers + IP_OFFSET, ip, headers);
	p->length = IP_OFFSET + headers + BENCH_INNER_FRAME;
}

/*
 * Programs
 */

/* A tunnel in slot 1. */
static int register_tunnel(const struct programs *p)
{
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC,
				      .version = DSCP_ABI_VERSION,
				      .ingress_kinds = 1u << DSCP_KIND_WIREGUARD };
	struct dscp_tunnel tunnel = { .ifindex = LOOPBACK,
				      .kind = DSCP_KIND_WIREGUARD,
				      .flags = DSCP_TUNNEL_INGRESS };
	struct dscp_port port = { .slot = 1, .ingress_kind = DSCP_KIND_WIREGUARD };
	unsigned int zero = 0, slot = 1, number = PORT;

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		tunnel.ingress.to[i] = i == BENCH_DSCP ? BENCH_INGRESS_DSCP : i;
	if (bpf_map_update_elem(map_fd(p, "tunnels"), &slot, &tunnel, BPF_ANY) ||
	    bpf_map_update_elem(map_fd(p, "ports"), &number, &port, BPF_ANY) ||
	    bpf_map_update_elem(map_fd(p, "config"), &zero, &config, BPF_ANY))
		return -errno;
	return 0;
}

static int load_method(struct programs *p, const char *dir, const char *object)
{
	char path[4096];
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, object);
	err = load_programs(p, path, 0);
	p->flows = NOTES;
	err = err ? err : register_tunnel(p);
	if (err)
		fprintf(stderr, "bench: %s does not load: %s\n", path, strerror(-err));
	return err;
}

void ingress_close(struct ingress *in)
{
	for (int method = 0; in && method < N_METHODS; method++)
		bpf_object__close(in->programs[method].object);
	free(in);
}

struct ingress *ingress_open(const char *dir)
{
	struct ingress *in = calloc(1, sizeof(*in));
	int err = in ? 0 : -ENOMEM;

	for (int method = 0; method < N_METHODS && !err; method++)
		err = load_method(&in->programs[method], dir, objects[method]);
	if (err) {
		ingress_close(in);
		return NULL;
	}
	for (int family = 0; family < N_FAMILIES; family++) {
		build(&in->packets[family][TUNNEL], family, PROTO_UDP, PORT);
		build(&in->packets[family][OTHER_UDP], family, PROTO_UDP, PORT_OF_OTHERS);
		build(&in->packets[family][OTHER_TCP], family, PROTO_TCP, PORT_OF_OTHERS);
	}
	return in;
}

static int measure_figure(struct ingress *in, enum family family, enum figure_index i,
			  unsigned int round)
{
	const struct figure *f = &figures[i];
	const struct packet *packet = &in->packets[family][f->packet];
	struct probe probe = { .name = f->program,
			       .programs = &in->programs[f->method],
			       .program = f->program,
			       .reset = f->reset,
			       .before = f->before,
			       .packet = packet,
			       .packet_before = packet,
			       .ds = (f->marks ? BENCH_INGRESS_DSCP : BENCH_DSCP) << 2,
			       .burst = f->before ? NOTES : BURST,
			       .bursts = BURSTS };

	return measure(&probe, &in->results[family][i], round, 0);
}

int ingress_round(struct ingress *in, unsigned int round)
{
	int err = 0;

	for (int family = 0; family < N_FAMILIES; family++)
		for (int i = 0; i < N_FIGURES && !err; i++)
			err = measure_figure(in, family, i, round);
	return err;
}

/*
 * Report
 */

static double added(const struct ingress *in, enum family family, const struct row *row)
{
	const struct result *results = in->results[family];
	double all = results[row->figure].quiet_added;

	return row->less == row->figure ? all : all - results[row->less].quiet_added;
}

static struct json_object *print_row(const struct ingress *in, enum family family,
				     const struct row *row, double baseline_outer)
{
	double empty = in->results[family][EMPTY].quiet_ns, ns = added(in, family, row);
	double to_empty = (empty + ns) / empty, to_base = ns / baseline_outer;
	struct json_object *json = json_object_new_object();

	printf("IPv%d  %-32s %7.1f %9.2f %12.2f\n", family == IP4 ? 4 : 6, row->name, ns, to_empty,
	       to_base);
	json_object_object_add(json, "ip", json_object_new_int(family == IP4 ? 4 : 6));
	json_object_object_add(json, "what", json_object_new_string(row->name));
	json_object_object_add(json, "empty_ns", json_object_new_double(empty));
	json_object_object_add(json, "added_ns", json_object_new_double(ns));
	json_object_object_add(json, "to_empty", json_object_new_double(to_empty));
	json_object_object_add(json, "to_baseline_outer", json_object_new_double(to_base));
	return json;
}

struct json_object *ingress_print(struct ingress *in, double baseline_outer)
{
	struct json_object *list = json_object_new_array();

	for (int family = 0; family < N_FAMILIES; family++)
		for (int i = 0; i < N_FIGURES; i++)
			take_quiet(&in->results[family][i]);
	printf("\ningress of one tunnel, ns per packet; added: less what an empty program and the\n"
	       "reset cost; ratios: of a program's run to an empty one's (%.1f ns), and of added "
	       "to the\n"
	       "baseline's egress_outer (%.1f ns)\n\n"
	       "      program                            added  to empty  to baseline\n",
	       in->results[IP4][EMPTY].quiet_ns, baseline_outer);
	for (int family = 0; family < N_FAMILIES; family++)
		for (unsigned int i = 0; i < N_ROWS; i++)
			json_object_array_add(list,
					      print_row(in, family, &rows[i], baseline_outer));
	return list;
}

double ingress_peek_added(const struct ingress *in)
{
	double ip4 = in->results[IP4][PEEK_INNER].quiet_added;
	double ip6 = in->results[IP6][PEEK_INNER].quiet_added;

	return ip4 > ip6 ? ip4 : ip6;
}
