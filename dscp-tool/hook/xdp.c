/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Attaches our XDP program through libxdp, and remembers it by the pin of the hook. */
#include "hook/xdp.h"

#include <errno.h>

#include <bpf/libbpf.h>

#include "hook/device.h"
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

/* Sees to a pin to find the hook by: the sibling, if nothing is pinned. *pinned_id: the program
 * that was pinned before; 0: nothing was. */
static int begin(const struct hook *hook, int sibling_fd, uint32_t *pinned_id)
{
	_cleanup_close_ int pin = pin_open(hook);

	*pinned_id = pin < 0 ? 0 : pin_program_id(pin);
	return pin == -ENOENT ? pin_put_hook(hook, sibling_fd) : pin < 0 ? pin : 0;
}

/* Attaches the program of the object, which is closed in any case, and pins it. */
static int attach(const struct hook *hook, struct bpf_object *object, int sibling_fd,
		  uint32_t pinned_id)
{
	const char *name = hook_role(hook)->name;
	uint32_t old_id = libxdp_find(hook->ifindex, name, sibling_fd);
	_cleanup_close_ int fd = -1;
	int err;

	if (!old_id && pinned_id) /* somebody took it away; libxdp's pins for it are there */
		libxdp_detach(hook->ifindex, hook->dev, pinned_id);
	err = libxdp_attach(hook->ifindex, hook->dev, object, name, old_id, &fd);
	if (err) {
		if (!pinned_id && !old_id)
			pin_remove(hook);
		return err;
	}
	err = pin_put_hook(hook, fd);
	if (!err)
		return 0;
	libxdp_detach(hook->ifindex, hook->dev, pin_program_id(fd));
	return hook_refused(hook, "cannot pin", err);
}

int xdp_attach(const struct hook *hook, struct bpf_object *object, int sibling_fd)
{
	NETNS_VISIT(hook->netns);
	uint32_t pinned_id;
	int err = device_need_reach(hook);

	log_reason_reset();
	if (!err) {
		err = begin(hook, sibling_fd, &pinned_id);
		if (!err)
			return attach(hook, object, sibling_fd, pinned_id);
		hook_refused(hook, "cannot pin", err);
	}
	bpf_object__close(object);
	return err;
}

/* The pin is of the program itself or of its sibling. */
static int detach(const struct hook *hook, int pin, const struct hook_state *state)
{
	uint32_t id = 0;

	if (!state->prog_id)
		return 0;
	if (hook->netns == netns_own())
		id = libxdp_find(hook->ifindex, hook_role(hook)->name, pin);
	return libxdp_detach(hook->ifindex, hook->dev, id ? id : state->prog_id);
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
	libxdp_sweep(program_roles[ROLE_INGRESS_OUTER_XDP].name, sibling_fd, in_use, dir);
}

const struct hook_backend xdp_backend = { .query = query, .detach = detach };
