/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The generator of random packets for the egress programs. */
#include "egress_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>

#include <dscp/mix.h>
#include <util/macros.h>

#define N_TEMPLATES 96

static struct packet templates[N_TEMPLATES];
static unsigned int n_templates;

struct packet fragment_of(const struct packet *p, uint16_t offset, bool more)
{
	struct packet f = *p;
	uint8_t *ip = f.bytes + f.ip;

	if (f.ip6) {
		memmove(ip + 48, ip + 40, f.len - f.ip - 40);
		f.len += 8;
		memset(ip + 40, 0x11, 8);
		ip[40] = ip[6];
		ip[6] = IPPROTO_FRAGMENT;
		set16(ip + 42, offset << 3 | more);
		set16(ip + 4, f.len - f.ip - 40);
	} else {
		set16(ip + 6, offset | (more ? 0x2000 : 0));
		set_ds(&f, ip[1]);
	}
	return f;
}

struct packet chain(const uint8_t *headers, unsigned int n)
{
	struct packet p;

	begin(&p, 0);
	put_ip6(&p, n ? headers[0] : IPPROTO_UDP);
	for (unsigned int i = 0; i < n; i++)
		*put(&p, NULL, 8) = i + 1 < n ? headers[i + 1] : IPPROTO_UDP;
	put_udp(&p, WG_PORT, OTHER_PORT);
	set16(p.bytes + p.len - 4, 8 + 64);
	set32(put(&p, NULL, 64), 0x04000000);
	finish(&p);
	return p;
}

void make_templates(void)
{
	struct packet *t = templates;
	static const uint8_t headers[] = { IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };
	unsigned int n = 0;

	for (int family = 4; family <= 6; family += 2) {
		t[n++] = wireguard_packet(family);
		t[n++] = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, 0x04000000, 64);
		t[n++] = udp_packet(family, WG_FIXED_PORT, OTHER_PORT, 0x04000000, 64);
		t[n++] = udp_packet(family, USER_PORT, OTHER_PORT, 0x04000000, 1500);
		t[n++] = udp_packet(family, OVPN_PORT, OTHER_PORT, 0x48000001, 64);
		t[n++] = udp_packet(family, OVPN_PORT, OTHER_PORT, 0x20000000, 64);
		t[n++] = udp_packet(family, AMNEZIAWG_PORT, OTHER_PORT, 0x12345678, 64);
		t[n++] = vni_packet(family, VXLAN_PORT, 42);
		t[n++] = vni_packet(family, VXLAN_ANY_PORT, 9);
		t[n++] = vni_packet(family, GENEVE_PORT, 7);
		t[n++] = gre_packet(family, 0, 0);
		t[n++] = gre_packet(family, 0xa0, 77);
		t[n++] = ip_packet(family, IPPROTO_IPIP, 60);
		t[n++] = ip_packet(family, IPPROTO_TCP, 100);
		t[n] = fragment_of(&t[n - 14], 0, true);
		n++;
		t[n] = fragment_of(&t[n - 15], 99, true);
		n++;
		t[n++] = udp_packet(family, WG_PORT, OTHER_PORT, 0x01000000, 148);
		t[n++] = udp_packet(family, WG_POLICY_PORT, OTHER_PORT, 0x02000000, 92);
		t[n++] = udp_packet(family, WG_PORT, VXLAN_PORT, 0x04000000, 32);
		t[n] = vni_packet(family, VXLAN_PORT, 42);
		set16(t[n].bytes + t[n].len - 70 - 8, WG_PORT);
		n++;
		t[n] = vni_packet(family, GENEVE_PORT, 7);
		set16(t[n].bytes + t[n].len - 70 - 8, USER_PORT);
		n++;
	}
	t[n++] = chain(headers, 2);
	t[n++] = chain(headers, 1);
	assert_uint_in_range(n, 1, N_TEMPLATES);
	n_templates = n;
}

void add_template(struct packet p)
{
	assert_uint_in_range(n_templates, 1, N_TEMPLATES - 1);
	templates[n_templates++] = p;
}

uint32_t random_hash(void)
{
	const struct stamp *s = &world.stamps[next_random() % world.n_stamps];

	switch (next_random() % 8) {
	case 0:
		return 0;
	case 1:
		return next_random();
	case 2:
		return s->hash ^ 1u << next_random() % 32;
	case 3: /* the hash that a socket's fragments have in place of the stamp */
		return one_in(2) ? SOCKET : dscp_unmix(s->hash);
	default:
		return s->hash;
	}
}

/* A value that means something somewhere, at any place. */
static void put_interesting(struct packet *p, size_t at)
{
	static const uint16_t values[] = {
		ETH_P_IP,    ETH_P_IPV6,      ETH_P_8021Q,    ETH_P_8021AD,	0x4500,
		0x6000,	     WG_PORT,	      WG_POLICY_PORT, USER_PORT,	VXLAN_PORT,
		0x2000,	     0x0400,	      OVPN_PORT,      AMNEZIAWG_PORT,	IPPROTO_UDP,
		IPPROTO_GRE, IPPROTO_IPIP,    IPPROTO_IPV6,   IPPROTO_FRAGMENT, 0xffff,
		0,	     IPPROTO_DSTOPTS,
	};

	set16(p->bytes + at, values[next_random() % ARRAY_SIZE(values)]);
}

static void mutate(struct packet *p)
{
	size_t front = p->len < 110 ? p->len : 110, at = next_random() % (front - 1);

	switch (next_random() % 6) {
	case 0:
	case 1:
		p->bytes[at] ^= 1u << next_random() % 8;
		break;
	case 2:
		p->bytes[at] = next_random();
		break;
	case 3:
		put_interesting(p, at);
		break;
	case 4:
		put_interesting(p, at & ~1u);
		break;
	default:
		/* More than a frame's header; and never longer, that needs more bytes. */
		if (p->len > ETHERNET + 2)
			p->len -= next_random() % (p->len - ETHERNET - 1);
	}
}

struct packet random_packet(void)
{
	const struct packet *template = &templates[next_random() % n_templates];
	struct packet p = *template;

	set_ds(&p, next_random());
	if (!how.raw && one_in(3))
		p = with_tags(&p, next_random() % 4);
	if (!how.raw && one_in(3))
		p.bytes[0] = 0x40 + next_random() % 0x30;
	if (how.raw && one_in(2))
		set16(p.bytes + 12, lookalike_types[next_random() % 4]);
	for (uint32_t mutations = next_random() % (one_in(8) ? 12 : 4); mutations; mutations--)
		mutate(&p);
	/* The kernel does not send a packet of one version as one of the other. */
	if (how.raw)
		p.bytes[0] = (template->bytes[0] & 0xf0) | (p.bytes[0] & 0x0f);
	return p;
}

struct inner ask_inner(const struct packet *p)
{
	return judge_inner(p->bytes, p->len, how.raw ? (p->ip6 ? ETH_P_IPV6 : ETH_P_IP) : 0);
}
