/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The parts of the cases of the egress programs: packets, the tunnels and stamps that the maps
 * hold, and "this packet, with that hash, comes out so". The outcome is compared byte for byte, and
 * so are the counters; egress_oracle.c has to agree with each case.
 */
#ifndef EGRESS_CASES_H
#define EGRESS_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress_oracle.h"
#include "egress_packet.h"
#include "egress_run.h"
#include "group.h"

#define EF 46
#define AF41 34
#define CS1 8
#define HANDSHAKE 10 /* AF11: of the handshakes of WG_POLICY */
#define OTHER_PRIORITY 0x10007u /* skb->priority of each packet before */
#define HASH 0x12345678u /* of the flow that most cases use */
#define SOCKET 0x5a5a5a00u /* of a flow with one stamp, EF */
#define STRANGE 0xdeadbeefu /* a hash that was never stamped */

/* The tunnels that are registered. */
enum slot {
	NO_SLOT,
	WG,
	WG_POLICY, /* EF to CS1, AF41 kept, the rest to 0; and HANDSHAKE */
	WG_FIXED, /* AF41 */
	USER, /* UDP by source port */
	VXLAN_42, /* over IPv4; VXLAN6_42 over IPv6 */
	VXLAN6_42,
	VXLAN_43, /* on the same port */
	VXLAN_ANY,
	VXLAN_9, /* on the same port as VXLAN_ANY */
	GENEVE,
	GENEVE6,
	GRE, /* both addresses, no key */
	GRE_KEY, /* remote address and key 77 */
	GRE_LOCAL, /* local address and key 77 */
	GRE_ANY, /* key 5 */
	GRE6,
	GRE6_KEY, /* remote address and key 77 */
	IPIP,
	IPIP_ANY,
	IPIP6,
	IPIP6_REMOTE, /* of another remote address */
	OVPN,
	AMNEZIAWG,
	N_USED,
};

#define IFINDEX(slot) (100 + (slot))

/* The priority map of all tunnels, one more than the priority; in force for two of three. */
static inline uint8_t priority_to(uint8_t dscp)
{
	return dscp * 7 % (DSCP_PRIORITIES + 1);
}

#define WG_PORT 51820
#define WG_POLICY_PORT 51821
#define WG_FIXED_PORT 51822
#define USER_PORT 1193
#define OVPN_PORT 1194
#define AMNEZIAWG_PORT 51823
#define VXLAN_PORT 4789
#define VXLAN_ANY_PORT 8472
#define GENEVE_PORT 6081
#define OTHER_PORT 40000

extern const uint8_t local4[4], remote4[4], other4[4];
extern const uint8_t local6[16], remote6[16], other6[16];

/* How the next packets are handed to the program. */
struct how {
	bool device; /* through a tun or tap device, not by BPF_PROG_TEST_RUN */
	bool raw; /* L3 packets */
	uint16_t type; /* device: the kernel's belief about the packet, 0: the truth */
	uint32_t linear; /* device: so many bytes in the linear part, 0: all */
	uint32_t ingress; /* no device: came in by this one */
	uint32_t segments; /* no device: of a GSO packet */
};

extern struct how how;

/* The expected counters. */
extern struct dscp_counters expected[N_SLOTS];

/*
 * Packets, from the tunnel's local address to its remote one
 */

void begin(struct packet *p, unsigned int tags);

/* With so many bytes of UDP payload, that begins with these four. */
struct packet udp_packet(int family, uint16_t source, uint16_t dest, uint32_t first, size_t len);
struct packet wireguard_packet(int family);
struct packet vni_packet(int family, uint16_t port, uint32_t vni);
struct packet ip_packet(int family, uint8_t protocol, size_t len);

/* The outer headers of a tunnel, to that UDP port if it is not 0. */
struct packet outer_packet(int family, uint8_t protocol, uint16_t dest);
/* And with that header of the tunnel behind, and an inner packet: in a frame with so many tags, or
 * without one. */
struct packet with_inner(const struct packet *outer, const uint8_t *header, size_t len, bool frame,
			 unsigned int tags, int family, uint8_t ds);

/* flags: 0x10 a sequence number, 0x20 the key, 0x80 a checksum before it. */
struct packet gre_packet(int family, uint8_t flags, uint32_t key);
void set_addresses(struct packet *p, const uint8_t *local, const uint8_t *remote);

/* The same packet with tags in the frame. */
struct packet with_tags(const struct packet *p, unsigned int tags);
struct packet cut(const struct packet *p, size_t len);

/* Ethertypes that are not IP's. */
#define N_OTHER_TYPES 9
extern const uint16_t other_types[N_OTHER_TYPES];

/* An L3 packet with one of these bytes where a frame has its ethertype. */
#define N_LOOKALIKES 4
extern const uint16_t lookalike_types[N_LOOKALIKES];
struct packet lookalike(int family, unsigned int type);

/*
 * Setup and teardown
 */

void add_by_port(uint32_t slot, uint8_t kind, uint16_t port);
void add_by_address(uint32_t slot, uint8_t kind, int family, const uint8_t *local,
		    const uint8_t *remote, uint32_t key);
uint32_t stamp_of(uint32_t dscp);

/* For each DSCP, of the flow HASH. */
void add_stamps(uint32_t ifindex);

/* Set-ups for each case, in maps that are empty: nothing; all tunnels, and stamps of WG; no tool,
 * and stamps; a tool without a tunnel, and stamps. */
int set_nothing(void **state);
int set_all(void **state);
int set_plain(void **state);
int set_no_tunnel(void **state);
int end_case(void **state);

#define INNER(name) cmocka_unit_test_setup_teardown(name, set_nothing, end_case)
#define OUTER(name) cmocka_unit_test_setup_teardown(name, set_all, end_case)
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, set_plain, end_case)
#define NO_TUNNEL(name) cmocka_unit_test_setup_teardown(name, set_no_tunnel, end_case)

/* NULL, or why there can be no tun or tap device here. */
const char *device_refused(void);

/* A test that says why nothing can be tested, and is skipped. */
void cannot_run(void **state);

/*
 * Running and comparing
 */

/* False: the kernel does not let such a packet come about. */
bool transmit(const char *program, const struct packet *in, uint32_t hash, struct packet *out);
void assert_same(const struct packet *in, const struct packet *want, const struct packet *out);
void assert_counters(void);

/* Returns the oracle's answer. */
struct outcome ask(const struct packet *p, uint32_t hash);

/* Asserts the outcome of a packet; the first without a look at the counters, which takes longer
 * than all the rest. */
void check_packet(const char *program, const struct packet *p, uint32_t hash,
		  const struct outcome *o);
void check_outer(const char *program, const struct packet *p, uint32_t hash,
		 const struct outcome *o);

/* By egress_outer. dscp: only for MARKED. */
void expect(const struct packet *p, uint32_t hash, enum verdict verdict, uint32_t slot,
	    uint8_t dscp);
void expect_marked(const struct packet *p, uint32_t slot);

/* Not the tunnel's, even with a hash that was stamped. */
void expect_not_ours(const struct packet *p);

/* Asserts that a program for tunnel devices has stamped it. */
void account_inner(const struct packet *p);

/* Runs one of the programs for tunnel devices. value: the value in the stamp, or -1: nothing
 * happens. */
void expect_stamped(const char *program, const struct packet *p, uint32_t hash, int value);

/* By egress_inner. */
void expect_stamp(const struct packet *p, uint32_t hash, int dscp);

/* A case: no map keeps anything of the case before. */
void maps_are_reset(void **state);

/* All of them, or in place of those that this machine refuses one that says so. tap, tun: through a
 * device of that kind. Returns how many failed. */
int run_groups(const char *name, struct group frames, struct group tap, struct group tun);

#endif
