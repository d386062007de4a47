/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Writes the settings in force for a tunnel as options of load, for text and JSON alike. */
#include "status/status.h"

#include <string.h>

#include "state/options.h"
#include "util/policy.h"

char *status_load_line(const struct tunnel_status *status)
{
	const bool elsewhere = status->netns_gone || status->tunnel.netns != netns_own();
	struct request request = status->request;

	if (elsewhere && !*status->netns)
		return NULL;
	memcpy(request.name, status->name, sizeof(request.name));
	return options_text(elsewhere ? netns_short(status->netns) : "", &request,
			    status->prefixes ? &status->prefixes[1] : NULL);
}

const char *status_egress_map(const struct tunnel_status *status)
{
	struct dscp_policy copy;

	policy_identity(&copy);
	return policy_whole(&status->tunnel.egress, &copy);
}

const char *status_priority_map(const struct tunnel_status *status)
{
	return policy_text(&policy_priorities, &status->tunnel.priority, &(struct dscp_policy){});
}

const char *status_ingress_map(const struct tunnel_status *status)
{
	struct dscp_policy without;

	policy_ingress(&without);
	return policy_whole(&status->tunnel.ingress, &without);
}

const char *status_peer_map(const struct tunnel_status *status, unsigned int i)
{
	return policy_whole(&status->prefixes->maps[i].policy, &status->tunnel.egress);
}
