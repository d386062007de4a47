/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool save: prints the commands that load the present tunnels. */
#include "command.h"
#include "state/options.h"
#include "state/recheck.h"
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
	struct options options;
	int err = options_of(pins, slot, &options);

	if (err)
		return err;
	/* apply would take neither of two lines with one name. */
	if (recheck_is_succeeded(pins, slot))
		printf("# %.15s: the device is gone, and its name is another loaded tunnel's "
		       "now:\n# ",
		       options.request.name);
	puts_command(&options);
	return 0;
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
	int status = parsed(&save_command,
			    args_parse(&save_command, argc, argv, &unused, NULL, &n_args));

	if (status >= 0)
		return status;
	return sets_for_each(save_set, sets_refuse_ours, NULL) ? EXIT_REFUSED : EXIT_DONE;
}
