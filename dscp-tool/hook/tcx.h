/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Programs attached by TCX links (Linux 6.6), which run in a separate list. */
#ifndef HOOK_TCX_H
#define HOOK_TCX_H

#include <stdbool.h>
#include <stdint.h>

#include "hook/backend.h"

#define TCX_MAX 64 /* programs at one point, as many as the kernel takes: BPF_MPROG_MAX */

extern const struct hook_backend tcx_backend;

/* Tells whether this kernel has TCX. */
bool tcx_supported(void);

/* Fills in the ids of the programs at that point of the device, in their order. Returns how many
 * there are, or a negative errno, without a sentence: -EINVAL is a kernel without TCX. */
int tcx_list(const struct hook *hook, uint32_t ids[static TCX_MAX]);

#endif
