/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire tcp, wire tcp-server: bulk TCP, which the kernel sends in large segments by itself. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire.h"

#define CHUNK 65536
#define POLL_MS 100

#define FIELD(name) offsetof(struct tcp_config, name)
static const struct option_spec client_options[] = {
	{ "--src", OPT_ADDRESS, FIELD(src), 0, 0 },
	{ "--dst", OPT_ADDRESS, FIELD(dst), 0, 0 },
	{ "--port", OPT_NUMBER, FIELD(port), 1, 65535 },
	{ "--dscp", OPT_NUMBER, FIELD(dscp), 0, 63 },
	{ "--bytes", OPT_NUMBER, FIELD(bytes), 1, 2000000000 },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ 0 },
};

static const struct option_spec server_options[] = {
	{ "--port", OPT_NUMBER, FIELD(port), 1, 65535 },
	{ "--connections", OPT_NUMBER, FIELD(connections), 1, 100000 },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 86400 },
	{ 0 },
};

/* Waits for events until the deadline: 0, or -ETIMEDOUT. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	while (now_ns() < deadline && !stop_requested)
		if (poll(&pfd, 1, POLL_MS) > 0)
			return 0;
	return -ETIMEDOUT;
}

static int set_tos(int fd, int family, unsigned int dscp)
{
	int tos = (int)dscp << 2;

	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
	return setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
}

static int send_bytes(int fd, unsigned int bytes, int64_t deadline)
{
	static const char zeros[CHUNK];
	ssize_t n;

	while (bytes) {
		if (wait_for(fd, POLLOUT, deadline))
			return -ETIMEDOUT;
		n = send(fd, zeros, bytes < CHUNK ? bytes : CHUNK, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			bytes -= (unsigned int)n;
	}
	return 0;
}

/* Reads until the other side has closed; adds up the bytes. */
static int read_to_end(int fd, int64_t deadline, uint64_t *total)
{
	static char buffer[CHUNK];
	ssize_t n;

	for (;;) {
		if (wait_for(fd, POLLIN, deadline))
			return -ETIMEDOUT;
		n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0)
			*total += (uint64_t)n;
	}
}

int tcp_transfer(const struct tcp_config *cfg, int fd)
{
	struct timeval limit = { .tv_sec = cfg->seconds };
	int64_t deadline = now_ns() + cfg->seconds * 1000000000LL;
	uint64_t ignored = 0;
	int err;

	/* Bounds connect(). */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (set_tos(fd, cfg->dst.family, cfg->dscp)) {
		complain("cannot set the DS field: %s", strerror(errno));
		return -errno;
	}
	if (connect_socket(fd, &cfg->dst, cfg->port))
		return -ECONNREFUSED;
	err = send_bytes(fd, cfg->bytes, deadline);
	if (!err) {
		/* The server closes once it has read everything. */
		shutdown(fd, SHUT_WR);
		err = read_to_end(fd, deadline, &ignored);
	}
	if (err)
		complain("TCP transfer: %s", strerror(-err));
	return err;
}

int tcp_open_client(const struct tcp_config *cfg)
{
	return open_socket(SOCK_STREAM, 0, &cfg->src, &cfg->dst, 0);
}

static int run_client(int argc, char **argv)
{
	struct tcp_config cfg = { .bytes = 1000000, .seconds = 60 };
	int fd, err = options_parse(&tcp_command, argc, argv, &cfg, NULL);

	if (err)
		return exit_usage(err);
	if (cfg.dst.family == AF_UNSPEC || !cfg.port) {
		complain("--dst and --port must be given");
		return EXIT_USAGE;
	}
	stop_on_signals();
	fd = tcp_open_client(&cfg);
	if (fd < 0)
		return EXIT_FAILED;
	err = tcp_transfer(&cfg, fd);
	close(fd);
	if (!err)
		printf("{\"bytes\":%u}\n", cfg.bytes);
	return err ? EXIT_FAILED : 0;
}

int tcp_open_server(unsigned int port)
{
	/* One IPv6 socket serves both families. */
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int one = 1, zero = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 128) == 0)
		return fd;
	close(fd);
	return -errno;
}

/* One connection after the other; those that wait are bounded by their receive windows. */
int tcp_serve(const struct tcp_config *cfg, int listener, struct tcp_served *served)
{
	int64_t deadline = now_ns() + cfg->seconds * 1000000000LL;
	int fd, err = 0;

	while (served->connections < cfg->connections && !err) {
		err = wait_for(listener, POLLIN, deadline);
		fd = err ? -1 : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		err = read_to_end(fd, deadline, &served->bytes);
		close(fd);
		if (!err)
			served->connections++;
	}
	if (err)
		complain("%u of %u connections served: %s", served->connections, cfg->connections,
			 strerror(-err));
	return err;
}

static int run_server(int argc, char **argv)
{
	struct tcp_config cfg = { .connections = 1, .seconds = 60 };
	struct tcp_served served = { 0 };
	int listener, err = options_parse(&tcp_server_command, argc, argv, &cfg, NULL);

	if (err)
		return exit_usage(err);
	if (!cfg.port) {
		complain("--port must be given");
		return EXIT_USAGE;
	}
	stop_on_signals();
	listener = tcp_open_server(cfg.port);
	if (listener < 0) {
		complain("cannot listen on port %u: %s", cfg.port, strerror(-listener));
		return EXIT_FAILED;
	}
	puts("ready");
	fflush(stdout);
	err = tcp_serve(&cfg, listener, &served);
	printf("{\"connections\":%u,\"bytes\":%llu}\n", served.connections,
	       (unsigned long long)served.bytes);
	close(listener);
	return err ? EXIT_FAILED : 0;
}

const struct command tcp_command = {
	"tcp",		"--dst A --port P [--src A] [--dscp D] [--bytes N] [--seconds S]",
	client_options, 0,
	run_client,
};

const struct command tcp_server_command = {
	"tcp-server", "--port P [--connections N] [--seconds S]", server_options, 0, run_server,
};
