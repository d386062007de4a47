/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Keeps the output to stdout or stderr in a file until it is read. */
#include "capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

struct capture capture(FILE *stream)
{
	struct capture c = { .stream = stream, .file = tmpfile() };

	assert_non_null(c.file);
	fflush(stream);
	c.saved = dup(fileno(stream));
	dup2(fileno(c.file), fileno(stream));
	return c;
}

void end_capture(struct capture *c, char *text, size_t size)
{
	size_t len;

	fflush(c->stream);
	dup2(c->saved, fileno(c->stream));
	close(c->saved);
	rewind(c->file);
	len = fread(text, 1, size - 1, c->file);
	text[len] = '\0';
	fclose(c->file);
}
