/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Knows which tin of the qdisc CAKE takes a DSCP. The kernel does not tell: its tables are in
 * net/sched/sch_cake.c, and are the same in Linux 6.1, 6.12 and 7.3. */
#include "cake.h"

#include <stddef.h>

#include <linux/pkt_sched.h>

#include "macros.h"

/* A digit for each DSCP, a line for each class selector. tc(8) shows the tins of three and four in
 * the order of their priority, which is not the order in which the kernel numbers them. */
static const struct {
	const char *name;
	const char *tins; /* NULL: see cake_tin() */
} modes[] = {
	[CAKE_DIFFSERV_DIFFSERV3] = { "diffserv3", "10112111"
						   "01111111"
						   "11111111"
						   "11111111"
						   "11111111"
						   "11112121"
						   "21111111"
						   "21111111" },
	[CAKE_DIFFSERV_DIFFSERV4] = { "diffserv4", "10112111"
						   "01111111"
						   "21212121"
						   "21212121"
						   "31212121"
						   "31113131"
						   "31111111"
						   "31111111" },
	[CAKE_DIFFSERV_DIFFSERV8] = { "diffserv8", "20124222"
						   "12121212"
						   "52424242"
						   "32323232"
						   "62323232"
						   "62226262"
						   "72222222"
						   "72222222" },
	[CAKE_DIFFSERV_BESTEFFORT] = { "besteffort", NULL },
	[CAKE_DIFFSERV_PRECEDENCE] = { "precedence", NULL },
};

const char *cake_mode_name(uint32_t mode)
{
	return mode < ARRAY_SIZE(modes) ? modes[mode].name : NULL;
}

unsigned int cake_tin(uint32_t mode, unsigned int dscp)
{
	if (modes[mode].tins)
		return modes[mode].tins[dscp] - '0';
	return mode == CAKE_DIFFSERV_PRECEDENCE ? dscp >> 3 : 0;
}

const char *cake_tin_name(uint32_t mode, unsigned int tin)
{
	static const char *const names[] = { "Bulk", "Best Effort", "Video", "Voice" };

	if (mode == CAKE_DIFFSERV_DIFFSERV3 && tin == 2)
		tin = 3;
	return mode <= CAKE_DIFFSERV_DIFFSERV4 && tin < ARRAY_SIZE(names) ? names[tin] : NULL;
}
