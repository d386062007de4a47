/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* egress_inner: the hash that each packet gets, and the content of the maps then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/if_ether.h>

#include <dscp/mix.h>

#include "egress_cases.h"
#include "egress_random.h"
#include "effort.h"

#define FRAMES 40000 /* random ones */
#define DEVICE_PACKETS 10000

static void inner_every_ds(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, 4000, 5000, 0, 20);
		for (int ds = 0; ds < 256; ds++) {
			set_ds(&p, ds);
			expect_stamp(&p, HASH, ds >> 2);
		}
	}
	/* One for each DSCP, and none for the socket. */
	assert_int_equal(count_flows(), DSCP_VALUES);
}

/* Flows that the hash tells apart in its last six bits only, or not at all. */
static void inner_collisions(void **state)
{
	struct packet p = udp_packet(4, 4000, 5000, 0, 20);
	uint32_t first;

	(void)state;
	set_ds(&p, EF << 2);
	expect_stamp(&p, HASH, EF);
	first = knobs->after;
	expect_stamp(&p, HASH ^ 0x3f, EF);
	assert_int_equal(knobs->after, first);
	set_ds(&p, AF41 << 2);
	expect_stamp(&p, HASH, AF41);
	assert_int_not_equal(knobs->after, first);
}

static bool is_flow(uint32_t hash)
{
	struct dscp_stamp flow;

	return !bpf_map_lookup_elem(egress_map("stamps"), &hash, &flow);
}

static struct dscp_stamp flow_of(uint32_t hash)
{
	struct dscp_stamp flow;

	assert_int_equal(bpf_map_lookup_elem(egress_map("stamps"), &hash, &flow), 0);
	return flow;
}

static void set_flow(uint32_t hash, struct dscp_stamp flow)
{
	assert_int_equal(bpf_map_update_elem(egress_map("stamps"), &hash, &flow, BPF_ANY), 0);
}

static void forget_recent(uint32_t stamp)
{
	uint32_t bucket = stamp % DSCP_STAMP_CACHE, none = 0;

	assert_int_equal(bpf_map_update_elem(egress_map("stamp_cache"), &bucket, &none, BPF_ANY),
			 0);
}

static void inner_entry_is_made_once(void **state)
{
	struct packet p = udp_packet(4, 4000, 5000, 0, 20), out;
	uint32_t stamp = stamp_of(EF), bucket = stamp % DSCP_STAMP_CACHE, last;

	(void)state;
	set_ds(&p, EF << 2);
	expect_stamp(&p, HASH, EF);
	assert_int_equal(count_flows(), 1);
	assert_int_equal(bpf_map_lookup_elem(egress_map("stamp_cache"), &bucket, &last), 0);
	assert_int_equal(last, stamp);
	/* Not looked at as long as the cache has it. */
	set_flow(stamp, (struct dscp_stamp){ .ifindex = 99 });
	assert_true(transmit("test_inner", &p, HASH, &out));
	assert_int_equal(flow_of(stamp).ifindex, 99);
	forget_recent(stamp);
	assert_true(transmit("test_inner", &p, HASH, &out));
	assert_int_equal(knobs->after, stamp);
	assert_int_equal(bpf_map_lookup_elem(egress_map("stamp_cache"), &bucket, &last), 0);
	assert_int_equal(last, stamp);
	assert_int_equal(count_flows(), 1);
	assert_int_equal(flow_of(stamp).ifindex, 99);
}

/* A flow that a device has stamped before is not noted again, whatever the device is by now. */
static void stamped_before(uint32_t before, bool is_tunnel)
{
	struct packet p = udp_packet(4, 4000, 5000, 0, 20), out;
	uint32_t stamp = stamp_of(EF), slot = 1;

	if (is_tunnel)
		assert_int_equal(
			bpf_map_update_elem(egress_map("devices"), &before, &slot, BPF_ANY), 0);
	set_flow(stamp, (struct dscp_stamp){ .ifindex = before });
	set_ds(&p, EF << 2);
	forget_recent(stamp);
	assert_true(transmit("test_inner", &p, HASH, &out));
	assert_int_equal(knobs->after, stamp);
	assert_int_equal(count_flows(), 1);
	assert_int_equal(flow_of(stamp).ifindex, before);
	if (is_tunnel)
		assert_int_equal(bpf_map_delete_elem(egress_map("devices"), &before), 0);
}

static void inner_two_devices(void **state)
{
	uint32_t own = how.device ? device_ifindex() : 1;

	(void)state;
	stamped_before(99, true);
	stamped_before(99, false);
	stamped_before(own, true);
	stamped_before(own, false);
	stamped_before(0, false);
}

/* An entry that happens to be there under another flow's hash is no stamp of this one. */
static void inner_hash_is_another_stamp(void **state)
{
	struct packet p = udp_packet(4, 4000, 5000, 0, 20);

	(void)state;
	set_flow(STRANGE, (struct dscp_stamp){ .ifindex = 99 });
	set_ds(&p, AF41 << 2);
	expect_stamp(&p, STRANGE, AF41);
	assert_int_equal(flow_of(STRANGE).ifindex, 99);
	assert_int_equal(count_flows(), 2);
}

/* Both media give the packet a socket. Its own hash, which all its packets have, in the tunnel or
 * not, is never noted. */
static void inner_socket_hash(void **state)
{
	struct packet p = udp_packet(4, 4000, 5000, 0, 20);

	(void)state;
	for (int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		set_ds(&p, dscp << 2);
		expect_stamp(&p, HASH, dscp);
		assert_true(is_flow(stamp_of(dscp)));
		forget_recent(stamp_of(dscp));
		expect_stamp(&p, HASH, dscp);
		assert_false(is_flow(HASH));
	}
	assert_int_equal(count_flows(), DSCP_VALUES);
}

/* The installed program itself, with the hash the kernel computes. */
static void inner_program(void **state)
{
	struct packet p = udp_packet(6, 4000, 5000, 0, 20), out;
	uint32_t stamp;

	(void)state;
	set_ds(&p, AF41 << 2 | 1);
	for (int i = 0; i < 3; i++) {
		assert_true(transmit("egress_inner", &p, 0, &out));
		assert_same(&p, &p, &out);
	}
	assert_int_equal(count_flows(), 1);
	assert_int_equal(bpf_map_get_next_key(egress_map("stamps"), NULL, &stamp), 0);
	assert_int_equal(dscp_unmix(stamp) & DSCP_STAMP_BITS, AF41);
}

static void inner_protocols(void **state)
{
	static const uint8_t protocols[] = { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_ESP, IPPROTO_IPV6,
					     IPPROTO_GRE,  IPPROTO_RAW, IPPROTO_SCTP };
	struct packet p;

	(void)state;
	for (unsigned int i = 0; i < sizeof(protocols); i++) {
		for (int family = 4; family <= 6; family += 2) {
			p = ip_packet(family, protocols[i], 30);
			set_ds(&p, EF << 2 | 1);
			expect_stamp(&p, HASH, EF);
		}
	}
}

/* The header that GRE without a remote address shows is not the inner packet, which may itself be
 * GRE's, of any length: 0 is the length of one longer than 65535 bytes. */
static void inner_gre_prototype(void **state)
{
	struct packet p, out;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = ip_packet(family, IPPROTO_GRE, 100);
		set_ds(&p, EF << 2);
		expect_stamp(&p, HASH, EF);
		for (knobs->prototype = 4; knobs->prototype <= 6; knobs->prototype += 2) {
			assert_true(transmit("test_inner", &p, HASH, &out));
			assert_int_equal(out.len, p.len + (knobs->prototype == 4 ? 24 : 44));
			assert_int_equal(knobs->after, HASH);
		}
		knobs->prototype = 0;
		set16(p.bytes + p.ip + (family == 4 ? 2 : 4), 0);
		expect_stamp(&p, HASH, EF);
	}
	assert_int_equal(count_flows(), 1);
}

static void inner_tags(void **state)
{
	struct packet p, tagged;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, 4000, 5000, 0, 20);
		set_ds(&p, EF << 2);
		for (unsigned int tags = 0; tags <= 4; tags++) {
			tagged = with_tags(&p, tags);
			expect_stamp(&tagged, HASH, tags <= 2 ? EF : -1);
		}
	}
}

static void inner_metadata_tags(void **state)
{
	struct packet p, tagged;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, 4000, 5000, 0, 20);
		set_ds(&p, EF << 2);
		for (unsigned int tags = 0; tags <= 2; tags++) {
			tagged = with_tags(&p, tags);
			knobs->vlan_tags = 1;
			expect_stamp(&tagged, HASH, EF);
			knobs->vlan_tags = 2;
			expect_stamp(&tagged, HASH, tags < 2 ? EF : -1);
		}
	}
	knobs->vlan_tags = 0;
}

/* MAC addresses that begin as an IP header does. */
static void inner_mac_like_ip(void **state)
{
	struct packet p, tagged;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, 4000, 5000, 0, 20);
		set_ds(&p, EF << 2);
		for (unsigned int i = 0; i < 3 * 0x30; i++) {
			tagged = with_tags(&p, i / 0x30);
			tagged.bytes[0] = 0x40 + i % 0x30;
			tagged.bytes[1] = 34 << 2;
			for (unsigned int n = 0; n <= 1; n++) {
				knobs->vlan_tags = n;
				expect_stamp(&tagged, HASH, EF);
			}
		}
	}
	knobs->vlan_tags = 0;
}

/* The kernel may know the protocol behind the tags of a frame. */
static void inner_type_behind_tags(void **state)
{
	struct packet p, tagged;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, 4000, 5000, 0, 20);
		set_ds(&p, EF << 2);
		how.type = family == 4 ? ETH_P_IP : ETH_P_IPV6;
		for (unsigned int i = 0; i < 3 * 0x30; i++) {
			tagged = with_tags(&p, i / 0x30);
			tagged.bytes[0] = 0x40 + i % 0x30;
			expect_stamp(&tagged, HASH, EF);
		}
	}
}

static void inner_not_ip(void **state)
{
	struct packet p = ip_packet(4, IPPROTO_UDP, 40), tagged;

	(void)state;
	for (unsigned int i = 0; i < N_OTHER_TYPES; i++) {
		for (unsigned int tags = 0; tags <= 2; tags++) {
			tagged = with_tags(&p, tags);
			put_type(&tagged, other_types[i]);
			expect_stamp(&tagged, HASH, -1);
			tagged.bytes[0] = 0x45;
			expect_stamp(&tagged, HASH, -1);
		}
	}
	assert_int_equal(count_flows(), 0);
}

static void inner_bad_version(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (int version = 0; version < 16; version++) {
			p = udp_packet(family, 4000, 5000, 0, 20);
			set_ds(&p, EF << 2);
			p.bytes[p.ip] = version << 4 | (p.bytes[p.ip] & 0xf);
			expect_stamp(&p, HASH, version == family ? EF : -1);
		}
	}
}

/* Dropping a bad packet is the tunnel's own business. */
static void inner_bad_header_length(void **state)
{
	struct packet p = udp_packet(4, 4000, 5000, 0, 20);

	(void)state;
	set_ds(&p, EF << 2);
	for (int words = 0; words < 16; words++) {
		p.bytes[p.ip] = 0x40 | words;
		expect_stamp(&p, HASH, EF);
	}
}

static void inner_truncated(void **state)
{
	struct packet p, shorter;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = udp_packet(family, 4000, 5000, 0, 60);
		set_ds(&p, EF << 2);
		/* The kernel refuses a frame of a header alone, in some versions. */
		for (size_t len = p.link + 1; len <= p.link + 60; len++) {
			shorter = cut(&p, len);
			expect_stamp(&shorter, HASH,
				     len >= p.ip + (family == 4 ? 20 : 40) ? EF : -1);
		}
	}
}

static void inner_truncated_tags(void **state)
{
	struct packet p = udp_packet(6, 4000, 5000, 0, 20), tagged = with_tags(&p, 2), shorter;

	(void)state;
	set_ds(&tagged, EF << 2);
	for (size_t len = ETHERNET + 1; len < tagged.len; len++) {
		shorter = cut(&tagged, len);
		expect_stamp(&shorter, HASH, len >= tagged.ip + 40 ? EF : -1);
	}
}

static void inner_lookalikes(void **state)
{
	struct packet p, shorter;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		for (unsigned int type = 0; type < 4; type++) {
			p = lookalike(family, type);
			set_ds(&p, EF << 2);
			for (size_t len = family == 4 ? 20 : 40; len <= p.len; len++) {
				shorter = cut(&p, len);
				expect_stamp(&shorter, HASH, EF);
			}
		}
	}
}

/* The headers are not in the linear part of the skb, or in part. */
static void inner_paged(void **state)
{
	struct packet p;

	(void)state;
	for (int family = 4; family <= 6; family += 2) {
		p = ip_packet(family, IPPROTO_TCP, 5000);
		set_ds(&p, EF << 2);
		for (how.linear = 1; how.linear <= 70; how.linear++)
			expect_stamp(&p, HASH, EF);
	}
}

/* No packet changes, whatever it is, and its hash tells the DSCP in it. */
static void inner_random(void **state)
{
	unsigned int rounds = effort_rounds(how.device ? DEVICE_PACKETS : FRAMES), without = 0;

	(void)state;
	make_templates();
	for (unsigned int i = 0; i < rounds; i++) {
		struct packet p;
		struct inner inner;

		random_round(i);
		p = random_packet();
		inner = ask_inner(&p);
		without += !inner.ip;
		/* Few enough flows for the map to keep them all. */
		expect_stamp(&p, next_random() % 16 << 8, inner.ip ? inner.dscp : -1);
	}
	random_end();
	assert_true(without >= (how.raw ? 0 : rounds / 200) && without <= rounds / 2);
}

/* Frames, and packets without a link-layer header. */
#define ALL_MEDIA                                                                                  \
	INNER(inner_every_ds), INNER(inner_collisions), INNER(inner_entry_is_made_once),           \
		INNER(inner_two_devices), INNER(inner_hash_is_another_stamp),                      \
		INNER(inner_socket_hash), INNER(inner_program), INNER(inner_protocols),            \
		INNER(inner_gre_prototype), INNER(inner_bad_version),                              \
		INNER(inner_bad_header_length), INNER(inner_truncated), INNER(inner_random)

int main(void)
{
	const struct CMUnitTest frames[] = {
		ALL_MEDIA,
		INNER(inner_tags),
		INNER(inner_metadata_tags),
		INNER(inner_mac_like_ip),
		INNER(inner_not_ip),
		INNER(inner_truncated_tags),
		INNER(maps_are_reset),
	};
	/* Cases that BPF_PROG_TEST_RUN does not do, or not in every kernel. */
	const struct CMUnitTest tap[] = {
		INNER(inner_program),	       INNER(inner_socket_hash),   INNER(inner_truncated),
		INNER(inner_truncated_tags),   INNER(inner_metadata_tags), INNER(inner_mac_like_ip),
		INNER(inner_type_behind_tags), INNER(inner_paged),
	};
	const struct CMUnitTest tun[] = {
		ALL_MEDIA,
		INNER(inner_lookalikes),
		INNER(inner_paged),
	};

	return run_groups("egress_inner", GROUP(frames), GROUP(tap), GROUP(tun));
}
