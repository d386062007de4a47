/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * A wire that damages, doubles, delays and forges, by count and not by chance: the same each time.
 * It does so with the frames that carry a packet of the length rule through WireGuard. All others
 * pass as they are, behind all that were sent before: handshakes, and markers, so that nothing is
 * on its way any more when a marker has come.
 */
#ifndef WIRE_IMPAIR_H
#define WIRE_IMPAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define IMPAIR_FRAME_MAX 2048
#define IMPAIR_HELD_MAX 64
#define IMPAIR_LOST_MAX 65536

/* Takes a frame at the other end of the wire. */
typedef void (*impair_put)(void *to, const uint8_t *frame, size_t len);

struct impair_held {
	unsigned int due; /* when so many copies have been counted */
	size_t len;
	uint8_t frame[IMPAIR_FRAME_MAX];
};

struct impair {
	impair_put put;
	void *to;
	/* The impairment of each so manieth copy, or frame for doubled; 0: none. */
	unsigned int damage, doubled, hold;
	unsigned int hold_for; /* until so many later copies have passed */
	/* Each so manieth frame has a forged one in front of it, or behind it, in turn: of the same
	 * session and number, but with another DSCP, and without authentication. */
	unsigned int forge;
	/* Since the conditions are these: */
	unsigned int frames, copies; /* that they apply to; copies: those that leave the wire */
	unsigned int n_damaged, n_doubled, n_held, n_forged;
	unsigned int n_lost; /* frames of which each copy was damaged */
	unsigned int lost[IMPAIR_LOST_MAX]; /* their numbers, from 0 */
	/* Frames that are held, in the order in which they are due. */
	struct impair_held held[IMPAIR_HELD_MAX];
	unsigned int first, waiting;
};

/* Begins anew with conditions such as "damage 7 double 5 hold 5:17 forge 3"; none: a wire as usual.
 * Returns 0, or -EINVAL if the text says something else. */
int impair_set(struct impair *imp, const char *text);
/* Lets a frame through, or its impaired copies. */
void impair_frame(struct impair *imp, const uint8_t *frame, size_t len);
/* Lets held frames through. */
void impair_release(struct impair *imp);
/* Prints a line with the impairments since the conditions were set. */
void impair_report(const struct impair *imp, FILE *out);

#endif
