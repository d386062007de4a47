/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Tests log: messages as they are printed, and the reasons found in libbpf's messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <util/log.h>

static FILE *captured;
static int real_stderr;

static void capture(void)
{
	fflush(stderr);
	captured = tmpfile();
	assert_non_null(captured);
	real_stderr = dup(STDERR_FILENO);
	dup2(fileno(captured), STDERR_FILENO);
}

/* The output to stderr since capture(). */
static const char *written(void)
{
	static char text[8192];
	size_t len;

	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	rewind(captured);
	len = fread(text, 1, sizeof(text) - 1, captured);
	text[len] = '\0';
	fclose(captured);
	return text;
}

static int reset(void **state)
{
	(void)state;
	log_set_verbose(false);
	log_reason_reset();
	log_capture_libbpf();
	return 0;
}

/* Sends a message the way libbpf does. */
static void libbpf_says(enum libbpf_print_level level, const char *fmt, ...)
{
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	va_list args;

	libbpf_set_print(print);
	va_start(args, fmt);
	print(level, fmt, args);
	va_end(args);
}

static void levels(void **state)
{
	(void)state;
	capture();
	log_error("%s: %d", "wg0", 7);
	log_warning("odd");
	log_debug("hidden");
	log_set_verbose(true);
	log_debug("shown");
	assert_string_equal(written(), "dscp-tool: wg0: 7\n"
				       "dscp-tool: warning: odd\n"
				       "dscp-tool: shown\n");
}

static void one_line(void **state)
{
	(void)state;
	capture();
	log_error("one\ntwo\nthree\n\n");
	log_error("%s", "");
	log_error("\n");
	assert_string_equal(written(), "dscp-tool: one / two / three\ndscp-tool: \ndscp-tool: \n");
}

/* Sequences that a terminal would obey stay out of it. */
static void printable(void **state)
{
	char text[] = "wg\033[2J\177\t\xc3\xa9";

	(void)state;
	capture();
	log_error("%s", "\033]0;title\a: no device");
	assert_string_equal(written(), "dscp-tool: ?]0;title?: no device\n");
	log_printable(text);
	assert_string_equal(text, "wg?[2J??\xc3\xa9");
}

static void long_line(void **state)
{
	static char text[5000];
	const char *line;

	(void)state;
	memset(text, '\n', sizeof(text) - 1);
	text[0] = 'a';
	text[900] = 'b';
	capture();
	log_error("%s", text);
	line = written();
	assert_true(strlen(line) < 2200);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void reason_none(void **state)
{
	(void)state;
	assert_string_equal(log_reason(), "");
}

static void reason_first_warning(void **state)
{
	(void)state;
	capture();
	libbpf_says(LIBBPF_DEBUG, "libbpf: loading\n");
	libbpf_says(LIBBPF_INFO, "libbpf: by the way\n");
	libbpf_says(LIBBPF_WARN, "libbpf: map '%s': failed to create\n", "flows");
	libbpf_says(LIBBPF_WARN, "libbpf: failed to load object\n");
	assert_string_equal(written(), "");
	assert_string_equal(log_reason(), "map 'flows': failed to create");
	log_reason_reset();
	assert_string_equal(log_reason(), "");
}

static void reason_extack(void **state)
{
	(void)state;
	libbpf_says(LIBBPF_WARN, "libbpf: something\n");
	libbpf_says(LIBBPF_WARN, "libbpf: Kernel error message: Exclusivity flag on\n");
	libbpf_says(LIBBPF_WARN, "libbpf: something else\n");
	assert_string_equal(log_reason(), "Exclusivity flag on");
}

static void reason_verifier(void **state)
{
	(void)state;
	libbpf_says(LIBBPF_WARN, "libbpf: prog 'p': BPF program load failed: Permission denied\n");
	libbpf_says(LIBBPF_WARN,
		    "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n%s-- END PROG LOAD LOG --\n",
		    "0: (b7) r0 = 0\nR1 invalid mem access 'scalar'\n"
		    "verification time 12 usec\nstack depth 8\n"
		    "processed 3 insns (limit 1000000)\n");
	libbpf_says(LIBBPF_WARN, "libbpf: failed to load object 'o'\n");
	assert_string_equal(log_reason(), "R1 invalid mem access 'scalar'");
}

/* As Linux 7.3 has it: a report with advice behind the verdict. */
static void reason_before_report(void **state)
{
	(void)state;
	libbpf_says(LIBBPF_WARN,
		    "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n%s-- END PROG LOAD LOG --\n",
		    "1: (61) r0 = *(u32 *)(r1 +0)\n"
		    "R1 min value is outside of the allowed memory range\n\n"
		    "Verification failed: Memory Safety: Access outside bounds\n\n"
		    "Suggestion:\n  Add or adjust a bounds check.\n\n"
		    "processed 2 insns (limit 1000000)\n");
	assert_string_equal(log_reason(), "R1 min value is outside of the allowed memory range");
}

static void verbose_libbpf(void **state)
{
	(void)state;
	log_set_verbose(true);
	capture();
	libbpf_says(LIBBPF_DEBUG, "libbpf: one\ntwo\n\n");
	assert_string_equal(written(), "dscp-tool: one\ndscp-tool: two\n");
	assert_string_equal(log_reason(), "");
}

/* The real thing: a program that the verifier refuses. */
static void reason_real_verifier(void **state)
{
	/* r0 = *(u32 *)r10 with r0 never set: "R0 !read_ok". */
	const struct bpf_insn insns[] = { { .code = BPF_JMP | BPF_EXIT } };
	char log[4096] = "";
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = sizeof(log),
		    .log_level = 1);

	(void)state;
	if (bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "bad", "GPL", insns, 1, &opts) >= 0 || !*log) {
		print_message("skipped: the verifier cannot be asked here\n");
		skip();
	}
	libbpf_says(LIBBPF_WARN,
		    "libbpf: prog 'bad': -- BEGIN PROG LOAD LOG --\n%s-- END PROG LOAD LOG --\n",
		    log);
	assert_string_equal(log_reason(), "R0 !read_ok");
}

/* libbpf's netlink code prints extack: a new namespace's loopback has no clsact. */
static void reason_real_extack(void **state)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = 1, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1);

	(void)state;
	if (unshare(CLONE_NEWNET)) {
		print_message("skipped: no network namespace can be made: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(bpf_tc_query(&hook, &opts), -EINVAL);
	assert_string_equal(log_reason(), "Parent Qdisc doesn't exists");
}

static void errors(void **state)
{
	(void)state;
	assert_string_equal(log_strerror(-ENODEV), "No such device");
	assert_string_equal(log_strerror(ENODEV), "No such device");
	assert_string_equal(log_strerror(-EPERM), "Operation not permitted");
	assert_string_equal(log_strerror(-EACCES), "Permission denied");
	assert_non_null(strstr(log_strerror(-LIBBPF_ERRNO__FORMAT), "BPF object format"));
	assert_non_null(strstr(log_strerror(LIBBPF_ERRNO__ENDIAN), "ndian"));
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(levels),
		TEST(one_line),
		TEST(printable),
		TEST(long_line),
		TEST(reason_none),
		TEST(reason_first_warning),
		TEST(reason_extack),
		TEST(reason_verifier),
		TEST(reason_before_report),
		TEST(verbose_libbpf),
		TEST(reason_real_verifier),
		TEST(reason_real_extack),
		TEST(errors),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
