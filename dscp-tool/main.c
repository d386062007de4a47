/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the command that the first word names, and prints the reasons that it leaves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "tunnel/kinds.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/reason.h"

static const struct {
	const struct arg_command *command;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ &load_command, run_load },	     { &unload_command, run_unload },
	{ &status_command, run_status },     { &dump_map_command, run_dump_map },
	{ &features_command, run_features }, { &monitor_command, run_monitor },
};

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: dscp-tool COMMAND [OPTION...]\n\n"
		"Carries the DSCP of the packets in a tunnel onto the packets that carry them.\n\n"
		"Commands:\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-10s %-18s %s\n", commands[i].command->name,
			commands[i].command->synopsis, commands[i].command->help);
	fprintf(to,
		"  %-10s %-18s %s\n\n"
		"See dscp-tool COMMAND --help, and the man page dscp-tool(8).\n",
		"help", "", "this text; also --version");
}

/* For the completion of a shell, and for tests; see args_list(). */
static int list(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		args_list(commands[i].command);
	puts("help");
	return EXIT_DONE;
}

static int help(const char *option)
{
	if (option && !strcmp(option, "--complete"))
		return list();
	usage(stdout);
	return EXIT_DONE;
}

static int version(void)
{
	printf("dscp-tool %s (%s)\n", DSCP_TOOL_VERSION, libbpf_version_string());
	return EXIT_DONE;
}

/* Output that got lost is no success. */
static int flushed(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	log_error("cannot write the output: %s", strerror(errno));
	return EXIT_REFUSED;
}

/* The first word is the name of no command. */
static int other_word(const char *name, const char *option)
{
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
		return help(option);
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		return version();
	if (*name)
		log_error("'%s' is no command: see dscp-tool help", name);
	else
		usage(stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	unsigned int i = 0;
	int status;

	log_capture_libbpf();
	nl_link_kinds(kinds_link);
	while (i < ARRAY_SIZE(commands) && strcmp(name, commands[i].command->name))
		i++;
	status = i < ARRAY_SIZE(commands) ? commands[i].run(argc - 1, argv + 1)
					  : other_word(name, argc > 2 ? argv[2] : NULL);
	reason_print();
	return flushed(status);
}
