/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Random numbers for the tests, the same ones in every run. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#define RANDOM_SEED 20210618u

uint32_t next_random(void);
/* Returns true once in n times. */
bool one_in(uint32_t n);

/* Begins the numbers of this round, which do not depend on other rounds. From here to random_end()
 * a case that fails ends in random_teardown(), which prints the round. */
void random_round(unsigned long round);
void random_end(void);
void random_teardown(void);

#endif
