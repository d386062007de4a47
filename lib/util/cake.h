/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The tins of the qdisc CAKE, counted and named as tc(8) shows them. */
#ifndef UTIL_CAKE_H
#define UTIL_CAKE_H

#include <stdint.h>

/* mode: TCA_CAKE_DIFFSERV_MODE. NULL: not known here. */
const char *cake_mode_name(uint32_t mode);

/* Returns the tin that takes packets with that DSCP, which is below 64. Not for a mode that has no
 * name here. */
unsigned int cake_tin(uint32_t mode, unsigned int dscp);

/* NULL: the tin has a number only. */
const char *cake_tin_name(uint32_t mode, unsigned int tin);

#endif
