/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Exchanges messages with the kernel: requests, dumps that start anew, and errors as text. */
#include "nl_core.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "macros.h"

#ifndef NETLINK_GET_STRICT_CHK /* Linux 4.20 */
#define NETLINK_GET_STRICT_CHK 12
#endif

/* The kernel fills up to 32 KiB per dump message; a route with thousands of next hops needs more.
 */
#define NL_BUFFER 65536
/* No less than the fixed part of any message: missing bytes at its end read as zero. */
#define NL_FIXED 32
/* Somebody may change links or routes all the time; a dump that starts anew forever is worse. */
#define NL_DUMP_ATTEMPTS 5

struct exchange {
	const struct nl_reader *reader;
	int error; /* negative errno, of the kernel's answer or of the reader */
	char text[sizeof(((struct nl_error *)NULL)->text)]; /* the kernel's; "": errno says it */
};

int nl_fail(struct nl_error *err, int ret, const char *fmt, ...)
{
	va_list args;

	if (err) {
		va_start(args, fmt);
		vsnprintf(err->text, sizeof(err->text), fmt, args);
		va_end(args);
		err->unanswered = false;
	}
	return ret;
}

void nl_attrs(const struct nlmsghdr *message, unsigned int fixed_len, const struct nlattr **table,
	      unsigned int max)
{
	const struct nlattr *attr;

	memset(table, 0, (max + 1) * sizeof(*table));
	if (mnl_nlmsg_get_payload_len(message) < fixed_len)
		return;
	mnl_attr_for_each (attr, message, fixed_len) {
		if (mnl_attr_get_type(attr) <= max)
			table[mnl_attr_get_type(attr)] = attr;
	}
}

void nl_nested_attrs(const struct nlattr *nest, const struct nlattr **table, unsigned int max)
{
	const struct nlattr *attr;

	memset(table, 0, (max + 1) * sizeof(*table));
	if (!nest)
		return;
	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) <= max)
			table[mnl_attr_get_type(attr)] = attr;
	}
}

uint8_t nl_u8(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 1 ? mnl_attr_get_u8(attr) : 0;
}

uint16_t nl_u16(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 2 ? mnl_attr_get_u16(attr) : 0;
}

uint32_t nl_u32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : 0;
}

uint32_t nl_be32(const struct nlattr *attr)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

void nl_name(const struct nlattr *attr, char *text, size_t size)
{
	size_t len = 0;

	if (attr)
		len = strnlen(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
	if (len >= size)
		len = size - 1;
	if (len)
		memcpy(text, mnl_attr_get_payload(attr), len);
	text[len] = '\0';
}

void nl_string(const struct nlattr *attr, char *text, size_t size)
{
	nl_name(attr, text, size);
	log_printable(text);
}

struct nlmsghdr *nl_request(struct nl_request *request, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *header;

	memset(request, 0, sizeof(*request));
	header = mnl_nlmsg_put_header(request->room);
	header->nlmsg_type = type;
	/* A dump ends with NLMSG_DONE; a single object needs the acknowledgement as its end. */
	header->nlmsg_flags = NLM_F_REQUEST | (flags & NLM_F_DUMP ? flags : flags | NLM_F_ACK);
	return header;
}

/* Reads the verdict on a request: 0 or a negative errno, and maybe the kernel's words for it. */
static int on_verdict(const struct nlmsghdr *message, void *data)
{
	const struct nlmsgerr *verdict = mnl_nlmsg_get_payload(message);
	/* A dump ends with a number only; else the request is repeated behind the number, unless
	 * the kernel could leave its payload out. */
	unsigned int fixed_len = message->nlmsg_type == NLMSG_DONE ? sizeof(int) : sizeof(*verdict);
	struct exchange *exchange = data;
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(message) < fixed_len || verdict->error >= 0)
		return MNL_CB_STOP;
	if (message->nlmsg_type == NLMSG_ERROR && !(message->nlmsg_flags & NLM_F_CAPPED) &&
	    verdict->msg.nlmsg_len > NLMSG_HDRLEN)
		fixed_len += verdict->msg.nlmsg_len - NLMSG_HDRLEN;
	exchange->error = verdict->error;
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    mnl_nlmsg_get_payload_len(message) < fixed_len)
		return MNL_CB_ERROR;
	mnl_attr_for_each (attr, message, fixed_len) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(exchange->text, sizeof(exchange->text), "%.*s",
				 mnl_attr_get_payload_len(attr),
				 (const char *)mnl_attr_get_payload(attr));
	}
	return MNL_CB_ERROR;
}

static int on_message(const struct nlmsghdr *message, void *data)
{
	struct exchange *exchange = data;
	int ret = exchange->reader->message(message, exchange->reader->ctx);

	if (!ret)
		return MNL_CB_OK;
	exchange->error = ret;
	return MNL_CB_ERROR;
}

static struct mnl_socket *open_socket(int protocol)
{
	static const int options[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK };
	struct mnl_socket *socket = mnl_socket_open2(protocol, SOCK_CLOEXEC);
	int on = 1;
	int saved;

	if (!socket)
		return NULL;
	/* An old kernel that lacks one of them answers all the same, with fewer words. */
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		mnl_socket_setsockopt(socket, options[i], &on, sizeof(on));
	if (!mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID))
		return socket;
	saved = errno;
	mnl_socket_close(socket);
	errno = saved;
	return NULL;
}

/* Returns 0 at the end of the answer; -EINTR with exchange->error 0 means that the dump was
 * inconsistent. */
static int read_answer(struct mnl_socket *socket, struct exchange *exchange)
{
	mnl_cb_t control[] = { [NLMSG_ERROR] = on_verdict, [NLMSG_DONE] = on_verdict };
	/* Aligned for struct nlmsghdr. */
	uint32_t buffer[NL_BUFFER / sizeof(uint32_t)];
	ssize_t len;
	int ret;

	do {
		do
			len = mnl_socket_recvfrom(socket, buffer, sizeof(buffer) - NL_FIXED);
		while (len < 0 && errno == EINTR);
		if (len < 0) {
			ret = -1;
			break;
		}
		memset((char *)buffer + len, 0, NL_FIXED);
		ret = mnl_cb_run2(buffer, len, 0, mnl_socket_get_portid(socket), on_message,
				  exchange, control, ARRAY_SIZE(control));
	} while (ret > 0);
	ret = ret ? -errno : 0;
	/* WireGuard's answer carries private keys. */
	explicit_bzero(buffer, sizeof(buffer));
	return exchange->error ? exchange->error : ret;
}

static int send_request(struct mnl_socket *socket, const struct nlmsghdr *request)
{
	ssize_t len;

	do
		len = mnl_socket_sendto(socket, request, request->nlmsg_len);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : 0;
}

static void close_socket(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

int nl_exchange(int protocol, struct nl_request *request, const struct nl_reader *reader,
		struct nl_error *err)
{
	struct exchange exchange = { .reader = reader };
	int ret = -EINTR;

	for (int i = 0; i < NL_DUMP_ATTEMPTS && ret == -EINTR && !exchange.error; i++) {
		/* One for each attempt: the rest of an interrupted dump goes with it. */
		__attribute__((cleanup(close_socket))) struct mnl_socket *socket =
			open_socket(protocol);

		if (reader->restart)
			reader->restart(reader->ctx);
		ret = socket ? send_request(socket, &request->header) : -errno;
		if (!ret)
			ret = read_answer(socket, &exchange);
	}
	log_printable(exchange.text);
	/* The kernel's number, which may be any. */
	if (exchange.error)
		nl_fail(err, ret, "%s", *exchange.text ? exchange.text : strerror(0u - ret));
	else if (ret == -EINTR)
		nl_fail(err, ret, "the list changed each of the %d times it was read",
			NL_DUMP_ATTEMPTS);
	else if (ret)
		nl_fail(err, ret, "netlink: %s", strerror(-ret));
	if (ret && err)
		err->unanswered = !exchange.error || ret == -ENOMEM || ret == -ENOBUFS;
	return ret;
}
