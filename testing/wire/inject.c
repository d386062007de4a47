/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Puts packets on a device by a packet socket. */
#include "inject.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define RETRIES 1000
#define RETRY_US 1000

static int read_device(struct inject *inj, const char *dev)
{
	struct ifreq ifr = { 0 };

	if (strlen(dev) >= IFNAMSIZ) {
		complain("'%s' is too long for a device name", dev);
		return -EINVAL;
	}
	strcpy(ifr.ifr_name, dev);
	inj->ifindex = (int)if_nametoindex(dev);
	if (!inj->ifindex || ioctl(inj->fd, SIOCGIFHWADDR, &ifr)) {
		complain("%s: %s", dev, strerror(errno));
		return -errno;
	}
	inj->ethernet = ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	if (inj->ethernet)
		memcpy(inj->mac.bytes, ifr.ifr_hwaddr.sa_data, 6);
	return 0;
}

static int open_packet_socket(struct inject *inj)
{
	/* SOCK_DGRAM on L3 devices: some of them (GRE) have an own header to fill in. */
	inj->fd = socket(AF_PACKET, (inj->ethernet ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	if (inj->fd >= 0)
		return 0;
	complain("cannot open a packet socket: %s", strerror(errno));
	return -errno;
}

static int open_record(struct inject *inj, const char *record)
{
	inj->pcap = pcap_open_dead(inj->ethernet ? DLT_EN10MB : DLT_RAW, 65535);
	inj->record = inj->pcap ? pcap_dump_open(inj->pcap, record) : NULL;
	if (inj->record)
		return 0;
	complain("%s: %s", record, inj->pcap ? pcap_geterr(inj->pcap) : strerror(ENOMEM));
	return -EIO;
}

int inject_open(struct inject *inj, const char *dev, const char *record)
{
	int err;

	memset(inj, 0, sizeof(*inj));
	inj->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (inj->fd < 0)
		return -errno;
	err = read_device(inj, dev);
	close(inj->fd);
	inj->fd = -1;
	if (!err)
		err = open_packet_socket(inj);
	if (!err && record)
		err = open_record(inj, record);
	if (err)
		inject_close(inj);
	return err;
}

static void keep_record(struct inject *inj, const struct packet *p)
{
	struct pcap_pkthdr header = { .caplen = (bpf_u_int32)packet_len(p),
				      .len = (bpf_u_int32)packet_len(p) };

	gettimeofday(&header.ts, NULL);
	pcap_dump((u_char *)inj->record, &header, p->bytes + p->start);
}

int inject_packet(struct inject *inj, struct packet *p)
{
	static const uint8_t zeros[ETH_ZLEN];
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = inj->ifindex };
	int i;

	if (inj->ethernet && packet_len(p) < ETH_ZLEN)
		packet_append(p, zeros, ETH_ZLEN - packet_len(p));
	if (inj->ethernet)
		memcpy(&to.sll_protocol, packet_data(p) + 12, 2);
	else
		to.sll_protocol = htons(*packet_data(p) >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	for (i = 0; i < RETRIES; i++) {
		if (sendto(inj->fd, packet_data(p), packet_len(p), 0, (struct sockaddr *)&to,
			   sizeof(to)) >= 0) {
			inj->sent++;
			if (inj->record)
				keep_record(inj, p);
			return 0;
		}
		if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			break;
		usleep(RETRY_US);
	}
	complain("cannot send packet %u of %zu bytes: %s", inj->sent, packet_len(p),
		 strerror(errno));
	return -errno;
}

int inject_close(struct inject *inj)
{
	int err = 0;

	if (inj->record) {
		if (pcap_dump_flush(inj->record)) {
			complain("the record is not complete: %s", strerror(errno));
			err = -EIO;
		}
		pcap_dump_close(inj->record);
	}
	if (inj->pcap)
		pcap_close(inj->pcap);
	if (inj->fd >= 0)
		close(inj->fd);
	return err;
}
