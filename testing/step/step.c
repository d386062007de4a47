/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Runs a program and stops it at each of its points: in front of each system call that changes
 * something outside of the process. A call that fails changes nothing, so the next call after such
 * a call is not another point. At a point the program is killed, or waits until a command has
 * ended.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ptrace.h>
#include <sys/wait.h>

#include "calls.h"

#define EXIT_COMMAND 125 /* the command of --each failed, or we did */
#define MAX_TRACEES 16
#define SYSCALL_STOP (SIGTRAP | 0x80)

static struct {
	unsigned long kill, at, from, every;
	const char *each;
	bool list, all;
} opt = { .from = 1, .every = 1 };

static struct tracee {
	pid_t pid;
	bool changing; /* is in a call that changes something, if the call succeeds */
} tracees[MAX_TRACEES];

static unsigned long point;
static bool changed = true; /* since the last point */

static void die(const char *what)
{
	fprintf(stderr, "step: %s: %s\n", what, strerror(errno));
	exit(EXIT_COMMAND);
}

/* Returns the slot of a process or thread, and makes one: *known tells. */
static struct tracee *find_tracee(pid_t pid, bool *known)
{
	struct tracee *unused = NULL;

	for (struct tracee *t = tracees; t < tracees + MAX_TRACEES; t++) {
		*known = t->pid == pid;
		if (*known)
			return t;
		if (!t->pid && !unused)
			unused = t;
	}
	errno = ENOMEM;
	if (!unused)
		die("more threads than expected");
	*unused = (struct tracee){ .pid = pid };
	return unused;
}

/* Returns whether the command of --each succeeded. */
static bool run_command(pid_t program, const char *name)
{
	char number[CALL_NAME_SIZE];
	int status = -1;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		sprintf(number, "%lu", point);
		setenv("STEP_POINT", number, 1);
		sprintf(number, "%d", (int)program);
		setenv("STEP_PID", number, 1);
		setenv("STEP_NAME", name, 1);
		execl("/bin/sh", "sh", "-c", opt.each, NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

/* From a row of the same call --every leaves out some, and never the first. */
static bool wanted(const char *name)
{
	static char last[CALL_NAME_SIZE];
	static unsigned long repeated;

	repeated = strcmp(name, last) ? 0 : repeated + 1;
	strcpy(last, name);
	if (opt.at)
		return point == opt.at;
	return point >= opt.from && repeated % opt.every == 0;
}

static void at_point(pid_t pid, const char *name)
{
	point++;
	if (point == opt.kill)
		kill(pid, SIGKILL);
	if (opt.kill || !wanted(name))
		return;
	if (opt.list)
		printf("%lu %s\n", point, name);
	if (!opt.each || run_command(pid, name))
		return;
	fprintf(stderr, "step: point %lu (%s): failed: %s\n", point, name, opt.each);
	exit(EXIT_COMMAND); /* PTRACE_O_EXITKILL ends the program. */
}

static void at_syscall(struct tracee *t)
{
	struct __ptrace_syscall_info info;
	char name[CALL_NAME_SIZE];

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->pid, sizeof(info), &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
		changed |= t->changing && !info.exit.is_error;
		t->changing = false;
	} else if (info.op != PTRACE_SYSCALL_INFO_NONE) {
		t->changing = call_changes(t->pid, &info, name);
		if (!opt.all && (!t->changing || !changed))
			return;
		changed = false;
		at_point(t->pid, name);
	}
}

/* One stop of one thread, or its end. Goes on with it. */
static void at_stop(pid_t pid, int status)
{
	bool known;
	struct tracee *t = find_tracee(pid, &known);
	int sig = 0;

	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		t->pid = 0;
		return;
	}
	if (WSTOPSIG(status) == SYSCALL_STOP || status >> 16 == PTRACE_EVENT_SECCOMP)
		at_syscall(t);
	else if (status >> 16 == 0 && (known || WSTOPSIG(status) != SIGSTOP))
		sig = WSTOPSIG(status);
	/* Only the end of a change is of interest. ESRCH: it has just been killed. */
	if (ptrace(opt.all || t->changing ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, sig) &&
	    errno != ESRCH)
		die("ptrace");
}

/* Returns the program's exit status, or 128 and the signal that ended it. */
static int follow(pid_t program)
{
	int status, result = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid < 0)
			continue;
		at_stop(pid, status);
		if (pid == program && WIFEXITED(status))
			result = WEXITSTATUS(status);
		if (pid == program && WIFSIGNALED(status))
			result = 128 + WTERMSIG(status);
	}
	return result;
}

static pid_t start(char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC |
			     PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK;
	bool known;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0) {
			raise(SIGSTOP);
			/* LeakSanitizer would need ptrace() for itself. */
			setenv("ASAN_OPTIONS", "detect_leaks=0", 0);
			if (opt.all || call_filter())
				execvp(argv[0], argv);
		}
		fprintf(stderr, "step: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, 0, options) ||
	    ptrace(opt.all ? PTRACE_SYSCALL : PTRACE_CONT, pid, 0, 0))
		die("ptrace");
	find_tracee(pid, &known);
	return pid;
}

static void usage(void)
{
	fputs("usage: step --list | --kill N | --each COMMAND [OPTION...] -- PROGRAM ARGS...\n"
	      "  --list          print the points: a number and a system call each\n"
	      "  --kill N        kill the program at point N; the exit status is 137 then\n"
	      "  --each COMMAND  run COMMAND by sh while the program waits at each point, with\n"
	      "                  STEP_POINT, STEP_NAME and STEP_PID in its environment; 125: it "
	      "failed\n"
	      "  --at N          only at that point\n"
	      "  --from N        not before point N\n"
	      "  --every K       of the same call in a row only the first and each K-th after "
	      "that\n"
	      "  --all           each system call is a point\n"
	      "Otherwise the exit status is the program's.\n",
	      stderr);
	exit(EXIT_COMMAND);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || n == 0)
		usage();
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' },	   { "all", no_argument, NULL, 'a' },
		{ "kill", required_argument, NULL, 'k' },  { "each", required_argument, NULL, 'e' },
		{ "at", required_argument, NULL, 't' },	   { "from", required_argument, NULL, 'f' },
		{ "every", required_argument, NULL, 'n' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		switch (c) {
		case 'l':
			opt.list = true;
			break;
		case 'a':
			opt.all = true;
			break;
		case 'k':
			opt.kill = number(optarg);
			break;
		case 'e':
			opt.each = optarg;
			break;
		case 't':
			opt.at = number(optarg);
			break;
		case 'f':
			opt.from = number(optarg);
			break;
		case 'n':
			opt.every = number(optarg);
			break;
		default:
			usage();
		}
	if (optind == argc || opt.list + !!opt.kill + !!opt.each != 1)
		usage();
	return follow(start(argv + optind));
}
