/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include <dscp/mix.h>

#include "command.h"
#include "state/map.h"
#include "state/registry.h"
#include "tunnel/method.h"
#include "util/dscp.h"
#include "util/log.h"

struct dump_config {
	bool json;
	uint32_t slot; /* only this tunnel; 0: all */
	const struct pins *pins;
	const char *separator; /* in front of the next entry */
	/* The last flow's device. To look for it among all slots each time would be most of what a
	 * million entries cost. */
	uint32_t ifindex;
	const char *name;
};

static const struct arg_option dump_options[] = {
	{ JSON_OPTION(struct dump_config) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command dump_map_command = {
	.name = "dump-map",
	.synopsis = "[TUNNEL]",
	.help = "the flows and packets whose mark is known",
	.options = dump_options,
	.min_args = 0,
	.max_args = 1,
};

/* Entry by entry: a tree of all of them could be large. Of what an entry has, only the name of a
 * tunnel can hold what JSON wants quoted. The caller goes on with the rest of the object. */
static void begin_json(struct dump_config *config, const char *key, const char *value,
		       const char *dscp, const char *tunnel)
{
	struct json_object *name = tunnel ? json_object_new_string(tunnel) : NULL;

	printf("%s{\"%s\":\"%s\",\"dscp\":\"%s\",\"tunnel\":%s", config->separator, key, value,
	       dscp, json_object_to_json_string_ext(name, JSON_C_TO_STRING_PLAIN));
	json_object_put(name);
	config->separator = ",";
}

/* NULL: of no tunnel, as by plain tc. */
static const char *tunnel_name(const struct dump_config *config, uint32_t slot)
{
	if (!slot || slot >= DSCP_MAX_TUNNELS || !config->pins->tunnels[slot].ifindex)
		return NULL;
	return config->pins->tunnels[slot].name;
}

static void print_flow(void *ctx, const void *key, const void *value)
{
	struct dump_config *config = ctx;
	const struct dscp_flow *flow = value;
	__u32 stamp = *(const __u32 *)key, mark = dscp_unmix(stamp) & DSCP_MARK_BITS;
	const char *dscp = mark & DSCP_MARK_KEEP ? "keep" : dscp_name(mark & (DSCP_VALUES - 1));
	bool final = mark & DSCP_MARK_FINAL;
	char hash[16];

	if (config->slot && flow->ifindex != config->pins->tunnels[config->slot].ifindex)
		return;
	if (config->ifindex != flow->ifindex)
		config->name = registry_device_name(config->pins, flow->ifindex);
	config->ifindex = flow->ifindex;
	snprintf(hash, sizeof(hash), "0x%08x", stamp);
	if (!config->json) {
		printf("%s\t%s\t%s%s\n", hash, dscp, config->name ? config->name : "-",
		       final ? "\tfinal" : "");
		return;
	}
	begin_json(config, "hash", hash, dscp, config->name);
	printf("%s}", final ? ",\"final\":true" : "");
}

static const char *fragment_dscp(const struct dscp_fragment *note)
{
	if (note->dscp == DSCP_KEEP)
		return "keep";
	return note->dscp < DSCP_VALUES ? dscp_name(note->dscp) : "unknown";
}

/* Of an IPv4 packet the identification is two bytes, as they are in the header. */
static uint32_t fragment_id(const struct dscp_fragment_key *key)
{
	uint8_t bytes[sizeof(key->id)];

	memcpy(bytes, &key->id, sizeof(bytes));
	return key->family == 4 ? (uint32_t)bytes[0] << 8 | bytes[1] : be32toh(key->id);
}

static void print_fragment(void *ctx, const void *key, const void *value)
{
	char id[16], source[INET6_ADDRSTRLEN] = "", dest[INET6_ADDRSTRLEN] = "";
	const struct dscp_fragment_key *packet = key;
	const struct dscp_fragment *note = value;
	struct dump_config *config = ctx;
	const char *name = tunnel_name(config, note->slot);
	int family = packet->family == 4 ? AF_INET : AF_INET6;

	if (config->slot && note->slot != config->slot)
		return;
	snprintf(id, sizeof(id), "0x%x", fragment_id(packet));
	inet_ntop(family, packet->source, source, sizeof(source));
	inet_ntop(family, packet->dest, dest, sizeof(dest));
	if (!config->json) {
		printf("fragment\t%s\t%s\t%s\t%s\t%s\n", fragment_dscp(note), name ? name : "-", id,
		       source, dest);
		return;
	}
	begin_json(config, "id", id, fragment_dscp(note), name);
	printf(",\"source\":\"%s\",\"destination\":\"%s\",\"protocol\":%u}", source, dest,
	       packet->protocol);
}

/* WireGuard's numbers are little-endian in its header, and never converted in the map. An skb's
 * address is nobody's business. */
static void print_note(void *ctx, const void *key, const void *value)
{
	struct dump_config *config = ctx;
	const struct dscp_inflight_key *id = key;
	const struct dscp_inflight *note = value;
	const char *name = tunnel_name(config, note->slot), *dscp;
	char message[64] = "";

	if (config->slot && note->slot != config->slot)
		return;
	dscp = note->flags & DSCP_NOTE_MIXED ? "mixed" : dscp_name(note->ds >> 2);
	if (id->way == DSCP_WAY_XDP)
		snprintf(message, sizeof(message), "%08x:%" PRIu64, le32toh(id->receiver),
			 (uint64_t)le64toh(id->id));
	if (!config->json) {
		printf("%s\t%s\t%s\t%u%s%s\n", method_name(id->way), dscp, name ? name : "-",
		       note->length, *message ? "\t" : "", message);
		return;
	}
	begin_json(config, "way", method_name(id->way), dscp, name);
	printf(",\"length\":%u%s%s%s}", note->length, *message ? ",\"message\":\"" : "", message,
	       *message ? "\"" : "");
}

/* Index of a place; what is there. */
static void print_waiting(void *config, const void *key, const void *value)
{
	const struct dscp_waiting *place = value;
	struct dscp_inflight_key id = {
		.id = place->id,
		.receiver = place->receiver,
		.way = place->state & DSCP_PLACE_MASK,
	};

	(void)key;
	if (id.way && id.way != DSCP_PLACE_BUSY)
		print_note(config, &id, &place->note);
}

static const struct dump {
	const char *name;
	enum pinned_map map;
	size_t key_size, value_size;
	void (*print)(void *config, const void *key, const void *value);
} dumps[] = {
	{ "flows", MAP_FLOWS, sizeof(uint32_t), sizeof(struct dscp_flow), print_flow },
	{ "fragments", MAP_FRAGMENTS, sizeof(struct dscp_fragment_key),
	  sizeof(struct dscp_fragment), print_fragment },
	{ "inflight", MAP_WAITING, sizeof(uint32_t), sizeof(struct dscp_waiting), print_waiting },
	{ "inflight", MAP_INFLIGHT, sizeof(struct dscp_inflight_key), sizeof(struct dscp_inflight),
	  print_note },
};

#define N_DUMPS (sizeof(dumps) / sizeof(*dumps))

static enum exit_status dump_map(struct dump_config *config, const struct dump *dump)
{
	int fd = config->pins->maps[dump->map];
	long n = 0;

	if (config->pins->tunnels && fd >= 0)
		n = map_for_each(fd, dump->key_size, dump->value_size, dump->print, config);
	if (n < 0)
		log_error("cannot read the map %s: %s", objects_map_name(dump->map),
			  log_strerror(n));
	return n < 0 ? EXIT_REFUSED : EXIT_DONE;
}

/* To the user two maps of the same name are one. */
static void open_json(struct dump_config *config, const struct dump *dump)
{
	if (dump > dumps && !strcmp(dump->name, dump[-1].name))
		return;
	config->separator = "";
	if (config->json)
		printf("%s{\"map\":\"%s\",\"entries\":[", dump > dumps ? "]}," : "", dump->name);
}

static int dump_maps(struct dump_config *config)
{
	int status = EXIT_DONE;

	if (config->json)
		printf("{\"maps\":[");
	for (unsigned int i = 0; i < N_DUMPS; i++) {
		open_json(config, &dumps[i]);
		status |= dump_map(config, &dumps[i]);
	}
	if (config->json)
		printf("]}]}\n");
	return status;
}

int run_dump_map(int argc, char **argv)
{
	struct dump_config config = {};
	struct pins pins = {};
	const char *name = NULL;
	unsigned int n_args = 0;
	int status = parsed(args_parse(&dump_map_command, argc, argv, &config, &name, &n_args)),
	    err;

	if (status >= 0)
		return status;
	err = pins_open(&pins);
	if (err && err != -ENOENT)
		return EXIT_REFUSED;
	config.pins = &pins;
	if (n_args && !err)
		config.slot = registry_find(&pins, name);
	status = n_args && !config.slot ? not_loaded(name) : dump_maps(&config);
	pins_close(&pins);
	return status;
}
