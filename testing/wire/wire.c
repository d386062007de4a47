/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Test harness: sends known packets, captures them, and judges them by their bytes. */
#include "wire.h"

#include <stdio.h>
#include <string.h>

#include <util/macros.h>

static const struct command *const commands[] = {
	&send_command,	  &udp_command,	    &tcp_command,   &tcp_server_command, &ping_command,
	&relay_command,	  &capture_command, &judge_command, &same_command,	 &others_command,
	&receive_command, &through_command, &storm_command, &tun_command,
};
#define N_COMMANDS ARRAY_SIZE(commands)

static int usage(void)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		printf("wire %s %s\n", commands[i]->name, commands[i]->usage);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		complain("which command? See wire --help");
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage();
	for (i = 0; i < N_COMMANDS; i++)
		if (strcmp(argv[1], commands[i]->name) == 0)
			return commands[i]->run(argc - 1, argv + 1);
	complain("no command '%s'; see wire --help", argv[1]);
	return EXIT_USAGE;
}
