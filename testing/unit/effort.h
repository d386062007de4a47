/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * How much of the long loops is run, by the environment. DSCP_TEST_SPARSE=N: one of N turns, and
 * the same turns in every run; for an emulated processor. DSCP_TEST_FRAMES=N: so many random
 * packets in every case that has such. And how long a packet is awaited.
 */
#ifndef EFFORT_H
#define EFFORT_H

#include <stdbool.h>

/* Seconds until a packet that has to come is given up: only a fault takes so long, and a machine
 * that is busy with other work does not. */
#define PATIENCE 60

/* Tells whether this turn of an exhaustive loop is to be run: one in each N turns that follow each
 * other, at positions that vary. */
bool effort_chosen(unsigned long turn);

/* Returns how many of so many random packets are to be run: the first ones. */
unsigned long effort_rounds(unsigned long usual);

/* Prints the above, and the seed, if that has not been done. */
void effort_print(void);

#endif
