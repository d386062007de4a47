/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * In front of each source of the tool (clang -include): functions that have effects on the system,
 * or depend on it, go to stand_ins.c. Functions of libbpf and libmnl need no other name: functions
 * that are defined in the program come before the library's.
 */
#ifndef STAND_INS_H
#define STAND_INS_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <mntent.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int stand_in_open(const char *path);
int stand_in_stat(const char *path, struct stat *st);
int stand_in_statfs(const char *path, struct statfs *fs);
int stand_in_fstat(int fd, struct stat *st);
int stand_in_glob(glob_t *paths);
int stand_in_missing(void); /* -1 and ENOENT */
int stand_in_lstat(const char *path, struct stat *st);
int stand_in_mkdir(const char *path);
int stand_in_rmdir(const char *path);
int stand_in_scandir(const char *path, struct dirent ***names);
FILE *stand_in_fopen(const char *path);
FILE *stand_in_stdin(void);
int stand_in_sigaction(int number, const struct sigaction *action);
int stand_in_ppoll(void);
void stand_in_sleep(void) __attribute__((noreturn));
long stand_in_syscall(long number);
char *stand_in_indextoname(unsigned int ifindex, char *name);
unsigned int stand_in_nametoindex(const char *name);
void stand_in_wipe(void *buffer, size_t size);

static inline int stand_in_close(int fd)
{
	(void)fd;
	return 0;
}

#define open(path, ...) stand_in_open(path)
#define close(fd) stand_in_close(fd)
#define fcntl(fd, ...) (fd)
#define stat(path, st) stand_in_stat(path, st)
#define fstat(fd, st) stand_in_fstat(fd, st)
#define statfs(path, fs) stand_in_statfs(path, fs)
#define ioctl(fd, ...) CLONE_NEWNET
#define setns(fd, type) 0
#define glob(pattern, flags, each, paths) stand_in_glob(paths)
#define globfree(paths)
#define setmntent(path, mode) NULL
#define access(path, mode) stand_in_missing()
#define lstat(path, st) stand_in_lstat(path, st)
#define scandir(path, list, select, compare) stand_in_scandir(path, list)
#define nftw(...) 0
#define fopen(path, mode) stand_in_fopen(path)
#undef stdin
#define stdin stand_in_stdin()
#define flock(fd, operation) 0
#define mkdir(path, mode) stand_in_mkdir(path)
#define rmdir(path) stand_in_rmdir(path)
#define mount(...) 0
#define umount2(...) 0
#define unlink(path) ((void)(path), 0)
#define remove(path) ((void)(path), 0)
#define rename(from, to) ((void)(from), (void)(to), 0)
#define alarm(seconds) ((void)(seconds))
#define sigaction(number, action, old) stand_in_sigaction(number, action)
#define sigprocmask(...) 0
#define setvbuf(...) 0
#define isatty(fd) 0
#define ppoll(...) stand_in_ppoll()
#define sleep(seconds) stand_in_sleep()
#define nanosleep(...) 0
#define fork() (-1)
#define socket(...) 1000
#define bind(...) 0
#define setsockopt(...) 0
#define getsockopt(...) stand_in_missing()
#define recv(...) stand_in_missing()
#define syscall(number, ...) stand_in_syscall(number)
#define if_indextoname(ifindex, name) stand_in_indextoname(ifindex, name)
#define if_nametoindex(name) stand_in_nametoindex(name)
#define explicit_bzero(buffer, size) stand_in_wipe(buffer, size)
#define main dscp_tool_main

int dscp_tool_main(int argc, char **argv);

#endif
