/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Packets of a device as they pass it, without a file, and with the loss stated. */
#ifndef WIRE_OBSERVE_H
#define WIRE_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define OBSERVE_MAX 70000 /* bytes of a packet, merged ones included */

struct observer {
	int fd;
	bool frames; /* from the link-layer header on, tags included; else IP packets */
	bool leaving; /* the packets that the device sends instead of those that it receives */
};

/* Opens fd. protocol: ETH_P_ALL sees packets before TC ingress, as they are on the wire. ETH_P_IP
 * and ETH_P_IPV6 get the packets of the IP stack, after TC ingress (__netif_receive_skb_core()).
 * Negative errno after a message. */
int observer_open(struct observer *o, const char *dev, uint16_t protocol);
/* Reads the next packet: its length, or -EAGAIN if there is none, or another negative errno. */
ssize_t observer_next(const struct observer *o, uint8_t *packet);
/* The packets that the socket had no room for. */
unsigned int observer_drops(const struct observer *o);

#endif
