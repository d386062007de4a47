/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Packets of one pattern, sent one by one by an ordinary socket or put on a device. */
#ifndef WIRE_SENDER_H
#define WIRE_SENDER_H

#include "inject.h"
#include "pattern.h"
#include "wire.h"

struct sender {
	struct pattern pat;
	const char *dev; /* complete packets go on this device; NULL: by a socket */
	bool echo; /* by a socket: ICMP echo instead of UDP */
	struct datagrams to;
	struct inject inj;
};

/* Opens the sockets that dev and pat ask for: 0, or a negative errno after a message. */
int sender_open(struct sender *s);
void sender_close(struct sender *s);
/* The DSCP of packet i, which its length tells. */
unsigned int sender_dscp(const struct sender *s, unsigned int i);
/* Sends the i-th step: returns how many packets that is, or a negative errno after a message. */
int sender_send(struct sender *s, unsigned int i);
/* Sends a marker the same way, with CS0 and ECT(0), so that it is not dropped for its ECN. */
int sender_send_marker(struct sender *s);

#endif
