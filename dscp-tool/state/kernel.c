/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The sentence for a refusal of the kernel or the system. */
#include "state/kernel.h"

#include <errno.h>

#include "util/privileges.h"
#include "util/log.h"

int kernel_failed(int err, const char *what, const char *name)
{
	const char *reason = log_reason();

	/* EACCES with a reason is the verifier's. */
	if (err == -EPERM || (err == -EACCES && !*reason))
		log_error("%s %s: %s (root is needed%s)", what, name, log_strerror(err),
			  privileges_complete() ? ": " PRIVILEGES " are not enough here"
						: ", or " PRIVILEGES);
	else
		log_error("%s %s: %s%s%s", what, name, log_strerror(err), *reason ? ": " : "",
			  reason);
	return err;
}
