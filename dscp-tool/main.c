/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "util/log.h"
#include "util/reason.h"

static const struct {
	const struct arg_command *command;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ &load_command, run_load },	     { &unload_command, run_unload },
	{ &status_command, run_status },     { &dump_map_command, run_dump_map },
	{ &features_command, run_features }, { &monitor_command, run_monitor },
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

int set_flag(void *config, const char *value, char *err, size_t err_len)
{
	(void)value;
	(void)err;
	(void)err_len;
	*(bool *)config = true;
	return 0;
}

int set_verbose(void *config, const char *value, char *err, size_t err_len)
{
	(void)config;
	(void)value;
	(void)err;
	(void)err_len;
	log_set_verbose(true);
	return 0;
}

int parsed(int result)
{
	return result < 0 ? EXIT_USAGE : result > 0 ? EXIT_DONE : -1;
}

int not_loaded(const char *tunnel)
{
	log_error("%s: not loaded", tunnel);
	return EXIT_NOT_LOADED;
}

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: dscp-tool COMMAND [OPTION...]\n\n"
		"Carries the DSCP of the packets in a tunnel onto the packets that carry them.\n\n"
		"Commands:\n");
	for (unsigned int i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-10s %-18s %s\n", commands[i].command->name,
			commands[i].command->synopsis, commands[i].command->help);
	fprintf(to,
		"  %-10s %-18s %s\n\n"
		"See dscp-tool COMMAND --help, and the man page dscp-tool(8).\n",
		"help", "", "this text; also --version");
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

static int dispatch(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	for (unsigned int i = 0; i < N_COMMANDS; i++)
		if (!strcmp(name, commands[i].command->name))
			return commands[i].run(argc - 1, argv + 1);
	if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h")) {
		usage(stdout);
		return EXIT_DONE;
	}
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
	int status;

	log_capture_libbpf();
	status = dispatch(argc, argv);
	reason_print();
	return flushed(status);
}
