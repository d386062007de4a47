/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Commands that tests make their devices and routes with. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

/* Fails the running test if the command fails. */
void run(const char *command);
/* The same for lines of `ip -batch`: a process each would take most of the time in a test machine.
 */
void run_ip(const char *lines);
/* Says whether the command, which is quiet, has ended well. */
bool try(const char *command);

#endif
