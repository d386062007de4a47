/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The ingress programs of one method, loaded apart from everything else (nothing is pinned), and
 * the means to hand them packets: BPF_PROG_TEST_RUN, which takes frames only, or a tun device in a
 * separate network namespace, for L3 packets.
 */
#ifndef INGRESS_RUN_H
#define INGRESS_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "ingress_knobs.h"
#include "ingress_oracle.h"

extern struct ingress_knobs *knobs;
/* A tun device puts so many bytes of a packet of more than a page into the linear part of the skb,
 * and the rest into pages. 0: all are in the linear part. */
extern uint32_t linear;
/* Buckets of the map note_cache: ingress_reset() makes all of them busy, so that every note goes to
 * the map notes. */
extern bool buckets_busy;

/* NULL, or why these tests cannot run here. */
const char *ingress_refused(enum dscp_method method);

/* For a group of cases, behind device_open(). */
void ingress_load(enum dscp_method method);
void ingress_unload(void);

/* For each case: all maps are empty after this, and knobs are zero. */
void ingress_reset(void);
/* Fails the test if ingress_reset() leaves anything in a map. */
void ingress_reset_fully(void);
int ingress_map(const char *name);
void set_map(const char *name, const void *key, const void *value);

/* Fails the test, or returns why there can be none. */
const char *device_open(void);
void device_close(void);

/* Number of the device that packets are delivered by. */
uint32_t tunnel_ifindex(void);
bool raw(void);

/* ingress_inner. noted: the note to put under the skb's address, or NULL. False: this kernel does
 * not let such a packet come about. */
bool run_inner(const struct delivered *in, const struct dscp_note *noted, struct packet *out);
/* ingress_inner on a frame with so little room in front of it. */
bool run_inner_at_head(const struct packet *in, uint32_t grown, struct packet *out);
/* ingress_outer. hash: skb->hash. */
bool run_outer(const struct packet *in, uint32_t segments, uint32_t hash, struct packet *out);

/* Notes of the maps note_cache and notes. */
bool find_note(const struct dscp_note_key *key, struct dscp_note *note);
bool delete_note(const struct dscp_note_key *key);
unsigned int count_notes(void);

/* The counters of all slots, summed over the CPUs. */
void read_arrivals(struct dscp_counters counters[N_SLOTS]);

#endif
