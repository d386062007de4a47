/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool save: prints the commands that load what is loaded. */
#include <stdlib.h>

#include "command.h"
#include "state/options.h"
#include "state/registry.h"
#include "state/sets.h"

static const struct arg_option save_options[] = {
	VERBOSE_OPTION,
	{},
};

const struct arg_command save_command = {
	.name = "save",
	.synopsis = "",
	.help = "print what is loaded, as commands that load it",
	.options = save_options,
	.min_args = 0,
	.max_args = 0,
};

static int save_tunnel(const struct pins *pins, uint32_t slot)
{
	struct options *options = calloc(1, sizeof(*options));
	int err = options ? options_of(pins, slot, options) : -1;

	if (!err)
		puts_command(options);
	free(options);
	return err;
}

static int save_set(struct pins *pins, void *ctx)
{
	int err = 0;

	(void)ctx;
	if (!pins->tunnels)
		return 0;
	for_each_tunnel (slot, pins)
		if (!err && registry_is_here(pins, slot))
			err = save_tunnel(pins, slot);
	return err;
}

int run_save(int argc, char **argv)
{
	char unused;
	unsigned int n_args;
	int status = parsed(args_parse(&save_command, argc, argv, &unused, NULL, &n_args));

	if (status >= 0)
		return status;
	return sets_for_each(save_set, NULL) ? EXIT_REFUSED : EXIT_DONE;
}
