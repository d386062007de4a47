/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads and compares the counters of devices and of programs. */
#include "state/balance.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/neighbour.h>

#include "state/counters.h"
#include "state/map.h"
#include "state/pins.h"
#include "tunnel/kinds.h"
#include "tunnel/uplinks.h"
#include "util/netlink.h"
#include "util/netns.h"

/*
 * Readings
 */

/* The devices of a network namespace, of the first look. */
static struct device {
	uint32_t ifindex;
	uint32_t master, real; /* see struct nl_link */
	bool is_tunnel;
	uint64_t sent, received;
} * devices;
static unsigned int n_devices;
static uint64_t devices_of; /* which network namespace; 0: none */

void balance_look_anew(void)
{
	devices_of = 0;
}

static void add_device(const struct nl_link *link, void *ctx)
{
	struct device *more = realloc(devices, (n_devices + 1) * sizeof(*more));

	(void)ctx;
	if (!more)
		return;
	devices = more;
	devices[n_devices++] = (struct device){ .ifindex = link->ifindex,
						.master = link->master,
						.real = link->real,
						.is_tunnel = kinds_by_name(link->kind),
						.sent = link->sent,
						.received = link->received };
}

static void read_devices(void)
{
	struct nl_error why;

	if (devices_of == netns_own())
		return;
	n_devices = 0;
	nl_links(add_device, NULL, &why);
	devices_of = netns_own();
}

/* Uplinks come first, and last the devices that no packet of a tunnel should leave by: other
 * tunnels and the ports of bridges, of which there may be hundreds, and lo. */
static int rank(const struct dscp_tunnel *tunnel, const struct device *device)
{
	if (uplinks_has(tunnel, device->ifindex))
		return 0;
	return device->is_tunnel || device->master || device->ifindex == NL_LOOPBACK ? 2 : 1;
}

static void note_devices(const struct dscp_tunnel *tunnel, struct balance_reading *reading)
{
	unsigned int n = 0;

	if (tunnel->uplink_netns != netns_own())
		return;
	read_devices();
	for (int wanted = 0; wanted < 3; wanted++) {
		for (unsigned int i = 0; i < n_devices && n < BALANCE_DEVICES; i++) {
			const struct device *device = &devices[i];

			if (rank(tunnel, device) != wanted || device->ifindex == tunnel->ifindex)
				continue;
			reading->devices[n].ifindex = device->ifindex;
			reading->devices[n].sent = device->sent;
			reading->devices[n++].received = device->received;
		}
	}
}

static const struct device *find_device(uint32_t ifindex)
{
	for (unsigned int i = 0; i < n_devices; i++)
		if (devices[i].ifindex == ifindex)
			return &devices[i];
	return NULL;
}

static bool is_below(uint32_t lower, uint32_t upper)
{
	const struct device *low = find_device(lower), *up = find_device(upper);

	return low && up && (low->master == upper || up->real == lower);
}

uint32_t balance_again(const struct pins *pins, uint32_t ifindex)
{
	read_devices();
	for_each_tunnel (slot, pins) {
		const struct dscp_tunnel *tunnel = &pins->tunnels[slot];

		if (!(tunnel->flags & DSCP_TUNNEL_EGRESS))
			continue;
		for (int i = 0; i < tunnel->n_uplinks; i++)
			if (is_below(tunnel->uplinks[i], ifindex))
				return tunnel->uplinks[i];
	}
	return 0;
}

static int read_counters(const struct pins *pins, uint32_t slot, struct balance_reading *reading)
{
	struct dscp_counters egress, ingress;
	int err = counters_read(pins, MAP_COUNTERS, slot, &egress);

	if (!err)
		err = counters_read(pins, MAP_INGRESS_COUNTERS, slot, &ingress);
	if (err)
		return err;
	reading->passed = egress.passed;
	reading->seen = counters_seen(&egress);
	reading->no_stamp = egress.unknown[DSCP_NO_STAMP];
	reading->other_port = egress.other_port;
	reading->arrived = ingress.passed;
	reading->noticed = counters_seen(&ingress);
	reading->no_header = counters_get(&ingress, COUNTER_UNKNOWN);
	return 0;
}

/* The counters are read before the device's, and again after it: a packet in flight between two of
 * them is never missing, neither from before to a later after, nor from after to anything. */
static int read_both(const struct pins *pins, uint32_t slot, struct balance_reading *before,
		     struct balance_reading *after)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	struct nl_link link;
	struct nl_error why;
	struct timespec now;
	int err = tunnel->netns == netns_own() ? 0 : -EXDEV;

	memset(before, 0, sizeof(*before));
	if (!err)
		err = read_counters(pins, slot, before);
	if (!err)
		err = nl_link_by_index(tunnel->ifindex, &link, &why);
	if (err)
		return err;
	clock_gettime(CLOCK_BOOTTIME, &now);
	before->seconds = now.tv_sec;
	before->sent = link.sent;
	before->received = link.received;
	note_devices(tunnel, before);
	*after = *before;
	return read_counters(pins, slot, after);
}

/* Without the lock the pins are opened for reading. Where the record cannot be written, the next
 * look begins where this one did. */
static void write_record(const struct pins *pins, uint32_t slot, const struct balance *balance)
{
	char path[PINS_DIR + sizeof("/maps/balance")];
	int fd;

	if (!bpf_map_update_elem(pins->maps[MAP_BALANCE], &slot, balance, BPF_ANY) ||
	    errno != EPERM)
		return;
	snprintf(path, sizeof(path), "%s/maps/%s", pins->dir, objects_map_name(MAP_BALANCE));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return;
	if (map_id(fd) == map_id(pins->maps[MAP_BALANCE]))
		bpf_map_update_elem(fd, &slot, balance, BPF_ANY);
	close(fd);
}

static void begin(struct balance_window *window, const struct balance_reading *reading)
{
	*window = (struct balance_window){ .start = *reading, .last = *reading };
}

static void begin_both(const struct pins *pins, uint32_t slot,
		       const struct balance_reading *reading)
{
	struct balance balance;

	begin(&balance.egress, reading);
	begin(&balance.ingress, reading);
	write_record(pins, slot, &balance);
}

void balance_begin(const struct pins *pins, uint32_t slot)
{
	struct balance_reading before, after;

	if (read_both(pins, slot, &before, &after))
		bpf_map_delete_elem(pins->maps[MAP_BALANCE], &slot);
	else
		begin_both(pins, slot, &before);
}

/*
 * Windows
 */

/* A device that was not there before has no number. */
static void subtract_devices(struct balance_reading *since, const struct balance_reading *before)
{
	for (int i = 0; i < BALANCE_DEVICES; i++) {
		int j = 0;

		while (j < BALANCE_DEVICES &&
		       before->devices[j].ifindex != since->devices[i].ifindex)
			j++;
		if (j == BALANCE_DEVICES || before->devices[j].sent > since->devices[i].sent) {
			since->devices[i].ifindex = 0;
			continue;
		}
		since->devices[i].sent -= before->devices[j].sent;
		since->devices[i].received -= before->devices[j].received;
	}
}

static struct balance_reading difference(const struct balance_reading *now,
					 const struct balance_reading *before)
{
	struct balance_reading since = *now;

	since.seconds -= before->seconds;
	since.sent -= before->sent;
	since.received -= before->received;
	since.passed -= before->passed;
	since.seen -= before->seen;
	since.no_stamp -= before->no_stamp;
	since.other_port -= before->other_port;
	since.arrived -= before->arrived;
	since.noticed -= before->noticed;
	since.no_header -= before->no_header;
	subtract_devices(&since, before);
	return since;
}

static bool most(uint64_t part, uint64_t all)
{
	return part >= BALANCE_LEAST && part >= all - all / 2;
}

/* Whether packets may have counted as sent, and ended in the queue of a neighbour. */
struct waiting {
	const struct dscp_tunnel *tunnel;
	uint64_t seconds; /* of the window */
	bool is; /* a neighbour does not answer */
	bool was; /* one may not have answered before */
};

/* Tells whether a device is an uplink, or is made on one: a neighbour there, too, gets packets by
 * it. */
static bool leads_to_uplink(const struct dscp_tunnel *tunnel, uint32_t ifindex)
{
	if (uplinks_has(tunnel, ifindex))
		return true;
	for (int i = 0; i < tunnel->n_uplinks && tunnel->uplink_netns == tunnel->netns; i++)
		if (is_below(tunnel->uplinks[i], ifindex))
			return true;
	return false;
}

static void look_at_neighbour(const struct nl_neighbour *neighbour, void *ctx)
{
	struct waiting *waiting = ctx;
	const bool is_new = neighbour->age <= waiting->seconds + 1;

	if (neighbour->state & (NUD_PERMANENT | NUD_NOARP) ||
	    !leads_to_uplink(waiting->tunnel, neighbour->ifindex))
		return;
	/* Packets wait as long as it is incomplete, and one that has failed becomes that again with
	 * the next packet. */
	if (neighbour->state & NUD_INCOMPLETE || (neighbour->state & NUD_FAILED && is_new))
		waiting->is = true;
	else if (is_new)
		waiting->was = true;
}

/* Where the uplinks are out of reach, nobody knows. */
static struct waiting find_waiting(const struct dscp_tunnel *tunnel, uint64_t seconds)
{
	struct waiting waiting = { .tunnel = tunnel, .seconds = seconds };
	NETNS_VISIT(tunnel->uplink_netns);

	waiting.is = netns_own() != tunnel->uplink_netns;
	if (!waiting.is)
		nl_neighbours(look_at_neighbour, &waiting);
	return waiting;
}

/* Packets are missing. The kernel does not tell for how long a neighbour has not answered that does
 * now: then the next look has to find the same. */
static enum balance_fault judge_missing(const struct dscp_tunnel *tunnel,
					const struct balance_reading *since,
					struct balance_window *window, bool was_doubtful)
{
	const struct waiting waiting = find_waiting(tunnel, since->seconds);

	if (waiting.is)
		return BALANCE_FINE;
	if (!waiting.was || was_doubtful || window->fault == BALANCE_NOT_SEEN)
		return BALANCE_NOT_SEEN;
	window->doubtful = true;
	return window->fault;
}

/* Judges a user space tunnel: with packets that come in from the peer, some have to leave. */
static enum balance_fault judge_program(const struct balance_reading *since)
{
	if (since->passed || since->sent < BALANCE_LEAST)
		return BALANCE_FINE;
	if (since->other_port >= BALANCE_LEAST)
		return BALANCE_OTHER_PORT;
	return since->received ? BALANCE_NOT_SEEN : BALANCE_FINE;
}

static enum balance_fault judge_egress(const struct dscp_tunnel *tunnel,
				       const struct balance_reading *since,
				       struct balance_window *window)
{
	uint64_t missing = since->sent > since->passed ? since->sent - since->passed : 0;
	const bool was_doubtful = window->doubtful;

	window->doubtful = false;
	if (!(tunnel->flags & DSCP_TUNNEL_EGRESS))
		return BALANCE_FINE;
	if (tunnel->kind == DSCP_KIND_UDP)
		return judge_program(since);
	if (missing >= BALANCE_LEAST && missing >= since->sent / 4)
		return judge_missing(tunnel, since, window, was_doubtful);
	return most(since->no_stamp, since->seen) ? BALANCE_NO_STAMP : BALANCE_FINE;
}

/* WireGuard's device counts keepalives as well: then nothing that arrives proves nothing. */
static enum balance_fault judge_ingress(const struct dscp_tunnel *tunnel,
					const struct balance_reading *since)
{
	if (!(tunnel->flags & DSCP_TUNNEL_INGRESS))
		return BALANCE_FINE;
	if (dscp_kind_is_clear(tunnel->kind) && since->received >= BALANCE_LEAST && !since->arrived)
		return BALANCE_NOT_REACHED;
	return most(since->no_header, since->noticed) ? BALANCE_NO_HEADER : BALANCE_FINE;
}

static bool has_begun_anew(const struct balance_reading *now, const struct balance_reading *last)
{
	return now->sent < last->sent || now->received < last->received ||
	       now->passed < last->passed || now->arrived < last->arrived;
}

/* Returns the result of a look in one direction, given the result for the packets since the last
 * one. */
static void decide(struct balance_window *window, enum balance_fault fault,
		   const struct balance_reading *before)
{
	if (fault != window->fault)
		window->start = window->last;
	window->fault = fault;
	window->last = *before;
}

static struct balance_sum sum_up(const struct balance_window *window,
				 const struct balance_reading *after)
{
	return (struct balance_sum){ .fault = window->fault,
				     .since = difference(after, &window->start),
				     .full = after->devices[BALANCE_DEVICES - 1].ifindex };
}

void balance_look(const struct pins *pins, uint32_t slot, bool keep, struct balance_sum *egress,
		  struct balance_sum *ingress)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	struct balance_reading before, after, since;
	struct balance balance;

	egress->fault = ingress->fault = BALANCE_FINE;
	if (read_both(pins, slot, &before, &after))
		return;
	if (bpf_map_lookup_elem(pins->maps[MAP_BALANCE], &slot, &balance) ||
	    balance.egress.fault >= BALANCE_FAULTS || balance.ingress.fault >= BALANCE_FAULTS ||
	    has_begun_anew(&after, &balance.egress.last) ||
	    has_begun_anew(&after, &balance.ingress.last)) {
		if (keep)
			begin_both(pins, slot, &before);
		return;
	}
	since = difference(&after, &balance.egress.last);
	if (since.sent >= BALANCE_LEAST || since.seen >= BALANCE_LEAST)
		decide(&balance.egress, judge_egress(tunnel, &since, &balance.egress), &before);
	since = difference(&after, &balance.ingress.last);
	if (since.received >= BALANCE_LEAST || since.noticed >= BALANCE_LEAST)
		decide(&balance.ingress, judge_ingress(tunnel, &since), &before);
	*egress = sum_up(&balance.egress, &after);
	*ingress = sum_up(&balance.ingress, &after);
	if (keep)
		write_record(pins, slot, &balance);
}
