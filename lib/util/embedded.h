/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* BPF objects that a program carries, packed by gzip (dscp-tool/embed.S). */
#ifndef UTIL_EMBEDDED_H
#define UTIL_EMBEDDED_H

#include <stdint.h>

struct bpf_object;
struct bpf_object_open_opts;

#define EMBEDDED(symbol) extern const unsigned char symbol##_start[], symbol##_end[]

/* Like bpf_object__open_mem(). NULL: errno tells why. */
struct bpf_object *embedded_open(const unsigned char *start, const unsigned char *end,
				 const struct bpf_object_open_opts *opts);

/* CRC-32 and length of the object, which its packed form ends with: however it was packed. */
uint64_t embedded_sum(const unsigned char *end);

#endif
