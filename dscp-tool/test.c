/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool test: sends packets of each DSCP to a peer, and shows the result of each. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "command.h"
#include "state/sets.h"
#include "test/test.h"
#include "util/dscp.h"
#include "util/macros.h"
#include "util/policy.h"

static int set_peer(void *member, const char *value, char *err, size_t err_len)
{
	struct nl_endpoint *peer = member;

	if (inet_pton(AF_INET, value, &peer->v4) == 1)
		peer->family = AF_INET;
	else if (inet_pton(AF_INET6, value, &peer->v6) == 1)
		peer->family = AF_INET6;
	if (peer->family)
		return 0;
	snprintf(err, err_len, "'%s' is not an IPv4 or IPv6 address", value);
	return -EINVAL;
}

static int set_dscps(void *member, const char *value, char *err, size_t err_len)
{
	return policy_list(member, value, err, err_len);
}

static const struct arg_option test_options[] = {
	{ "peer", 0, "ADDRESS", "whom to ask: an address in the tunnel", NULL, ARG_SET,
	  ARG_TO(struct test, inner), .set = set_peer },
	{ "dscp", 'd', "LIST", "these DSCPs, else all that have names", NULL, ARG_SET,
	  ARG_TO(struct test, dscps), .set = set_dscps, .repeats = true, .word = dscp_word },
	{ "count", 'c', "N", "so many requests of each DSCP, 1 to 100", NULL, ARG_NUMBER,
	  ARG_TO(struct test, count), .min = 1, .max = TEST_MAX_COUNT },
	{ "path", 0, NULL, "find the hop that changes or drops a DSCP", NULL, ARG_FLAG,
	  ARG_TO(struct test, has_path) },
	{ JSON_OPTION(struct test) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command test_command = {
	.name = "test",
	.synopsis = "TUNNEL",
	.help = "send packets of each DSCP, and see what arrives",
	.options = test_options,
	.min_args = 1,
	.max_args = 1,
};

static uint64_t named_dscps(void)
{
	uint64_t set = 0;

	for (unsigned int i = 0; dscp_word(i); i++)
		set |= 1ull << dscp_parse(dscp_word(i));
	return set;
}

static int measure(const struct pins *pins, uint32_t slot, struct test *test)
{
	int err = test_find_ends(pins, slot, test);

	if (!err)
		err = test_echo(pins, slot, test);
	if (!err && test->has_path)
		err = test_path(test);
	test_progress(0);
	if (err)
		return err == TUNNEL_USAGE ? EXIT_USAGE : EXIT_REFUSED;
	return test_fine(test) ? EXIT_DONE : EXIT_UNHEALTHY;
}

int run_test_command(int argc, char **argv)
{
	static struct test test;
	unsigned int n_args;
	struct pins pins;
	uint32_t slot;
	int status;

	test.count = 3;
	status = parsed(&test_command,
			args_parse(&test_command, argc, argv, &test, &test.tunnel, &n_args));

	if (status >= 0)
		return status;
	if (sets_find(test.tunnel, false, &pins, &slot))
		return EXIT_REFUSED;
	if (!slot)
		return not_loaded(&test_command, test.tunnel);
	if (!test.dscps)
		test.dscps = named_dscps();
	status = measure(&pins, slot, &test);
	pins_close(&pins);
	if (status != EXIT_DONE && status != EXIT_UNHEALTHY)
		return status;
	if (test.json)
		test_print_json(&test);
	else
		test_print_text(&test);
	return status;
}
