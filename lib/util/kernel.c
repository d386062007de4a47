/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Asks the kernel for features that programs at tunnels need. */
#include "kernel.h"

#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "macros.h"
#include "privileges.h"

#define LOCKDOWN_FILE "/sys/kernel/security/lockdown"

bool kernel_has_btf(void)
{
	return !access(BTF_FILE, R_OK);
}

bool kernel_is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

bool kernel_has_bpffs(void)
{
	return kernel_is_bpffs(BPFFS);
}

/* A program that calls it for real: libbpf's own probe reads the verifier's words, and these have
 * changed. */
static bool has_probe_read(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = -8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 8 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_probe_read_kernel },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "probe", "GPL", program,
			       ARRAY_SIZE(program), NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Returns the reason that keeps programs from reading the kernel's memory: the verifier says the
 * same of all. */
static const char *probe_read_refuser(void)
{
	char line[64] = "";
	FILE *file;

	/* The verifier knows the helper for CAP_PERFMON only. */
	if (!privileges_complete())
		return "not permitted without " PRIVILEGES;
	/* Not to be seen where securityfs is not mounted, as under "ip netns exec". */
	file = fopen(LOCKDOWN_FILE, "re");
	if (!file)
		return "the kernel is built without CONFIG_BPF_EVENTS, or locked down to "
		       "confidentiality";
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	return strstr(line, "[confidentiality]") ? "the kernel is locked down to confidentiality"
						 : "the kernel is built without CONFIG_BPF_EVENTS";
}

const char *kernel_no_probe_read(void)
{
	return has_probe_read() ? NULL : probe_read_refuser();
}
