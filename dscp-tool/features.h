/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#ifndef FEATURES_H
#define FEATURES_H

#include <stdbool.h>

#define BTF_FILE "/sys/kernel/btf/vmlinux"

/* True if the kernel shows its own BTF. */
bool features_has_btf(void);

/* Returns NULL if programs may read the kernel's memory, as every way of ingress does; else what
 * keeps them from it. */
const char *features_no_probe_read(void);

#endif
