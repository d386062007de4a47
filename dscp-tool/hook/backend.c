/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Says the sentences that all back ends of a hook share. */
#include "hook/backend.h"

#include "util/reason.h"

int hook_refused(const struct hook *hook, const char *what, int err)
{
	return refused(err, "%s: %s %s", hook->dev, what, hook_role(hook)->name);
}
