/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Sends probes of a DSCP, and reads the DSCP in the answers. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "macros.h"
#include "reason.h"

#define PATH_PORT 33434 /* traceroute's: where nobody listens, a host says so */
#define LARGEST 256 /* bytes that are read of an answer, more than its headers */
#define IP4_HEADER 20 /* without options */
#define IP6_HEADER 40
#define UDP_HEADER 8

/* <linux/icmp.h>, which does not go with <net/if.h>. */
#define RAW_ICMP_FILTER 1

struct echo_message {
	uint8_t type, code;
	uint16_t checksum, id, number;
	char text[8];
};

union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
	struct sockaddr_ll link;
};

uint64_t probe_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_ip4(const struct probe *probe)
{
	return probe->to->family == AF_INET;
}

/* Returns the length of the address. */
static socklen_t address_of(const struct nl_endpoint *endpoint, uint16_t port, union address *a)
{
	*a = (union address){ .any.sa_family = endpoint->family };
	if (endpoint->family == AF_INET) {
		a->four.sin_port = htons(port);
		a->four.sin_addr = endpoint->v4;
		return sizeof(a->four);
	}
	a->six.sin6_port = htons(port);
	a->six.sin6_addr = endpoint->v6;
	a->six.sin6_scope_id = endpoint->scope_id;
	return sizeof(a->six);
}

/* Sets an option of both families. */
static int set_header(const struct probe *probe, int four, int six, int value)
{
	return setsockopt(probe->out, is_ip4(probe) ? IPPROTO_IP : IPPROTO_IPV6,
			  is_ip4(probe) ? four : six, &value, sizeof(value));
}

/* A probe that a rule of a packet filter on this machine drops (EPERM) counts as sent, like one
 * that is dropped later. */
static int send_out(const struct probe *probe, unsigned int dscp, const void *data, size_t len,
		    uint16_t port)
{
	union address to;
	socklen_t to_len = address_of(probe->to, port, &to);

	if (!set_header(probe, IP_TOS, IPV6_TCLASS, dscp << 2) &&
	    (sendto(probe->out, data, len, 0, &to.any, to_len) >= 0 || errno == EPERM))
		return 0;
	return -errno;
}

static int bind_device(const struct probe *probe, int ifindex)
{
	return setsockopt(probe->out, SOL_SOCKET, SO_BINDTOIFINDEX, &ifindex, sizeof(ifindex))
		       ? -errno
		       : 0;
}

/* Opens a socket that sends ICMP and has the errors that quote a packet: RFC 792, RFC 4443. Returns
 * a descriptor or a negative errno. */
static int open_icmp(const struct probe *probe)
{
	const uint32_t others = ~(1u << ICMP_DEST_UNREACH | 1u << ICMP_TIME_EXCEEDED);
	const bool ip4 = is_ip4(probe);
	struct icmp6_filter filter;
	int err, fd = socket(probe->to->family, SOCK_RAW | SOCK_CLOEXEC,
			     ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	ICMP6_FILTER_SETBLOCKALL(&filter);
	ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &filter);
	ICMP6_FILTER_SETPASS(ICMP6_TIME_EXCEEDED, &filter);
	if (fd < 0)
		return -errno;
	err = setsockopt(fd, ip4 ? SOL_RAW : IPPROTO_ICMPV6, ip4 ? RAW_ICMP_FILTER : ICMP6_FILTER,
			 ip4 ? (const void *)&others : &filter,
			 ip4 ? sizeof(others) : sizeof(filter))
		      ? -errno
		      : 0;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Lets in packets that have our identifier where an echo reply has one, of the many packets that a
 * busy tunnel has. */
static int attach_filter(const struct probe *probe)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, (is_ip4(probe) ? IP4_HEADER : IP6_HEADER) +
							   offsetof(struct echo_message, id)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohs(probe->id), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, LARGEST),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	return setsockopt(probe->in, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* ETH_P_ALL: the socket has packets in front of programs at TC ingress, which change the DSCP; one
 * for a single protocol has them behind. */
static int open_tap(struct probe *probe, int ifindex)
{
	const struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};

	probe->in = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return probe->in < 0 || attach_filter(probe) ||
			       bind(probe->in, (const void *)&at, sizeof(at))
		       ? -errno
		       : 0;
}

/* Takes err for the result of opening. */
static int opened(struct probe *probe, int err)
{
	if (!err)
		return 0;
	probe_close(probe);
	return failed(err, "cannot open sockets for probes: %s%s", strerror(-err),
		      err == -EPERM ? ": CAP_NET_RAW is needed too" : "");
}

int probe_open_echo(struct probe *probe, int device, int tap)
{
	int err;

	probe->id = (uint16_t)(getpid() ^ probe_now());
	probe->in = -1;
	probe->out = open_icmp(probe);
	err = probe->out < 0 ? probe->out : bind_device(probe, device);
	return opened(probe, err ? err : open_tap(probe, tap));
}

void probe_close(const struct probe *probe)
{
	if (probe->in >= 0)
		close(probe->in);
	if (probe->out >= 0)
		close(probe->out);
}

static uint16_t read16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* RFC 1071. The kernel does it for ICMPv6. */
static uint16_t checksum(const void *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += read16((const uint8_t *)data + i);
	sum = (sum & 0xffff) + (sum >> 16);
	return htons(~(sum + (sum >> 16)));
}

int probe_send_echo(const struct probe *probe, unsigned int dscp, uint16_t number)
{
	struct echo_message message = {
		.type = is_ip4(probe) ? ICMP_ECHO : ICMP6_ECHO_REQUEST,
		.id = probe->id,
		.number = htons(number),
		.text = "probe",
	};

	message.checksum = checksum(&message, sizeof(message));
	return send_out(probe, dscp, &message, sizeof(message), 0);
}

/* An IP packet, as far as it has been read. */
struct packet {
	uint8_t dscp, protocol;
	const uint8_t *destination, *payload;
	size_t len; /* of the payload */
};

static bool read_packet(const struct probe *probe, const uint8_t *data, size_t len,
			struct packet *packet)
{
	const bool ip4 = is_ip4(probe);
	size_t header = ip4 ? (data[0] & 0x0f) * 4u : IP6_HEADER;

	if (len < IP4_HEADER || len < header || header < IP4_HEADER ||
	    data[0] >> 4 != (ip4 ? 4 : 6))
		return false;
	packet->dscp = ip4 ? data[1] >> 2 : read16(data) >> 6 & 0x3f;
	packet->protocol = data[ip4 ? 9 : 6];
	packet->destination = data + (ip4 ? 16 : 24);
	packet->payload = data + header;
	packet->len = len - header;
	return true;
}

/* Returns how much has been read by that time; 0: nothing. */
static size_t read_until(const struct probe *probe, uint64_t until, uint8_t data[static LARGEST],
			 union address *from)
{
	struct pollfd poll_in = { .fd = probe->in, .events = POLLIN };
	socklen_t len = sizeof(*from);
	uint64_t now = probe_now();
	ssize_t n;

	if (poll(&poll_in, 1, now < until ? until - now : 0) <= 0)
		return 0;
	n = recvfrom(probe->in, data, LARGEST, MSG_DONTWAIT, &from->any, &len);
	return n > 0 ? n : 0;
}

/* As the tunnel's socket sends: with its mark, which chooses routes, by its device, and from its
 * own address, if there is one. The kernel chooses the port. */
static int open_udp(struct probe *probe, const struct nl_flow *flow)
{
	struct nl_endpoint from = { .family = probe->to->family };
	union address address;
	socklen_t len =
		address_of(flow->from.family == from.family ? &flow->from : &from, 0, &address);
	int err;

	probe->out = socket(from.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (probe->out < 0)
		return -errno;
	err = flow->mark
		      ? setsockopt(probe->out, SOL_SOCKET, SO_MARK, &flow->mark, sizeof(flow->mark))
		      : 0;
	if (err || bind(probe->out, &address.any, len) ||
	    getsockname(probe->out, &address.any, &len))
		return -errno;
	probe->id = from.family == AF_INET ? address.four.sin_port : address.six.sin6_port;
	return bind_device(probe, flow->oif);
}

int probe_open_path(struct probe *probe, const struct nl_flow *flow)
{
	probe->to = &flow->to;
	probe->is_path = true;
	probe->out = -1;
	probe->in = open_icmp(probe);
	return opened(probe, probe->in < 0 ? probe->in : open_udp(probe, flow));
}

/* The ports are the same for all, or routers would choose different paths. So the length, which is
 * quoted too, says which probe it is. */
int probe_send_path(const struct probe *probe, unsigned int dscp, unsigned int ttl, uint16_t number)
{
	static const uint8_t nothing[PROBE_PATH_NUMBERS];

	if (set_header(probe, IP_TTL, IPV6_UNICAST_HOPS, ttl))
		return -errno;
	return send_out(probe, dscp, nothing, number % PROBE_PATH_NUMBERS, PATH_PORT);
}

/* Takes a packet that an ICMP error quotes, with the eight bytes behind its header that RFC 792
 * asks for. The extension of RFC 4884 behind the packet is not read. False: the packet is not
 * ours. */
static bool take_quoted(const struct probe *probe, const uint8_t *data, size_t len,
			struct probe_answer *answer)
{
	struct packet quoted;

	if (!read_packet(probe, data, len, &quoted) || quoted.protocol != IPPROTO_UDP ||
	    quoted.len < UDP_HEADER ||
	    memcmp(quoted.destination, &probe->to->v6, is_ip4(probe) ? 4 : 16) ||
	    memcmp(quoted.payload, &probe->id, sizeof(probe->id)) ||
	    read16(quoted.payload + 2) != PATH_PORT)
		return false;
	answer->number = read16(quoted.payload + 4) - UDP_HEADER;
	answer->dscp = quoted.dscp;
	return true;
}

/* Takes an ICMP message. */
static bool take(const struct probe *probe, const struct packet *packet, const union address *from,
		 struct probe_answer *answer)
{
	const bool ip4 = is_ip4(probe);
	const uint8_t *icmp = packet->payload;

	if (packet->len <= ICMP_MINLEN)
		return false;
	if (!probe->is_path) {
		answer->dscp = packet->dscp;
		answer->number = read16(icmp + offsetof(struct echo_message, number));
		return packet->protocol == (ip4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) &&
		       *icmp == (ip4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY);
	}
	answer->is_last = *icmp == (ip4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH);
	answer->from.family = probe->to->family;
	if (ip4)
		answer->from.v4 = from->four.sin_addr;
	else
		answer->from.v6 = from->six.sin6_addr;
	return take_quoted(probe, icmp + ICMP_MINLEN, packet->len - ICMP_MINLEN, answer);
}

/* A raw socket of IPv6 has no header of the packet. */
bool probe_wait(const struct probe *probe, uint64_t until, struct probe_answer *answer)
{
	const bool has_header = is_ip4(probe) || !probe->is_path;
	uint8_t data[LARGEST];
	struct packet packet;
	union address from;
	size_t len;

	while ((len = read_until(probe, until, data, &from))) {
		packet = (struct packet){ .payload = data, .len = len };
		if ((!has_header || read_packet(probe, data, len, &packet)) &&
		    take(probe, &packet, &from, answer))
			return true;
	}
	return false;
}
