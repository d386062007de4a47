/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds and enters network namespaces by their inodes. */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "macros.h"
#include "reason.h"

#define OWN "/proc/self/ns/net"

#ifndef SO_NETNS_COOKIE /* asm-generic/socket.h since Linux 5.14 */
#define SO_NETNS_COOKIE 71
#endif

static uint64_t inode(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

uint64_t netns_own(void)
{
	return inode(OWN);
}

/* By statfs() first: to open a device or a pipe can have effects. */
static int open_path(const char *path)
{
	struct statfs fs;
	int fd;

	if (statfs(path, &fs))
		return -errno;
	if (fs.f_type != NSFS_MAGIC)
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return fd;
	close(fd);
	return -EINVAL;
}

/* path: where it is. */
static int open_by_name(const char *option, const char *text, char path[static NETNS_PATH])
{
	/* ip-netns(8) says /var/run, which is /run nearly everywhere. */
	static const char *const places[] = { "/run/netns/%s", "/var/run/netns/%s",
					      "/proc/%s/ns/net" };
	int fd = -ENOENT;

	snprintf(path, NETNS_PATH, "%s", text);
	if (strchr(text, '/'))
		fd = open_path(text);
	for (unsigned int i = 0;
	     i < ARRAY_SIZE(places) && fd == -ENOENT && *text && !strchr(text, '/'); i++) {
		if (i == 2 && text[strspn(text, "0123456789")])
			break;
		if (snprintf(path, NETNS_PATH, places[i], text) < NETNS_PATH)
			fd = open_path(path);
	}
	if (fd < 0)
		failed(fd, "%s '%s': %s: use a name in /run/netns, the PID of a process, or a path",
		       option, text, fd == -EINVAL ? "no network namespace" : strerror(-fd));
	return fd;
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

int netns_by_name(const char *option, const char *text, uint64_t *netns)
{
	char path[NETNS_PATH];
	_cleanup_close_ int fd = open_by_name(option, text, path);

	*netns = inode_of(fd);
	return fd < 0 ? fd : 0;
}

/* The namespace that this process has chosen to be in. Perhaps nothing else leads there that can be
 * found. */
static int chosen = -1;
static char chosen_path[NETNS_PATH];

int netns_choose(const char *option, const char *text)
{
	chosen = open_by_name(option, text, chosen_path);
	if (chosen < 0)
		return chosen;
	if (inode_of(chosen) == netns_own() || !setns(chosen, CLONE_NEWNET))
		return 0;
	return failed(-errno,
		      "%s '%s': cannot enter that network namespace, which needs CAP_SYS_ADMIN",
		      option, text);
}

/* Paths that lead to a namespace, as of the last look for one that is not among them. To look
 * through /proc for each question would take most of the time where there are many. */
struct place {
	uint64_t netns;
	char path[NETNS_PATH];
};

static struct place *places;
static size_t n_places, max_places;
static time_t looked_at; /* seconds since the start of the machine */

static void add_place(const char *path)
{
	struct place *more = places;
	struct stat st;

	if (strlen(path) >= NETNS_PATH)
		return;
	if (n_places == max_places) {
		more = realloc(places, (2 * max_places + 64) * sizeof(*places));
		if (!more)
			return;
		max_places = 2 * max_places + 64;
	}
	places = more;
	places[n_places].netns = stat(path, &st) ? 0 : st.st_ino;
	strcpy(places[n_places++].path, path);
}

static void add_mounts(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	const struct mntent *mount;

	while (mounts && (mount = getmntent(mounts)))
		if (!strcmp(mount->mnt_type, "nsfs"))
			add_place(mount->mnt_dir);
	if (mounts)
		endmntent(mounts);
}

static void add_processes(void)
{
	glob_t paths = {};

	if (!glob("/proc/[0-9]*/ns/net", GLOB_NOSORT, NULL, &paths))
		for (size_t n = 0; n < paths.gl_pathc; n++)
			add_place(paths.gl_pathv[n]);
	globfree(&paths);
}

static const struct place *find_place(uint64_t netns)
{
	for (size_t n = 0; n < n_places; n++)
		if (places[n].netns == netns && inode(places[n].path) == netns)
			return &places[n];
	return NULL;
}

static bool was_there(uint64_t netns)
{
	for (size_t n = 0; n < n_places; n++)
		if (places[n].netns == netns)
			return true;
	return false;
}

/* A namespace not found a second ago is taken to be gone, unless a process that we found it through
 * has exited. */
static bool worth_a_look(uint64_t netns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (n_places && now.tv_sec - looked_at <= 1 && !was_there(netns))
		return false;
	looked_at = now.tv_sec;
	return true;
}

bool netns_path(uint64_t netns, char path[static NETNS_PATH])
{
	const struct place *place = find_place(netns);

	if (!place && worth_a_look(netns)) {
		n_places = 0;
		add_mounts();
		add_place(chosen_path);
		add_processes();
		place = find_place(netns);
	}
	if (place)
		strcpy(path, place->path);
	return place;
}

const char *netns_short(const char *path)
{
	static const char place[] = "/run/netns/";

	return strncmp(path, place, sizeof(place) - 1) ? path : path + sizeof(place) - 1;
}

int netns_open(uint64_t netns)
{
	char path[NETNS_PATH];
	int fd;

	if (netns == inode_of(chosen))
		return fcntl(chosen, F_DUPFD_CLOEXEC, 3);
	fd = netns_path(netns, path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	/* The process may have ended meanwhile, and another may have its number. */
	if (fd < 0 || inode_of(fd) == netns)
		return fd;
	close(fd);
	return -1;
}

int netns_enter(uint64_t netns)
{
	_cleanup_close_ int there = netns == netns_own() ? -1 : netns_open(netns);
	int home = there < 0 ? -1 : open(OWN, O_RDONLY | O_CLOEXEC);

	if (home < 0 || !setns(there, CLONE_NEWNET))
		return home;
	close(home);
	return -1;
}

uint64_t netns_cookie(void)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	if (!getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		return cookie;
	/* Another number for want of memory would be another namespace. */
	return errno == ENOPROTOOPT ? netns_own() : 0;
}

/* Nothing may be done in the wrong namespace: the one place where a process ends at once. */
void netns_leave(const int *home)
{
	if (*home < 0)
		return;
	if (setns(*home, CLONE_NEWNET)) {
		failed(-errno, "cannot get back to the own network namespace: %s", strerror(errno));
		reason_print();
		abort();
	}
	close(*home);
}

uint64_t netns_cookie_of(uint64_t netns)
{
	NETNS_VISIT(netns);

	return netns_own() == netns ? netns_cookie() : 0;
}
