/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire receive: judges the DS field that an application is told of its datagrams. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "judge.h"
#include "wire.h"

#define POLL_MS 100
#define BUFFER_BYTES (32 * 1024 * 1024)
#define UDP_HEADER 8

struct receive_config {
	struct judge_config judge;
	unsigned int port, count, seconds;
	bool json;
};

#define FIELD(name) offsetof(struct receive_config, name)
static const struct option_spec receive_options[] = {
	{ "--port", OPT_NUMBER, FIELD(port), 1, 65535 },
	{ "--count", OPT_NUMBER, FIELD(count), 1, 100000000 },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ "--ecn", OPT_NUMBER, FIELD(judge.ecn), 0, 3 },
	{ "--min", OPT_NUMBER, FIELD(judge.min), 0, 100000000 },
	{ "--each", OPT_NUMBER, FIELD(judge.each), 0, 100000000 },
	{ "--unmarked-ok", OPT_FLAG, FIELD(judge.unmarked_ok), 0, 0 },
	{ "--json", OPT_FLAG, FIELD(json), 0, 0 },
	{ 0 },
};

int receive_open(unsigned int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	/* One IPv6 socket serves both families; of IPv4 it tells the type of service. */
	int one = 1, zero = 0, bytes = BUFFER_BYTES;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) == 0 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &one, sizeof(one)) == 0 &&
	    setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof(one)) == 0 &&
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0)
		return fd;
	close(fd);
	return -errno;
}

/* The DS field, or -ENOMSG. */
static int read_ds(struct msghdr *msg)
{
	struct cmsghdr *c;
	int value = 0;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		/* The kernel gives one byte for IPv4, an int for IPv6. */
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			return *(uint8_t *)CMSG_DATA(c);
		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_TCLASS)
			continue;
		memcpy(&value, CMSG_DATA(c), sizeof(value));
		return value;
	}
	return -ENOMSG;
}

int receive_datagram(int fd, struct received *got)
{
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
	struct sockaddr_in6 from;
	uint32_t number = 0;
	struct iovec first = { .iov_base = &number, .iov_len = sizeof(number) };
	struct msghdr msg = { .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_iov = &first,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	/* MSG_TRUNC: the length of the datagram, though only the first word is copied. */
	ssize_t len = recvmsg(fd, &msg, MSG_TRUNC);
	int ds;

	if (len < 0)
		return -errno;
	ds = read_ds(&msg);
	if (ds < 0)
		return ds;
	got->ip_len = (size_t)len + UDP_HEADER + (IN6_IS_ADDR_V4MAPPED(&from.sin6_addr) ? 20 : 40);
	got->ds = (uint8_t)ds;
	got->number = ntohl(number);
	return 0;
}

/* Judges one datagram: 0, -EAGAIN if there is none, or another negative errno. */
static int take(int fd, struct judge *j)
{
	struct received got;
	int err = receive_datagram(fd, &got);

	if (err == -EINTR)
		return 0;
	if (!err)
		judge_received(j, got.ip_len, got.ds, got.number);
	return err;
}

/* Receives until stopped, or a limit is reached; datagrams that have arrived by then count. */
static int receive_all(const struct receive_config *cfg, int fd, struct judge *j)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t deadline = now_ns() + cfg->seconds * 1000000000LL;
	bool last;
	int err;

	do {
		last = stop_requested || now_ns() >= deadline;
		do {
			if (cfg->count && j->packets >= cfg->count)
				return 0;
			err = take(fd, j);
		} while (!err);
		if (err != -EAGAIN) {
			complain("cannot receive: %s", strerror(-err));
			return err;
		}
		if (!last)
			poll(&pfd, 1, POLL_MS);
	} while (!last);
	return 0;
}

static int receive(const struct receive_config *cfg, struct judge *j)
{
	int err, fd = receive_open(cfg->port);
	bool ok;

	if (fd < 0) {
		complain("cannot listen on port %u: %s", cfg->port, strerror(-fd));
		return EXIT_FAILED;
	}
	puts("ready");
	fflush(stdout);
	judge_init(j, &cfg->judge);
	err = receive_all(cfg, fd, j);
	close(fd);
	ok = judge_verdict(j) && !err;
	print_verdict(j, ok, cfg->json);
	return ok ? 0 : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	struct receive_config cfg = { .judge = { .tunnel = TUNNEL_NONE,
						 .expect = EXPECT_INNER,
						 .ecn = ECN_ANY,
						 .min = 1,
						 .complaints = stderr },
				      .seconds = 600 };
	int i, status, err = options_parse(&receive_command, argc, argv, &cfg, NULL);
	struct judge *j;

	if (err)
		return exit_usage(err);
	if (!cfg.port) {
		complain("--port must be given");
		return EXIT_USAGE;
	}
	for (i = 0; i < 64; i++)
		cfg.judge.map[i] = (uint8_t)i;
	j = malloc(sizeof(*j));
	if (!j)
		return EXIT_FAILED;
	stop_on_signals();
	status = receive(&cfg, j);
	free(j);
	return status;
}

const struct command receive_command = {
	"receive",
	"--port P [--count N] [--seconds S] [--ecn 0-3] [--unmarked-ok] [--min N] [--each N]\n"
	"     [--json]",
	receive_options,
	0,
	run,
};
