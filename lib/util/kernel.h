/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Features of the running kernel, found out by trying. */
#ifndef UTIL_KERNEL_H
#define UTIL_KERNEL_H

#include <stdbool.h>

#define BTF_FILE "/sys/kernel/btf/vmlinux"

/* Tells whether the kernel shows its own BTF. */
bool kernel_has_btf(void);

#define BPFFS "/sys/fs/bpf"

/* Tells whether a bpffs is mounted there, in this mount namespace. */
bool kernel_has_bpffs(void);
/* The same of another place. */
bool kernel_is_bpffs(const char *path);

/* Returns NULL if programs may read the kernel's memory, else the reason that keeps them from
 * it. */
const char *kernel_no_probe_read(void);

#endif
