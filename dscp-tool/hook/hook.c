/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Decides how a program is attached, and in which order with others; the back ends do it. */
#include "hook/hook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hook/around.h"
#include "hook/backend.h"
#include "hook/clsact.h"
#include "hook/device.h"
#include "hook/pin.h"
#include "hook/tcx.h"
#include "hook/xdp.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/reason.h"

static const struct hook_backend *const backends[] = {
	[ATTACH_TCX] = &tcx_backend,
	[ATTACH_CLSACT] = &clsact_backend,
	[ATTACH_XDP_NATIVE] = &xdp_backend,
};

const char *hook_kind_name(enum attach_kind kind)
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

struct hook hook_for(const char *dir, enum role role, uint64_t netns, int ifindex, const char *dev)
{
	struct hook hook = { .dir = dir, .netns = netns, .ifindex = ifindex, .role = role };

	snprintf(hook.dev, sizeof(hook.dev), "%s", dev);
	return hook;
}

/* Reads the state of a hook, and opens its pin. Returns the kind of the pin (see pin_kind()); AUTO:
 * there is no pin. */
static int look(const struct hook *hook, int *pin, struct hook_state *state)
{
	int kind, err;

	memset(state, 0, sizeof(*state));
	state->health = HOOK_MISSING;
	*pin = pin_open(hook);
	if (*pin < 0)
		return *pin == -ENOENT ? ATTACH_AUTO : *pin;
	kind = pin_kind(hook, *pin);
	if (kind < 0)
		return kind;
	err = backends[kind]->query(hook, *pin, state);
	return err ? err : kind;
}

int hook_query(const struct hook *hook, struct hook_state *state)
{
	NETNS_VISIT(hook->netns);
	_cleanup_close_ int pin = -1;
	int kind = look(hook, &pin, state);

	return kind < 0 ? kind : 0;
}

/* Foreign programs at the hook */

static int add_beside(const struct hook *other, int pin, enum attach_kind kind, void *ctx)
{
	struct hook_state state = { .health = HOOK_MISSING };
	struct beside *beside = ctx;
	int err;

	if (hook_role(other)->point != hook_role(beside->hook)->point)
		return 0;
	err = backends[kind]->query(other, pin, &state);
	if (err || state.health != HOOK_OK)
		return err;
	if (beside->n < ARRAY_SIZE(beside->ids))
		beside->ids[beside->n++] = state.prog_id;
	if (other->role != beside->hook->role)
		beside->kinds |= 1u << state.attach;
	return 0;
}

static int look_beside(const struct hook *hook, struct beside *beside)
{
	*beside = (struct beside){ .hook = hook };
	return pin_for_each_beside(hook, add_beside, beside);
}

unsigned int hook_neighbours(const struct hook *hook, const struct hook_state *state,
			     enum hook_side side, struct hook_neighbour *neighbours,
			     unsigned int max)
{
	NETNS_VISIT(hook->netns);
	struct around around = {
		.hook = hook,
		.state = state,
		.side = side,
		.list = neighbours,
		.max = max,
	};
	int n;

	if (state->health != HOOK_OK || hook_role(hook)->point == HOOK_XDP ||
	    hook->netns != netns_own() || (side == HOOK_BEHIND && !hook_role(hook)->last))
		return 0;
	look_beside(hook, &around.beside);
	n = around_list(&around);
	return n < 0 ? 0 : (unsigned int)n < max ? (unsigned int)n : max;
}

/* Returns 1 if there are foreign filters, which a TCX program would run before and should not. */
static int has_filters(const struct hook *hook, const struct beside *beside)
{
	const struct hook_state tcx = { .attach = ATTACH_TCX };
	struct around around = {
		.hook = hook,
		.state = &tcx,
		.beside = *beside,
		.side = HOOK_BEHIND,
	};
	int n;

	n = hook_role(hook)->last ? around_list(&around) : 0;
	return n < 0 ? n : around.clsact;
}

/* TCX runs before clsact, whatever the priority there. Returns the kind of our other program that
 * would run on the wrong side; AUTO: none would. */
static enum attach_kind wrong_order(const struct hook *hook, const struct beside *beside,
				    enum attach_kind kind)
{
	const enum attach_kind wrong = hook_role(hook)->first ? ATTACH_TCX : ATTACH_CLSACT;

	return kind != wrong && beside->kinds >> wrong & 1 ? wrong : ATTACH_AUTO;
}

static int choose_automatically(const struct hook *hook, const struct beside *beside)
{
	int filters;

	if (!tcx_supported() || wrong_order(hook, beside, ATTACH_TCX))
		return ATTACH_CLSACT;
	filters = has_filters(hook, beside);
	if (filters < 0)
		return hook_refused(hook, "cannot see who runs behind", filters);
	return filters ? ATTACH_CLSACT : ATTACH_TCX;
}

/* The kind to use, or a negative errno. */
static int choose_kind(const struct hook *hook, int kind)
{
	enum attach_kind other;
	struct beside beside;
	int err = look_beside(hook, &beside);

	if (err)
		return hook_refused(hook, "cannot see who runs beside", err);
	if (kind == ATTACH_AUTO)
		kind = choose_automatically(hook, &beside);
	if (kind < 0)
		return kind;
	if (kind == ATTACH_TCX && !tcx_supported())
		return failed(-EOPNOTSUPP,
			      "%s: no TCX in this kernel (it came with Linux 6.6): "
			      "use --attach clsact",
			      hook->dev);
	other = wrong_order(hook, &beside, kind);
	if (other)
		return failed(-EINVAL,
			      "%s: %s by %s would run on the wrong side of what is attached there "
			      "by %s for another tunnel: use --attach %s",
			      hook->dev, hook_role(hook)->name, hook_kind_name(kind),
			      hook_kind_name(other), hook_kind_name(other));
	return kind;
}

/* Attaching */

/* Replaces the program of a live hook, which keeps its position. The remains of a killed load
 * beside a TCX link are then to be swept. */
static int keep(const struct hook *hook, int prog_fd, struct hook_state *state)
{
	const uint32_t id = pin_program_id(prog_fd);
	int err = id == state->prog_id ? 0 : backends[state->attach]->replace(hook, prog_fd, state);

	if (err)
		return hook_refused(hook, "cannot replace", err);
	state->prog_id = id;
	return 0;
}

/* Changes a live hook from one kind to the other: the new one first, so that no packet passes
 * unmarked. */
static int convert(const struct hook *hook, int prog_fd, const struct hook_state *old,
		   enum attach_kind kind)
{
	_cleanup_close_ int pin = pin_open(hook);
	int err = backends[kind]->attach(hook, prog_fd);

	if (err) {
		pin_put_hook(hook, pin);
		return err;
	}
	err = backends[old->attach]->detach(hook, pin, old);
	if (err) {
		pin_put_hook(hook, pin); /* as it was: a new link goes with its pin */
		return err;
	}
	err = old->attach == ATTACH_CLSACT ? clsact_release(hook) : 0;
	return err ? hook_refused(hook, "cannot remove the qdisc of", err) : 0;
}

/* Goes behind foreign TCX programs, where the same program cannot be attached a second time: clsact
 * has its position meanwhile. Where there can be no clsact, packets pass unmarked for a moment. */
static int move_behind_tcx(const struct hook *hook, int prog_fd, const struct hook_state *tcx)
{
	const struct hook_state clsact = {
		.attach = ATTACH_CLSACT,
		.prog_id = pin_program_id(prog_fd),
	};
	_cleanup_close_ int pin = -1;
	int err;

	if (!clsact_is_possible(hook)) {
		pin = pin_open(hook);
		tcx_backend.detach(hook, pin, tcx);
		return tcx_backend.attach(hook, prog_fd);
	}
	err = convert(hook, prog_fd, tcx, ATTACH_CLSACT);
	return err ? err : convert(hook, prog_fd, &clsact, ATTACH_TCX);
}

/* Lists the programs that run behind a live hook. Returns 0, or a negative errno after a
 * sentence. */
static int look_behind(const struct hook *hook, const struct hook_state *state,
		       struct around *behind)
{
	int n;

	*behind = (struct around){
		.hook = hook,
		.state = state,
		.side = HOOK_BEHIND,
	};
	n = look_beside(hook, &behind->beside);
	if (!n)
		n = around_list(behind);
	return n < 0 ? hook_refused(hook, "cannot see who runs behind", n) : 0;
}

/* Attaches by that kind, in place of a live hook of another kind if there is one. */
static int attach_by(const struct hook *hook, int prog_fd, const struct hook_state *state,
		     enum attach_kind kind)
{
	int err;

	if (state->health == HOOK_OK)
		return convert(hook, prog_fd, state, kind);
	err = backends[kind]->attach(hook, prog_fd);
	return err || kind == ATTACH_CLSACT ? err : clsact_sweep(hook);
}

int hook_attach(const struct hook *hook, int prog_fd, enum attach_kind kind)
{
	NETNS_VISIT(hook->netns);
	_cleanup_close_ int pin = -1;
	struct hook_state state;
	struct around behind;
	int pinned = look(hook, &pin, &state), chosen, err;

	if (pinned < 0)
		return hook_refused(hook, "cannot read the pin of", pinned);
	log_reason_reset();
	pin_remove_new(hook->dir);
	if (state.health != HOOK_OK || (kind != ATTACH_AUTO && kind != state.attach)) {
		err = device_need_reach(hook);
		chosen = err ? err : choose_kind(hook, kind);
		return chosen < 0 ? chosen : attach_by(hook, prog_fd, &state, chosen);
	}
	err = keep(hook, prog_fd, &state);
	if (!err && state.attach == ATTACH_TCX)
		err = clsact_sweep(hook);
	if (err || !hook_role(hook)->last || hook->netns != netns_own())
		return err;
	/* Behind all others again, as far as that is possible with that kind. */
	err = look_behind(hook, &state, &behind);
	if (err)
		return err;
	if (state.attach == ATTACH_CLSACT)
		return clsact_go_last(hook, prog_fd, &state, behind.clsact);
	if (behind.clsact && kind == ATTACH_AUTO)
		return convert(hook, prog_fd, &state, ATTACH_CLSACT);
	return behind.tcx ? move_behind_tcx(hook, prog_fd, &state) : 0;
}

int hook_update(const struct hook *hook, int prog_fd)
{
	NETNS_VISIT(hook->netns);
	_cleanup_close_ int pin = -1;
	struct hook_state state;
	int kind = look(hook, &pin, &state), err;

	if (kind < 0)
		return hook_refused(hook, "cannot read the pin of", kind);
	log_reason_reset();
	if (state.health != HOOK_OK)
		return 0;
	err = keep(hook, prog_fd, &state);
	return err || state.attach != ATTACH_TCX ? err : clsact_sweep(hook);
}

int hook_detach(const struct hook *hook)
{
	NETNS_VISIT(hook->netns);
	_cleanup_close_ int pin = -1;
	struct hook_state state;
	int kind = look(hook, &pin, &state), err = 0;

	if (kind < 0)
		return hook_refused(hook, "cannot read the pin of", kind);
	if (state.health == HOOK_ELSEWHERE)
		return failed(-EXDEV,
			      "%s: %s is attached in another network namespace: unload there, or "
			      "with CAP_SYS_ADMIN",
			      hook->dev, hook_role(hook)->name);
	if (kind != ATTACH_AUTO)
		err = backends[kind]->detach(hook, pin, &state);
	/* A filter may be beside a TCX link; also when the link went in an unload that failed. */
	if (!err && kind == ATTACH_TCX)
		err = clsact_sweep(hook);
	if (err)
		return err;
	err = clsact_release(hook);
	if (err)
		return hook_refused(hook, "cannot remove the qdisc of", err);
	err = pin_remove(hook);
	return err ? hook_refused(hook, "cannot remove the pin of", err) : 0;
}
