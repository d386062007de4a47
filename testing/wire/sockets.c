/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Ordinary sockets, for traffic that takes the path of an application's. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire.h"

#define RETRIES 1000
#define RETRY_US 1000

int enter_netns(const char *netns)
{
	char path[256];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s%s", strchr(netns, '/') ? "" : "/run/netns/", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET))
		err = -errno;
	close(fd);
	return err;
}

static socklen_t fill_sockaddr(struct sockaddr_storage *out, const struct address *address,
			       unsigned int port)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	out->ss_family = (sa_family_t)address->family;
	if (address->family == AF_INET6) {
		in6->sin6_port = htons((uint16_t)port);
		memcpy(&in6->sin6_addr, address->bytes, 16);
		return sizeof(*in6);
	}
	in4->sin_port = htons((uint16_t)port);
	memcpy(&in4->sin_addr, address->bytes, 4);
	return sizeof(*in4);
}

int open_socket(int type, int protocol, const struct address *src, const struct address *dst,
		unsigned int sport)
{
	struct address local = { .family = dst->family };
	struct sockaddr_storage sa;
	int fd, one = 1;

	if (src->family == dst->family)
		local = *src;
	fd = socket(dst->family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0) {
		complain("cannot open a socket: %s", strerror(errno));
		return -errno;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, fill_sockaddr(&sa, &local, sport)) == 0)
		return fd;
	complain("cannot bind to the source address and port: %s", strerror(errno));
	close(fd);
	return -EADDRNOTAVAIL;
}

int connect_socket(int fd, const struct address *dst, unsigned int port)
{
	struct sockaddr_storage sa;

	if (connect(fd, (struct sockaddr *)&sa, fill_sockaddr(&sa, dst, port)) == 0)
		return 0;
	complain("cannot connect: %s", strerror(errno));
	return -ECONNREFUSED;
}

static void set_ds(struct msghdr *msg, int family, uint8_t ds)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int value = ds;

	cmsg->cmsg_level = family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	cmsg->cmsg_type = family == AF_INET6 ? IPV6_TCLASS : IP_TOS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(value));
	memcpy(CMSG_DATA(cmsg), &value, sizeof(value));
}

int send_with_ds(int fd, const struct address *dst, unsigned int port, bool connected, uint8_t ds,
		 const void *data, size_t len)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	struct sockaddr_storage sa;
	int i;

	if (!connected) {
		msg.msg_namelen = fill_sockaddr(&sa, dst, port);
		msg.msg_name = &sa;
	}
	set_ds(&msg, dst->family, ds);
	for (i = 0; i < RETRIES; i++) {
		if (sendmsg(fd, &msg, 0) >= 0)
			return 0;
		if (errno == ENOBUFS || errno == EAGAIN)
			usleep(RETRY_US);
		else if (errno != ECONNREFUSED && errno != EINTR)
			break;
	}
	return -errno;
}
