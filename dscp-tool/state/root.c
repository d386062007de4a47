/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The directory of all state, on the bpffs. */
#include "state/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "state/kernel.h"
#include "util/macros.h"
#include "util/privileges.h"
#include "util/reason.h"

#define LOCK_SECONDS 30
#define LOOK_SECONDS 2

/* The parent of a process; 0: not known. */
static int parent_of(int pid)
{
	char path[32], line[256] = "", *behind;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	/* proc(5): the second field is a name in parentheses, with anything in it. */
	if (fgets(line, sizeof(line), f) && (behind = strrchr(line, ')')))
		sscanf(behind, ") %*c %d", &parent);
	fclose(f);
	return parent;
}

/* "MAJOR:MINOR ROOT MOUNTPOINT " of a line of mountinfo (proc(5)), or NULL. */
static char *mount_of(char *line)
{
	char *at = line, *end;

	for (int field = 0; at && field < 2; field++)
		at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL;
	end = at;
	for (int field = 0; end && field < 3; field++)
		end = strchr(end, ' ') ? strchr(end, ' ') + 1 : NULL;
	if (end)
		*end = 0;
	return end ? at : NULL;
}

static char *read_all(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = fopen(path, "re");

	if (f && getdelim(&text, &size, 0, f) < 0) {
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

/* Tells whether this mount namespace is a copy of a process's, as `ip netns exec` makes one: with
 * another /sys, and separate mounts in /etc. */
static bool is_copy_of(int process)
{
	_cleanup_free_ char *own = read_all("/proc/self/mountinfo"), *theirs = NULL;
	char path[64], *rest, *line, *mount;
	bool same = own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/mountinfo", process);
	theirs = rest = read_all(path);
	while (same && rest && (line = strsep(&rest, "\n"))) {
		mount = mount_of(line);
		same = !mount || strstr(mount, " /sys") || strstr(own, mount);
	}
	return same && theirs;
}

/* Tells whether it took this process's rights to make a mount namespace. In one of a user namespace
 * below, its maker decides on the mounts that this process sees. */
static bool is_trusted(int mounts)
{
	_cleanup_close_ int owner = ioctl(mounts, NS_GET_USERNS);
	struct stat theirs, own;

	return owner >= 0 && !fstat(owner, &theirs) && !stat("/proc/self/ns/user", &own) &&
	       theirs.st_ino == own.st_ino && theirs.st_dev == own.st_dev;
}

/* Enters the mount namespace of a process that sees a bpffs. The process may end meanwhile: its
 * directory in /proc never becomes the next process's with the number. */
static bool enter_mounts_of(int pid)
{
	_cleanup_close_ int process = -1, mounts = -1, here = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d", pid);
	process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/root" BPFFS, process);
	if (process < 0 || !kernel_is_bpffs(path) || !is_copy_of(process))
		return false;
	mounts = openat(process, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (mounts < 0 || !is_trusted(mounts))
		return false;
	here = open(".", O_PATH | O_CLOEXEC);
	/* Relative paths on the command line keep their meaning. */
	return !setns(mounts, CLONE_NEWNS) && !fchdir(here) && kernel_has_bpffs();
}

/* Returns false where /proc belongs to another PID namespace: its numbers mean other processes. */
static bool is_own_proc(void)
{
	char pid[16] = "";

	return readlink("/proc/self", pid, sizeof(pid) - 1) > 0 && atoi(pid) == getpid();
}

/* The process that has called `ip netns exec` is an ancestor, most often the parent. */
static bool enter_mounts_of_ancestor(void)
{
	if (!is_own_proc())
		return false;
	for (int pid = getppid(); pid > 1; pid = parent_of(pid))
		if (enter_mounts_of(pid))
			return true;
	return enter_mounts_of(1); /* also in a container, which was entered from outside */
}

static bool in_first_mount_namespace(void)
{
	struct stat own, first;

	return !stat("/proc/self/ns/mnt", &own) && !stat("/proc/1/ns/mnt", &first) &&
	       own.st_ino == first.st_ino;
}

int root_reach(void)
{
	/* Pins in a bpffs of this mount namespace alone would be lost with it. */
	if (kernel_has_bpffs() || enter_mounts_of_ancestor() || in_first_mount_namespace())
		return 0;
	return failed(-ENODEV,
		      "no bpffs at " BPFFS " in this mount namespace, nor in one that it is a "
		      "copy of: mount one first (mount -t bpf bpf " BPFFS ")");
}

/* A bpffs without a mode is open to all, and anybody may have made things there first: a process
 * that can write there decides which programs root attaches. */
static int judge_owner(const char *path, const struct stat *st)
{
	if (S_ISDIR(st->st_mode) && !(st->st_mode & (S_IWGRP | S_IWOTH)) &&
	    (!st->st_uid || st->st_uid == geteuid()))
		return 0;
	return failed(-EPROTO,
		      "%s: not a directory that only root can write to (owner %u, mode %o): "
		      "remove it",
		      path, st->st_uid, st->st_mode & 07777);
}

int root_check_owner(const char *path)
{
	struct stat st;

	return lstat(path, &st) ? 0 : judge_owner(path, &st);
}

static bool mounted; /* by this process */

static int make(void)
{
	if (!kernel_has_bpffs()) {
		if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
			return kernel_failed(-errno, "cannot mount a bpffs at", BPFFS);
		mounted = true;
	}
	if (mkdir(STATE_ROOT, 0700) && errno != EEXIST)
		return kernel_failed(-errno, "cannot make", STATE_ROOT);
	return 0;
}

/* False of a directory that was taken away while this process waited for the lock on it. */
static bool is_root(int fd)
{
	struct stat locked, now;

	return !fstat(fd, &locked) && !lstat(STATE_ROOT, &now) && locked.st_ino == now.st_ino &&
	       locked.st_dev == now.st_dev;
}

static int lock_once(int operation)
{
	int fd = open(STATE_ROOT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), err;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : kernel_failed(-errno, "cannot open", STATE_ROOT);
	if (!flock(fd, operation))
		return fd;
	err = errno == EWOULDBLOCK || errno == EINTR ? -EBUSY : -errno;
	close(fd);
	return err == -EBUSY ? err : kernel_failed(err, "cannot lock", STATE_ROOT);
}

static sigset_t unlocked; /* the signals that were blocked before */
static bool held;

/* A change that has begun is finished, and then the signal ends the process; SIGPIPE too, if nobody
 * reads the output meanwhile. */
static void hold_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGPIPE, SIGTERM };
	sigset_t set;

	if (held)
		return;
	held = true;
	sigemptyset(&set);
	for (unsigned int i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, &unlocked);
}

bool root_is_locked(void)
{
	return held;
}

static void release_signals(void)
{
	if (held)
		sigprocmask(SIG_SETMASK, &unlocked, NULL);
	held = false;
}

/* Checks the conditions for making or locking anything. */
static int prepare(void)
{
	int err = privileges_check();

	if (!err)
		err = root_reach();
	if (!err)
		err = root_check_owner(STATE_ROOT);
	if (err)
		return err;
	/* Else hooks would go, and their pins would not. */
	if (access(STATE_ROOT, W_OK) && errno == EROFS)
		return kernel_failed(-EROFS, "cannot change", STATE_ROOT);
	return 0;
}

/* The directory that is locked is not the one that prepare() has seen, if that was made since. */
static int take_locked(int fd)
{
	struct stat st;
	int err = fstat(fd, &st) ? 0 : judge_owner(STATE_ROOT, &st);

	if (!err) {
		hold_signals();
		return fd;
	}
	close(fd);
	return err;
}

static int take_lock(int operation, bool may_make)
{
	bool made = false;
	int fd, err = prepare();

	while (!err) {
		fd = lock_once(made ? operation | LOCK_NB : operation);
		if (fd >= 0 && is_root(fd))
			return take_locked(fd);
		if (fd >= 0) {
			close(fd);
		} else if (fd == -EBUSY && made) { /* another process was faster: wait for it */
			made = false;
			release_signals();
		} else if (fd == -ENOENT && may_make) {
			hold_signals(); /* the directory is a change already */
			err = make();
			made = true;
		} else {
			err = fd;
		}
	}
	release_signals();
	return err;
}

int root_try_lock(void)
{
	return take_lock(LOCK_EX | LOCK_NB, false);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* Sleep in flock() until the lock is free. A poll would hardly ever find it free while a script
 * makes one call after another. */
static int lock_within(unsigned int seconds, bool make)
{
	const struct sigaction action = { .sa_handler = on_alarm }; /* ends flock() with EINTR */
	/* Again each second: the first may come just before flock(). */
	const struct itimerval alarm = { .it_value.tv_sec = seconds, .it_interval.tv_sec = 1 };
	const struct itimerval no_alarm = {};
	sigset_t alarms;
	int fd;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	sigaction(SIGALRM, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &alarms, NULL);
	setitimer(ITIMER_REAL, &alarm, NULL);
	fd = take_lock(LOCK_EX, make);
	setitimer(ITIMER_REAL, &no_alarm, NULL);
	return fd;
}

int root_lock(bool make)
{
	int fd = lock_within(LOCK_SECONDS, make);

	if (fd == -EBUSY)
		failed(fd, "another dscp-tool has held %s for %d seconds: see fuser %s", STATE_ROOT,
		       LOCK_SECONDS, STATE_ROOT);
	return fd;
}

int root_lock_to_look(void)
{
	return lock_within(LOOK_SECONDS, false);
}

void root_unlock(const int *fd)
{
	bool gone;

	if (*fd < 0)
		return;
	gone = !rmdir(STATE_ROOT);
	close(*fd);
	/* Not the object that another process has opened there meanwhile. */
	if (gone && mounted)
		umount(BPFFS);
	release_signals();
}

static int by_number(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static int is_set(const struct dirent *entry)
{
	return !entry->d_name[strspn(entry->d_name, "0123456789")];
}

static bool is_flat(void)
{
	return !access(STATE_ROOT "/maps", F_OK);
}

int root_sets(uint64_t **sets)
{
	struct dirent **names;
	int n, err = root_reach();

	*sets = NULL;
	if (!err)
		err = root_check_owner(STATE_ROOT);
	if (err)
		return err;
	n = scandir(STATE_ROOT, &names, is_set, NULL);
	if (n < 0)
		return errno == ENOENT ? 0 : kernel_failed(-errno, "cannot list", STATE_ROOT);
	*sets = calloc(n + 1, sizeof(**sets));
	for (int i = 0; i < n; i++) {
		if (*sets)
			(*sets)[i] = strtoull(names[i]->d_name, NULL, 10);
		free(names[i]);
	}
	free(names);
	if (!*sets)
		return kernel_failed(-ENOMEM, "cannot list", STATE_ROOT);
	n += is_flat();
	qsort(*sets, n, sizeof(**sets), by_number);
	return n;
}
