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

/*
 * The linker marks a program as ready for CET (x86) or BTI, PAC and GCS (arm64) only if each object
 * in it is. There is no code here, which makes it ready for all that the compiler was asked for.
 */
#if defined(__CET__) && defined(__has_include)
#if __has_include(<cet.h>)
#include <cet.h>
#endif
#endif

#ifdef __aarch64__
#ifdef __ARM_FEATURE_BTI_DEFAULT
#define BTI 1
#else
#define BTI 0
#endif
#ifdef __ARM_FEATURE_PAC_DEFAULT
#define PAC 2
#else
#define PAC 0
#endif
#ifdef __ARM_FEATURE_GCS_DEFAULT
#define GCS 4
#else
#define GCS 0
#endif
#if BTI | PAC | GCS
	.section .note.gnu.property, "a"
	.balign 8
	.long 4, 16, 5 /* bytes of the name and of the rest; NT_GNU_PROPERTY_TYPE_0 */
	.asciz "GNU"
	.long 0xc0000000, 4, BTI | PAC | GCS, 0 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
#endif
#endif
