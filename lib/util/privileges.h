/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The capabilities that BPF programs of networking need. */
#ifndef UTIL_PRIVILEGES_H
#define UTIL_PRIVILEGES_H

#include <stdbool.h>

#define PRIVILEGES "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON"

/* Returns 0, or -EPERM with a sentence that names those which are missing. */
int privileges_check(void);
/* The same, without a sentence. */
bool privileges_complete(void);
/* CAP_SYS_ADMIN: libxdp gets programs by their numbers, and setns() asks for it. */
bool privileges_sys_admin(void);

#endif
