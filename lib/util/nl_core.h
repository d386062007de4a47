/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The parts that the netlink files share: one exchange with the kernel, and attributes read with
 * care. */
#ifndef UTIL_NL_CORE_H
#define UTIL_NL_CORE_H

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include "netlink.h"

/* Room for any of our requests: a header, a fixed part and a few attributes. */
struct nl_request {
	union {
		struct nlmsghdr header;
		char room[256];
	};
};

/* Starts a request; flags beside NLM_F_REQUEST: NLM_F_DUMP, or 0 for a single object. */
struct nlmsghdr *nl_request(struct nl_request *request, uint16_t type, uint16_t flags);

struct nl_reader {
	/* Called for each message of the answer. Returns 0, or a negative errno to give up. */
	int (*message)(const struct nlmsghdr *message, void *ctx);
	/* Called before each attempt: forget the entries that an interrupted dump has brought so
	 * far. May be NULL when the answer is a single message. */
	void (*restart)(void *ctx);
	void *ctx;
};

/* Sends a request and reads the answer to its end. */
int nl_exchange(int protocol, struct nl_request *request, const struct nl_reader *reader,
		struct nl_error *err);

/* A family of generic netlink. */
struct nl_family {
	uint16_t id;
	uint32_t group; /* the first multicast group, or 0 */
};

/* Fills in the numbers. -ENOENT: this kernel has no such family. Asking makes the kernel load the
 * module, if it may. */
int nl_family(const char *name, struct nl_family *family, struct nl_error *err);

/* Asks a family for a dump about one device, in an attribute of type 1, as the families of tunnels
 * have it. */
int nl_ask_device(const char *family, uint8_t command, int ifindex, const struct nl_reader *reader,
		  struct nl_error *err);
/* Returns the reader of such a dump that fills in peers, which are empty now. message: its ctx is
 * peers. */
struct nl_reader nl_peers_reader(int (*message)(const struct nlmsghdr *message, void *ctx),
				 struct nl_peers *peers);
/* Puts the peers in order after the dump, or frees them if that has failed. Returns ret. */
int nl_peers_finish(int ret, struct nl_peers *peers);

/* Opens a socket for notifications to groups: a file descriptor, or a negative errno. */
int nl_open_groups(int protocol, const uint32_t *groups, unsigned int n, struct nl_error *err);
/* Reads the notifications that have come. True if one of them matters, or some were lost. */
bool nl_read_groups(int fd, bool (*matters)(const struct nlmsghdr *message));

/* Reads an address of four or of sixteen bytes. The rest of the endpoint is zero, so that memcmp()
 * tells whether two are equal. False: the attribute is missing, or of another length. */
bool nl_take_address(const struct nlattr *attr, struct nl_endpoint *endpoint);

/* Tells whether an address begins with the first bits of a prefix, 128 at most. */
bool nl_has_prefix(const struct nl_endpoint *address, const uint8_t *prefix, unsigned int bits);

/* Keeps a destination that a route was asked for, see nl_events_read(). */
void nl_events_keep(const struct nl_endpoint *to);

/* Writes text to err (which may be NULL) and returns ret. */
int nl_fail(struct nl_error *err, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Attributes by type, NULL for those that are not there; table has room for max + 1. */
void nl_attrs(const struct nlmsghdr *message, unsigned int fixed_len, const struct nlattr **table,
	      unsigned int max);
void nl_nested_attrs(const struct nlattr *nest, const struct nlattr **table, unsigned int max);

/* A missing or short attribute reads as zero, and as the empty string. A string has no
 * control characters, see log_printable(); a device's name is as it is. */
uint8_t nl_u8(const struct nlattr *attr);
uint16_t nl_u16(const struct nlattr *attr);
uint32_t nl_u32(const struct nlattr *attr);
uint32_t nl_be32(const struct nlattr *attr); /* in network order there */
void nl_string(const struct nlattr *attr, char *text, size_t size);
void nl_name(const struct nlattr *attr, char *text, size_t size);

#endif
