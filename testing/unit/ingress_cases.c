/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Cases of the ingress programs: tunnels, packets, and the expected outcomes. */
#include "ingress_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>

#include <util/macros.h>

#include "effort.h"
#include "maps.h"
#include "random.h"

#define FRAMES 100000
#define PLAIN_FRAMES 20000
#define DEVICE_PACKETS 10000

struct world world;
struct dscp_counters expected[N_SLOTS];

/*
 * Packets
 */

static void put_ip(struct packet *p, int family, uint8_t protocol, unsigned int words)
{
	if (family == 4)
		put_ip4(p, protocol, words);
	else
		put_ip6(p, protocol);
}

struct packet inner_packet(int family, size_t payload)
{
	struct packet p;

	if (raw())
		put_none(&p);
	else
		put_ethernet(&p, 0);
	put_ip(&p, family, IPPROTO_UDP, 5);
	put_udp(&p, 4000, 5000);
	memset(put(&p, NULL, payload), 0x33, payload);
	finish(&p);
	return p;
}

/* Lengths and checksum, when all is in. */
static void complete(struct journey *j)
{
	finish(&j->wire);
	if (j->udp)
		set16(j->wire.bytes + j->udp + 4, j->wire.len - j->udp);
}

static void put_message(struct journey *j, const struct packet *inner)
{
	uint8_t *message;

	j->udp = j->wire.len;
	put_udp(&j->wire, STRANGE_PORT, WG_PORT);
	message = put(&j->wire, NULL, 16);
	set32(message, 0x04000000);
	set32(message + 4, RECEIVER);
	set32(message + 8, 0x0a0b0c0d);
	j->inner = *inner;
	j->inner_at = j->wire.len;
	put(&j->wire, inner->bytes, inner->len);
	put(&j->wire, NULL, -inner->len % 16);
	memset(put(&j->wire, NULL, 16), 0x77, 16);
	complete(j);
}

struct journey wireguard(int family, const struct packet *inner)
{
	struct journey j = { .udp = 0 };

	put_ip(&j.wire, family, IPPROTO_UDP, 5);
	put_message(&j, inner);
	return j;
}

struct journey wireguard_words(unsigned int words, const struct packet *inner)
{
	struct journey j = { .udp = 0 };

	put_ip4(&j.wire, IPPROTO_UDP, words);
	put_message(&j, inner);
	return j;
}

struct journey wireguard_extended(const uint8_t *headers, unsigned int n,
				  const struct packet *inner)
{
	struct journey j = { .udp = 0 };

	put_ip6(&j.wire, n ? headers[0] : IPPROTO_UDP);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *header = put(&j.wire, NULL, 8);

		header[0] = i + 1 < n ? headers[i + 1] : IPPROTO_UDP;
		/* Some are longer. */
		if (headers[i] != IPPROTO_FRAGMENT && i % 2)
			put(&j.wire, NULL, 8 * (header[1] = 2));
	}
	put_message(&j, inner);
	return j;
}

static void put_payload(struct journey *j, const uint8_t *header, size_t len,
			const struct packet *inner)
{
	put(&j->wire, header, len);
	j->inner = *inner;
	j->inner_at = j->wire.len;
	put(&j->wire, inner->bytes, inner->len);
	complete(j);
}

struct journey in_udp(int family, uint16_t port, const uint8_t *header, size_t len,
		      const struct packet *inner)
{
	struct journey j = { .udp = 0 };

	put_ip(&j.wire, family, IPPROTO_UDP, 5);
	j.udp = j.wire.len;
	put_udp(&j.wire, STRANGE_PORT, port);
	put_payload(&j, header, len, inner);
	return j;
}

struct journey in_ip(int family, uint8_t protocol, const uint8_t *header, size_t len,
		     const struct packet *inner)
{
	struct journey j = { .udp = 0 };

	put_ip(&j.wire, family, protocol, 5);
	put_payload(&j, header, len, inner);
	return j;
}

struct journey too_short(const struct packet *inner)
{
	struct journey j = wireguard(4, inner);

	j.wire.bytes[0] = 0x44;
	set16(j.wire.bytes + 18, WG_PORT);
	set16(j.wire.bytes + 24, 0x0400);
	set16(j.wire.bytes + 26, 0);
	return j;
}

unsigned int make_journeys(struct journey *j)
{
	static const uint8_t fragment[] = { IPPROTO_HOPOPTS, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };
	static const uint8_t geneve[] = { 0x02, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 5, 5, 5, 5 };
	static const uint8_t ovpn[OVPN_HEADER] = { 0x4b, 0, 0, 7, 0, 0, 0, 99, [23] = 0x77 };
	static const uint8_t gre[] = { 0xb0, 0, 0x08, 0, 1, 2, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1 };
	static const uint8_t options[] = { IPPROTO_IPIP, 0, 4, 1, 4, 1, 1, 0 };
	unsigned int n = 0;
	struct packet inner;

	for (int family = 4; family <= 6; family += 2) {
		inner = inner_packet(family, 30);
		j[n++] = wireguard(4, &inner);
		j[n++] = wireguard(6, &inner);
		j[n++] = wireguard_words(family == 4 ? 6 : 15, &inner);
		j[n++] = wireguard_extended(fragment, family / 2, &inner);
		j[n++] = in_udp(10 - family, VXLAN_PORT, (uint8_t[]){ 8, [6] = 42, 0 }, 8, &inner);
		j[n++] = in_udp(family, GENEVE_PORT, geneve, sizeof(geneve), &inner);
		j[n++] = in_udp(family, OVPN_PORT, ovpn, sizeof(ovpn), &inner);
		j[n++] = in_ip(10 - family, IPPROTO_GRE, gre, sizeof(gre), &inner);
	}
	j[n++] = in_ip(6, IPPROTO_DSTOPTS, options, sizeof(options), &inner);
	j[n++] = in_ip(4, IPPROTO_IPV6, NULL, 0, &inner);
	assert_int_equal(n, N_WAYS_IN);
	return n;
}

void update_sum(struct journey *j)
{
	if (!j->wire.ip6)
		set_ds(&j->wire, j->wire.bytes[1]);
}

void set_outer(struct journey *j, uint8_t ds)
{
	set_ds(&j->wire, ds);
}

struct packet on_wire(const struct journey *j, unsigned int tags)
{
	struct packet p;

	/* XDP programs see frames only. */
	if (raw() && method != DSCP_METHOD_XDP)
		return j->wire;
	put_ethernet(&p, tags);
	put_type(&p, j->wire.ip6 ? ETH_P_IPV6 : ETH_P_IP);
	p.ip = p.len;
	p.ip6 = j->wire.ip6;
	put(&p, j->wire.bytes, j->wire.len);
	return p;
}

struct delivered deliver(const struct journey *j)
{
	struct delivered d = { .packet = j->inner, .ifindex = tunnel_ifindex() };

	assert_uint_in_range(j->inner_at, 1, sizeof(d.front) - GARBAGE);
	memset(d.front, 0x5a, GARBAGE);
	memcpy(d.front + GARBAGE, j->wire.bytes, j->inner_at);
	d.front_len = GARBAGE + j->inner_at;
	return d;
}

static struct packet cut(const struct packet *p, size_t len)
{
	struct packet shorter = *p;

	shorter.len = len;
	return shorter;
}

/*
 * The world
 */

static void store_tunnel(uint32_t slot)
{
	set_map("tunnels", &slot, &world.tunnels[slot]);
}

void set_policy(uint32_t slot, uint8_t from, uint8_t to)
{
	world.tunnels[slot].ingress.to[from] = to;
	store_tunnel(slot);
}

void set_tunnel(uint32_t slot, uint32_t ifindex)
{
	struct dscp_tunnel *t = &world.tunnels[slot];

	if (t->ifindex)
		bpf_map_delete_elem(ingress_map("devices"), &t->ifindex);
	t->ifindex = ifindex;
	if (ifindex)
		set_map("devices", &ifindex, &slot);
	store_tunnel(slot);
}

void set_port(uint16_t port, uint16_t slot, uint8_t ingress_kind)
{
	struct dscp_port entry = { .slot = slot, .ingress_kind = ingress_kind };
	uint32_t number = port;
	unsigned int i = 0;

	set_map("ports", &number, &entry);
	while (i < world.n_ports && world.ports[i].port != port)
		i++;
	assert_uint_in_range(i, 0, N_PORTS - 1);
	world.ports[i].port = port;
	world.ports[i].slot = slot;
	world.ports[i].ingress_kind = ingress_kind;
	if (i == world.n_ports)
		world.n_ports++;
}

static void set_config(void)
{
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	uint32_t zero = 0;

	config.ingress_kinds = world.ingress_kinds;
	set_map("config", &zero, &config);
	world.configured = true;
}

static void add_tunnel(uint32_t slot, uint32_t ifindex, uint16_t port)
{
	world.tunnels[slot].kind = DSCP_KIND_WIREGUARD;
	world.tunnels[slot].flags = DSCP_TUNNEL_INGRESS;
	for (int i = 0; i < DSCP_VALUES; i++)
		world.tunnels[slot].ingress.to[i] = i ? i : (int)DSCP_KEEP;
	set_tunnel(slot, ifindex);
	set_port(port, slot, DSCP_KIND_WIREGUARD);
}

int set_plain(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	memset(expected, 0, sizeof(expected));
	ingress_reset();
	return 0;
}

int set_no_tunnel(void **state)
{
	set_plain(state);
	set_config();
	return 0;
}

int set_all(void **state)
{
	set_plain(state);
	add_tunnel(WG, tunnel_ifindex(), WG_PORT);
	add_tunnel(OTHER_WG, 1000, OTHER_WG_PORT);
	set_port(VXLAN_PORT, 0, DSCP_KIND_VXLAN);
	set_port(GENEVE_PORT, 0, DSCP_KIND_GENEVE);
	set_port(OVPN_PORT, WG, DSCP_KIND_OVPN);
	world.ingress_kinds = 1u << DSCP_KIND_WIREGUARD | 1u << DSCP_KIND_VXLAN |
			      1u << DSCP_KIND_GENEVE | 1u << DSCP_KIND_GRE | 1u << DSCP_KIND_IPIP;
	set_config();
	return 0;
}

int end_case(void **state)
{
	(void)state;
	random_teardown();
	return 0;
}

int load(void **state)
{
	(void)state;
	ingress_load(method);
	return 0;
}

int unload(void **state)
{
	(void)state;
	ingress_unload();
	return 0;
}

int load_behind_tun(void **state)
{
	assert_null(device_open());
	return load(state);
}

int close_tun(void **state)
{
	unload(state);
	device_close();
	return 0;
}

const char *cannot_run_reason(void)
{
	const char *reason = ingress_refused(method);

	if (reason)
		return reason;
	reason = device_open();
	if (!reason)
		device_close();
	return reason;
}

void cannot_run(void **state)
{
	(void)state;
	print_message("skipped: %s\n", cannot_run_reason());
	skip();
}

/*
 * Comparing
 */

static void dump(const char *what, const uint8_t *bytes, size_t len)
{
	char line[3 * 160 + 1];
	size_t n = len < 160 ? len : 160;

	for (size_t i = 0; i < n; i++)
		snprintf(line + 3 * i, 4, " %02x", bytes[i]);
	print_error("%s, %zu bytes:%s\n", what, len, n ? line : "");
}

static void assert_same(const struct packet *want, const struct packet *out)
{
	if (want->len == out->len && !memcmp(want->bytes, out->bytes, want->len))
		return;
	dump("wanted", want->bytes, want->len);
	dump("got", out->bytes, out->len);
	fail_msg("the packet is not what it should be");
}

/* Six bits, and the checksum by as much: a wrong one stays wrong by the same difference. */
static void assert_marked(const struct packet *in, const struct packet *out,
			  const struct outcome *o)
{
	struct packet want = *in;
	uint16_t type = in->ip6 ? ETH_P_IPV6 : ETH_P_IP;
	size_t ip = in->link ? link_length(in->bytes, in->len, &type) : 0;
	uint8_t *bytes = want.bytes + ip;

	if (o->verdict == MARKED && type == ETH_P_IPV6) {
		bytes[0] = 0x60 | o->dscp >> 2;
		bytes[1] = (o->dscp & 3) << 6 | (bytes[1] & 0x3f);
	} else if (o->verdict == MARKED) {
		bytes[1] = o->dscp << 2 | (bytes[1] & 3);
		memcpy(bytes + 10, out->bytes + ip + 10, 2);
		assert_int_equal(header_sum(bytes, 20) % 0xffff,
				 header_sum(in->bytes + ip, 20) % 0xffff);
	}
	assert_same(&want, out);
}

static void account(const struct outcome *o, const struct delivered *d)
{
	struct dscp_counters *c = &expected[o->slot];
	uint64_t n = d->segments ? d->segments : 1;

	c->passed += o->passed;
	if (o->verdict == UNTOUCHED)
		return;
	c->bytes += d->packet.len;
	if (o->came)
		c->came_with[o->came - 1] += n;
	if (o->verdict == UNKNOWN)
		c->unknown[0] += n;
	else if (o->verdict == UNCHANGED)
		c->unchanged += n;
	else
		c->marked += n;
	c->dscp[o->dscp] += n;
}

void assert_counters(void)
{
	struct dscp_counters counters[N_SLOTS];

	read_arrivals(counters);
	for (int slot = 0; slot < N_SLOTS; slot++) {
		/* The reason is expect_unknown()'s subject. */
		for (int i = 1; i < DSCP_REASONS; i++) {
			counters[slot].unknown[0] += counters[slot].unknown[i];
			counters[slot].unknown[i] = 0;
		}
		maps_assert_counters(&counters[slot], &expected[slot], slot);
	}
}

/*
 * At the uplink
 */

/* The note in the map when another one comes with its key. */
static void merge(struct dscp_note *note, const struct dscp_note *old)
{
	struct dscp_note merged = *old;

	if (old->ds >> 2 != note->ds >> 2 || memcmp(old->header, note->header, DSCP_NOTE_BYTES))
		merged.flags |= DSCP_NOTE_MIXED;
	*note = merged;
}

/* False: the kernel does not let such a packet come about. */
static bool pass_segments(const struct packet *wire, uint32_t segments, struct passage *p)
{
	struct dscp_note old, note = { .flags = 0 };
	struct packet out;

	*p = judge_passing(method, &world, wire);
	if (method == DSCP_METHOD_XDP && find_note(&p->noted.key, &old))
		merge(&p->noted.note, &old);
	if (!run_outer(wire, segments, world.hash, &out))
		return false;
	assert_same(wire, &out);
	if (raw() && method == DSCP_METHOD_TC)
		assert_int_equal(knobs->left_tc_index,
				 p->noted.note.flags & DSCP_NOTE_CLEAR ? DSCP_ARRIVED : 0);
	if (method == DSCP_METHOD_TC)
		p->noted.key.id = knobs->id;
	if (find_note(&p->noted.key, &note) != p->noted.there) {
		dump("at the uplink", wire->bytes, wire->len);
		fail_msg("there is %s note", p->noted.there ? "no" : "a");
	}
	if (p->noted.there)
		assert_memory_equal(&note, &p->noted.note, sizeof(note));
	if (p->what == SKIPPED)
		expected[p->slot].skipped += segments ? segments : 1;
	return true;
}

struct noted pass(const struct packet *wire)
{
	struct passage p;

	if (!pass_segments(wire, 0, &p))
		p.noted.there = false;
	/* The address is another packet's now. */
	if (method == DSCP_METHOD_TC && p.noted.there)
		assert_true(delete_note(&p.noted.key));
	return p.noted;
}

static struct noted expect_passing(const struct packet *wire, enum passing what)
{
	struct passage p = judge_passing(method, &world, wire);
	unsigned int before = count_notes();
	struct noted noted;

	if (p.what != what)
		dump("at the uplink", wire->bytes, wire->len);
	assert_int_equal(p.what, what);
	noted = pass(wire);
	if (what != NOTED)
		assert_int_equal(count_notes(), before);
	assert_counters();
	return noted;
}

void expect_passed(const struct packet *wire)
{
	expect_passing(wire, PASSED);
}

void expect_skipped(const struct packet *wire, uint32_t slot)
{
	uint64_t before = expected[slot].skipped;

	expect_passing(wire, SKIPPED);
	assert_int_equal(expected[slot].skipped, before + 1);
}

struct noted expect_noted(const struct packet *wire)
{
	return expect_passing(wire, NOTED);
}

/*
 * At the tunnel
 */

static void check_arrival(const struct delivered *d, const struct noted *noted,
			  const struct outcome *o)
{
	const struct dscp_note *under_address =
		method == DSCP_METHOD_TC && noted->there ? &noted->note : NULL;
	struct dscp_note_key key = noted->key;
	struct packet out;

	if (!run_inner(d, under_address, &out))
		return;
	assert_marked(&d->packet, &out, o);
	if (raw() && method == DSCP_METHOD_TC)
		assert_int_equal(knobs->left_tc_index,
				 d->tc_index == DSCP_ARRIVED ? 0 : d->tc_index);
	account(o, d);
	if (method == DSCP_METHOD_TC)
		key.id = knobs->id;
	/* Used once. */
	if (noted->there)
		assert_int_equal(delete_note(&key), !o->taken);
}

static struct outcome ask(const struct delivered *d, const struct noted *noted)
{
	return judge_arrival(method, &world, d, noted);
}

void arrive(const struct delivered *d, const struct noted *noted)
{
	struct outcome o = ask(d, noted);

	check_arrival(d, noted, &o);
}

void expect(const struct delivered *d, const struct noted *noted, enum verdict verdict,
	    uint8_t dscp)
{
	struct noted none = { .there = false };
	struct outcome o = ask(d, noted ? noted : &none);

	if (o.verdict != verdict) {
		dump("in front", d->front, d->front_len);
		dump("packet", d->packet.bytes, d->packet.len);
	}
	assert_int_equal(o.verdict, verdict);
	if (verdict == MARKED)
		assert_int_equal(o.dscp, dscp);
	check_arrival(d, noted ? noted : &none, &o);
	assert_counters();
}

void expect_unknown(const struct delivered *d, const struct noted *noted, enum dscp_reason reason)
{
	struct noted none = { .there = false };
	struct outcome o = ask(d, noted ? noted : &none);
	struct dscp_counters before[N_SLOTS], after[N_SLOTS];

	read_arrivals(before);
	expect(d, noted, UNKNOWN, 0);
	read_arrivals(after);
	for (int i = 0; i < DSCP_REASONS; i++)
		assert_int_equal(after[o.slot].unknown[i] - before[o.slot].unknown[i],
				 i == (int)reason ? (d->segments ? d->segments : 1) : 0);
}

static struct noted note_of(const struct journey *j)
{
	struct packet wire = on_wire(j, 0);
	struct noted none = { .there = false };

	if (method == DSCP_METHOD_PEEK)
		return none;
	return pass(&wire);
}

void expect_journey(const struct journey *j, enum verdict verdict, uint8_t dscp)
{
	struct noted noted = note_of(j);
	struct delivered d = deliver(j);

	expect(&d, &noted, verdict, dscp);
}

/*
 * Tests of all methods
 */

void maps_are_reset(void **state)
{
	(void)state;
	ingress_reset_fully();
}

void every_ds(void **state)
{
	struct packet inner;
	struct journey j;

	(void)state;
	for (int i = 0; i < 4 * DSCP_VALUES * 4; i++) {
		unsigned int dscp = i / 4 % DSCP_VALUES, old = (dscp * 7 + 5) % DSCP_VALUES;
		bool same = !dscp || dscp == old;

		/* Each DSCP at least once. */
		if (!effort_chosen(dscp * 16 + i / (4 * DSCP_VALUES) * 4 + i % 4))
			continue;
		inner = inner_packet(i / 4 / DSCP_VALUES % 2 ? 6 : 4, i % 50);
		set_ds(&inner, old << 2 | i % 4);
		j = wireguard(i / 8 / DSCP_VALUES ? 6 : 4, &inner);
		set_outer(&j, dscp << 2 | i / 3 % 4);
		expect_journey(&j, same ? UNCHANGED : MARKED, dscp);
	}
}

void policies(void **state)
{
	struct packet inner = inner_packet(4, 20);
	struct journey j;

	(void)state;
	set_ds(&inner, CS1 << 2 | CE);
	for (int family = 4; family <= 6; family += 2) {
		j = wireguard(family, &inner);
		set_policy(WG, EF, AF41);
		set_policy(WG, AF41, DSCP_KEEP);
		set_policy(WG, 63, CS1);
		set_policy(WG, 0, DSCP_KEEP);
		/* For the other tunnel: no matter. */
		set_policy(OTHER_WG, EF, 1);
		set_outer(&j, EF << 2);
		expect_journey(&j, MARKED, AF41);
		set_outer(&j, AF41 << 2);
		expect_journey(&j, UNCHANGED, 0);
		set_outer(&j, 63 << 2);
		expect_journey(&j, UNCHANGED, 0);
		set_outer(&j, CE);
		expect_journey(&j, UNCHANGED, 0);
		set_policy(WG, 0, 0);
		expect_journey(&j, MARKED, 0);
	}
}

void not_registered(void **state)
{
	struct packet inner = inner_packet(6, 20);
	struct journey j;
	struct noted noted;
	struct delivered d;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		j = wireguard(family, &inner);
		set_outer(&j, EF << 2);
		/* Between the uplink and the tunnel it goes away. */
		noted = note_of(&j);
		if (world.tunnels[WG].ifindex)
			set_tunnel(WG, 0);
		d = deliver(&j);
		expect(&d, &noted, UNTOUCHED, 0);
		set_port(WG_PORT, 0, DSCP_KIND_NONE);
		expect_journey(&j, UNTOUCHED, 0);
	}
}

void without_tool(void **state)
{
	struct packet inner;
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		inner = inner_packet(10 - family, 20);
		set_ds(&inner, EF << 2 | CE);
		j = wireguard(family, &inner);
		set16(j.wire.bytes + j.udp + 2, STRANGE_PORT);
		for (int dscp = 0; dscp < DSCP_VALUES; dscp++) {
			set_outer(&j, dscp << 2);
			expect_journey(&j, dscp && dscp != EF ? MARKED : UNCHANGED, dscp);
		}
		set_outer(&j, 1 << 2);
		j.wire.bytes[j.udp + 8] = 1;
		expect_journey(&j, UNKNOWN, 0);
	}
}

/* There is nothing to mark, however well the outer header is known. */
void inner_not_ip(void **state)
{
	static const uint16_t types[] = { ETH_P_ARP, ETH_P_LLDP, ETH_P_MPLS_UC, 0x0040, 0xffff };
	struct packet inner = inner_packet(4, 20);
	struct journey j;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		set16(inner.bytes + 12, types[i]);
		j = wireguard(4, &inner);
		set_outer(&j, EF << 2);
		expect_journey(&j, UNTOUCHED, 0);
	}
	/* Neither of these is as its ethertype says. */
	for (int family = 4; family <= 6; family += 2) {
		inner = inner_packet(family, 20);
		inner.bytes[ETHERNET] ^= 0x20;
		j = wireguard(4, &inner);
		set_outer(&j, EF << 2);
		expect_journey(&j, UNTOUCHED, 0);
	}
}

static struct packet with_tags(const struct packet *p, unsigned int tags)
{
	struct packet tagged;

	put_ethernet(&tagged, tags);
	put_type(&tagged, p->ip6 ? ETH_P_IPV6 : ETH_P_IP);
	tagged.ip = tagged.len;
	tagged.ip6 = p->ip6;
	put(&tagged, p->bytes + ETHERNET, p->len - ETHERNET);
	return tagged;
}

void inner_tags(void **state)
{
	struct packet plain, inner;
	struct journey j;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		plain = inner_packet(family, 20);
		for (unsigned int tags = 0; tags <= 3; tags++) {
			inner = with_tags(&plain, tags);
			j = wireguard(10 - family, &inner);
			set_outer(&j, EF << 2);
			expect_journey(&j, tags < 3 ? MARKED : UNTOUCHED, EF);
		}
	}
}

/* The beginning of the buffer is close: nobody's header fits in. */
void little_room(void **state)
{
	struct packet inner = inner_packet(4, 60), out;
	struct outcome o = { .verdict = UNKNOWN, .slot = WG, .passed = true };
	struct delivered d = { .packet = inner };

	(void)state;
	set_ds(&inner, o.dscp << 2 | CE);
	for (uint32_t grown = 1; grown <= MAX_GROWN; grown++) {
		if (!run_inner_at_head(&inner, grown, &out))
			continue;
		assert_marked(&inner, &out, &o);
		account(&o, &d);
	}
	assert_counters();
}

/* With a note that says so and so much about the length, as the message does. */
static void arrive_cut(const struct journey *j, const struct delivered *d, struct noted noted,
		       size_t length)
{
	struct delivered cut_one = *d;

	noted.note.length = length;
	if (j->udp && j->inner_at == j->udp + 24) {
		set16(cut_one.front + GARBAGE + j->udp + 4, length + 40);
		set16(noted.note.header + 4, length + 40);
	}
	if (method == DSCP_METHOD_TC && noted.there)
		memcpy(noted.note.header, j->wire.bytes, DSCP_NOTE_BYTES);
	else if (noted.there)
		set_map("notes", &noted.key, &noted.note);
	arrive(&cut_one, &noted);
}

/* Packets that the tunnel delivers, with a message that says so or not. */
static void cut_inner(const struct journey *j, unsigned long *turn)
{
	struct noted noted = note_of(j);
	struct delivered d = deliver(j);

	if (method == DSCP_METHOD_XDP && noted.there)
		assert_true(delete_note(&noted.key));
	for (d.packet.len = ETHERNET; d.packet.len < j->inner.len; d.packet.len++) {
		if (!effort_chosen((*turn)++))
			continue;
		arrive_cut(j, &d, noted, j->inner.len);
		arrive_cut(j, &d, noted, d.packet.len);
	}
}

void cut_short(void **state)
{
	static struct journey journeys[N_WAYS_IN];
	unsigned int n = make_journeys(journeys);
	struct packet wire, shorter;
	struct noted noted;
	unsigned long turn = 0;

	(void)state;
	for (unsigned int i = 0; i < n * 3; i++) {
		set_outer(&journeys[i / 3], EF << 2);
		wire = on_wire(&journeys[i / 3], i % 3);
		for (size_t len = 1; method != DSCP_METHOD_PEEK && len <= wire.len; len++) {
			/* A device of this kind does not deliver it, and a test run makes no such
			 * packet. */
			if (len < (wire.link ? ETHERNET : 40) || !effort_chosen(turn++))
				continue;
			shorter = cut(&wire, len);
			noted = pass(&shorter);
			if (method == DSCP_METHOD_XDP && noted.there)
				delete_note(&noted.key);
		}
		if (i % 3 == 0)
			cut_inner(&journeys[i / 3], &turn);
	}
	assert_counters();
}

/* Longer than a test run can have it. */
static struct noted long_note(const struct journey *j)
{
	struct packet wire = on_wire(j, 0);
	struct noted noted;
	struct passage p;

	if (method == DSCP_METHOD_TC) {
		noted = pass(&wire);
		assert_int_equal(knobs->linear, linear);
		return noted;
	}
	p = judge_passing(DSCP_METHOD_XDP, &world, &wire);
	if (method == DSCP_METHOD_XDP)
		set_map("notes", &p.noted.key, &p.noted.note);
	else
		p.noted.there = false;
	return p.noted;
}

/* Headers are not in the linear part of the skb, or in part. */
void paged(void **state)
{
	struct packet inner;
	struct journey j;
	struct noted noted;
	struct delivered d;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		inner = inner_packet(10 - family, 4500);
		j = wireguard(family, &inner);
		set_outer(&j, EF << 2);
		for (linear = 1; linear <= 180; linear++) {
			noted = long_note(&j);
			assert_int_equal(noted.there, method != DSCP_METHOD_PEEK);
			d = deliver(&j);
			expect(&d, &noted, MARKED, EF);
			assert_int_equal(knobs->linear,
					 linear > d.front_len ? linear - d.front_len : 0);
		}
		linear = 0;
	}
}

/*
 * Random packets
 */

/* A value that means something somewhere, at any place. */
static void put_interesting(uint8_t *at)
{
	static const uint16_t values[] = {
		0x4500,	     0x4600,	      0x6000,	    0x6b80,	  0x2000,	    0x0400,
		WG_PORT,     STRANGE_PORT,    VXLAN_PORT,   GENEVE_PORT,  OTHER_WG_PORT,    0xffff,
		IPPROTO_UDP, IPPROTO_GRE,     IPPROTO_IPIP, IPPROTO_IPV6, IPPROTO_FRAGMENT, 0,
		0x1100,	     IPPROTO_DSTOPTS,
	};

	set16(at, values[next_random() % ARRAY_SIZE(values)]);
}

static void mutate(uint8_t *bytes, size_t len)
{
	size_t at = next_random() % (len - 1);

	switch (next_random() % 5) {
	case 0:
	case 1:
		bytes[at] ^= 1u << next_random() % 8;
		break;
	case 2:
		bytes[at] = next_random();
		break;
	case 3:
		put_interesting(bytes + at);
		break;
	default:
		put_interesting(bytes + (at & ~1u));
	}
}

static void mutate_often(uint8_t *bytes, size_t len, unsigned int most)
{
	for (uint32_t n = next_random() % (most + 1); n; n--)
		mutate(bytes, len);
}

/* The packet as the uplink sees it. */
static struct noted random_passing(const struct journey *j)
{
	struct packet wire = on_wire(j, one_in(2) ? 0 : next_random() % 4);
	struct noted noted;
	struct passage p;

	if (wire.link && one_in(4))
		mutate(wire.bytes, ETHERNET);
	/* The kernel does not deliver a packet of one version as one of the other. */
	if (!wire.link)
		wire.bytes[0] = (wire.ip6 ? 0x60 : 0x40) | (wire.bytes[0] & 0xf);
	if (one_in(6))
		wire.len -= next_random() % (wire.len - 40);
	if (!pass_segments(&wire,
			   method == DSCP_METHOD_TC && wire.link && one_in(4) ? next_random() % 20
									      : 0,
			   &p))
		p.noted.there = false;
	noted = p.noted;
	if (method == DSCP_METHOD_TC && noted.there)
		assert_true(delete_note(&noted.key));
	return noted;
}

static uint32_t random_hash(void)
{
	static const uint32_t hashes[] = { 0, 0, 0x10000, 0x12345678, 0xabcd5678, 0xffffffff };

	return hashes[next_random() % ARRAY_SIZE(hashes)];
}

static void random_delivery(struct delivered *d)
{
	size_t far = d->packet.link + 44;

	d->hash = random_hash();
	if (one_in(2))
		d->tc_index = one_in(4) ? next_random() : DSCP_ARRIVED;
	if (one_in(3))
		d->segments = next_random() % 20;
	if (one_in(6))
		mutate(d->front + d->front_len - 60, 60);
	if (one_in(6) && d->packet.len > far)
		d->packet.len -= next_random() % (d->packet.len - far + 1);
	if (one_in(4))
		mutate(d->packet.bytes + d->packet.link, 40);
	set_ds(&d->packet, next_random());
	if (raw()) {
		d->segments = 0;
		d->packet.bytes[0] = (d->packet.ip6 ? 0x60 : 0x40) | (d->packet.bytes[0] & 0xf);
	}
}

static void random_journey(const struct journey *journeys, unsigned int n, unsigned int *seen)
{
	struct journey j = journeys[next_random() % n];
	struct noted noted = { .there = false };
	struct delivered d;
	struct outcome o;

	world.hash = random_hash();
	set_outer(&j, next_random());
	mutate_often(j.wire.bytes, j.inner_at, 2);
	if (one_in(4))
		update_sum(&j);
	if (method != DSCP_METHOD_PEEK)
		noted = random_passing(&j);
	if (method == DSCP_METHOD_XDP && noted.there && one_in(4)) {
		set_outer(&j, next_random());
		random_passing(&j);
		noted.there = find_note(&noted.key, &noted.note);
	}
	d = deliver(&j);
	random_delivery(&d);
	o = ask(&d, &noted);
	seen[o.verdict]++;
	check_arrival(&d, &noted, &o);
}

void random_packets(void **state)
{
	static struct journey journeys[N_WAYS_IN];
	unsigned int seen[MARKED + 1] = { 0 };
	unsigned int usual = raw() ? DEVICE_PACKETS : world.configured ? FRAMES : PLAIN_FRAMES;
	unsigned int rounds = effort_rounds(usual);
	unsigned int n = make_journeys(journeys);

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		random_round(i);
		random_journey(journeys, n, seen);
		if (i % 20 == 0)
			assert_counters();
	}
	random_end();
	assert_counters();
	/* The mutations are neither too few nor too many. */
	for (int verdict = UNKNOWN; verdict <= MARKED; verdict++)
		assert_uint_in_range(seen[verdict], rounds / 400, rounds * 9 / 10);
}
