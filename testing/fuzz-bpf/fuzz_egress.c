/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The egress programs with random packets, tunnels, policies and stamps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <string.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>

#include <dscp/mix.h>
#include <util/macros.h>

#include "egress_cases.h"
#include "fuzz.h"
#include "generate.h"

#define N_PEERS 24
#define OWN_SLOT 3
#define OWN_LIST 5
#define MAX_NOTES 256 /* of fragments, before all are forgotten */
#define MAX_FLOWS 4096 /* as egress_load() makes the map */

enum { INNER_PROGRAM, PEERS_PROGRAM, OUTER_PROGRAM };

const char *const fuzz_verdicts[N_VERDICTS] = { "not ours", "skipped", "unknown", "unchanged",
						"marked" };

static struct {
	struct dscp_prefix prefix;
	struct dscp_policy policy;
} prefixes[N_PEERS];
static unsigned int n_prefixes;
static uint32_t hashes[16];

/*
 * The world
 */

static struct dscp_policy random_policy(void)
{
	struct dscp_policy policy;

	for (int i = 0; i < DSCP_VALUES; i++)
		policy.to[i] = fuzz_one_in(4)	? DSCP_KEEP
			       : fuzz_one_in(2) ? (uint32_t)i
						: fuzz_below(DSCP_VALUES);
	return policy;
}

static bool port_is_free(uint16_t port, uint8_t kind, bool shared)
{
	for (int i = 1; i < N_SLOTS; i++)
		if (world.tunnels[i].ports[0] == port && (!shared || world.tunnels[i].kind != kind))
			return false;
	return true;
}

static uint32_t own_ifindex(void)
{
	return how.device ? device_ifindex() : 1;
}

static bool endpoint_is_free(const struct dscp_endpoint *e)
{
	for (int i = 1; i < N_SLOTS; i++)
		if (!memcmp(&world.tunnels[i].endpoint, e, sizeof(*e)))
			return false;
	return true;
}

/* False: not as a tool would have it. */
static bool random_by_port(struct dscp_tunnel *t)
{
	bool vni = t->kind == DSCP_KIND_VXLAN || t->kind == DSCP_KIND_GENEVE;

	t->ports[0] = fuzz_ports[fuzz_below(N_FUZZ_PORTS)];
	if (!port_is_free(t->ports[0], t->kind, vni))
		return false;
	if (!vni)
		return true;
	if (fuzz_one_in(3)) {
		t->flags |= DSCP_TUNNEL_ANY_ID;
		for (int i = 1; i < N_SLOTS; i++)
			if (world.tunnels[i].ports[0] == t->ports[0] &&
			    world.tunnels[i].flags & DSCP_TUNNEL_ANY_ID)
				return false;
		return true;
	}
	t->endpoint = (struct dscp_endpoint){ .kind = t->kind,
					      .family = fuzz_one_in(2) ? 6 : 4,
					      .port = t->ports[0],
					      .id = fuzz_ids[fuzz_below(N_FUZZ_IDS)] };
	return endpoint_is_free(&t->endpoint);
}

static bool random_by_address(struct dscp_tunnel *t)
{
	bool ip6 = fuzz_one_in(2);

	t->endpoint = (struct dscp_endpoint){ .kind = t->kind, .family = ip6 ? 6 : 4 };
	if (t->kind == DSCP_KIND_GRE)
		t->endpoint.id = fuzz_ids[fuzz_below(N_FUZZ_IDS)];
	if (!fuzz_one_in(3))
		fuzz_address(t->endpoint.local, ip6, fuzz_below(N_FUZZ_ADDRESSES));
	if (!fuzz_one_in(3))
		fuzz_address(t->endpoint.remote, ip6, fuzz_below(N_FUZZ_ADDRESSES));
	return endpoint_is_free(&t->endpoint);
}

static void random_tunnel(uint32_t slot)
{
	struct dscp_tunnel t = {
		.ifindex = fuzz_one_in(16) ? own_ifindex() : IFINDEX(slot),
		.kind = 1 + fuzz_below(DSCP_KIND_IPIP),
		.flags = fuzz_one_in(16) ? 0 : DSCP_TUNNEL_EGRESS,
		.netns = fuzz_below(2),
	};

	t.egress = random_policy();
	if (fuzz_one_in(2))
		t.flags |= DSCP_TUNNEL_PREFIXES;
	t.list = fuzz_one_in(4);
	if (fuzz_one_in(5)) {
		t.flags |= DSCP_TUNNEL_FIXED;
		t.outer_dscp = fuzz_below(DSCP_VALUES);
	}
	if (fuzz_one_in(2))
		t.handshake = fuzz_below(DSCP_VALUES + 1);
	if (fuzz_one_in(2))
		t.flags |= DSCP_TUNNEL_PRIORITY;
	for (int i = 0; i < DSCP_VALUES; i++)
		t.priority.to[i] = fuzz_below(DSCP_PRIORITIES + 1);
	if (t.kind <= DSCP_KIND_GENEVE ? random_by_port(&t) : random_by_address(&t))
		add_tunnel(slot, &t);
}

static bool bucket_is_free(uint32_t hash)
{
	for (unsigned int i = 0; i < world.n_stamps; i++)
		if (world.stamps[i].hash == hash ||
		    world.stamps[i].hash % DSCP_STAMP_CACHE == hash % DSCP_STAMP_CACHE)
			return false;
	return true;
}

/* As the inner programs leave them: a stamp in stamp_cache tells its value by itself. */
static void random_stamp(void)
{
	struct stamp s = { .value = fuzz_below(DSCP_VALUES), .in_flows = !fuzz_one_in(3) };

	if (fuzz_one_in(4))
		s.value |= DSCP_STAMP_FINAL;
	if (fuzz_one_in(8))
		s.value = DSCP_STAMP_FINAL | DSCP_STAMP_KEEP;
	s.hash = dscp_stamp(fuzz_random(), s.value);
	s.ifindex = fuzz_one_in(8) ? fuzz_below(2) : IFINDEX(1 + fuzz_below(N_SLOTS - 1));
	s.in_recent = !s.in_flows || fuzz_one_in(2);
	if (bucket_is_free(s.hash))
		add_stamp(&s);
}

/* The last packet of the program at the uplink. */
static struct {
	struct packet p;
	size_t ip; /* 0: there was none */
} before;

/* For any tunnel; most have no use for it. */
static void random_prefix(void)
{
	struct prefix prefix = {
		.slot = 1 + fuzz_below(N_SLOTS - 1),
		.ip6 = fuzz_one_in(2),
		.to = fuzz_one_in(8) ? DSCP_KEEP : fuzz_below(DSCP_VALUES),
	};

	prefix.list = fuzz_one_in(4);
	prefix.rest = fuzz_one_in(4);
	prefix.ip6 &= !prefix.rest;
	prefix.length = prefix.rest ? 0 : fuzz_below(prefix.ip6 ? 129 : 33);
	fuzz_address(prefix.address, prefix.ip6, fuzz_below(N_FUZZ_ADDRESSES));
	for (unsigned int i = prefix.length; i < 128; i++)
		prefix.address[i / 8] &= ~(0x80 >> i % 8);
	for (unsigned int i = 0; i < world.n_prefixes; i++)
		if (world.prefixes[i].slot == prefix.slot && world.prefixes[i].ip6 == prefix.ip6 &&
		    world.prefixes[i].list == prefix.list &&
		    world.prefixes[i].rest == prefix.rest &&
		    world.prefixes[i].length == prefix.length)
			return;
	add_prefix(&prefix);
}

static void random_world(void)
{
	switch (fuzz_below(8)) {
	case 0:
		set_nothing(NULL);
		break;
	case 1:
		set_no_tunnel(NULL);
		break;
	default:
		set_nothing(NULL);
		for (int slot = 1; slot < N_SLOTS; slot++)
			random_tunnel(slot);
	}
	while (world.n_stamps < 120)
		random_stamp();
	while (world.n_prefixes < N_WORLD_PREFIXES)
		random_prefix();
	before.ip = 0;
}

static void random_peer(void)
{
	bool ip6 = fuzz_one_in(2);
	struct dscp_prefix *prefix = &prefixes[n_prefixes].prefix;
	uint32_t bits = fuzz_one_in(4) ? fuzz_below(ip6 ? 129 : 33)
			: ip6	       ? 124 + fuzz_below(5)
				       : 28 + fuzz_below(5);

	memset(prefix, 0, sizeof(*prefix));
	prefix->slot = fuzz_one_in(4) ? OWN_SLOT + 1 : OWN_SLOT;
	prefix->list = fuzz_one_in(4) ? OWN_LIST + 1 : OWN_LIST;
	prefix->family = ip6 ? 6 : 4;
	prefix->prefixlen = DSCP_PREFIX_BITS + bits;
	fuzz_address(prefix->address, ip6, fuzz_below(N_FUZZ_ADDRESSES));
	for (uint32_t i = bits; i < 128; i++)
		prefix->address[i / 8] &= ~(0x80 >> i % 8);
	for (unsigned int i = 0; i < n_prefixes; i++)
		if (!memcmp(&prefixes[i].prefix, prefix, sizeof(*prefix)))
			return;
	prefixes[n_prefixes].policy = random_policy();
	assert_int_equal(bpf_map_update_elem(egress_map("prefixes"), prefix,
					     &prefixes[n_prefixes].policy, BPF_ANY),
			 0);
	n_prefixes++;
}

static void begin_round(const struct target *t)
{
	struct dscp_tunnel own = { .kind = DSCP_KIND_WIREGUARD,
				   .flags = DSCP_TUNNEL_EGRESS | DSCP_TUNNEL_PREFIXES };

	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++)
		hashes[i] = fuzz_random();
	n_prefixes = 0;
	egress_load();
	if (t->id == OUTER_PROGRAM) {
		random_world();
		return;
	}
	set_nothing(NULL);
	if (t->id == INNER_PROGRAM || fuzz_one_in(16))
		return;
	own.ifindex = own_ifindex();
	own.egress = random_policy();
	own.list = OWN_LIST;
	add_tunnel(OWN_SLOT, &own);
	for (int i = 0; i < N_PEERS; i++)
		random_peer();
}

static void end_round(const struct target *t)
{
	(void)t;
	assert_uint_in_range(count_flows(), 0, MAX_FLOWS);
	egress_unload();
}

/*
 * The programs at the tunnel
 */

/* Where the IP header is and of which version; -1: there is none. */
static int find_inner(const struct packet *p, bool *ip6)
{
	size_t at = 12;
	uint16_t type;

	*ip6 = p->ip6;
	if (how.raw) {
		at = 0;
	} else {
		if (p->len < ETHERNET)
			return -1;
		for (int tags = 0; tags < 2 && p->len >= at + 2 + TAG; tags++) {
			type = get16(p->bytes + at);
			if (type != ETH_P_8021Q && type != ETH_P_8021AD)
				break;
			at += TAG;
		}
		type = get16(p->bytes + at);
		at += 2;
		if (type != ETH_P_IP && type != ETH_P_IPV6)
			return -1;
		*ip6 = type == ETH_P_IPV6;
	}
	if (p->len < at + (*ip6 ? 40 : 20) || p->bytes[at] >> 4 != (*ip6 ? 6 : 4))
		return -1;
	return at;
}

static bool prefix_fits(const struct dscp_prefix *prefix, const uint8_t *address, bool ip6)
{
	uint32_t bits = prefix->prefixlen - DSCP_PREFIX_BITS;

	if (prefix->slot != OWN_SLOT || prefix->list != OWN_LIST || prefix->family != (ip6 ? 6 : 4))
		return false;
	for (uint32_t i = 0; i < bits; i++)
		if ((prefix->address[i / 8] ^ address[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

/* Returns the stamp that the packet should get; -1: it is left alone. */
static int mark_of(const struct packet *p, int program)
{
	const struct dscp_policy *policy = &world.tunnels[OWN_SLOT].egress;
	const uint8_t *address;
	uint32_t longest = 0;
	bool ip6;
	int at = find_inner(p, &ip6), dscp;

	if (at < 0 || (program == PEERS_PROGRAM && !world.tunnels[OWN_SLOT].ifindex))
		return -1;
	dscp = get_ds(p->bytes + at, ip6) >> 2;
	if (program == INNER_PROGRAM)
		return dscp;
	address = p->bytes + at + (ip6 ? 24 : 16);
	for (unsigned int i = 0; i < n_prefixes; i++) {
		if (prefixes[i].prefix.prefixlen <= longest ||
		    !prefix_fits(&prefixes[i].prefix, address, ip6))
			continue;
		longest = prefixes[i].prefix.prefixlen;
		policy = &prefixes[i].policy;
	}
	dscp = policy->to[dscp];
	return dscp == DSCP_KEEP ? 0xc0 : 0x40 | dscp;
}

/* In stamp_cache it is for certain; stamps is smaller here, and forgets. */
static void check_stamp(uint32_t stamp, int value)
{
	uint32_t bucket = stamp % DSCP_STAMP_CACHE, last;
	struct dscp_stamp flow;

	assert_int_equal(bpf_map_lookup_elem(egress_map("stamp_cache"), &bucket, &last), 0);
	assert_int_equal(last, stamp);
	if (bpf_map_lookup_elem(egress_map("stamps"), &stamp, &flow))
		return;
	assert_int_equal(dscp_unmix(stamp) & DSCP_STAMP_BITS, value);
	assert_int_equal(flow.ifindex, own_ifindex());
}

/* A test run gives the skb a socket, with a hash that is not noted. */
static unsigned int step_inner(const struct target *t, const struct packet *p)
{
	uint32_t hash = fuzz_one_in(64) ? fuzz_random() : hashes[fuzz_below(16)];
	int value = mark_of(p, t->id);
	struct packet out;

	fuzz_note("hash %#x, value %d", hash, value);
	if (!transmit(t->id == INNER_PROGRAM ? "test_inner" : "test_peers", p, hash, &out))
		return 0;
	assert_same(p, p, &out);
	fuzz_seen[value < 0 ? NOT_OURS : MARKED]++;
	assert_int_equal(knobs->after, value < 0 ? hash : dscp_stamp(hash, value));
	if (value >= 0) {
		account_inner(p);
		check_stamp(knobs->after, value);
	}
	return 1;
}

/*
 * The program at the uplink
 */

static uint32_t random_hash(void)
{
	const struct stamp *s = &world.stamps[fuzz_below(world.n_stamps)];

	switch (fuzz_below(16)) {
	case 0:
		return 0;
	case 1:
		return fuzz_random();
	case 2:
		return s->hash ^ 1u << fuzz_below(32);
	case 3: /* the hash that the socket's fragments have in place of the stamp */
		return dscp_unmix(s->hash);
	default:
		return s->hash;
	}
}

static void keep(const struct packet *p, const struct outcome *o)
{
	bool ours = o->verdict != NOT_OURS && !o->ip6 && !knobs->vlan_tags && o->ip;

	before.ip = ours ? o->ip : 0;
	if (ours)
		before.p = *p;
	if (world.n_notes > MAX_NOTES)
		forget_notes();
}

/* The program itself has no hash in a test run. */
static unsigned int step_outer(const struct packet *p)
{
	bool itself = !how.device && fuzz_one_in(16);
	uint32_t hash = itself ? 0 : random_hash();
	struct outcome o;

	how.ingress = !how.device && fuzz_one_in(50) ? 7 : 0;
	how.segments = !how.device && fuzz_one_in(8) ? fuzz_below(40) : 0;
	knobs->vlan_tags = !how.device && !itself && fuzz_one_in(8);
	o = ask(p, hash);
	fuzz_note("hash %#x, verdict %d, slot %u, ingress_ifindex %u, gso_segs %u", hash, o.verdict,
		  o.slot, how.ingress, how.segments);
	check_packet(itself ? "egress_outer" : "test_outer", p, hash, &o);
	keep(p, &o);
	knobs->vlan_tags = 0;
	fuzz_seen[o.verdict]++;
	return 1;
}

/* The IPv4 packet before, if it was a tunnel's, as a fragment of any kind: the identification stays
 * the same. */
static bool again(struct packet *p)
{
	if (!fuzz_one_in(4) || !before.ip || before.p.len < before.ip + 20)
		return false;
	*p = before.p;
	set16(p->bytes + before.ip + 6, (fuzz_one_in(2) ? 0x2000 : 0) | fuzz_below(2) * 7);
	return true;
}

static void random_packet(struct packet *p)
{
	uint8_t version;

	if (again(p))
		return;
	if (how.raw) {
		put_none(p);
		generate_ip(p, 2);
	} else {
		generate_frame(p, 2);
	}
	version = p->bytes[0] & 0xf0;
	if (!fuzz_one_in(3))
		damage(p->bytes, p->len, 3);
	if (fuzz_one_in(5))
		resize(p, how.raw ? 1 : ETHERNET);
	/* The kernel does not send a packet of one version as one of the other. */
	if (how.raw)
		p->bytes[0] = version | (p->bytes[0] & 0x0f);
	if (how.device && p->len < 20)
		p->len = 20;
}

static unsigned int step(const struct target *t)
{
	static struct packet p;

	random_packet(&p);
	fuzz_now("packet", &p);
	return t->id == OUTER_PROGRAM ? step_outer(&p) : step_inner(t, &p);
}

static const char *refused(const struct target *t)
{
	(void)t;
	return bpf_refused();
}

static const char *open_device(void)
{
	const char *reason = device_refused();

	if (!reason)
		reason = device_open(false);
	how.device = how.raw = !reason;
	return reason;
}

static void end_device(void)
{
	how.device = how.raw = false;
	device_close();
}

#define TARGET(name, id)                                                                           \
	{                                                                                          \
		name, refused, begin_round, end_round, step, assert_counters, open_device,         \
			end_device, id                                                             \
	}

const struct target targets[] = {
	TARGET("egress_inner", INNER_PROGRAM),
	TARGET("egress_inner_peers", PEERS_PROGRAM),
	TARGET("egress_outer", OUTER_PROGRAM),
	{ .name = NULL },
};
