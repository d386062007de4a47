/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Judges each frame of a storm: from the outside in, each IP header that has a tunnel's message
 * behind it by the inner packet, and the innermost one by the packet that was sent.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <net/ethernet.h>
#include <netinet/in.h>

#include "storm.h"

#define SAID_MAX 10
#define DUMPED 160
#define HANDSHAKE_DS 0x88 /* AF41, of WireGuard's own packets */

const char *const storm_class_names[STORM_CLASSES] = { "whole", "first_part", "later_part",
						       "not_ip", "sealed_part" };

/* One packet as it is found: at first the frame, then the inner packets. */
struct layer {
	const uint8_t *bytes;
	size_t len;
	struct parsed p;
	uint8_t ds[STORM_PARTS]; /* of the fragments that it came in */
	unsigned int n;
};

/* An outer header that was passed, to be judged when the inner packet is known. */
struct link {
	uint8_t ds[STORM_PARTS];
	unsigned int n;
	uint8_t tunnel;
	bool users; /* from the port of a tunnel in user space */
	bool ip; /* the inner packet */
	uint8_t inner_ds;
	struct address dst; /* inside */
};

struct chain {
	struct link links[STORM_DEPTH + 1];
	unsigned int depth;
	size_t frame_len;
};

static void print_stack(const struct storm *s, const struct storm_stack *stack)
{
	unsigned int i;

	fprintf(stderr, " in");
	for (i = 0; i < stack->depth; i++)
		fprintf(stderr, " %s", s->setup.tunnels[stack->tunnel[i]].name);
	fprintf(stderr, stack->depth ? "" : " no tunnel");
}

static void print_bytes(const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < DUMPED; i++)
		fprintf(stderr, "%s%02x", i % 32 ? i % 4 ? "" : " " : "\n  ", bytes[i]);
	fputc('\n', stderr);
}

/* Says something of the frame at hand. f: its flight, or NULL. */
static void say_of(const struct storm *s, const struct chain *c, const struct storm_flight *f,
		   const char *fmt, va_list ap)
{
	fprintf(stderr, "wire: seed %u, packet ", s->seed);
	if (f) {
		fprintf(stderr, "%u (%s, %s, DS 0x%02x", f->number, storm_way_names[f->way],
			storm_shape_names[f->shape], f->ds);
		print_stack(s, &f->stack);
		fprintf(stderr, "): ");
	} else {
		fprintf(stderr, "unknown, of about %u: ", s->arrived);
	}
	vfprintf(stderr, fmt, ap);
	print_bytes(s->frame, c->frame_len);
}

static void __attribute__((format(printf, 4, 5)))
say(const struct storm *s, const struct chain *c, const struct storm_flight *f, const char *fmt,
    ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_of(s, c, f, fmt, ap);
	va_end(ap);
}

/* Says the fault of the frame at hand, and counts it. */
static void __attribute__((format(printf, 4, 5)))
violation(struct storm *s, const struct chain *c, const struct storm_flight *f, const char *fmt,
	  ...)
{
	va_list ap;

	if (s->counts.violations++ >= SAID_MAX)
		return;
	va_start(ap, fmt);
	say_of(s, c, f, fmt, ap);
	va_end(ap);
}

/*
 * The innermost packet
 */

static const uint8_t *l4_of(const struct layer *l)
{
	return l->bytes + l->p.l4;
}

static size_t l4_length(const struct layer *l)
{
	if (l->p.l4 > l->len)
		return 0;
	return l->p.l4_len < l->len - l->p.l4 ? l->p.l4_len : l->len - l->p.l4;
}

/* The packet of which this is a part, if it has a record of one that is on its way. */
static struct storm_flight *find_flight(struct storm *s, const struct layer *l)
{
	const unsigned int from = l->p.frag_offset, len = (unsigned int)l4_length(l);
	const unsigned int o = from < STORM_FIRST ? STORM_FIRST : from;
	uint8_t record[STORM_RECORD];
	const uint8_t *there;
	uint32_t number;

	if (o + STORM_RECORD > from + len)
		return NULL;
	there = l4_of(l) + o - from;
	number = (uint32_t)there[0] << 24 | (uint32_t)there[1] << 16 | (uint32_t)there[2] << 8 |
		 there[3];
	storm_record(record, s->seed, number, o);
	return memcmp(record, there, STORM_RECORD) ? NULL
						   : &s->shared->flights[number % STORM_FLIGHTS];
}

/* Where the bytes are not those that were sent, as an offset of layer 4; or -1. */
static int wrong_byte(const struct storm *s, const struct storm_flight *f, const struct layer *l)
{
	const unsigned int from = l->p.frag_offset, to = from + (unsigned int)l4_length(l);
	uint8_t record[STORM_RECORD];
	unsigned int o;

	if (!from && memcmp(l4_of(l) + STORM_RECORD, f->head, sizeof(f->head)))
		return STORM_RECORD;
	for (o = from < STORM_FIRST ? STORM_FIRST : from; o < to; o += STORM_RECORD) {
		storm_record(record, s->seed, f->number, o);
		if (memcmp(l4_of(l) + o - from, record,
			   to - o < STORM_RECORD ? to - o : STORM_RECORD))
			return (int)o;
	}
	return -1;
}

static void arrived(struct storm *s, struct storm_flight *f)
{
	f->used = false;
	s->arrived++;
	storm_give_token(s, f->number);
	if (s->arrived == s->n_primers)
		storm_say_primed(s);
}

static void account(struct storm *s, const struct chain *c, struct storm_flight *f,
		    const struct layer *l)
{
	const unsigned int len = (unsigned int)l4_length(l);

	if (l->p.frag_offset != f->next || f->next + len > f->end)
		violation(s, c, f, "bytes from %u to %u of it, when %u to %u were due",
			  l->p.frag_offset, l->p.frag_offset + len, f->next, f->end);
	f->next = l->p.frag_offset + len;
	if (f->next < f->end)
		return;
	f->next = 0;
	if (f->more) {
		f->more--;
		return;
	}
	arrived(s, f);
}

static bool has_dscp(const struct storm_flight *f, uint8_t ds, unsigned int dscp)
{
	return ds == (dscp << 2 | (f->ds & 3));
}

/* In fixed mode whatever has the tunnel's port and network is the tunnel's, unless a host behind
 * the node has sent it, or it is inside that tunnel. */
static bool may_be_taken_for(const struct storm *s, const struct storm_flight *f, uint8_t ds)
{
	const struct storm_tunnel *t = &s->setup.tunnels[f->tunnel];

	if (f->shape != STORM_GARBAGE || f->way == STORM_FORWARD || !t->fixed)
		return false;
	if (f->stack.depth && f->stack.tunnel[f->stack.depth - 1] == f->tunnel)
		return false;
	return has_dscp(f, ds, t->policy.to[0]);
}

/* Is the packet from the port of a tunnel in user space? */
static bool from_user_port(const struct storm *s, struct storm_flight *f, const struct layer *l)
{
	if (!l->p.frag_offset)
		f->users = s->setup.user_port && f->way != STORM_FORWARD &&
			   l->p.proto == IPPROTO_UDP && l->p.ports &&
			   l->p.sport == s->setup.user_port;
	return f->users;
}

/*
 * Tells whether the DS field is right: as it was sent, or as a tunnel in user space makes it.
 * Inside of another tunnel, where that tunnel's device may be the uplink of a third one, both are.
 */
static bool right_ds(const struct storm *s, struct storm_flight *f, const struct layer *l)
{
	const bool as_sent = l->p.ds == f->ds;

	if (!from_user_port(s, f, l))
		return as_sent || may_be_taken_for(s, f, l->p.ds);
	if (has_dscp(f, l->p.ds, s->setup.user_dscp))
		return true;
	if (f->shape == STORM_GARBAGE)
		return as_sent || may_be_taken_for(s, f, l->p.ds);
	return as_sent && f->stack.depth;
}

static void judge_innermost(struct storm *s, const struct chain *c, struct storm_flight *f,
			    const struct layer *l)
{
	const bool ip = f->shape != STORM_NOT_IP;
	const int wrong = wrong_byte(s, f, l);

	if (wrong >= 0)
		violation(s, c, f, "byte %d of layer 4 was changed", wrong);
	if (ip != (l->p.family != AF_UNSPEC) || (ip && l->p.family != f->family))
		violation(s, c, f, "another protocol");
	else if (ip && !right_ds(s, f, l))
		violation(s, c, f, "DS 0x%02x, which is not to be changed%s", l->p.ds,
			  f->users ? ", or by the tunnel in user space" : "");
	else if (ip && (l->p.ip_checksum_bad || l->p.ttl != f->ttl))
		violation(s, c, f, "its header: checksum %s, TTL %u",
			  l->p.ip_checksum_bad ? "wrong" : "right", l->p.ttl);
	else if (ip && l->p.ds != f->ds)
		s->counts.taken_for++;
	else
		s->counts.as_sent++;
	s->counts.users += f->users;
	s->counts.inner_parts += l->p.fragment;
}

/*
 * Outer headers
 */

static uint8_t kernels_ds(const struct storm *s, const struct link *link)
{
	return link->ip ? storm_kernels_ds(&s->setup.tunnels[link->tunnel], link->inner_ds) : 0;
}

static uint8_t wanted_ds(const struct storm *s, const struct link *link, uint8_t as_it_was)
{
	return storm_wanted_ds(&s->setup.tunnels[link->tunnel], link->inner_ds,
			       link->ip ? &link->dst : NULL, as_it_was);
}

/* A tunnel that is not loaded may happen to send from the port of the one in user space. */
static bool may_be_users(const struct storm *s, const struct link *link, uint8_t ds,
			 uint8_t as_it_was)
{
	return link->users && !s->setup.tunnels[link->tunnel].loaded &&
	       ds == (s->setup.user_dscp << 2 | (as_it_was & 3));
}

static void judge_mark(struct storm *s, const struct chain *c, const struct storm_flight *f,
		       const struct link *link, unsigned int part)
{
	const struct storm_tunnel *t = &s->setup.tunnels[link->tunnel];
	const uint8_t as_it_was = kernels_ds(s, link), want = wanted_ds(s, link, as_it_was);
	const uint8_t got = link->ds[part];
	enum storm_class class = part	       ? STORM_CLASS_LATER
				 : link->n > 1 ? STORM_CLASS_FIRST
					       : STORM_CLASS_WHOLE;

	if (!link->ip)
		class = STORM_CLASS_NOT_IP;
	else if (link->n > 1 && t->kind == TUNNEL_WIREGUARD)
		class = STORM_CLASS_SEALED;
	if (got != want && may_be_users(s, link, got, as_it_was)) {
		s->counts.users++;
		return;
	}
	if (got != want && got != as_it_was) {
		violation(s, c, f, "outer header of %s, part %u of %u: DS 0x%02x, not 0x%02x",
			  t->name, part + 1, link->n, got, want);
		return;
	}
	s->counts.outer[link->n > 1 ? part ? 2 : 1 : 0]++;
	if (got == want && !t->loaded)
		s->counts.unloaded++;
	else if (got == want && (link->ip || t->fixed))
		s->counts.marked++;
	else if (s->counts.unmarked[class]++ == 0 && class < STORM_CLASS_NOT_IP)
		say(s, c, f, "outer header of %s, part %u of %u: DS 0x%02x, not marked 0x%02x",
		    t->name, part + 1, link->n, got, want);
}

/* A message that the sender has made itself, as if it were the tunnel's. Of a host behind the node,
 * and inside that same tunnel, it is nobody's; else the program may take it for the tunnel's. */
static void judge_forged(struct storm *s, const struct chain *c, const struct storm_flight *f,
			 const struct link *link, unsigned int level)
{
	const bool inside = level && c->links[level - 1].tunnel == link->tunnel;
	const uint8_t want = wanted_ds(s, link, f->outer_ds);
	unsigned int i;

	for (i = 0; i < link->n; i++) {
		if (link->ds[i] == f->outer_ds)
			continue;
		s->counts.taken_for++;
		if (f->way == STORM_FORWARD || ((inside || link->ds[i] != want) &&
						!may_be_users(s, link, link->ds[i], f->outer_ds)))
			violation(s, c, f,
				  "forged message for %s, part %u of %u: DS 0x%02x, sent 0x%02x",
				  s->setup.tunnels[link->tunnel].name, i + 1, link->n, link->ds[i],
				  f->outer_ds);
	}
}

/* f: the flight of the inner packet, or NULL if it is a part of a message that is not complete. */
static void judge_chain(struct storm *s, const struct chain *c, const struct storm_flight *f)
{
	unsigned int level, part;

	if (c->depth > 1)
		s->counts.nested++;
	for (level = 0; level < c->depth; level++) {
		const struct link *link = &c->links[level];

		if (f && f->shape == STORM_FORGED && level + 1 == f->stack.depth) {
			judge_forged(s, c, f, link, level);
			continue;
		}
		for (part = 0; part < link->n; part++)
			judge_mark(s, c, f, link, part);
	}
	if (!f)
		return;
	for (level = 0; level < c->depth && level < f->stack.depth; level++)
		if (c->links[level].tunnel != f->stack.tunnel[level])
			break;
	if (level != c->depth || level != f->stack.depth)
		violation(s, c, f, "it is in %u tunnels, or in others", c->depth);
}

/*
 * From one layer to the next
 */

static struct storm_stack stack_of(const struct chain *c)
{
	struct storm_stack stack = { 0 };
	unsigned int i;

	for (i = 0; i < c->depth && i < STORM_DEPTH; i++)
		stack.tunnel[stack.depth++] = c->links[i].tunnel;
	return stack;
}

static struct storm_group *find_group(struct storm *s, const struct parsed *p,
				      const struct storm_stack *stack)
{
	struct storm_group *g;

	for (g = s->groups; g < s->groups + STORM_GROUPS; g++)
		if (g->used && g->first.frag_id == p->frag_id && g->first.proto == p->proto &&
		    address_equal(&g->first.src, &p->src) &&
		    address_equal(&g->first.dst, &p->dst) && storm_same_stack(&g->stack, stack))
			return g;
	return NULL;
}

static struct storm_group *start_group(struct storm *s, const struct layer *l,
				       const struct storm_stack *stack)
{
	struct storm_group *g = s->groups;

	while (g < s->groups + STORM_GROUPS && g->used)
		g++;
	if (g == s->groups + STORM_GROUPS)
		return NULL;
	g->used = true;
	g->stack = *stack;
	g->first = l->p;
	g->header = l->p.l4 - l->p.l3;
	g->have = g->n = 0;
	memcpy(g->bytes, l->bytes + l->p.l3, g->header);
	return g;
}

static void remember_id(struct storm *s, const struct storm_group *g)
{
	struct storm_recent *r = &s->shared->recent[s->n_recent++ % STORM_RECENT];

	__atomic_add_fetch(&r->version, 1, __ATOMIC_SEQ_CST);
	r->stack = g->stack;
	r->src = g->first.src;
	r->dst = g->first.dst;
	r->id = g->first.frag_id;
	__atomic_add_fetch(&r->version, 1, __ATOMIC_SEQ_CST);
}

/* Makes one layer of all fragments. */
static void finish_group(struct storm *s, struct storm_group *g, struct layer *l)
{
	remember_id(s, g);
	l->bytes = g->bytes;
	l->len = g->header + g->have;
	l->p = g->first;
	l->p.l3 = 0;
	l->p.l4 = g->header;
	l->p.l4_len = g->have;
	l->p.payload = g->header + 8;
	l->p.fragment = l->p.more = false;
	l->n = g->n;
	memcpy(l->ds, g->ds, sizeof(l->ds));
	g->used = false;
}

/* Adds a fragment to its packet: 0 if that is complete now, in l; else -EAGAIN. */
static int gather(struct storm *s, const struct chain *c, struct layer *l)
{
	const struct storm_stack stack = stack_of(c);
	struct storm_group *g = find_group(s, &l->p, &stack);
	const size_t len = l4_length(l);

	if (!l->p.frag_offset && !g)
		g = start_group(s, l, &stack);
	if (!g || g->have != l->p.frag_offset || g->n == STORM_PARTS ||
	    g->header + g->have + len > sizeof(g->bytes)) {
		violation(s, c, NULL, "a fragment of nobody, of bytes from %u", l->p.frag_offset);
		return -EAGAIN;
	}
	memcpy(g->bytes + g->header + g->have, l4_of(l), len);
	g->have += len;
	g->ds[g->n++] = l->p.ds;
	if (l->p.more)
		return -EAGAIN;
	finish_group(s, g, l);
	return 0;
}

static uint32_t message_id(const struct layer *l)
{
	const uint8_t *h = l->bytes + l->p.payload;

	return (uint32_t)h[4] << 16 | (uint32_t)h[5] << 8 | h[6];
}

static bool is_message(const struct storm_tunnel *t, const struct layer *l)
{
	if (l->p.family != t->family)
		return false;
	switch (t->kind) {
	case TUNNEL_VXLAN:
	case TUNNEL_GENEVE:
		return l->p.proto == IPPROTO_UDP && l->p.ports && l->p.dport == t->port &&
		       l->p.payload + 8 <= l->len && message_id(l) == t->id;
	case TUNNEL_GRE:
		return l->p.proto == IPPROTO_GRE;
	case TUNNEL_IPIP:
		return t->port ? l->p.proto == t->port
			       : l->p.proto == IPPROTO_IPIP || l->p.proto == IPPROTO_IPV6;
	case TUNNEL_WIREGUARD:
		return l->p.proto == IPPROTO_UDP && l->p.ports && l->p.sport == t->port &&
		       l->p.payload + WG_KEEPALIVE_LEN <= l->len;
	default:
		return false;
	}
}

/* Returns the tunnel of the message, or -1. */
static int find_tunnel(const struct storm *s, const struct layer *l)
{
	unsigned int i;

	for (i = 0; i < s->setup.n_tunnels; i++)
		if (is_message(&s->setup.tunnels[i], l))
			return (int)i;
	return -1;
}

/*
 * Messages that are encrypted
 */

/* The packet on its way that such a message may be: its place among the lengths, or -1. */
static int find_length(const struct storm_flight *f, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < f->n_sealed; i++)
		if (f->sealed[i] == len)
			return (int)i;
	return -1;
}

static void forget_length(struct storm_flight *f, unsigned int len)
{
	const int i = find_length(f, len);

	if (i >= 0)
		f->sealed[i] = f->sealed[--f->n_sealed];
}

static struct storm_flight *find_sealed(struct storm *s, int tunnel, unsigned int len)
{
	struct storm_flight *f;

	for (f = s->shared->flights; f < s->shared->flights + STORM_FLIGHTS; f++)
		if (f->used && storm_sealed_by(&s->setup, &f->stack) == tunnel &&
		    find_length(f, len) >= 0)
			return f;
	return NULL;
}

/* Handshakes have their own mark, and keepalives have none. */
static void judge_own_message(struct storm *s, const struct chain *c, const struct layer *l)
{
	const uint8_t want = l->bytes[l->p.payload] == WG_DATA ? 0 : HANDSHAKE_DS;

	s->counts.others++;
	if (l->p.ds != want)
		violation(s, c, NULL, "a handshake or a keepalive with DS 0x%02x", l->p.ds);
}

static void judge_sealed(struct storm *s, struct chain *c, const struct layer *l, int tunnel)
{
	const unsigned int len = (unsigned int)l->p.payload_len - WG_KEEPALIVE_LEN;
	struct storm_flight *f = find_sealed(s, tunnel, len);
	struct link *link = &c->links[c->depth];

	if (l->bytes[l->p.payload] != WG_DATA || !len) {
		judge_own_message(s, c, l);
		return;
	}
	if (!f) {
		violation(s, c, NULL, "a message of %u bytes, which nobody has sent", len);
		return;
	}
	*link = (struct link){
		.n = l->n, .tunnel = (uint8_t)tunnel, .inner_ds = f->ds, .ip = true
	};
	memcpy(link->ds, l->ds, sizeof(link->ds));
	link->dst = f->dst;
	c->depth++;
	judge_chain(s, c, f);
	s->counts.sealed++;
	forget_length(f, len);
	if (!f->n_sealed)
		arrived(s, f);
}

/* Goes from an outer packet to the one inside: 0, or -EINVAL after a complaint. */
static int descend(struct storm *s, struct chain *c, struct layer *l, int tunnel)
{
	struct link *link = &c->links[c->depth];
	struct layer inner = { .bytes = l->bytes, .len = l->len, .n = 1 };

	if (tunnel < 0 || c->depth > STORM_DEPTH ||
	    packet_parse_inner(l->bytes, l->len, &l->p, s->setup.tunnels[tunnel].kind, &inner.p))
		return -EINVAL;
	if (inner.p.family == AF_UNSPEC) {
		inner.p.l4 = l->p.payload + 8 + ETH_HLEN;
		inner.p.l4_len = l->len - inner.p.l4;
	}
	inner.ds[0] = inner.p.ds;
	*link = (struct link){ .n = l->n, .tunnel = (uint8_t)tunnel, .inner_ds = inner.p.ds };
	memcpy(link->ds, l->ds, sizeof(link->ds));
	link->users = s->setup.user_port && l->p.ports && l->p.sport == s->setup.user_port;
	link->ip = inner.p.family != AF_UNSPEC;
	link->dst = inner.p.dst;
	c->depth++;
	*l = inner;
	return 0;
}

/* The packet on its way that this is a part of, unless it is a later fragment of an outer packet:
 * by chance the records in there may be at the very offsets that they have in the packet inside. */
static struct storm_flight *find_innermost(struct storm *s, const struct chain *c,
					   const struct layer *l)
{
	const struct storm_stack stack = stack_of(c);

	return l->p.frag_offset && find_group(s, &l->p, &stack) ? NULL : find_flight(s, l);
}

static void judge_frame(struct storm *s, struct chain *c, struct layer *l)
{
	struct storm_flight *f = find_innermost(s, c, l);
	int tunnel;

	while (!f) {
		if (l->p.fragment && gather(s, c, l)) {
			judge_chain(s, c, NULL);
			return;
		}
		if (l->p.ip_checksum_bad)
			violation(s, c, NULL, "an outer header with a wrong checksum");
		tunnel = find_tunnel(s, l);
		if (tunnel >= 0 && s->setup.tunnels[tunnel].kind == TUNNEL_WIREGUARD) {
			judge_sealed(s, c, l, tunnel);
			return;
		}
		if (descend(s, c, l, tunnel)) {
			violation(s, c, NULL, "a packet of nobody");
			return;
		}
		f = find_innermost(s, c, l);
	}
	if (!f->used) {
		violation(s, c, f, "it comes again");
		return;
	}
	judge_chain(s, c, f);
	judge_innermost(s, c, f, l);
	account(s, c, f, l);
}

/* Packets that the node sends by itself: ARP, neighbour discovery, reports of multicast groups. */
static bool is_chatter(const struct parsed *p)
{
	return p->family == AF_UNSPEC || p->proto == IPPROTO_ICMPV6;
}

int storm_take(struct storm *s)
{
	const ssize_t len = observer_next(&s->observer, s->frame);
	struct chain c = { .frame_len = len > 0 ? (size_t)len : 0 };
	struct layer l = { .bytes = s->frame, .len = c.frame_len, .n = 1 };

	if (len < 0)
		return (int)len;
	s->counts.frames++;
	if (packet_parse(l.bytes, l.len, true, &l.p)) {
		violation(s, &c, NULL, "a frame that cannot be read");
		return 0;
	}
	if (l.p.family == AF_UNSPEC) {
		l.p.l4 = ETH_HLEN;
		l.p.l4_len = l.len - ETH_HLEN;
	}
	l.ds[0] = l.p.ds;
	if (is_chatter(&l.p) && !find_flight(s, &l)) {
		s->counts.others++;
		return 0;
	}
	judge_frame(s, &c, &l);
	return 0;
}
