/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* wire capture: writes the packets that pass a device into a file, with the loss stated. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <pcap/pcap.h>

#include "wire.h"

#define BUFFER_BYTES (64 * 1024 * 1024)
/* How often the deadline is looked at. */
#define POLL_MS 100

struct capture_config {
	const char *filter;
	unsigned int count, seconds, snaplen;
	bool in;
};

struct capture {
	pcap_t *pcap;
	pcap_dumper_t *dump;
	unsigned int captured;
};

#define FIELD(name) offsetof(struct capture_config, name)
static const struct option_spec capture_options[] = {
	{ "--filter", OPT_TEXT, FIELD(filter), 0, 0 },
	{ "--count", OPT_NUMBER, FIELD(count), 1, 100000000 },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 3600 },
	{ "--snaplen", OPT_NUMBER, FIELD(snaplen), 64, 65535 },
	{ "--in", OPT_FLAG, FIELD(in), 0, 0 },
	{ 0 },
};

static void on_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
	struct capture *cap = (struct capture *)user;

	cap->captured++;
	pcap_dump((u_char *)cap->dump, header, data);
}

static int set_filter(pcap_t *pcap, const char *filter)
{
	struct bpf_program program;
	int err;

	if (!filter)
		return 0;
	if (pcap_compile(pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN))
		return -EINVAL;
	err = pcap_setfilter(pcap, &program);
	pcap_freecode(&program);
	return err;
}

static int activate(pcap_t *pcap, const struct capture_config *cfg)
{
	char text[PCAP_ERRBUF_SIZE];

	/* Without promiscuous mode a NIC may drop VLANs that nobody has set up. In immediate mode a
	 * packet can be read as soon as it has passed, so that an empty buffer is the end. */
	if (pcap_set_promisc(pcap, 1) || pcap_set_snaplen(pcap, (int)cfg->snaplen) ||
	    pcap_set_buffer_size(pcap, BUFFER_BYTES) || pcap_set_immediate_mode(pcap, 1))
		return -EIO;
	if (pcap_activate(pcap) < 0)
		return -EIO;
	if (cfg->in && pcap_setdirection(pcap, PCAP_D_IN))
		return -EIO;
	if (set_filter(pcap, cfg->filter))
		return -EIO;
	return pcap_setnonblock(pcap, 1, text);
}

static int open_capture(struct capture *cap, const struct capture_config *cfg, const char *dev,
			const char *file)
{
	char text[PCAP_ERRBUF_SIZE] = "";

	cap->pcap = pcap_create(dev, text);
	if (!cap->pcap) {
		complain("%s: %s", dev, text);
		return -EIO;
	}
	if (activate(cap->pcap, cfg)) {
		complain("%s: %s", dev, pcap_geterr(cap->pcap));
		return -EIO;
	}
	cap->dump = pcap_dump_open(cap->pcap, file);
	if (cap->dump)
		return 0;
	complain("%s", pcap_geterr(cap->pcap));
	return -EIO;
}

/* Collects until stopped, or a limit is reached. Packets that have passed before the stop are
 * collected. */
static int collect(struct capture *cap, const struct capture_config *cfg)
{
	struct pollfd pfd = { .fd = pcap_get_selectable_fd(cap->pcap), .events = POLLIN };
	int64_t deadline = now_ns() + cfg->seconds * 1000000000LL;
	int n, limit = -1;
	bool last;

	for (;;) {
		last = stop_requested || now_ns() >= deadline;
		do {
			if (cfg->count)
				limit = (int)(cfg->count - cap->captured);
			if (limit == 0)
				return 0;
			n = pcap_dispatch(cap->pcap, limit, on_packet, (u_char *)cap);
		} while (n > 0);
		if (n < 0) {
			complain("%s", pcap_geterr(cap->pcap));
			return -EIO;
		}
		if (last)
			return 0;
		/* A test may look at the file meanwhile. */
		pcap_dump_flush(cap->dump);
		poll(&pfd, 1, POLL_MS);
	}
}

static int report(struct capture *cap)
{
	struct pcap_stat stat = { 0 };
	int err = 0;

	if (pcap_stats(cap->pcap, &stat) || pcap_dump_flush(cap->dump)) {
		complain("the capture is not complete");
		err = -EIO;
	}
	printf("{\"captured\":%u,\"dropped\":%u}\n", cap->captured, stat.ps_drop);
	if (!stat.ps_drop)
		return err;
	complain("%u packets were dropped, nothing can be concluded from this capture",
		 stat.ps_drop);
	return -EIO;
}

static int run(int argc, char **argv)
{
	struct capture_config cfg = { .seconds = 600, .snaplen = 256 };
	struct capture cap = { 0 };
	const char *args[2];
	int err = options_parse(&capture_command, argc, argv, &cfg, args);

	if (err)
		return exit_usage(err);
	stop_on_signals();
	err = open_capture(&cap, &cfg, args[0], args[1]);
	if (!err) {
		puts("ready");
		fflush(stdout);
		err = collect(&cap, &cfg);
		if (report(&cap))
			err = -EIO;
	}
	if (cap.dump)
		pcap_dump_close(cap.dump);
	if (cap.pcap)
		pcap_close(cap.pcap);
	return err ? EXIT_FAILED : 0;
}

const struct command capture_command = {
	"capture",
	"DEV FILE [--filter EXPR] [--in] [--count N] [--seconds S] [--snaplen N]",
	capture_options,
	2,
	run,
};
