/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Traffic of other people on an Ethernet uplink, packet by packet. */
#ifndef WIRE_OTHERS_H
#define WIRE_OTHERS_H

#include "options.h"
#include "packet.h"

struct others_config {
	struct address src, dst, src6, dst6;
	struct mac eth_src, eth_dst;
	unsigned int count, rate, seconds, seed, tunnel_port;
	const char *record;
};

void others_init(struct others_config *cfg);
/* Builds the i-th frame, the same for the same seed. */
void others_build(const struct others_config *cfg, unsigned int i, struct packet *p);

#endif
