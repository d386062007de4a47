/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "command.h"
#include "state.h"
#include "util/dscp.h"
#include "util/log.h"

/* Entries per system call. A batch must hold the largest bucket of the hash, and that is small. */
#define BATCH 4096

struct dump_config {
	bool json;
	uint32_t ifindex; /* only flows of this tunnel; 0: all */
	const struct state *state;
	bool first;
};

static int set_json(void *config, const char *value, char *err, size_t err_len)
{
	(void)value;
	(void)err;
	(void)err_len;
	((struct dump_config *)config)->json = true;
	return 0;
}

static const struct arg_option dump_options[] = {
	{ "json", 'j', NULL, "as JSON", set_json },
	VERBOSE_OPTION,
	{},
};

const struct arg_command dump_map_command = {
	.name = "dump-map",
	.synopsis = "[TUNNEL]",
	.help = "the flows whose mark is known",
	.options = dump_options,
	.min_args = 0,
	.max_args = 1,
};

/* One line or one array element; a tunnel's name is as the kernel allows it, so quotes and
 * backslashes are possible in JSON. */
static void print_name_json(const char *name)
{
	putchar('"');
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			putchar('\\');
		putchar(*name);
	}
	putchar('"');
}

static void print_flow(struct dump_config *config, uint32_t hash, const struct dscp_flow *flow)
{
	const char *name = state_device_name(config->state, flow->ifindex);
	const char *dscp = flow->flags & DSCP_FLOW_MIXED ? "mixed" : dscp_name(flow->dscp & 63);

	if (config->ifindex && flow->ifindex != config->ifindex)
		return;
	if (!config->json) {
		printf("0x%08x\t%s\t%s%s\n", hash, dscp, name ? name : "-",
		       flow->flags & DSCP_FLOW_SOCKET ? "\tsocket" : "");
		return;
	}
	printf("%s{\"hash\":\"0x%08x\",\"dscp\":\"%s\",\"tunnel\":", config->first ? "" : ",", hash,
	       dscp);
	if (name)
		print_name_json(name);
	else
		printf("null");
	printf("%s}", flow->flags & DSCP_FLOW_SOCKET ? ",\"socket\":true" : "");
	config->first = false;
}

static int print_flows(struct dump_config *config)
{
	struct dscp_flow *flows = calloc(BATCH, sizeof(*flows));
	uint32_t *hashes = calloc(BATCH, sizeof(*hashes)), position, n;
	bool more = true, started = false;
	int err = flows && hashes ? 0 : -ENOMEM;

	while (!err && more) {
		n = BATCH;
		if (bpf_map_lookup_batch(config->state->maps[MAP_FLOWS], started ? &position : NULL,
					 &position, hashes, flows, &n, NULL)) {
			more = false;
			err = errno == ENOENT ? 0 : -errno;
		}
		started = true;
		for (uint32_t i = 0; !err && i < n; i++)
			print_flow(config, hashes[i], &flows[i]);
	}
	free(flows);
	free(hashes);
	return err;
}

static int dump(struct dump_config *config)
{
	int err;

	if (config->json)
		printf("{\"maps\":[{\"map\":\"flows\",\"entries\":[");
	config->first = true;
	err = config->state->tunnels ? print_flows(config) : 0;
	if (config->json)
		printf("]}]}\n");
	if (err)
		log_error("cannot read the map flows: %s", log_strerror(err));
	return err ? EXIT_REFUSED : EXIT_DONE;
}

int run_dump_map(int argc, char **argv)
{
	struct dump_config config = {};
	struct state state = {};
	const char *name = NULL;
	unsigned int n_args = 0;
	uint32_t slot = 0;
	int status = parsed(args_parse(&dump_map_command, argc, argv, &config, &name, &n_args)),
	    err;

	if (status >= 0)
		return status;
	err = state_open(&state);
	if (err && err != -ENOENT)
		return EXIT_REFUSED;
	config.state = &state;
	if (n_args && !err)
		slot = state_find(&state, name);
	if (slot)
		config.ifindex = state.tunnels[slot].ifindex;
	status = n_args && !slot ? not_loaded(name) : dump(&config);
	state_close(&state);
	return status;
}
