/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * The text format of OpenMetrics 1.0: all of a metric family in one place, a TYPE line without the
 * "_total" or "_info" that the samples have, no two samples with the same labels, an end. And
 * Prometheus' own, version 0.0.4, which is older: TYPE lines have the name of the samples, there is
 * no type "info", and the end is not marked.
 */
#include "status/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/dscp.h"

static bool is_older; /* Prometheus' */

static void print_family(const char *name, const char *type, const char *help)
{
	const char *suffix = "";

	if (is_older && !strcmp(type, "counter"))
		suffix = "_total";
	else if (is_older && !strcmp(type, "info")) {
		suffix = "_info";
		type = "gauge";
	}
	printf("# TYPE %s%s %s\n# HELP %s%s %s\n", name, suffix, type, name, suffix, help);
}

/* A device's name may have quotes and backslashes; ends of lines have been taken out of it. */
static void print_label(const char *name, const char *value)
{
	printf("%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putchar('\\');
		putchar(*value);
	}
	putchar('"');
}

/* Prints a sample's name and first labels. Two network namespaces may have tunnels of the same
 * name: foreign tunnels say which. And a device that is gone may have had the name that another has
 * now: then the numbers tell them apart. */
static void open_sample(const char *metric, const struct tunnel_status *status)
{
	printf("%s{", metric);
	print_label("tunnel", status->name);
	if (status->tunnel.netns != netns_own())
		printf(",netns=\"%" PRIu64 "\"", (uint64_t)status->tunnel.netns);
	if (status->same_name)
		printf(",ifindex=\"%u\"", status->tunnel.ifindex);
}

static void add_label(const char *name, const char *value)
{
	putchar(',');
	print_label(name, value);
}

static void close_sample(uint64_t value)
{
	printf("} %" PRIu64 "\n", value);
}

static void print_results(const struct tunnel_status *status, const char *direction,
			  const struct dscp_counters *c)
{
	for (unsigned int i = 0; i < N_COUNTERS; i++) {
		if (counter_fields[i].n > 1)
			continue;
		open_sample("dscp_tool_packets_total", status);
		add_label("direction", direction);
		add_label("result", counter_fields[i].name);
		close_sample(counters_get(c, i));
	}
	for (unsigned int i = 0; i < DSCP_REASONS; i++) {
		if ((i >= DSCP_NO_NOTE) != (c == &status->ingress))
			continue;
		open_sample("dscp_tool_packets_total", status);
		add_label("direction", direction);
		add_label("result", "unknown");
		add_label("reason", counter_reasons[i]);
		close_sample(c->unknown[i]);
	}
}

static void print_bytes(const struct tunnel_status *status, const char *direction,
			const struct dscp_counters *c)
{
	open_sample("dscp_tool_bytes_total", status);
	add_label("direction", direction);
	close_sample(c->bytes);
}

/* A sample for each DSCP that packets have had. */
static void print_by_dscp(const char *name, const struct tunnel_status *status,
			  const char *direction, const __u64 packets[DSCP_VALUES])
{
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		if (!packets[dscp])
			continue;
		open_sample(name, status);
		add_label("direction", direction);
		add_label("dscp", dscp_name(dscp));
		close_sample(packets[dscp]);
	}
}

static void print_came_with(const struct tunnel_status *status, const char *direction,
			    const struct dscp_counters *c)
{
	print_by_dscp("dscp_tool_came_with_packets_total", status, direction, c->came_with);
}

static void print_dscps(const struct tunnel_status *status, const char *direction,
			const struct dscp_counters *c)
{
	print_by_dscp("dscp_tool_dscp_packets_total", status, direction, c->dscp);
}

static void print_healthy(const struct tunnel_status *status)
{
	open_sample("dscp_tool_healthy", status);
	close_sample(!status->n_problems);
}

/* A label that changes is another time series. */
static const char *reason(const struct tunnel_status *status, unsigned int problem)
{
	return status->constant[problem] ? status->constant[problem] : status->problems[problem];
}

static bool is_said_before(const struct tunnel_status *status, unsigned int problem)
{
	for (unsigned int i = 0; i < problem; i++)
		if (!strcmp(reason(status, i), reason(status, problem)))
			return true;
	return false;
}

static void print_problems(const struct tunnel_status *status)
{
	for (unsigned int i = 0; i < status->n_problems; i++) {
		if (is_said_before(status, i))
			continue;
		open_sample("dscp_tool_problem_info", status);
		add_label("reason", reason(status, i));
		close_sample(1);
	}
}

/* A value that cannot be judged from this network namespace has no sample. */
static void print_hooks(const struct tunnel_status *status)
{
	for (unsigned int i = 0; i < status->n_hooks; i++) {
		if (status->states[i].health == HOOK_ELSEWHERE)
			continue;
		open_sample("dscp_tool_hook_ok", status);
		add_label("device", status->hooks[i].dev);
		add_label("hook", hook_point_name(hook_role(&status->hooks[i])->point));
		add_label("program", hook_role(&status->hooks[i])->name);
		close_sample(status->states[i].health == HOOK_OK && status->current[i]);
	}
}

static void for_each_tunnel_status(const struct status *status,
				   void (*print)(const struct tunnel_status *status))
{
	for (unsigned int i = 0; i < status->n_tunnels; i++)
		print(&status->tunnels[i]);
}

static void for_each_direction(const struct status *status,
			       void (*print)(const struct tunnel_status *status,
					     const char *direction, const struct dscp_counters *c))
{
	for (unsigned int i = 0; i < status->n_tunnels; i++) {
		const struct tunnel_status *tunnel = &status->tunnels[i];

		if (has_egress(tunnel))
			print(tunnel, "egress", &tunnel->egress);
		if (has_ingress(tunnel))
			print(tunnel, "ingress", &tunnel->ingress);
	}
}

static void print_flows(const struct status *status)
{
	print_family("dscp_tool_flows", "gauge", "Flows whose DSCP is known, of all tunnels.");
	if (status->loaded)
		printf("dscp_tool_flows %" PRIu32 "\n", status->flows);
	print_family("dscp_tool_flows_capacity", "gauge", "Flows that there is room for.");
	if (status->loaded)
		printf("dscp_tool_flows_capacity %" PRIu32 "\n", status->flows_capacity);
}

static void print_all(const struct status *status)
{
	print_family("dscp_tool_build", "info", "The version of dscp-tool.");
	printf("dscp_tool_build_info{version=\"" DSCP_TOOL_VERSION "\"} 1\n");
	print_family("dscp_tool_healthy", "gauge", "Whether the tunnel has no problem.");
	for_each_tunnel_status(status, print_healthy);
	print_family("dscp_tool_problem", "info", "What is wrong with the tunnel, and what helps.");
	for_each_tunnel_status(status, print_problems);
	print_family("dscp_tool_packets", "counter",
		     "Packets of the tunnel by what was done to them.");
	for_each_direction(status, print_results);
	print_family("dscp_tool_bytes", "counter", "Bytes of the tunnel's data packets.");
	for_each_direction(status, print_bytes);
	print_family("dscp_tool_came_with_packets", "counter",
		     "Data packets of the tunnel by the DSCP that they came with.");
	for_each_direction(status, print_came_with);
	print_family("dscp_tool_dscp_packets", "counter",
		     "Data packets of the tunnel by the DSCP that they went on with.");
	for_each_direction(status, print_dscps);
	print_family("dscp_tool_hook_ok", "gauge",
		     "Whether the program is attached to the device as it should be.");
	for_each_tunnel_status(status, print_hooks);
	print_flows(status);
}

void status_print_openmetrics(const struct status *status)
{
	is_older = false;
	print_all(status);
	puts("# EOF");
}

void status_print_prometheus(const struct status *status)
{
	is_older = true;
	print_all(status);
}
