/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * wire tun DEV PORT: a user space tunnel in its simplest form, one end of it. Packets of the tun
 * device DEV leave as they are, in UDP from PORT, to the source of the last datagram; and a
 * datagram that comes in is a packet of that device, if it begins like one. Ends by a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "wire.h"

#define DATAGRAM_MAX 65536

static int open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return fd >= 0 && !ioctl(fd, TUNSETIFF, &request) ? fd : -1;
}

static int open_port(unsigned int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && !bind(fd, (struct sockaddr *)&any, sizeof(any)) ? fd : -1;
}

/* Returns false when there is no more to do. */
static bool move(int tun, int port, struct sockaddr_in *peer)
{
	struct pollfd fds[] = { { tun, POLLIN, 0 }, { port, POLLIN, 0 } };
	socklen_t len = sizeof(*peer);
	char packet[DATAGRAM_MAX];
	ssize_t n;

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR && !stop_requested;
	if (fds[1].revents) {
		n = recvfrom(port, packet, sizeof(packet), 0, (struct sockaddr *)peer, &len);
		if (n > 0 && (packet[0] >> 4 == 4 || packet[0] >> 4 == 6) &&
		    write(tun, packet, n) != n)
			return false;
	}
	if (fds[0].revents) {
		n = read(tun, packet, sizeof(packet));
		if (n < 0)
			return false;
		/* As of any such program: a packet that cannot be sent is lost. */
		sendto(port, packet, n, 0, (struct sockaddr *)peer, sizeof(*peer));
	}
	return true;
}

static int run_tun(int argc, char **argv)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	int tun, port;

	if (argc != 3) {
		complain("tun: a device and a port");
		return EXIT_USAGE;
	}
	tun = open_tun(argv[1]);
	port = open_port(atoi(argv[2]));
	if (tun < 0 || port < 0) {
		complain("tun: %s", strerror(errno));
		return EXIT_FAILED;
	}
	stop_on_signals();
	puts("ready");
	fflush(stdout);
	while (!stop_requested && move(tun, port, &peer))
		;
	return 0;
}

const struct command tun_command = {
	.name = "tun",
	.usage = "DEV PORT",
	.n_args = 2,
	.run = run_tun,
};
