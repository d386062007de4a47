/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Names a system call, and tells whether the call changes something outside of the process. */
#include "calls.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <util/macros.h>

enum call_kind {
	CALL_PLAIN,
	CALL_BPF, /* the first argument is a command */
	CALL_SENDTO, /* a netlink request, in a buffer */
	CALL_SENDMSG, /* a netlink request, in a struct msghdr */
	CALL_CLOSE, /* a change if the descriptor holds a link of a BPF program */
	CALL_OPEN, /* a change if the flags, the second argument, have O_CREAT */
	CALL_OPENAT, /* the same of the third argument */
};

struct call {
	long nr;
	enum call_kind kind;
	const char *name;
};

/* The set of these calls differs between architectures. */
static const struct call calls[] = {
	{ SYS_bpf, CALL_BPF, "bpf" },
	{ SYS_sendto, CALL_SENDTO, "sendto" },
	{ SYS_sendmsg, CALL_SENDMSG, "sendmsg" },
	{ SYS_close, CALL_CLOSE, "close" },
	{ SYS_openat, CALL_OPENAT, "openat" },
	{ SYS_flock, CALL_PLAIN, "flock" },
	{ SYS_mount, CALL_PLAIN, "mount" },
	{ SYS_umount2, CALL_PLAIN, "umount" },
	{ SYS_mkdirat, CALL_PLAIN, "mkdirat" },
	{ SYS_unlinkat, CALL_PLAIN, "unlinkat" },
	{ SYS_renameat2, CALL_PLAIN, "renameat2" },
#ifdef SYS_renameat
	{ SYS_renameat, CALL_PLAIN, "renameat" },
#endif
#ifdef SYS_open
	{ SYS_open, CALL_OPEN, "open" },
#endif
#ifdef SYS_mkdir
	{ SYS_mkdir, CALL_PLAIN, "mkdir" },
#endif
#ifdef SYS_rmdir
	{ SYS_rmdir, CALL_PLAIN, "rmdir" },
#endif
#ifdef SYS_unlink
	{ SYS_unlink, CALL_PLAIN, "unlink" },
#endif
#ifdef SYS_rename
	{ SYS_rename, CALL_PLAIN, "rename" },
#endif
};

#define N_CALLS ARRAY_SIZE(calls)

/* Commands that change something that outlives the process. The others read, or make something that
 * goes away with its descriptor. */
static const struct {
	unsigned int cmd;
	const char *name;
} bpf_commands[] = {
	{ BPF_MAP_UPDATE_ELEM, "BPF_MAP_UPDATE_ELEM" },
	{ BPF_MAP_DELETE_ELEM, "BPF_MAP_DELETE_ELEM" },
	{ BPF_MAP_UPDATE_BATCH, "BPF_MAP_UPDATE_BATCH" },
	{ BPF_MAP_DELETE_BATCH, "BPF_MAP_DELETE_BATCH" },
	{ BPF_MAP_LOOKUP_AND_DELETE_ELEM, "BPF_MAP_LOOKUP_AND_DELETE_ELEM" },
	{ BPF_MAP_FREEZE, "BPF_MAP_FREEZE" },
	{ BPF_OBJ_PIN, "BPF_OBJ_PIN" },
	{ BPF_PROG_ATTACH, "BPF_PROG_ATTACH" },
	{ BPF_PROG_DETACH, "BPF_PROG_DETACH" },
	{ BPF_LINK_CREATE, "BPF_LINK_CREATE" },
	{ BPF_LINK_UPDATE, "BPF_LINK_UPDATE" },
	{ BPF_LINK_DETACH, "BPF_LINK_DETACH" },
};

#define N_BPF_COMMANDS ARRAY_SIZE(bpf_commands)

static bool read_memory(pid_t pid, uint64_t from, void *to, size_t len)
{
	struct iovec local = { to, len }, remote = { (void *)(uintptr_t)from, len };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

/* Returns whether a descriptor of the program is a socket of rtnetlink. */
static bool is_route_socket(pid_t pid, int fd)
{
	int protocol = -1, domain = -1, copy, process = (int)syscall(SYS_pidfd_open, pid, 0);
	socklen_t len = sizeof(int);

	if (process < 0)
		return true; /* before Linux 5.6 */
	copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy >= 0) {
		getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &len);
		getsockopt(copy, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
		close(copy);
	}
	close(process);
	return domain == AF_NETLINK && protocol == NETLINK_ROUTE;
}

/* Returns whether a netlink request changes something, and appends its type to the name. */
static bool name_request(pid_t pid, int fd, uint64_t buffer, char *name)
{
	static const char *const verbs[] = { "NEW", "DEL", "GET", "SET" };
	static const char *const nouns[] = { "LINK", "ADDR",  "ROUTE",	"NEIGH",
					     "RULE", "QDISC", "TCLASS", "TFILTER" };
	struct nlmsghdr header;
	unsigned int type;

	if (!read_memory(pid, buffer, &header, sizeof(header)) || !is_route_socket(pid, fd))
		return false;
	type = header.nlmsg_type - RTM_BASE;
	if (type / 4 < ARRAY_SIZE(nouns))
		sprintf(name + strlen(name), " RTM_%s%s", verbs[type % 4], nouns[type / 4]);
	else
		sprintf(name + strlen(name), " %u", header.nlmsg_type);
	return type % 4 != 2;
}

static bool name_message(pid_t pid, int fd, uint64_t address, char *name)
{
	struct msghdr msg;
	struct iovec first;

	return read_memory(pid, address, &msg, sizeof(msg)) &&
	       read_memory(pid, (uintptr_t)msg.msg_iov, &first, sizeof(first)) &&
	       name_request(pid, fd, (uintptr_t)first.iov_base, name);
}

static bool name_command(uint64_t cmd, char *name)
{
	for (size_t i = 0; i < N_BPF_COMMANDS; i++)
		if (bpf_commands[i].cmd == cmd) {
			sprintf(name + strlen(name), " %s", bpf_commands[i].name);
			return true;
		}
	sprintf(name + strlen(name), " %u", (unsigned int)cmd);
	return false;
}

static bool holds_link(pid_t pid, uint64_t fd)
{
	char path[CALL_NAME_SIZE], target[CALL_NAME_SIZE] = "";

	sprintf(path, "/proc/%d/fd/%u", pid, (unsigned int)fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "bpf_link");
}

bool call_changes(pid_t pid, const struct __ptrace_syscall_info *info, char *name)
{
	const uint64_t *args = info->entry.args;

	sprintf(name, "%u", (unsigned int)info->entry.nr);
	for (const struct call *call = calls; call < calls + N_CALLS; call++) {
		if ((uint64_t)call->nr != info->entry.nr)
			continue;
		strcpy(name, call->name);
		switch (call->kind) {
		case CALL_PLAIN:
			return true;
		case CALL_BPF:
			return name_command(args[0], name);
		case CALL_SENDTO:
			return name_request(pid, (int)args[0], args[1], name);
		case CALL_SENDMSG:
			return name_message(pid, (int)args[0], args[1], name);
		case CALL_CLOSE:
			return holds_link(pid, args[0]);
		case CALL_OPEN:
			return args[1] & O_CREAT;
		case CALL_OPENAT:
			return args[2] & O_CREAT;
		}
	}
	return false;
}

/* The first argument, of which commands of bpf() have the lower half. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define COMMAND (offsetof(struct seccomp_data, args) + 4)
#else
#define COMMAND offsetof(struct seccomp_data, args)
#endif

/* The tool reads a thousand times for each change: without a filter it takes five times as long. */
bool call_filter(void)
{
	const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	const struct sock_filter trace = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	struct sock_filter code[2 * (N_CALLS + N_BPF_COMMANDS) + 6], *end = code;
	struct sock_fprog program = { .filter = code };

	*end++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < N_CALLS; i++)
		if (calls[i].kind != CALL_BPF) {
			*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							      (__u32)calls[i].nr, 0, 1);
			*end++ = trace;
		}
	*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 1, 0);
	*end++ = allow;
	*end++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, COMMAND);
	for (size_t i = 0; i < N_BPF_COMMANDS; i++) {
		*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						      bpf_commands[i].cmd, 0, 1);
		*end++ = trace;
	}
	*end++ = allow;
	program.len = (unsigned short)(end - code);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}
