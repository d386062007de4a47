/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool unload: takes away all that load has set up. */
#include <errno.h>

#include "command.h"
#include "state/change.h"
#include "state/foreign.h"
#include "state/install.h"
#include "state/root.h"
#include "state/sets.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/reason.h"

struct unload_config {
	bool all;
};

static const struct arg_option unload_options[] = {
	{ "all", 'a', NULL, "every tunnel", NULL, ARG_FLAG, ARG_TO(struct unload_config, all) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command unload_command = {
	.name = "unload",
	.synopsis = "TUNNEL... | --all",
	.help = "take away what load has set up, and nothing else",
	.options = unload_options,
	.min_args = 0,
	.max_args = MAX_NAMES,
};

/* One that cannot go is no reason to keep the others. */
static int unload_slots(struct pins *pins, uint32_t first, uint32_t last)
{
	int err = 0, failure;

	for (uint32_t slot = first; slot <= last; slot++) {
		failure = pins->tunnels[slot].ifindex ? change_remove(pins, slot) : 0;
		if (failure)
			reason_print(); /* there may be many */
		err = err ? err : failure;
	}
	failure = install_prune(pins);
	return err ? err : failure;
}

/* Unloads the slots up to *ctx. The remains of a killed load or unload go as well. */
static int unload_set(struct pins *pins, void *ctx)
{
	const uint32_t *last = ctx;

	return pins->tunnels ? unload_slots(pins, 1, *last) : pins_remove(pins);
}

static int unload_other(struct pins *pins, int err, void *ctx)
{
	return err == -ESTALE ? foreign_remove(pins) : say_set(pins, err, ctx);
}

static int unload_name(const char *name)
{
	uint32_t slot, none = 0;
	struct pins pins;
	int err = sets_find(name, true, &pins, &slot);

	if (slot) {
		err = unload_slots(&pins, slot, slot);
		pins_close(&pins);
		return err ? EXIT_REFUSED : EXIT_DONE;
	}
	if (err || sets_for_each(unload_set, sets_refuse_ours, &none))
		return EXIT_REFUSED;
	return not_loaded(&unload_command, name);
}

/* The exit status of the first one that fails. */
static int unload_names(const char *const names[], unsigned int n)
{
	int status = EXIT_DONE, one;

	for (unsigned int i = 0; i < n; i++) {
		one = unload_name(names[i]);
		reason_print();
		status = status == EXIT_DONE ? one : status;
	}
	return status;
}

int run_unload(int argc, char **argv)
{
	struct unload_config config = {};
	uint32_t all = DSCP_MAX_TUNNELS - 1;
	const char *names[MAX_NAMES];
	unsigned int n = 0;
	int status = parsed(&unload_command,
			    args_parse(&unload_command, argc, argv, &config, names, &n));
	_cleanup_lock_ int lock = -1;

	if (status >= 0)
		return status;
	if (config.all == (n != 0)) {
		log_error("unload needs the names of tunnels, or --all");
		return EXIT_USAGE;
	}
	lock = root_lock(false);
	if (lock < 0 && lock != -ENOENT)
		return EXIT_REFUSED;
	if (n)
		return unload_names(names, n);
	return sets_for_each(unload_set, unload_other, &all) ? EXIT_REFUSED : EXIT_DONE;
}
