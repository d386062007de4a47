/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The whole command line: words, an end of a line behind each, on a system where nothing is loaded
 * and there is no device.
 */
#include <string.h>

#include "command.h"
#include "fuzz.h"

#define MAX_WORDS 64

static int split(char *text, char **words)
{
	int n = 0;

	words[n++] = "dscp-tool";
	while (text && n < MAX_WORDS)
		words[n++] = strsep(&text, "\n");
	words[n] = NULL;
	return n;
}

/* One sentence, by whom it is. */
static void check_error(const struct fuzz_output *o)
{
	const char *end = strchr(o->err, '\n');

	CHECK(!strncmp(o->err, "dscp-tool: ", 11), "%s", o->err);
	CHECK(end && !end[1], "not one line: %s", o->err);
}

static bool is_help(const struct fuzz_output *o)
{
	return !strncmp(o->out, "usage: ", 7) || !strncmp(o->out, "Usage: ", 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *words[MAX_WORDS + 1];
	int n = split(text, words), status;
	struct fuzz_output o;

	status = fuzz_run(n, words, &o);
	CHECK(status >= ENDLESS && status <= EXIT_UNHEALTHY, "exit status %d", status);
	check_printable(o.err, o.err_len);
	check_printable(o.out, o.out_len);
	if (status == EXIT_USAGE)
		CHECK(!o.out_len, "written before it was refused: %s", o.out);
	if ((status == EXIT_USAGE && strcmp(words[1], "")) || status == EXIT_NOT_LOADED)
		check_error(&o);
	else if (status > EXIT_DONE)
		CHECK(o.err_len, "refused without a word");
	else if (strcmp(words[1], "monitor")) /* which tells with --verbose what it does */
		CHECK(!o.err_len, "%s", o.err);
	for (int i = 2; i < n && o.out[0] == '{'; i++)
		if (!strcmp(words[i], "--json") || !strcmp(words[i], "-j"))
			check_json(o.out);
	CHECK(status != EXIT_DONE || o.out_len || is_help(&o) || !strcmp(words[1], "unload") ||
		      !strcmp(words[1], "monitor") || !strcmp(words[1], "dump-map"),
	      "done without a word");
	free(text);
	return 0;
}
