/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool load: marks the packets of a tunnel, or changes how. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "state/change.h"
#include "state/root.h"
#include "state/sets.h"
#include "tunnel/discover.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/reason.h"

static int find(const struct options *options, const struct options *old, struct wanted *wanted)
{
	struct request *request = &wanted->request;
	int err = 0;

	*request = options->request;
	request->netns = netns_own();
	if (*request->uplink_netns_name)
		err = netns_by_name("--uplink-netns", request->uplink_netns_name,
				    &request->uplink_netns);
	return err ? err : discover_tunnel(request, old ? &old->request : NULL, &wanted->tunnel);
}

/* Prints the findings, for --verbose. */
static void tell(const struct dscp_tunnel *tunnel)
{
	char text[DSCP_MAX_PORTS * 8 + DSCP_MAX_UPLINKS * (DSCP_IFNAMSIZ + 1) + 32] = "";
	size_t len = 0;

	for (int i = 0; i < tunnel->n_ports; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s %u", i ? "" : ", port",
				tunnel->ports[i]);
	for (int i = 0; i < tunnel->n_uplinks; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s %.15s", i ? "" : ", uplink",
				tunnel->uplink_names[i]);
	log_debug("%.15s: loaded%s", tunnel->name, text);
}

int load_tunnel(const struct options *options, const struct options *old, bool dry_run)
{
	struct wanted wanted;
	int err = find(options, old, &wanted);

	if (err || dry_run)
		return err ? err : change_check(&wanted);
	err = change_tunnel(&wanted, &options->prefixes, options->request.flows);
	if (!err)
		tell(&wanted.tunnel);
	return err;
}

int load_fits(const struct options *options)
{
	struct wanted wanted;

	return find(options, NULL, &wanted);
}

int load_old(const char *name, struct options *old)
{
	struct pins pins;
	uint32_t slot;
	int err = sets_find(name, false, &pins, &slot);

	if (!slot)
		return err;
	err = options_of(&pins, slot, old);
	pins_close(&pins);
	return err ? err : 1;
}

/* The exit status. */
static int load(const struct options *options, const struct options *old)
{
	int err = load_tunnel(options, old, options->dry_run);

	if (err)
		return err == TUNNEL_USAGE ? EXIT_USAGE : EXIT_REFUSED;
	if (old)
		options_print_changes(stdout, options->dry_run ? "# " : "", old, options);
	if (options->dry_run)
		puts_command(options);
	return EXIT_DONE;
}

int run_load(int argc, char **argv)
{
	_cleanup_free_ struct options *options = calloc(2, sizeof(*options));
	_cleanup_lock_ int lock = -1;
	int status, loaded;

	if (!options) {
		failed(-ENOMEM, "cannot begin: no memory");
		return EXIT_REFUSED;
	}
	status = parsed(&load_command, options_parse(argc, argv, options));
	if (status >= 0)
		return status;
	if (!options->dry_run) {
		lock = root_lock(true);
		if (lock < 0)
			return EXIT_REFUSED;
	}
	loaded = load_old(options->request.name, options + 1);
	if (loaded < 0)
		return EXIT_REFUSED;
	return load(options, loaded ? options + 1 : NULL);
}
