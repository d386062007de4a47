/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Attaches programs by TCX links, each at its place in the list of programs. */
#include "hook/tcx.h"

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <compat/tcx.h>

#include "hook/device.h"
#include "hook/pin.h"
#include "util/macros.h"
#include "util/netns.h"

bool tcx_supported(void)
{
	__u32 flags = 0, ids[1], n = 0;

	/* A query at the loopback device; an older kernel does not know the attach type. ENOSPC or
	 * success is a yes. */
	return !bpf_prog_query(1, BPF_TCX_EGRESS, 0, &flags, ids, &n) || errno == ENOSPC ||
	       errno == ENOENT;
}

static enum bpf_attach_type type_of(const struct hook *hook)
{
	return hook_role(hook)->point == HOOK_INGRESS ? BPF_TCX_INGRESS : BPF_TCX_EGRESS;
}

int tcx_list(const struct hook *hook, uint32_t ids[static TCX_MAX])
{
	__u32 n = TCX_MAX, flags;

	return bpf_prog_query(hook->ifindex, type_of(hook), 0, &flags, ids, &n) ? -errno : (int)n;
}

/* Makes a link by bpf(2) itself: libbpf before 1.3 cannot say where in the list a program goes.
 * Without a link to come after: before all others, or after all of them. */
static int create(const struct hook *hook, int prog_fd, int after_link)
{
	struct tcx_link_create attr = {
		.prog_fd = prog_fd,
		.target_ifindex = hook->ifindex,
		.attach_type = type_of(hook),
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

/* A program that is on its way to its hook. */
struct arrival {
	const struct hook *hook;
	int prog_fd, link; /* -ENOENT: not made yet */
};

/* Attaches the program behind our other program that has to run before it. */
static int create_behind(const struct hook *other, int pin, enum attach_kind kind, void *ctx)
{
	struct arrival *arrival = ctx;

	if (kind != ATTACH_TCX || !hook_role(other)->first ||
	    hook_role(other)->point != hook_role(arrival->hook)->point)
		return 0;
	arrival->link = create(arrival->hook, arrival->prog_fd, pin);
	return arrival->link != -ENOENT; /* a dead link is no anchor */
}

static int attach(const struct hook *hook, int prog_fd)
{
	struct arrival arrival = { .hook = hook, .prog_fd = prog_fd, .link = -ENOENT };
	_cleanup_close_ int link = -1;
	int err = 0;

	if (!hook_role(hook)->first && !hook_role(hook)->last)
		err = pin_for_each_beside(hook, create_behind, &arrival);
	if (!err)
		arrival.link = create(hook, prog_fd, -1);
	link = err < 0 ? err : arrival.link;
	if (link < 0)
		return hook_refused(hook, "the kernel does not attach (tcx)", link);
	err = pin_put_hook(hook, link);
	return err ? hook_refused(hook, "cannot pin the link of", err) : 0;
}

/* Tells whether that program runs at the device that has the number in this network namespace; true
 * also if the kernel does not tell. */
static bool runs(const struct hook *hook, uint32_t prog_id)
{
	uint32_t ids[TCX_MAX];
	int n = tcx_list(hook, ids);

	for (int i = 0; i < n; i++)
		if (ids[i] == prog_id)
			return true;
	return n < 0;
}

/* A link has no device when that is gone, and also when somebody has detached it. When the device
 * is moved to another network namespace it keeps link and number, and another one may have them
 * here. */
static enum hook_health health_of(const struct hook *hook, int ifindex, uint32_t prog_id)
{
	if (hook->netns != netns_own())
		return ifindex == hook->ifindex ? HOOK_OK : HOOK_GONE;
	if (!device_exists(hook->ifindex))
		return HOOK_GONE;
	return ifindex == hook->ifindex && runs(hook, prog_id) ? HOOK_OK : HOOK_MISSING;
}

static int query(const struct hook *hook, int pin, struct hook_state *state)
{
	struct tcx_link_info info = {};
	__u32 len = sizeof(info);

	state->attach = ATTACH_TCX;
	if (bpf_obj_get_info_by_fd(pin, (struct bpf_link_info *)&info, &len))
		return -errno;
	state->prog_id = info.prog_id;
	state->health = health_of(hook, info.ifindex, info.prog_id);
	return 0;
}

static int replace(const struct hook *hook, int prog_fd, const struct hook_state *state)
{
	_cleanup_close_ int pin = pin_open(hook);

	(void)state;
	return bpf_link_update(pin, prog_fd, NULL) ? -errno : 0;
}

/* Now, and wherever the device is: without its pin alone, the kernel would detach the link at some
 * later time. */
static int detach(const struct hook *hook, int pin, const struct hook_state *state)
{
	(void)hook;
	(void)state;
	bpf_link_detach(pin);
	return 0;
}

const struct hook_backend tcx_backend = {
	.query = query,
	.attach = attach,
	.replace = replace,
	.detach = detach,
};
