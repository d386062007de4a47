/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Cases of the egress programs: tunnels, packets, and the expected outcomes. */
#include "egress_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>

#include <dscp/mix.h>

#include "maps.h"
#include "random.h"

struct how how;
struct dscp_counters expected[N_SLOTS];

const uint8_t local4[] = { 192, 0, 2, 1 }, remote4[] = { 192, 0, 2, 2 };
const uint8_t other4[] = { 198, 51, 100, 7 };
const uint8_t local6[] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
const uint8_t remote6[] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 };
const uint8_t other6[] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9 };

/*
 * Packets
 */

void begin(struct packet *p, unsigned int tags)
{
	if (how.raw)
		put_none(p);
	else
		put_ethernet(p, tags);
}

static void put_ip(struct packet *p, int family, uint8_t protocol)
{
	if (family == 4)
		put_ip4(p, protocol, 5);
	else
		put_ip6(p, protocol);
}

/* With so many bytes of UDP payload, that begins with these four. */
struct packet udp_packet(int family, uint16_t source, uint16_t dest, uint32_t first, size_t len)
{
	struct packet p;

	begin(&p, 0);
	put_ip(&p, family, IPPROTO_UDP);
	put_udp(&p, source, dest);
	set32(put(&p, NULL, len < 4 ? 4 : len), first);
	if (len < 4)
		p.len -= 4 - len;
	finish(&p);
	return p;
}

struct packet wireguard_packet(int family)
{
	return udp_packet(family, WG_PORT, OTHER_PORT, 0x04000000, 33 + 16);
}

/* A tunnel's: with an inner IP header that says EF, if there is room for it. */
static void put_inner(struct packet *p, int family, uint8_t ds)
{
	struct packet inner;

	put_none(&inner);
	put_ip(&inner, family, IPPROTO_UDP);
	put_udp(&inner, 4000, 5000);
	finish(&inner);
	set_ds(&inner, ds);
	put(p, inner.bytes, inner.len);
}

struct packet with_inner(const struct packet *outer, const uint8_t *header, size_t len, bool frame,
			 unsigned int tags, int family, uint8_t ds)
{
	struct packet p = *outer, link;

	put_ethernet(&link, tags);
	put_type(&link, family == 6 ? ETH_P_IPV6 : ETH_P_IP);
	put(&p, header, len);
	if (frame)
		put(&p, link.bytes, link.len);
	put_inner(&p, family, ds);
	p.ip = outer->ip;
	p.ip6 = outer->ip6;
	finish(&p);
	return p;
}

struct packet outer_packet(int family, uint8_t protocol, uint16_t dest)
{
	struct packet p;

	begin(&p, 0);
	put_ip(&p, family, protocol);
	if (dest)
		put_udp(&p, OTHER_PORT, dest);
	return p;
}

/* VXLAN and geneve: two words, the VNI in the upper bytes of the second, then a frame. 70 bytes. */
struct packet vni_packet(int family, uint16_t port, uint32_t vni)
{
	struct packet p = outer_packet(family, IPPROTO_UDP, port);
	size_t start = p.len;
	uint8_t header[8];

	set32(header, port == GENEVE_PORT ? ETH_P_TEB : 0x08000000);
	set32(header + 4, vni << 8 | 0x5a);
	p = with_inner(&p, header, sizeof(header), true, 0, family, EF << 2 | 1);
	put(&p, NULL, start + 70 - p.len);
	p.ip = p.link;
	p.ip6 = family == 6;
	finish(&p);
	return p;
}

/* IPIP and the like have a packet inside. */
struct packet ip_packet(int family, uint8_t protocol, size_t len)
{
	struct packet p = outer_packet(family, protocol, 0);
	size_t start = p.len;

	if (protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6)
		p = with_inner(&p, NULL, 0, false, 0, protocol == IPPROTO_IPIP ? 4 : 6, EF << 2);
	p.len = start + (p.len - start < len ? p.len - start : len);
	len -= p.len - start;
	memset(put(&p, NULL, len), 0x45, len);
	finish(&p);
	return p;
}

/* flags: 0x20 the key, 0x80 a checksum before it. */
struct packet gre_packet(int family, uint8_t flags, uint32_t key)
{
	struct packet p;
	uint8_t *gre;

	begin(&p, 0);
	put_ip(&p, family, IPPROTO_GRE);
	gre = put(&p, NULL, 4);
	gre[0] = flags;
	set16(gre + 2, ETH_P_IP);
	if (flags & 0x80)
		set32(put(&p, NULL, 4), 0xabcd0000);
	if (flags & 0x20)
		set32(put(&p, NULL, 4), key);
	if (flags & 0x10)
		set32(put(&p, NULL, 4), 0x77777777);
	p = with_inner(&p, NULL, 0, false, 0, 4, EF << 2);
	p.ip = p.link;
	p.ip6 = family == 6;
	finish(&p);
	return p;
}

void set_addresses(struct packet *p, const uint8_t *local, const uint8_t *remote)
{
	uint8_t ds = get_ds(p->bytes + p->ip, p->ip6);
	uint8_t *source = p->bytes + p->ip + (p->ip6 ? 8 : 12);
	size_t len = p->ip6 ? 16 : 4;

	memcpy(source, local, len);
	memcpy(source + len, remote, len);
	set_ds(p, ds);
}

/* The same packet with tags in the frame. */
struct packet with_tags(const struct packet *p, unsigned int tags)
{
	struct packet tagged;

	put_ethernet(&tagged, tags);
	put_type(&tagged, p->ip6 ? ETH_P_IPV6 : ETH_P_IP);
	tagged.ip = tagged.len;
	tagged.ip6 = p->ip6;
	put(&tagged, p->bytes + p->ip, p->len - p->ip);
	return tagged;
}

struct packet cut(const struct packet *p, size_t len)
{
	struct packet shorter = *p;

	shorter.len = len;
	return shorter;
}

const uint16_t other_types[N_OTHER_TYPES] = {
	ETH_P_ARP, ETH_P_MPLS_UC, ETH_P_LLDP, ETH_P_PPP_SES, ETH_P_PAE,
	0x0000,	   0x0040,	  0xffff,     ETH_P_8021Q,
};

/* L3 packets with these bytes where a frame has its ethertype. */
const uint16_t lookalike_types[N_LOOKALIKES] = { ETH_P_IP, ETH_P_IPV6, ETH_P_8021Q, ETH_P_8021AD };

/* The bytes in place of the network header of a frame read as one, with another DSCP. */
struct packet lookalike(int family, unsigned int type)
{
	struct packet p = udp_packet(family, WG_PORT, OTHER_PORT, 0x04000000, 70);

	set16(p.bytes + 12, lookalike_types[type]);
	set16(p.bytes + 14, type % 2 ? 0x6880 : 0x4588);
	return p;
}

/*
 * The world
 */

static struct dscp_tunnel new_tunnel(uint32_t slot, uint8_t kind)
{
	struct dscp_tunnel t = {
		.ifindex = IFINDEX(slot),
		.kind = kind,
		.flags = DSCP_TUNNEL_EGRESS,
	};

	if (slot % 3)
		t.flags |= DSCP_TUNNEL_PRIORITY;
	for (int i = 0; i < DSCP_VALUES; i++) {
		t.egress.to[i] = i;
		t.priority.to[i] = priority_to(i);
	}
	return t;
}

void add_by_port(uint32_t slot, uint8_t kind, uint16_t port)
{
	struct dscp_tunnel t = new_tunnel(slot, kind);

	t.ports[0] = port;
	if (slot == WG_POLICY) {
		memset(t.egress.to, 0, sizeof(t.egress.to));
		t.egress.to[EF] = CS1;
		t.egress.to[AF41] = DSCP_KEEP;
		t.handshake = HANDSHAKE + 1;
	} else if (slot == WG_FIXED) {
		t.flags |= DSCP_TUNNEL_FIXED;
		t.outer_dscp = AF41;
	} else if (slot == VXLAN_ANY) {
		t.flags |= DSCP_TUNNEL_ANY_ID;
	}
	add_tunnel(slot, &t);
}

static void add_by_vni(uint32_t slot, uint8_t kind, int family, uint16_t port, uint32_t vni)
{
	struct dscp_tunnel t = new_tunnel(slot, kind);

	t.ports[0] = port;
	t.endpoint = (struct dscp_endpoint){ kind, family, port, vni, { 0 }, { 0 } };
	add_tunnel(slot, &t);
}

void add_by_address(uint32_t slot, uint8_t kind, int family, const uint8_t *local,
		    const uint8_t *remote, uint32_t key)
{
	struct dscp_tunnel t = new_tunnel(slot, kind);
	size_t len = family == 4 ? 4 : 16;

	t.endpoint = (struct dscp_endpoint){ .kind = kind, .family = family, .id = key };
	if (local)
		memcpy(t.endpoint.local, local, len);
	if (remote)
		memcpy(t.endpoint.remote, remote, len);
	add_tunnel(slot, &t);
}

static void add_all_tunnels(void)
{
	add_by_port(WG, DSCP_KIND_WIREGUARD, WG_PORT);
	add_by_port(WG_POLICY, DSCP_KIND_WIREGUARD, WG_POLICY_PORT);
	add_by_port(WG_FIXED, DSCP_KIND_WIREGUARD, WG_FIXED_PORT);
	add_by_port(USER, DSCP_KIND_UDP, USER_PORT);
	add_by_vni(VXLAN_42, DSCP_KIND_VXLAN, 4, VXLAN_PORT, 42);
	add_by_vni(VXLAN6_42, DSCP_KIND_VXLAN, 6, VXLAN_PORT, 42);
	add_by_vni(VXLAN_43, DSCP_KIND_VXLAN, 4, VXLAN_PORT, 0xabcdef);
	add_by_port(VXLAN_ANY, DSCP_KIND_VXLAN, VXLAN_ANY_PORT);
	add_by_vni(VXLAN_9, DSCP_KIND_VXLAN, 4, VXLAN_ANY_PORT, 9);
	add_by_vni(GENEVE, DSCP_KIND_GENEVE, 4, GENEVE_PORT, 7);
	add_by_vni(GENEVE6, DSCP_KIND_GENEVE, 6, GENEVE_PORT, 7);
	add_by_address(GRE, DSCP_KIND_GRE, 4, local4, remote4, 0);
	add_by_address(GRE_KEY, DSCP_KIND_GRE, 4, NULL, remote4, 77);
	add_by_address(GRE_LOCAL, DSCP_KIND_GRE, 4, local4, NULL, 77);
	add_by_address(GRE_ANY, DSCP_KIND_GRE, 4, NULL, NULL, 5);
	add_by_address(GRE6, DSCP_KIND_GRE, 6, local6, remote6, 0);
	add_by_address(GRE6_KEY, DSCP_KIND_GRE, 6, NULL, remote6, 77);
	add_by_address(IPIP, DSCP_KIND_IPIP, 4, local4, remote4, 0);
	add_by_address(IPIP_ANY, DSCP_KIND_IPIP, 4, NULL, NULL, 0);
	add_by_address(IPIP6, DSCP_KIND_IPIP, 6, local6, remote6, 0);
	add_by_address(IPIP6_REMOTE, DSCP_KIND_IPIP, 6, NULL, other6, 0);
	add_by_port(OVPN, DSCP_KIND_OVPN, OVPN_PORT);
	add_by_port(AMNEZIAWG, DSCP_KIND_AMNEZIAWG, AMNEZIAWG_PORT);
}

uint32_t stamp_of(uint32_t dscp)
{
	return dscp_stamp(HASH, dscp);
}

void add_stamps(uint32_t ifindex)
{
	for (uint32_t dscp = 0; dscp < DSCP_VALUES; dscp++)
		add_stamp(&(struct stamp){ .hash = stamp_of(dscp),
					   .ifindex = ifindex,
					   .value = dscp,
					   .in_flows = dscp % 3 != 1,
					   .in_recent = dscp % 3 != 2 });
}

int set_nothing(void **state)
{
	(void)state;
	how.type = 0;
	how.linear = how.ingress = how.segments = 0;
	memset(expected, 0, sizeof(expected));
	egress_reset();
	return 0;
}

int set_all(void **state)
{
	set_nothing(state);
	add_all_tunnels();
	add_stamps(IFINDEX(WG));
	return 0;
}

int set_plain(void **state)
{
	set_nothing(state);
	add_stamps(1);
	return 0;
}

int set_no_tunnel(void **state)
{
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	uint32_t zero = 0;

	set_plain(state);
	assert_int_equal(bpf_map_update_elem(egress_map("config"), &zero, &config, BPF_ANY), 0);
	world.configured = true;
	return 0;
}

int end_case(void **state)
{
	(void)state;
	random_teardown();
	return 0;
}

static int load(void **state)
{
	(void)state;
	egress_load();
	return 0;
}

static int unload(void **state)
{
	(void)state;
	egress_unload();
	return 0;
}

static int load_behind_device(void **state, bool frames)
{
	assert_null(device_open(frames));
	how.device = true;
	how.raw = !frames;
	return load(state);
}

static int load_behind_tun(void **state)
{
	return load_behind_device(state, false);
}

static int load_behind_tap(void **state)
{
	return load_behind_device(state, true);
}

static int close_device(void **state)
{
	unload(state);
	how.device = how.raw = false;
	device_close();
	return 0;
}

void maps_are_reset(void **state)
{
	(void)state;
	egress_reset_fully();
}

/*
 * Running and comparing
 */

static void dump(const char *what, const struct packet *p)
{
	char line[3 * 160 + 1];
	size_t n = p->len < 160 ? p->len : 160;

	for (size_t i = 0; i < n; i++)
		snprintf(line + 3 * i, 4, " %02x", p->bytes[i]);
	print_error("%s, %zu bytes:%s\n", what, p->len, n ? line : "");
}

/* The frame as our program has it, after the tags that were pushed before. */
static struct packet pushed(const struct packet *p)
{
	struct packet q = *p;

	if (knobs->vlan_tags < 2)
		return q;
	memmove(q.bytes + 16, q.bytes + 12, q.len - 12);
	set16(q.bytes + 12, ETH_P_8021Q);
	set16(q.bytes + 14, 34);
	q.len += TAG;
	q.link += TAG;
	q.ip += TAG;
	return q;
}

static uint16_t type_of(const struct packet *p)
{
	if (!how.raw)
		return get16(p->bytes + 12);
	return p->ip6 ? ETH_P_IPV6 : ETH_P_IP;
}

/* A device sends it in front of the others. */
static void take_metadata_tag(struct packet *p)
{
	if (!knobs->vlan_tags)
		return;
	assert_int_equal(get16(p->bytes + 12), knobs->vlan_tags == 1 ? ETH_P_8021Q : ETH_P_8021AD);
	memmove(p->bytes + 12, p->bytes + 16, p->len - 16);
	p->len -= TAG;
}

/* False: the kernel does not let such a packet come about. */
bool transmit(const char *program, const struct packet *in, uint32_t hash, struct packet *out)
{
	struct __sk_buff ctx = {
		.ingress_ifindex = how.ingress,
		.gso_segs = how.segments,
		.gso_size = how.segments ? 500 : 0,
	};
	uint32_t runs = knobs->runs;

	knobs->hash = hash;
	knobs->priority = OTHER_PRIORITY;
	if (how.device) {
		run_device(program, in, how.type ? how.type : type_of(in), how.linear, out);
		take_metadata_tag(out);
	} else if (!run_frame(program, in, out, &ctx)) {
		return false;
	}
	if (!strncmp(program, "test_", 5))
		assert_int_equal(knobs->runs, runs + 1);
	return true;
}

void assert_same(const struct packet *in, const struct packet *want, const struct packet *out)
{
	if (want->len == out->len && !memcmp(want->bytes, out->bytes, want->len))
		return;
	dump("given", in);
	dump("wanted", want);
	dump("got", out);
	fail_msg("the packet is not what it should be");
}

/* Only six bits of the packet may change; and the checksum, by as much. */
static void assert_marked(const struct packet *in, const struct packet *out,
			  const struct outcome *o)
{
	struct packet want = *in;
	uint8_t *ip = want.bytes + o->ip;
	size_t header = (ip[0] & 0xf) * 4;
	uint16_t sum;
	uint8_t ds;

	want.ip = o->ip;
	want.ip6 = o->ip6;
	if (outcome_changes(o) && o->dscp != get_ds(ip, o->ip6) >> 2) {
		ds = get_ds(ip, o->ip6);
		sum = o->ip6 || o->ip + header > in->len ? 0 : header_sum(ip, header);
		set_ds(&want, o->dscp << 2 | (ds & 3));
		/* A wrong checksum stays wrong by the same difference. */
		if (!o->ip6 && sum != 0xffff) {
			memcpy(ip + 10, out->bytes + o->ip + 10, 2);
			assert_int_equal(header_sum(ip, 20) % 0xffff,
					 header_sum(in->bytes + o->ip, 20) % 0xffff);
		}
	}
	assert_same(in, &want, out);
}

static void account(const struct outcome *o, const struct packet *p, const struct packet *out)
{
	struct dscp_counters *c = &expected[o->slot];
	uint64_t n = how.segments ? how.segments : 1;

	judge_done(&world, o);
	if (o->verdict == NOT_OURS)
		return;
	c->passed += !o->later;
	if (o->verdict == SKIPPED)
		c->skipped += n;
	else if (o->verdict == UNKNOWN)
		c->unknown[o->reason] += n;
	else if (o->verdict == UNCHANGED)
		c->unchanged += n;
	else
		c->marked += n;
	if (o->verdict == SKIPPED)
		return;
	c->bytes += p->len; /* without the tags in the metadata */
	if (o->came)
		c->came_with[o->came - 1] += n;
	c->dscp[get_ds(out->bytes + o->ip, o->ip6) >> 2] += n;
}

void account_inner(const struct packet *p)
{
	uint32_t ifindex = how.device ? device_ifindex() : 1, slot = N_SLOTS - 1;
	const struct packet in = pushed(p);
	struct inner inner = judge_inner(in.bytes, in.len, how.raw ? type_of(&in) : 0);

	while (slot && world.tunnels[slot].ifindex != ifindex)
		slot--;
	expected[slot].stamped_bytes += p->len;
	expected[slot].came_with[inner.dscp] += how.segments ? how.segments : 1;
}

void assert_counters(void)
{
	struct dscp_counters counters[N_SLOTS];

	assert_notes();
	read_counters(counters);
	for (int slot = 0; slot < N_SLOTS; slot++)
		maps_assert_counters(&counters[slot], &expected[slot], slot);
}

struct outcome ask(const struct packet *p, uint32_t hash)
{
	struct outcome o = judge(&world, p->bytes, p->len, how.raw ? type_of(p) : 0, hash);

	return how.ingress ? judge_forwarded(&world, hash, o) : o;
}

/* Without a look at the counters, which takes longer than all the rest. */
void check_packet(const char *program, const struct packet *p, uint32_t hash,
		  const struct outcome *o)
{
	struct packet in = pushed(p), out;

	if (!transmit(program, p, hash, &out))
		return;
	assert_marked(&in, &out, o);
	if (!strncmp(program, "test_", 5))
		assert_int_equal(knobs->priority_after,
				 o->priority ? o->priority - 1u : OTHER_PRIORITY);
	account(o, p, &out);
}

void check_outer(const char *program, const struct packet *p, uint32_t hash,
		 const struct outcome *o)
{
	check_packet(program, p, hash, o);
	assert_counters();
}

/* dscp: only for MARKED. */
void expect(const struct packet *p, uint32_t hash, enum verdict verdict, uint32_t slot,
	    uint8_t dscp)
{
	struct packet in = pushed(p);
	struct outcome o = ask(&in, hash);

	if (o.verdict != verdict)
		dump("packet", p);
	assert_int_equal(o.verdict, verdict);
	if (verdict != NOT_OURS)
		assert_int_equal(o.slot, slot);
	if (verdict == MARKED)
		assert_int_equal(o.dscp, dscp);
	check_outer("test_outer", p, hash, &o);
}

void expect_marked(const struct packet *p, uint32_t slot)
{
	expect(p, stamp_of(EF), MARKED, slot, EF);
}

/* Not the tunnel's, even with a hash that was stamped. */
void expect_not_ours(const struct packet *p)
{
	expect(p, stamp_of(EF), NOT_OURS, 0, 0);
}

void expect_stamped(const char *program, const struct packet *p, uint32_t hash, int value)
{
	struct dscp_stamp flow, want = { 0 };
	struct packet in = pushed(p), out;
	uint32_t stamp;

	if (!transmit(program, p, hash, &out))
		return;
	assert_same(p, &in, &out);
	stamp = value < 0 ? hash : dscp_stamp(hash, value);
	if (knobs->after != stamp)
		dump("packet", p);
	assert_int_equal(knobs->after, stamp);
	assert_int_equal(knobs->priority_after, OTHER_PRIORITY);
	if (value < 0)
		return;
	account_inner(p);
	assert_counters();
	want.ifindex = how.device ? device_ifindex() : 1;
	assert_int_equal(bpf_map_lookup_elem(egress_map("stamps"), &stamp, &flow), 0);
	assert_memory_equal(&flow, &want, sizeof(want));
}

void expect_stamp(const struct packet *p, uint32_t hash, int dscp)
{
	expect_stamped("test_inner", p, hash, dscp);
}

const char *device_refused(void)
{
	const char *reason = device_open(false);

	if (!reason)
		device_close();
	return reason;
}

void cannot_run(void **state)
{
	const char *reason = bpf_refused();

	(void)state;
	print_message("skipped: %s%s\n", reason ? "bpf(2): " : "",
		      reason ? reason : device_refused());
	skip();
}

int run_groups(const char *name, struct group frames, struct group tap, struct group tun)
{
	const struct CMUnitTest none[] = { cmocka_unit_test(cannot_run) };
	int failed;

	if (bpf_refused())
		return cmocka_run_group_tests_name(name, none, NULL, NULL);
	failed = run_group("frames", frames, load, unload);
	if (device_refused())
		return failed + cmocka_run_group_tests_name("devices", none, NULL, NULL);
	failed += run_group("frames of a device", tap, load_behind_tap, close_device);
	return failed + run_group("L3 packets", tun, load_behind_tun, close_device);
}
