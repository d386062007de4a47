/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Probes that show the fate of a DSCP: echo requests through a tunnel, and UDP packets of a small
 * TTL along the path of its outer packets. Functions return 0 or a negative errno, unless noted;
 * the sentence is left to the caller where only one is possible.
 */
#ifndef UTIL_PROBE_H
#define UTIL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "netlink.h"

/* Milliseconds of a clock that nobody sets. */
uint64_t probe_now(void);

/* The sockets for probes to one address. */
struct probe {
	const struct nl_endpoint *to;
	int out, in;
	uint16_t id; /* of echo requests; of UDP packets the source port; in network order */
	bool is_path; /* else for echo requests */
};

/* The answer to a probe. */
struct probe_answer {
	uint16_t number; /* of the probe */
	uint8_t dscp; /* of the reply; or of the header that an error quotes */
	bool is_last; /* path: nothing goes farther than the hop */
	struct nl_endpoint from; /* path: the hop */
};

/* For echo requests. device: that they leave by. tap: the device where replies are seen, before
 * programs at its TC ingress have them. Leaves a sentence. */
int probe_open_echo(struct probe *probe, int device, int tap);
int probe_send_echo(const struct probe *probe, unsigned int dscp, uint16_t number);

/* Answers tell numbers modulo that. */
#define PROBE_PATH_NUMBERS 64

/* For UDP packets and the ICMP errors that they cause. flow: as the tunnel's outer packets are
 * sent; ports are of no account. Leaves a sentence. */
int probe_open_path(struct probe *probe, const struct nl_flow *flow);
int probe_send_path(const struct probe *probe, unsigned int dscp, unsigned int ttl,
		    uint16_t number);

/* Waits until that time for an answer to any of the probes. False: none has come. */
bool probe_wait(const struct probe *probe, uint64_t until, struct probe_answer *answer);

void probe_close(const struct probe *probe);

#endif
