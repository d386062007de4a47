/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Attaches programs by filters of tc, chooses their priorities, and sees to the qdisc for them. */
#include "hook/clsact.h"

#include <errno.h>
#include <limits.h>
#include <linux/pkt_sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "hook/device.h"
#include "hook/owner.h"
#include "hook/pin.h"
#include "hook/tcx.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/reason.h"

/* Name of our filters, for readers of `tc filter show`. It proves nothing: other copies of the
 * tool use it too. */
#define HANDLE 0xd5c9
/* First priority that is tried. Low, because a filter that ends the chain, like the mirred that
 * sqm-scripts puts at 10, hides all behind it; and the automatic one is 49152. */
#define FIRST_PRIORITY 1
#define SECOND_PRIORITY 5 /* behind the other in any case */
/* Behind the others: the automatic priorities of tc go down from 49152, and below those that are
 * there. From 49153 on nobody gets another one than without us. */
#define LAST_PRIORITY 49153
#define HIGHEST_PRIORITY 65535
#define TRIES 4 /* priorities that are tried */

#define PARENT(minor) TC_H_MAKE(TC_H_CLSACT, minor)

struct search {
	struct owner owner;
	uint32_t prog_id;
	const char *program; /* the beginning of its name */
	uint32_t except; /* a priority, if not 0 */
	struct nl_filter found; /* our last one; with that id, if there is one */
};

static int match(const struct nl_filter *filter, void *ctx)
{
	struct search *search = ctx;
	bool exact = filter->prog_id && filter->prog_id == search->prog_id;

	if (search->except && filter->priority == search->except)
		return 0;
	if (!exact &&
	    !(filter->prog_id && owner_has(&search->owner, filter->prog_id, search->program)))
		return 0;
	if (exact || !search->found.prog_id || search->found.prog_id != search->prog_id)
		search->found = *filter;
	return 0;
}

uint32_t clsact_parent(const struct hook *hook)
{
	return PARENT(hook_role(hook)->point == HOOK_INGRESS ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

/* Finds the filter of our program, but none of that priority (0: any). prog_id 0: not known. Of
 * several the last. */
static int find(const struct hook *hook, uint32_t prog_id, uint32_t except, struct nl_filter *found)
{
	struct search search = {
		.owner = { .dir = hook->dir },
		.prog_id = prog_id,
		.program = hook_role(hook)->name,
		.except = except,
	};
	struct nl_error why;
	int err = -ENOENT;

	if (hook->netns == netns_own()) /* elsewhere the number is another device's */
		err = nl_filters(hook->ifindex, clsact_parent(hook), match, &search, &why);
	if (!err && !search.found.prog_id)
		err = -ENOENT;
	*found = search.found;
	return err;
}

/* Takes it for removed if the filter, its qdisc or its device is not there. */
static int if_there(int err)
{
	return err == -ENOENT || err == -ENODEV || err == -EINVAL ? 0 : err;
}

static struct bpf_tc_hook tc_hook(const struct hook *hook)
{
	struct bpf_tc_hook tc;

	memset(&tc, 0, sizeof(tc)); /* libbpf looks at the padding too */
	tc.sz = sizeof(tc);
	tc.ifindex = hook->ifindex;
	tc.attach_point = hook_role(hook)->point == HOOK_INGRESS ? BPF_TC_INGRESS : BPF_TC_EGRESS;
	return tc;
}

/* The qdisc */

/* Beside the sets, since one device may have programs of two. */
static void qdisc_path(char *path, const struct hook *hook)
{
	snprintf(path, PATH_MAX, "%s/../qdisc-%llu-%d", hook->dir, (unsigned long long)hook->netns,
		 hook->ifindex);
}

/* The qdisc `ingress` has the ingress half of clsact, which is all that is needed there. */
static bool will_do(const struct hook *hook, const char *kind)
{
	return !strcmp(kind, "clsact") ||
	       (hook_role(hook)->point == HOOK_INGRESS && !strcmp(kind, "ingress"));
}

bool clsact_is_possible(const struct hook *hook)
{
	char kind[IFNAMSIZ];
	struct nl_error why;

	return nl_ingress_qdisc(hook->ifindex, kind, &why) || !*kind || will_do(hook, kind);
}

static int add_kind(const struct hook *other, int pin, enum attach_kind kind, void *ctx)
{
	(void)other;
	(void)pin;
	*(unsigned int *)ctx |= 1u << kind;
	return 0;
}

static int count(const struct nl_filter *filter, void *ctx)
{
	(void)filter;
	++*(unsigned int *)ctx;
	return 0;
}

/* Removes a qdisc that has no filters. 1: the pin stays while our other programs are on the device:
 * a filter may be ours, one that clsact_sweep() of another hook will remove. */
static int remove_unused(const struct hook *hook, bool others)
{
	struct bpf_tc_hook tc = tc_hook(hook);
	unsigned int filters = 0;
	struct nl_error why;
	int err = 0;

	for (uint32_t m = TC_H_MIN_INGRESS; !err && m <= TC_H_MIN_EGRESS; m++)
		err = nl_filters(hook->ifindex, PARENT(m), count, &filters, &why);
	if (!err && filters)
		return others;
	tc.attach_point = BPF_TC_EGRESS | BPF_TC_INGRESS;
	if (!err)
		err = bpf_tc_hook_destroy(&tc);
	return if_there(err);
}

int clsact_release(const struct hook *hook)
{
	unsigned int kinds = 0; /* of our other programs on the device */
	char path[PATH_MAX];
	int stays;

	qdisc_path(path, hook);
	if (access(path, F_OK))
		return errno == ENOENT ? 0 : -errno;
	stays = pin_for_each_beside(hook, add_kind, &kinds);
	if (stays || kinds >> ATTACH_CLSACT & 1)
		return stays;
	/* Without its pin the qdisc would stay for ever: the pin goes only where it is known that
	 * the device is gone, or elsewhere. */
	if (hook->netns == netns_own())
		stays = device_is_pinned(path);
	if (stays > 0)
		stays = remove_unused(hook, kinds);
	if (stays)
		return stays < 0 ? stays : 0;
	return unlink(path) ? -errno : 0;
}

/* Makes the qdisc, after a pin that says so. One that somebody else has made in the meantime is
 * theirs. */
static int make(const struct hook *hook)
{
	struct bpf_tc_hook tc = tc_hook(hook);
	char kind[IFNAMSIZ], path[PATH_MAX];
	struct nl_error why;
	int err;

	qdisc_path(path, hook);
	err = device_pin(hook->dir, hook->ifindex, path);
	if (err)
		return hook_refused(hook, "cannot pin the qdisc of", err);
	err = bpf_tc_hook_create(&tc);
	if (!err)
		return 0;
	if (err != -EEXIST)
		return hook_refused(hook, "cannot add the qdisc clsact for", err);
	unlink(path);
	if (nl_ingress_qdisc(hook->ifindex, kind, &why) || !will_do(hook, kind))
		return hook_refused(hook, "cannot add the qdisc clsact for", err);
	return 0;
}

int clsact_adopt(const struct hook *hook)
{
	char own[PATH_MAX], path[PATH_MAX];

	snprintf(own, sizeof(own), "%s/qdiscs/%llu-%d", hook->dir, (unsigned long long)hook->netns,
		 hook->ifindex);
	if (!device_is_pinned(own))
		return 0;
	qdisc_path(path, hook);
	if (rename(own, path))
		return hook_refused(hook, "cannot take over the qdisc of", -errno);
	return 0;
}

/* Sees to a clsact qdisc, there already or made by us; which of the two is pinned. */
static int prepare(const struct hook *hook)
{
	char kind[IFNAMSIZ];
	struct nl_error why;
	int err = nl_ingress_qdisc(hook->ifindex, kind, &why);

	if (err)
		return failed(err, "%s: cannot list qdiscs: %s", hook->dev, why.text);
	if (will_do(hook, kind))
		return 0;
	/* libbpf would take -EEXIST for "clsact is there" and attach to ingress. */
	if (*kind)
		return failed(-EEXIST,
			      "%s: the qdisc '%s' at ffff: leaves no place for clsact: "
			      "remove it first (tc qdisc del dev %s ingress), or use %s",
			      hook->dev, kind, hook->dev,
			      tcx_supported() ? "--attach tcx" : "a kernel with TCX (6.6)");
	return make(hook);
}

bool clsact_awaits_qdisc(const struct hook *hook, const struct hook_state *state)
{
	NETNS_VISIT(hook->netns);
	char kind[IFNAMSIZ], path[PATH_MAX];
	struct nl_error why;

	qdisc_path(path, hook);
	return state->attach == ATTACH_CLSACT && state->health == HOOK_MISSING &&
	       hook->netns == netns_own() && hook_role(hook)->point == HOOK_INGRESS &&
	       access(path, F_OK) && !nl_ingress_qdisc(hook->ifindex, kind, &why) && !*kind;
}

/* The filter */

static int put(const struct hook *hook, int prog_fd, uint32_t priority, bool replace)
{
	struct bpf_tc_hook tc = tc_hook(hook);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .priority = priority, .handle = HANDLE,
		    .flags = replace ? BPF_TC_F_REPLACE : 0);

	return bpf_tc_attach(&tc, &opts);
}

/* Removes all filters of our program, but one of that priority. */
static int remove_but(const struct hook *hook, uint32_t prog_id, uint32_t except)
{
	struct bpf_tc_hook tc = tc_hook(hook);
	struct nl_filter filter;
	int err;

	while (!(err = find(hook, prog_id, except, &filter))) {
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = filter.handle,
			    .priority = filter.priority);

		err = bpf_tc_detach(&tc, &opts);
		if (err)
			break;
	}
	return if_there(err);
}

/* Filters of chain 0, which is where packets come in. */
static int find_highest(const struct nl_filter *filter, void *ctx)
{
	uint32_t *highest = ctx;

	if (!filter->chain && filter->priority > *highest)
		*highest = filter->priority;
	return 0;
}

/* The priority where a new filter belongs, or a negative errno. */
static int choose_priority(const struct hook *hook)
{
	uint32_t highest = 0;
	struct nl_error why;
	int err;

	if (!hook_role(hook)->last)
		return hook_role(hook)->first ? FIRST_PRIORITY : SECOND_PRIORITY;
	err = nl_filters(hook->ifindex, clsact_parent(hook), find_highest, &highest, &why);
	if (err)
		return err;
	if (highest < LAST_PRIORITY)
		return LAST_PRIORITY;
	return highest < HIGHEST_PRIORITY ? (int)highest + 1 : HIGHEST_PRIORITY;
}

/* Puts a new filter at that priority, or beside: somebody else's may have that place, which is
 * EEXIST for the same handle, EINVAL for another kind of filter or protocol at the same priority.
 */
static int add(const struct hook *hook, int prog_fd, int *priority)
{
	int err, tries = TRIES;

	while (1) {
		log_reason_reset();
		err = put(hook, prog_fd, *priority, false);
		if ((err != -EEXIST && err != -EINVAL) || !--tries)
			return err;
		*priority += hook_role(hook)->last ? -1 : 1;
	}
}

static int attach(const struct hook *hook, int prog_fd)
{
	struct nl_filter left;
	int priority, err;

	/* The pin first: a qdisc or a filter without one would never be found again. */
	err = pin_put_hook(hook, prog_fd);
	if (err)
		return hook_refused(hook, "cannot pin", err);
	err = prepare(hook);
	if (err) {
		clsact_release(hook); /* it may be there, if only the answer was lost */
		pin_remove(hook);
		return err;
	}
	/* Our filter without its pin, which somebody has removed: not to be there twice. */
	if (!find(hook, 0, 0, &left) && !put(hook, prog_fd, left.priority, true))
		return 0;
	priority = choose_priority(hook);
	err = priority < 0 ? priority : add(hook, prog_fd, &priority);
	if (err) {
		hook_refused(hook, "the kernel does not attach (clsact)", err);
		/* It may be there, if only the answer was lost; else its pin finds it later. */
		if (!remove_but(hook, pin_program_id(prog_fd), 0) && !clsact_release(hook))
			pin_remove(hook);
	}
	return err;
}

static int query(const struct hook *hook, int pin, struct hook_state *state)
{
	struct nl_filter filter;
	int err;

	state->attach = ATTACH_CLSACT;
	state->prog_id = pin_program_id(pin);
	if (!device_in_reach(hook, &state->health))
		return 0;
	err = find(hook, state->prog_id, 0, &filter);
	if (err)
		return if_there(err);
	state->health = HOOK_OK;
	state->prog_id = filter.prog_id;
	state->priority = filter.priority;
	return 0;
}

static int replace(const struct hook *hook, int prog_fd, const struct hook_state *state)
{
	_cleanup_close_ int pin = pin_open(hook);
	int err = pin_put_hook(hook, prog_fd);

	if (err)
		return err;
	err = put(hook, prog_fd, state->priority, true);
	if (err)
		pin_put_hook(hook, pin); /* as it was: a pin keeps the maps of its program */
	return err;
}

static int detach(const struct hook *hook, int pin, const struct hook_state *state)
{
	int err = state->health == HOOK_OK ? remove_but(hook, state->prog_id, 0) : 0;

	(void)pin;
	return err ? hook_refused(hook, "cannot remove", err) : 0;
}

int clsact_go_last(const struct hook *hook, int prog_fd, const struct hook_state *state,
		   bool others_behind)
{
	int priority = choose_priority(hook), err;

	if (priority < 0)
		return hook_refused(hook, "cannot see who runs behind", priority);
	if (!others_behind || (uint32_t)priority <= state->priority)
		return remove_but(hook, state->prog_id, state->priority);
	/* The new filter comes first: a program that reads a DSCP may do so twice. */
	err = add(hook, prog_fd, &priority);
	if (!err)
		err = remove_but(hook, pin_program_id(prog_fd), priority);
	return err ? hook_refused(hook, "cannot move", err) : 0;
}

int clsact_sweep(const struct hook *hook)
{
	int err = remove_but(hook, 0, 0);

	if (!err)
		err = clsact_release(hook);
	return err ? hook_refused(hook, "cannot remove a filter beside", err) : 0;
}

const struct hook_backend clsact_backend = {
	.query = query,
	.attach = attach,
	.replace = replace,
	.detach = detach,
};
