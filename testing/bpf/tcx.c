/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Attaches somebody else's program by TCX, as Debian 12's tc and bpftool cannot, until the pin of
 * the link is removed. */
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <compat/tcx.h>

#define MAPS "/sys/fs/bpf/tc/globals" /* where tc pins them */

static int load(const char *path, const char *name)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .pin_root_path = MAPS);
	struct bpf_object *object = bpf_object__open_file(path, &opts);
	struct bpf_program *program;

	if (!object)
		return -errno;
	bpf_object__for_each_program (program, object)
		bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	if (bpf_object__load(object))
		return -errno;
	program = bpf_object__find_program_by_name(object, name);
	return program ? bpf_program__fd(program) : -ENOENT;
}

static int attach(const char *dev, bool egress, bool before, int prog_fd)
{
	struct tcx_link_create attr = {
		.prog_fd = (__u32)prog_fd,
		.target_ifindex = if_nametoindex(dev),
		.attach_type = egress ? BPF_TCX_EGRESS : BPF_TCX_INGRESS,
		.flags = before ? BPF_F_BEFORE : BPF_F_AFTER,
	};
	long fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 7) {
		fprintf(stderr, "usage: tcx DEV egress|ingress before|after OBJECT PROGRAM PIN\n");
		return 2;
	}
	fd = load(argv[4], argv[5]);
	if (fd >= 0)
		fd = attach(argv[1], !strcmp(argv[2], "egress"), !strcmp(argv[3], "before"), fd);
	if (fd >= 0 && bpf_obj_pin(fd, argv[6]))
		fd = -errno;
	if (fd >= 0)
		return 0;
	fprintf(stderr, "tcx: %s: %s: %s\n", argv[1], argv[5], strerror(-fd));
	return 1;
}
