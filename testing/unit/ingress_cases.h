/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The parts of the cases of the ingress programs: packets in tunnels, the content of the maps, and
 * "this packet, behind those headers, comes out so". The outcome is compared byte for byte, and so
 * are notes and counters; ingress_oracle.c has to agree with each case.
 */
#ifndef INGRESS_CASES_H
#define INGRESS_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress_packet.h"
#include "group.h"
#include "ingress_oracle.h"
#include "ingress_run.h"

#define EF 46
#define AF41 34
#define CS1 8
#define CE 3

/* The tunnels that are registered. All packets come out of WG. */
enum slot { NO_SLOT, WG, OTHER_WG };

#define WG_PORT 51820
#define OTHER_WG_PORT 51821
#define OVPN_PORT 1194 /* of the slot WG too */
#define STRANGE_PORT 40000
#define VXLAN_PORT 4789
#define GENEVE_PORT 6081

#define RECEIVER 0x11223344u
#define GARBAGE 64 /* bytes in front of the outer header */
#define N_WAYS_IN 18 /* that make_journeys() knows */

/* A packet in its tunnel. */
struct journey {
	struct packet wire; /* from the outer IP header on */
	struct packet inner; /* as it comes out */
	size_t udp; /* offset in wire; 0: there is none */
	size_t inner_at; /* the same */
};

extern struct world world;
/* The expected counters. */
extern struct dscp_counters expected[N_SLOTS];

/*
 * Packets
 */

struct packet inner_packet(int family, size_t payload);

/* In WireGuard: behind a plain header, an IPv4 header of so many words, IPv6 extension headers. */
struct journey wireguard(int family, const struct packet *inner);
struct journey wireguard_words(unsigned int words, const struct packet *inner);
struct journey wireguard_extended(const uint8_t *headers, unsigned int n,
				  const struct packet *inner);
/* In a tunnel that does not encrypt, with this header behind UDP or IP. */
struct journey in_udp(int family, uint16_t port, const uint8_t *header, size_t len,
		      const struct packet *inner);
struct journey in_ip(int family, uint8_t protocol, const uint8_t *header, size_t len,
		     const struct packet *inner);
/* Its IPv4 header says that it has four words, and behind these a message seems to begin. */
struct journey too_short(const struct packet *inner);
unsigned int make_journeys(struct journey *journeys);

/* The checksum stays right. */
void set_outer(struct journey *j, uint8_t ds);
void update_sum(struct journey *j);

/* On the wire, with tags; and as it comes out of the tunnel. */
struct packet on_wire(const struct journey *j, unsigned int tags);
struct delivered deliver(const struct journey *j);

/*
 * Setup and teardown of each case, in maps that are empty: two tunnels; no tool; a tool without a
 * tunnel
 */

/* The program tests one method. */
extern enum dscp_method method;

int set_all(void **state);
int set_plain(void **state);
int set_no_tunnel(void **state);
int end_case(void **state);

#define ALL(name) cmocka_unit_test_setup_teardown(name, set_all, end_case)
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, set_plain, end_case)
#define NO_TUNNEL(name) cmocka_unit_test_setup_teardown(name, set_no_tunnel, end_case)

/* Set-up and end of a group. */
int load(void **state);
int unload(void **state);
int load_behind_tun(void **state);
int close_tun(void **state);

void set_policy(uint32_t slot, uint8_t from, uint8_t to);
/* From now on; ifindex 0: there is no such tunnel. */
void set_tunnel(uint32_t slot, uint32_t ifindex);
void set_port(uint16_t port, uint16_t slot, uint8_t ingress_kind);

const char *cannot_run_reason(void);
/* A test that says why nothing can be tested, and is skipped. */
void cannot_run(void **state);

/*
 * Running and comparing
 */

void assert_counters(void);

/* At the uplink. Returns the note, if one was made. */
struct noted pass(const struct packet *wire);
void expect_passed(const struct packet *wire);
void expect_skipped(const struct packet *wire, uint32_t slot);
struct noted expect_noted(const struct packet *wire);

/* At the tunnel. noted: NULL is none. dscp: only for MARKED. */
void arrive(const struct delivered *d, const struct noted *noted);
void expect(const struct delivered *d, const struct noted *noted, enum verdict verdict,
	    uint8_t dscp);
/* Past the uplink, then out of the tunnel. */
/* UNKNOWN, and counted with that reason. */
void expect_unknown(const struct delivered *d, const struct noted *noted, enum dscp_reason reason);
void expect_journey(const struct journey *j, enum verdict verdict, uint8_t dscp);

/*
 * Tests of all methods
 */

void maps_are_reset(void **state);
void every_ds(void **state);
void policies(void **state);
void not_registered(void **state);
void without_tool(void **state);
void inner_not_ip(void **state);
void inner_tags(void **state);
void little_room(void **state);
void cut_short(void **state);
void random_packets(void **state);
void paged(void **state);

#define ALL_WAYS                                                                                   \
	ALL(every_ds), ALL(policies), ALL(not_registered), NO_TUNNEL(not_registered),              \
		PLAIN(without_tool), ALL(cut_short), PLAIN(cut_short), ALL(random_packets),        \
		PLAIN(random_packets)

/* Frames alone. */
#define ALL_WAYS_FRAMES ALL(inner_not_ip), ALL(inner_tags), ALL(little_room), ALL(maps_are_reset)

/* L3 packets alone. */
#define ALL_WAYS_PACKETS ALL(paged)

#endif
