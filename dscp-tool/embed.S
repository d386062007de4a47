/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Carries one BPF object inside the tool, packed, whatever its byte order: see util/embedded.h.
 * Assembled once per object: OBJECT_SYMBOL=dscp_egress_bpf OBJECT_FILE="dscp_egress.bpf.o.gz" gives
 *
 *	extern const unsigned char dscp_egress_bpf_start[], dscp_egress_bpf_end[];
 */
#define PASTE(a, b) a##b
#define SYMBOL(name, suffix) PASTE(name, suffix)

	.section .rodata
	.global SYMBOL(OBJECT_SYMBOL, _start)
	.global SYMBOL(OBJECT_SYMBOL, _end)
SYMBOL(OBJECT_SYMBOL, _start):
	.incbin OBJECT_FILE
SYMBOL(OBJECT_SYMBOL, _end):

	/* No executable stack, please: silence means yes. */
	.section .note.GNU-stack, "", %progbits
