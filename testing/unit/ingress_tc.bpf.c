/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The installed object once more, built here for its unit tests. */
#include "../../dscp-tool/bpf/dscp_ingress.bpf.c"
