/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool dump-map: the entries of the maps that the programs remember packets in. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <dscp/mix.h>

#include "command.h"
#include "state/map.h"
#include "state/registry.h"
#include "state/sets.h"
#include "tunnel/method.h"
#include "util/dscp.h"
#include "util/json.h"
#include "util/log.h"
#include "util/macros.h"

struct dump_config {
	bool json;
};

static const struct arg_option dump_options[] = {
	{ JSON_OPTION(struct dump_config) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command dump_map_command = {
	.name = "dump-map",
	.synopsis = "[TUNNEL]",
	.help = "the flows and packets whose DSCP is known",
	.options = dump_options,
	.min_args = 0,
	.max_args = 1,
};

/* An entry of a map, as all forms of output show it. */
struct entry {
	enum { STAMP, FRAGMENT, NOTE } kind;
	const char *dscp; /* or another word in its place */
	const char *tunnel; /* NULL: of no tunnel, as by plain tc */
	char id[16]; /* a flow's hash, a fragment's identification */
	bool final; /* FLOW */
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN]; /* FRAGMENT */
	unsigned int protocol;
	const char *method; /* NOTE */
	unsigned int length;
	bool has_message;
	uint32_t receiver;
	uint64_t counter;
};

/* A form of output. Entries are written as they are read: there may be a million. */
struct view {
	void (*entry)(const struct entry *entry, bool first);
	void (*begin)(const char *map, bool first); /* NULL: nothing, as end() */
	void (*end)(void);
};

/* The request, and the state of the reading. */
struct dump {
	uint64_t set;
	uint32_t slot; /* only this tunnel, of that set; 0: all */
	const struct pins *pins; /* that are being read */
	const struct source *source;
	const struct view *view;
	bool first; /* the next entry, of its map */
	/* The last flow's device. To look for it among all slots each time would be most of the
	 * cost of a million entries. */
	uint32_t ifindex;
	const char *name;
	char names[DSCP_MAX_TUNNELS][DSCP_IFNAMSIZ]; /* by slot; "": not asked for yet */
};

static void print(struct dump *dump, const struct entry *entry)
{
	dump->view->entry(entry, dump->first);
	dump->first = false;
}

static const char *tunnel_name(struct dump *dump, uint32_t slot)
{
	if (!slot || slot >= DSCP_MAX_TUNNELS || !dump->pins->tunnels[slot].ifindex)
		return NULL;
	if (!*dump->names[slot])
		registry_name(dump->pins, slot, dump->names[slot]);
	return dump->names[slot];
}

/* Finds the name of the tunnel device that stamped a flow. NULL: none, or one of several
 * namespaces. */
static const char *device_name(struct dump *dump, uint32_t ifindex)
{
	uint32_t found = 0;

	for_each_tunnel (slot, dump->pins) {
		if (dump->pins->tunnels[slot].ifindex != ifindex)
			continue;
		if (found)
			return NULL;
		found = slot;
	}
	return tunnel_name(dump, found);
}

static void read_stamp(void *ctx, const void *key, const void *value)
{
	struct dump *dump = ctx;
	const struct dscp_stamp *by = value;
	__u32 stamp = *(const __u32 *)key, stamped = dscp_unmix(stamp) & DSCP_STAMP_BITS;
	struct entry entry = { .kind = STAMP, .final = stamped & DSCP_STAMP_FINAL };

	if (dump->slot && by->ifindex != dump->pins->tunnels[dump->slot].ifindex)
		return;
	if (dump->ifindex != by->ifindex)
		dump->name = device_name(dump, by->ifindex);
	dump->ifindex = by->ifindex;
	entry.tunnel = dump->name;
	entry.dscp = stamped & DSCP_STAMP_KEEP ? "keep" : dscp_name(stamped & (DSCP_VALUES - 1));
	snprintf(entry.id, sizeof(entry.id), "0x%08x", stamp);
	print(dump, &entry);
}

static const char *fragment_dscp(const struct dscp_fragment *note)
{
	if (note->dscp == DSCP_KEEP)
		return "keep";
	return note->dscp < DSCP_VALUES ? dscp_name(note->dscp) : "unknown";
}

/* The identification of an IPv4 packet is two bytes, as they are in the header. */
static uint32_t fragment_id(const struct dscp_fragment_key *key)
{
	uint8_t bytes[sizeof(key->id)];

	memcpy(bytes, &key->id, sizeof(bytes));
	return key->family == 4 ? (uint32_t)bytes[0] << 8 | bytes[1] : be32toh(key->id);
}

static void read_fragment(void *ctx, const void *key, const void *value)
{
	struct dump *dump = ctx;
	const struct dscp_fragment_key *packet = key;
	const struct dscp_fragment *note = value;
	int family = packet->family == 4 ? AF_INET : AF_INET6;
	struct entry entry = {
		.kind = FRAGMENT,
		.dscp = fragment_dscp(note),
		.tunnel = tunnel_name(dump, note->slot),
		.protocol = packet->protocol,
	};

	if (dump->slot && note->slot != dump->slot)
		return;
	snprintf(entry.id, sizeof(entry.id), "0x%x", fragment_id(packet));
	inet_ntop(family, packet->source, entry.source, sizeof(entry.source));
	inet_ntop(family, packet->dest, entry.destination, sizeof(entry.destination));
	print(dump, &entry);
}

/* WireGuard's numbers are little-endian in its header, and never converted in the map. An skb's
 * address is nobody's business. */
static void read_note(void *ctx, const void *key, const void *value)
{
	struct dump *dump = ctx;
	const struct dscp_note_key *id = key;
	const struct dscp_note *note = value;
	uint32_t slot = note->flags & DSCP_NOTE_CLEAR ? 0 : note->slot;
	struct entry entry = {
		.kind = NOTE,
		.dscp = note->flags & DSCP_NOTE_MIXED ? "mixed" : dscp_name(note->ds >> 2),
		.tunnel = tunnel_name(dump, slot),
		.method = method_name(id->method),
		.length = note->length,
	};

	if (dump->slot && slot != dump->slot)
		return;
	entry.has_message = id->method == DSCP_METHOD_XDP;
	entry.receiver = le32toh(id->receiver);
	entry.counter = le64toh(id->id);
	print(dump, &entry);
}

/* Index of a bucket; its content. */
static void read_bucket(void *dump, const void *key, const void *value)
{
	const struct dscp_bucket *bucket = value;
	struct dscp_note_key id = {
		.id = bucket->id,
		.receiver = bucket->receiver,
		.method = bucket->state & DSCP_BUCKET_MASK,
	};

	(void)key;
	if (id.method && id.method != DSCP_BUCKET_BUSY)
		read_note(dump, &id, &bucket->note);
}

#define MESSAGE_LEN 32

static const char *message(const struct entry *entry, char buffer[static MESSAGE_LEN])
{
	snprintf(buffer, MESSAGE_LEN, "%08" PRIx32 ":%" PRIu64, entry->receiver, entry->counter);
	return buffer;
}

static void print_text(const struct entry *entry, bool first)
{
	const char *tunnel = entry->tunnel ? entry->tunnel : "-";
	char buffer[MESSAGE_LEN];

	(void)first;
	switch (entry->kind) {
	case STAMP:
		printf("%s\t%s\t%s%s\n", entry->id, entry->dscp, tunnel,
		       entry->final ? "\tfinal" : "");
		break;
	case FRAGMENT:
		printf("fragment\t%s\t%s\t%s\t%s\t%s\n", entry->dscp, tunnel, entry->id,
		       entry->source, entry->destination);
		break;
	case NOTE:
		printf("%s\t%s\t%s\t%u%s%s\n", entry->method, entry->dscp, tunnel, entry->length,
		       entry->has_message ? "\t" : "",
		       entry->has_message ? message(entry, buffer) : "");
		break;
	}
}

static void begin_json(const char *map, bool first)
{
	printf("%s{\"map\":\"%s\",\"entries\":[", first ? "{\"maps\":[" : "]},", map);
}

static void print_json(const struct entry *entry, bool first)
{
	struct json_object *object = json_object_new_object();
	char buffer[MESSAGE_LEN];

	if (entry->kind == NOTE)
		json_string(object, "method", entry->method);
	else
		json_string(object, entry->kind == STAMP ? "hash" : "id", entry->id);
	json_string(object, "dscp", entry->dscp);
	json_string(object, "tunnel", entry->tunnel);
	if (entry->final)
		json_boolean(object, "final", true);
	if (entry->kind == FRAGMENT) {
		json_string(object, "source", entry->source);
		json_string(object, "destination", entry->destination);
		json_number(object, "protocol", entry->protocol);
	}
	if (entry->kind == NOTE)
		json_number(object, "length", entry->length);
	if (entry->has_message) {
		json_string(object, "message", message(entry, buffer));
		json_number(object, "receiver", entry->receiver);
		json_number(object, "counter", entry->counter);
	}
	if (!first)
		putchar(',');
	json_print(object);
}

static void end_json(void)
{
	fputs("]}]", stdout);
	json_end(EXIT_REFUSED);
}

static const struct view text = { .entry = print_text };
static const struct view json = { print_json, begin_json, end_json };

static const struct source {
	const char *name;
	enum pinned_map map;
	size_t key_size, value_size;
	void (*read)(void *dump, const void *key, const void *value);
} sources[] = {
	{ "stamps", MAP_STAMPS, sizeof(uint32_t), sizeof(struct dscp_stamp), read_stamp },
	{ "fragments", MAP_FRAGMENTS, sizeof(struct dscp_fragment_key),
	  sizeof(struct dscp_fragment), read_fragment },
	{ "notes", MAP_NOTE_CACHE, sizeof(uint32_t), sizeof(struct dscp_bucket), read_bucket },
	{ "notes", MAP_NOTES, sizeof(struct dscp_note_key), sizeof(struct dscp_note), read_note },
};

static int read_map(struct dump *dump, const struct pins *pins)
{
	int fd = pins->maps[dump->source->map];
	long n = 0;

	dump->pins = pins;
	dump->ifindex = 0;
	memset(dump->names, 0, sizeof(dump->names));
	if (fd >= 0)
		n = map_for_each(fd, dump->source->key_size, dump->source->value_size,
				 dump->source->read, dump);
	if (n < 0)
		log_error("cannot read the map %s: %s", objects_map_name(dump->source->map),
			  log_strerror(n));
	return n < 0 ? n : 0;
}

/* A set that has something to do with this network namespace. */
static bool is_here(const struct pins *pins)
{
	for_each_tunnel (slot, pins)
		if (sets_is_here(pins, slot))
			return true;
	return false;
}

static int read_set(struct pins *pins, void *ctx)
{
	struct dump *dump = ctx;

	if (!pins->tunnels || (dump->slot ? dump->set != pins->set : !is_here(pins)))
		return 0;
	return read_map(dump, pins);
}

static int read_sets(struct dump *dump)
{
	int err = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(sources) && !err; i++) {
		dump->source = &sources[i];
		/* To the user two maps of the same name are one. */
		if (!i || strcmp(sources[i].name, sources[i - 1].name)) {
			dump->first = true;
			if (dump->view->begin)
				dump->view->begin(sources[i].name, !i);
		}
		err = sets_for_each(read_set, sets_refuse_ours, dump);
	}
	if (dump->view->end)
		dump->view->end();
	return err ? EXIT_REFUSED : EXIT_DONE;
}

int run_dump_map(int argc, char **argv)
{
	struct dump_config config = {};
	struct pins pins = {};
	struct dump dump = {};
	const char *name = NULL;
	unsigned int n_args = 0;
	int status = parsed(&dump_map_command,
			    args_parse(&dump_map_command, argc, argv, &config, &name, &n_args)),
	    err = 0;

	if (status >= 0)
		return status;
	if (n_args)
		err = sets_find(name, false, &pins, &dump.slot);
	if (dump.slot) {
		dump.set = pins.set;
		pins_close(&pins);
	}
	if (err)
		return EXIT_REFUSED;
	dump.view = config.json ? &json : &text;
	return n_args && !dump.slot ? not_loaded(&dump_map_command, name) : read_sets(&dump);
}
