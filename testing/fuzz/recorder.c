/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Records a kernel's answers, for the seeds of fuzz_netlink: cc -shared -fPIC -o recorder.so
 * recorder.c, LD_PRELOAD=recorder.so RECORD=FILE dscp-tool ... For each request a line "request
 * TYPE FLAGS", for each datagram of the answer a line of its bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <libmnl/libmnl.h>

static FILE *record(void)
{
	static FILE *file;

	if (!file)
		file = fopen(getenv("RECORD"), "ae");
	return file ? file : stderr;
}

ssize_t mnl_socket_sendto(const struct mnl_socket *socket, const void *request, size_t len)
{
	ssize_t (*real)(const struct mnl_socket *, const void *, size_t) =
		dlsym(RTLD_NEXT, "mnl_socket_sendto");
	const struct nlmsghdr *header = request;

	fprintf(record(), "request %u %#x\n", header->nlmsg_type, header->nlmsg_flags);
	return real(socket, request, len);
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	ssize_t (*real)(const struct mnl_socket *, void *, size_t) =
		dlsym(RTLD_NEXT, "mnl_socket_recvfrom");
	ssize_t len = real(socket, buffer, size);

	for (ssize_t i = 0; i < len; i++)
		fprintf(record(), "%02x", ((unsigned char *)buffer)[i]);
	fprintf(record(), "\n");
	return len;
}
