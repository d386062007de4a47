/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the devices that a tunnel's outer packets leave by: by their names, or by the look-ups in
 * the tables of routes that the kernel makes for these packets. */
#include "tunnel/uplinks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include <linux/lwtunnel.h>
#include <linux/rtnetlink.h>

#include "state/sane.h"
#include "tunnel/kinds.h"
#include "util/log.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/reason.h"

bool uplinks_has(const struct dscp_tunnel *tunnel, __u32 ifindex)
{
	for (int i = 0; i < tunnel->n_uplinks; i++)
		if (tunnel->uplinks[i] == ifindex)
			return true;
	return false;
}

/* peek alone has nothing to attach to an uplink. */
bool uplinks_needed(const struct dscp_tunnel *tunnel)
{
	return tunnel->flags & DSCP_TUNNEL_EGRESS || tunnel->method != DSCP_METHOD_PEEK;
}

/* In the order of their names, so that the same devices always are the same list: peers and routes
 * come in any order. */
static int insert_uplink(struct dscp_tunnel *tunnel, __u32 ifindex, const char *name)
{
	int at = 0, behind;

	if (!sane_name(name))
		return failed(-EINVAL,
			      "uplink %s: there are control characters in its name: rename it",
			      name);
	while (at < tunnel->n_uplinks && strcmp(tunnel->uplink_names[at], name) < 0)
		at++;
	if (at < tunnel->n_uplinks && !strcmp(tunnel->uplink_names[at], name))
		return 0;
	if (tunnel->n_uplinks == DSCP_MAX_UPLINKS)
		return failed(-E2BIG, "%s: more than %d uplinks", tunnel->name, DSCP_MAX_UPLINKS);
	behind = tunnel->n_uplinks++ - at;
	memmove(&tunnel->uplinks[at + 1], &tunnel->uplinks[at], behind * sizeof(*tunnel->uplinks));
	memmove(&tunnel->uplink_names[at + 1], &tunnel->uplink_names[at],
		behind * sizeof(*tunnel->uplink_names));
	tunnel->uplinks[at] = ifindex;
	memset(tunnel->uplink_names[at], 0, DSCP_IFNAMSIZ);
	snprintf(tunnel->uplink_names[at], DSCP_IFNAMSIZ, "%s", name);
	return 0;
}

/* XDP reads Ethernet frames. */
static bool is_fit(const struct dscp_tunnel *tunnel, const struct nl_link *link)
{
	return tunnel->method != DSCP_METHOD_XDP || link->type == ARPHRD_ETHER;
}

static int add_link(struct dscp_tunnel *tunnel, const struct nl_link *link)
{
	if (!is_fit(tunnel, link))
		return failed(
			-EOPNOTSUPP,
			"%s: uplink %s is not an Ethernet device, and --ingress-method xdp reads "
			"Ethernet frames: use peek or tc",
			tunnel->name, link->name);
	if (link->type == ARPHRD_INFINIBAND)
		advise("%s: uplink %s is IPoIB, and packets are not found behind its header",
		       tunnel->name, link->name);
	return insert_uplink(tunnel, link->ifindex, link->name);
}

/* In two network namespaces a number is of two devices. */
static bool is_itself(const struct dscp_tunnel *tunnel, int ifindex)
{
	return ifindex == (int)tunnel->ifindex && tunnel->uplink_netns == tunnel->netns;
}

/* Tells whether a tunnel that has uplinks already can wait for one. */
static bool is_awaited(const struct request *had, const char *name)
{
	for (unsigned int i = 0; had && i < had->n_uplinks; i++)
		if (!strcmp(had->uplinks[i], name))
			return true;
	return false;
}

static int add_absent(struct dscp_tunnel *tunnel, const char *name)
{
	advise("%s: " UPLINK_ABSENT, tunnel->name, name);
	return insert_uplink(tunnel, DSCP_UPLINK_ABSENT, name);
}

static int uplinks_by_name(const struct request *request, const struct request *had,
			   struct dscp_tunnel *tunnel)
{
	int err = 0;

	for (unsigned int i = 0; i < request->n_uplinks && !err; i++) {
		struct nl_link link;
		struct nl_error why;

		err = nl_link_by_name(request->uplinks[i], &link, &why);
		if (err == -ENODEV && is_awaited(had, request->uplinks[i]))
			err = add_absent(tunnel, request->uplinks[i]);
		else if (err)
			failed(err, "uplink %s: %s", request->uplinks[i], why.text);
		else if (is_itself(tunnel, link.ifindex))
			err = failed(TUNNEL_USAGE, "uplink %s: that is the tunnel itself",
				     link.name);
		else
			err = add_link(tunnel, &link);
	}
	return err;
}

static int no_uplink(const struct dscp_tunnel *tunnel, int err, const char *reason)
{
	/* WireGuard sends where the device was made, and the kernel does not tell where that is. */
	const bool made_elsewhere =
		dscp_kind_is_stamped(tunnel->kind) && tunnel->netns == tunnel->uplink_netns;

	return failed(err, "%s: no uplink found: %s (say --uplink DEV%s)", tunnel->name, reason,
		      made_elsewhere ? ", or --uplink-netns NETNS if the device was made there"
				     : "");
}

#define SEARCH_TEXT 384

/* A search for the devices that the outer packets of a tunnel leave by. */
struct search {
	const struct dscp_tunnel *tunnel;
	struct nl_flow flow; /* the part that all packets have in common */
	struct nl_endpoints to; /* their destinations, in the order of families */
	bool known; /* to is known to the kernel, and no guess */
	bool by_source; /* there are rules that look at the source, and packets can have any */
	struct nl_endpoints addresses; /* of this host */
	struct nl_endpoints sources; /* those that outer packets can have */
	struct nl_devices found;
	struct nl_devices guessed; /* of packets that have another of the sources, if ever */
	struct nl_devices *add_to; /* one of the two */
	int lost; /* of a question without an answer; lost_why says it */
	char lost_why[SEARCH_TEXT];
	int err; /* of packets that have no way; why says it */
	char why[SEARCH_TEXT];
	char note[SEARCH_TEXT]; /* of packets that have a way where they are not marked */
};

/* Tells whether a device has only IP packets inside of other ones. */
static bool is_tunnel(const struct nl_link *link)
{
	return link->type != ARPHRD_ETHER &&
	       (kinds_by_name(link->kind) || !strcmp(link->kind, "tun"));
}

/* Takes the result of a question to the kernel. Without an answer, uplinks may be missing. */
static int known(struct search *s, int err, const struct nl_error *why)
{
	if (err && why->unanswered) {
		s->lost = err;
		snprintf(s->lost_why, sizeof(s->lost_why), "%s", why->text);
	}
	return err;
}

/* Without them fewer uplinks would be found than there are. */
static int read_addresses(struct search *s)
{
	struct nl_error why;
	struct nl_link link;
	int err;

	nl_endpoints_free(&s->addresses);
	err = nl_addresses(&s->addresses, &why);
	if (err)
		return failed(err, "%s: cannot read the addresses of this host: %s",
			      s->tunnel->name, why.text);
	for (unsigned int i = 0; i < s->addresses.n; i++) {
		const struct nl_endpoint *address = &s->addresses.list[i];

		if ((address->family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&address->v6)) &&
		    !known(s, nl_link_by_index(address->scope_id, &link, &why), &why) &&
		    !is_tunnel(&link))
			nl_endpoints_add(&s->sources, address);
	}
	return 0;
}

/* 0: no device has that address. */
static int device_with(const struct search *s, const struct nl_endpoint *address)
{
	for (unsigned int i = 0; i < s->addresses.n; i++)
		if (s->addresses.list[i].family == address->family &&
		    !memcmp(&s->addresses.list[i].v6, &address->v6, sizeof(address->v6)))
			return s->addresses.list[i].scope_id;
	return 0;
}

static void note_way(struct search *s, const struct nl_endpoint *to, const struct nl_route *route)
{
	char address[INET6_ADDRSTRLEN];
	const char *what = NULL;

	if (route->oif == NL_LOOPBACK)
		what = "leads to this machine itself (lo)";
	if (route->encap == LWTUNNEL_ENCAP_MPLS || route->encap == LWTUNNEL_ENCAP_SEG6)
		what = "puts MPLS or SRv6 headers in front, and packets are not found behind these";
	if (what)
		snprintf(s->note, sizeof(s->note), "the route to %s %s",
			 inet_ntop(to->family, &to->v6, address, sizeof(address)), what);
}

/* Adds the devices of one look-up. hops: of the route in the table, if it is the same route. */
static int add_way(struct search *s, const struct nl_flow *flow, const struct nl_route *route,
		   struct nl_devices *hops, struct nl_error *why)
{
	unsigned int others = 0;

	if (!nl_has_device(hops, route->oif))
		*hops = (struct nl_devices){ { route->oif }, 1 };
	for (unsigned int i = 0; i < hops->n; i++) {
		if (is_itself(s->tunnel, hops->list[i]))
			continue;
		nl_add_device(s->add_to, hops->list[i]);
		others++;
	}
	if (others) {
		note_way(s, &flow->to, route);
		return 0;
	}
	snprintf(why->text, sizeof(why->text), "the route leads into the tunnel itself");
	return -ELOOP;
}

/* A socket that has no source address yet looks without one; where that fails, and with IPv6, it
 * chooses one and looks again (ip6_dst_lookup_tail()), since a route can be for some sources only.
 * WireGuard and ovpn send from the address that a peer has last sent to, and to this peer without
 * one as long as there was none. err: of the look-up without. */
static bool has_sources(const struct search *s, const struct nl_endpoint *to, int err)
{
	if (s->flow.from.family)
		return false;
	if (to->family == AF_INET)
		return s->by_source;
	return err || dscp_kind_is_stamped(s->tunnel->kind);
}

static void keep_reason(struct search *s, const struct nl_endpoint *to, int err, const char *reason)
{
	char address[INET6_ADDRSTRLEN];

	s->err = err;
	snprintf(s->why, sizeof(s->why), "no way to %s: %s",
		 inet_ntop(to->family, &to->v6, address, sizeof(address)), reason);
}

/* Finds the ways to one address: first without one of the sources, then with each of them. */
static void find_ways(struct search *s, const struct nl_endpoint *to)
{
	struct nl_flow flow = s->flow;
	struct nl_error first, why, none;
	struct nl_devices hops;
	struct nl_route route;
	int err = 0, ret;

	flow.to = *to;
	if (!to->port)
		flow.to.port = s->flow.to.port;
	for (unsigned int i = 0; i <= s->sources.n; i++) {
		if (i == 1 && !has_sources(s, to, err))
			break;
		if (i)
			flow.from = s->sources.list[i - 1];
		if (i && flow.from.family != to->family)
			continue;
		ret = known(s, nl_route(&flow, &route, &why), &why);
		s->add_to = i && !err ? &s->guessed : &s->found;
		hops.n = 0;
		if (!ret && !flow.oif && !to->scope_id && route.type == RTN_UNICAST)
			known(s, nl_next_hops(&flow, &hops, &none), &none);
		if (!ret)
			ret = add_way(s, &flow, &route, &hops, &why);
		if (!i)
			first = why;
		if (!i || err)
			err = ret;
	}
	if (err)
		keep_reason(s, to, err, first.text);
}

/* Adds the guessed devices, but for tunnels: if an address of this host leads into a tunnel, the
 * address is one among hosts with packets that another VPN carries. */
static void take_guesses(struct search *s)
{
	struct nl_error why;
	struct nl_link link;

	for (unsigned int i = 0; i < s->guessed.n; i++)
		if (!known(s, nl_link_by_index(s->guessed.list[i], &link, &why), &why) &&
		    !is_tunnel(&link))
			nl_add_device(&s->found, s->guessed.list[i]);
}

/* Adds the devices of routes to an address that are used when a better one has gone. Tunnels are
 * left out: that is another VPN. */
static void find_spare_ways(struct search *s, const struct nl_endpoint *to)
{
	struct nl_flow flow = s->flow;
	struct nl_devices hops;
	struct nl_error why;
	struct nl_link link;

	flow.to = *to;
	for (unsigned int i = 0; i < s->addresses.n; i++) {
		flow.oif = s->addresses.list[i].scope_id;
		if (s->addresses.list[i].family != to->family || flow.oif == NL_LOOPBACK ||
		    nl_has_device(&s->found, flow.oif) || is_itself(s->tunnel, flow.oif))
			continue;
		known(s, nl_next_hops(&flow, &hops, &why), &why);
		if (nl_has_device(&hops, flow.oif) &&
		    !known(s, nl_link_by_index(flow.oif, &link, &why), &why) && !is_tunnel(&link))
			nl_add_device(&s->found, flow.oif);
	}
}

static bool is_host(const struct nl_endpoint *to)
{
	if (to->family == AF_INET)
		return to->v4.s_addr && !IN_MULTICAST(ntohl(to->v4.s_addr));
	return !IN6_IS_ADDR_UNSPECIFIED(&to->v6) && !IN6_IS_ADDR_MULTICAST(&to->v6);
}

/* Returns an address of the link; kinds with peers have none. */
static struct nl_endpoint address_of(const struct nl_link *link, const uint8_t address[16])
{
	struct nl_endpoint endpoint = { .family = link->family };

	memcpy(&endpoint.v6, address, sizeof(endpoint.v6));
	return endpoint;
}

struct nl_endpoint uplinks_remote(const struct nl_link *link)
{
	struct nl_endpoint remote = address_of(link, link->remote);

	remote.scope_id = link->lower;
	if (!link->family || !is_host(&remote))
		remote.family = AF_UNSPEC;
	return remote;
}

/* Takes the addresses that the tunnel sends to, but for groups. */
static void take_destinations(struct search *s, const struct nl_link *link,
			      const struct nl_endpoints *peers)
{
	struct nl_endpoint remote = uplinks_remote(link);

	if (remote.family)
		nl_endpoints_add(&s->to, &remote);
	for (unsigned int i = 0; i < peers->n; i++)
		if (is_host(&peers->list[i]))
			nl_endpoints_add(&s->to, &peers->list[i]);
	s->known = s->to.n;
}

/* Takes public addresses without a host route, a root name server's: packets for a peer that is not
 * known yet go by default routes. */
static void take_anywhere(struct search *s)
{
	struct nl_endpoint four = { .family = AF_INET }, six = { .family = AF_INET6 };

	inet_pton(AF_INET, "198.41.0.4", &four.v4);
	inet_pton(AF_INET6, "2001:503:ba3e::2:30", &six.v6);
	if (s->flow.from.family != AF_INET6)
		nl_endpoints_add(&s->to, &four);
	if (s->flow.from.family != AF_INET)
		nl_endpoints_add(&s->to, &six);
}

/* Tells whether the addresses of this host say where packets leave. */
static bool needs_addresses(const struct search *s)
{
	return !s->known || s->by_source || s->to.list[s->to.n - 1].family == AF_INET6;
}

/* Adds the device that the tunnel is bound to, or the one that has its local address, where the
 * kernel knows nobody, or sends to groups too. A VRF is none by which packets leave. */
static void take_device(struct search *s, const struct nl_link *link)
{
	int ifindex = link->lower;
	struct nl_error why;
	struct nl_link device;

	if (s->known ? !link->multicast : !ifindex && !s->flow.from.family)
		return;
	if (!ifindex && !s->known)
		ifindex = device_with(s, &s->flow.from);
	if (ifindex == NL_LOOPBACK || known(s, nl_link_by_index(ifindex, &device, &why), &why))
		return;
	if (!strcmp(device.kind, "vrf"))
		s->flow.oif = s->known ? 0 : ifindex;
	else if (strcmp(device.kind, "dummy"))
		nl_add_device(&s->found, ifindex);
}

/* Says why nothing is found. IPv4 has no way from an address that this host does not have. */
static void explain(struct search *s)
{
	struct nl_error why;

	if (!s->known)
		snprintf(s->why, sizeof(s->why),
			 "it has no peer's address, and there is no default route");
	nl_endpoints_free(&s->addresses);
	if (s->flow.from.family && !nl_addresses(&s->addresses, &why) &&
	    !device_with(s, &s->flow.from))
		snprintf(s->why, sizeof(s->why), "no device has its local address");
}

struct nl_flow uplinks_flow(const struct dscp_tunnel *tunnel, const struct nl_link *link,
			    uint32_t mark)
{
	enum kind_key key = kinds_key(tunnel->kind);
	struct nl_flow flow = { .mark = mark, .udp = key != KIND_BY_ADDRESSES };
	static const uint8_t none[16];

	if (key == KIND_BY_SOURCE_PORT)
		flow.sport = tunnel->ports[0];
	else if (flow.udp)
		flow.to.port = tunnel->ports[0];
	if (memcmp(link->local, none, sizeof(none)))
		flow.from = address_of(link, link->local);
	return flow;
}

/* Fails where the uplinks are out of reach. */
static int check_reach(const struct dscp_tunnel *tunnel)
{
	char path[NETNS_PATH];

	if (netns_own() == tunnel->uplink_netns)
		return 0;
	if (netns_path(tunnel->uplink_netns, path))
		return failed(-ENODEV,
			      "%s: %s, the network namespace of its uplinks, cannot be entered",
			      tunnel->name, path);
	return failed(-ENODEV, "%s: the network namespace of its uplinks is gone (number %llu)",
		      tunnel->name, tunnel->uplink_netns);
}

static int add_found(struct dscp_tunnel *tunnel, const struct nl_devices *found)
{
	struct nl_link link;
	struct nl_error why;
	int err = 0;

	for (unsigned int i = 0; i < found->n && !err; i++) {
		err = nl_link_by_index(found->list[i], &link, &why);
		if (err)
			return failed(err, "%s: uplink %d: %s", tunnel->name, found->list[i],
				      why.text);
		if (found->n > 1 && !is_fit(tunnel, &link))
			advise("%s: not at its uplink %s, which is not an Ethernet device",
			       tunnel->name, link.name);
		else
			err = add_link(tunnel, &link);
	}
	if (!err && !tunnel->n_uplinks)
		err = failed(
			-EOPNOTSUPP,
			"%s: none of its uplinks is an Ethernet device, and --ingress-method xdp "
			"reads Ethernet frames: use peek or tc",
			tunnel->name);
	return err;
}

/* Tells of problems that are no failure. Some guesses are wrong. */
static void say_more(const struct search *s)
{
	if (*s->why && s->known)
		advise("%s: no uplink for some of its peers: %s", s->tunnel->name, s->why);
	if (*s->note)
		advise("%s: %s", s->tunnel->name, s->note);
}

static void search_free(struct search *s)
{
	nl_endpoints_free(&s->to);
	nl_endpoints_free(&s->addresses);
	nl_endpoints_free(&s->sources);
}

int uplinks_find(const struct request *request, const struct request *had,
		 const struct nl_link *link, const struct nl_peers *peers,
		 struct dscp_tunnel *tunnel)
{
	NETNS_VISIT(tunnel->uplink_netns);
	__attribute__((cleanup(search_free))) struct search s = { .tunnel = tunnel,
								  .err = -ENETUNREACH };
	int err = check_reach(tunnel);

	if (err || request->n_uplinks)
		return err ? err : uplinks_by_name(request, had, tunnel);
	if (!uplinks_needed(tunnel))
		return 0;
	s.flow = uplinks_flow(tunnel, link, peers->fwmark | link->fwmark);
	s.by_source = dscp_kind_is_stamped(tunnel->kind) && nl_rules_by_source();
	take_destinations(&s, link, &peers->to);
	if (needs_addresses(&s))
		err = read_addresses(&s);
	if (err)
		return err;
	take_device(&s, link);
	if (!s.known && !s.found.n)
		take_anywhere(&s);
	for (unsigned int i = 0; i < s.to.n; i++) {
		find_ways(&s, &s.to.list[i]);
		if (!s.known && !s.flow.oif && !s.flow.from.family)
			find_spare_ways(&s, &s.to.list[i]);
	}
	take_guesses(&s);
	if (s.lost)
		return failed(s.lost, "%s: cannot find its uplinks: %s", tunnel->name, s.lost_why);
	if (!s.found.n) {
		explain(&s);
		return no_uplink(tunnel, s.err, s.why);
	}
	err = add_found(tunnel, &s.found);
	if (!err)
		say_more(&s);
	return err;
}
