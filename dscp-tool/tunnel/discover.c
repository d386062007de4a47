/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "features.h"
#include "state/objects.h"
#include "privileges.h"
#include "state/state.h"
#include "tunnel/discover.h"
#include "hook/hook.h"
#include "hook/libxdp.h"
#include "util/log.h"
#include "util/netlink.h"
#include "util/netns.h"

/* Tunnel kinds as rtnetlink names them. */
static const struct {
	const char *name;
	enum dscp_kind kind;
} kinds[] = {
	{ "wireguard", DSCP_KIND_WIREGUARD },
	{ "vxlan", DSCP_KIND_VXLAN },
	{ "geneve", DSCP_KIND_GENEVE },
	{ "gre", DSCP_KIND_GRE },
	{ "gretap", DSCP_KIND_GRE },
	{ "ip6gre", DSCP_KIND_GRE },
	{ "ip6gretap", DSCP_KIND_GRE },
	{ "ipip", DSCP_KIND_IPIP },
	{ "sit", DSCP_KIND_IPIP },
	{ "ip6tnl", DSCP_KIND_IPIP },
};

#define N_KINDS (sizeof(kinds) / sizeof(*kinds))

static enum dscp_kind kind_by_name(const char *name)
{
	for (unsigned int i = 0; i < N_KINDS; i++)
		if (!strcmp(kinds[i].name, name))
			return kinds[i].kind;
	return DSCP_KIND_NONE;
}

static int set_kind(const struct tunnel_request *request, const struct nl_link *link,
		    struct dscp_tunnel *tunnel)
{
	tunnel->kind = kind_by_name(link->kind);
	if (tunnel->kind != DSCP_KIND_NONE) {
		if (!link->external || tunnel->kind == DSCP_KIND_VXLAN ||
		    tunnel->kind == DSCP_KIND_GENEVE)
			return 0;
		log_error(
			"%s: %s in external mode has no address of its own to know its packets by",
			request->name, link->kind);
		return -EOPNOTSUPP;
	}
	if (request->fixed && request->n_ports) {
		tunnel->kind = DSCP_KIND_UDP;
		return 0;
	}
	if (!strcmp(link->kind, "tun") && request->ingress)
		log_error("%s: a user space tunnel, whose packets come out without their outer "
			  "header: no ingress",
			  request->name);
	else if (!strcmp(link->kind, "tun"))
		log_error("%s: a user space tunnel, where no mark survives: only one mark for all "
			  "packets is possible, --outer-dscp X --port N",
			  request->name);
	else
		log_error("%s: not a tunnel that is known here (%s%s): wireguard, vxlan, geneve, "
			  "gre, ipip and their kin are",
			  request->name, *link->kind ? "its kind is " : "it has no kind",
			  link->kind);
	return -EOPNOTSUPP;
}

static bool has_ports(const struct dscp_tunnel *tunnel)
{
	return tunnel->kind != DSCP_KIND_GRE && tunnel->kind != DSCP_KIND_IPIP;
}

static int set_ports(const struct tunnel_request *request, uint16_t found,
		     struct dscp_tunnel *tunnel)
{
	if (!has_ports(tunnel)) {
		if (!request->n_ports)
			return 0;
		log_error("%s: %s has no UDP port, --port means nothing here", request->name,
			  tunnel->link_kind);
		return TUNNEL_USAGE;
	}
	if (request->n_ports) {
		memcpy(tunnel->ports, request->ports, sizeof(tunnel->ports));
		tunnel->n_ports = request->n_ports;
		return 0;
	}
	if (!found) {
		log_error("%s: has no listen port yet: bring it up first (ip link set %s up), or "
			  "say --port N",
			  request->name, request->name);
		return -EADDRNOTAVAIL;
	}
	tunnel->ports[0] = found;
	tunnel->n_ports = 1;
	return 0;
}

/* What tells the tunnels of one port or protocol apart. */
static int set_endpoint(const struct nl_link *link, struct dscp_tunnel *tunnel)
{
	struct dscp_endpoint *endpoint = &tunnel->endpoint;

	if (tunnel->kind == DSCP_KIND_UDP)
		return 0;
	if (has_ports(tunnel) && link->external) {
		tunnel->flags |= DSCP_TUNNEL_ANY_ID;
		return 0;
	}
	if (tunnel->n_ports > 1) {
		log_error("%s: %s has one destination port: --port can be given once", tunnel->name,
			  link->kind);
		return TUNNEL_USAGE;
	}
	endpoint->kind = tunnel->kind;
	/* A VXLAN without any address has a socket of IPv4. */
	endpoint->family = link->family == AF_INET6 ? 6 : 4;
	endpoint->id = link->has_id ? link->id : 0;
	if (has_ports(tunnel)) {
		endpoint->port = tunnel->ports[0];
		return 0;
	}
	memcpy(endpoint->local, link->local, sizeof(endpoint->local));
	memcpy(endpoint->remote, link->remote, sizeof(endpoint->remote));
	return 0;
}

bool tunnel_of_link(const struct nl_link *link, struct dscp_tunnel *tunnel)
{
	memset(tunnel, 0, sizeof(*tunnel));
	tunnel->kind = kind_by_name(link->kind);
	if (!dscp_kind_is_clear(tunnel->kind))
		return false;
	tunnel->ports[0] = link->port;
	tunnel->n_ports = link->port != 0;
	if (link->external)
		tunnel->flags |= DSCP_TUNNEL_ANY_ID;
	return !set_endpoint(link, tunnel);
}

const char *tunnel_way_name(enum dscp_way way)
{
	static const char *const names[] = {
		[DSCP_WAY_NONE] = "auto",
		[DSCP_WAY_TC] = "tc",
		[DSCP_WAY_PEEK] = "peek",
		[DSCP_WAY_XDP] = "xdp",
	};

	return way < sizeof(names) / sizeof(*names) ? names[way] : "unknown";
}

const char *tunnel_way_reason(const struct dscp_tunnel *tunnel)
{
	if (tunnel->way == DSCP_WAY_PEEK)
		return "wireguard, and the kernel has BTF";
	if (tunnel->kind != DSCP_KIND_WIREGUARD)
		return "the only way for other tunnels than wireguard";
	if (!object_present(OBJECT_PEEK))
		return "built without CO-RE, which peek needs";
	return "the kernel has no BTF, which peek needs";
}

/* peek and xdp know WireGuard's header, and each needs something that may be missing. */
static int check_way(const struct tunnel_request *request, const struct dscp_tunnel *tunnel)
{
	if (request->way == DSCP_WAY_TC || request->way == DSCP_WAY_NONE)
		return 0;
	if (tunnel->kind != DSCP_KIND_WIREGUARD) {
		log_error("%s: --ingress-hook %s is for wireguard, this is %s: tc is the way for "
			  "it",
			  request->name, tunnel_way_name(request->way), tunnel->link_kind);
		return TUNNEL_USAGE;
	}
	if (request->way == DSCP_WAY_PEEK && !object_present(OBJECT_PEEK)) {
		log_error("%s: built without CO-RE, which --ingress-hook peek needs: use "
			  "--ingress-hook tc",
			  request->name);
		return -EOPNOTSUPP;
	}
	if (request->way == DSCP_WAY_PEEK && !features_has_btf()) {
		log_error("%s: --ingress-hook peek needs the kernel's BTF, and " BTF_FILE
			  " cannot be read: use --ingress-hook tc",
			  request->name);
		return -EOPNOTSUPP;
	}
	if (request->way == DSCP_WAY_XDP && !libxdp_supported()) {
		log_error("%s: built without libxdp, which --ingress-hook xdp needs: use %stc",
			  request->name, object_present(OBJECT_PEEK) ? "peek or " : "");
		return -EOPNOTSUPP;
	}
	/* The load would succeed, and unload not find the program by its number. */
	if (request->way == DSCP_WAY_XDP && !privileges_sys_admin()) {
		log_error("%s: not permitted without CAP_SYS_ADMIN, which --ingress-hook xdp "
			  "needs: use peek or tc",
			  request->name);
		return -EPERM;
	}
	return 0;
}

static bool can_peek(void)
{
	return object_present(OBJECT_PEEK) && features_has_btf();
}

static int set_ingress(const struct tunnel_request *request, struct dscp_tunnel *tunnel)
{
	const char *reason;
	int err;

	if (tunnel->kind == DSCP_KIND_UDP) {
		log_error("%s: a user space tunnel, whose packets come out without their outer "
			  "header: --direction egress is all there is",
			  request->name);
		return TUNNEL_USAGE;
	}
	err = check_way(request, tunnel);
	if (err)
		return err;
	reason = features_no_probe_read();
	if (reason) {
		log_error("%s: no ingress on this kernel, whose programs may not read what is in "
			  "front of a packet: %s. Use --direction egress",
			  request->name, reason);
		return -EOPNOTSUPP;
	}
	tunnel->flags |= DSCP_TUNNEL_INGRESS;
	tunnel->way = request->way;
	if (tunnel->way != DSCP_WAY_NONE)
		return 0;
	tunnel->flags |= DSCP_TUNNEL_AUTO_WAY;
	tunnel->way =
		tunnel->kind == DSCP_KIND_WIREGUARD && can_peek() ? DSCP_WAY_PEEK : DSCP_WAY_TC;
	if (tunnel->kind == DSCP_KIND_WIREGUARD && tunnel->way == DSCP_WAY_TC)
		log_warning("%s: ingress by tc: %s", request->name, tunnel_way_reason(tunnel));
	return 0;
}

/* In the order of their names, so that the same devices always are the same list: peers and routes
 * come in any order. */
static int insert_uplink(struct dscp_tunnel *tunnel, __u32 ifindex, const char *name)
{
	int at = 0, behind;

	if (!state_is_name(name)) {
		log_error("uplink %s: there are control characters in its name: rename it", name);
		return -EINVAL;
	}
	while (at < tunnel->n_uplinks && strcmp(tunnel->uplink_names[at], name) < 0)
		at++;
	if (at < tunnel->n_uplinks && !strcmp(tunnel->uplink_names[at], name))
		return 0;
	if (tunnel->n_uplinks == DSCP_MAX_UPLINKS) {
		log_error("%s: more than %d uplinks", tunnel->name, DSCP_MAX_UPLINKS);
		return -E2BIG;
	}
	behind = tunnel->n_uplinks++ - at;
	memmove(&tunnel->uplinks[at + 1], &tunnel->uplinks[at], behind * sizeof(*tunnel->uplinks));
	memmove(&tunnel->uplink_names[at + 1], &tunnel->uplink_names[at],
		behind * sizeof(*tunnel->uplink_names));
	tunnel->uplinks[at] = ifindex;
	memset(tunnel->uplink_names[at], 0, DSCP_IFNAMSIZ);
	snprintf(tunnel->uplink_names[at], DSCP_IFNAMSIZ, "%s", name);
	return 0;
}

static int add_uplink(struct dscp_tunnel *tunnel, int ifindex)
{
	struct nl_link link;
	struct nl_error why;
	int err = nl_link_by_index(ifindex, &link, &why);

	if (err) {
		log_error("%s: uplink %d: %s", tunnel->name, ifindex, why.text);
		return err;
	}
	if (tunnel->way == DSCP_WAY_XDP && link.type != ARPHRD_ETHER) {
		log_error("%s: uplink %s is no Ethernet device, and --ingress-hook xdp reads "
			  "Ethernet frames: use peek or tc",
			  tunnel->name, link.name);
		return -EOPNOTSUPP;
	}
	return insert_uplink(tunnel, ifindex, link.name);
}

/* In two network namespaces a number is of two devices. */
static bool is_itself(const struct dscp_tunnel *tunnel, int ifindex)
{
	return ifindex == (int)tunnel->ifindex && tunnel->uplink_netns == tunnel->netns;
}

static int uplinks_by_name(const struct tunnel_request *request, struct dscp_tunnel *tunnel)
{
	int err = 0;

	for (unsigned int i = 0; i < request->n_uplinks && !err; i++) {
		struct nl_link link;
		struct nl_error why;

		err = nl_link_by_name(request->uplinks[i], &link, &why);
		if (err == -ENODEV && request->uplinks_may_be_absent)
			err = insert_uplink(tunnel, DSCP_UPLINK_ABSENT, request->uplinks[i]);
		else if (err)
			log_error("uplink %s: %s", request->uplinks[i], why.text);
		else if (is_itself(tunnel, link.ifindex)) {
			log_error("uplink %s: that is the tunnel itself", link.name);
			err = TUNNEL_USAGE;
		} else {
			err = add_uplink(tunnel, link.ifindex);
		}
	}
	return err;
}

/* The uplink of one peer, restricted to oif if that is not 0. A peer without a route is no reason
 * to fail if others have one. */
static int uplink_by_route(struct dscp_tunnel *tunnel, const struct nl_endpoint *peer,
			   uint32_t fwmark, int oif, struct nl_error *why)
{
	int err = nl_route_oif(peer, fwmark, &oif, why);

	if (err)
		return err;
	if (is_itself(tunnel, oif)) {
		snprintf(why->text, sizeof(why->text),
			 "the route to a peer leads into the tunnel itself");
		return -ELOOP;
	}
	return add_uplink(tunnel, oif);
}

static int no_uplink(const struct dscp_tunnel *tunnel, int err, const char *reason)
{
	log_error("%s: no uplink found: %s (say --uplink DEV)", tunnel->name, reason);
	return err;
}

/* Nobody to ask a route for: a server whose peers have not called yet. */
static int uplinks_by_default(struct dscp_tunnel *tunnel)
{
	int oifs[DSCP_MAX_UPLINKS + 1], err = 0;
	struct nl_error why;
	int n = nl_default_oifs(oifs, DSCP_MAX_UPLINKS + 1, &why);

	if (n < 0)
		return no_uplink(tunnel, n, why.text);
	for (int i = 0; i < n && !err; i++)
		if (!is_itself(tunnel, oifs[i]))
			err = add_uplink(tunnel, oifs[i]);
	if (!err && !tunnel->n_uplinks)
		return no_uplink(tunnel, -ENETUNREACH,
				 "it has no peer's address, and there is no default route");
	return err;
}

static int uplinks_by_peers(struct dscp_tunnel *tunnel, const struct nl_endpoint *peers,
			    unsigned int n, uint32_t fwmark, int oif)
{
	struct nl_error why = {};
	int err = 0, last = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct nl_error one = {};

		err = uplink_by_route(tunnel, &peers[i], fwmark, oif, &one);
		if (err && !*one.text)
			return err; /* add_uplink() has said why */
		if (err) {
			last = err;
			why = one;
		}
	}
	if (!tunnel->n_uplinks)
		return no_uplink(tunnel, last, why.text);
	if (last)
		log_warning("%s: no uplink for some of its peers: %s", tunnel->name, why.text);
	return 0;
}

/* VXLAN, geneve, GRE, IPIP: one remote address, or a device to send by. */
static int uplinks_by_link(const struct nl_link *link, struct dscp_tunnel *tunnel)
{
	static const uint8_t none[16];
	struct nl_endpoint peer = { .family = link->family };

	if (link->family == AF_UNSPEC || link->multicast ||
	    !memcmp(link->remote, none, sizeof(none)))
		return link->lower ? add_uplink(tunnel, link->lower) : uplinks_by_default(tunnel);
	/* The device it is bound to may be a VRF, which no packet leaves by. */
	memcpy(&peer.v6, link->remote, link->family == AF_INET ? 4 : 16);
	return uplinks_by_peers(tunnel, &peer, 1, link->fwmark, link->lower);
}

/* peek alone has nothing to attach to an uplink. */
static bool needs_uplink(const struct dscp_tunnel *tunnel)
{
	return tunnel->flags & DSCP_TUNNEL_EGRESS || tunnel->way != DSCP_WAY_PEEK;
}

/* True where the uplinks are; else it says why not. */
static bool uplinks_in_reach(const struct dscp_tunnel *tunnel)
{
	char path[NETNS_PATH];

	if (netns_own() == tunnel->uplink_netns)
		return true;
	if (netns_path(tunnel->uplink_netns, path))
		log_error("%s: %s, the network namespace of its uplinks, cannot be entered",
			  tunnel->name, path);
	else
		log_error("%s: the network namespace of its uplinks is gone (number %llu)",
			  tunnel->name, tunnel->uplink_netns);
	return false;
}

/* wg: NULL for other kinds. */
static int set_uplinks(const struct tunnel_request *request, const struct nl_link *link,
		       const struct nl_wireguard *wg, struct dscp_tunnel *tunnel)
{
	NETNS_VISIT(tunnel->uplink_netns);

	if (!uplinks_in_reach(tunnel))
		return -ENODEV;
	if (request->n_uplinks)
		return uplinks_by_name(request, tunnel);
	if (!wg)
		return uplinks_by_link(link, tunnel);
	if (!needs_uplink(tunnel))
		return 0;
	if (wg->n_endpoints)
		return uplinks_by_peers(tunnel, wg->endpoints, wg->n_endpoints, wg->fwmark, 0);
	return uplinks_by_default(tunnel);
}

static int wireguard(const struct tunnel_request *request, const struct nl_link *link,
		     struct dscp_tunnel *tunnel)
{
	struct nl_wireguard wg;
	struct nl_error why;
	int err = nl_wireguard_get(tunnel->ifindex, &wg, &why);

	if (err) {
		log_error("%s: cannot read the WireGuard configuration: %s", request->name,
			  why.text);
		return err;
	}
	err = set_ports(request, wg.port, tunnel);
	if (!err)
		err = set_uplinks(request, link, &wg, tunnel);
	nl_wireguard_free(&wg);
	return err;
}

/* The kernel tells whether the packets leave here, of all kinds but WireGuard and user space. */
static int check_netns(const struct tunnel_request *request, const struct nl_link *link,
		       const struct dscp_tunnel *tunnel)
{
	bool elsewhere = tunnel->uplink_netns != tunnel->netns;

	if (tunnel->kind == DSCP_KIND_UDP || elsewhere == link->elsewhere)
		return 0;
	if (elsewhere)
		log_error("%s: its packets leave in this network namespace, where it was made: "
			  "--uplink-netns is not for it",
			  request->name);
	else
		log_error("%s: its packets leave in the network namespace where it was made, and "
			  "not in this one: say --uplink-netns with that one's name, PID or path",
			  request->name);
	return TUNNEL_USAGE;
}

static int other_kinds(const struct tunnel_request *request, const struct nl_link *link,
		       struct dscp_tunnel *tunnel)
{
	int err = set_ports(request, link->port, tunnel);

	if (!err)
		err = set_endpoint(link, tunnel);
	if (err)
		return err;
	err = check_netns(request, link, tunnel);
	if (err)
		return err;
	return set_uplinks(request, link, NULL, tunnel);
}

/* CAP_SYS_ADMIN, which nothing else here needs. */
static int set_uplink_netns(const struct tunnel_request *request, struct dscp_tunnel *tunnel)
{
	tunnel->netns = netns_own();
	tunnel->uplink_netns = request->uplink_netns ? request->uplink_netns : tunnel->netns;
	if (tunnel->uplink_netns == tunnel->netns || privileges_sys_admin())
		return 0;
	log_error("%s: not permitted without CAP_SYS_ADMIN, which --uplink-netns needs",
		  request->name);
	return -EPERM;
}

static int find_link(const char *name, struct nl_link *link)
{
	struct nl_error why;
	int err = nl_link_by_name(name, link, &why);

	if (err) {
		log_error("%s: %s", name, why.text);
		return err;
	}
	if (state_is_name(link->name))
		return 0;
	log_error("%s: there are control characters in its name: rename it", link->name);
	return -EINVAL;
}

int tunnel_discover(const struct tunnel_request *request, struct dscp_tunnel *tunnel)
{
	struct nl_link link;
	int err = find_link(request->name, &link);

	if (err)
		return err;
	memset(tunnel, 0, sizeof(*tunnel));
	tunnel->ifindex = link.ifindex;
	tunnel->egress = request->egress_map;
	tunnel->ingress = request->ingress_map;
	memcpy(tunnel->name, link.name, DSCP_IFNAMSIZ);
	memcpy(tunnel->link_kind, link.kind, DSCP_IFNAMSIZ);
	tunnel->attach = request->attach;
	if (request->egress)
		tunnel->flags |= DSCP_TUNNEL_EGRESS;
	if (request->peer_maps)
		tunnel->flags |= DSCP_TUNNEL_PEERS;
	if (request->n_ports)
		tunnel->flags |= DSCP_TUNNEL_GIVEN_PORTS;
	if (request->n_uplinks)
		tunnel->flags |= DSCP_TUNNEL_GIVEN_UPLINKS;
	if (request->fixed) {
		tunnel->flags |= DSCP_TUNNEL_FIXED;
		tunnel->outer_dscp = request->outer_dscp;
	}
	err = set_kind(request, &link, tunnel);
	if (!err)
		err = set_uplink_netns(request, tunnel);
	if (!err && request->ingress)
		err = set_ingress(request, tunnel);
	if (err)
		return err;
	if (tunnel->kind == DSCP_KIND_WIREGUARD)
		return wireguard(request, &link, tunnel);
	return other_kinds(request, &link, tunnel);
}

struct tunnel_request tunnel_request_of(const struct dscp_tunnel *tunnel, const char *name)
{
	struct tunnel_request request = {
		.name = name,
		.egress = tunnel->flags & DSCP_TUNNEL_EGRESS,
		.ingress = tunnel->flags & DSCP_TUNNEL_INGRESS,
		.egress_map = tunnel->egress,
		.ingress_map = tunnel->ingress,
		.peer_maps = tunnel->flags & DSCP_TUNNEL_PEERS,
		.way = tunnel->flags & DSCP_TUNNEL_AUTO_WAY ? DSCP_WAY_NONE : tunnel->way,
		.fixed = tunnel->flags & DSCP_TUNNEL_FIXED,
		.outer_dscp = tunnel->outer_dscp,
		.attach = tunnel->attach,
		.uplink_netns = tunnel->uplink_netns,
	};

	if (tunnel->flags & DSCP_TUNNEL_GIVEN_PORTS) {
		request.n_ports = tunnel->n_ports;
		memcpy(request.ports, tunnel->ports, sizeof(request.ports));
	}
	if (tunnel->flags & DSCP_TUNNEL_GIVEN_UPLINKS) {
		request.n_uplinks = tunnel->n_uplinks;
		for (int i = 0; i < tunnel->n_uplinks; i++)
			request.uplinks[i] = tunnel->uplink_names[i];
	}
	return request;
}

bool tunnel_port_changed(const struct dscp_tunnel *tunnel, char *text, unsigned int len)
{
	struct nl_wireguard wg;
	struct nl_error why;
	bool known = false;

	if (tunnel->kind != DSCP_KIND_WIREGUARD || nl_wireguard_get(tunnel->ifindex, &wg, &why))
		return false;
	for (int i = 0; i < tunnel->n_ports; i++)
		known |= tunnel->ports[i] == wg.port;
	if (!known)
		snprintf(text, len, "%s now sends from port %u: load it again", tunnel->name,
			 wg.port);
	nl_wireguard_free(&wg);
	return !known;
}

bool tunnel_has_uplink(const struct dscp_tunnel *tunnel, __u32 ifindex)
{
	for (int i = 0; i < tunnel->n_uplinks; i++)
		if (tunnel->uplinks[i] == ifindex)
			return true;
	return false;
}

bool tunnel_uplinks_changed(const struct dscp_tunnel *tunnel, const char *name, char *text,
			    unsigned int len)
{
	struct tunnel_request request = tunnel_request_of(tunnel, name);
	struct dscp_tunnel now;
	char why[256];
	int err;

	if (tunnel->flags & DSCP_TUNNEL_GIVEN_UPLINKS || !needs_uplink(tunnel))
		return false;
	/* Ingress has the same uplinks, and asks the kernel by loading a program. */
	request.egress = true;
	request.ingress = false;
	log_divert(why, sizeof(why));
	err = tunnel_discover(&request, &now);
	log_divert(NULL, 0);
	/* Without any route no packet leaves unmarked. */
	for (int i = 0; !err && i < now.n_uplinks; i++) {
		if (tunnel_has_uplink(tunnel, now.uplinks[i]))
			continue;
		snprintf(text, len, "packets of %s now leave by %.15s: load it again", name,
			 now.uplink_names[i]);
		return true;
	}
	return false;
}
