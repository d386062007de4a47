/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Keeps the sentences that a command prints when something below it has failed. */
#include "reason.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

#define SENTENCES 8 /* a change and its way back have fewer */
#define SENTENCE 1024

static struct {
	bool is_advice;
	char text[SENTENCE];
} kept[SENTENCES];
static unsigned int n_kept;

/* A place for a sentence. Where there is none left the sentence is not kept. */
static char *next_text(bool is_advice)
{
	static char none[SENTENCE];

	if (n_kept == SENTENCES)
		return none;
	kept[n_kept].is_advice = is_advice;
	return kept[n_kept++].text;
}

int failed(int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(next_text(false), SENTENCE, fmt, args);
	va_end(args);
	return err;
}

int refused(int err, const char *fmt, ...)
{
	const char *reason = log_reason();
	char *text = next_text(false);
	va_list args;
	size_t len;

	va_start(args, fmt);
	vsnprintf(text, SENTENCE, fmt, args);
	va_end(args);
	len = strlen(text);
	snprintf(text + len, SENTENCE - len, ": %s%s%s", log_strerror(err), *reason ? ": " : "",
		 reason);
	return err;
}

void advise(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(next_text(true), SENTENCE, fmt, args);
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

unsigned int reason_count(void)
{
	return n_kept;
}

void reason_forget(unsigned int count)
{
	if (count < n_kept) /* else they have been printed since */
		n_kept = count;
}
