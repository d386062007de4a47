/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Puts whole packets on a device, with or without an Ethernet header, and keeps a record. */
#ifndef WIRE_INJECT_H
#define WIRE_INJECT_H

#include <pcap/pcap.h>

#include "options.h"
#include "packet.h"

struct inject {
	int fd;
	int ifindex;
	bool ethernet;
	struct mac mac; /* of the device */
	pcap_t *pcap;
	pcap_dumper_t *record; /* NULL: none */
	unsigned int sent;
};

/* Opens dev, and the file of the record unless it is NULL. Negative errno after a message. */
int inject_open(struct inject *inj, const char *dev, const char *record);
/* Sends one frame, padded to Ethernet's minimum as a network card does. Retries while the
 * queue is full. */
int inject_packet(struct inject *inj, struct packet *p);
/* -EIO after a message when the record could not be written. */
int inject_close(struct inject *inj);

#endif
