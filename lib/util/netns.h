/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Network namespaces, known by the inode that `ls -Li /proc/PID/ns/net` shows. For a process of one
 * thread.
 */
#ifndef UTIL_NETNS_H
#define UTIL_NETNS_H

#include <stdbool.h>
#include <stdint.h>

#define NETNS_PATH 256

/* Number of the namespace that this process is in; 0: not known. */
uint64_t netns_own(void);

/* A number of the namespace that this process is in, which no other one ever had since the machine
 * started; the inode before Linux 5.14; 0: the kernel does not tell now. */
uint64_t netns_cookie(void);
/* The same of another one, known by its inode; 0: it cannot be entered. */
uint64_t netns_cookie_of(uint64_t netns);

/* The namespace that text means, as ip-link(8) takes it: a name of ip-netns(8), else a PID; a path
 * if it has a slash. Returns 0 or a negative errno, with a reason that begins with option. */
int netns_by_name(const char *option, const char *text, uint64_t *netns);

/* Opens a network namespace for setns(). Negative errno: this process does not find it. */
int netns_open(uint64_t netns);

/* Enters it for good. */
int netns_choose(const char *option, const char *text);

/* Something that leads to a namespace: where it is mounted, as ip-netns(8) does it, else a process
 * that is in it. False: there is nothing, as far as this process can see. */
bool netns_path(uint64_t netns, char path[static NETNS_PATH]);

/* Returns the name in a path that ip-netns(8) has made, else the path: netns_by_name() takes
 * both. */
const char *netns_short(const char *path);

/* Enters it, if this process is not in it already, and can; netns_own() tells. Returns the argument
 * for netns_leave(). */
int netns_enter(uint64_t netns);
void netns_leave(const int *home);

/* In that namespace from here to the end of the block, on every way out of it. */
#define NETNS_VISIT(netns)                                                                         \
	__attribute__((cleanup(netns_leave), unused)) const int netns_home = netns_enter(netns)

#endif
