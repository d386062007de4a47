/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The parts that the targets share: the kernel that the tool meets, its output, and the conditions
 * on it. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <dscp/abi.h>

#include <util/macros.h>

#include "tunnel/request.h"

/* Says which condition fails, and ends the program: to libFuzzer that is a crash. */
#define CHECK(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			dprintf(2, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition);         \
			dprintf(2, __VA_ARGS__);                                                   \
			dprintf(2, "\n");                                                          \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The devices that there are, and their network namespace. */
#define DEVICE 7 /* a tunnel */
#define UPLINK 9
#define UPLINK_NAME "eth0"
#define OWN_NETNS 1
#define OTHER_NETNS 2

/* The pinned maps, and the kernel's answers about the programs and the device. */
struct fuzz_maps {
	struct dscp_config config;
	struct dscp_tunnel tunnels[3]; /* the others are free */
	struct {
		struct dscp_prefix prefix;
		struct dscp_policy policy;
	} prefixes[3];
	struct {
		uint32_t stamp;
		struct dscp_stamp flow;
	} stamps[4];
	struct dscp_bucket note_cache[2];
	struct {
		struct dscp_note_key key;
		struct dscp_note note;
	} notes[3];
	struct dscp_counters counters; /* of each tunnel and direction */
	uint8_t info[32]; /* of each link */
	uint32_t ahead[2]; /* programs at each hook */
	uint8_t gone; /* no device and no namespace is the one that was loaded */
	uint8_t pinned, clsact; /* each hook has a pin; of a program instead of a link */
	char link_name[16], link_kind[16];
	struct {
		uint32_t slot;
		struct request request;
	} requests[3];
	uint16_t requests_size; /* the difference in the size of a request, ten bits of it */
	uint8_t other_set; /* there is a second set, which has the same maps */
};

/* NULL: nothing is loaded. */
extern const struct fuzz_maps *fuzz_maps;

/* The answers of netlink, instead of a few words about DEVICE: for each datagram its length in two
 * bytes, little-endian, and its bytes. NULL: those words. */
extern const uint8_t *fuzz_answers;
extern size_t fuzz_answers_len;

/* The content of every file that the tool opens. NULL: there is none. */
extern const char *fuzz_file;

/* Calls the tool once. Returns its exit status, or ENDLESS; its output stays until the next
 * call. */
#define ENDLESS (-1)
struct fuzz_output {
	char *out, *err;
	size_t out_len, err_len;
};
int fuzz_run(int argc, char **argv, struct fuzz_output *output);

/* The same of any function that writes. */
void fuzz_capture(struct fuzz_output *output);
void fuzz_captured(struct fuzz_output *output);

/* No control characters but the ends of lines and tabs. */
void check_printable(const char *text, size_t len);
/* Lines of one JSON value each. */
void check_json(const char *text);

/* The fixed-size string at p is one. */
#define CHECK_TERMINATED(p) CHECK(memchr(p, 0, sizeof(p)), "no end of a string")

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
