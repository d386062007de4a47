/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The ingress programs with random packets, ports, policies and notes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <stdio.h>
#include <string.h>

#include <linux/if_ether.h>
#include <netinet/in.h>

#include "fuzz.h"
#include "generate.h"
#include "ingress_cases.h"

/* Both maps of notes are full. */
#define MAX_NOTES (DSCP_NOTE_CACHE + DSCP_NOTES)

enum { UPLINK = 0x10, TUNNEL = 0x20, METHOD = 0x0f };

const char *const fuzz_verdicts[N_VERDICTS] = { "passed or untouched", "skipped or unknown",
						"noted or unchanged", "marked", NULL };

enum dscp_method method;

/*
 * The world
 */

static void random_policy(uint32_t slot)
{
	struct dscp_tunnel *t = &world.tunnels[slot];

	for (int i = 0; i < DSCP_VALUES; i++)
		t->ingress.to[i] = fuzz_one_in(4)   ? DSCP_KEEP
				   : fuzz_one_in(2) ? (uint32_t)i
						    : fuzz_below(64);
	set_policy(slot, 0, t->ingress.to[0]);
}

/* A tunnel in clear text instead: a packet without a note is judged by the bytes in front of it. */
static void random_clear(uint32_t slot)
{
	struct dscp_tunnel *t = &world.tunnels[slot];
	struct dscp_endpoint *e = &t->endpoint;

	t->kind = DSCP_KIND_VXLAN + fuzz_below(4);
	if (fuzz_one_in(4))
		t->flags |= DSCP_TUNNEL_ANY_ID;
	if (fuzz_one_in(16))
		return;
	e->kind = t->kind;
	e->family = (uint8_t[]){ 0, 4, 6 }[fuzz_below(3)];
	e->port = fuzz_ports[fuzz_below(N_FUZZ_PORTS)];
	e->id = fuzz_ids[fuzz_below(N_FUZZ_IDS)];
	set_port(e->port, 0, t->kind);
	if (fuzz_one_in(2))
		fuzz_address(e->local, e->family == 6, fuzz_below(N_FUZZ_ADDRESSES));
	if (fuzz_one_in(2))
		fuzz_address(e->remote, e->family == 6, fuzz_below(N_FUZZ_ADDRESSES));
}

/* Two tunnels, and ports of all kinds, some of them nobody's. */
static void random_world(void)
{
	static const uint8_t kinds[] = { DSCP_KIND_NONE, DSCP_KIND_WIREGUARD, DSCP_KIND_WIREGUARD,
					 DSCP_KIND_VXLAN, DSCP_KIND_GENEVE };
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	uint32_t zero = 0;

	set_all(NULL);
	for (uint32_t slot = WG; slot <= OTHER_WG; slot++)
		random_policy(slot);
	for (int i = 0; i < N_FUZZ_PORTS; i++) {
		uint8_t kind = kinds[fuzz_below(sizeof(kinds))];

		if (!fuzz_one_in(3))
			set_port(fuzz_ports[i],
				 kind == DSCP_KIND_WIREGUARD ? WG + fuzz_one_in(4) : 0, kind);
	}
	if (!fuzz_one_in(4))
		set_port(WG_PORT, WG, DSCP_KIND_WIREGUARD);
	if (fuzz_one_in(3)) {
		world.ingress_kinds = fuzz_random() & 0x7e;
		config.ingress_kinds = world.ingress_kinds;
		set_map("config", &zero, &config);
	}
	if (fuzz_one_in(8))
		set_tunnel(WG, 0);
	if (fuzz_one_in(2))
		random_clear(WG);
	set_policy(WG, 0, world.tunnels[WG].ingress.to[0]);
}

static void begin_round(const struct target *t)
{
	method = t->id & METHOD;
	buckets_busy = fuzz_one_in(8);
	ingress_load(method);
	switch (fuzz_below(8)) {
	case 0:
	case 1:
		set_plain(NULL);
		break;
	case 2:
		set_no_tunnel(NULL);
		break;
	default:
		random_world();
	}
}

static void end_round(const struct target *t)
{
	(void)t;
	if (method != DSCP_METHOD_PEEK)
		assert_uint_in_range(count_notes(), 0, MAX_NOTES);
	ingress_unload();
}

/*
 * Packets
 */

static struct packet random_inner(void)
{
	struct packet p;

	if (raw()) {
		put_none(&p);
		generate_ip(&p, 1);
	} else {
		generate_frame(&p, 1);
	}
	if (p.len > 1200)
		p.len = 1200;
	return p;
}

static void random_journey(struct journey *j)
{
	struct layout layout;

	memset(j, 0, sizeof(*j));
	j->inner = random_inner();
	generate_tunnel(&j->wire, &j->inner, &layout);
	j->wire.ip = 0;
	j->wire.ip6 = j->wire.bytes[0] >> 4 == 6;
	j->udp = layout.udp;
	j->inner_at = layout.inner;
	if (j->udp && fuzz_one_in(2))
		set16(j->wire.bytes + j->udp + 2, WG_PORT);
	if (!fuzz_one_in(3))
		damage(j->wire.bytes, j->inner_at, 2);
	/* The kernel does not deliver a packet of one version as one of the other. */
	if (raw() && method != DSCP_METHOD_XDP)
		j->wire.bytes[0] = (j->wire.ip6 ? 0x60 : 0x40) | (j->wire.bytes[0] & 0xf);
}

/* A packet as long as there can be one at an uplink of this kind. */
static void random_wire(const struct journey *j, struct packet *wire)
{
	*wire = on_wire(j, fuzz_one_in(3) ? fuzz_below(4) : 0);
	if (fuzz_one_in(3) && wire->link) {
		generate_frame(wire, 2);
	}
	if (fuzz_one_in(6) && wire->link)
		damage(wire->bytes, ETHERNET + 8, 1);
	if (fuzz_one_in(6))
		resize(wire, wire->link ? ETHERNET : 40);
	if (!wire->link) {
		wire->bytes[0] = (wire->ip6 ? 0x60 : 0x40) | (wire->bytes[0] & 0xf);
		if (wire->len < 40)
			wire->len = 40;
	}
}

/*
 * test_front makes it from an IPv4 frame, and skb->protocol still says so: a frame that is neither
 * IP nor tagged must not begin as IP does. It knows no type 0.
 */
static void be_deliverable(struct packet *p)
{
	uint16_t type = get16(p->bytes + 12);

	if (!type)
		set16(p->bytes + 12, ETH_P_ARP);
	if (type != ETH_P_IP && type != ETH_P_IPV6 && type != ETH_P_8021Q && type != ETH_P_8021AD)
		p->bytes[0] = 0x52;
}

static void random_delivery(const struct journey *j, struct delivered *d)
{
	*d = deliver(j);
	if (fuzz_one_in(2) && d->packet.len >= d->packet.ip + 20)
		d->packet.bytes[d->packet.ip + (d->packet.ip6 ? 6 : 9)] = IPPROTO_TCP;
	if (fuzz_one_in(3) && !raw())
		d->segments = fuzz_below(20);
	if (fuzz_one_in(6))
		damage(d->front + d->front_len - 60, 60, 2);
	if (fuzz_one_in(4))
		damage(d->packet.bytes + d->packet.link, d->packet.len - d->packet.link, 2);
	if (fuzz_one_in(6))
		resize(&d->packet, raw() ? 21 : ETHERNET);
	if (!raw())
		be_deliverable(&d->packet);
	if (raw())
		d->packet.bytes[0] = (j->inner.ip6 ? 0x60 : 0x40) | (d->packet.bytes[0] & 0xf);
}

/*
 * Running
 */

static void count_passing(const struct packet *wire)
{
	struct passage p = judge_passing(method, &world, wire);

	fuzz_note("%s", p.what == NOTED ? "noted" : p.what == SKIPPED ? "skipped" : "passed");
	fuzz_seen[p.what]++;
	/* A note that an earlier message has left under the same key is not this one's. */
	while (method == DSCP_METHOD_XDP && p.what != NOTED && delete_note(&p.noted.key))
		; /* one in its place, and one that had to leave it */
}

static unsigned int step_uplink(const struct journey *j)
{
	struct packet wire;
	struct noted noted;

	random_wire(j, &wire);
	fuzz_now("at the uplink", &wire);
	count_passing(&wire);
	noted = pass(&wire);
	/* Else the next one with this key meets it. */
	if (method == DSCP_METHOD_XDP && noted.there && fuzz_one_in(2))
		delete_note(&noted.key);
	return 1;
}

/* The note that the uplink would have made of it. */
static struct noted note_at_uplink(const struct journey *j)
{
	struct packet wire = on_wire(j, 0);
	struct noted noted = { .there = false };

	if (method == DSCP_METHOD_PEEK || fuzz_one_in(16))
		return noted;
	noted = judge_passing(method, &world, &wire).noted;
	if (fuzz_one_in(8))
		damage(noted.note.header, method == DSCP_METHOD_XDP ? 6 : DSCP_NOTE_BYTES, 1);
	/* The DS field is in the header, and never another one. */
	if (method == DSCP_METHOD_TC)
		noted.note.ds = get_ds(noted.note.header, noted.note.header[0] >> 4 != 4);
	if (noted.there && method == DSCP_METHOD_XDP)
		set_map("notes", &noted.key, &noted.note);
	return noted;
}

static unsigned int step_tunnel(const struct journey *j)
{
	struct noted noted = note_at_uplink(j);
	struct delivered d;
	struct outcome o;

	random_delivery(j, &d);
	fuzz_now("at the tunnel", &d.packet);
	o = judge_arrival(method, &world, &d, &noted);
	fuzz_note("segments %u, front %zu, note %d: verdict %d, slot %u, dscp %u", d.segments,
		  d.front_len, noted.there, o.verdict, o.slot, o.dscp);
	fuzz_seen[o.verdict]++;
	arrive(&d, &noted);
	return 1;
}

static unsigned int step(const struct target *t)
{
	static struct journey j;

	random_journey(&j);
	fuzz_now("wire", &j.wire);
	return t->id & UPLINK ? step_uplink(&j) : step_tunnel(&j);
}

static const char *refused(const struct target *t)
{
	return ingress_refused(t->id & METHOD);
}

static const char *begin_device(void)
{
	return device_open();
}

#define TARGET(name, id, open)                                                                     \
	{                                                                                          \
		name, refused, begin_round, end_round, step, assert_counters, open, device_close,  \
			id                                                                         \
	}

const struct target targets[] = {
	TARGET("tc/ingress_outer", DSCP_METHOD_TC | UPLINK, begin_device),
	TARGET("tc/ingress_inner", DSCP_METHOD_TC | TUNNEL, begin_device),
	TARGET("peek/ingress_inner", DSCP_METHOD_PEEK | TUNNEL, begin_device),
	TARGET("xdp/ingress_outer", DSCP_METHOD_XDP | UPLINK, NULL),
	TARGET("xdp/ingress_inner", DSCP_METHOD_XDP | TUNNEL, begin_device),
	{ .name = NULL },
};
