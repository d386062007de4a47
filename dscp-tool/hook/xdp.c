/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Attaches our XDP program through libxdp, and remembers it by the pin of the hook. */
#include "hook/xdp.h"

#include <errno.h>

#include <bpf/libbpf.h>

#include "hook/device.h"
#include "hook/leftovers.h"
#include "hook/libxdp.h"
#include "hook/pin.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netns.h"

static int query(const struct hook *hook, int pin, struct hook_state *state)
{
	struct xdp_hook_state xdp = {};
	int err;

	state->prog_id = pin_program_id(pin);
	if (!device_in_reach(hook, &state->health))
		return 0;
	err = libxdp_query(hook->ifindex, state->prog_id, &xdp);
	if (err || !xdp.attached)
		return err;
	state->health = HOOK_OK;
	state->attach = xdp.mode == XDP_HOOK_NATIVE ? ATTACH_XDP_NATIVE : ATTACH_XDP_GENERIC;
	return 0;
}

static int take_away(const struct hook *hook, uint32_t prog_id)
{
	const struct leftovers leftovers = { .ifindex = hook->ifindex, .prog_id = prog_id };
	int err = libxdp_detach(hook->ifindex, hook->dev, prog_id);

	if (!err)
		leftovers_remove(&leftovers);
	return err;
}

/* Sees to a pin to find the hook by: the sibling, if nothing is pinned. *pinned_id: the program
 * that was pinned before; 0: not known. Returns 1 if the pin was made, 0, or a negative errno. */
static int begin(const struct hook *hook, int sibling_fd, uint32_t *pinned_id)
{
	_cleanup_close_ int pin = pin_open(hook);
	int err;

	*pinned_id = pin < 0 ? 0 : pin_program_id(pin);
	if (pin != -ENOENT)
		return pin < 0 ? pin : 0;
	err = pin_put_hook(hook, sibling_fd);
	return err ? err : 1;
}

int xdp_attach(const struct hook *hook, struct bpf_object *object, int sibling_fd)
{
	NETNS_VISIT(hook->netns);
	const char *name = hook_role(hook)->name;
	_cleanup_close_ int fd = -1;
	uint32_t old_id = 0, pinned_id = 0;
	int err = device_need_reach(hook), made = 0;

	log_reason_reset();
	if (!err && (made = begin(hook, sibling_fd, &pinned_id)) < 0)
		err = hook_refused(hook, "cannot pin", made);
	if (!err)
		old_id = libxdp_find(hook->ifindex, name, sibling_fd);
	if (!err && !old_id && pinned_id) /* somebody took it away; libxdp's pins are there */
		err = take_away(hook, pinned_id);
	if (err) {
		bpf_object__close(object);
		return err;
	}
	err = libxdp_attach(hook->ifindex, hook->dev, object, name, old_id, &fd);
	if (err) {
		if (made && !old_id)
			pin_remove(hook);
		return err;
	}
	err = pin_put_hook(hook, fd);
	if (!err)
		return 0;
	take_away(hook, pin_program_id(fd));
	return hook_refused(hook, "cannot pin", err);
}

/* The pin is of the program itself or of its sibling. */
static int detach(const struct hook *hook, int pin, const struct hook_state *state)
{
	uint32_t id = 0;

	if (!state->prog_id)
		return 0;
	if (hook->netns == netns_own())
		id = libxdp_find(hook->ifindex, hook_role(hook)->name, pin);
	return take_away(hook, id ? id : state->prog_id);
}

static int is_xdp_at(const struct hook *hook, void *ctx)
{
	return hook_role(hook)->point == HOOK_XDP && hook->ifindex == *(int *)ctx;
}

/* In whichever network namespace; and if it is not to be known. */
static bool in_use(int ifindex, const void *dir)
{
	return pin_for_each(dir, is_xdp_at, &ifindex);
}

void xdp_sweep(const char *dir, int sibling_fd)
{
	const struct leftovers leftovers = {
		.name = program_roles[ROLE_INGRESS_OUTER_XDP].name,
		.like_fd = sibling_fd,
		.in_use = in_use,
		.ctx = dir,
	};

	leftovers_remove(&leftovers);
}

const struct hook_backend xdp_backend = { .query = query, .detach = detach };
