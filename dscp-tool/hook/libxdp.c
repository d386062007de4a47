/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Attaches and detaches an XDP program beside foreign ones, through libxdp. */
#include "hook/libxdp.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "hook/owner.h"
#include "util/log.h"
#include "util/reason.h"

#ifdef HAVE_LIBXDP

#include <fcntl.h>
#include <linux/if_link.h>
#include <stdint.h>
#include <unistd.h>

#include <xdp/libxdp.h>

/* In front of programs that did not ask for a place (50): they may take packets away. */
#define RUN_PRIORITY 10

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5) /* Linux 5.18 */
#endif

static libbpf_print_fn_t libbpf_print;

/* The levels are the same numbers, says libxdp.h. */
static int on_libxdp_print(enum libxdp_print_level level, const char *fmt, va_list args)
{
	return libbpf_print ? libbpf_print((enum libbpf_print_level)level, fmt, args) : 0;
}

/* libxdp's messages go where libbpf's go: log_reason() is of both. */
static void capture_messages(void)
{
	libbpf_print = libbpf_set_print(NULL);
	libbpf_set_print(libbpf_print);
	libxdp_set_print(on_libxdp_print);
	log_reason_reset();
}

/* Finds the programs that run at a device; *there is NULL if none does. */
static int get_programs(int ifindex, struct xdp_multiprog **there)
{
	struct xdp_multiprog *programs = xdp_multiprog__get_from_ifindex(ifindex);
	int err = libxdp_get_error(programs);

	*there = err ? NULL : programs;
	return err == -ENOENT ? 0 : err;
}

/* Is it ours: alone there, or with others? */
static bool has_program(const struct xdp_multiprog *there, uint32_t prog_id)
{
	struct xdp_program *program = NULL;

	if (xdp_multiprog__is_legacy(there))
		return xdp_program__id(xdp_multiprog__main_prog(there)) == prog_id;
	while ((program = xdp_multiprog__next_prog(program, there)))
		if (xdp_program__id(program) == prog_id)
			return true;
	return false;
}

/* The mode that our program runs in; UNSPEC if it is not there, or the device is not. */
static int find_program(int ifindex, uint32_t prog_id, enum xdp_attach_mode *mode)
{
	struct xdp_multiprog *there;
	int err = get_programs(ifindex, &there);

	*mode = XDP_MODE_UNSPEC;
	if (!err && there && prog_id && has_program(there, prog_id))
		*mode = xdp_multiprog__attach_mode(there);
	xdp_multiprog__close(there);
	return err == -ENODEV ? 0 : err;
}

bool libxdp_supported(void)
{
	return true;
}

static bool is_like(const struct xdp_program *program, const char *name, int like_fd)
{
	return program && !strcmp(xdp_program__name(program), name) &&
	       owner_shares_map(xdp_program__fd(program), like_fd);
}

uint32_t libxdp_find(int ifindex, const char *name, int like_fd)
{
	struct xdp_program *program = NULL;
	struct xdp_multiprog *there;
	uint32_t id = 0;

	capture_messages();
	if (get_programs(ifindex, &there) || !there)
		return 0;
	if (xdp_multiprog__is_legacy(there)) {
		program = xdp_multiprog__main_prog(there);
		id = is_like(program, name, like_fd) ? xdp_program__id(program) : 0;
	} else {
		while (!id && (program = xdp_multiprog__next_prog(program, there)))
			id = is_like(program, name, like_fd) ? xdp_program__id(program) : 0;
	}
	xdp_multiprog__close(there);
	return id;
}

int libxdp_query(int ifindex, uint32_t prog_id, struct xdp_hook_state *state)
{
	enum xdp_attach_mode mode;
	int err;

	capture_messages();
	memset(state, 0, sizeof(*state));
	err = find_program(ifindex, prog_id, &mode);
	if (err || mode == XDP_MODE_UNSPEC)
		return err;
	state->attached = true;
	state->mode = mode == XDP_MODE_SKB ? XDP_HOOK_GENERIC : XDP_HOOK_NATIVE;
	state->prog_id = prog_id;
	return 0;
}

/* Detaching */

static int take_away(int ifindex, uint32_t prog_id, enum xdp_attach_mode mode)
{
	int err, fd = bpf_prog_get_fd_by_id(prog_id);
	struct xdp_program *program;

	if (fd < 0)
		return -errno;
	program = xdp_program__from_fd(fd);
	err = libxdp_get_error(program);
	/* The mode is named, because the kernel's choice for the dispatcher without ours would be
	 * native wherever the driver has it. */
	if (!err) {
		err = xdp_program__detach(program, ifindex, mode, 0);
		xdp_program__close(program);
	}
	close(fd);
	return err;
}

int libxdp_detach(int ifindex, const char *dev, uint32_t prog_id)
{
	enum xdp_attach_mode mode, now;
	int err;

	capture_messages();
	err = find_program(ifindex, prog_id, &mode);
	if (!err && mode != XDP_MODE_UNSPEC) {
		err = take_away(ifindex, prog_id, mode);
		if (!err)
			return 0;
		/* Somebody else may have been faster; libxdp's errors do not tell. */
		if (!find_program(ifindex, prog_id, &now) && now == XDP_MODE_UNSPEC)
			err = 0;
	}
	return err ? refused(err, "%s: cannot detach the XDP program", dev) : 0;
}

/* Attaching */

/* Programs with fragments ask for a flag of Linux 5.18; without it a driver refuses native mode
 * when the MTU exceeds a page. */
static bool kernel_has_frags(void)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_XDP_HAS_FRAGS);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, NULL, "GPL", pass, 2, &opts);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A program that is there without a dispatcher, or of which libxdp does not find its pins. */
static int no_place(const char *dev, const struct xdp_multiprog *there)
{
	const struct xdp_program *program = xdp_multiprog__main_prog(there);
	const char *name;

	if (!program)
		program = xdp_multiprog__hw_prog(there);
	name = program ? xdp_program__name(program) : NULL;
	if (name && !strcmp(name, "xdp_dispatcher"))
		return failed(
			-EBUSY,
			"%s: XDP programs are there whose pins are not in the bpffs that libxdp "
			"uses (/sys/fs/bpf/xdp or $LIBXDP_BPFFS): use the bpffs that they were "
			"attached with, or another --ingress-method",
			dev);
	return failed(-EBUSY,
		      "%s: an XDP program is there that is not in libxdp's dispatcher (%s, "
		      "id %u), and leaves no place for another: remove it, or attach it with "
		      "xdp-loader(8), or use another --ingress-method",
		      dev, name ? name : "?", xdp_program__id(program));
}

/* The mode that has to be used; UNSPEC if that is our choice. */
static int mode_in_use(int ifindex, const char *dev, enum xdp_attach_mode *mode)
{
	struct xdp_multiprog *there;
	int err = get_programs(ifindex, &there);

	*mode = there ? xdp_multiprog__attach_mode(there) : XDP_MODE_UNSPEC;
	if (err)
		refused(err, "%s: cannot see which XDP programs are there", dev);
	else if (there && xdp_multiprog__is_legacy(there))
		err = no_place(dev, there);
	xdp_multiprog__close(there);
	return err;
}

static int put(struct xdp_program *program, int ifindex, const char *dev, enum xdp_attach_mode mode)
{
	int err;

	log_reason_reset();
	err = xdp_program__attach(program, ifindex,
				  mode == XDP_MODE_UNSPEC ? XDP_MODE_NATIVE : mode, 0);
	/* A program that the kernel did not load is not loaded for generic mode either. */
	if (err && mode == XDP_MODE_UNSPEC && err != -ENODEV && xdp_program__fd(program) >= 0) {
		log_debug("%s: no native XDP: %s", dev, log_strerror(err));
		log_reason_reset();
		err = xdp_program__attach(program, ifindex, XDP_MODE_SKB, 0);
	}
	return err ? refused(err, "%s: cannot attach the XDP program", dev) : 0;
}

/* Puts the program into the dispatcher, beside our older one. */
static int join(int ifindex, const char *dev, struct bpf_object *object, const char *name)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = object, .prog_name = name);
	struct xdp_program *program = xdp_program__create(&opts);
	enum xdp_attach_mode mode;
	int err;

	if (!program)
		return refused(-errno, "%s: cannot use the XDP program", dev);
	xdp_program__set_run_prio(program, RUN_PRIORITY);
	xdp_program__set_chain_call_enabled(program, XDP_PASS, true);
	err = mode_in_use(ifindex, dev, &mode);
	if (!err)
		err = put(program, ifindex, dev, mode);
	xdp_program__close(program);
	return err;
}

/* A kernel that cannot put a program into another (BPF_PROG_TYPE_EXT) has no dispatcher: libxdp
 * then attaches a single program. *mode is our program's. */
static bool is_alone(int ifindex, uint32_t prog_id, enum xdp_attach_mode *mode)
{
	struct xdp_multiprog *there;
	bool alone;

	if (!prog_id || get_programs(ifindex, &there))
		return false;
	alone = xdp_multiprog__is_legacy(there) && has_program(there, prog_id);
	*mode = xdp_multiprog__attach_mode(there);
	xdp_multiprog__close(there);
	return alone;
}

/* By ourselves: libxdp cannot replace a single program, and between two calls packets would pass
 * unseen. */
static int exchange(int ifindex, const char *dev, struct bpf_object *object,
		    struct bpf_program *program, uint32_t old_prog_id, enum xdp_attach_mode mode)
{
	const __u32 flags = mode == XDP_MODE_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	int err;

	bpf_program__set_type(program, BPF_PROG_TYPE_XDP);
	bpf_program__set_autoload(program, true);
	err = bpf_object__load(object);
	if (err)
		return refused(err, "%s: cannot load the XDP program", dev);
	opts.old_prog_fd = bpf_prog_get_fd_by_id(old_prog_id);
	if (opts.old_prog_fd < 0)
		return refused(-errno, "%s: cannot get the old XDP program", dev);
	err = bpf_xdp_attach(ifindex, bpf_program__fd(program), flags, &opts);
	close(opts.old_prog_fd);
	return err ? refused(err, "%s: cannot replace the XDP program", dev) : 0;
}

/* Hands out the program that is attached now, and takes the old one out of the dispatcher; or, on
 * failure, the new one. old_prog_id 0: there is none. */
static int settle(int ifindex, const char *dev, const struct bpf_program *program,
		  uint32_t old_prog_id, int *prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int err = 0;

	*prog_fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 0);
	if (*prog_fd < 0)
		err = refused(-errno, "%s: cannot hold the XDP program", dev);
	else if (old_prog_id)
		err = libxdp_detach(ifindex, dev, old_prog_id);
	if (err && !bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
		libxdp_detach(ifindex, dev, info.id);
	return err;
}

int libxdp_attach(int ifindex, const char *dev, struct bpf_object *object, const char *name,
		  uint32_t old_prog_id, int *prog_fd)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	enum xdp_attach_mode mode;
	bool alone;
	int err;

	capture_messages();
	if (!program) {
		bpf_object__close(object);
		return failed(-ENOENT, "%s: there is no XDP program '%s' in the object", dev, name);
	}
	if (kernel_has_frags())
		bpf_program__set_flags(program, bpf_program__flags(program) | BPF_F_XDP_HAS_FRAGS);
	alone = is_alone(ifindex, old_prog_id, &mode);
	if (alone)
		err = exchange(ifindex, dev, object, program, old_prog_id, mode);
	else
		err = join(ifindex, dev, object, name);
	if (!err)
		err = settle(ifindex, dev, program, alone ? 0 : old_prog_id, prog_fd);
	bpf_object__close(object); /* libxdp leaves an object that it did not open to its owner */
	return err;
}

#else

bool libxdp_supported(void)
{
	return false;
}

static int without_libxdp(const char *dev, const char *what)
{
	return failed(-EOPNOTSUPP, "%s: built without libxdp: %s", dev, what);
}

int libxdp_attach(int ifindex, const char *dev, struct bpf_object *object, const char *name,
		  uint32_t old_prog_id, int *prog_fd)
{
	(void)ifindex;
	(void)name;
	(void)old_prog_id;
	(void)prog_fd;
	bpf_object__close(object);
	return without_libxdp(dev, "--ingress-method xdp is not possible");
}

int libxdp_detach(int ifindex, const char *dev, uint32_t prog_id)
{
	(void)ifindex;
	(void)prog_id;
	return without_libxdp(dev, "an XDP program cannot be detached");
}

uint32_t libxdp_find(int ifindex, const char *name, int like_fd)
{
	(void)ifindex;
	(void)name;
	(void)like_fd;
	return 0;
}

int libxdp_query(int ifindex, uint32_t prog_id, struct xdp_hook_state *state)
{
	(void)ifindex;
	(void)prog_id;
	memset(state, 0, sizeof(*state));
	return 0;
}

#endif
