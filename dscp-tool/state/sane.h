/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Whether the tool could have written what is read from the maps. */
#ifndef STATE_SANE_H
#define STATE_SANE_H

#include <stdbool.h>

#include <dscp/abi.h>

/* A device's name that can be shown: the kernel takes control characters, terminals obey them. */
bool sane_name(const char name[DSCP_IFNAMSIZ]);

bool sane_tunnel(const struct dscp_tunnel *tunnel);

#endif
