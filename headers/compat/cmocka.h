/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * A name of cmocka 2 for cmocka 1: cmocka 2 warns about the name that cmocka 1 has for the same
 * check. To be included in place of <cmocka.h>, after the headers that it asks for.
 */
#ifndef COMPAT_CMOCKA_H
#define COMPAT_CMOCKA_H

#include <cmocka.h>

#ifndef assert_uint_in_range
#define assert_uint_in_range assert_in_range
#endif

#endif
