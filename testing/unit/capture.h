/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The output of the code under test to stdout or stderr, kept in a file until it is read. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdio.h>

struct capture {
	FILE *stream;
	FILE *file;
	int saved;
};

struct capture capture(FILE *stream);
void end_capture(struct capture *c, char *text, size_t size);

#endif
