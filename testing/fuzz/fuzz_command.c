/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Fuzzes the whole command line: words, an end of a line behind each, on a system where nothing is
 * loaded and there is no device. Behind a byte 1 comes the content of the file that apply reads.
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

/* Sentences, by their source. */
static void check_error(const struct fuzz_output *o, bool is_one)
{
	const char *line = o->err, *end;

	do {
		end = strchr(line, '\n');
		CHECK(!strncmp(line, "dscp-tool: ", 11), "%s", o->err);
		CHECK(end, "the last line has no end: %s", o->err);
		line = end + 1;
		CHECK(!is_one || !*line, "not one line: %s", o->err);
	} while (*line);
}

/* The command, behind the network namespace. */
static const char *command_of(char *const *words)
{
	while (*++words) {
		if (!strcmp(*words, "-n") || !strcmp(*words, "--netns"))
			words += words[1] != NULL;
		else if (strncmp(*words, "-n", 2) && strncmp(*words, "--netns=", 8))
			return *words;
	}
	return "";
}

/* These have nothing to say where nothing is loaded. */
static bool is_silent(const char *command)
{
	static const char *const silent[] = { "unload", "monitor", "dump-map",
					      "reload", "save",	   "apply" };

	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		if (!strcmp(command, silent[i]))
			return true;
	return false;
}

static bool is_help(const struct fuzz_output *o)
{
	return !strncmp(o->out, "Usage: ", 7);
}

/* With --json an error is an object, and there is nothing else. */
static bool is_errors(const struct fuzz_output *o)
{
	return !strncmp(o->out, "{\"errors\":", 10);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size), *words[MAX_WORDS + 1];
	char *line = text, *lines = strchr(text, 1);
	int n, status;
	struct fuzz_output o;
	const char *command;

	if (lines)
		*lines++ = 0;
	fuzz_file = lines;
	n = split(line, words);
	command = command_of(words);
	status = fuzz_run(n, words, &o);
	CHECK(status >= ENDLESS && status <= EXIT_UNHEALTHY, "exit status %d", status);
	check_printable(o.err, o.err_len);
	check_printable(o.out, o.out_len);
	if (status == EXIT_USAGE)
		CHECK(!o.out_len || is_errors(&o), "written before it was refused: %s", o.out);
	if ((status == EXIT_USAGE && *command) || status == EXIT_NOT_LOADED)
		check_error(&o, status == EXIT_USAGE);
	else if (status > EXIT_DONE)
		CHECK(o.err_len, "refused without a word");
	else if (strcmp(command, "monitor")) /* which tells its steps with --verbose */
		CHECK(!o.err_len, "%s", o.err);
	for (int i = 2; i < n && o.out[0] == '{'; i++)
		if (!strcmp(words[i], "--json") || !strcmp(words[i], "-j"))
			check_json(o.out);
	CHECK(status != EXIT_DONE || o.out_len || is_help(&o) || is_silent(command),
	      "done without a word");
	free(text);
	return 0;
}
