/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The kernel's reasons, and waiting for the kernel. */
#ifndef STATE_KERNEL_H
#define STATE_KERNEL_H

/* Keeps the sentence "TEXT NAME: why", with the kernel's own reason; returns err. */
int kernel_failed(int err, const char *what, const char *name);

/* Waits until no BPF program runs any more that runs now. Only a kernel with nohz_full= cannot do
 * that; then a packet may be missing in the counters, or may have the tunnel's own new policy. */
void kernel_wait_for_programs(void);

#endif
