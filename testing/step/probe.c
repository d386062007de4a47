/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * One packet of each DSCP through a tunnel that does not encrypt, each seen behind the tunnel
 * before the next is sent. All 64 have to be marked as one of the maps says: prints the number of
 * that map.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define N_DSCPS 64
#define MAX_MAPS 8
#define WAIT_MS 1000
#define MAX_WAITS 120
#define SPORT 5001
#define DPORT 5000
#define PACKET_BYTES 2048
#define IPV4_HEADER 20
#define UDP_HEADER 8

/* No other packet ends in these bytes. */
struct payload {
	uint64_t nonce[2];
	uint64_t number;
};

static uint8_t maps[MAX_MAPS][N_DSCPS];
static unsigned int n_maps;
static bool again; /* send a packet anew that was lost */

static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void usage(void)
{
	fputs("usage: probe [--again] NETNS DEV ADDRESS MAP...\n"
	      "NETNS and DEV say where the packets come out; a MAP is \"same\", or "
	      "FROM=TO[,FROM=TO...]\n"
	      "on top of that, of numbers or * for FROM; with --again a lost packet is sent once "
	      "more\n",
	      stderr);
	exit(2);
}

static unsigned int dscp(const char *text, char **end)
{
	unsigned long n = strtoul(text, end, 10);

	if (*end == text || n >= N_DSCPS)
		usage();
	return (unsigned int)n;
}

static void parse_map(char *text, uint8_t *map)
{
	char *entry, *end;
	unsigned int from, to, last;

	for (from = 0; from < N_DSCPS; from++)
		map[from] = (uint8_t)from;
	if (strcmp(text, "same") == 0)
		return;
	while ((entry = strsep(&text, ","))) {
		from = 0;
		last = N_DSCPS - 1;
		end = entry + 1;
		if (entry[0] != '*')
			from = last = dscp(entry, &end);
		if (*end != '=')
			usage();
		to = dscp(end + 1, &end);
		memset(map + from, (int)to, last - from + 1);
	}
}

/* Not connected: an answer by ICMP is no error then. */
static int open_sender(const char *address, struct sockaddr_in *to)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(SPORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(DPORT) };
	if (inet_pton(AF_INET, address, &to->sin_addr) != 1)
		usage();
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("sender");
	return fd;
}

/* Leaves our own network namespace. */
static int open_receiver(const char *netns, const char *dev)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd, ns = open(netns, O_RDONLY | O_CLOEXEC);

	if (ns < 0 || setns(ns, CLONE_NEWNET))
		die(netns);
	close(ns);
	at.sll_ifindex = (int)if_nametoindex(dev);
	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!at.sll_ifindex || fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(dev);
	return fd;
}

static bool checksum_is_right(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (int i = 0; i < (ip[0] & 15) * 4; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

/* Waits for the packet with that payload. Returns the DS field outside, or -1 if nothing comes. */
static int outer_ds(int fd, const struct payload *payload, unsigned int inner)
{
	const size_t inside = IPV4_HEADER + UDP_HEADER + sizeof(*payload);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t packet[PACKET_BYTES];
	ssize_t len;

	while (poll(&pfd, 1, WAIT_MS)) {
		len = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		if (len < (ssize_t)(IPV4_HEADER + inside) || packet[0] >> 4 != 4 ||
		    memcmp(packet + len - sizeof(*payload), payload, sizeof(*payload)) != 0)
			continue;
		if (checksum_is_right(packet) && packet[len - inside + 1] >> 2 == inner)
			return packet[1];
		fprintf(stderr, "probe: DSCP %u: a wrong checksum outside, or another inside\n",
			inner);
		exit(1);
	}
	return -1;
}

/* Returns the DS field outside of a packet of that DSCP. */
static unsigned int pass_one(int sender, const struct sockaddr_in *to, int receiver,
			     const struct payload *payload, unsigned int inner)
{
	int tos = (int)inner << 2, ds;

	if (setsockopt(sender, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)))
		die("setsockopt");
	for (int waits = 0; waits < MAX_WAITS; waits++) {
		if ((waits == 0 || again) &&
		    sendto(sender, payload, sizeof(*payload), 0, (const struct sockaddr *)to,
			   sizeof(*to)) != sizeof(*payload))
			die("send");
		ds = outer_ds(receiver, payload, inner);
		if (ds >= 0)
			return (unsigned int)ds;
	}
	fprintf(stderr, "probe: the packet of DSCP %u was lost\n", inner);
	exit(1);
}

/* Returns the maps that give this result for a DSCP, a bit each. */
static unsigned int agreeing(unsigned int inner, unsigned int outer)
{
	unsigned int i, bits = 0;

	for (i = 0; i < n_maps; i++)
		if (maps[i][inner] == outer)
			bits |= 1U << i;
	return bits;
}

static unsigned int pass_all(int sender, const struct sockaddr_in *to, int receiver)
{
	struct payload payload;
	unsigned int inner, ds, left = (1U << n_maps) - 1;

	if (getentropy(&payload, sizeof(payload)))
		die("getentropy");
	for (inner = 0; inner < N_DSCPS && left; inner++) {
		payload.number = inner;
		ds = pass_one(sender, to, receiver, &payload, inner);
		left &= ds & 3 ? 0 : agreeing(inner, ds >> 2);
		if (!left)
			fprintf(stderr,
				"probe: DSCP %u is DS field 0x%02x outside: no map is left\n",
				inner, ds);
	}
	return left;
}

int main(int argc, char **argv)
{
	const char *point = getenv("STEP_POINT"), *name = getenv("STEP_NAME");
	struct sockaddr_in to;
	int sender, receiver;
	unsigned int left;

	again = argc > 1 && strcmp(argv[1], "--again") == 0;
	argc -= again;
	argv += again;
	if (argc < 5 || argc - 4 > MAX_MAPS)
		usage();
	for (; n_maps < (unsigned int)argc - 4; n_maps++)
		parse_map(argv[4 + n_maps], maps[n_maps]);
	sender = open_sender(argv[3], &to);
	receiver = open_receiver(argv[1], argv[2]);
	left = pass_all(sender, &to, receiver);
	if (!left)
		return 1;
	printf("map %d: %s %s\n", __builtin_ctz(left) + 1, point ? point : "-", name ? name : "");
	return 0;
}
