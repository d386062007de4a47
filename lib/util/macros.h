/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Small macros that every part uses: the size of an array, and releasing things at the end of a
 * block. */
#ifndef UTIL_MACROS_H
#define UTIL_MACROS_H

#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof(*(array)))

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

/* A descriptor, or a negative number, that is closed at the end of its block. */
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))
/* Memory of malloc(), or NULL, that is freed at the end of its block. */
#define _cleanup_free_ __attribute__((cleanup(cleanup_free)))

#endif
