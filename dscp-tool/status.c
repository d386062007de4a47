/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool status: whether tunnels work, and their counters. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "status/status.h"
#include "util/log.h"

#define MAX_WATCH 3600 /* seconds */
#define CLEAR_SCREEN "\033[H\033[2J" /* ECMA-48: CUP, ED */

struct status_config {
	struct status_query query;
	bool json;
	bool openmetrics, prometheus;
	uint32_t watch; /* seconds; 0: once */
	const char *separator; /* goes in front of a block, unless an error comes instead */
	struct status before; /* the block before, and when it was */
	struct timespec when;
};

static const struct arg_option status_options[] = {
	{ JSON_OPTION(struct status_config), .excluded = { "openmetrics", "" } },
	{ "openmetrics", 0, NULL, "as OpenMetrics text", NULL, ARG_FLAG,
	  ARG_TO(struct status_config, openmetrics) },
	{ "prometheus", 0, NULL, "as Prometheus' older text, for node_exporter", NULL, ARG_FLAG,
	  ARG_TO(struct status_config, prometheus), .excluded = { "openmetrics", "" } },
	{ "watch", 'w', "SECONDS", "again and again, so often, 1 to 3600", NULL, ARG_NUMBER,
	  ARG_TO(struct status_config, watch), .min = 1, .max = MAX_WATCH,
	  .excluded = { "openmetrics", " is one reading: it" } },
	{ "all-netns", 0, NULL, "of all network namespaces, not only of this one", NULL, ARG_FLAG,
	  ARG_TO(struct status_config, query.all_netns) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command status_command = {
	.name = "status",
	.synopsis = "[TUNNEL...]",
	.help = "what is loaded, whether it works, and counters",
	.options = status_options,
	.min_args = 0,
	.max_args = MAX_NAMES,
};

static void print(const struct status_config *config, const struct status *status, int exit_status)
{
	fputs(config->separator, stdout);
	if (config->json)
		status_print_json(status, exit_status);
	else if (config->openmetrics)
		status_print_openmetrics(status);
	else if (config->prometheus)
		status_print_prometheus(status);
	else
		status_print_text(status);
}

/* Each block counts from the one before, unless programs read it. */
static void compare(struct status_config *config, struct status *status)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	if (!config->json)
		status_compare(status, &config->before,
			       now.tv_sec - config->when.tv_sec +
				       (now.tv_nsec - config->when.tv_nsec) / 1e9);
	config->when = now;
}

static int show(struct status_config *config)
{
	struct status_query *query = &config->query;
	struct status status;
	int err, exit_status = EXIT_REFUSED;

	query->other = query->all_netns ? say_set
		       : query->n_names ? sets_pass_over
					: sets_refuse_ours;
	err = status_collect(query, &status);
	if (!err)
		exit_status = status_healthy(&status) ? EXIT_DONE : EXIT_UNHEALTHY;
	for (unsigned int i = 0; i < query->n_names && exit_status != EXIT_REFUSED; i++)
		if (!query->found[i])
			exit_status = not_loaded(&status_command, query->names[i]);
	compare(config, &status);
	/* A set that cannot be shown is no reason to leave out the others. */
	if (exit_status == EXIT_DONE || exit_status == EXIT_UNHEALTHY ||
	    (exit_status == EXIT_REFUSED && status.n_tunnels))
		print(config, &status, exit_status);
	status_free(&config->before);
	config->before = status;
	return exit_status;
}

/* Exit at once: there is nothing to clean up, and a write may block on a reader that never comes. A
 * half-filled buffer is dropped. */
static void on_signal(int number)
{
	(void)number;
	_exit(EXIT_DONE);
}

/* Until a signal, or until there is nothing to show. */
static int show_again(struct status_config *config)
{
	static char buffer[1 << 16];
	const struct sigaction action = { .sa_handler = on_signal };
	bool on_terminal = isatty(STDOUT_FILENO) && !config->json;
	int exit_status;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	config->separator = on_terminal ? CLEAR_SCREEN : "";
	for (;;) {
		exit_status = show(config);
		if (fflush(stdout) || (exit_status != EXIT_DONE && exit_status != EXIT_UNHEALTHY))
			return exit_status;
		if (!on_terminal && !config->json)
			config->separator = "\n";
		sleep(config->watch);
	}
}

int run_status(int argc, char **argv)
{
	struct status_config config = { .separator = "" };
	int status = parsed(&status_command, args_parse(&status_command, argc, argv, &config,
							config.query.names, &config.query.n_names));

	if (status >= 0)
		return status;
	if (config.query.all_netns && config.query.n_names) {
		log_error("--all-netns shows all tunnels: no name is needed");
		return EXIT_USAGE;
	}
	if (config.prometheus && (config.json || config.watch)) {
		log_error("--prometheus is one reading: it excludes --json and --watch");
		return EXIT_USAGE;
	}
	status = config.watch ? show_again(&config) : show(&config);
	status_free(&config.before);
	return status;
}
