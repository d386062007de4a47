/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool unload: takes away what load has set up. */
#include <errno.h>

#include "command.h"
#include "state/change.h"
#include "state/peers.h"
#include "state/hooks.h"
#include "state/install.h"
#include "state/registry.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/reason.h"

struct unload_config {
	bool all;
};

static const struct arg_option unload_options[] = {
	{ "all", 'a', NULL, "every tunnel", ARG_FLAG, ARG_TO(struct unload_config, all) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command unload_command = {
	.name = "unload",
	.synopsis = "TUNNEL | --all",
	.help = "take away what load has set up, and nothing else",
	.options = unload_options,
	.min_args = 0,
	.max_args = 1,
};

/* A filter and an XDP program can only be removed in their own network namespace; a TCX link
 * anywhere. */
static bool removable(const struct dscp_tunnel *tunnel)
{
	struct hook_state states[MAX_HOOKS] = {};

	if (change_permitted(tunnel) || hooks_states(tunnel, states))
		return false;
	for (unsigned int i = 0; i < MAX_HOOKS; i++) {
		if (states[i].health != HOOK_ELSEWHERE)
			continue;
		log_error("%s: attached in another network namespace: unload it there, or with "
			  "CAP_SYS_ADMIN",
			  tunnel->name);
		return false;
	}
	return true;
}

static int free_slot(struct pins *pins, uint32_t slot)
{
	const struct peer_maps no_peers = {};
	const struct dscp_tunnel none = {};
	int err;

	if (!pins->tunnels[slot].ifindex)
		return 0;
	if (!removable(&pins->tunnels[slot]))
		return -EXDEV;
	err = registry_write(pins, slot, &none);
	return err ? err : peers_remove_others(pins, slot, &no_peers);
}

/* slot 0: all of them. One that cannot go is no reason to keep the others. */
static int unload(struct pins *pins, uint32_t slot)
{
	uint32_t last = slot ? slot : DSCP_MAX_TUNNELS - 1;
	int err = 0, pruned;

	for (slot = slot ? slot : 1; slot <= last; slot++)
		if (free_slot(pins, slot)) {
			err = -EXDEV;
			reason_print(); /* there may be many */
		}
	pruned = install_prune(pins);
	return err ? err : pruned;
}

static int unload_name(const char *name)
{
	struct pins pins;
	uint32_t slot = 0;
	int err = pins_open(&pins);

	if (err == -ENOENT && pins_remove())
		return EXIT_REFUSED;
	if (err == -ENOENT)
		return name ? not_loaded(name) : EXIT_DONE;
	if (err)
		return EXIT_REFUSED;
	if (name)
		slot = registry_find(&pins, name);
	if (name && !slot)
		slot = registry_find_gone(&pins, name);
	if (!name || slot)
		err = unload(&pins, slot);
	else
		err = install_prune(&pins); /* after an unload that was killed half way */
	pins_close(&pins);
	if (name && !slot)
		return not_loaded(name);
	return err ? EXIT_REFUSED : EXIT_DONE;
}

int run_unload(int argc, char **argv)
{
	struct unload_config config = {};
	const char *name = NULL;
	unsigned int n_args = 0;
	_cleanup_close_ int lock = -1;
	int status = parsed(args_parse(&unload_command, argc, argv, &config, &name, &n_args));

	if (status >= 0)
		return status;
	if (config.all == (n_args == 1)) {
		log_error("unload needs the name of one tunnel, or --all");
		return EXIT_USAGE;
	}
	lock = pins_lock();
	return lock < 0 ? EXIT_REFUSED : unload_name(n_args ? name : NULL);
}
