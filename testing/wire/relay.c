/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * wire relay: a wire between two namespaces that copies bytes. A veth pair hands over the same
 * sk_buff, hash and all, so a test over veth can pass for the wrong reason. --ip: devices without
 * link-layer header. --impair: a named pipe, a line of which sets the impairments for the packets
 * of a tunnel from the first namespace to the second, see impair.h; the answer is a line with the
 * impairments so far.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <pcap/pcap.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "impair.h"
#include "wire.h"

#define FRAME_MAX 65536
#define POLL_MS 100
/* Frames that may wait in a tap device: bursts of bulk TCP must not be lost here. */
#define QUEUE_LEN 10000
/* Frames moved from one side before the other gets its turn. */
#define BATCH 64
#define COMMAND_MAX 256

struct relay_config {
	const char *name, *pcap, *impair;
	unsigned int mtu, seconds;
	bool ip;
};

#define FIELD(name) offsetof(struct relay_config, name)
static const struct option_spec relay_options[] = {
	{ "--name", OPT_TEXT, FIELD(name), 0, 0 },
	{ "--pcap", OPT_TEXT, FIELD(pcap), 0, 0 },
	{ "--impair", OPT_TEXT, FIELD(impair), 0, 0 },
	{ "--mtu", OPT_NUMBER, FIELD(mtu), 576, 9000 },
	{ "--seconds", OPT_NUMBER, FIELD(seconds), 1, 86400 },
	{ "--ip", OPT_FLAG, FIELD(ip), 0, 0 },
	{ 0 },
};

struct relay {
	int fds[2];
	int commands; /* the named pipe, or -1 */
	unsigned long frames[2]; /* read from this side and written to the other */
	unsigned long lost[2];
	pcap_t *pcap;
	pcap_dumper_t *dump;
};

/* The impairment of frames from side 0; large. */
static struct impair impair;

static int create_tap(const char *name, bool ip)
{
	struct ifreq ifr = { .ifr_flags = (ip ? IFF_TUN : IFF_TAP) | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) == 0)
		return fd;
	close(fd);
	return -EBUSY;
}

static int set_up_device(const struct relay_config *cfg, int side)
{
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, (uint8_t)(0x0a + side) };
	struct ifreq ifr = { 0 };
	int err, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", cfg->name);
	ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, sizeof(mac));
	err = cfg->ip ? 0 : ioctl(fd, SIOCSIFHWADDR, &ifr);
	ifr.ifr_qlen = QUEUE_LEN;
	err = err ? err : ioctl(fd, SIOCSIFTXQLEN, &ifr);
	ifr.ifr_mtu = (int)cfg->mtu;
	err = err ? err : ioctl(fd, SIOCSIFMTU, &ifr);
	ifr.ifr_flags = IFF_UP;
	err = err ? err : ioctl(fd, SIOCSIFFLAGS, &ifr);
	if (err)
		err = -errno;
	close(fd);
	return err;
}

/* A tap device belongs to the namespace in which /dev/net/tun was opened. */
static int open_side(struct relay *relay, const struct relay_config *cfg, const char *netns,
		     int side)
{
	int err = enter_netns(netns);

	if (!err) {
		relay->fds[side] = create_tap(cfg->name, cfg->ip);
		err = relay->fds[side] < 0 ? relay->fds[side] : set_up_device(cfg, side);
	}
	if (err)
		complain("%s: cannot make the tap device %s: %s", netns, cfg->name, strerror(-err));
	return err;
}

static void record(struct relay *relay, const uint8_t *frame, size_t len)
{
	struct pcap_pkthdr header = { .caplen = (bpf_u_int32)len, .len = (bpf_u_int32)len };

	gettimeofday(&header.ts, NULL);
	pcap_dump((u_char *)relay->dump, &header, frame);
}

static void put(struct relay *relay, int side, const uint8_t *frame, size_t len)
{
	if (write(relay->fds[!side], frame, len) == (ssize_t)len)
		relay->frames[side]++;
	else
		relay->lost[side]++;
}

static void put_impaired(void *to, const uint8_t *frame, size_t len)
{
	put(to, 0, frame, len);
}

static int move_frames(struct relay *relay, int side)
{
	static uint8_t frame[FRAME_MAX];
	ssize_t len;
	int i;

	for (i = 0; i < BATCH; i++) {
		len = read(relay->fds[side], frame, sizeof(frame));
		if (len < 0)
			/* EIO: the device is down at the moment. */
			return errno == EAGAIN || errno == EINTR || errno == EIO ? 0 : -errno;
		if (relay->dump)
			record(relay, frame, (size_t)len);
		if (side == 0 && relay->commands >= 0)
			impair_frame(&impair, frame, (size_t)len);
		else
			put(relay, side, frame, (size_t)len);
	}
	return 0;
}

/* A command is written at once, and the next one not before the answer. */
static int obey(struct relay *relay)
{
	char text[COMMAND_MAX];
	ssize_t len = read(relay->commands, text, sizeof(text) - 1);

	if (len <= 0)
		return 0;
	text[len] = 0;
	impair_report(&impair, stdout);
	fflush(stdout);
	return impair_set(&impair, text);
}

static int move_all(struct relay *relay, unsigned int seconds)
{
	int64_t deadline = now_ns() + seconds * 1000000000LL;
	struct pollfd pfds[3] = { { .fd = relay->fds[0], .events = POLLIN },
				  { .fd = relay->fds[1], .events = POLLIN },
				  { .fd = relay->commands, .events = POLLIN } };
	int err = 0;

	while (!err && !stop_requested && now_ns() < deadline) {
		if (poll(pfds, 3, POLL_MS) <= 0)
			continue;
		if (pfds[2].revents & POLLIN)
			err = obey(relay);
		/* A device that is down reports POLLERR at once, again and again. */
		if (!((pfds[0].revents | pfds[1].revents | pfds[2].revents) & POLLIN))
			usleep(POLL_MS * 1000);
		if (!err)
			err = move_frames(relay, 0);
		if (!err)
			err = move_frames(relay, 1);
	}
	if (err)
		complain("relay: %s", strerror(-err));
	return err;
}

static int open_commands(struct relay *relay, const char *fifo)
{
	if (!fifo)
		return 0;
	impair.put = put_impaired;
	impair.to = relay;
	/* For writing too, so that it has no end. */
	relay->commands = open(fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (relay->commands >= 0)
		return 0;
	complain("%s: %s", fifo, strerror(errno));
	return -EIO;
}

static int open_dump(struct relay *relay, const char *file, int link)
{
	if (!file)
		return 0;
	relay->pcap = pcap_open_dead(link, FRAME_MAX);
	relay->dump = relay->pcap ? pcap_dump_open(relay->pcap, file) : NULL;
	if (relay->dump)
		return 0;
	complain("%s: %s", file, relay->pcap ? pcap_geterr(relay->pcap) : strerror(ENOMEM));
	return -EIO;
}

static void close_relay(struct relay *relay)
{
	int side;

	for (side = 0; side < 2; side++)
		if (relay->fds[side] >= 0)
			close(relay->fds[side]);
	if (relay->commands >= 0)
		close(relay->commands);
	if (relay->dump)
		pcap_dump_close(relay->dump);
	if (relay->pcap)
		pcap_close(relay->pcap);
}

static int run(int argc, char **argv)
{
	struct relay_config cfg = { .name = "eth0", .mtu = 1500, .seconds = 3600 };
	struct relay relay = { .fds = { -1, -1 }, .commands = -1 };
	const char *netns[2];
	int err = options_parse(&relay_command, argc, argv, &cfg, netns);

	if (err)
		return exit_usage(err);
	if (!*cfg.name || strlen(cfg.name) >= IFNAMSIZ) {
		complain("--name: '%s' is not a device name", cfg.name);
		return EXIT_USAGE;
	}
	stop_on_signals();
	err = open_dump(&relay, cfg.pcap, cfg.ip ? DLT_RAW : DLT_EN10MB);
	err = err ? err : open_commands(&relay, cfg.impair);
	err = err ? err : open_side(&relay, &cfg, netns[0], 0);
	err = err ? err : open_side(&relay, &cfg, netns[1], 1);
	if (!err) {
		puts("ready");
		fflush(stdout);
		err = move_all(&relay, cfg.seconds);
		printf("{\"a_to_b\":%lu,\"b_to_a\":%lu,\"lost\":%lu}\n", relay.frames[0],
		       relay.frames[1], relay.lost[0] + relay.lost[1]);
	}
	close_relay(&relay);
	return err ? EXIT_FAILED : 0;
}

const struct command relay_command = {
	"relay",
	"NETNS_A NETNS_B [--name eth0] [--ip] [--mtu N] [--pcap FILE] [--seconds S]\n"
	"     [--impair FIFO]: its lines are such as \"damage N double N hold N:COPIES forge N\"",
	relay_options,
	2,
	run,
};
