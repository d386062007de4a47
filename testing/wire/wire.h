/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The parts that the subcommands have in common. */
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "options.h"

#define EXIT_USAGE 1
#define EXIT_FAILED 2

extern const struct command send_command, udp_command, tcp_command, tcp_server_command,
	ping_command, relay_command, capture_command, judge_command, same_command, others_command,
	receive_command, through_command, storm_command, tun_command;

/* Exit status after options_parse() has said no. */
static inline int exit_usage(int parsed)
{
	return parsed > 0 ? 0 : EXIT_USAGE;
}

/* Set by SIGTERM and SIGINT once stop_on_signals() was called. */
extern volatile sig_atomic_t stop_requested;
void stop_on_signals(void);

int64_t now_ns(void);

/* Sends are spread evenly by sleeping, and end at a deadline whatever happens. */
struct pace {
	int64_t start;
	int64_t deadline;
	unsigned int rate; /* packets per second, 0 for no limit */
	uint64_t n;
};
void pace_start(struct pace *pace, unsigned int rate, unsigned int seconds);
/* Waits for the next packet's turn: 0, or -ETIMEDOUT. */
int pace_wait(struct pace *pace);

/* The value of a number-or-cycle option for packet i. */
static inline unsigned int cycle_value(int option, unsigned int i, unsigned int values)
{
	return option == CYCLE ? i % values : (unsigned int)option;
}

struct judge;
void print_verdict(const struct judge *j, bool ok, bool json);

/* Enters a network namespace: a path, or a name in /run/netns. 0 or a negative errno. */
int enter_netns(const char *netns);

/* Sends one datagram with this DS field, by ancillary data. ENOBUFS and a refused connection
 * (nobody needs to listen) are tried again. Returns 0 or a negative errno. */
int send_with_ds(int fd, const struct address *dst, unsigned int port, bool connected, uint8_t ds,
		 const void *data, size_t len);
/* A socket bound to src, if that is given, and sport. Negative after a message. */
int open_socket(int type, int protocol, const struct address *src, const struct address *dst,
		unsigned int sport);
int connect_socket(int fd, const struct address *dst, unsigned int port);

/* Where an ordinary socket sends its datagrams: UDP, or ICMP echo requests by a raw socket. */
struct datagrams {
	int fd;
	struct address dst;
	unsigned int port;
	bool echo, connected;
};
/* Sends a datagram with this IP length and number, see packet_number(). Returns 0 or a negative
 * errno. */
int datagram_send(const struct datagrams *to, uint32_t number, size_t ip_len, uint8_t ds);
/* The socket: negative after a message. */
int datagram_open(const struct datagrams *to, const struct address *src, unsigned int sport);

/* The data that a UDP socket gets with a datagram. */
struct received {
	size_t ip_len;
	uint8_t ds;
	uint32_t number; /* the first word of the payload */
};
/* One socket that gets UDP over IPv4 and IPv6: negative errno if it cannot be had. */
int receive_open(unsigned int port);
/* Takes one datagram: 0, -EAGAIN if there is none, or another negative errno. */
int receive_datagram(int fd, struct received *got);

/* One TCP connection that sends so many bytes. */
struct tcp_config {
	struct address src, dst;
	unsigned int port, dscp, bytes, connections, seconds;
};
int tcp_open_client(const struct tcp_config *cfg);
/* Sends the bytes, and waits until the server has read them all. Negative after a message. */
int tcp_transfer(const struct tcp_config *cfg, int fd);
/* Listens: negative errno. */
int tcp_open_server(unsigned int port);
struct tcp_served {
	unsigned int connections;
	uint64_t bytes;
};
/* Reads so many connections to their end, one after the other. Negative after a message. */
int tcp_serve(const struct tcp_config *cfg, int listener, struct tcp_served *served);

#endif
