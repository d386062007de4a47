/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Random numbers of a seed, apart from the unit tests' random numbers. */
#ifndef FUZZ_NUMBERS_H
#define FUZZ_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

void fuzz_seed(uint64_t seed);
uint32_t fuzz_random(void);
/* Returns a number less than n. */
uint32_t fuzz_below(uint32_t n);
/* Returns true once in n times. */
bool fuzz_one_in(uint32_t n);

#endif
