/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The sentence for a refusal of the kernel or the system. */
#ifndef STATE_KERNEL_H
#define STATE_KERNEL_H

/* Keeps the sentence "WHAT NAME: why", with the kernel's own reason; returns err. */
int kernel_failed(int err, const char *what, const char *name);

#endif
