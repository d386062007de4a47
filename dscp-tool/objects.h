/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The BPF objects that the tool carries, see embed.S. */
#ifndef OBJECTS_H
#define OBJECTS_H

extern const unsigned char dscp_egress_bpf_start[], dscp_egress_bpf_end[];

#endif
