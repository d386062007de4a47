/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reports the kernel's reasons, and waits for the kernel. */
#include "state/kernel.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/log.h"
#include "util/privileges.h"
#include "util/reason.h"

int kernel_failed(int err, const char *what, const char *name)
{
	/* EACCES with a reason is the verifier's. */
	if (err == -EPERM || (err == -EACCES && !*log_reason()))
		return failed(err, "%s %s: %s (root is needed%s)", what, name, log_strerror(err),
			      privileges_complete() ? ": " PRIVILEGES " are not enough here"
						    : ", or " PRIVILEGES);
	return refused(err, "%s %s", what, name);
}

/* A grace period of RCU. */
void kernel_wait_for_programs(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}
