/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Asks the kernel about links, routes, peers of tunnels, qdiscs, filters and flowtables, through
 * libmnl. All functions return 0 or a negative errno; where a struct nl_error is given, its text is
 * the kernel's own reason (extack) if there is one, else strerror's.
 */
#ifndef UTIL_NETLINK_H
#define UTIL_NETLINK_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct nl_error {
	char text[256];
	/* Nothing is known: the request or the answer was lost, or the kernel had no memory. */
	bool unanswered;
};

/* Numbers of the attributes of IFLA_INFO_DATA that tell about a tunnel; 0, which the kernel never
 * uses: the kind has no such attribute. */
struct nl_layout {
	uint8_t port;
	uint8_t vni;
	uint8_t key;
	uint8_t key_flags;
	uint8_t external;
	uint8_t local[2];
	uint8_t remote[2];
	uint8_t lower;
	uint8_t fwmark;
	uint8_t ip6_flags;
	uint8_t encap;
};

/* A kind of tunnel with readable IFLA_INFO_DATA. */
struct nl_kind {
	char name[12]; /* IFLA_INFO_KIND */
	uint8_t family; /* AF_* of the outer header where the kind decides it, else AF_UNSPEC */
	struct nl_layout layout;
};

/* One link. From port on, and but for below and elsewhere, only of the kinds of nl_link_kinds(). */
struct nl_link {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[IFNAMSIZ]; /* IFLA_INFO_KIND; "" for a physical device */
	unsigned short type; /* ARPHRD_* */
	bool up; /* IFF_UP */
	uint64_t sent, received; /* packets, as the device counts them */
	uint16_t port; /* vxlan, geneve: UDP destination port, host order */
	uint32_t id; /* vxlan, geneve: VNI; gre: output key, host order */
	bool has_id; /* a VNI, or a key, is configured */
	bool external; /* vxlan, geneve, gre...: collect_md, takes its parameters per packet */
	/* Family of local and remote: AF_INET or AF_INET6. vxlan and geneve, which can have either:
	 * AF_UNSPEC if neither is set. */
	uint8_t family;
	uint8_t local[16]; /* outer source; IPv4 in the first four bytes; zero: any */
	uint8_t remote[16];
	bool multicast; /* remote is a group */
	int lower; /* IFLA_VXLAN_LINK, IFLA_GRE_LINK, IFLA_IPTUN_LINK: 0 if none */
	uint32_t fwmark; /* gre, ipip: IFLA_*_FWMARK */
	uint16_t encap; /* gre, ipip: TUNNEL_ENCAP_*, a header in front of the tunnel's; 0: none */
	bool encap_limit; /* ip6tnl: a header with a limit goes behind the outer one */
	int master; /* bridge, bond, VRF...: the device that this one is a port of; 0: none */
	int real; /* the device that this one is made on (IFLA_LINK), or 0; not of a tunnel */
	int below; /* vlan: the device that the VLAN is on; 0: none, or in another namespace */
	/* Was moved: its outer packets, and the device lower, are in another network namespace.
	 * The kernel does not tell of wireguard. */
	bool elsewhere;
	int netnsid; /* the number that this network namespace has for that one */
};

/* The number that this network namespace has for another one, which netns leads to; negative: it
 * has none, or the kernel does not tell. */
int nl_netnsid(int netns);

struct nl_endpoint {
	int family; /* AF_INET or AF_INET6 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
	};
	uint32_t scope_id; /* the device that it is reached by, or 0; of an address of this host,
			      the device that has it */
	uint16_t port; /* host order; 0: any */
};

struct nl_endpoints {
	struct nl_endpoint *list;
	unsigned int n;
};

#define NL_MAX_PORTS 8

/* The kernel's answer about a tunnel's sockets, and about the peers that it sends to. */
struct nl_peers {
	uint16_t ports[NL_MAX_PORTS]; /* of UDP, local, host order, ascending */
	unsigned int n_ports; /* 0: none is known yet */
	bool more_ports; /* than there is room for */
	uint32_t fwmark;
	struct nl_endpoints to; /* peers that have an address, no duplicates */
	bool by_tcp; /* ovpn: there are peers over TCP, which are not in the other members */
	bool elsewhere; /* ovpn: a socket is in another network namespace than the device */
};

/* Sets the function that finds the kinds of tunnels with readable IFLA_INFO_DATA, NULL for any
 * other kind. Until then the data of no link is read. */
void nl_link_kinds(const struct nl_kind *(*find)(const char *name));

int nl_link_by_name(const char *name, struct nl_link *link, struct nl_error *err);
int nl_link_by_index(int ifindex, struct nl_link *link, struct nl_error *err);
/* Calls each for every link of this network namespace. */
int nl_links(void (*each)(const struct nl_link *link, void *ctx), void *ctx, struct nl_error *err);

/* Tells whether there is such a family of generic netlink. The kernel loads the module for this
 * question, if it may. */
bool nl_family_present(const char *name);

/* Reads the sockets and the peers of a device of kind wireguard or amneziawg, or ovpn. The family
 * of generic netlink has the name of the kind; -ENOENT: this kernel has none. ovpn needs
 * CAP_NET_ADMIN for it. Free with nl_peers_free(). */
int nl_wireguard_peers(const char *kind, int ifindex, struct nl_peers *peers, struct nl_error *err);
int nl_ovpn_peers(const char *kind, int ifindex, struct nl_peers *peers, struct nl_error *err);
void nl_peers_free(struct nl_peers *peers);
/* Adds a port that is not there yet, unless it is 0, so that they ascend. The lowest are kept. */
void nl_peers_add_port(struct nl_peers *peers, uint16_t port);

/* A peer of a device of kind wireguard or amneziawg. */
struct nl_wireguard_peer {
	/* An address in the tunnel, which leads to the peer. Of family AF_UNSPEC it is looked for:
	 * the allowed IP that is a host, of a device with one peer. */
	struct nl_endpoint inner;
	struct nl_endpoint outer; /* the answer; of family AF_UNSPEC: not known to the kernel */
	uint32_t fwmark; /* of the device */
};
/* -ENOENT: there is no such peer. */
int nl_wireguard_peer(const char *kind, int ifindex, struct nl_wireguard_peer *peer,
		      struct nl_error *err);

/* Adds an endpoint to a list, which begins as zero: 0 or -ENOMEM. nl_endpoints_sort() drops
 * duplicates. */
int nl_endpoints_add(struct nl_endpoints *all, const struct nl_endpoint *one);
void nl_endpoints_sort(struct nl_endpoints *all);
void nl_endpoints_free(struct nl_endpoints *all);

/* Lists the addresses of this network namespace, each with its device, except those with scope
 * host. Free them, as the next function's, with nl_endpoints_free(). */
int nl_addresses(struct nl_endpoints *all, struct nl_error *err);
/* The destinations in the forwarding database of a VXLAN, multicast groups too; devices and
 * addresses are of the network namespace that the VXLAN was made in. */
int nl_fdb(int ifindex, struct nl_endpoints *all, struct nl_error *err);

#define NL_LOOPBACK 1 /* ifindex of lo, in each network namespace */
#define NL_MAX_DEVICES 17

/* Devices, each once. */
struct nl_devices {
	int list[NL_MAX_DEVICES];
	unsigned int n;
};

bool nl_has_device(const struct nl_devices *devices, int ifindex);
/* Does nothing if the device is there already, or if there is no room. */
void nl_add_device(struct nl_devices *devices, int ifindex);

/* Outer packets, as the kernel's socket sends them. */
struct nl_flow {
	struct nl_endpoint to;
	struct nl_endpoint from; /* of another family than to: not known */
	uint32_t mark;
	int oif; /* the device to restrict the look-up to, or 0 */
	bool udp;
	uint16_t sport; /* of UDP; 0: any */
};

/* The answer to a look-up. */
struct nl_route {
	int oif;
	uint8_t type; /* RTN_* */
	uint16_t encap; /* LWTUNNEL_ENCAP_*, the encapsulation that the route puts in front; 0:
			   nothing */
};

/* Finds the device that such a packet leaves by. No route, or one that is unreachable, blackhole or
 * prohibit: -ENETUNREACH. */
int nl_route(const struct nl_flow *flow, struct nl_route *route, struct nl_error *err);

/* Finds all next hops of the route as it is in the table. With flow->oif it is one that leaves by
 * this device, if there is such a route, also one with a worse metric than the best. No route: no
 * devices. With IPv6 it may be another route than nl_route()'s, where there are several. Fails only
 * where nothing is known. */
int nl_next_hops(const struct nl_flow *flow, struct nl_devices *devices, struct nl_error *err);

/* Tells whether a rule of IPv4 looks at the source address, or that is not known. */
bool nl_rules_by_source(void);

struct nl_neighbour {
	int ifindex;
	uint16_t state; /* NUD_* */
	uint64_t age; /* of that state, in seconds */
};

/* Goes through the neighbours of all devices. */
void nl_neighbours(void (*each)(const struct nl_neighbour *neighbour, void *ctx), void *ctx);
/* How many IPsec security associations there are; 0 too if the kernel does not say. */
uint32_t nl_security_associations(void);

/* Reads the qdisc at ffff: of the device ("clsact", "ingress", ""). */
int nl_ingress_qdisc(int ifindex, char kind[static IFNAMSIZ], struct nl_error *err);
/* Kind of the root qdisc ("cake", "fq_codel", "noqueue"...). */
int nl_root_qdisc(int ifindex, char kind[static IFNAMSIZ], struct nl_error *err);

struct nl_qdisc {
	char kind[IFNAMSIZ];
	/* cake and cake_mq: */
	uint32_t diffserv; /* TCA_CAKE_DIFFSERV_MODE */
	uint32_t fwmark; /* the mask of marks that come before the DSCP, or 0 */
	bool wash; /* the DSCP is set to 0 behind the tins */
	bool root;
};

/* Reads the qdiscs that packets leave a device by, the root first; of those that are alike, one.
 * At most max are written. Returns how many were, or a negative errno. */
int nl_qdiscs(int ifindex, struct nl_qdisc *list, unsigned int max, struct nl_error *err);

struct nl_filter {
	char kind[IFNAMSIZ]; /* "bpf", "u32", "matchall"... */
	uint32_t handle;
	uint16_t priority;
	uint16_t protocol; /* ethertype, network order, as the kernel gives it */
	uint32_t chain;
	uint32_t prog_id; /* kind bpf: TCA_BPF_ID, else 0 */
	char name[64]; /* kind bpf: TCA_BPF_NAME */
};

/* Calls each for every filter at parent (TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS or _INGRESS)), in
 * the order in which they are run; stops when it returns non-zero, and returns that. No filter
 * or no such qdisc: 0. */
int nl_filters(int ifindex, uint32_t parent, int (*each)(const struct nl_filter *filter, void *ctx),
	       void *ctx, struct nl_error *err);

#define NL_NFT_NAME 64 /* that are kept of a name that can have 255 characters */

struct nl_flowtable {
	uint8_t family; /* NFPROTO_* */
	char table[NL_NFT_NAME];
	char name[NL_NFT_NAME];
};

/* Writes the flowtables of nftables that list the device dev, at most max. Returns how many were
 * written, or a negative errno: this takes CAP_NET_ADMIN. The kernel loads the module nf_tables for
 * this question where it has one. */
int nl_flowtables(const char *dev, struct nl_flowtable *list, unsigned int max,
		  struct nl_error *err);
/* "inet", "ip", "ip6" */
const char *nl_flowtable_family(const struct nl_flowtable *flowtable);

/* Returns 1 if a rule adds flows to the flowtable with packets that are forwarded from the device
 * dev, or to dev; 0 if none does; or a negative errno. Understood are comparisons of a device's
 * name or number within the rule itself. A set of devices is taken to keep dev out. */
int nl_flowtable_adds(const struct nl_flowtable *flowtable, const char *dev, int ifindex,
		      struct nl_error *err);

/* Notifications of rtnetlink about links, addresses, routes, rules, qdiscs and filters: a file
 * descriptor to poll, or a negative errno. */
int nl_events_open(struct nl_error *err);
/* Reads the events that have come. Returns true if one of them can matter: no qdisc but clsact and
 * ingress, and only routes to destinations that nl_route() has been asked for since
 * nl_events_forget(). */
bool nl_events_read(int fd);
void nl_events_forget(void);

/* The same of ovpn in the socket's network namespace: a peer is deleted, or has another address.
 * The kernel tells nothing of a new peer. */
int nl_ovpn_events_open(struct nl_error *err);
bool nl_ovpn_events_read(int fd);

#endif
