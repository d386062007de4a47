/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <json-c/json.h>

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

static const struct arg_option dump_options[] = {
	JSON_OPTION,
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

/* Entry by entry: a tree of all of them could be large. */
static void print_flow_json(struct dump_config *config, const char *hash, const char *dscp,
			    const char *name, const struct dscp_flow *flow)
{
	struct json_object *entry = json_object_new_object();

	json_object_object_add(entry, "hash", json_object_new_string(hash));
	json_object_object_add(entry, "dscp", json_object_new_string(dscp));
	json_object_object_add(entry, "tunnel", name ? json_object_new_string(name) : NULL);
	if (flow->flags & DSCP_FLOW_SOCKET)
		json_object_object_add(entry, "socket", json_object_new_boolean(true));
	printf("%s%s", config->first ? "" : ",",
	       json_object_to_json_string_ext(entry, JSON_C_TO_STRING_PLAIN));
	json_object_put(entry);
	config->first = false;
}

static void print_flow(struct dump_config *config, uint32_t hash, const struct dscp_flow *flow)
{
	const char *name = state_device_name(config->state, flow->ifindex);
	const char *dscp =
		flow->flags & DSCP_FLOW_MIXED ? "mixed" : dscp_name(flow->dscp % DSCP_VALUES);
	char text[16];

	if (config->ifindex && flow->ifindex != config->ifindex)
		return;
	snprintf(text, sizeof(text), "0x%08x", hash);
	if (config->json)
		print_flow_json(config, text, dscp, name, flow);
	else
		printf("%s\t%s\t%s%s\n", text, dscp, name ? name : "-",
		       flow->flags & DSCP_FLOW_SOCKET ? "\tsocket" : "");
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
