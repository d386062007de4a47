/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Prints a status for people. */
#include "status/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tunnel/method.h"
#include "util/dscp.h"

#define BAR_COLUMNS 30 /* that 100 % has */
#define NUMBER_LEN 32

static void print_peer_maps(const struct tunnel_status *status)
{
	char title[PREFIX_NAME_LEN + sizeof("to ")], name[PREFIX_NAME_LEN];

	for (unsigned int i = 0; status->prefixes && i < status->prefixes->n; i++) {
		prefixes_name(&status->prefixes->maps[i].prefix, name);
		snprintf(title, sizeof(title), "to %s", name);
		printf("  %-14s %s\n", title, status_peer_map(status, i));
	}
}

static void print_policies(const struct tunnel_status *status)
{
	const struct dscp_tunnel *t = &status->tunnel;

	if (t->flags & DSCP_TUNNEL_FIXED)
		printf("  egress map     every packet gets %s\n", dscp_name(t->outer_dscp));
	else if (has_egress(status))
		printf("  egress map     %s\n", status_egress_map(status));
	print_peer_maps(status);
	if (t->flags & DSCP_TUNNEL_PRIORITY)
		printf("  priority       %s\n", status_priority_map(status));
	if (t->handshake)
		printf("  handshake      %s, and so has a keepalive\n",
		       dscp_name(t->handshake - 1));
	if (!has_ingress(status))
		return;
	printf("  ingress map    %s\n", status_ingress_map(status));
	printf("  ingress method %s: %s\n", method_name(t->method),
	       status->request.method == DSCP_METHOD_NONE ? method_reason(t) : "asked for");
}

/* Prints as many of 30 columns as the share, at least one so that no packet is invisible. */
static void print_bar(double share)
{
	int columns = share * BAR_COLUMNS + 0.5;

	for (int i = 0; i < columns || !i; i++)
		putchar('#');
}

/* A number of packets or bytes; over an interval, a rate per second. */
static int number(char text[NUMBER_LEN], const struct tunnel_status *status, uint64_t n)
{
	return status->before ? snprintf(text, NUMBER_LEN, "%.1f/s", n / status->seconds)
			      : snprintf(text, NUMBER_LEN, "%" PRIu64, n);
}

static void print_number(const struct tunnel_status *status, const char *name, uint64_t n)
{
	char text[NUMBER_LEN];

	number(text, status, n);
	printf("%s %s", name, text);
}

/* The chart of one direction: each line has all its words, for grep and awk. */
static void print_chart(const struct tunnel_status *status, const __u64 packets[DSCP_VALUES],
			const char *title)
{
	double total = 0; /* does not wrap, whatever is in the map */
	uint64_t largest = 0;
	char text[NUMBER_LEN];
	int width;

	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		total += packets[dscp];
		if (packets[dscp] > largest)
			largest = packets[dscp];
	}
	width = number(text, status, largest);
	for (unsigned int dscp = 0; dscp < DSCP_VALUES; dscp++) {
		double share;

		if (!packets[dscp])
			continue;
		share = packets[dscp] / total;
		number(text, status, packets[dscp]);
		printf("  %-9s %-4s %*s %5.1f%% ", title, dscp_name(dscp), width, text,
		       100 * share);
		print_bar(share);
		putchar('\n');
	}
}

void status_print_came_with(const struct tunnel_status *status)
{
	print_chart(status, status->egress.came_with, "came with");
}

static void print_reasons(const struct tunnel_status *status, const struct dscp_counters *c,
			  const char *name)
{
	const char *before = "unknown: ";

	for (unsigned int i = 0; i < DSCP_REASONS; i++) {
		if (!c->unknown[i])
			continue;
		if (*before == 'u')
			printf("  %-14s ", name);
		printf("%s", before);
		print_number(status, counter_reasons[i], c->unknown[i]);
		before = ", ";
	}
	if (*before == ',')
		putchar('\n');
}

static void print_counters(const struct tunnel_status *status, const struct dscp_counters *all,
			   const struct dscp_counters *before, const char *name, const char *came,
			   const char *left)
{
	const struct dscp_counters since = counters_since(all, before), *c = &since;

	printf("  %-14s ", name);
	print_number(status, "seen", counters_seen(c));
	for (unsigned int i = 0; i < N_COUNTERS; i++) {
		printf(", ");
		print_number(status, counter_fields[i].name, counters_get(c, i));
	}
	print_number(status, ", bytes", c->bytes);
	putchar('\n');
	print_reasons(status, c, name);
	if (c->stamped_bytes) {
		printf("  %-14s ", name);
		print_number(status, "stamped", counters_stamped(c));
		print_number(status, ", bytes", c->stamped_bytes);
		putchar('\n');
	}
	print_chart(status, c->came_with, came);
	print_chart(status, c->dscp, left);
}

static void print_neighbour(const struct hook_neighbour *neighbour, const char *where,
			    const char *effect)
{
	printf("    %s  %s, %s", where, *neighbour->name ? neighbour->name : "a program",
	       hook_kind_name(neighbour->attach));
	if (neighbour->attach == ATTACH_CLSACT)
		printf(", priority %" PRIu32, neighbour->priority);
	if (neighbour->prog_id)
		printf(", id %" PRIu32, neighbour->prog_id);
	printf(" (if it %s)\n", effect);
}

static void print_neighbours(const struct tunnel_status *status, unsigned int i)
{
	for (unsigned int n = 0; n < status->n_ahead[i]; n++)
		print_neighbour(&status->ahead[i][n], "before it",
				"ends the chain, ours does not run");
	for (unsigned int n = 0; n < status->n_behind[i]; n++)
		print_neighbour(&status->behind[i][n], "behind it",
				"changes the DSCP, ours has read another one");
}

void status_print_hook(const struct tunnel_status *status, unsigned int i)
{
	const struct hook *hook = &status->hooks[i];
	const struct hook_state *state = &status->states[i];

	printf("  hook           %s %s: %s, ", hook->dev, hook_point_name(hook_role(hook)->point),
	       hook_role(hook)->name);
	if (state->attach != ATTACH_AUTO)
		printf("%s, ", hook_kind_name(state->attach));
	if (state->attach == ATTACH_CLSACT && state->health == HOOK_OK)
		printf("priority %" PRIu32 ", ", state->priority);
	if (state->prog_id)
		printf("id %" PRIu32 ", ", state->prog_id);
	printf("%s%s", hook_health_name(state->health), status->hook_up[i] == DOWN ? ", down" : "");
	if (*status->qdiscs[i])
		printf(", then qdisc %s", status->qdiscs[i]);
	if (*status->again[i])
		printf(", counted again at %s below it", status->again[i]);
	if (hook->netns != status->tunnel.netns && *status->uplink_netns)
		printf(", in %s", status->uplink_netns);
	printf("\n");
	print_neighbours(status, i);
}

/* As dscp-tool -n takes it. */
static const char *netns_name(const struct tunnel_status *status)
{
	if (status->netns_gone)
		return "gone";
	return *status->netns ? netns_short(status->netns) : "not visible";
}

static void print_ends(const struct tunnel_status *status)
{
	if (status->has_id)
		printf(", %s %" PRIu32, has_vni(status) ? "vni" : "key", status->id);
	if (*status->local)
		printf(", local %s", status->local);
	if (*status->remote)
		printf(", remote %s", status->remote);
}

static void print_command(const struct tunnel_status *status)
{
	char *command = status_load_line(status);

	if (command)
		printf("  command        %s\n", command);
	free(command);
}

void status_print_name(const struct tunnel_status *status)
{
	const struct dscp_tunnel *t = &status->tunnel;

	printf("%s", status->name);
	if (status->netns_gone || t->netns != netns_own())
		printf(" (netns %s)", netns_name(status));
	printf(": %s", *t->link_kind ? t->link_kind : "udp");
	for (int i = 0; i < t->n_ports; i++)
		printf("%s %u", i ? "," : " port", t->ports[i]);
	print_ends(status);
	if (status->up == DOWN)
		printf(", down");
}

void status_print_problems(const struct tunnel_status *status)
{
	for (unsigned int i = 0; i < status->n_problems; i++)
		printf("  problem        %s\n", status->problems[i]);
}

static void print_tunnel(const struct tunnel_status *status)
{
	const struct tunnel_status *before = status->before;

	status_print_name(status);
	puts(status->n_problems ? ", NOT HEALTHY" : ", healthy");
	status_print_problems(status);
	print_command(status);
	print_policies(status);
	for (unsigned int i = 0; i < status->n_hooks; i++)
		status_print_hook(status, i);
	if (has_egress(status))
		print_counters(status, &status->egress, before ? &before->egress : NULL, "egress",
			       "came with", "left with");
	if (has_ingress(status))
		print_counters(status, &status->ingress, before ? &before->ingress : NULL,
			       "ingress", "outer was", "now with");
}

void status_print_text(const struct status *status)
{
	for (unsigned int i = 0; i < status->n_tunnels; i++)
		print_tunnel(&status->tunnels[i]);
	if (status->n_tunnels)
		printf("flows            %" PRIu32 " of %" PRIu32 ", for all tunnels together\n",
		       status->flows, status->flows_capacity);
	else if (status->n_elsewhere)
		printf("no tunnel is loaded in this network namespace (%u in others: status "
		       "--all-netns)\n",
		       status->n_elsewhere);
	else
		puts("no tunnel is loaded");
}
