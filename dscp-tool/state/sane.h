/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Checks whether the tool could have written the values that are read from the maps. */
#ifndef STATE_SANE_H
#define STATE_SANE_H

#include <stdbool.h>
#include <stddef.h>

#include <dscp/abi.h>

#include "tunnel/request.h"

/* A string with an end that can be shown. A device's name: the kernel takes control characters,
 * terminals obey them. */
bool sane_text(const char *text, size_t size);
bool sane_name(const char name[DSCP_IFNAMSIZ]);

bool sane_tunnel(const struct dscp_tunnel *tunnel);
bool sane_request(const struct request *request);

#endif
