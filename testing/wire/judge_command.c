/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire judge: options, the file, and the report around judge.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include <util/macros.h>

#include "judge_options.h"
#include "wire.h"

#define AF41 34 /* the DS field that Linux sets on handshakes: 0x88 */

#define FIELD(name) offsetof(struct judge_options, name)
static const struct option_spec judge_option_specs[] = {
	JUDGE_OPTIONS(FIELD),
	{ "--json", OPT_FLAG, FIELD(json), 0, 0 },
	{ 0 },
};

static const struct {
	const char *name;
	unsigned int port;
} tunnels[] = {
	[TUNNEL_WIREGUARD] = { "wireguard", 51820 },
	[TUNNEL_VXLAN] = { "vxlan", 4789 },
	[TUNNEL_GENEVE] = { "geneve", 6081 },
	[TUNNEL_GRE] = { "gre", 0 },
	[TUNNEL_IPIP] = { "ipip", 0 },
	[TUNNEL_OVPN] = { "ovpn", 1194 },
	[TUNNEL_NONE] = { "none", 0 },
};
#define N_TUNNELS ARRAY_SIZE(tunnels)

static int parse_tunnel(const char *name, struct judge_config *cfg)
{
	unsigned int i;

	for (i = 0; name && i < N_TUNNELS; i++) {
		if (strcmp(name, tunnels[i].name))
			continue;
		cfg->tunnel = (enum tunnel)i;
		if (!cfg->port)
			cfg->port = tunnels[i].port;
		return 0;
	}
	complain("--tunnel is one of wireguard, ovpn, vxlan, geneve, gre, ipip, none");
	return -EINVAL;
}

static int parse_expect(const char *text, struct judge_config *cfg)
{
	unsigned long number;

	if (text && strcmp(text, "inner") == 0) {
		cfg->expect = EXPECT_INNER;
	} else if (text && strcmp(text, "none") == 0) {
		cfg->expect = EXPECT_NONE;
	} else if (text && parse_number(text, 0, 63, &number) == 0) {
		cfg->expect = EXPECT_FIXED;
		cfg->fixed = (unsigned int)number;
	} else {
		complain("--expect is 'inner', 'none' or a DSCP from 0 to 63");
		return -EINVAL;
	}
	return 0;
}

/* text is a number up to max, or the word, which stands for a negative value. */
static int parse_choice(const char *option, const char *text, unsigned int max, const char *word,
			int word_value, int *value)
{
	unsigned long number;

	if (strcmp(text, word) == 0) {
		*value = word_value;
		return 0;
	}
	if (parse_number(text, 0, max, &number)) {
		complain("%s: '%s' is not a number from 0 to %u, or '%s'", option, text, max, word);
		return -EINVAL;
	}
	*value = (int)number;
	return 0;
}

static int parse_ecn(const char *text, struct judge_config *cfg)
{
	if (strcmp(text, "inner"))
		return parse_choice("--ecn", text, 3, "any", ECN_ANY, &cfg->ecn);
	if (cfg->tunnel == TUNNEL_WIREGUARD || cfg->tunnel == TUNNEL_OVPN ||
	    cfg->tunnel == TUNNEL_NONE) {
		complain("--ecn: there is no inner value to be read");
		return -EINVAL;
	}
	cfg->ecn = ECN_INNER;
	return 0;
}

/* Applies a map to a DSCP; k(eep) leaves the 0 that the tunnel has written. */
static int parse_target(const char *text, uint8_t *target)
{
	unsigned long number = 0;

	if (strcmp(text, "k") && strcmp(text, "keep") && parse_number(text, 0, 63, &number))
		return -EINVAL;
	*target = (uint8_t)number;
	return 0;
}

/* FROM=TO, where FROM is a number, A-B or *. */
static int parse_mapping(char *entry, uint8_t map[64])
{
	unsigned long low = 0, high = 63;
	char *to = strchr(entry, '='), *dash;
	uint8_t target;

	*to++ = 0;
	dash = strchr(entry, '-');
	if (dash)
		*dash++ = 0;
	if (strcmp(entry, "*")) {
		if (parse_number(entry, 0, 63, &low))
			return -EINVAL;
		high = low;
	}
	if (dash && parse_number(dash, low, 63, &high))
		return -EINVAL;
	if (parse_target(to, &target))
		return -EINVAL;
	memset(map + low, target, high - low + 1);
	return 0;
}

/* Either FROM=TO[,...], on top of identity, or 64 targets. */
static int parse_map(const char *text, uint8_t map[64])
{
	char *copy = strdup(text), *entry, *rest = copy;
	unsigned int plain = 0;
	int err = copy ? 0 : -ENOMEM;

	while (!err && (entry = strsep(&rest, ","))) {
		if (strchr(entry, '='))
			err = parse_mapping(entry, map);
		else
			err = plain < 64 ? parse_target(entry, &map[plain++]) : -EINVAL;
	}
	free(copy);
	if (!err && (plain == 0 || plain == 64))
		return 0;
	complain("--map is FROM=TO[,FROM=TO...] or 64 targets, of numbers from 0 to 63 or 'k'");
	return -EINVAL;
}

void judge_options_init(struct judge_options *opt)
{
	unsigned int i;

	memset(opt, 0, sizeof(*opt));
	opt->cfg.ecn = ECN_ANY;
	opt->cfg.handshake = AF41;
	opt->cfg.min = 1;
	opt->cfg.complaints = stderr;
	for (i = 0; i < 64; i++)
		opt->cfg.map[i] = (uint8_t)i;
}

int judge_options_finish(struct judge_options *opt)
{
	struct judge_config *cfg = &opt->cfg;

	if (parse_tunnel(opt->tunnel, cfg) || parse_expect(opt->expect, cfg))
		return -EINVAL;
	if (cfg->from.family == AF_UNSPEC) {
		complain("--from must be given");
		return -EINVAL;
	}
	if (opt->map && parse_map(opt->map, cfg->map))
		return -EINVAL;
	if (cfg->tunnel == TUNNEL_OVPN)
		cfg->handshake = 0; /* as OpenVPN's socket sends them */
	if (opt->handshake &&
	    parse_choice("--handshake", opt->handshake, 63, "any", DSCP_ANY, &cfg->handshake))
		return -EINVAL;
	return opt->ecn ? parse_ecn(opt->ecn, cfg) : 0;
}

/* A packet that libpcap captures on a PPP device has a made-up header, DLT_LINUX_SLL, in front of
 * IP. */
#define SLL_HEADER 16

static int judge_file(struct judge *j, const char *file)
{
	char text[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(file, text);
	unsigned int skip = 0;
	int more, link;

	if (!pcap) {
		complain("%s", text);
		return -EIO;
	}
	link = pcap_datalink(pcap);
	if (link == DLT_LINUX_SLL)
		skip = SLL_HEADER;
	if (link != DLT_EN10MB && link != DLT_RAW && !skip) {
		complain("%s: neither Ethernet nor IP packets", file);
		pcap_close(pcap);
		return -EIO;
	}
	while ((more = pcap_next_ex(pcap, &header, &data)) == 1)
		if (header->caplen >= skip)
			judge_packet(j, data + skip, header->caplen - skip, link == DLT_EN10MB);
	/* The end of the file is -2. */
	if (more == -1)
		complain("%s: %s", file, pcap_geterr(pcap));
	pcap_close(pcap);
	return more == -1 ? -EIO : 0;
}

static const struct counter {
	const char *name;
	size_t offset;
} counters[] = {
	{ "packets", offsetof(struct judge, packets) },
	{ "bytes", offsetof(struct judge, bytes) },
	{ "markers", offsetof(struct judge, markers) },
	{ "data", offsetof(struct judge, data) },
	{ "fragments_first", offsetof(struct judge, fragments_first) },
	{ "fragments_following", offsetof(struct judge, fragments_following) },
	{ "handshake", offsetof(struct judge, handshake) },
	{ "keepalive", offsetof(struct judge, keepalive) },
	{ "other", offsetof(struct judge, other) },
	{ "unparsable", offsetof(struct judge, unparsable) },
	{ "right", offsetof(struct judge, right) },
	{ "wrong", offsetof(struct judge, wrong) },
	{ "unmarked", offsetof(struct judge, unmarked) },
	{ "wrong_dscp", offsetof(struct judge, wrong_dscp) },
	{ "wrong_ecn", offsetof(struct judge, wrong_ecn) },
	{ "wrong_rule", offsetof(struct judge, wrong_rule) },
	{ "skipped_wrong", offsetof(struct judge, skipped_wrong) },
	{ "unknown_length", offsetof(struct judge, unknown_length) },
	{ "bad_ip_checksums", offsetof(struct judge, bad_ip_checksums) },
	{ "bad_l4_checksums", offsetof(struct judge, bad_l4_checksums) },
};
#define N_COUNTERS ARRAY_SIZE(counters)

static unsigned long counter_value(const struct judge *j, const struct counter *counter)
{
	return *(const unsigned long *)((const char *)j + counter->offset);
}

static void print_histogram(const char *name, const unsigned long *values, unsigned int n)
{
	const char *separator = "";
	unsigned int i;

	printf(",\"%s\":{", name);
	for (i = 0; i < n; i++) {
		if (!values[i])
			continue;
		printf("%s\"%u\":%lu", separator, i, values[i]);
		separator = ",";
	}
	putchar('}');
}

void print_json_members(const struct judge *j, bool ok)
{
	bool plain = j->cfg.tunnel == TUNNEL_NONE;
	const char *separator = "";
	unsigned int i;

	printf("\"tunnel\":\"%s\",\"ok\":%s", tunnels[j->cfg.tunnel].name, ok ? "true" : "false");
	for (i = 0; i < N_COUNTERS; i++)
		printf(",\"%s\":%lu", counters[i].name, counter_value(j, &counters[i]));
	printf(",\"skipped\":%lu", j->handshake + j->keepalive);
	print_histogram(plain ? "dscp" : "outer_dscp", j->outer, 64);
	print_histogram(plain ? "ecn" : "outer_ecn", j->outer_ecn, 4);
	printf(",\"%s\":[", plain ? "length_dscp" : "inner_dscp");
	for (i = 0; i < 64; i++) {
		if (!j->inner[i].packets)
			continue;
		printf("%s{\"dscp\":%u,\"packets\":%lu,\"right\":%lu,\"wrong\":%lu}", separator, i,
		       j->inner[i].packets, j->inner[i].right, j->inner[i].wrong);
		separator = ",";
	}
	putchar(']');
}

static void print_table(const struct judge *j, bool ok)
{
	unsigned int i;

	for (i = 0; i < N_COUNTERS; i++)
		printf("%-20s %10lu\n", counters[i].name, counter_value(j, &counters[i]));
	printf("\n%10s %10s %10s %10s %10s\n", "DSCP", "inner", "right", "wrong", "outer");
	for (i = 0; i < 64; i++)
		if (j->inner[i].packets || j->outer[i])
			printf("%10u %10lu %10lu %10lu %10lu\n", i, j->inner[i].packets,
			       j->inner[i].right, j->inner[i].wrong, j->outer[i]);
	puts(ok ? "right" : "WRONG");
}

void print_verdict(const struct judge *j, bool ok, bool json)
{
	if (!json) {
		print_table(j, ok);
		return;
	}
	putchar('{');
	print_json_members(j, ok);
	puts("}");
}

static int run(int argc, char **argv)
{
	struct judge_options opt;
	struct judge *j;
	const char *file;
	bool ok;
	int err;

	judge_options_init(&opt);
	err = options_parse(&judge_command, argc, argv, &opt, &file);
	if (err)
		return exit_usage(err);
	if (judge_options_finish(&opt))
		return EXIT_USAGE;
	j = malloc(sizeof(*j));
	if (!j)
		return EXIT_FAILED;
	judge_init(j, &opt.cfg);
	err = judge_file(j, file);
	ok = !err && judge_verdict(j);
	if (!err)
		print_verdict(j, ok, opt.json);
	free(j);
	return ok ? 0 : EXIT_FAILED;
}

const struct command judge_command = {
	"judge",
	"FILE --tunnel wireguard|ovpn|vxlan|geneve|gre|ipip|none --from ADDR [--port P]\n"
	"     [--outer-sport P [--outer-sports MORE]] [--overhead N] [--nested]\n"
	"     --expect inner|D|none [--map LIST] [--ecn 0-3|any|inner] [--handshake D|any]\n"
	"     [--rule] [--l4] [--unmarked-ok] [--min N] [--each N] [--json]",
	judge_option_specs,
	1,
	run,
};
