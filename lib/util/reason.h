/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Reasons: the sentences about a failure below a command. A function that fails returns a
 * negative errno and leaves the sentence here, as dlopen() does for dlerror(); it does not print,
 * since monitor tries the same thing again and again, and says once why it does not work. The
 * command prints the kept sentences, or clears them. Sentences are kept in their order: the first
 * is the cause, the rest came up when a change was taken back.
 */
#ifndef UTIL_REASON_H
#define UTIL_REASON_H

/* Keeps the sentence; returns err. */
int failed(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same of a request to the kernel or to libbpf: behind the sentence come the error's name, and
 * the reason that the kernel or libbpf gave since log_reason_reset(), if there is one. */
int refused(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Keeps a sentence about something that succeeds, but not as one would expect. */
void advise(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The first sentence of failed() since it was cleared, "" if there is none. */
const char *reason_first(void);

/* Prints the kept sentences, a line each on stderr, and clears them. */
void reason_print(void);
void reason_clear(void);

/* How many are kept, and back to so many: later sentences are of no account. */
unsigned int reason_count(void);
void reason_forget(unsigned int count);

#endif
