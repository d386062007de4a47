/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Prints the measured DSCPs, as text and as JSON. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "test/test.h"
#include "util/dscp.h"
#include "util/json.h"

static const char *address_of(const struct nl_endpoint *address)
{
	static char text[INET6_ADDRSTRLEN];

	return inet_ntop(address->family, &address->v6, text, sizeof(text));
}

static const char *name_of(int dscp)
{
	return dscp < 0 ? NULL : dscp_name(dscp);
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

static const char *const verdicts[] = {
	[TEST_FINE] = "fine",
	[TEST_LOST] = "lost",
	[TEST_REWRITTEN] = "rewritten",
	[TEST_NOT_AS_MAPPED] = "not as mapped",
};
static const char *const paths[] = {
	[TEST_PATH_SAME] = "same",
	[TEST_PATH_CHANGED] = "rewritten",
	[TEST_PATH_LOST] = "lost",
	[TEST_PATH_UNKNOWN] = "unknown",
};

static void print_dscp(const struct test_dscp *one)
{
	printf("%-5s %-10s %-13s %3u of %-3u  %s", dscp_name(one->dscp),
	       or_dash(name_of(one->left)), or_dash(name_of(one->arrived)),
	       one->sent - one->answered, one->sent, verdicts[test_verdict(one)]);
	if (one->path)
		printf(", on the path %s",
		       one->becomes < 0 ? paths[one->path] : dscp_name(one->becomes));
	if (one->after >= 0)
		printf(" behind hop %d", one->after);
	putchar('\n');
}

static void print_hops(const struct test *test)
{
	printf("path to %s\n", address_of(&test->outer.to));
	for (unsigned int i = 0; i < test->n_hops; i++)
		printf("%5u %s\n", i + 1, or_dash(address_of(&test->hops[i])));
}

void test_print_text(const struct test *test)
{
	bool any = false;

	printf("%s to %s\nDSCP  left with  arrived with  lost        verdict\n", test->tunnel,
	       address_of(&test->inner));
	for (unsigned int i = 0; i < test->n; i++) {
		print_dscp(&test->list[i]);
		any |= test->list[i].answered;
	}
	if (!any)
		puts("no answer: does the peer answer echo requests?");
	if (test->has_path)
		print_hops(test);
}

static struct json_object *json_dscp(const struct test_dscp *one)
{
	struct json_object *object = json_object_new_object();

	json_string(object, "dscp", dscp_name(one->dscp));
	json_string(object, "verdict", verdicts[test_verdict(one)]);
	json_number(object, "sent", one->sent);
	json_number(object, "lost", one->sent - one->answered);
	json_string(object, "expected", name_of(one->expected));
	json_string(object, "left_with", name_of(one->left));
	json_string(object, "arrived_with", name_of(one->arrived));
	json_string(object, "path", paths[one->path]);
	json_string(object, "becomes", name_of(one->becomes));
	if (one->after >= 0)
		json_number(object, "behind_hop", one->after);
	return object;
}

void test_print_json(const struct test *test)
{
	struct json_object *root = json_object_new_object(), *dscps = json_object_new_array();
	struct json_object *hops = json_object_new_array();
	const char *address;

	for (unsigned int i = 0; i < test->n; i++)
		json_object_array_add(dscps, json_dscp(&test->list[i]));
	json_string(root, "tunnel", test->tunnel);
	json_string(root, "peer", address_of(&test->inner));
	json_boolean(root, "fine", test_fine(test));
	json_object_object_add(root, "dscps", dscps);
	json_string(root, "endpoint", test->has_path ? address_of(&test->outer.to) : NULL);
	for (unsigned int i = 0; i < test->n_hops; i++) {
		address = address_of(&test->hops[i]);
		json_object_array_add(hops, address ? json_object_new_string(address) : NULL);
	}
	json_object_object_add(root, "hops", hops);
	json_print(root);
	putchar('\n');
}
