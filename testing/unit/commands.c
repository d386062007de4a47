/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Runs commands for tests. */
#include "commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

void run(const char *command)
{
	if (system(command))
		fail_msg("failed: %s", command);
}

void run_ip(const char *lines)
{
	FILE *ip = popen("ip -batch -", "w");

	assert_non_null(ip);
	fputs(lines, ip);
	if (pclose(ip))
		fail_msg("failed: %s", lines);
}

bool try(const char *command)
{
	char quiet[512];

	snprintf(quiet, sizeof(quiet), "(%s) 2>/dev/null", command);
	return !system(quiet);
}
