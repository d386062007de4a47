/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* How much of the long loops is run. */
#include "effort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "random.h"

/* A number of the environment, or 0. */
static unsigned long setting(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : 0;
}

static unsigned long step(void)
{
	static unsigned long n;

	if (!n)
		n = setting("DSCP_TEST_SPARSE");
	if (!n)
		n = 1;
	return n;
}

/* Fibonacci hashing of the block: a fixed place in each would meet the same bits of a header. */
bool effort_chosen(unsigned long turn)
{
	uint32_t block = turn / step();

	return turn % step() == (block * 0x9e3779b1u >> 16) % step();
}

unsigned long effort_rounds(unsigned long usual)
{
	unsigned long frames = setting("DSCP_TEST_FRAMES");

	return frames ? frames : (usual + step() - 1) / step();
}

void effort_print(void)
{
	static bool printed;

	if (printed)
		return;
	printed = true;
	print_message("# seed %u", RANDOM_SEED);
	if (step() > 1)
		print_message(", one of %lu turns of the long loops", step());
	if (setting("DSCP_TEST_FRAMES"))
		print_message(", %lu random packets", setting("DSCP_TEST_FRAMES"));
	print_message("\n");
}
