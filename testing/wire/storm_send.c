/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Sends the random packets of a storm. All that is drawn comes from the seed. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <util/macros.h>

#include "storm.h"

#define TTL 64
#define NOT_IP_TYPE 0x88b5 /* for local experiments */
#define PROTO_NOBODYS 253 /* for experiments, too */
#define IP_MAX 48 /* IPv6 and the header of a fragment */
#define IP6_MINIMUM 1280 /* MTU */
#define SMALL 200
#define ALIGNED 900 /* a longer packet may be fragmented, and consists of whole records */
#define L4_MIN 48
#define PORT_BASE 20000 /* no tunnel has such a port */
#define PORTS 8192
#define FOREIGN_ID 0xabc000
#define SEGMENT_MAX 1000 /* in any tunnels this is one packet of eth0 */
#define SOCKETS_FOR_ALL 4 /* of each family */
#define SOCKETS_TO_EACH 3
#define SOCKETS_THAT_MOVE 16

const char *const storm_way_names[STORM_WAYS] = { "socket", "raw", "frame", "forward" };
const char *const storm_shape_names[STORM_SHAPES] = {
	"plain",     "segments", "tcp",		 "icmp",      "esp",
	"other",     "not_ip",	 "parts",	 "last_part", "first_part",
	"reused_id", "wrong_id", "wrong_family", "garbage",   "forged",
};

static uint64_t draw(struct storm *s)
{
	uint64_t z = s->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static unsigned int below(struct storm *s, unsigned int n)
{
	return (unsigned int)(draw(s) >> 32) % n;
}

static bool one_in(struct storm *s, unsigned int n)
{
	return below(s, n) == 0;
}

void storm_record(uint8_t record[STORM_RECORD], unsigned int seed, uint32_t number,
		  unsigned int offset)
{
	uint32_t mix = number * 2654435761u ^ (offset * 40503u + seed) * 0x9e3779b1u;
	int i;

	mix = (mix ^ mix >> 15) * 0x85ebca6bu;
	mix ^= mix >> 13;
	for (i = 0; i < 4; i++) {
		record[i] = (uint8_t)(number >> (24 - 8 * i));
		record[4 + i] = (uint8_t)(mix >> (24 - 8 * i));
	}
}

/* From now on the observer may see it. */
static void publish(struct storm_flight *f)
{
	__atomic_store_n(&f->used, true, __ATOMIC_SEQ_CST);
}

/* A packet that is being made. */
struct draft {
	struct storm_flight *f;
	struct address src, dst;
	unsigned int len; /* of layer 4 */
	unsigned int tunnel; /* of the shapes that need one */
	uint8_t proto;
};

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool has_tunnel(const struct storm *s, int family, unsigned int port, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < s->setup.n_tunnels; i++)
		if (s->setup.tunnels[i].family == family && s->setup.tunnels[i].port == port &&
		    s->setup.tunnels[i].id == id)
			return true;
	return false;
}

/* A message of WireGuard is known by its source port, which a socket has not. */
static bool can_be_taken_for(const struct storm_flight *f, const struct storm_tunnel *t)
{
	if (t->kind == TUNNEL_WIREGUARD)
		return f->way != STORM_SOCKET && f->shape != STORM_FORGED &&
		       f->shape != STORM_WRONG_FAMILY;
	return t->kind == TUNNEL_VXLAN || t->kind == TUNNEL_GENEVE;
}

/* Finds a tunnel that a packet of this shape can be for. */
static bool aim(struct storm *s, struct draft *d)
{
	const struct storm_setup *setup = &s->setup;
	const struct storm_tunnel *t;

	d->tunnel = below(s, setup->n_tunnels);
	t = &setup->tunnels[d->tunnel];
	if (!can_be_taken_for(d->f, t))
		return false;
	if (d->f->shape == STORM_WRONG_FAMILY)
		return t->family != d->dst.family && !has_tunnel(s, d->dst.family, t->port, t->id);
	return d->f->shape == STORM_WRONG_ID || t->family == d->dst.family;
}

/* A source port that a tunnel may have too, or 0. */
static unsigned int draw_common_port(struct storm *s)
{
	const struct storm_setup *setup = &s->setup;

	return setup->n_ports && one_in(s, 2) ? setup->first_port + below(s, setup->n_ports) : 0;
}

static unsigned int draw_source(struct storm *s)
{
	const unsigned int port = draw_common_port(s);

	return port ? port : PORT_BASE + below(s, PORTS);
}

/* If a fragment of a tunnel in user space is left alone, another one could be the rest. */
static void fill_udp(struct storm *s, const struct draft *d, unsigned int dport)
{
	const bool alone = d->f->shape == STORM_PARTS_FIRST || d->f->shape == STORM_REUSED;

	put16(s->l4, alone ? PORT_BASE + below(s, PORTS) : draw_source(s));
	put16(s->l4 + 2, dport);
	put16(s->l4 + 4, d->len);
	put16(s->l4 + 6, 0);
}

static uint32_t tunnel_id(struct storm *s, const struct draft *d)
{
	if (d->f->shape == STORM_WRONG_ID || d->f->shape == STORM_REUSED)
		return FOREIGN_ID | below(s, 4096);
	return s->setup.tunnels[d->tunnel].id;
}

/* A header of VXLAN or geneve in front of a payload that is no frame. */
static void fill_message(struct storm *s, const struct draft *d)
{
	const struct storm_tunnel *t = &s->setup.tunnels[d->tunnel];
	const uint32_t id = tunnel_id(s, d);
	uint8_t *h = s->l4 + 8;

	fill_udp(s, d, t->port);
	if (t->kind == TUNNEL_WIREGUARD) {
		put16(s->l4, t->port);
		h[0] = d->f->shape == STORM_GARBAGE ? WG_DATA : 0xff;
		return;
	}
	memset(h, 0, 8);
	if (t->kind == TUNNEL_VXLAN)
		h[0] = 8;
	else
		put16(h + 2, 0x6558);
	put16(h + 4, id >> 8);
	h[6] = (uint8_t)id;
}

static void fill_header(struct storm *s, const struct draft *d)
{
	uint8_t *h = s->l4;

	switch (d->f->shape) {
	case STORM_TCP:
		put16(h, PORT_BASE + below(s, PORTS));
		put16(h + 2, PORT_BASE + below(s, PORTS));
		h[12] = 0x50;
		h[13] = 0x10;
		break;
	case STORM_ICMP:
		h[0] = d->dst.family == AF_INET6 ? 128 : 8;
		h[1] = 0;
		break;
	case STORM_WRONG_ID:
	case STORM_WRONG_FAMILY:
	case STORM_GARBAGE:
		fill_message(s, d);
		break;
	case STORM_ESP:
	case STORM_OTHER:
	case STORM_NOT_IP:
		break;
	default:
		fill_udp(s, d, PORT_BASE + below(s, PORTS));
		break;
	}
}

/* Layer 4 of the packet: records, and a header in place of the first ones. */
static void fill_l4(struct storm *s, struct draft *d)
{
	struct storm_flight *f = d->f;
	uint8_t last[STORM_RECORD];
	unsigned int o;

	for (o = 0; o + STORM_RECORD <= d->len; o += STORM_RECORD)
		storm_record(s->l4 + o, s->seed, f->number, o);
	storm_record(last, s->seed, f->number, o);
	memcpy(s->l4 + o, last, d->len - o);
	fill_header(s, d);
	memcpy(f->head, s->l4 + STORM_RECORD, sizeof(f->head));
	f->end = d->len;
}

/* Tells whether no other packet in that tunnel is of the same length and looks different
 * outside. */
static bool unlike_others(const struct storm *s, const struct storm_flight *f, int tunnel)
{
	const struct storm_tunnel *t = &s->setup.tunnels[tunnel];
	const uint8_t ds = storm_wanted_ds(t, f->ds, &f->dst, storm_kernels_ds(t, f->ds));
	const struct storm_flight *o;
	unsigned int i, k;

	for (o = s->shared->flights; o < s->shared->flights + STORM_FLIGHTS; o++) {
		if (!o->used || o == f || storm_sealed_by(&s->setup, &o->stack) != tunnel ||
		    storm_wanted_ds(t, o->ds, &o->dst, storm_kernels_ds(t, o->ds)) == ds)
			continue;
		for (i = 0; i < o->n_sealed; i++)
			for (k = 0; k < f->n_sealed; k++)
				if (o->sealed[i] == f->sealed[k])
					return false;
	}
	return true;
}

static void seal(const struct storm *s, struct storm_flight *f, int tunnel, unsigned int len)
{
	f->sealed[f->n_sealed++] = storm_padded(len, s->setup.tunnels[tunnel].mtu);
}

/* The lengths that a packet has in a tunnel that encrypts, where the kernel fragments it first if
 * it is larger than the MTU. -EBUSY if there is one that it could be mistaken for. */
static int seal_packet(const struct storm *s, const struct draft *d)
{
	const int tunnel = storm_sealed_by(&s->setup, &d->f->stack);
	const unsigned int header = d->dst.family == AF_INET6 ? 40 : 20;
	unsigned int left = d->len, part, extra;

	if (tunnel < 0)
		return 0;
	extra = left + header > s->setup.tunnels[tunnel].mtu && header == 40 ? 8 : 0;
	part = (s->setup.tunnels[tunnel].mtu - header - extra) / 8 * 8;
	d->f->dst = d->dst;
	if (left + header <= s->setup.tunnels[tunnel].mtu)
		part = left;
	for (; left > part; left -= part)
		seal(s, d->f, tunnel, part + header + extra);
	seal(s, d->f, tunnel, left + header + extra);
	return unlike_others(s, d->f, tunnel) ? 0 : -EBUSY;
}

static uint8_t protocol(const struct storm_flight *f, int family)
{
	switch (f->shape) {
	case STORM_TCP:
		return IPPROTO_TCP;
	case STORM_ICMP:
		return family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	case STORM_ESP:
		return IPPROTO_ESP;
	case STORM_OTHER:
		return PROTO_NOBODYS;
	default:
		return IPPROTO_UDP;
	}
}

static unsigned int draw_length(struct storm *s, unsigned int max)
{
	unsigned int len = L4_MIN;

	if (max > STORM_L4_MAX - STORM_RECORD)
		max = STORM_L4_MAX - STORM_RECORD;
	switch (below(s, 4)) {
	case 0:
	case 1:
		len += below(s, SMALL);
		break;
	case 2:
		len += below(s, max - L4_MIN + 1);
		break;
	default:
		len = max - below(s, SMALL);
		break;
	}
	if (len > max)
		len = max;
	return len > ALIGNED ? len / STORM_RECORD * STORM_RECORD : len;
}

static uint8_t draw_ds(struct storm *s)
{
	static const uint8_t common[] = { 0, 46, 34, 26, 10, 8, 48, 1 };

	if (one_in(s, 2))
		return (uint8_t)draw(s);
	return (uint8_t)(common[below(s, sizeof(common))] << 2 | below(s, 4));
}

static struct storm_place *draw_place(struct storm *s, int family)
{
	struct storm_place *place;

	do
		place = &s->setup.places[below(s, s->setup.n_places)];
	while (family != AF_UNSPEC && place->to.family != family);
	return place;
}

static int draw_family(struct storm *s)
{
	return one_in(s, 2) ? AF_INET : AF_INET6;
}

/* Puts the packet of a forged message, and the headers of the tunnel in front of it, into p. */
static void forge(struct storm *s, struct draft *d, struct packet *p)
{
	static const uint8_t macs[2][6] = { { 2, 0, 0, 0, 0xfe, 1 }, { 2, 0, 0, 0, 0xfe, 2 } };
	const struct storm_tunnel *t = &s->setup.tunnels[d->tunnel];
	const struct storm_place *place = draw_place(s, AF_UNSPEC);
	const bool v6 = place->to.family == AF_INET6;
	struct ip_spec ip = { .src = s->setup.behind[v6], .dst = place->to, .ttl = TTL };

	ip.ds = d->f->ds;
	packet_init(p);
	packet_append(p, s->l4, d->len);
	packet_push_ip(p, &ip, IPPROTO_UDP);
	packet_push_eth(p, macs[0], macs[1], v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	if (t->kind == TUNNEL_VXLAN)
		packet_push_vxlan(p, t->id);
	else
		packet_push_geneve(p, t->id);
	d->f->family = place->to.family;
	d->f->ttl = TTL;
	d->f->stack.tunnel[d->f->stack.depth++] = (uint8_t)d->tunnel;
	d->f->outer_ds = draw_ds(s);
}

static uint8_t ds_outside(const struct storm_flight *f)
{
	return f->shape == STORM_FORGED ? f->outer_ds : f->ds;
}

/* A shape of those that take a tunnel's port, or plain, if there is no tunnel to take for. */
static void draw_message(struct storm *s, struct draft *d)
{
	static const enum storm_shape shapes[] = { STORM_WRONG_ID, STORM_WRONG_FAMILY,
						   STORM_GARBAGE, STORM_FORGED };

	d->f->shape = shapes[below(s, 4)];
	if (!aim(s, d) || (d->f->shape == STORM_FORGED && d->f->stack.depth == STORM_DEPTH))
		d->f->shape = STORM_PLAIN;
	d->f->tunnel = (uint8_t)d->tunnel;
}

/*
 * UDP sockets
 */

static int use_route(int fd, unsigned int *used, const struct storm_place *place,
		     unsigned int route)
{
	const int mark = (int)place->routes[route].mark;

	if (*used == route)
		return 0;
	*used = route;
	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ? -errno : 0;
}

static int send_datagram(struct storm *s, struct draft *d, const struct storm_socket *socket)
{
	const bool forged = d->f->shape == STORM_FORGED;
	unsigned int port = PORT_BASE + below(s, PORTS);
	const struct storm_tunnel *t;
	struct packet p;

	if (d->f->shape != STORM_PLAIN) {
		t = &s->setup.tunnels[d->tunnel];
		port = t->port;
	}
	if (forged)
		forge(s, d, &p);
	publish(d->f);
	return send_with_ds(socket->fd, &d->dst, port, socket->connected, ds_outside(d->f),
			    forged ? packet_data(&p) : s->l4 + 8,
			    forged ? packet_len(&p) : d->len - 8);
}

/* The same bytes several times, each time as a separate packet. */
static int send_segments(struct storm *s, struct draft *d, const struct storm_socket *socket)
{
	const unsigned int n = 2 + below(s, STORM_SEGMENTS_MAX - 1), len = d->len - 8;
	const int size = (int)len, none = 0;
	const int tunnel = storm_sealed_by(&s->setup, &d->f->stack);
	unsigned int i;
	int err;

	for (i = 0; i < n; i++)
		memcpy(s->segments + i * len, s->l4 + 8, len);
	d->f->more = n - 1;
	for (i = 0; i < n && tunnel >= 0; i++)
		seal(s, d->f, tunnel, d->len + (d->dst.family == AF_INET6 ? 40 : 20));
	d->f->dst = d->dst;
	if (tunnel >= 0 && !unlike_others(s, d->f, tunnel))
		return -EBUSY;
	if (setsockopt(socket->fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		return -errno;
	publish(d->f);
	err = send_with_ds(socket->fd, &d->dst, PORT_BASE + below(s, PORTS), socket->connected,
			   d->f->ds, s->segments, (size_t)n * len);
	if (!err && setsockopt(socket->fd, SOL_UDP, UDP_SEGMENT, &none, sizeof(none)))
		err = -errno;
	return err;
}

/*
 * Primers: to each address, by each way there, packets before all others. A tunnel inside another
 * one tells the kernel with the first large packet that the path has room for less than its device.
 * If two CPUs take such a route for the first time at the same moment, the later one takes the
 * place of the earlier one (rt6_insert_exception(), rt_bind_exception()), and the kernel drops the
 * packet that is just being sent by the earlier one, without a counter (dst_dev_put(),
 * dst_discard_out(), blackhole_neigh_output()). After the primers the route is there, and changes
 * in its place.
 */

enum primer_turn {
	PRIMER_LARGE, /* than all MTUs: makes the exception to the route */
	PRIMER_LOCAL, /* is sent by the exception, which IPv4 keeps one route for */
	PRIMER_FORWARD, /* and one for packets of others */
	PRIMER_TURNS,
};

struct primer {
	enum primer_turn turn;
	unsigned int place, route;
};

static bool needs_primer(const struct storm_setup *setup, const struct primer *p)
{
	const struct storm_place *place = &setup->places[p->place];

	if (storm_sealed_by(setup, &place->routes[p->route].stack) >= 0)
		return false;
	if (place->to.family == AF_INET6)
		return p->turn == PRIMER_LARGE;
	/* A forwarded packet has no mark. */
	return p->turn != PRIMER_FORWARD || !place->routes[p->route].mark;
}

/* Counts, to that number, and finds the primer of that number, if there is one. */
static unsigned int find_primer(const struct storm_setup *setup, unsigned int number,
				struct primer *p)
{
	unsigned int n = 0;

	for (p->turn = 0; p->turn < PRIMER_TURNS; p->turn++)
		for (p->place = 0; p->place < setup->n_places; p->place++)
			for (p->route = 0; p->route < setup->places[p->place].n_routes; p->route++)
				if (needs_primer(setup, p) && n++ == number)
					return number;
	return n;
}

unsigned int storm_primers(const struct storm_setup *setup)
{
	struct primer p;

	return find_primer(setup, UINT_MAX, &p);
}

static struct storm_socket *socket_to(struct storm *s, const struct storm_place *place)
{
	struct storm_socket *socket = s->sockets;

	while (socket->place != place || socket->connected)
		socket++;
	return socket;
}

/* The next packet of the socket goes to that place, by one of the place's routes. */
static int take_route(struct draft *d, struct storm_socket *socket, struct storm_place *place,
		      unsigned int route)
{
	int err = use_route(socket->fd, &socket->route, place, route);

	if (err)
		return err;
	d->dst = place->to;
	d->f->family = place->to.family;
	d->f->stack = place->routes[route].stack;
	return 0;
}

static int prime_local(struct storm *s, struct draft *d, const struct primer *p)
{
	struct storm_place *place = &s->setup.places[p->place];
	struct storm_socket *socket = socket_to(s, place);
	int err = take_route(d, socket, place, p->route);

	if (err)
		return err;
	d->f->ds = socket->usual;
	d->len = (STORM_L4_MAX - 128) / STORM_RECORD * STORM_RECORD;
	fill_l4(s, d);
	return send_datagram(s, d, socket);
}

static int by_socket(struct storm *s, struct draft *d)
{
	struct storm_socket *socket = &s->sockets[below(s, s->n_sockets)];
	struct storm_place *place = socket->place;
	unsigned int route = socket->route;
	int err;

	if (!place) {
		place = draw_place(s, socket->family);
		route = 0;
	} else if (one_in(s, 8)) {
		route = below(s, place->n_routes);
		s->shared->by[s->sender].moved += route != socket->route;
	}
	err = take_route(d, socket, place, route);
	if (err)
		return err;
	d->f->ds = one_in(s, 2) ? socket->usual : draw_ds(s);
	if (!socket->connected && one_in(s, 2) && storm_sealed_by(&s->setup, &d->f->stack) < 0)
		draw_message(s, d);
	else if (one_in(s, 6))
		d->f->shape = STORM_SEGMENTS;
	d->len = draw_length(s, d->f->shape == STORM_SEGMENTS ? SEGMENT_MAX : STORM_L4_MAX - 128);
	fill_l4(s, d);
	if (d->f->shape == STORM_SEGMENTS)
		return send_segments(s, d, socket);
	err = seal_packet(s, d);
	return err ? err : send_datagram(s, d, socket);
}

/*
 * Complete IP packets
 */

struct outlet {
	struct storm_door *door; /* NULL: a raw socket */
	struct storm_place *place; /* then, this is where it goes */
	unsigned int route;
};

static int emit_raw(struct storm *s, struct packet *p, const struct draft *d,
		    const struct outlet *out)
{
	const bool v6 = d->dst.family == AF_INET6;
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr *to = v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4;
	const int mark = (int)out->place->routes[out->route].mark;

	memcpy(&to6.sin6_addr, d->dst.bytes, 16);
	memcpy(&to4.sin_addr, d->dst.bytes, 4);
	if (s->raw_mark[v6] != out->place->routes[out->route].mark) {
		if (setsockopt(s->raw[v6], SOL_SOCKET, SO_MARK, &mark, sizeof(mark)))
			return -errno;
		s->raw_mark[v6] = out->place->routes[out->route].mark;
	}
	if (sendto(s->raw[v6], packet_data(p), packet_len(p), 0, to,
		   v6 ? sizeof(to6) : sizeof(to4)) < 0)
		return -errno;
	return 0;
}

static int emit(struct storm *s, struct packet *p, const struct draft *d, const struct outlet *out)
{
	uint16_t type = d->dst.family == AF_INET6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;

	if (!out->door)
		return emit_raw(s, p, d, out);
	if (d->f->shape == STORM_NOT_IP)
		type = NOT_IP_TYPE;
	if (out->door->inj.ethernet)
		packet_push_eth(p, out->door->mac.bytes, out->door->inj.mac.bytes, type);
	return inject_packet(&out->door->inj, p);
}

static void describe(struct storm *s, const struct draft *d, struct ip_spec *ip)
{
	*ip = (struct ip_spec){ .src = d->src, .dst = d->dst, .ttl = TTL };
	ip->ds = ds_outside(d->f);
	ip->id = 1 + below(s, 0xffff);
}

/* Cuts layer 4 into two or three parts, and sends those that the shape says. Without an
 * identification that is to be reused the source is not one that a tunnel may just use the same one
 * of. */
static int emit_parts(struct storm *s, struct draft *d, const struct outlet *out, uint32_t id)
{
	const unsigned int records = d->len / STORM_RECORD, n = 2 + below(s, 2);
	const unsigned int first = (STORM_FIRST + STORM_RECORD) / STORM_RECORD;
	unsigned int which = d->f->shape, cut[4] = { 0, 0, 0, 0 }, i, from, to;
	struct ip_spec ip;
	struct packet p;
	int err = 0;

	if (which == STORM_REUSED)
		which = STORM_PARTS_ALL + below(s, 3);
	cut[1] = (first + below(s, records / 2 - first)) * STORM_RECORD;
	cut[2] = cut[1] + (1 + below(s, records / 2 - 2)) * STORM_RECORD;
	cut[n] = d->len;
	from = which == STORM_PARTS_LAST ? 1 : 0;
	to = which == STORM_PARTS_FIRST ? 1 : n;
	d->f->next = cut[from];
	d->f->end = cut[to];
	if (!id)
		d->src = s->setup.behind[d->dst.family == AF_INET6];
	describe(s, d, &ip);
	ip.fragment = true;
	if (id)
		ip.id = id;
	publish(d->f);
	for (i = from; i < to && !err; i++) {
		packet_init(&p);
		packet_append(&p, s->l4 + cut[i], cut[i + 1] - cut[i]);
		ip.frag_offset = cut[i];
		ip.more = i + 1 < n;
		packet_push_ip(&p, &ip, IPPROTO_UDP);
		err = emit(s, &p, d, out);
	}
	return err;
}

static int emit_whole(struct storm *s, struct draft *d, const struct outlet *out)
{
	struct ip_spec ip;
	struct packet p;

	packet_init(&p);
	if (d->f->shape == STORM_FORGED) {
		forge(s, d, &p);
		describe(s, d, &ip);
		packet_push_udp(&p, &ip, (uint16_t)draw_source(s),
				(uint16_t)s->setup.tunnels[d->tunnel].port);
	} else {
		packet_append(&p, s->l4, d->len);
		describe(s, d, &ip);
	}
	if (d->f->shape != STORM_NOT_IP)
		packet_push_ip(&p, &ip, protocol(d->f, d->dst.family));
	publish(d->f);
	return emit(s, &p, d, out);
}

/* False if there is none yet, or another process is just writing it. */
static bool read_recent(const struct storm_recent *from, struct storm_recent *r)
{
	const unsigned int version = __atomic_load_n(&from->version, __ATOMIC_SEQ_CST);

	*r = *from;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return version && version % 2 == 0 &&
	       __atomic_load_n(&from->version, __ATOMIC_SEQ_CST) == version;
}

/* Sends with the identification of a tunnel's fragments, by the same source, to the same
 * destination, in the same tunnels. False if there is no such way now. */
static bool reuse(struct storm *s, struct draft *d, struct outlet *out, uint32_t *id)
{
	struct storm_recent r;
	unsigned int i;

	if (!read_recent(&s->shared->recent[below(s, STORM_RECENT)], &r))
		return false;
	if (out->door) {
		if (out->door->behind || !storm_same_stack(&out->door->stack, &r.stack))
			return false;
	} else {
		for (i = 0; i < s->setup.n_places; i++)
			if (address_equal(&s->setup.places[i].to, &r.dst))
				break;
		if (i == s->setup.n_places ||
		    !storm_same_stack(&s->setup.places[i].routes[0].stack, &r.stack))
			return false;
		*out = (struct outlet){ .place = &s->setup.places[i] };
	}
	d->src = r.src;
	d->dst = r.dst;
	d->f->stack = r.stack;
	d->f->family = r.dst.family;
	*id = r.id;
	return true;
}

static void draw_shape(struct storm *s, struct draft *d, const struct outlet *out)
{
	static const enum storm_shape shapes[] = { STORM_PLAIN, STORM_PLAIN, STORM_TCP,
						   STORM_ICMP,	STORM_ESP,   STORM_OTHER };
	const unsigned int which = below(s, 16);

	if (which < 6) {
		d->f->shape = shapes[which];
	} else if (which < 9) {
		d->f->shape = STORM_PARTS_ALL + which - 6;
	} else if (which < 11) {
		d->f->shape = STORM_REUSED;
	} else if (which < 15) {
		draw_message(s, d);
	} else if (out->door && out->door->inj.ethernet && !out->door->behind) {
		d->f->shape = STORM_NOT_IP;
	}
}

/* In a tunnel that encrypts: whole packets only. */
static int send_sealed(struct storm *s, struct draft *d, const struct outlet *out,
		       unsigned int room)
{
	const unsigned int mtu = s->setup.tunnels[storm_sealed_by(&s->setup, &d->f->stack)].mtu;
	int err;

	if (d->f->shape >= STORM_NOT_IP)
		d->f->shape = STORM_PLAIN;
	d->len = draw_length(s, room < mtu - IP_MAX ? room : mtu - IP_MAX);
	fill_l4(s, d);
	err = seal_packet(s, d);
	return err ? err : emit_whole(s, d, out);
}

static int send_complete(struct storm *s, struct draft *d, struct outlet *out, unsigned int size)
{
	unsigned int room = size - IP_MAX;
	uint32_t id = 0;

	d->f->family = d->dst.family;
	d->f->ds = draw_ds(s);
	draw_shape(s, d, out);
	if (storm_sealed_by(&s->setup, &d->f->stack) >= 0)
		return send_sealed(s, d, out, room);
	if (d->f->shape == STORM_REUSED && !reuse(s, d, out, &id))
		d->f->shape = STORM_PARTS_ALL;
	if (d->f->shape == STORM_REUSED && room > IP6_MINIMUM - IP_MAX)
		room = IP6_MINIMUM - IP_MAX;
	if (d->f->shape == STORM_FORGED)
		room -= 8 + 8 + 14 + 40;
	if (d->f->shape >= STORM_PARTS_ALL && d->f->shape <= STORM_REUSED) {
		d->len = 2 * L4_MIN + draw_length(s, room - 2 * L4_MIN - 8);
		d->len = d->len / STORM_RECORD * STORM_RECORD;
		fill_l4(s, d);
		return emit_parts(s, d, out, id);
	}
	d->len = draw_length(s, room);
	fill_l4(s, d);
	return emit_whole(s, d, out);
}

/* Routers fragment IPv4 only, and a route may believe that the path has room for no more than the
 * minimum. */
static unsigned int size_limit(const struct storm_place *place, unsigned int size)
{
	return place->to.family == AF_INET6 && size > IP6_MINIMUM ? IP6_MINIMUM : size;
}

static int by_raw(struct storm *s, struct draft *d)
{
	struct outlet out = { .place = draw_place(s, AF_UNSPEC) };

	out.route = below(s, out.place->n_routes);
	d->dst = out.place->to;
	d->src = s->setup.own[d->dst.family == AF_INET6];
	d->f->stack = out.place->routes[out.route].stack;
	return send_complete(s, d, &out, size_limit(out.place, out.place->size));
}

static struct storm_door *draw_door(struct storm *s, bool behind)
{
	struct storm_door *door;

	do
		door = &s->setup.doors[below(s, s->setup.n_doors)];
	while (door->behind != behind);
	return door;
}

static int by_frame(struct storm *s, struct draft *d)
{
	struct outlet out = { .door = draw_door(s, false) };

	d->dst = draw_place(s, out.door->family ? out.door->family : draw_family(s))->to;
	d->src = s->setup.own[d->dst.family == AF_INET6];
	d->f->stack = out.door->stack;
	return send_complete(s, d, &out, out.door->size);
}

/* The packet is of somebody behind, and leaves by one of the place's routes. */
static void take_forward(struct storm *s, struct draft *d, const struct storm_place *place,
			 unsigned int route)
{
	d->dst = place->to;
	d->src = s->setup.behind[d->dst.family == AF_INET6];
	d->f->stack = place->routes[route].stack;
	d->f->ttl = TTL - 1;
}

static int by_forward(struct storm *s, struct draft *d)
{
	struct storm_place *place = draw_place(s, AF_UNSPEC);
	struct outlet out = { .door = draw_door(s, true) };

	take_forward(s, d, place, 0);
	return send_complete(s, d, &out, size_limit(place, out.door->size));
}

static int prime_forward(struct storm *s, struct draft *d, const struct primer *p)
{
	const struct outlet out = { .door = draw_door(s, true) };

	take_forward(s, d, &s->setup.places[p->place], p->route);
	d->f->family = d->dst.family;
	d->f->way = STORM_FORWARD;
	d->len = L4_MIN;
	fill_l4(s, d);
	return emit_whole(s, d, &out);
}

static int by_primer(struct storm *s, struct draft *d, unsigned int number)
{
	struct primer p;

	find_primer(&s->setup, number, &p);
	d->f->way = STORM_SOCKET;
	return p.turn == PRIMER_FORWARD ? prime_forward(s, d, &p) : prime_local(s, d, &p);
}

static int send_by(struct storm *s, struct draft *d)
{
	switch (d->f->way) {
	case STORM_SOCKET:
		return by_socket(s, d);
	case STORM_RAW:
		return by_raw(s, d);
	case STORM_FRAME:
		return by_frame(s, d);
	default:
		return by_forward(s, d);
	}
}

int storm_send(struct storm *s)
{
	static const enum storm_way ways[] = { STORM_SOCKET, STORM_SOCKET,  STORM_SOCKET, STORM_RAW,
					       STORM_FRAME,  STORM_FORWARD, STORM_FORWARD };
	struct storm_sent *by = &s->shared->by[s->sender];
	const uint32_t number = by->sent * s->n_senders + s->sender;
	struct storm_flight *f = &s->shared->flights[number % STORM_FLIGHTS];
	struct draft d = { .f = f };
	int err;

	if (f->used)
		return -EBUSY;
	memset(f, 0, sizeof(*f));
	f->number = number;
	f->way = ways[below(s, ARRAY_SIZE(ways))];
	f->ttl = TTL;
	if (!s->sender && by->sent < s->n_primers)
		err = by_primer(s, &d, by->sent);
	else
		err = send_by(s, &d);
	if (err == -EBUSY)
		return err;
	if (err) {
		complain("cannot send packet %u (%s, %s): %s", number, storm_way_names[f->way],
			 storm_shape_names[f->shape], strerror(-err));
		return err;
	}
	by->way[f->way]++;
	by->shape[f->shape]++;
	by->sent++;
	return 0;
}

/*
 * The ends
 */

int storm_open_doors(struct storm *s, bool behind)
{
	struct storm_door *door;
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->setup.n_doors && !err; i++) {
		door = &s->setup.doors[i];
		if (door->behind == behind)
			err = inject_open(&door->inj, door->dev, NULL);
	}
	return err;
}

static int set_to_fragment(int fd, int family)
{
	const int dont = IP_PMTUDISC_DONT;

	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &dont, sizeof(dont));
	return setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont));
}

static int add_socket(struct storm *s, struct storm_place *place, int family, bool connected)
{
	const struct address any = { .family = AF_UNSPEC }, to = { .family = family };
	struct storm_socket *socket = &s->sockets[s->n_sockets];

	if (s->n_sockets == STORM_SOCKETS)
		return -ENOSPC;
	*socket = (struct storm_socket){ .place = place, .family = family, .connected = connected };
	socket->usual = draw_ds(s);
	socket->fd = open_socket(SOCK_DGRAM, 0, &any, &to, draw_common_port(s));
	if (socket->fd < 0)
		return socket->fd;
	s->n_sockets++;
	if (set_to_fragment(socket->fd, family))
		return -errno;
	return connected ? connect_socket(socket->fd, &place->to, PORT_BASE + below(s, PORTS)) : 0;
}

/* The first one is not connected. */
static int sockets_to(const struct storm_place *place)
{
	return place->n_routes > 1 ? SOCKETS_THAT_MOVE : SOCKETS_TO_EACH;
}

int storm_open_sockets(struct storm *s)
{
	unsigned int i;
	int err = 0, k;

	for (i = 0; i < s->setup.n_places && !err; i++)
		for (k = 0; k < sockets_to(&s->setup.places[i]) && !err; k++)
			err = add_socket(s, &s->setup.places[i], s->setup.places[i].to.family, k);
	for (k = 0; k < 2 * SOCKETS_FOR_ALL && !err; k++)
		err = add_socket(s, NULL, k % 2 ? AF_INET6 : AF_INET, false);
	if (err)
		return err;
	s->raw[0] = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	s->raw[1] = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (s->raw[0] >= 0 && s->raw[1] >= 0)
		return storm_open_doors(s, false);
	complain("cannot open a raw socket: %s", strerror(errno));
	return -EIO;
}
