/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool reload: discovers loaded tunnels anew, by their requests, as monitor does, once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "state/change.h"
#include "state/foreign.h"
#include "state/install.h"
#include "state/options.h"
#include "state/present.h"
#include "state/recheck.h"
#include "state/registry.h"
#include "state/root.h"
#include "state/sets.h"
#include "tunnel/discover.h"
#include "util/log.h"
#include "util/netns.h"
#include "util/reason.h"

struct reload_config {
	const char *names[MAX_NAMES];
	unsigned int n_names; /* 0: all tunnels of this network namespace */
	bool found[MAX_NAMES];
	bool all; /* and the hooks of the other ones */
};

static const struct arg_option reload_options[] = {
	{ "all", 'a', NULL, "of all network namespaces, and of other versions of dscp-tool", NULL,
	  ARG_FLAG, ARG_TO(struct reload_config, all) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command reload_command = {
	.name = "reload",
	.synopsis = "[TUNNEL...]",
	.help = "find everything anew, with the same options",
	.options = reload_options,
	.min_args = 0,
	.max_args = MAX_NAMES,
};

static int reload_tunnel(const struct pins *pins, uint32_t slot)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[slot];
	NETNS_VISIT(tunnel->netns);
	struct recheck recheck;
	int err;

	if (netns_own() != tunnel->netns)
		return failed(-EXDEV, "%.15s: %s: left as it is", tunnel->name,
			      present_is(pins, slot, PRESENT_NETNS)
				      ? "in a network namespace that is not visible from here"
				      : "its network namespace is gone");
	err = recheck_find(pins, slot, &recheck);
	/* Also without a change: a foreign program may have come in between. */
	if (!err)
		err = change_tunnel(&recheck.wanted, NULL, 0);
	if (!err && *recheck.change)
		printf("%.15s: %s: loaded again\n", recheck.wanted.tunnel.name, recheck.change);
	return err;
}

static bool is_asked_for(struct reload_config *config, const struct pins *pins, uint32_t slot)
{
	bool asked = !config->n_names && (config->all || registry_is_here(pins, slot));

	for (unsigned int i = 0; i < config->n_names; i++) {
		if (registry_find(pins, config->names[i]) != slot)
			continue;
		config->found[i] = true;
		asked = true;
	}
	return asked;
}

/* One that fails is no reason to leave out the others. */
static int reload_set(struct pins *pins, void *ctx)
{
	struct reload_config *config = ctx;
	bool renewed = false;
	int err = 0, failure;

	if (!pins->tunnels)
		return 0;
	for_each_tunnel (slot, pins) {
		if (!is_asked_for(config, pins, slot))
			continue;
		failure = renewed ? 0 : install_renew(pins, 0);
		renewed = true;
		if (!failure)
			failure = reload_tunnel(pins, slot);
		if (failure)
			reason_print(); /* there may be many */
		err = err ? err : failure;
	}
	return err;
}

/* Names a tunnel that is not loaded any more, and its options. */
static void lost(const struct request *request, const struct peer_maps *prefixes)
{
	char *command = options_text("", request, prefixes);

	if (command)
		failed(0, "%.15s: not loaded any more: when that is mended, %s", request->name,
		       command);
	reason_print();
	free(command);
}

/* The lock is held, so nothing else is loaded meanwhile. */
static int load_again(const struct request *request, const struct peer_maps *prefixes,
		      enum foreign_state state)
{
	struct wanted wanted = { .request = *request };
	char why[512];
	int err;

	if (state > FOREIGN_NO_DEVICE) {
		failed(0,
		       state == FOREIGN_NO_NETNS ? "%.15s: its network namespace is gone"
						 : "%.15s: its device is gone, and its name is "
						   "another tunnel's now",
		       request->name);
		lost(request, prefixes);
		return 1;
	}
	err = state == FOREIGN_PRESENT
		      ? discover_tunnel(request, request, &wanted.tunnel)
		      : failed(-ENODEV, "%.15s: the device is gone", request->name);
	if (!err)
		err = change_tunnel(&wanted, prefixes, request->flows);
	if (!err) {
		printf("%.15s: was loaded by another version: loaded again\n", request->name);
		reason_print();
		return 0;
	}
	snprintf(why, sizeof(why), "%s", reason_first());
	change_without_device(&wanted);
	err = change_tunnel(&wanted, prefixes, request->flows);
	if (!err) {
		reason_clear();
		failed(0, "%s: kept for the next reload", why);
	}
	reason_print();
	return err ? err : 1;
}

static int take_over(struct pins *pins, int err, void *ctx)
{
	if (err != -ESTALE || !pins->set)
		return say_set(pins, err, ctx);
	reason_print(); /* those of other sets: what is kept from now on is about this one */
	return foreign_take_over(pins, load_again);
}

int run_reload(int argc, char **argv)
{
	struct reload_config config = {};
	int status = parsed(&reload_command, args_parse(&reload_command, argc, argv, &config,
							config.names, &config.n_names));
	_cleanup_lock_ int lock = -1;
	other_set *other;

	if (status >= 0)
		return status;
	if (config.all && config.n_names) {
		log_error("reload needs the names of tunnels, or --all, or neither");
		return EXIT_USAGE;
	}
	lock = root_lock(false);
	if (lock < 0 && lock != -ENOENT)
		return EXIT_REFUSED;
	other = config.all ? take_over : config.n_names ? sets_pass_over : sets_refuse_ours;
	if (sets_for_each(reload_set, other, &config))
		status = EXIT_REFUSED;
	for (unsigned int i = 0; i < config.n_names && status < 0; i++)
		if (!config.found[i])
			status = not_loaded(&reload_command, config.names[i]);
	return status < 0 ? EXIT_DONE : status;
}
