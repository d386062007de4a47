/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Keeps the sentences that a command prints when something below it has failed. */
#include "reason.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "log.h"

#define SENTENCES 8 /* a change and its way back have fewer */
#define SENTENCE 1024

static struct {
	bool is_advice;
	char text[SENTENCE];
} kept[SENTENCES];
static unsigned int n_kept;

static void keep(bool is_advice, const char *fmt, va_list args)
{
	if (n_kept == SENTENCES)
		return;
	kept[n_kept].is_advice = is_advice;
	vsnprintf(kept[n_kept++].text, SENTENCE, fmt, args);
}

int failed(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	keep(false, fmt, args);
	va_end(args);
	return err;
}

int refused(int err, const char *fmt, ...)
{
	const char *reason = log_reason();
	char text[SENTENCE];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return failed(err, "%s: %s%s%s", text, log_strerror(err), *reason ? ": " : "", reason);
}

void advise(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	keep(true, fmt, args);
	va_end(args);
}

const char *reason_first(void)
{
	for (unsigned int i = 0; i < n_kept; i++)
		if (!kept[i].is_advice)
			return kept[i].text;
	return "";
}

void reason_print(void)
{
	for (unsigned int i = 0; i < n_kept; i++) {
		if (kept[i].is_advice)
			log_warning("%s", kept[i].text);
		else
			log_error("%s", kept[i].text);
	}
	n_kept = 0;
}

void reason_clear(void)
{
	n_kept = 0;
}
