/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tells which system calls change something outside of the process. */
#ifndef STEP_CALLS_H
#define STEP_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <sys/ptrace.h>

#define CALL_NAME_SIZE 64

/* Returns whether the call that begins changes something if the call succeeds, and writes its name.
 */
bool call_changes(pid_t pid, const struct __ptrace_syscall_info *info, char *name);

/* From now on PTRACE_EVENT_SECCOMP tells of the calls that may change something, and of no others.
 */
bool call_filter(void);

#endif
