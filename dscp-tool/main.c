/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Finds the command that the first word names, and prints the reasons that it leaves. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

#include "command.h"
#include "tunnel/kinds.h"
#include "util/json.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/reason.h"

static const struct command {
	const struct arg_command *command;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ .command = &load_command, .run = run_load },
	{ .command = &unload_command, .run = run_unload },
	{ .command = &reload_command, .run = run_reload },
	{ .command = &status_command, .run = run_status },
	{ .command = &explain_command, .run = run_explain },
	{ .command = &test_command, .run = run_test_command },
	{ .command = &dump_map_command, .run = run_dump_map },
	{ .command = &save_command, .run = run_save },
	{ .command = &apply_command, .run = run_apply },
	{ .command = &monitor_command, .run = run_monitor },
	{ .command = &features_command, .run = run_features },
};

static void usage(FILE *to)
{
	fprintf(to,
		"Usage: dscp-tool [-n NETNS] COMMAND [OPTION...]\n\n"
		"Carries the DSCP of the packets in a tunnel onto the packets that carry them.\n\n"
		"Commands:\n");
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-10s %-18s %s\n", commands[i].command->name,
			commands[i].command->synopsis, commands[i].command->help);
	fprintf(to,
		"  %-10s %-18s %s\n\n"
		"-n, --netns NETNS  do it in another network namespace: a name, PID or path\n"
		"-V, --version      the versions of dscp-tool and libbpf\n\n"
		"See dscp-tool COMMAND --help, and the man page dscp-tool(8).\n",
		"help", "[COMMAND]", "this text, or the options of a command");
}

/* For the completion of a shell, and for tests; see args_list(). */
static int list(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		args_list(commands[i].command);
	puts("help [COMMAND]");
	return EXIT_DONE;
}

static int version(void)
{
	printf("dscp-tool %s (libbpf %s)\n", DSCP_TOOL_VERSION, libbpf_version_string());
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

static int unknown(const char *word)
{
	static const char *const others[] = { "help", "--help", "--version", "--netns" };
	struct args_guess guess = {};

	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		args_guess(&guess, word, commands[i].command->name);
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++)
		args_guess(&guess, word, others[i]);
	log_error("unknown command '%s'%s%s%s (see dscp-tool help)", word,
		  guess.name ? ": did you mean '" : "", guess.name ? guess.name : "",
		  guess.name ? "'?" : "");
	return EXIT_USAGE;
}

/* NULL: none has that name. */
static const struct command *find_command(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i].command->name))
			return &commands[i];
	return NULL;
}

static bool is_help(const char *word)
{
	return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h");
}

/* words: behind the word that asks for help; NULL behind the last one. */
static int help(char *const *words)
{
	const struct command *command = words[0] ? find_command(words[0]) : NULL;

	if (words[0] && words[1]) {
		log_error("unexpected argument '%s': usage: dscp-tool help [COMMAND]", words[1]);
		return EXIT_USAGE;
	}
	if (command)
		args_usage(command->command);
	else if (!words[0] || is_help(words[0]))
		usage(stdout);
	else
		return strcmp(words[0], "--complete") ? unknown(words[0]) : list();
	return EXIT_DONE;
}

/* The first word is the name of no command. */
static int other_word(const char *name, char *const *words)
{
	if (is_help(name))
		return help(words);
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		return version();
	if (*name)
		return unknown(name);
	usage(stderr);
	return EXIT_USAGE;
}

/* -n NETNS, -nNETNS, -n=NETNS, --netns NETNS or --netns=NETNS. Returns how many words that takes;
 * 0: the option is another one. value: NULL: it is missing. */
static int netns_option(const char *option, const char *next, const char **value)
{
	static const char name[] = "--netns";
	const size_t len = sizeof(name) - 1;

	*value = next;
	if (!strcmp(option, "-n") || !strcmp(option, name))
		return 2;
	if (!strncmp(option, "-n", 2))
		*value = option + 2 + (option[2] == '=');
	else if (!strncmp(option, name, len) && option[len] == '=')
		*value = option + len + 1;
	else
		return 0;
	return 1;
}

/* Takes the options in front of the command: the rest is done in another network namespace, as
 * ip(8) -n does, but with the mounts of this process. Returns an exit status; negative: go on with
 * argv. */
static int before_command(int *argc, char ***argv)
{
	const char *value, *other, *option = (*argv)[1];
	int words = *argc > 1 ? netns_option(option, (*argv)[2], &value) : 0;

	if (!words)
		return -1;
	if (!value) {
		log_error("%s needs a network namespace: a name, PID or path", option);
		return EXIT_USAGE;
	}
	*argc -= words;
	*argv += words;
	if (*argc > 1 && netns_option((*argv)[1], (*argv)[2], &other)) {
		log_error("%s is given twice, with '%.40s' and '%.40s': give it once", option,
			  value, other ? other : "");
		return EXIT_USAGE;
	}
	return netns_choose("-n", value) ? EXIT_REFUSED : -1;
}

/* Tells whether there is --json among the words, rightly or not: its errors are JSON, too. */
static bool asks_for_json(const struct command *command, char *const *words)
{
	const struct arg_option *o = command ? command->command->options : NULL;

	while (o && o->name && strcmp(o->name, "json"))
		o++;
	if (!o || !o->name)
		return false;
	for (; *words && strcmp(*words, "--"); words++)
		if (!strcmp(*words, "--json") ||
		    (**words == '-' && words[0][1] != '-' && strchr(*words, o->letter)))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	const struct command *command;
	const char *name;
	int status;

	log_capture_libbpf();
	nl_link_kinds(kinds_link);
	status = before_command(&argc, &argv);
	name = argc > 1 ? argv[1] : "";
	command = find_command(name);
	log_errors_to(asks_for_json(command, argv + 1) ? json_add_error : NULL);
	if (status < 0)
		status = command ? command->run(argc - 1, argv + 1) : other_word(name, argv + 2);
	reason_print();
	if (status != EXIT_DONE && status != EXIT_UNHEALTHY)
		json_print_errors("{", status);
	return flushed(status);
}
