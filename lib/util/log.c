/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Prints messages, and keeps the words of libbpf and the kernel that tell why something failed. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/libbpf.h>

#define LINE 1024
#define PROGRAM "dscp-tool: "
#define KERNEL_WORD "Kernel error message: " /* libbpf's nlattr.c */
#define LOG_BEGIN "-- BEGIN PROG LOAD LOG --" /* libbpf.c, around the verifier's log */
#define LOG_END "-- END PROG LOAD LOG --"
#define REPORT_BEGIN "Verification failed: " /* Linux 7.3: advice behind the verdict */

static bool is_verbose;
static void (*error_taker)(const char *sentence);

/* The candidates for log_reason(), the most telling first. */
static struct {
	char kernel[LINE]; /* extack */
	char verifier[LINE]; /* the last line of its log that says something */
	char first[LINE];
	bool in_log;
} warnings;

void log_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			*text = '?';
}

/* One line on stderr, in one write(): newlines inside become " / ", those at the end go, and other
 * control characters, which a device's name may have, do not get to a terminal. Returns the line,
 * but for the program's name. */
static const char *print(const char *prefix, const char *fmt, va_list args)
{
	static char line[2 * LINE];
	char text[LINE];
	char *rest = text;
	size_t n;

	vsnprintf(text, sizeof(text), fmt, args);
	for (size_t len = strlen(text); len && text[len - 1] == '\n'; len--)
		text[len - 1] = '\0';
	n = snprintf(line, sizeof(line), PROGRAM "%s%s", prefix, strsep(&rest, "\n"));
	while (rest && n < sizeof(line))
		n += snprintf(line + n, sizeof(line) - n, " / %s", strsep(&rest, "\n"));
	log_printable(line);
	fprintf(stderr, "%s\n", line);
	return line + strlen(PROGRAM);
}

void log_line(const char *prefix, const char *fmt, ...)
{
	const char *sentence;
	va_list args;

	va_start(args, fmt);
	sentence = print(prefix, fmt, args);
	va_end(args);
	if (error_taker && !*prefix)
		error_taker(sentence);
}

void log_errors_to(void (*take)(const char *sentence))
{
	error_taker = take;
}

void log_debug(const char *fmt, ...)
{
	va_list args;

	if (!is_verbose)
		return;
	va_start(args, fmt);
	print("", fmt, args);
	va_end(args);
}

void log_set_verbose(bool verbose)
{
	is_verbose = verbose;
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* Statistics, which follow the verdict in the verifier's log. */
static bool is_statistics(const char *line)
{
	return starts_with(line, "processed ") || starts_with(line, "verification time ") ||
	       starts_with(line, "stack depth ");
}

static void remember(const char *line)
{
	const char *kernel = strstr(line, KERNEL_WORD);

	if (kernel)
		snprintf(warnings.kernel, LINE, "%s", kernel + strlen(KERNEL_WORD));
	else if (strstr(line, LOG_BEGIN))
		warnings.in_log = true;
	else if (strstr(line, LOG_END) || (warnings.in_log && starts_with(line, REPORT_BEGIN)))
		warnings.in_log = false;
	else if (warnings.in_log && !is_statistics(line))
		snprintf(warnings.verifier, LINE, "%s", line);
	else if (!warnings.in_log && !*warnings.first)
		snprintf(warnings.first, LINE, "%s", line);
}

static void take_line(enum libbpf_print_level level, const char *line)
{
	if (starts_with(line, "libbpf: "))
		line += strlen("libbpf: ");
	if (!*line)
		return;
	log_debug("%s", line);
	if (level == LIBBPF_WARN)
		remember(line);
}

/* A verifier's log comes as one message of many lines, and of any length. */
static int on_libbpf_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char *text = NULL;
	char *rest;
	va_list again;
	int len;

	if (level != LIBBPF_WARN && !is_verbose)
		return 0;
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	if (len >= 0)
		text = malloc(len + 1);
	if (text) {
		vsnprintf(text, len + 1, fmt, again);
		rest = text;
		while (rest)
			take_line(level, strsep(&rest, "\n"));
		free(text);
	}
	va_end(again);
	return 0;
}

void log_capture_libbpf(void)
{
	libbpf_set_print(on_libbpf_print);
}

const char *log_reason(void)
{
	if (*warnings.kernel)
		return warnings.kernel;
	return *warnings.verifier ? warnings.verifier : warnings.first;
}

void log_reason_reset(void)
{
	memset(&warnings, 0, sizeof(warnings));
}

const char *log_strerror(int err)
{
	static char text[128];

	if (err < 0)
		err = -err;
	if (err < __LIBBPF_ERRNO__START)
		return strerror(err);
	libbpf_strerror(err, text, sizeof(text));
	return text;
}
