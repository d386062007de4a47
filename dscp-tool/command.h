/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* The subcommands, one source file each. They return the process's exit status. */
#ifndef COMMAND_H
#define COMMAND_H

#include "util/args.h"

struct pins;

enum exit_status {
	EXIT_DONE = 0,
	EXIT_USAGE = 1,
	EXIT_REFUSED = 2, /* by the kernel or the system */
	EXIT_NOT_LOADED = 3,
	EXIT_UNHEALTHY = 4,
};

extern const struct arg_command load_command, unload_command, status_command, dump_map_command,
	features_command, monitor_command, reload_command, save_command, apply_command,
	explain_command, test_command;

int run_load(int argc, char **argv);
int run_unload(int argc, char **argv);
int run_status(int argc, char **argv);
int run_explain(int argc, char **argv);
int run_dump_map(int argc, char **argv);
int run_features(int argc, char **argv);
int run_monitor(int argc, char **argv);
int run_reload(int argc, char **argv);
int run_save(int argc, char **argv);
int run_apply(int argc, char **argv);
int run_test_command(int argc, char **argv);

/* Turns args_parse()'s answer into an exit status; negative: go on. Prints the help that was asked
 * for. */
int parsed(const struct arg_command *command, int result);

/* A line for "TUNNEL is not loaded", or is elsewhere, where that command reaches it, or for a set
 * that may have it, and cannot be opened; and the exit status. */
int not_loaded(const struct arg_command *command, const char *tunnel);

/* Says a line about a set that cannot be opened, see sets_for_each(). */
int say_set(struct pins *pins, int err, void *ctx);

#endif
