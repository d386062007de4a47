/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Hides the differences between clang and GCC, in place of <bpf/bpf_helpers.h> and
 * <bpf/bpf_endian.h>. */
#ifndef DSCP_BPF_COMPILER_H
#define DSCP_BPF_COMPILER_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* A field of a packed struct, which is aligned all the same. Byte by byte, GCC 12 may put one of
 * its bytes on the stack and take eight from there. */
#define AT_ONCE(field) (*(const __typeof__(field) *)(const void *)&(field))

/* Moves what depends on this condition behind the code of the usual packet, in find_ip() worth one
 * nanosecond of egress_outer. */
#define RARELY(condition) __builtin_expect(!!(condition), 0)

#ifdef __clang__

/*
 * Makes a function of numbers global (Linux 5.6), so that the verifier goes through it once, not
 * again for each state that it is called in. Not a function of the packet: a kernel without BTF
 * (OpenWrt's, and Debian's for armhf and s390x) does not know the context among the arguments of a
 * global function, and takes the context for memory. libbpf does not take GCC 12's, which have no
 * function information.
 */
#define VERIFIED_ONCE __noinline

#define UNROLL _Pragma("unroll")
#define GCC_KEEP(value)

#else

#define VERIFIED_ONCE static __noinline

/* More rounds than any loop here has. */
#define UNROLL _Pragma("GCC unroll 32")

/* GCC then knows nothing of the value but that it is wanted, and does not calculate it by another
 * way, which the verifier could not follow. */
#define GCC_KEEP(value) asm("" : "+r"(value))

/* libbpf's helpers are pointers with the helper's number as value. Where the same number is wanted
 * for something else, GCC 12 takes both from one register and then refuses the indirect call. */
#define HELPER(name)                                                                               \
	extern __typeof__(*bpf_##name) helper_##name __attribute__((kernel_helper(BPF_FUNC_##name)))

HELPER(get_hash_recalc);
HELPER(l3_csum_replace);
HELPER(map_delete_elem);
HELPER(map_lookup_elem);
HELPER(map_update_elem);
HELPER(probe_read_kernel);
HELPER(redirect);
HELPER(set_hash);
HELPER(sk_fullsock);
HELPER(skb_adjust_room);
HELPER(skb_change_head);
HELPER(skb_change_tail);
HELPER(skb_load_bytes);
HELPER(skb_load_bytes_relative);
HELPER(skb_pull_data);
HELPER(skb_store_bytes);
HELPER(skb_vlan_push);
HELPER(tail_call);

#undef HELPER

#define bpf_get_hash_recalc helper_get_hash_recalc
#define bpf_l3_csum_replace helper_l3_csum_replace
#define bpf_map_delete_elem helper_map_delete_elem
#define bpf_map_lookup_elem helper_map_lookup_elem
#define bpf_map_update_elem helper_map_update_elem
#define bpf_probe_read_kernel helper_probe_read_kernel
#define bpf_redirect helper_redirect
#define bpf_set_hash helper_set_hash
#define bpf_sk_fullsock helper_sk_fullsock
#define bpf_skb_adjust_room helper_skb_adjust_room
#define bpf_skb_change_head helper_skb_change_head
#define bpf_skb_change_tail helper_skb_change_tail
#define bpf_skb_load_bytes helper_skb_load_bytes
#define bpf_skb_load_bytes_relative helper_skb_load_bytes_relative
#define bpf_skb_pull_data helper_skb_pull_data
#define bpf_skb_store_bytes helper_skb_store_bytes
#define bpf_skb_vlan_push helper_skb_vlan_push
#define bpf_tail_call helper_tail_call

#if __GNUC__ < 14 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* They have the instruction, and call a function of libgcc instead. */
static __always_inline __u32 swap_bytes(__u32 value)
{
	asm("endbe %0,32" : "+r"(value));
	return value;
}

#undef __bpf_ntohl
#define __bpf_ntohl swap_bytes
#undef __bpf_htonl
#define __bpf_htonl swap_bytes
#endif

#endif

#if defined __clang__ || defined __GCC_HAVE_SYNC_COMPARE_AND_SWAP_4

/* Returns the previous value. */
static __always_inline __u32 compare_and_swap(__u32 *p, __u32 old, __u32 new)
{
	return __sync_val_compare_and_swap(p, old, new);
}

static __always_inline void swap(__u32 *p, __u32 new)
{
	__sync_lock_test_and_set(p, new);
}

#else

/* GCC 12 and its assembler have only an atomic addition. So the instruction of Linux 5.12 by its
 * bytes: struct bpf_insn with BPF_STX | BPF_W | BPF_ATOMIC, to where r1 points, from r2. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ATOMIC(operation) ".byte 0xc3, 0x12\n\t.2byte 0\n\t.4byte " #operation
#else
#define ATOMIC(operation) ".byte 0xc3, 0x21\n\t.2byte 0\n\t.4byte " #operation
#endif

static __always_inline __u32 compare_and_swap(__u32 *p, __u32 old, __u32 new)
{
	register __u32 *address asm("r1") = p;
	register __u32 value asm("r2") = new;
	register __u32 there asm("r0") = old;

	asm volatile(ATOMIC(0xf1) : "+r"(there) : "r"(address), "r"(value) : "memory");
	return there;
}

static __always_inline void swap(__u32 *p, __u32 new)
{
	register __u32 *address asm("r1") = p;
	register __u32 value asm("r2") = new;

	asm volatile(ATOMIC(0xe1) : "+r"(value) : "r"(address) : "memory");
}

#undef ATOMIC

#endif

#endif
