/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * TCX (Linux 6.6) for systems with an older <linux/bpf.h>. The numbers and the layouts are the
 * kernel's ABI; the enumerators cannot be tested for by the preprocessor, hence macros.
 */
#ifndef COMPAT_TCX_H
#define COMPAT_TCX_H

#include <linux/bpf.h>

#define BPF_TCX_INGRESS ((enum bpf_attach_type)46)
#define BPF_TCX_EGRESS ((enum bpf_attach_type)47)

#ifndef BPF_F_BEFORE
#define BPF_F_BEFORE (1U << 3)
#define BPF_F_AFTER (1U << 4)
#endif
#ifndef BPF_F_LINK
#define BPF_F_LINK (1U << 13)
#endif

/* union bpf_attr for BPF_LINK_CREATE of a TCX program. */
struct tcx_link_create {
	__u32 prog_fd;
	__u32 target_ifindex;
	__u32 attach_type;
	__u32 flags;
	__u32 relative_fd;
	__u32 pad;
	__u64 expected_revision;
};

/* The beginning of struct bpf_link_info, type BPF_LINK_TYPE_TCX. */
struct tcx_link_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 pad;
	__u32 ifindex; /* 0: the device is gone */
	__u32 attach_type;
};

#endif
