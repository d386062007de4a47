/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads the flowtables of nftables, and which rules add flows to them. */
#include <errno.h>
#include <string.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "nl_core.h"

#define NFT_TYPE(type) (NFNL_SUBSYS_NFTABLES << 8 | (type))
#define DEVICE_PREFIX (NFTA_DEVICE_NAME + 1) /* NFTA_DEVICE_PREFIX, Linux 6.18: "eth*" */
#define INET 1 /* NFPROTO_INET of <linux/netfilter.h>, which clashes with <netinet/in.h> */

struct flowtables {
	const char *dev;
	struct nl_flowtable *list;
	unsigned int max, n;
};

/* A packet that is forwarded from a device, or to a device; the other end of the packet's way is
 * unknown. */
struct forwarded {
	uint32_t name_key, index_key; /* enum nft_meta_keys */
	char name[IFNAMSIZ];
	uint32_t ifindex;
};

struct rules {
	const struct nl_flowtable *flowtable;
	struct forwarded from, to;
	bool adds;
};

const char *nl_flowtable_family(const struct nl_flowtable *flowtable)
{
	switch (flowtable->family) {
	case INET:
		return "inet";
	case AF_INET:
		return "ip";
	case AF_INET6:
		return "ip6";
	default:
		return "netdev";
	}
}

static bool lists_device(const struct nlattr *hook, const char *dev)
{
	const struct nlattr *attrs[NFTA_FLOWTABLE_HOOK_DEVS + 1], *attr;
	char name[IFNAMSIZ];

	nl_nested_attrs(hook, attrs, NFTA_FLOWTABLE_HOOK_DEVS);
	if (!attrs[NFTA_FLOWTABLE_HOOK_DEVS])
		return false;
	mnl_attr_for_each_nested (attr, attrs[NFTA_FLOWTABLE_HOOK_DEVS]) {
		nl_name(attr, name, sizeof(name));
		if (mnl_attr_get_type(attr) == NFTA_DEVICE_NAME && !strcmp(name, dev))
			return true;
		if (mnl_attr_get_type(attr) == DEVICE_PREFIX && !strncmp(name, dev, strlen(name)))
			return true;
	}
	return false;
}

static int read_flowtable(const struct nlmsghdr *message, void *ctx)
{
	const struct nfgenmsg *fixed = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[NFTA_FLOWTABLE_HOOK + 1];
	struct flowtables *reading = ctx;
	struct nl_flowtable *flowtable;

	if (message->nlmsg_type != NFT_TYPE(NFT_MSG_NEWFLOWTABLE) || reading->n == reading->max)
		return 0;
	nl_attrs(message, sizeof(*fixed), attrs, NFTA_FLOWTABLE_HOOK);
	if (!lists_device(attrs[NFTA_FLOWTABLE_HOOK], reading->dev))
		return 0;
	flowtable = &reading->list[reading->n++];
	flowtable->family = fixed->nfgen_family;
	nl_string(attrs[NFTA_FLOWTABLE_TABLE], flowtable->table, sizeof(flowtable->table));
	nl_string(attrs[NFTA_FLOWTABLE_NAME], flowtable->name, sizeof(flowtable->name));
	return 0;
}

static void restart_flowtables(void *ctx)
{
	struct flowtables *reading = ctx;

	reading->n = 0;
}

static void request_dump(struct nl_request *request, uint16_t type, uint8_t family)
{
	struct nlmsghdr *header = nl_request(request, NFT_TYPE(type), NLM_F_DUMP);
	struct nfgenmsg *fixed = mnl_nlmsg_put_extra_header(header, sizeof(*fixed));

	fixed->nfgen_family = family;
	fixed->version = NFNETLINK_V0;
}

int nl_flowtables(const char *dev, struct nl_flowtable *list, unsigned int max,
		  struct nl_error *err)
{
	struct flowtables reading = { .dev = dev, .list = list, .max = max };
	struct nl_reader reader = {
		.message = read_flowtable,
		.restart = restart_flowtables,
		.ctx = &reading,
	};
	struct nl_request request;
	int ret;

	request_dump(&request, NFT_MSG_GETFLOWTABLE, 0);
	ret = nl_exchange(NETLINK_NETFILTER, &request, &reader, err);
	return ret ? ret : (int)reading.n;
}

/* The content of a register while a rule is run: a key of the expression "meta", or 0. */
struct registers {
	uint32_t key[NFT_REG32_15 + 1];
};

static uint32_t *reg(struct registers *registers, const struct nlattr *number)
{
	/* Register 0 is the verdict's, and holds no key. */
	uint32_t n = nl_be32(number);

	return &registers->key[n <= NFT_REG32_15 ? n : 0];
}

static void run_meta(const struct nlattr *data, struct registers *registers)
{
	const struct nlattr *attrs[NFTA_META_KEY + 1];

	nl_nested_attrs(data, attrs, NFTA_META_KEY);
	if (attrs[NFTA_META_DREG])
		*reg(registers, attrs[NFTA_META_DREG]) = nl_be32(attrs[NFTA_META_KEY]);
}

/* False if the packet does not pass this comparison. A name is compared up to its end, "t*" up to
 * the star. */
static bool passes_cmp(const struct nlattr *data, struct registers *registers,
		       const struct forwarded *packet)
{
	const struct nlattr *attrs[NFTA_CMP_DATA + 1], *value[NFTA_DATA_VALUE + 1];
	const void *mine = packet->name;
	size_t len, room = sizeof(packet->name);
	uint32_t key, op;

	nl_nested_attrs(data, attrs, NFTA_CMP_DATA);
	key = *reg(registers, attrs[NFTA_CMP_SREG]);
	op = nl_be32(attrs[NFTA_CMP_OP]);
	nl_nested_attrs(attrs[NFTA_CMP_DATA], value, NFTA_DATA_VALUE);
	if (key == packet->index_key) {
		mine = &packet->ifindex;
		room = sizeof(packet->ifindex);
	} else if (key != packet->name_key) {
		return true;
	}
	len = value[NFTA_DATA_VALUE] ? mnl_attr_get_payload_len(value[NFTA_DATA_VALUE]) : 0;
	if (!len || len > room || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ))
		return true;
	return !memcmp(mnl_attr_get_payload(value[NFTA_DATA_VALUE]), mine, len) ==
	       (op == NFT_CMP_EQ);
}

/* The elements of a set are not asked for: the author of a rule with a set of devices is taken to
 * have the tunnel in mind. */
static bool passes_lookup(const struct nlattr *data, struct registers *registers,
			  const struct forwarded *packet)
{
	const struct nlattr *attrs[NFTA_LOOKUP_SREG + 1];
	uint32_t key;

	nl_nested_attrs(data, attrs, NFTA_LOOKUP_SREG);
	key = *reg(registers, attrs[NFTA_LOOKUP_SREG]);
	return key != packet->name_key && key != packet->index_key;
}

static bool is_flow_add(const struct nlattr *data, const struct nl_flowtable *flowtable)
{
	const struct nlattr *attrs[NFTA_FLOW_TABLE_NAME + 1];
	char name[sizeof(flowtable->name)];

	nl_nested_attrs(data, attrs, NFTA_FLOW_TABLE_NAME);
	nl_string(attrs[NFTA_FLOW_TABLE_NAME], name, sizeof(name));
	return !strcmp(name, flowtable->name);
}

/* False if the packet does not get beyond this expression. */
static bool passes(const char *name, const struct nlattr *data, struct registers *registers,
		   const struct forwarded *packet)
{
	if (!strcmp(name, "cmp"))
		return passes_cmp(data, registers, packet);
	if (!strcmp(name, "lookup"))
		return passes_lookup(data, registers, packet);
	if (!strcmp(name, "meta"))
		run_meta(data, registers);
	else
		/* Any other expression may have written to any register. */
		memset(registers, 0, sizeof(*registers));
	return true;
}

/* Tells whether the packet can come as far as "flow add" with that flowtable in this rule. */
static bool adds_flow(const struct nlattr *expressions, const struct nl_flowtable *flowtable,
		      const struct forwarded *packet)
{
	const struct nlattr *attrs[NFTA_EXPR_DATA + 1], *expression;
	struct registers registers = { 0 };
	char name[32];

	mnl_attr_for_each_nested (expression, expressions) {
		nl_nested_attrs(expression, attrs, NFTA_EXPR_DATA);
		nl_string(attrs[NFTA_EXPR_NAME], name, sizeof(name));
		if (!strcmp(name, "flow_offload") && is_flow_add(attrs[NFTA_EXPR_DATA], flowtable))
			return true;
		if (!passes(name, attrs[NFTA_EXPR_DATA], &registers, packet))
			return false;
	}
	return false;
}

static int read_rule(const struct nlmsghdr *message, void *ctx)
{
	const struct nlattr *attrs[NFTA_RULE_EXPRESSIONS + 1];
	struct rules *rules = ctx;
	char table[sizeof(rules->flowtable->table)];

	if (message->nlmsg_type != NFT_TYPE(NFT_MSG_NEWRULE) || rules->adds)
		return 0;
	nl_attrs(message, sizeof(struct nfgenmsg), attrs, NFTA_RULE_EXPRESSIONS);
	nl_string(attrs[NFTA_RULE_TABLE], table, sizeof(table));
	if (strcmp(table, rules->flowtable->table) || !attrs[NFTA_RULE_EXPRESSIONS])
		return 0;
	rules->adds = adds_flow(attrs[NFTA_RULE_EXPRESSIONS], rules->flowtable, &rules->from) ||
		      adds_flow(attrs[NFTA_RULE_EXPRESSIONS], rules->flowtable, &rules->to);
	return 0;
}

static void restart_rules(void *ctx)
{
	struct rules *rules = ctx;

	rules->adds = false;
}

static struct forwarded forwarded(uint32_t name_key, uint32_t index_key, const char *dev,
				  int ifindex)
{
	struct forwarded packet = {
		.name_key = name_key,
		.index_key = index_key,
		.ifindex = ifindex,
	};

	strncpy(packet.name, dev, sizeof(packet.name) - 1);
	return packet;
}

int nl_flowtable_adds(const struct nl_flowtable *flowtable, const char *dev, int ifindex,
		      struct nl_error *err)
{
	struct rules rules = {
		.flowtable = flowtable,
		.from = forwarded(NFT_META_IIFNAME, NFT_META_IIF, dev, ifindex),
		.to = forwarded(NFT_META_OIFNAME, NFT_META_OIF, dev, ifindex),
	};
	struct nl_reader reader = {
		.message = read_rule,
		.restart = restart_rules,
		.ctx = &rules,
	};
	struct nl_request request;
	int ret;

	request_dump(&request, NFT_MSG_GETRULE, flowtable->family);
	ret = nl_exchange(NETLINK_NETFILTER, &request, &reader, err);
	return ret ? ret : rules.adds;
}
