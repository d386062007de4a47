/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Says that packets of a tunnel are not seen where they are looked for, how many, and the most
 * likely cause. The kernel does not tell where a packet went: devices that have sent as many within
 * the same time are the evidence.
 */
#include "state/balance.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "status/problems.h"
#include "tunnel/uplinks.h"
#include "util/netlink.h"

#define MOST_DEVICES 3 /* that are named */

/* A sentence in the making. */
struct text {
	char text[PROBLEM_LEN];
	size_t len;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(t->text + t->len, sizeof(t->text) - t->len, fmt, args);
	va_end(args);
	t->len += len;
	if (t->len >= sizeof(t->text))
		t->len = sizeof(t->text) - 1;
}

static void add_time(struct text *t, uint64_t seconds)
{
	if (seconds < 120)
		add(t, "%llu s", (unsigned long long)seconds);
	else if (seconds < 120ull * 60)
		add(t, "%llu minutes", (unsigned long long)seconds / 60);
	else
		add(t, "%llu hours", (unsigned long long)seconds / 3600);
}

static void add_uplinks(struct text *t, const struct tunnel_status *status)
{
	const struct dscp_tunnel *tunnel = &status->tunnel;

	for (int i = 0; i < tunnel->n_uplinks; i++)
		add(t, "%s%s", i ? " and " : "", tunnel->uplink_names[i]);
}

/* Lists the devices that have had at least so many packets, uplinks or others, as "eth0 (20)".
 * Returns how many. */
static unsigned int add_devices(struct text *t, const struct tunnel_status *status,
				const struct balance_sum *sum, bool uplinks, bool sent,
				uint64_t least)
{
	unsigned int n = 0;

	for (int i = 0; i < BALANCE_DEVICES && n < MOST_DEVICES; i++) {
		uint32_t ifindex = sum->since.devices[i].ifindex;
		uint64_t packets =
			sent ? sum->since.devices[i].sent : sum->since.devices[i].received;
		struct nl_link link;
		struct nl_error why;

		/* On lo, which comes late, there is always something. */
		if (ifindex == NL_LOOPBACK && n)
			continue;
		if (!ifindex || uplinks_has(&status->tunnel, ifindex) != uplinks ||
		    packets < least || nl_link_by_index(ifindex, &link, &why))
			continue;
		add(t, "%s%s (%llu)", n++ ? ", " : "", link.name, (unsigned long long)packets);
	}
	return n;
}

/* A port of the device that is none of those it was loaded with. */
static bool add_port(struct text *t, const struct tunnel_status *status, const struct nl_link *link)
{
	const struct dscp_tunnel *tunnel = &status->tunnel;

	if (!link->port)
		return false;
	for (int i = 0; i < tunnel->n_ports; i++)
		if (tunnel->ports[i] == link->port)
			return false;
	add(t, "its port is %u, and it was loaded with --port %u", link->port, tunnel->ports[0]);
	return true;
}

/* Lists the causes that may come before egress_outer and take packets away. */
static const char *who_is_ahead(const struct tunnel_status *status, enum role role)
{
	for (unsigned int i = 0; i < status->n_hooks; i++)
		if (status->hooks[i].role == role && status->n_ahead[i])
			return *status->ahead[i][0].name ? status->ahead[i][0].name : "a program";
	return NULL;
}

static void add_forms(struct text *t, bool udp)
{
	uint32_t n = nl_security_associations();

	add(t, " sent as many: in another form, ");
	if (n)
		add(t, "inside ESP (%u security associations), ", n);
	if (udp)
		add(t, "with another source or destination port (NAT, a redirect: --port), ");
	add(t, "or behind a header that the route adds");
}

/* Where the packets may have gone. */
static void add_guess(struct text *t, const struct tunnel_status *status,
		      const struct nl_link *link, const struct balance_sum *sum)
{
	uint64_t missing = sum->since.sent - sum->since.passed;
	const char *ahead = who_is_ahead(status, ROLE_EGRESS_OUTER);
	struct text others = {}, uplinks = {};

	if (add_port(t, status, link))
		return;
	if (uplinks_elsewhere(&status->tunnel)) {
		add(t, "do they leave there by another device (--uplink)?");
		return;
	}
	if (add_devices(&others, status, sum, false, true, missing))
		add(t,
		    "%s sent as many: by another device, load with --uplink too (save prints the "
		    "other options)",
		    others.text);
	if (add_devices(&uplinks, status, sum, true, true, missing)) {
		add(t, "%s%s", others.len ? "; or " : "", uplinks.text);
		add_forms(t, status->tunnel.n_ports);
	}
	if (ahead)
		add(t, "%sdoes %s, which is before egress_outer, end the chain?",
		    others.len || uplinks.len ? "; or " : "", ahead);
	else if (!others.len && !uplinks.len)
		add(t,
		    "%s sent as many: do they leave in another network namespace "
		    "(--uplink-netns)?",
		    sum->full ? "none of the devices here that are looked at" : "no device here");
}

static void add_egress(struct text *t, const struct tunnel_status *status,
		       const struct nl_link *link, const struct balance_sum *sum)
{
	const struct balance_reading *since = &sum->since;
	const char *ahead = who_is_ahead(status, ROLE_EGRESS_INNER);

	if (sum->fault == BALANCE_NO_STAMP) {
		add(t, "%llu of %llu packets at ", (unsigned long long)since->no_stamp,
		    (unsigned long long)since->seen);
		add_uplinks(t, status);
		add(t, " had no stamp of egress_inner: ");
		if (ahead)
			add(t, "does %s, which is before it, end the chain?", ahead);
		else
			add(t, "did they pass a device between that clears it, or are they another "
			       "host's, with the same port?");
		return;
	}
	add(t, "%llu packets left %s in ", (unsigned long long)since->sent, status->name);
	add_time(t, since->seconds);
	add(t, ", and %llu of them were seen at ", (unsigned long long)since->passed);
	add_uplinks(t, status);
	add(t, ": ");
	if (sum->fault == BALANCE_OTHER_PORT)
		add(t,
		    "%llu left with another source port than %u (NAT, a redirect): give that "
		    "with another --port",
		    (unsigned long long)since->other_port, status->tunnel.ports[0]);
	else
		add_guess(t, status, link, sum);
}

static void add_ingress(struct text *t, const struct tunnel_status *status,
			const struct balance_sum *sum)
{
	const struct balance_reading *since = &sum->since;
	const char *ahead = who_is_ahead(status, ROLE_INGRESS_INNER);
	struct text others = {};

	if (sum->fault == BALANCE_NOT_REACHED) {
		add(t, "%llu packets came out of %s in ", (unsigned long long)since->received,
		    status->name);
		add_time(t, since->seconds);
		add(t, ", and none reached ingress_inner");
		if (ahead)
			add(t, ": does %s, which is before it, end the chain?", ahead);
		return;
	}
	add(t, "of %llu of %llu packets that came out of %s the outer header is not known",
	    (unsigned long long)since->no_header, (unsigned long long)since->noticed, status->name);
	if (status->tunnel.method != DSCP_METHOD_PEEK &&
	    add_devices(&others, status, sum, false, false, since->no_header))
		add(t, ": %s received as many, where no ingress_outer is (--uplink)", others.text);
	else
		add(t, ": do they arrive in fragments, merged, or by another device (--uplink)?");
}

/* The counts in a sentence are others each time. */
static void add_problem(struct tunnel_status *status, const struct text *t,
			enum balance_fault fault)
{
	static const char *const constant[BALANCE_FAULTS] = {
		[BALANCE_NOT_SEEN] = "packets that left it were not seen at its uplinks",
		[BALANCE_OTHER_PORT] = "packets that left it had another source port",
		[BALANCE_NO_STAMP] = "packets at its uplinks had no stamp of egress_inner",
		[BALANCE_NOT_REACHED] = "packets that came out of it did not reach ingress_inner",
		[BALANCE_NO_HEADER] =
			"of packets that came out of it the outer header is not known",
	};

	problems_add(status, "%s", t->text);
	status->constant[status->n_problems - 1] = constant[fault];
}

void problems_add_balance(struct tunnel_status *status, const struct pins *pins,
			  const struct nl_link *link, bool keep)
{
	/* Where the other devices are that may have sent packets. */
	NETNS_VISIT(status->tunnel.netns);
	struct balance_sum egress, ingress;
	struct text out = {}, in = {};

	if (netns_own() != status->tunnel.netns)
		return;
	/* Tells whether a problem that is said already explains it. */
	if (status->n_problems) {
		if (keep)
			balance_begin(pins, status->slot);
		return;
	}
	balance_look(pins, status->slot, keep, &egress, &ingress);
	if (egress.fault != BALANCE_FINE) {
		add_egress(&out, status, link, &egress);
		add_problem(status, &out, egress.fault);
	}
	if (ingress.fault != BALANCE_FINE) {
		add_ingress(&in, status, &ingress);
		add_problem(status, &in, ingress.fault);
	}
}
