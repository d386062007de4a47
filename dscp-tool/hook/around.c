/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Lists foreign programs and filters that run before or behind ours. */
#include "hook/around.h"

#include <errno.h>
#include <stdio.h>

#include <bpf/bpf.h>

#include "hook/clsact.h"
#include "hook/tcx.h"
#include "util/macros.h"
#include "util/netlink.h"

/* Where the kernel tells it; the name stays as it is otherwise. */
static void name_program(uint32_t prog_id, char *name, size_t size)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(prog_id);
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && *info.name)
		snprintf(name, size, "%s", info.name);
}

/* Our own are no neighbours: known programs, and the remains of a killed load. */
static bool is_own(struct around *around, const struct hook_neighbour *neighbour)
{
	const struct hook_state *state = around->state;
	bool own = neighbour->prog_id == state->prog_id;

	if (!neighbour->prog_id)
		return false;
	if (neighbour->prog_id == state->prog_id && neighbour->attach == state->attach &&
	    neighbour->priority == state->priority)
		around->passed = true;
	for (unsigned int i = 0; i < around->beside.n; i++)
		own |= neighbour->prog_id == around->beside.ids[i];
	return own;
}

static void add(struct around *around, struct hook_neighbour *neighbour)
{
	if (is_own(around, neighbour) || around->passed != (around->side == HOOK_BEHIND))
		return;
	if (neighbour->prog_id)
		name_program(neighbour->prog_id, neighbour->name, sizeof(neighbour->name));
	around->tcx |= neighbour->attach == ATTACH_TCX;
	around->clsact |= neighbour->attach == ATTACH_CLSACT;
	if (around->n < around->max)
		around->list[around->n] = *neighbour;
	around->n++;
}

static int add_tcx(struct around *around)
{
	uint32_t ids[TCX_MAX];
	int n = tcx_list(around->hook, ids);

	for (int i = 0; i < n; i++) {
		struct hook_neighbour neighbour = { .attach = ATTACH_TCX, .prog_id = ids[i] };

		add(around, &neighbour);
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
	struct around *around = ctx;

	/* Behind ours another chain is reached only by a filter of this one. */
	if (filter->chain && around->passed)
		return 0;
	snprintf(neighbour.name, sizeof(neighbour.name), "%s",
		 *filter->name ? filter->name : filter->kind);
	add(around, &neighbour);
	return 0;
}

int around_list(struct around *around)
{
	const struct hook *hook = around->hook;
	struct nl_error why;
	int err = add_tcx(around);

	if (around->state->attach == ATTACH_TCX)
		around->passed = true; /* of clsact all run after it */
	if (!err && (around->state->attach == ATTACH_CLSACT || around->side == HOOK_BEHIND))
		err = nl_filters(hook->ifindex, clsact_parent(hook), add_filter, around, &why);
	return err < 0 ? err : (int)around->n;
}
