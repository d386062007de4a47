/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Attaches programs by TCX, by clsact and by XDP, and finds them again by their pins. */
#include "hook/hook.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <compat/tcx.h>

#include "hook/device.h"
#include "hook/owner.h"
#include "hook/libxdp.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/reason.h"

/* Of our filters, for people who read `tc filter show`. It proves nothing: other copies of the tool
 * use it too. */
#define CLSACT_HANDLE 0xd5c9
/* First priority that is tried. Low, because a filter that ends the chain, like the mirred that
 * sqm-scripts puts at 10, hides all behind it; and the automatic one is 49152. */
#define CLSACT_FIRST_PRIORITY 1
#define CLSACT_SECOND_PRIORITY 5 /* behind the other in any case */
/* Behind the others: the automatic priorities of tc go down from 49152, and below those that are
 * there. From 49153 on nobody gets another one than without us. */
#define CLSACT_LAST_PRIORITY 49153
#define CLSACT_HIGHEST_PRIORITY 65535
#define CLSACT_PRIORITIES 4 /* that are tried */
#define MAX_TCX 64 /* programs at one point, as many as the kernel takes: BPF_MPROG_MAX */

#define PARENT(minor) TC_H_MAKE(TC_H_CLSACT, minor)

const char *attach_kind_name(enum attach_kind kind)
{
	static const char *const names[] = {
		[ATTACH_AUTO] = "auto",		  [ATTACH_TCX] = "tcx",
		[ATTACH_CLSACT] = "clsact",	  [ATTACH_XDP_NATIVE] = "native",
		[ATTACH_XDP_GENERIC] = "generic",
	};

	return names[kind];
}

const char *hook_point_name(enum hook_point point)
{
	return point == HOOK_EGRESS ? "egress" : point == HOOK_INGRESS ? "ingress" : "xdp";
}

struct hook hook_for(const char *dir, enum role role, uint64_t netns, int ifindex, const char *dev)
{
	struct hook hook = { .dir = dir, .netns = netns, .ifindex = ifindex, .role = role };

	snprintf(hook.dev, sizeof(hook.dev), "%s", dev);
	return hook;
}

const char *hook_health_name(enum hook_health health)
{
	static const char *const names[] = {
		[HOOK_OK] = "ok",
		[HOOK_MISSING] = "missing",
		[HOOK_GONE] = "device gone",
		[HOOK_ELSEWHERE] = "other namespace",
	};

	return names[health];
}

bool tcx_supported(void)
{
	__u32 flags = 0, ids[1], n = 0;

	/* A query at the loopback device; an older kernel does not know the attach type. ENOSPC or
	 * success is a yes. */
	return !bpf_prog_query(1, BPF_TCX_EGRESS, 0, &flags, ids, &n) || errno == ENOSPC ||
	       errno == ENOENT;
}

static void pin_path(char *path, const struct hook *hook)
{
	snprintf(path, PATH_MAX, "%s/hooks/%llu-%d-%s", hook->dir, (unsigned long long)hook->netns,
		 hook->ifindex, hook_role(hook)->pin);
}

static void qdisc_path(char *path, const struct hook *hook)
{
	snprintf(path, PATH_MAX, "%s/qdiscs/%llu-%d", hook->dir, (unsigned long long)hook->netns,
		 hook->ifindex);
}

static int hook_refused(const struct hook *hook, const char *what, int err)
{
	return refused(err, "%s: %s %s", hook->dev, what, hook_role(hook)->name);
}

static uint32_t program_id(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &len) ? 0 : info.id;
}

/* How the program of a pin is attached, or a negative errno. */
static int pin_kind(const struct hook *hook, int fd)
{
	char path[64], line[128];
	bool link = false;
	FILE *f;

	if (hook_role(hook)->point == HOOK_XDP)
		return ATTACH_XDP_NATIVE;
	/* A program's and a link's information are indistinguishable, but the kernel names the
	 * type of the object here. */
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		link |= !strncmp(line, "link_type:", 10);
	fclose(f);
	return link ? ATTACH_TCX : ATTACH_CLSACT;
}

/* Our program of another role on the same device. */
static struct hook sibling_of(const struct hook *hook, enum role role)
{
	struct hook sibling = *hook;

	sibling.role = role;
	return sibling;
}

static uint32_t tc_minor(const struct hook *hook)
{
	return hook_role(hook)->point == HOOK_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS;
}

static enum bpf_tc_attach_point tc_point(const struct hook *hook)
{
	return hook_role(hook)->point == HOOK_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

/* The name of a pin on its way to its place, with no pin under it. */
static void new_path(char *path, const char *dir)
{
	snprintf(path, PATH_MAX, "%s/new", dir);
	unlink(path);
}

int pin_put(const char *dir, int fd, const char *path)
{
	char new[PATH_MAX];

	if (!bpf_obj_pin(fd, path))
		return 0;
	if (errno != EEXIST)
		return -errno;
	new_path(new, dir);
	return bpf_obj_pin(fd, new) || rename(new, path) ? -errno : 0;
}

/* TCX */

static enum bpf_attach_type tcx_type(const struct hook *hook)
{
	return hook_role(hook)->point == HOOK_INGRESS ? BPF_TCX_INGRESS : BPF_TCX_EGRESS;
}

/* Fills in the programs at that point of the device, by their order; returns how many there are, or
 * a negative errno: -EINVAL is a kernel without TCX. */
static int tcx_list(const struct hook *hook, __u32 ids[MAX_TCX])
{
	__u32 n = MAX_TCX, flags;

	return bpf_prog_query(hook->ifindex, tcx_type(hook), 0, &flags, ids, &n) ? -errno : (int)n;
}

/* By bpf(2) itself: libbpf before 1.3 cannot say where in the list a program goes. Without a link
 * to come after: before all others, or after all of them. */
static int tcx_create(const struct hook *hook, int prog_fd, int after_link)
{
	struct tcx_link_create attr = {
		.prog_fd = prog_fd,
		.target_ifindex = hook->ifindex,
		.attach_type = tcx_type(hook),
		.flags = after_link >= 0	 ? BPF_F_AFTER | BPF_F_LINK
			 : hook_role(hook)->last ? BPF_F_AFTER
						 : BPF_F_BEFORE,
		.relative_fd = after_link < 0 ? 0 : after_link,
	};
	const struct timespec pause = { .tv_nsec = 10000000 };
	int fd, tries = 20;

	/* EEXIST: the link of a load that was killed; the kernel frees it a moment after its pin.
	 */
	while ((fd = syscall(__NR_bpf, BPF_LINK_CREATE, &attr, sizeof(attr))) < 0 &&
	       errno == EEXIST && tries--)
		nanosleep(&pause, NULL);
	return fd < 0 ? -errno : fd;
}

/* The link of our program that has to run before this one at the same point, or -1. */
static int tcx_predecessor(const struct hook *hook)
{
	enum role role = 0;
	struct hook sibling;
	char path[PATH_MAX];
	int fd;

	if (hook_role(hook)->first || hook_role(hook)->last)
		return -1;
	while (program_roles[role].point != hook_role(hook)->point || !program_roles[role].first)
		role++;
	sibling = sibling_of(hook, role);
	pin_path(path, &sibling);
	fd = bpf_obj_get(path);
	if (fd >= 0 && pin_kind(&sibling, fd) != ATTACH_TCX) {
		close(fd);
		return -1;
	}
	return fd;
}

static int tcx_attach(const struct hook *hook, int prog_fd, const char *path)
{
	int after = tcx_predecessor(hook);
	int link = tcx_create(hook, prog_fd, after), err;

	if (link < 0 && after >= 0) /* a dead link is no anchor */
		link = tcx_create(hook, prog_fd, -1);
	if (after >= 0)
		close(after);
	if (link < 0)
		return hook_refused(hook, "the kernel does not attach (tcx)", link);
	err = pin_put(hook->dir, link, path);
	close(link);
	return err ? hook_refused(hook, "cannot pin the link of", err) : 0;
}

/* The device of a TCX link, 0 once that device is gone. */
static int tcx_info(int link_fd, uint32_t *prog_id)
{
	struct tcx_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, (struct bpf_link_info *)&info, &len))
		return 0;
	*prog_id = info.prog_id;
	return info.ifindex;
}

/* Now: without its pin alone, the kernel would detach the link at some later time. */
static void tcx_remove(const char *path)
{
	int link = bpf_obj_get(path);

	if (link < 0)
		return;
	bpf_link_detach(link);
	close(link);
}

/* clsact */

struct filter_search {
	struct owner owner;
	uint32_t prog_id;
	const char *program; /* the beginning of its name */
	uint32_t except; /* a priority, if not 0 */
	unsigned int filters, ours;
	struct nl_filter found; /* the last of ours; with that id, if there is one */
};

static int match_filter(const struct nl_filter *filter, void *ctx)
{
	struct filter_search *search = ctx;
	bool exact = filter->prog_id && filter->prog_id == search->prog_id;

	search->filters++;
	if (search->except && filter->priority == search->except)
		return 0;
	if (!exact &&
	    !(filter->prog_id && owner_has(&search->owner, filter->prog_id, search->program)))
		return 0;
	search->ours++;
	if (exact || !search->found.prog_id || search->found.prog_id != search->prog_id)
		search->found = *filter;
	return 0;
}

/* What is not there, or its qdisc or device, need not be removed. */
static int if_there(int err)
{
	return err == -ENOENT || err == -ENODEV || err == -EINVAL ? 0 : err;
}

/* The filter of our program: by the program's id (0: not known); else, where a kill came between
 * pin and filter, one that shares a map with what is pinned. Of several the last. */
static int clsact_find_except(const struct hook *hook, uint32_t prog_id, uint32_t except,
			      struct nl_filter *found)
{
	struct filter_search search = {
		.owner = { .dir = hook->dir },
		.prog_id = prog_id,
		.program = hook_role(hook)->name,
		.except = except,
	};
	struct nl_error why;
	int err = -ENOENT;

	if (hook->netns == netns_own()) /* elsewhere the number is another device's */
		err = nl_filters(hook->ifindex, PARENT(tc_minor(hook)), match_filter, &search,
				 &why);
	if (!err && !search.found.prog_id)
		err = -ENOENT;
	*found = search.found;
	return err;
}

static int clsact_find(const struct hook *hook, uint32_t prog_id, struct nl_filter *found)
{
	return clsact_find_except(hook, prog_id, 0, found);
}

static struct bpf_tc_hook tc_hook(const struct hook *hook, enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook tc;

	memset(&tc, 0, sizeof(tc)); /* libbpf looks at the padding too */
	tc.sz = sizeof(tc);
	tc.ifindex = hook->ifindex;
	tc.attach_point = point;
	return tc;
}

/* The qdisc `ingress` has the ingress half of clsact, which is all that is needed there. */
static bool qdisc_will_do(const struct hook *hook, const char *kind)
{
	return !strcmp(kind, "clsact") ||
	       (hook_role(hook)->point == HOOK_INGRESS && !strcmp(kind, "ingress"));
}

/* How a program of ours is attached, as its pin says, or a negative errno; AUTO: it has no pin. */
static int pinned_kind(const struct hook *hook)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];

	pin_path(path, hook);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? ATTACH_AUTO : -errno;
	return pin_kind(hook, fd);
}

/* 1 if another program of ours on this device is attached by clsact, or a negative errno. */
static int sibling_uses_clsact(const struct hook *hook)
{
	struct hook sibling = *hook;
	int kind;

	for (sibling.role = 0; sibling.role < N_ROLES; sibling.role++) {
		kind = sibling.role == hook->role ? ATTACH_AUTO : pinned_kind(&sibling);
		if (kind < 0 || kind == ATTACH_CLSACT)
			return kind < 0 ? kind : 1;
	}
	return 0;
}

/* Removes clsact if it is ours and nobody has put a filter there. If somebody has, it is theirs
 * once our last program has gone; so is the one of another device that has the number now. On
 * failure the pin stays, for another try. */
static int clsact_release(const struct hook *hook)
{
	struct bpf_tc_hook tc = tc_hook(hook, BPF_TC_EGRESS | BPF_TC_INGRESS);
	struct filter_search search = { .owner = { .dir = hook->dir }, .program = "" };
	struct nl_error why;
	char path[PATH_MAX];
	int err;

	qdisc_path(path, hook);
	err = access(path, F_OK) ? 1 : sibling_uses_clsact(hook);
	if (err)
		return err < 0 ? err : 0;
	if (hook->netns == netns_own() && device_is_pinned(path)) {
		for (uint32_t m = TC_H_MIN_INGRESS; !err && m <= TC_H_MIN_EGRESS; m++)
			err = nl_filters(hook->ifindex, PARENT(m), match_filter, &search, &why);
		if (!err && search.ours)
			return 0; /* clsact_sweep() of another hook has not been here yet */
		if (!err && !search.filters)
			err = bpf_tc_hook_destroy(&tc);
	}
	err = if_there(err);
	return !err && unlink(path) ? -errno : err;
}

/* Makes it, after a pin that says so. One that somebody else has made in the meantime is theirs. */
static int clsact_make(const struct hook *hook)
{
	struct bpf_tc_hook tc = tc_hook(hook, tc_point(hook));
	char kind[IFNAMSIZ], path[PATH_MAX];
	struct nl_error why;
	int err;

	qdisc_path(path, hook);
	err = device_pin(hook->dir, hook->ifindex, path);
	if (err)
		return hook_refused(hook, "cannot pin the qdisc's mark for", err);
	err = bpf_tc_hook_create(&tc);
	if (!err)
		return 0;
	if (err != -EEXIST) {
		clsact_release(hook); /* it may be there, if only the answer was lost */
		return hook_refused(hook, "cannot add the qdisc clsact for", err);
	}
	unlink(path);
	if (nl_ingress_qdisc(hook->ifindex, kind, &why) || !qdisc_will_do(hook, kind))
		return hook_refused(hook, "cannot add the qdisc clsact for", err);
	return 0;
}

/* A clsact qdisc, there already or made by us; which of the two is pinned. */
static int clsact_prepare(const struct hook *hook)
{
	char kind[IFNAMSIZ];
	struct nl_error why;
	int err = nl_ingress_qdisc(hook->ifindex, kind, &why);

	if (err)
		return failed(err, "%s: cannot list qdiscs: %s", hook->dev, why.text);
	if (qdisc_will_do(hook, kind))
		return 0;
	/* libbpf would take -EEXIST for "clsact is there" and attach to ingress. */
	if (*kind)
		return failed(
			-EEXIST,
			"%s: the qdisc '%s' at ffff: leaves no place for clsact: remove it first "
			"(tc qdisc del dev %s ingress), or use %s",
			hook->dev, kind, hook->dev,
			tcx_supported() ? "--attach tcx" : "a kernel with TCX (6.6)");
	return clsact_make(hook);
}

static int clsact_put(const struct hook *hook, int prog_fd, uint32_t priority, bool replace)
{
	struct bpf_tc_hook tc = tc_hook(hook, tc_point(hook));
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .priority = priority,
		    .handle = CLSACT_HANDLE, .flags = replace ? BPF_TC_F_REPLACE : 0);

	return bpf_tc_attach(&tc, &opts);
}

/* All of them, but one of that priority. */
static int clsact_remove_except(const struct hook *hook, uint32_t prog_id, uint32_t except)
{
	struct bpf_tc_hook tc = tc_hook(hook, tc_point(hook));
	struct nl_filter filter;
	int err;

	while (!(err = clsact_find_except(hook, prog_id, except, &filter))) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = filter.handle,
			    .priority = filter.priority);

		err = bpf_tc_detach(&tc, &opts);
		if (err)
			break;
	}
	return if_there(err);
}

static int clsact_remove(const struct hook *hook, uint32_t prog_id)
{
	return clsact_remove_except(hook, prog_id, 0);
}

/* Of chain 0, which is where packets come in. */
static int find_highest(const struct nl_filter *filter, void *ctx)
{
	uint32_t *highest = ctx;

	if (!filter->chain && filter->priority > *highest)
		*highest = filter->priority;
	return 0;
}

/* Where a new filter belongs. */
static uint32_t clsact_priority(const struct hook *hook)
{
	uint32_t highest = 0;
	struct nl_error why;

	if (!hook_role(hook)->last)
		return hook_role(hook)->first ? CLSACT_FIRST_PRIORITY : CLSACT_SECOND_PRIORITY;
	nl_filters(hook->ifindex, PARENT(tc_minor(hook)), find_highest, &highest, &why);
	if (highest < CLSACT_LAST_PRIORITY)
		return CLSACT_LAST_PRIORITY;
	return highest < CLSACT_HIGHEST_PRIORITY ? highest + 1 : CLSACT_HIGHEST_PRIORITY;
}

/* Puts a new filter there, or beside: somebody else's may have that place, which is EEXIST for the
 * same handle, EINVAL for another kind of filter or protocol at the same priority. */
static int clsact_add(const struct hook *hook, int prog_fd, uint32_t *priority)
{
	int err, tries = CLSACT_PRIORITIES;

	*priority = clsact_priority(hook);
	while (1) {
		log_reason_reset();
		err = clsact_put(hook, prog_fd, *priority, false);
		if ((err != -EEXIST && err != -EINVAL) || !--tries)
			return err;
		*priority += hook_role(hook)->last ? -1 : 1;
	}
}

static int clsact_attach(const struct hook *hook, int prog_fd, const char *path)
{
	struct nl_filter left;
	uint32_t priority;
	int err;

	/* The pin first: a qdisc or a filter without one would never be found again. */
	err = pin_put(hook->dir, prog_fd, path);
	if (err)
		return hook_refused(hook, "cannot pin", err);
	err = clsact_prepare(hook);
	if (err) {
		unlink(path);
		return err;
	}
	/* Ours, whose pin somebody has removed: not to be there twice. */
	if (!clsact_find(hook, 0, &left) && !clsact_put(hook, prog_fd, left.priority, true))
		return 0;
	err = clsact_add(hook, prog_fd, &priority);
	if (err) {
		hook_refused(hook, "the kernel does not attach (clsact)", err);
		/* It may be there, if only the answer was lost; else its pin finds it later. */
		if (!clsact_remove(hook, program_id(prog_fd)) && !clsact_release(hook))
			unlink(path);
	}
	return err;
}

/* To a place behind all others. The new filter comes first: what reads a mark may do so twice. */
static int clsact_move(const struct hook *hook, int prog_fd)
{
	uint32_t priority;
	int err = clsact_add(hook, prog_fd, &priority);

	if (!err)
		err = clsact_remove_except(hook, program_id(prog_fd), priority);
	return err ? hook_refused(hook, "cannot move", err) : 0;
}

/* Both */

/* If the kernel does not answer, it counts as there: nothing is to be forgotten then. */
static bool device_exists(const struct hook *hook)
{
	struct nl_link link;
	struct nl_error why;

	return nl_link_by_index(hook->ifindex, &link, &why) != -ENODEV;
}

/* What is attached by number can only be looked for where that number means the device. */
static bool in_reach(const struct hook *hook, struct hook_state *state)
{
	char path[NETNS_PATH];

	if (hook->netns != netns_own())
		state->health = netns_path(hook->netns, path) ? HOOK_ELSEWHERE : HOOK_GONE;
	else if (!device_exists(hook))
		state->health = HOOK_GONE;
	else
		return true;
	return false;
}

static int query_xdp(const struct hook *hook, struct hook_state *state)
{
	struct xdp_hook_state xdp = {};
	int err = libxdp_query(hook->ifindex, state->prog_id, &xdp);

	if (!err && xdp.attached) {
		state->health = HOOK_OK;
		state->attach =
			xdp.mode == XDP_HOOK_NATIVE ? ATTACH_XDP_NATIVE : ATTACH_XDP_GENERIC;
	}
	return err;
}

static int query_filter(const struct hook *hook, struct hook_state *state)
{
	struct nl_filter filter = {};
	int err;

	err = clsact_find(hook, state->prog_id, &filter);
	if (!err) {
		state->health = HOOK_OK;
		state->prog_id = filter.prog_id;
		state->priority = filter.priority;
	}
	return if_there(err);
}

/* True if that program runs at the device that has the number in this network namespace; and if the
 * kernel does not tell. */
static bool tcx_runs(const struct hook *hook, uint32_t prog_id)
{
	__u32 ids[MAX_TCX];
	int n = tcx_list(hook, ids);

	for (int i = 0; i < n; i++)
		if (ids[i] == prog_id)
			return true;
	return n < 0;
}

/* A link has no device when that is gone, and also when somebody has detached it. When the device
 * is moved to another network namespace it keeps link and number, and another one may have them
 * here. */
static enum hook_health link_health(const struct hook *hook, int ifindex, uint32_t prog_id)
{
	if (hook->netns != netns_own())
		return ifindex == hook->ifindex ? HOOK_OK : HOOK_GONE;
	if (!device_exists(hook))
		return HOOK_GONE;
	return ifindex == hook->ifindex && tcx_runs(hook, prog_id) ? HOOK_OK : HOOK_MISSING;
}

static int query_pin(const struct hook *hook, int fd, struct hook_state *state)
{
	int kind = pin_kind(hook, fd), ifindex;

	if (kind < 0)
		return kind;
	if (kind == ATTACH_TCX) {
		state->attach = ATTACH_TCX;
		ifindex = tcx_info(fd, &state->prog_id);
		state->health = link_health(hook, ifindex, state->prog_id);
		return 0;
	}
	if (kind == ATTACH_CLSACT)
		state->attach = ATTACH_CLSACT;
	state->prog_id = program_id(fd);
	if (!in_reach(hook, state))
		return 0;
	return kind == ATTACH_CLSACT ? query_filter(hook, state) : query_xdp(hook, state);
}

int hook_query(const struct hook *hook, struct hook_state *state)
{
	NETNS_VISIT(hook->netns);
	char path[PATH_MAX];
	int fd, err;

	memset(state, 0, sizeof(*state));
	state->health = HOOK_MISSING;
	pin_path(path, hook);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = query_pin(hook, fd, state);
	close(fd);
	return err;
}

/* A live hook of the right kind: only the program changes, in one step. */
static int exchange(const struct hook *hook, const char *path, const struct hook_state *state,
		    int prog_fd)
{
	int fd, err;

	if (state->prog_id == program_id(prog_fd))
		return 0;
	if (state->attach == ATTACH_TCX) {
		fd = bpf_obj_get(path);
		err = bpf_link_update(fd, prog_fd, NULL) ? -errno : 0;
		close(fd);
		return err ? hook_refused(hook, "cannot replace", err) : 0;
	}
	err = pin_put(hook->dir, prog_fd, path);
	if (!err)
		err = clsact_put(hook, prog_fd, state->priority, true);
	return err ? hook_refused(hook, "cannot replace", err) : 0;
}

/* A filter beside a TCX link, from a change between the two that was killed half way; and clsact,
 * also of a filter that somebody has taken away. */
static int clsact_sweep(const struct hook *hook)
{
	int err = clsact_remove(hook, 0);

	if (!err)
		err = clsact_release(hook);
	return err ? hook_refused(hook, "cannot remove a filter beside", err) : 0;
}

/* Where a TCX link has taken its place: the filter, and clsact. */
static int clsact_remove_all(const struct hook *hook, int pinned, uint32_t prog_id,
			     const char *path)
{
	int err = clsact_remove(hook, prog_id);

	if (err)
		pin_put(hook->dir, pinned, path); /* as it was: the link goes with its pin */
	else
		err = clsact_release(hook);
	return err ? hook_refused(hook, "cannot remove", err) : 0;
}

/* From one kind to the other: the new one first, so that no packet passes unmarked. */
static int convert(const struct hook *hook, int prog_fd, const char *path,
		   const struct hook_state *old)
{
	int fd = bpf_obj_get(path), err;

	if (old->attach == ATTACH_TCX) {
		err = clsact_attach(hook, prog_fd, path);
		if (err)
			pin_put(hook->dir, fd, path);
		else
			bpf_link_detach(fd); /* at once */
	} else {
		err = tcx_attach(hook, prog_fd, path);
		if (!err)
			err = clsact_remove_all(hook, fd, old->prog_id, path);
	}
	close(fd);
	return err;
}

/* Our other program at the same point; -ENOENT: there is none (XDP). */
static int query_other(const struct hook *hook, struct hook_state *state)
{
	struct hook sibling;

	memset(state, 0, sizeof(*state));
	for (enum role role = 0; role < N_ROLES; role++) {
		if (role == hook->role || program_roles[role].point != hook_role(hook)->point)
			continue;
		sibling = sibling_of(hook, role);
		return hook_query(&sibling, state);
	}
	return -ENOENT;
}

/* How it is attached; AUTO: it is not. */
static enum attach_kind other_kind(const struct hook *hook)
{
	struct hook_state state;

	return query_other(hook, &state) || state.health != HOOK_OK ? ATTACH_AUTO : state.attach;
}

/* TCX runs before clsact, whatever the priority there. */
static bool wrong_order(const struct hook *hook, enum attach_kind kind, enum attach_kind other)
{
	return hook_role(hook)->first ? kind == ATTACH_CLSACT && other == ATTACH_TCX
				      : kind == ATTACH_TCX && other == ATTACH_CLSACT;
}

/* Neighbours */

struct neighbourhood {
	const struct hook *hook;
	const struct hook_state *state;
	enum hook_side side;
	bool passed; /* ours, in the order in which they run */
	uint32_t sibling_id; /* our other program at that point; 0: none */
	struct hook_neighbour *list;
	unsigned int n, max;
	bool tcx, clsact; /* there are such */
};

/* Where the kernel tells it; the name stays as it is otherwise. */
static void program_name(uint32_t prog_id, char *name, size_t size)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(prog_id);

	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len) && *info.name)
		snprintf(name, size, "%s", info.name);
	close(fd);
}

/* Our own are none: the one that has to run first, and what a load that was killed has left. */
static bool is_own(struct neighbourhood *all, const struct hook_neighbour *neighbour)
{
	const struct hook_state *state = all->state;

	if (!neighbour->prog_id)
		return false;
	if (neighbour->prog_id == state->prog_id && neighbour->attach == state->attach &&
	    neighbour->priority == state->priority)
		all->passed = true;
	return neighbour->prog_id == state->prog_id || neighbour->prog_id == all->sibling_id;
}

static void add_neighbour(struct neighbourhood *all, struct hook_neighbour *neighbour)
{
	if (is_own(all, neighbour) || all->passed != (all->side == HOOK_BEHIND))
		return;
	if (neighbour->prog_id)
		program_name(neighbour->prog_id, neighbour->name, sizeof(neighbour->name));
	all->tcx |= neighbour->attach == ATTACH_TCX;
	all->clsact |= neighbour->attach == ATTACH_CLSACT;
	if (all->n < all->max)
		all->list[all->n] = *neighbour;
	all->n++;
}

static int add_tcx(struct neighbourhood *all)
{
	__u32 ids[MAX_TCX];
	int n = tcx_list(all->hook, ids);

	for (int i = 0; i < n; i++) {
		struct hook_neighbour neighbour = { .attach = ATTACH_TCX, .prog_id = ids[i] };

		add_neighbour(all, &neighbour);
	}
	return n == -EINVAL || n > 0 ? 0 : n;
}

static int add_filter(const struct nl_filter *filter, void *ctx)
{
	struct hook_neighbour neighbour = {
		.attach = ATTACH_CLSACT,
		.prog_id = filter->prog_id,
		.priority = filter->priority,
	};
	struct neighbourhood *all = ctx;

	/* Behind ours another chain is reached only by a filter of this one. */
	if (filter->chain && all->passed)
		return 0;
	snprintf(neighbour.name, sizeof(neighbour.name), "%s",
		 *filter->name ? filter->name : filter->kind);
	add_neighbour(all, &neighbour);
	return 0;
}

/* In the namespace of the hook. */
static int list_neighbours(struct neighbourhood *all)
{
	const struct hook *hook = all->hook;
	struct hook_state other;
	struct nl_error why;
	int err;

	if (!query_other(hook, &other))
		all->sibling_id = other.prog_id;
	err = add_tcx(all);
	if (all->state->attach == ATTACH_TCX)
		all->passed = true; /* of clsact all run after it */
	if (!err && (all->state->attach == ATTACH_CLSACT || all->side == HOOK_BEHIND))
		err = nl_filters(hook->ifindex, PARENT(tc_minor(hook)), add_filter, all, &why);
	return err < 0 ? err : (int)all->n;
}

int hook_neighbours(const struct hook *hook, const struct hook_state *state, enum hook_side side,
		    struct hook_neighbour *neighbours, unsigned int max)
{
	NETNS_VISIT(hook->netns);
	struct neighbourhood all = {
		.hook = hook,
		.state = state,
		.side = side,
		.list = neighbours,
		.max = max,
	};

	if (state->health != HOOK_OK || hook_role(hook)->point == HOOK_XDP ||
	    hook->netns != netns_own() || (side == HOOK_BEHIND && !hook_role(hook)->last))
		return 0;
	return list_neighbours(&all);
}

/* Whether filters of others are there, which a TCX program would run before and should not. */
static bool has_filters(const struct hook *hook)
{
	const struct hook_state tcx = { .attach = ATTACH_TCX };
	struct neighbourhood all = { .hook = hook, .state = &tcx, .side = HOOK_BEHIND };

	return hook_role(hook)->last && list_neighbours(&all) > 0 && all.clsact;
}

/* The kind to use; -EOPNOTSUPP, -EINVAL: said why not. */
static int choose_kind(const struct hook *hook, enum attach_kind kind)
{
	const enum attach_kind other = other_kind(hook);

	if (kind == ATTACH_AUTO)
		kind = tcx_supported() && !wrong_order(hook, ATTACH_TCX, other) &&
				       !has_filters(hook)
			       ? ATTACH_TCX
			       : ATTACH_CLSACT;
	if (kind == ATTACH_TCX && !tcx_supported())
		return failed(
			-EOPNOTSUPP,
			"%s: no TCX in this kernel (it came with Linux 6.6): use --attach clsact",
			hook->dev);
	if (wrong_order(hook, kind, other))
		return failed(
			-EINVAL,
			"%s: %s by %s would run on the wrong side of what is attached there by "
			"%s for another tunnel: use --attach %s",
			hook->dev, hook_role(hook)->name, attach_kind_name(kind),
			attach_kind_name(other), attach_kind_name(other));
	return kind;
}

/* Elsewhere the number of the device is that of another one; only a TCX link knows its own. */
static int not_in_reach(const struct hook *hook)
{
	if (hook->netns == netns_own())
		return 0;
	return failed(-EXDEV,
		      "%s: its network namespace cannot be entered (CAP_SYS_ADMIN is needed)",
		      hook->dev);
}

/* Behind TCX programs of others, where the same program cannot be attached a second time: clsact
 * has its place meanwhile. Where there can be no clsact, packets pass unmarked for a moment. */
static int tcx_move(const struct hook *hook, int prog_fd, const char *path,
		    const struct hook_state *tcx)
{
	const struct hook_state clsact = {
		.attach = ATTACH_CLSACT,
		.prog_id = program_id(prog_fd),
	};
	char kind[IFNAMSIZ];
	struct nl_error why;
	int err;

	if (!nl_ingress_qdisc(hook->ifindex, kind, &why) && *kind && !qdisc_will_do(hook, kind)) {
		tcx_remove(path);
		return tcx_attach(hook, prog_fd, path);
	}
	err = convert(hook, prog_fd, path, tcx);
	return err ? err : convert(hook, prog_fd, path, &clsact);
}

/* A hook in this state goes behind all others again, as far as that is possible with that kind.
 * What a load that was killed has left is swept. */
static int go_last(const struct hook *hook, int prog_fd, const char *path,
		   const struct hook_state *state, enum attach_kind kind)
{
	struct neighbourhood behind = { .hook = hook, .state = state, .side = HOOK_BEHIND };
	int err = list_neighbours(&behind);

	if (err < 0)
		return hook_refused(hook, "cannot see who runs behind", err);
	if (state->attach == ATTACH_CLSACT)
		return behind.clsact && clsact_priority(hook) > state->priority
			       ? clsact_move(hook, prog_fd)
			       : clsact_remove_except(hook, state->prog_id, state->priority);
	if (behind.clsact && kind == ATTACH_AUTO)
		return convert(hook, prog_fd, path, state);
	return behind.tcx ? tcx_move(hook, prog_fd, path, state) : 0;
}

/* What is alive stays where it is. */
static int keep(const struct hook *hook, int prog_fd, const char *path, struct hook_state *state)
{
	int err = exchange(hook, path, state, prog_fd);

	if (!err)
		state->prog_id = program_id(prog_fd);
	return err || state->attach == ATTACH_CLSACT ? err : clsact_sweep(hook);
}

static int attach_anew(const struct hook *hook, int prog_fd, const char *path,
		       enum attach_kind kind)
{
	int err;

	if (kind == ATTACH_CLSACT)
		return clsact_attach(hook, prog_fd, path);
	err = tcx_attach(hook, prog_fd, path);
	return err ? err : clsact_sweep(hook);
}

/* The state of a hook, and the path of its pin, where a change begins. */
static int begin_change(const struct hook *hook, char *path, struct hook_state *state)
{
	int err = hook_query(hook, state);

	if (err)
		return hook_refused(hook, "cannot read the pin of", err);
	log_reason_reset();
	new_path(path,
		 hook->dir); /* of a load that was killed: it may hold a link that is in our way */
	pin_path(path, hook);
	return 0;
}

int hook_attach(const struct hook *hook, int prog_fd, enum attach_kind kind)
{
	NETNS_VISIT(hook->netns);
	struct hook_state state;
	char path[PATH_MAX];
	int err = begin_change(hook, path, &state);

	if (err)
		return err;
	if (state.health == HOOK_OK && (kind == ATTACH_AUTO || kind == state.attach)) {
		err = keep(hook, prog_fd, path, &state);
		return err || !hook_role(hook)->last || hook->netns != netns_own()
			       ? err
			       : go_last(hook, prog_fd, path, &state, kind);
	}
	err = not_in_reach(hook);
	if (err)
		return err;
	err = choose_kind(hook, kind);
	if (err < 0)
		return err;
	if (state.health == HOOK_OK)
		return convert(hook, prog_fd, path, &state);
	return attach_anew(hook, prog_fd, path, err);
}

int hook_update(const struct hook *hook, int prog_fd)
{
	NETNS_VISIT(hook->netns);
	struct hook_state state;
	char path[PATH_MAX];
	int err = begin_change(hook, path, &state);

	return err || state.health != HOOK_OK ? err : keep(hook, prog_fd, path, &state);
}

/* A pin to find the hook by, if it has none. *made: it had none. */
static int pin_sibling(const struct hook *hook, const char *path, int sibling_fd, bool *made)
{
	*made = access(path, F_OK);
	return *made ? pin_put(hook->dir, sibling_fd, path) : 0;
}

int xdp_attach(const struct hook *hook, struct bpf_object *object, int sibling_fd)
{
	NETNS_VISIT(hook->netns);
	struct hook_state state;
	char path[PATH_MAX];
	uint32_t old_id;
	bool made;
	int fd, err = not_in_reach(hook);

	if (err) {
		bpf_object__close(object);
		return err;
	}
	log_reason_reset();
	pin_path(path, hook);
	err = hook_query(hook, &state);
	if (!err)
		err = pin_sibling(hook, path, sibling_fd, &made);
	if (err) {
		bpf_object__close(object);
		return hook_refused(hook, "cannot pin", err);
	}
	old_id = libxdp_find(hook->ifindex, hook_role(hook)->name, sibling_fd);
	if (!old_id && state.prog_id) /* somebody took it away; libxdp's pins for it are there */
		libxdp_detach(hook->ifindex, hook->dev, state.prog_id);
	err = libxdp_attach(hook->ifindex, hook->dev, object, hook_role(hook)->name, old_id, &fd);
	if (err) {
		if (made && !old_id)
			unlink(path);
		return err;
	}
	err = pin_put(hook->dir, fd, path);
	if (err) {
		libxdp_detach(hook->ifindex, hook->dev, program_id(fd));
		hook_refused(hook, "cannot pin", err);
	}
	close(fd);
	return err;
}

/* By the pin, which is the program itself or its sibling. */
static int remove_xdp(const struct hook *hook, const struct hook_state *state, const char *path)
{
	int fd = hook->netns == netns_own() ? bpf_obj_get(path) : -1;
	uint32_t id = fd < 0 ? 0 : libxdp_find(hook->ifindex, hook_role(hook)->name, fd);

	if (fd >= 0)
		close(fd);
	return libxdp_detach(hook->ifindex, hook->dev, id ? id : state->prog_id);
}

static int remove_program(const struct hook *hook, const struct hook_state *state, const char *path)
{
	if (hook_role(hook)->point == HOOK_XDP)
		return state->prog_id ? remove_xdp(hook, state, path) : 0;
	if (state->attach == ATTACH_TCX)
		tcx_remove(path); /* wherever its device is now */
	if (state->health != HOOK_OK)
		return 0;
	if (state->attach == ATTACH_CLSACT)
		return clsact_remove(hook, state->prog_id);
	return clsact_remove(hook, 0); /* see clsact_sweep() */
}

int hook_detach(const struct hook *hook)
{
	NETNS_VISIT(hook->netns);
	struct hook_state state;
	char path[PATH_MAX];
	int err = hook_query(hook, &state);

	if (err)
		return hook_refused(hook, "cannot read the pin of", err);
	if (state.health == HOOK_ELSEWHERE)
		return failed(-EXDEV,
			      "%s: %s is attached in another network namespace: unload there, or "
			      "with CAP_SYS_ADMIN",
			      hook->dev, hook_role(hook)->name);
	pin_path(path, hook);
	err = remove_program(hook, &state, path);
	if (!err)
		err = clsact_release(hook);
	if (err)
		return hook_refused(hook, "cannot remove", err);
	if (unlink(path) && errno != ENOENT)
		return hook_refused(hook, "cannot remove the pin of", -errno);
	return 0;
}

bool hook_awaits_qdisc(const struct hook *hook, const struct hook_state *state)
{
	NETNS_VISIT(hook->netns);
	char kind[IFNAMSIZ], path[PATH_MAX];
	struct nl_error why;

	qdisc_path(path, hook);
	return state->attach == ATTACH_CLSACT && state->health == HOOK_MISSING &&
	       hook->netns == netns_own() && hook_role(hook)->point == HOOK_INGRESS &&
	       access(path, F_OK) && !nl_ingress_qdisc(hook->ifindex, kind, &why) && !*kind;
}

static void device_name(uint64_t netns, int ifindex, char name[static IFNAMSIZ])
{
	NETNS_VISIT(netns);
	struct nl_link link;
	struct nl_error why;

	if (netns != netns_own() || nl_link_by_index(ifindex, &link, &why))
		snprintf(name, IFNAMSIZ, "device %d", ifindex);
	else
		memcpy(name, link.name, IFNAMSIZ);
}

static bool parse_pin(const char *dir, const char *name, struct hook *hook)
{
	unsigned long long netns;
	char pin[32], dev[IFNAMSIZ];
	enum role role;
	int ifindex;

	if (sscanf(name, "%llu-%d-%31s", &netns, &ifindex, pin) != 3)
		return false;
	role = program_role_of_pin(pin);
	if (role == N_ROLES)
		return false;
	device_name(netns, ifindex, dev);
	*hook = hook_for(dir, role, netns, ifindex, dev);
	return true;
}

int pin_for_each(const char *dir, int (*each)(const struct hook *hook, void *ctx), void *ctx)
{
	char path[PATH_MAX];
	struct dirent **names;
	struct hook hook;
	int n, err = 0;

	snprintf(path, sizeof(path), "%s/hooks", dir);
	n = scandir(path, &names, NULL, NULL);
	if (n < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		if (!err && parse_pin(dir, names[i]->d_name, &hook))
			err = each(&hook, ctx);
		free(names[i]);
	}
	free(names);
	return err;
}

static int is_xdp_at(const struct hook *hook, void *ctx)
{
	return hook_role(hook)->point == HOOK_XDP && hook->ifindex == *(int *)ctx;
}

/* In whichever network namespace; and if it is not to be known. */
static bool xdp_in_use(int ifindex, const void *dir)
{
	return pin_for_each(dir, is_xdp_at, &ifindex);
}

void xdp_sweep(const char *dir, int sibling_fd)
{
	libxdp_sweep(program_roles[ROLE_INGRESS_OUTER_XDP].name, sibling_fd, xdp_in_use, dir);
}
