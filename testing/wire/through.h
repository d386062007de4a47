/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* One run of wire through: the request, both ends, and the accounts. */
#ifndef WIRE_THROUGH_H
#define WIRE_THROUGH_H

#include <string.h>

#include "judge_options.h"
#include "observe.h"
#include "seen.h"
#include "sender.h"

struct through_config {
	struct judge_options judge;
	struct pattern pat;
	const char *way, *dev, *at;
	unsigned int count, in_flight, seconds, bytes, tunnel_port;
	bool none, no_marker, leaving, lossy;
	bool behind; /* look behind the programs of the device, as with a tunnel of no kind */
};

struct through {
	struct through_config cfg;
	struct sender sender;
	struct observer observer; /* of a device, or its fd is the UDP socket */
	struct judge judge;
	struct seen seen;
	int64_t last_seen_ns;
	bool open; /* both ends are */
	bool marker_seen, complete;
	unsigned int drops;
	uint8_t packet[OBSERVE_MAX];
	/* For others: the packets on their way. */
	struct packet *frames;
	bool *used;
};

static inline bool way_is(const struct through *t, const char *way)
{
	return strcmp(t->cfg.way, way) == 0;
}

static inline bool is_stream(const struct through *t)
{
	return way_is(t, "tcp") && !t->cfg.dev;
}

/* Sends packets from one network namespace to the other, so many at once. Returns 0 if all were
 * seen, or a negative errno; the reason is said. */
int through_packets(struct through *t, const char *const netns[2]);
/* The same for a TCP stream: all bytes have to come. */
int through_stream(struct through *t, const char *const netns[2]);

#endif
