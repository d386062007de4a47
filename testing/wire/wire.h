/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* What the subcommands have in common. */
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
	receive_command;

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

/* Sends one datagram with this DS field, by ancillary data. ENOBUFS and a refused connection
 * (nobody needs to listen) are tried again. Returns 0 or a negative errno. */
int send_with_ds(int fd, const struct address *dst, unsigned int port, bool connected, uint8_t ds,
		 const void *data, size_t len);
/* A socket bound to src, if that is given, and sport. Negative after a message. */
int open_socket(int type, int protocol, const struct address *src, const struct address *dst,
		unsigned int sport);
int connect_socket(int fd, const struct address *dst, unsigned int port);

#endif
