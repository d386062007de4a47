/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * TC programs on a real device: their position among foreign ones, and their owners. Each test has
 * a separate network namespace and bpffs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <compat/tcx.h>
#include "commands.h"
#include "hook/hook.h"
#include "hook/pin.h"
#include "hook/tcx.h"
#include <util/log.h>
#include <util/macros.h>
#include <util/netns.h>

#define BPFFS "/sys/fs/bpf"
#define OURS BPFFS "/ours/1" /* two sets of one copy of the tool */
#define OURS_TOO BPFFS "/ours/2"
#define THEIRS BPFFS "/theirs/1" /* a set of another copy */
#define LAST 49153

static int device;

/* A directory as a copy of the tool has it, with a map in it. */
static int make_set(const char *dir)
{
	static const char *const below[] = { "", "/maps", "/programs", "/hooks" };
	char path[64];
	int map;

	for (unsigned int i = 0; i < ARRAY_SIZE(below); i++) {
		snprintf(path, sizeof(path), "%s%s", dir, below[i]);
		if (mkdir(path, 0700))
			return -1;
	}
	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", 4, 4, 1, NULL);
	snprintf(path, sizeof(path), "%s/maps/config", dir);
	if (map < 0 || bpf_obj_pin(map, path))
		return -1;
	return close(map);
}

static int new_world(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", BPFFS, "bpf", 0, "mode=0700"))
		return -1;
	run("ip link add t0 type veth peer name t1 && ip link set t0 up");
	device = if_nametoindex("t0");
	run("mkdir " BPFFS "/ours " BPFFS "/theirs");
	return make_set(OURS) || make_set(OURS_TOO) || make_set(THEIRS);
}

static int end_world(void **state)
{
	(void)state;
	return umount(BPFFS);
}

/* A program of that name that goes on with the chain. dir: the owner of the map that it uses; NULL:
 * nobody. */
static int program(const char *dir, const char *name)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_LD | BPF_IMM | BPF_DW,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD },
		{},
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_UNSPEC },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char path[64];
	int fd;

	if (dir) {
		snprintf(path, sizeof(path), "%s/maps/config", dir);
		insns[0].imm = bpf_obj_get(path);
		assert_true(insns[0].imm >= 0);
	}
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", dir ? insns : insns + 2,
			   dir ? 4 : 2, NULL);
	assert_true(fd >= 0);
	if (dir)
		close(insns[0].imm);
	return fd;
}

static uint32_t id_of(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(prog_fd, &info, &len), 0);
	return info.id;
}

static struct hook hook(const char *dir, enum role role)
{
	return hook_for(dir, role, netns_own(), device, "t0");
}

/* The tool attaches a new program of that name; its id. */
static uint32_t attach(const char *dir, enum role role, enum attach_kind kind)
{
	const struct hook at = hook(dir, role);
	int fd = program(dir, program_roles[role].name);
	uint32_t id = id_of(fd);

	assert_int_equal(hook_attach(&at, fd, kind), 0);
	close(fd);
	return id;
}

/* The same program again, as load does it. */
static void attach_again(const char *dir, enum role role, enum attach_kind kind)
{
	const struct hook at = hook(dir, role);
	struct hook_state state;
	int fd;

	assert_int_equal(hook_query(&at, &state), 0);
	fd = bpf_prog_get_fd_by_id(state.prog_id);
	assert_true(fd >= 0);
	assert_int_equal(hook_attach(&at, fd, kind), 0);
	close(fd);
}

static struct hook_state state_of(const char *dir, enum role role)
{
	const struct hook at = hook(dir, role);
	struct hook_state state;

	assert_int_equal(hook_query(&at, &state), 0);
	return state;
}

static void assert_at(const char *dir, enum role role, uint32_t id, enum attach_kind kind,
		      uint32_t priority)
{
	struct hook_state state = state_of(dir, role);

	assert_int_equal(state.health, HOOK_OK);
	assert_int_equal(state.prog_id, id);
	assert_int_equal(state.attach, kind);
	assert_int_equal(state.priority, priority);
}

/* Their names, in the order in which they run. */
static void assert_neighbours_of(const char *dir, enum role role, enum hook_side side,
				 const char *expected)
{
	const struct hook_state state = state_of(dir, role);
	const struct hook at = hook(dir, role);
	struct hook_neighbour list[8];
	char names[8 * 65] = "";
	unsigned int n = hook_neighbours(&at, &state, side, list, 8);

	assert_true(n <= 8);
	for (unsigned int i = 0; i < n; i++)
		sprintf(names + strlen(names), "%s%s", i ? " " : "", list[i].name);
	assert_string_equal(names, expected);
}

static void assert_neighbours(enum role role, enum hook_side side, const char *expected)
{
	assert_neighbours_of(OURS, role, side, expected);
}

/* Somebody else's filter; priority 0: tc chooses. Returns the one that it has. */
static uint32_t filter(const char *name, uint32_t priority, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, tc, .ifindex = device, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program(NULL, name), .priority = priority,
		    .handle = handle);
	int err = bpf_tc_hook_create(&tc);

	assert_true(!err || err == -EEXIST);
	assert_int_equal(bpf_tc_attach(&tc, &opts), 0);
	close(opts.prog_fd);
	return opts.priority;
}

static void no_filter(uint32_t priority, uint32_t handle)
{
	LIBBPF_OPTS(bpf_tc_hook, tc, .ifindex = device, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = priority, .handle = handle);

	assert_int_equal(bpf_tc_detach(&tc, &opts), 0);
}

/* Somebody else's program, as long as the link is open. */
static int tcx(const char *name, bool before)
{
	struct tcx_link_create attr = {
		.prog_fd = program(NULL, name),
		.target_ifindex = device,
		.attach_type = BPF_TCX_EGRESS,
		.flags = before ? BPF_F_BEFORE : BPF_F_AFTER,
	};
	int fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	assert_true(fd >= 0);
	close(attr.prog_fd);
	return fd;
}

static void assert_no_clsact(void)
{
	run("! tc qdisc show dev t0 | grep -q clsact");
}

#define NEEDS_TCX()                                                                                \
	do {                                                                                       \
		if (!tcx_supported()) {                                                            \
			print_message("skipped: this kernel has no TCX\n");                        \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* Places */

static void last_of_filters(void **state)
{
	uint32_t id;

	(void)state;
	filter("early", 10, 1);
	filter("late", 60000, 1);
	id = attach(OURS, ROLE_EGRESS_INNER, ATTACH_CLSACT);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_CLSACT, 60001);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_AHEAD, "early late");
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "");
}

/* A filter with a priority that tc has chosen is in front, and has the one that there would be
 * without ours. */
static void automatic_priorities(void **state)
{
	uint32_t id;

	(void)state;
	id = attach(OURS, ROLE_EGRESS_INNER, ATTACH_CLSACT);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_CLSACT, LAST);
	assert_int_equal(filter("first", 0, 0), 49152);
	assert_int_equal(filter("second", 0, 0), 49151);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_AHEAD, "second first");
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "");
}

/* A filter that comes later: the next load goes behind it, hook_update() does not. */
static void filter_behind(void **state)
{
	const struct hook at = hook(OURS, ROLE_EGRESS_INNER);
	uint32_t id;
	int fd;

	(void)state;
	id = attach(OURS, ROLE_EGRESS_INNER, ATTACH_CLSACT);
	filter("late", 50000, 1);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "late");
	attach_again(OURS, ROLE_EGRESS_INNER, ATTACH_AUTO);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_CLSACT, 50001);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "");
	filter("later", 50002, 1);
	fd = program(OURS, "egress_inner");
	assert_int_equal(hook_update(&at, fd), 0);
	assert_at(OURS, ROLE_EGRESS_INNER, id_of(fd), ATTACH_CLSACT, 50001);
	close(fd);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "later");
	run("[ $(tc filter show dev t0 egress | grep -c egress_inner:) = 1 ]");
}

/* There is no place behind that one. */
static void the_last_priority(void **state)
{
	(void)state;
	filter("last", 65535, 1);
	attach(OURS, ROLE_EGRESS_INNER, ATTACH_CLSACT);
	for (int i = 0; i < 3; i++) {
		assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "last");
		attach_again(OURS, ROLE_EGRESS_INNER, ATTACH_AUTO);
		run("[ $(tc filter show dev t0 egress | grep -c egress_inner:) = 1 ]");
	}
	no_filter(65535, 1);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "");
}

static void last_of_tcx(void **state)
{
	int early, late, later;
	uint32_t id;

	(void)state;
	NEEDS_TCX();
	early = tcx("early", false);
	id = attach(OURS, ROLE_EGRESS_INNER, ATTACH_AUTO);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_TCX, 0);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_AHEAD, "early");
	late = tcx("late", false);
	later = tcx("later", false);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "late later");
	attach_again(OURS, ROLE_EGRESS_INNER, ATTACH_AUTO);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_TCX, 0);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_AHEAD, "early late later");
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "");
	assert_no_clsact();
	close(early);
	close(late);
	close(later);
}

/* With the qdisc ingress there can be no clsact to take its place meanwhile. */
static void last_of_tcx_beside_ingress(void **state)
{
	uint32_t id;
	int late;

	(void)state;
	NEEDS_TCX();
	run("tc qdisc add dev t0 ingress");
	id = attach(OURS, ROLE_EGRESS_INNER, ATTACH_AUTO);
	late = tcx("late", false);
	attach_again(OURS, ROLE_EGRESS_INNER, ATTACH_TCX);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_TCX, 0);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_AHEAD, "late");
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "");
	run("tc qdisc show dev t0 | grep -q ' ingress '");
	close(late);
}

/* TCX would run before them: so clsact it is, unless somebody asks for TCX. */
static void filters_on_a_kernel_with_tcx(void **state)
{
	uint32_t id;

	(void)state;
	NEEDS_TCX();
	filter("theirs", 10, 1);
	id = attach(OURS, ROLE_EGRESS_INNER, ATTACH_TCX);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_TCX, 0);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "theirs");
	attach_again(OURS, ROLE_EGRESS_INNER, ATTACH_TCX);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_TCX, 0);
	attach_again(OURS, ROLE_EGRESS_INNER, ATTACH_AUTO);
	assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_CLSACT, LAST);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_BEHIND, "");
	id = attach(OURS, ROLE_EGRESS_OUTER, ATTACH_AUTO);
	assert_at(OURS, ROLE_EGRESS_OUTER, id, ATTACH_TCX, 0);
	assert_neighbours(ROLE_EGRESS_INNER, HOOK_AHEAD, "theirs");
}

/* On a tunnel that is the uplink of another one: egress_outer first, whichever came first. inner:
 * the set of egress_inner. */
static void two_programs(const char *inner)
{
	static const enum role order[] = { ROLE_EGRESS_INNER, ROLE_EGRESS_OUTER,
					   ROLE_EGRESS_INNER };
	const enum attach_kind kinds[] = { ATTACH_CLSACT, ATTACH_TCX };
	const unsigned int n_kinds = tcx_supported() ? 2 : 1;

	for (unsigned int i = 0; i < 2 * n_kinds; i++) {
		struct hook first = hook(i % 2 ? OURS : inner, order[i % 2]);
		struct hook second = hook(i % 2 ? inner : OURS, order[i % 2 + 1]);

		attach(first.dir, first.role, kinds[i / 2]);
		attach(second.dir, second.role, kinds[i / 2]);
		filter("theirs", 20, 1);
		assert_neighbours(ROLE_EGRESS_OUTER, HOOK_AHEAD, "");
		assert_neighbours(ROLE_EGRESS_OUTER, HOOK_BEHIND, "");
		assert_neighbours_of(inner, ROLE_EGRESS_INNER, HOOK_AHEAD, i / 2 ? "" : "theirs");
		assert_neighbours_of(inner, ROLE_EGRESS_INNER, HOOK_BEHIND, i / 2 ? "theirs" : "");
		if (!(i / 2))
			assert_uint_in_range(state_of(OURS, ROLE_EGRESS_OUTER).priority, 1,
					     state_of(inner, ROLE_EGRESS_INNER).priority - 1);
		no_filter(20, 1);
		assert_int_equal(hook_detach(&first), 0);
		assert_int_equal(hook_detach(&second), 0);
		run("tc qdisc del dev t0 clsact 2>/dev/null || true");
	}
}

static void two_of_ours(void **state)
{
	(void)state;
	two_programs(OURS);
	two_programs(OURS_TOO);
}

/* Programs at ingress that are attached by TCX, in the order in which they run. */
static void assert_ingress(uint32_t first, uint32_t second)
{
	const struct hook at = hook(OURS, ROLE_INGRESS_INNER);
	uint32_t ids[TCX_MAX];

	assert_int_equal(tcx_list(&at, ids), 2);
	assert_int_equal(ids[0], first);
	assert_int_equal(ids[1], second);
}

/* The tunnel that is the uplink is in one set, and that inside in another: ingress_inner first. */
static void two_sets(void **state)
{
	struct hook inner = hook(OURS_TOO, ROLE_INGRESS_INNER);
	struct hook outer = hook(OURS, ROLE_INGRESS_OUTER);
	uint32_t first, second;
	int fd;

	(void)state;
	NEEDS_TCX();
	first = attach(OURS_TOO, ROLE_INGRESS_INNER, ATTACH_TCX);
	second = attach(OURS, ROLE_INGRESS_OUTER, ATTACH_TCX);
	assert_ingress(first, second);
	assert_neighbours(ROLE_INGRESS_OUTER, HOOK_AHEAD, "");
	assert_int_equal(hook_detach(&inner), 0);
	first = attach(OURS_TOO, ROLE_INGRESS_INNER, ATTACH_TCX);
	assert_ingress(first, second);
	assert_int_equal(hook_detach(&outer), 0);
	attach_again(OURS_TOO, ROLE_INGRESS_INNER, ATTACH_CLSACT);
	fd = program(OURS, "ingress_outer");
	assert_int_equal(hook_attach(&outer, fd, ATTACH_TCX), -EINVAL);
	assert_int_equal(hook_attach(&outer, fd, ATTACH_AUTO), 0);
	assert_at(OURS, ROLE_INGRESS_OUTER, id_of(fd), ATTACH_CLSACT, 5);
	close(fd);
	assert_int_equal(hook_detach(&inner), 0);
	assert_int_equal(hook_detach(&outer), 0);
	assert_no_clsact();
}

/* A link of another set that is dead is no place to come after: the number was used again. */
static void dead_link_of_another_set(void **state)
{
	struct hook dead = hook(OURS_TOO, ROLE_INGRESS_INNER);
	char was[PATH_MAX], is[PATH_MAX];
	uint32_t first, second;

	(void)state;
	NEEDS_TCX();
	attach(OURS_TOO, ROLE_INGRESS_INNER, ATTACH_TCX);
	pin_path(was, &dead);
	run("ip link del t0");
	run("ip link add t0 type veth peer name t1 && ip link set t0 up");
	device = dead.ifindex = if_nametoindex("t0");
	pin_path(is, &dead);
	assert_int_equal(rename(was, is), 0);
	second = attach(OURS, ROLE_INGRESS_OUTER, ATTACH_TCX);
	first = attach(OURS, ROLE_INGRESS_INNER, ATTACH_TCX);
	assert_ingress(first, second);
}

/* Owners */

/* A filter with the handle and the name of our filters. */
static void same_handle_and_name(void **state)
{
	struct hook at = hook(OURS, ROLE_EGRESS_OUTER);

	(void)state;
	attach(OURS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	filter("egress_outer", 9, 0xd5c9);
	no_filter(state_of(OURS, ROLE_EGRESS_OUTER).priority, 0xd5c9);
	assert_int_equal(state_of(OURS, ROLE_EGRESS_OUTER).health, HOOK_MISSING);
	assert_int_equal(hook_detach(&at), 0);
	run("tc filter show dev t0 egress | grep -q 'pref 9 .*egress_outer:'");
	run("[ -z \"$(ls " OURS "/hooks)$(ls " OURS "/.. | grep qdisc)\" ]");
}

static void two_copies(void **state)
{
	struct hook our = hook(OURS, ROLE_EGRESS_OUTER);
	struct hook their = hook(THEIRS, ROLE_EGRESS_OUTER);
	uint32_t ours, theirs;

	(void)state;
	ours = attach(OURS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	theirs = attach(THEIRS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	assert_at(OURS, ROLE_EGRESS_OUTER, ours, ATTACH_CLSACT, 1);
	assert_at(THEIRS, ROLE_EGRESS_OUTER, theirs, ATTACH_CLSACT, 2);
	assert_neighbours(ROLE_EGRESS_OUTER, HOOK_AHEAD, "");
	assert_int_equal(hook_detach(&their), 0);
	assert_at(OURS, ROLE_EGRESS_OUTER, ours, ATTACH_CLSACT, 1);
	theirs = attach(THEIRS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	/* The qdisc that we made is theirs now. */
	assert_int_equal(hook_detach(&our), 0);
	run("! ls " OURS "/.. | grep -q qdisc");
	assert_at(THEIRS, ROLE_EGRESS_OUTER, theirs, ATTACH_CLSACT, 2);
	assert_int_equal(hook_detach(&their), 0);
	run("[ -z \"$(tc filter show dev t0 egress)\" ]");
}

/* The qdisc that one set has made is the other's too, and so are the remains of a kill there. */
static void qdisc_of_two_sets(void **state)
{
	struct hook maker = hook(OURS, ROLE_EGRESS_OUTER), user = hook(OURS_TOO, ROLE_EGRESS_INNER);
	LIBBPF_OPTS(bpf_tc_hook, tc, .ifindex = device, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .priority = LAST, .handle = 0xd5c9);

	(void)state;
	attach(OURS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	attach(OURS_TOO, ROLE_EGRESS_INNER, ATTACH_CLSACT);
	assert_int_equal(hook_detach(&maker), 0);
	assert_int_equal(state_of(OURS_TOO, ROLE_EGRESS_INNER).health, HOOK_OK);
	assert_int_equal(hook_detach(&user), 0);
	assert_no_clsact();
	/* Also for a program with a filter that somebody has taken away. */
	attach(OURS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	attach(OURS_TOO, ROLE_EGRESS_INNER, ATTACH_CLSACT);
	no_filter(LAST, 0xd5c9);
	assert_int_equal(hook_detach(&maker), 0);
	run("tc qdisc show dev t0 | grep -q clsact");
	assert_int_equal(hook_detach(&user), 0);
	assert_no_clsact();
	NEEDS_TCX();
	opts.prog_fd = bpf_prog_get_fd_by_id(attach(OURS_TOO, ROLE_EGRESS_INNER, ATTACH_TCX));
	maker.role = ROLE_INGRESS_INNER;
	attach(OURS, ROLE_INGRESS_INNER, ATTACH_CLSACT);
	assert_int_equal(bpf_tc_attach(&tc, &opts), 0);
	close(opts.prog_fd);
	assert_int_equal(hook_detach(&maker), 0);
	run("tc qdisc show dev t0 | grep -q clsact");
	assert_int_equal(hook_detach(&user), 0);
	assert_no_clsact();
	run("! ls " OURS "/.. | grep -q qdisc");
}

/* A kill between the new pin and the exchange of the filter: a map in common tells. */
static void killed_between_pin_and_filter(void **state)
{
	struct hook at = hook(OURS, ROLE_EGRESS_OUTER);
	int fd = program(OURS, "egress_outer");
	char path[128];
	uint32_t id;

	(void)state;
	id = attach(OURS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	attach(THEIRS, ROLE_EGRESS_OUTER, ATTACH_CLSACT);
	snprintf(path, sizeof(path), OURS "/hooks/%llu-%d-egress_outer",
		 (unsigned long long)netns_own(), device);
	assert_int_equal(pin_put(OURS, fd, path), 0);
	assert_at(OURS, ROLE_EGRESS_OUTER, id, ATTACH_CLSACT, 1);
	assert_int_equal(hook_attach(&at, fd, ATTACH_AUTO), 0);
	assert_at(OURS, ROLE_EGRESS_OUTER, id_of(fd), ATTACH_CLSACT, 1);
	close(fd);
	fd = program(OURS, "egress_outer");
	assert_int_equal(pin_put(OURS, fd, path), 0);
	close(fd);
	assert_int_equal(hook_detach(&at), 0);
	run("[ $(tc filter show dev t0 egress | grep -c egress_outer:) = 1 ]");
	assert_int_equal(state_of(THEIRS, ROLE_EGRESS_OUTER).health, HOOK_OK);
}

/* A kill between the new place and the old one leaves two: the next load or unload takes one or
 * both. */
static void killed_between_two_places(void **state)
{
	struct hook at = hook(OURS, ROLE_EGRESS_INNER);
	struct bpf_tc_hook tc = { .sz = sizeof(tc),
				  .ifindex = device,
				  .attach_point = BPF_TC_EGRESS };
	uint32_t id;

	(void)state;
	id = attach(OURS, ROLE_EGRESS_INNER, ATTACH_CLSACT);
	for (int i = 0; i < 2; i++) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_prog_get_fd_by_id(id),
			    .priority = LAST + 1 + i, .handle = 0xd5c9);

		assert_int_equal(bpf_tc_attach(&tc, &opts), 0);
		close(opts.prog_fd);
		assert_at(OURS, ROLE_EGRESS_INNER, id, ATTACH_CLSACT, LAST + 1 + i);
		assert_neighbours(ROLE_EGRESS_INNER, HOOK_AHEAD, "");
		if (i)
			assert_int_equal(hook_detach(&at), 0);
		else
			attach_again(OURS, ROLE_EGRESS_INNER, ATTACH_AUTO);
	}
	assert_no_clsact();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, new_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(last_of_filters),
		TEST(automatic_priorities),
		TEST(filter_behind),
		TEST(the_last_priority),
		TEST(last_of_tcx),
		TEST(last_of_tcx_beside_ingress),
		TEST(filters_on_a_kernel_with_tcx),
		TEST(two_of_ours),
		TEST(two_sets),
		TEST(dead_link_of_another_set),
		TEST(same_handle_and_name),
		TEST(two_copies),
		TEST(qdisc_of_two_sets),
		TEST(killed_between_pin_and_filter),
		TEST(killed_between_two_places),
	};

	if (geteuid()) {
		printf("ok - hook # SKIP needs root, to attach programs\n");
		return 0;
	}
	log_capture_libbpf();
	return cmocka_run_group_tests_name("hook", tests, NULL, NULL);
}
