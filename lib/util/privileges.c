/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Looks for the capabilities of this process that BPF programs of networking need. */
#include "privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "macros.h"
#include "reason.h"

/* Linux 5.8 split these two off CAP_SYS_ADMIN, which still implies them. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#define CAP_BPF 39
#endif

static const struct {
	const char *name;
	unsigned int number;
	bool implied; /* by CAP_SYS_ADMIN */
} needed[] = {
	{ "CAP_BPF", CAP_BPF, true },
	{ "CAP_NET_ADMIN", CAP_NET_ADMIN, false },
	{ "CAP_PERFMON", CAP_PERFMON, true },
};

/* All of them if the kernel does not tell: then it has the last word. */
static uint64_t effective(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (syscall(SYS_capget, &header, data))
		return UINT64_MAX;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

static bool missing(uint64_t have, unsigned int i)
{
	if (have >> needed[i].number & 1)
		return false;
	return !needed[i].implied || !(have >> CAP_SYS_ADMIN & 1);
}

bool privileges_complete(void)
{
	const uint64_t have = effective();

	for (unsigned int i = 0; i < ARRAY_SIZE(needed); i++)
		if (missing(have, i))
			return false;
	return true;
}

bool privileges_sys_admin(void)
{
	return effective() >> CAP_SYS_ADMIN & 1;
}

int privileges_check(void)
{
	const uint64_t have = effective();
	char names[64] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(needed); i++)
		if (missing(have, i))
			len += snprintf(names + len, sizeof(names) - len, "%s%s",
					len ? " and " : "", needed[i].name);
	if (!len)
		return 0;
	return failed(-EPERM, "not permitted without %s: run as root, or with " PRIVILEGES, names);
}
