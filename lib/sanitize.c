/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Defaults of the sanitizers, linked into every sanitized program, so that they also hold where a
 * test cleans the environment or runs in another machine. 99 is no exit status of any program
 * here: a finding can never pass for an expected failure.
 */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "exitcode=99:halt_on_error=1:detect_leaks=1";
}

const char *__ubsan_default_options(void)
{
	return "exitcode=99:halt_on_error=1:print_stacktrace=1";
}
