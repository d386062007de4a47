/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tests the BPF objects of the tool for features that the kernel here does not refuse, but another
 * does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <compat/cmocka.h>

#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "maps.h"
#include <util/embedded.h>

EMBEDDED(dscp_egress_bpf);
EMBEDDED(dscp_ingress_bpf);
EMBEDDED(dscp_ingress_peek_bpf);
EMBEDDED(dscp_ingress_xdp_bpf);

#define LIMIT 300000

static const struct {
	const unsigned char *start, *end;
	bool needs_btf; /* the kernel's */
} objects[] = {
	{ dscp_egress_bpf_start, dscp_egress_bpf_end, false },
	{ dscp_ingress_bpf_start, dscp_ingress_bpf_end, false },
	{ dscp_ingress_xdp_bpf_start, dscp_ingress_xdp_bpf_end, false },
#ifdef HAVE_CORE
	{ dscp_ingress_peek_bpf_start, dscp_ingress_peek_bpf_end, true },
#endif
};

#define N_OBJECTS (sizeof(objects) / sizeof(objects[0]))

static struct bpf_object *open_object(size_t i)
{
	struct bpf_object *object = embedded_open(objects[i].start, objects[i].end, NULL);
	struct bpf_program *program;

	assert_non_null(object);
	bpf_object__for_each_program (program, object)
		if (bpf_program__type(program) != BPF_PROG_TYPE_XDP)
			bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	return object;
}

/* Is that type a pointer to a program's context? */
static bool is_context(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);
	const char *name;

	while (btf_is_mod(t) || btf_is_typedef(t))
		t = btf__type_by_id(btf, t->type);
	if (!btf_is_ptr(t))
		return false;
	t = btf__type_by_id(btf, t->type);
	while (btf_is_mod(t) || btf_is_typedef(t))
		t = btf__type_by_id(btf, t->type);
	name = btf__name_by_offset(btf, t->name_off);
	return btf_is_struct(t) && (!strcmp(name, "__sk_buff") || !strcmp(name, "xdp_md"));
}

static bool has_context(const struct btf *btf, const struct btf_type *func)
{
	const struct btf_type *proto = btf__type_by_id(btf, func->type);

	for (int i = 0; i < btf_vlen(proto); i++)
		if (is_context(btf, btf_params(proto)[i].type))
			return true;
	return false;
}

/* A kernel without BTF takes the context of such a function for memory, which may be NULL. A
 * function that begins a program is not one. */
static void no_global_function_has_the_context(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OBJECTS; i++) {
		struct bpf_object *object = open_object(i);
		const struct btf *btf = bpf_object__btf(object);

		for (uint32_t id = 1; btf && id < btf__type_cnt(btf); id++) {
			const struct btf_type *t = btf__type_by_id(btf, id);
			const char *name = btf__name_by_offset(btf, t->name_off);

			/* In a function, vlen is the linkage. */
			if (!btf_is_func(t) || btf_vlen(t) != BTF_FUNC_GLOBAL ||
			    bpf_object__find_program_by_name(object, name))
				continue;
			if (has_context(btf, t))
				fail_msg("%s", name);
		}
		bpf_object__close(object);
	}
}

/* The verifier gives up at a million instructions. How often the verifier goes through the same
 * ones depends on compiler and kernel, so each of them has to be far from the limit. */
static void the_verifier_is_far_from_its_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OBJECTS; i++) {
		struct bpf_object *object;
		struct bpf_program *program;

		if (objects[i].needs_btf && access("/sys/kernel/btf/vmlinux", R_OK))
			continue;
		object = open_object(i);
		maps_prepare(object);
		assert_int_equal(bpf_object__load(object), 0);
		bpf_object__for_each_program (program, object) {
			struct bpf_prog_info info = {};
			uint32_t bytes = sizeof(info);

			assert_int_equal(
				bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes), 0);
			print_message("%s: %u\n", bpf_program__name(program), info.verified_insns);
			assert_uint_in_range(info.verified_insns, 1, LIMIT);
		}
		bpf_object__close(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_global_function_has_the_context),
		cmocka_unit_test(the_verifier_is_far_from_its_limit),
	};

	return cmocka_run_group_tests_name("objects", tests, NULL, NULL);
}
