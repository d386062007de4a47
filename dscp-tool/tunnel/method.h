/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The methods by which ingress finds the outer DSCP of a packet: tc, peek and xdp. */
#ifndef TUNNEL_METHOD_H
#define TUNNEL_METHOD_H

#include <dscp/abi.h>

#include "tunnel/request.h"

/* Chooses the method of a tunnel of known kind: the one that is asked for, or the best one that
 * this kernel and this build have. Returns 0, TUNNEL_USAGE or a negative errno, with its reason. */
int method_choose(const struct request *request, struct dscp_tunnel *tunnel);

/* The word for a method on the command line. */
const char *method_name(enum dscp_method method);

/* Returns the reason for a method that was not asked for. */
const char *method_reason(const struct dscp_tunnel *tunnel);

#endif
