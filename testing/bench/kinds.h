/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The kinds of tunnels and the fragments of their packets, for egress_outer. */
#ifndef KINDS_H
#define KINDS_H

#include <json-c/json.h>

struct kinds;

/* The object is in that directory. NULL: it cannot be loaded, and why has been said. */
struct kinds *kinds_open(const char *dir);
void kinds_close(struct kinds *kinds);

/* One of the ROUNDS. */
int kinds_round(struct kinds *kinds, unsigned int round);

/* After the last one: prints the table, and returns it. */
struct json_object *kinds_print(struct kinds *kinds);

#endif
