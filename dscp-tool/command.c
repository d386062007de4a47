/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* What the commands have in common. */
#include "command.h"

#include "util/log.h"

int set_verbose(void *member, const char *value, char *err, size_t err_len)
{
	(void)member;
	(void)value;
	(void)err;
	(void)err_len;
	log_set_verbose(true);
	return 0;
}

int parsed(int result)
{
	return result < 0 ? EXIT_USAGE : result > 0 ? EXIT_DONE : -1;
}

int not_loaded(const char *tunnel)
{
	log_error("%s: not loaded", tunnel);
	return EXIT_NOT_LOADED;
}
