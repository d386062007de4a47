/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Measures egress_outer for each kind of tunnel, and for fragments: the first one, later ones, a
 * first and a last one together, and foreign ones. WireGuard's and user space tunnels' packets have
 * been through egress_inner before, so its figure goes with theirs.
 */
#include "kinds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include <dscp/abi.h>
#include <util/macros.h>

#include "bench.h"
#include "measure.h"

#define PROTO_FRAGMENT 44
#define PROTO_GRE 47
#define PROTO_IPIP 4
#define VXLAN_PORT 4789
#define VNI 42
#define OTHERS 4000

enum family { IP4, IP6, N_FAMILIES };
/* PRIORITY is a WireGuard, too, with --priority-map and the port behind the other one's. */
enum slot {
	NO_SLOT,
	WIREGUARD,
	PRIORITY,
	VXLAN,
	GRE = VXLAN + N_FAMILIES,
	IPIP = GRE + N_FAMILIES,
};

static const struct row {
	const char *name;
	const char *program, *reset;
	const char *before; /* has the first fragment before */
	unsigned char kind; /* DSCP_KIND_NONE: others' UDP */
	enum { WHOLE, MAPPED, FIRST, LATER } part; /* MAPPED: whole, of PRIORITY */
} rows[] = {
	{ "egress_inner", "ours_inner", "reset_inner", NULL, DSCP_KIND_NONE, WHOLE },
	{ "WireGuard", "ours_outer", "reset_outer", NULL, DSCP_KIND_WIREGUARD, WHOLE },
	{ "WireGuard, --priority-map", "ours_outer", "reset_outer", NULL, DSCP_KIND_WIREGUARD,
	  MAPPED },
	{ "VXLAN", "ours_outer", "reset_outer", NULL, DSCP_KIND_VXLAN, WHOLE },
	{ "GRE", "ours_outer", "reset_outer", NULL, DSCP_KIND_GRE, WHOLE },
	{ "IPIP", "ours_outer", "reset_outer", NULL, DSCP_KIND_IPIP, WHOLE },
	{ "WireGuard, first fragment", "ours_outer", "reset_outer", NULL, DSCP_KIND_WIREGUARD,
	  FIRST },
	{ "WireGuard, first of a socket", "ours_socket", "reset_base_outer", NULL,
	  DSCP_KIND_WIREGUARD, FIRST },
	{ "VXLAN, first fragment", "ours_outer", "reset_outer", NULL, DSCP_KIND_VXLAN, FIRST },
	{ "later fragment", "ours_outer", "reset_outer", "ours_outer", DSCP_KIND_WIREGUARD, LATER },
	{ "first and last fragment", "ours_pair", "reset_pair", NULL, DSCP_KIND_WIREGUARD, FIRST },
	{ "others' first fragment", "ours_outer", "reset_outer", NULL, DSCP_KIND_NONE, FIRST },
	{ "others' later fragment", "ours_outer", "reset_outer", NULL, DSCP_KIND_NONE, LATER },
};
#define N_ROWS ARRAY_SIZE(rows)

struct kinds {
	struct programs programs;
	struct result results[N_FAMILIES][N_ROWS];
};

/*
 * Packets
 */

static void put16(unsigned char *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static unsigned int put_ip4(unsigned char *ip, unsigned char protocol, unsigned int fragment,
			    unsigned char id)
{
	memcpy(ip, "\x45\0\0\x96\0\0\0\0\x40\0\0\0\x0a\0\0\1\x0a\0\0\2", 20);
	ip[5] = id;
	put16(ip + 6, (fragment & 1) << 13 | fragment >> 3);
	ip[9] = protocol;
	put16(ip + 10, ip_sum(ip));
	return 20;
}

/* fragment: as in IPv6's header; 0: none. */
static unsigned int put_ip6(unsigned char *ip, unsigned char protocol, unsigned int fragment,
			    unsigned char id)
{
	ip[0] = 0x60;
	ip[5] = 150;
	ip[6] = fragment ? PROTO_FRAGMENT : protocol;
	ip[7] = 64;
	ip[8] = ip[24] = 0xfd;
	ip[23] = 1;
	ip[39] = 2;
	if (!fragment)
		return 40;
	ip[40] = protocol;
	put16(ip + 42, fragment);
	ip[47] = id;
	return 48;
}

static unsigned int put_outer(unsigned char *ip, enum family family, const struct row *row,
			      unsigned char protocol)
{
	static const unsigned int fragments[] = {
		[WHOLE] = 0, [MAPPED] = 0, [FIRST] = 1, [LATER] = 9
	};
	unsigned char id = row->kind + 1;

	return family == IP4 ? put_ip4(ip, protocol, fragments[row->part], id)
			     : put_ip6(ip, protocol, fragments[row->part], id);
}

/* The outer header has DSCP 0, the inner one EF; egress_inner's packet begins with the latter. */
static void build(struct packet *p, enum family family, const struct row *row)
{
	static const unsigned char protocols[] = { [DSCP_KIND_NONE] = PROTO_UDP,
						   [DSCP_KIND_WIREGUARD] = PROTO_UDP,
						   [DSCP_KIND_VXLAN] = PROTO_UDP,
						   [DSCP_KIND_GRE] = PROTO_GRE,
						   [DSCP_KIND_IPIP] = PROTO_IPIP };
	unsigned char *at = p->bytes + IP_OFFSET;

	memset(p, 0, sizeof(*p));
	memcpy(p->bytes, "\x52\x54\0\0\0\1\x52\x54\0\0\0\2", 12);
	put16(p->bytes + 12, family == IP4 ? 0x0800 : 0x86dd);
	p->length = 220;
	at += put_outer(at, family, row, protocols[row->kind]);
	if (protocols[row->kind] == PROTO_UDP) {
		put16(at, row->kind == DSCP_KIND_WIREGUARD ? PORT + (row->part == MAPPED) : OTHERS);
		put16(at + 2, row->kind == DSCP_KIND_VXLAN ? VXLAN_PORT : OTHERS);
		put16(at + 4, 130);
		at[8] = row->kind == DSCP_KIND_VXLAN ? 8 : 4;
		at[14] = row->kind == DSCP_KIND_VXLAN ? VNI : 0;
		memcpy(at + 16, p->bytes, 12);
		at += 28;
	}
	if (row->kind == DSCP_KIND_GRE)
		at += 2;
	if (row->kind == DSCP_KIND_GRE || row->kind == DSCP_KIND_VXLAN) {
		put16(at, 0x0800);
		at += 2;
	}
	put_ip4(at, PROTO_UDP, 0, 0);
	at[1] = BENCH_DSCP << 2;
	if (!strcmp(row->program, "ours_inner")) {
		p->bytes[IP_OFFSET] |= family == IP4 ? 0 : BENCH_DSCP >> 2;
		p->bytes[IP_OFFSET + 1] = BENCH_DSCP << (family == IP4 ? 2 : 6);
	}
}

/*
 * Tunnels
 */

static int register_tunnel(const struct programs *p, unsigned int slot, unsigned char kind,
			   enum family family)
{
	struct dscp_tunnel tunnel = { .ifindex = 100 + slot,
				      .kind = kind,
				      .flags = DSCP_TUNNEL_EGRESS };
	struct dscp_endpoint key = { .kind = kind, .family = family == IP4 ? 4 : 6 };

	for (unsigned int i = 0; i < DSCP_VALUES; i++)
		tunnel.egress.to[i] = i;
	if (slot == PRIORITY) {
		tunnel.flags |= DSCP_TUNNEL_PRIORITY;
		tunnel.priority.to[BENCH_DSCP] = 6 + 1;
	}
	if (kind == DSCP_KIND_VXLAN) {
		key.port = VXLAN_PORT;
		key.id = VNI;
	}
	if (bpf_map_update_elem(map_fd(p, "tunnels"), &slot, &tunnel, BPF_ANY) ||
	    (kind != DSCP_KIND_WIREGUARD &&
	     bpf_map_update_elem(map_fd(p, "endpoints"), &key, &slot, BPF_ANY)))
		return -errno;
	return 0;
}

static int register_tunnels(const struct programs *p)
{
	struct dscp_port wireguard = { .slot = WIREGUARD, .kind = DSCP_KIND_WIREGUARD };
	struct dscp_port priority = { .slot = PRIORITY, .kind = DSCP_KIND_WIREGUARD };
	struct dscp_port vxlan = { .kind = DSCP_KIND_VXLAN };
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	unsigned int zero = 0, wireguard_port = PORT, priority_port = PORT + 1,
		     vxlan_port = VXLAN_PORT;
	int err = register_tunnel(p, WIREGUARD, DSCP_KIND_WIREGUARD, IP4);

	err = err ? err : register_tunnel(p, PRIORITY, DSCP_KIND_WIREGUARD, IP4);
	config.kinds = 1u << DSCP_KIND_GRE | 1u << DSCP_KIND_IPIP;
	for (int family = 0; family < N_FAMILIES && !err; family++) {
		err = register_tunnel(p, VXLAN + family, DSCP_KIND_VXLAN, family);
		err = err ? err : register_tunnel(p, GRE + family, DSCP_KIND_GRE, family);
		err = err ? err : register_tunnel(p, IPIP + family, DSCP_KIND_IPIP, family);
	}
	if (!err &&
	    (bpf_map_update_elem(map_fd(p, "ports"), &wireguard_port, &wireguard, BPF_ANY) ||
	     bpf_map_update_elem(map_fd(p, "ports"), &priority_port, &priority, BPF_ANY) ||
	     bpf_map_update_elem(map_fd(p, "ports"), &vxlan_port, &vxlan, BPF_ANY) ||
	     bpf_map_update_elem(map_fd(p, "config"), &zero, &config, BPF_ANY)))
		err = -errno;
	return err;
}

/* The stamp of the one flow that there is. */
static int warm_up(const struct programs *p)
{
	struct packet inner, out;
	double ns;

	build(&inner, IP4, &rows[0]);
	return run(p, "ours_inner", &inner, 0, 1, &out, &ns);
}

void kinds_close(struct kinds *kinds)
{
	if (kinds)
		bpf_object__close(kinds->programs.object);
	free(kinds);
}

struct kinds *kinds_open(const char *dir)
{
	struct kinds *kinds = calloc(1, sizeof(*kinds));
	char path[4096];
	int err;

	if (!kinds)
		return NULL;
	snprintf(path, sizeof(path), "%s/bench.bpf.o", dir);
	kinds->programs.flows = 1;
	err = load_programs(&kinds->programs, path, 0);
	err = err ? err : register_tunnels(&kinds->programs);
	err = err ? err : warm_up(&kinds->programs);
	if (!err)
		return kinds;
	fprintf(stderr, "bench: %s does not load: %s\n", path, strerror(-err));
	kinds_close(kinds);
	return NULL;
}

static int measure_row(struct kinds *kinds, enum family family, unsigned int i, unsigned int round)
{
	const struct row *row = &rows[i];
	struct row first = *row;
	struct packet packet, before;
	struct probe probe = { .name = row->name,
			       .programs = &kinds->programs,
			       .program = row->program,
			       .reset = row->reset,
			       .before = row->before,
			       .packet = &packet,
			       .packet_before = &before,
			       .burst = BURST,
			       .bursts = BURSTS };

	first.part = FIRST;
	build(&packet, family, row);
	build(&before, family, &first);
	if (i == 0 || row->kind != DSCP_KIND_NONE)
		probe.ds = BENCH_DSCP << 2;
	return measure(&probe, &kinds->results[family][i], round, 0);
}

int kinds_round(struct kinds *kinds, unsigned int round)
{
	int err = 0;

	for (int family = 0; family < N_FAMILIES; family++)
		for (unsigned int i = 0; i < N_ROWS && !err; i++)
			err = measure_row(kinds, family, i, round);
	return err;
}

struct json_object *kinds_print(struct kinds *kinds)
{
	struct json_object *list = json_object_new_array(), *json;

	printf("\negress_outer by kinds of tunnels and of fragments, one flow, ns per packet; "
	       "added: "
	       "less what\nthe reset cost\n\n"
	       "      packet                          added\n");
	for (int family = 0; family < N_FAMILIES; family++) {
		for (unsigned int i = 0; i < N_ROWS; i++) {
			struct result *r = &kinds->results[family][i];

			take_quiet(r);
			printf("IPv%d  %-28s %8.1f\n", family == IP4 ? 4 : 6, rows[i].name,
			       r->quiet_added);
			json = json_object_new_object();
			json_object_object_add(json, "ip",
					       json_object_new_int(family == IP4 ? 4 : 6));
			json_object_object_add(json, "what", json_object_new_string(rows[i].name));
			json_object_object_add(json, "added_ns",
					       json_object_new_double(r->quiet_added));
			json_object_array_add(list, json);
		}
	}
	return list;
}
