/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#ifndef UTIL_PRIVILEGES_H
#define UTIL_PRIVILEGES_H

#include <stdbool.h>

#define PRIVILEGES "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"

/* Without one of these a change would fail half way. Says which are missing: -EPERM. */
int privileges_check(void);
/* The same, without a message. */
bool privileges_complete(void);
/* CAP_SYS_ADMIN: libxdp gets programs by their numbers, and setns() asks for it. */
bool privileges_sys_admin(void);

struct dscp_tunnel;

/* The same for a loaded tunnel that is to be changed or unloaded. Says so: -EPERM. */
int privileges_check_loaded(const struct dscp_tunnel *tunnel);

#endif
