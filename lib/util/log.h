/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Messages for people go to stderr, one line each, with the program's name in front. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* prefix: between the program's name and the message */
void log_line(const char *prefix, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_line("", __VA_ARGS__)
#define log_warning(...) log_line("warning: ", __VA_ARGS__)
/* From now on log_error() also calls take, with its sentence. */
void log_errors_to(void (*take)(const char *sentence));
/* Says a step of a service. */
#define log_info(...) log_line("", __VA_ARGS__)
/* Only with --verbose. */
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_set_verbose(bool verbose);

/* Puts ? for control characters, which a terminal would obey: devices' names may have them. */
void log_printable(char *text);

/* Routes libbpf's messages here: to log_debug, and the warnings also into a buffer, since the
 * kernel's own sentence (extack, verifier) arrives only that way. */
void log_capture_libbpf(void);
/* Returns the most telling line that libbpf warned with since the last log_reason_reset(), without
 * its prefix and newline; "" if none. */
const char *log_reason(void);
void log_reason_reset(void);

/* strerror() that knows libbpf's own numbers too; err may be negative. Static buffer. */
const char *log_strerror(int err);

#endif
