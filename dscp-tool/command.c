/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Gives the commands the parts that they share. */
#include "command.h"

#include "state/sets.h"
#include "util/log.h"
#include "util/netns.h"
#include "util/reason.h"

int parsed(const struct arg_command *command, int result)
{
	if (result > 0)
		args_usage(command);
	return result < 0 ? EXIT_USAGE : result > 0 ? EXIT_DONE : -1;
}

int say_set(struct pins *pins, int err, void *ctx)
{
	err = sets_refuse(pins, err, ctx);
	reason_print(); /* there may be many */
	return err;
}

int not_loaded(const struct arg_command *command, const char *tunnel)
{
	char place[NETNS_PATH];
	struct pins pins;
	uint32_t slot;
	bool found;

	if (sets_find(tunnel, false, &pins, &slot))
		return EXIT_REFUSED; /* not to be known now */
	if (slot)
		pins_close(&pins);
	found = sets_elsewhere(tunnel, place);
	reason_print(); /* of a set where it may be, too */
	if (!found)
		log_error("%s: not loaded", tunnel);
	else if (!*place)
		log_error("%s: not loaded here, but in a network namespace that is not visible",
			  tunnel);
	else
		log_error("%s: not loaded here, but in another network namespace: dscp-tool -n %s "
			  "%s %s",
			  tunnel, netns_short(place), command->name, tunnel);
	return EXIT_NOT_LOADED;
}
