/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The problems of a tunnel, a sentence with a remedy each, by the model that was collected. */
#ifndef STATUS_PROBLEMS_H
#define STATUS_PROBLEMS_H

#include "status/status.h"

struct nl_link;
struct pins;

/* Adds all problems of the tunnel itself. link: its device; NULL: gone, or out of reach. */
void problems_find(struct tunnel_status *status, const struct nl_link *link);

/* Adds that packets are missing, or not known, where they are counted. keep: see balance_look(). */
void problems_add_balance(struct tunnel_status *status, const struct pins *pins,
			  const struct nl_link *link, bool keep);

/* Adds a sentence. */
void problems_add(struct tunnel_status *status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds that a device which is not loaded looks like the tunnel. */
void problems_add_stranger(struct tunnel_status *status, const char *device);

#endif
