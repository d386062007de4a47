/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The methods of ingress, next to an empty program and to egress_outer of the baseline. */
#ifndef INGRESS_H
#define INGRESS_H

#include <json-c/json.h>

struct ingress;

/* dir has bench_tc.bpf.o and so on. NULL, after a message, if they do not load. */
struct ingress *ingress_open(const char *dir);
int ingress_round(struct ingress *in, unsigned int round);
struct json_object *ingress_print(struct ingress *in, double baseline_outer);
/* The time that peek adds to a packet, in the family in which it is more. */
double ingress_peek_added(const struct ingress *in);
void ingress_close(struct ingress *in);

#endif
