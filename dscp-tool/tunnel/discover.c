/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Asks the kernel about a tunnel device, in the order of the questions: its kind, its network
 * namespaces, the method of ingress, its ports and addresses, its uplinks. */
#include "tunnel/discover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "state/sane.h"
#include "tunnel/kinds.h"
#include "tunnel/method.h"
#include "tunnel/uplinks.h"
#include "util/macros.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/privileges.h"
#include "util/reason.h"

static int unknown_kind(const struct request *request, const struct nl_link *link)
{
	char served[KINDS_LIST];

	kinds_list(served);
	if (request->fixed)
		return failed(TUNNEL_USAGE,
			      "%s: --port is missing: packets of such a device are known by the "
			      "UDP port that they are sent from, --port N",
			      request->name);
	if (strcmp(link->kind, "tun"))
		return failed(-EOPNOTSUPP,
			      "%s: %s%s is not a kind of tunnel that dscp-tool knows: use %s, or "
			      "one DSCP for all that a program sends by UDP, --outer-dscp X "
			      "--port N",
			      request->name, *link->kind ? "" : "a device without a kind",
			      link->kind, served);
	if (request_ingress(request))
		return failed(-EOPNOTSUPP,
			      "%s: a user space tunnel, whose packets come out without their outer "
			      "header: no ingress",
			      request->name);
	return failed(-EOPNOTSUPP,
		      "%s: a user space tunnel, where no stamp survives: only one DSCP for all "
		      "packets is possible, --outer-dscp X --port N",
		      request->name);
}

bool discover_unservable(const struct nl_link *link, char *text, unsigned int len)
{
	const struct kind *row = kinds_by_name(link->kind);

	if (row && link->external && !row->external_ok)
		snprintf(text, len,
			 "%s in external mode has no address of its own to know its packets by: "
			 "make a device with a remote address in its place",
			 link->kind);
	else if (link->encap)
		snprintf(text, len,
			 "its packets leave inside others (encap fou, gue, mpls), where they are "
			 "not found: at both ends, ip link set %s type %s encap none",
			 link->name, link->kind);
	else
		return false;
	return true;
}

static int check_handshakes(const struct request *request, const struct dscp_tunnel *tunnel)
{
	if (!request->handshake || kinds_handshakes(tunnel->kind))
		return 0;
	return failed(TUNNEL_USAGE,
		      "%s: no handshakes of %s are known, --handshake-dscp means nothing here",
		      request->name, *tunnel->link_kind ? tunnel->link_kind : "udp");
}

static int set_kind(const struct request *request, const struct nl_link *link,
		    struct dscp_tunnel *tunnel)
{
	const struct kind *row = kinds_by_name(link->kind);
	char text[256];

	if (!row && request->fixed && request->n_ports) {
		tunnel->kind = DSCP_KIND_UDP;
		return 0;
	}
	if (!row)
		return unknown_kind(request, link);
	tunnel->kind = row->kind;
	return discover_unservable(link, text, sizeof(text))
		       ? failed(-EOPNOTSUPP, "%s: %s", request->name, text)
		       : 0;
}

/* Nothing is known yet of an ovpn without a peer, whose sockets come with the peers. TCP cuts the
 * stream of packets into segments, of which each can have parts of several. */
static int no_port(const char *name, const struct nl_peers *found, const struct dscp_tunnel *tunnel)
{
	if (found->by_tcp)
		return failed(-EOPNOTSUPP,
			      "%s: OpenVPN sends by TCP, whose segments can have parts of several "
			      "packets and so no mark: use UDP (proto udp)",
			      name);
	if (tunnel->kind != DSCP_KIND_OVPN)
		return failed(-EADDRNOTAVAIL,
			      "%s: has no listen port yet: bring it up first (ip link set %s up), "
			      "or say --port N",
			      name, name);
	advise("%s: has no peer and so no port yet: reload it when a peer is connected (monitor "
	       "does), or say --port N",
	       name);
	return 0;
}

static int set_ports(const struct request *request, const struct nl_peers *found,
		     struct dscp_tunnel *tunnel)
{
	if (kinds_key(tunnel->kind) == KIND_BY_ADDRESSES) {
		if (!request->n_ports)
			return 0;
		return failed(TUNNEL_USAGE, "%s: %s has no UDP port, --port means nothing here",
			      request->name, tunnel->link_kind);
	}
	if (request->n_ports) {
		memcpy(tunnel->ports, request->ports, sizeof(tunnel->ports));
		tunnel->n_ports = request->n_ports;
		return 0;
	}
	if (!found->n_ports)
		return no_port(request->name, found, tunnel);
	memcpy(tunnel->ports, found->ports, sizeof(tunnel->ports));
	tunnel->n_ports = found->n_ports;
	if (found->by_tcp)
		advise("%s: packets to its peers over TCP get no mark", request->name);
	if (found->more_ports)
		advise("%s: sends from more than %d ports, and packets from those behind %u get "
		       "no mark",
		       request->name, DSCP_MAX_PORTS, found->ports[DSCP_MAX_PORTS - 1]);
	return 0;
}

/* Reads the endpoint, which tells the tunnels of one port or protocol apart. */
static int set_endpoint(const struct nl_link *link, struct dscp_tunnel *tunnel)
{
	struct dscp_endpoint *endpoint = &tunnel->endpoint;
	enum kind_key key = kinds_key(tunnel->kind);

	if (key == KIND_BY_SOURCE_PORT)
		return 0;
	if (key == KIND_BY_DEST_PORT_ID && link->external) {
		tunnel->flags |= DSCP_TUNNEL_ANY_ID;
		return 0;
	}
	if (tunnel->n_ports > 1)
		return failed(TUNNEL_USAGE,
			      "%s: %s has one destination port: --port can be given once",
			      tunnel->name, link->kind);
	endpoint->kind = tunnel->kind;
	/* A VXLAN without any address has a socket of IPv4. */
	endpoint->family = link->family == AF_INET6 ? 6 : 4;
	endpoint->id = link->has_id ? link->id : 0;
	if (key == KIND_BY_DEST_PORT_ID) {
		endpoint->port = tunnel->ports[0];
		return 0;
	}
	memcpy(endpoint->local, link->local, sizeof(endpoint->local));
	memcpy(endpoint->remote, link->remote, sizeof(endpoint->remote));
	return 0;
}

bool discover_link(const struct nl_link *link, struct dscp_tunnel *tunnel)
{
	const struct kind *row = kinds_by_name(link->kind);

	memset(tunnel, 0, sizeof(*tunnel));
	if (!row || !dscp_kind_is_clear(row->kind) || link->encap)
		return false;
	tunnel->kind = row->kind;
	tunnel->ports[0] = link->port;
	tunnel->n_ports = link->port != 0;
	if (link->external)
		tunnel->flags |= DSCP_TUNNEL_ANY_ID;
	return !set_endpoint(link, tunnel);
}

/* Tells whether the uplinks are in another network namespace than the one where the device was
 * made. A namespace that this process does not find may be that one. */
static bool is_another_netns(const struct nl_link *link, const struct dscp_tunnel *tunnel)
{
	_cleanup_close_ int uplinks = netns_open(tunnel->uplink_netns);

	return uplinks >= 0 && nl_netnsid(uplinks) != link->netnsid;
}

/* The kernel tells whether the packets leave here, of all kinds in clear text, and of an ovpn by
 * its peers' sockets. Where that is, the kernel tells of the kinds in clear text only. */
static int check_netns(const struct nl_link *link, const struct nl_peers *peers,
		       const struct dscp_tunnel *tunnel)
{
	const bool ovpn = tunnel->kind == DSCP_KIND_OVPN;
	const bool is_told = ovpn ? peers->to.n > 0 : dscp_kind_is_clear(tunnel->kind);
	const bool told = ovpn ? peers->elsewhere : link->elsewhere;
	const bool elsewhere = tunnel->uplink_netns != tunnel->netns;
	const char *where = ovpn ? "OpenVPN has its socket" : "it was made";
	bool fits = elsewhere == told;

	if (fits && told && !ovpn)
		fits = !is_another_netns(link, tunnel);
	if (fits || !is_told)
		return 0;
	if (!told)
		return failed(TUNNEL_USAGE,
			      "%s: its packets leave in this network namespace, where %s: "
			      "--uplink-netns is not for it",
			      link->name, where);
	return failed(TUNNEL_USAGE,
		      "%s: its packets leave in the network namespace where %s, and not in %s one: "
		      "say --uplink-netns with that one's name, PID or path",
		      link->name, where, elsewhere ? "the named" : "this");
}

/* CAP_SYS_ADMIN, which nothing else here needs. */
static int set_uplink_netns(const struct request *request, struct dscp_tunnel *tunnel)
{
	tunnel->netns = netns_own();
	tunnel->uplink_netns = request->uplink_netns ? request->uplink_netns : tunnel->netns;
	if (tunnel->uplink_netns == tunnel->netns || privileges_sys_admin())
		return 0;
	return failed(-EPERM, "%s: not permitted without CAP_SYS_ADMIN, which --uplink-netns needs",
		      request->name);
}

static int find_link(const char *name, bool was_there, struct nl_link *link)
{
	struct nl_error why;
	int err = nl_link_by_name(name, link, &why);

	if (err == -ENODEV && was_there)
		return failed(err, "%s: the device is gone", name);
	if (err)
		return failed(err, "%s: %s", name, why.text);
	if (sane_name(link->name))
		return 0;
	return failed(-EINVAL, "%s: there are control characters in its name: rename it",
		      link->name);
}

static void take_request(const struct request *request, const struct nl_link *link,
			 struct dscp_tunnel *tunnel)
{
	static const struct dscp_policy none;

	memset(tunnel, 0, sizeof(*tunnel));
	tunnel->ifindex = link->ifindex;
	memcpy(tunnel->name, link->name, DSCP_IFNAMSIZ);
	memcpy(tunnel->link_kind, link->kind, DSCP_IFNAMSIZ);
	tunnel->egress = request->egress_map;
	tunnel->ingress = request->ingress_map;
	tunnel->priority = request->priority_map;
	tunnel->handshake = request->handshake;
	if (request_egress(request))
		tunnel->flags |= DSCP_TUNNEL_EGRESS;
	if (request->prefixes)
		tunnel->flags |= DSCP_TUNNEL_PREFIXES;
	tunnel->list = request->list;
	if (memcmp(&request->priority_map, &none, sizeof(none)))
		tunnel->flags |= DSCP_TUNNEL_PRIORITY;
	if (request->fixed) {
		tunnel->flags |= DSCP_TUNNEL_FIXED;
		tunnel->outer_dscp = request->outer_dscp;
	}
}

/* Reads the ports, and the addresses that the kernel sends to, where those are not of the link
 * itself. */
static int read_peers(const struct dscp_tunnel *tunnel, struct nl_peers *peers)
{
	enum kind_peers told_by = kinds_peers(tunnel->kind);
	int err = 0, ifindex = tunnel->ifindex;
	struct nl_error why;

	if (told_by == PEERS_OF_FDB)
		err = nl_fdb(ifindex, &peers->to, &why);
	else if (told_by == PEERS_OF_WIREGUARD)
		err = nl_wireguard_peers(tunnel->link_kind, ifindex, peers, &why);
	else if (told_by == PEERS_OF_OVPN)
		err = nl_ovpn_peers(tunnel->link_kind, ifindex, peers, &why);
	if (err)
		failed(err, "%s: cannot read whom it sends to: %s", tunnel->name, why.text);
	return err;
}

int discover_tunnel(const struct request *request, const struct request *had,
		    struct dscp_tunnel *tunnel)
{
	__attribute__((cleanup(nl_peers_free))) struct nl_peers peers = {};
	struct nl_link link;
	int err = find_link(request->name, had, &link);

	if (err)
		return err;
	take_request(request, &link, tunnel);
	err = set_kind(request, &link, tunnel);
	if (!err)
		err = check_handshakes(request, tunnel);
	if (!err)
		err = set_uplink_netns(request, tunnel);
	if (!err && request_ingress(request))
		err = method_choose(request, tunnel);
	if (!err)
		err = read_peers(tunnel, &peers);
	if (err)
		return err;
	nl_peers_add_port(&peers, link.port);
	err = set_ports(request, &peers, tunnel);
	if (!err)
		err = set_endpoint(&link, tunnel);
	if (!err)
		err = check_netns(&link, &peers, tunnel);
	return err ? err : uplinks_find(request, had, &link, &peers, tunnel);
}

static bool has_port(const struct dscp_tunnel *tunnel, uint16_t port)
{
	for (int i = 0; i < tunnel->n_ports; i++)
		if (tunnel->ports[i] == port)
			return true;
	return false;
}

static bool port_changed(const struct dscp_tunnel *tunnel, const struct nl_link *link, char *text,
			 unsigned int len)
{
	__attribute__((cleanup(nl_peers_free))) struct nl_peers peers = {};

	if (!dscp_kind_is_stamped(tunnel->kind))
		return false;
	if (read_peers(tunnel, &peers))
		reason_clear();
	for (unsigned int i = 0; i < peers.n_ports; i++) {
		if (has_port(tunnel, peers.ports[i]))
			continue;
		snprintf(text, len, "%s now sends from port %u: reload it", link->name,
			 peers.ports[i]);
		return true;
	}
	return false;
}

static bool ends_changed(const struct dscp_tunnel *tunnel, const struct nl_link *link, char *text,
			 unsigned int len)
{
	struct dscp_tunnel now;

	if (kinds_key(tunnel->kind) != KIND_BY_ADDRESSES || !discover_link(link, &now) ||
	    !memcmp(&now.endpoint, &tunnel->endpoint, sizeof(now.endpoint)))
		return false;
	snprintf(text, len, "%s now sends with another address or key: reload it", link->name);
	return true;
}

void discover_egress_of(const struct request *asked, const char *name, struct request *request)
{
	*request = *asked;
	snprintf(request->name, sizeof(request->name), "%s", name);
	request->direction = DIRECTION_EGRESS;
}

bool discover_features_changed(const struct dscp_tunnel *tunnel, const struct nl_link *link,
			       char *text, unsigned int len)
{
	return port_changed(tunnel, link, text, len) || ends_changed(tunnel, link, text, len);
}

bool discover_uplinks_changed(const struct request *asked, const struct dscp_tunnel *tunnel,
			      const struct nl_link *link, char *text, unsigned int len)
{
	struct request request;
	struct dscp_tunnel now;
	int err;

	if (asked->n_uplinks || !uplinks_needed(tunnel))
		return false;
	discover_egress_of(asked, link->name, &request);
	err = discover_tunnel(&request, NULL, &now);
	reason_clear();
	/* Without any route no packet leaves unmarked. */
	for (int i = 0; !err && i < now.n_uplinks; i++) {
		if (uplinks_has(tunnel, now.uplinks[i]))
			continue;
		snprintf(text, len, "packets of %s now leave by %.15s: reload it", link->name,
			 now.uplink_names[i]);
		return true;
	}
	return false;
}
