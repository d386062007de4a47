/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Receives the packets of a device by a packet socket, with the frames that were lost. */
#include "observe.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "options.h"

/* The kernel doubles it. A whole TCP stream fits, since that is read behind its end. */
#define BUFFER_BYTES (64 * 1024 * 1024)
#define MAC_ADDRESSES 12
#define VLAN_LEN 4

static int set_up(int fd, const char *dev, uint16_t protocol)
{
	struct sockaddr_ll where = { .sll_family = AF_PACKET,
				     .sll_protocol = htons(protocol),
				     .sll_ifindex = (int)if_nametoindex(dev) };
	struct packet_mreq promisc = { .mr_ifindex = where.sll_ifindex,
				       .mr_type = PACKET_MR_PROMISC };
	int bytes = BUFFER_BYTES, one = 1;

	if (!where.sll_ifindex)
		return -errno;
	/* Without promiscuous mode a NIC may drop VLANs that nobody has set up. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)) ||
	    bind(fd, (struct sockaddr *)&where, sizeof(where)))
		return -errno;
	return 0;
}

int observer_open(struct observer *o, const char *dev, uint16_t protocol)
{
	int err;

	/* Protocol 0 until bound: no packet of another device. */
	o->fd = socket(AF_PACKET,
		       (o->frames ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = o->fd < 0 ? -errno : set_up(o->fd, dev, protocol);
	if (!err)
		return 0;
	complain("cannot observe %s: %s", dev, strerror(-err));
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	return err;
}

/* Puts the tag back that the kernel has taken off the frame. Returns the length. */
static ssize_t restore_tag(struct msghdr *msg, uint8_t *frame, ssize_t len)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct tpacket_auxdata aux;
	uint16_t tag[2];

	if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
		return len;
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	if (!(aux.tp_status & TP_STATUS_VLAN_VALID) || len < MAC_ADDRESSES)
		return len;
	tag[0] = htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid
								 : ETHERTYPE_VLAN);
	tag[1] = htons(aux.tp_vlan_tci);
	memmove(frame + MAC_ADDRESSES + VLAN_LEN, frame + MAC_ADDRESSES,
		(size_t)len - MAC_ADDRESSES);
	memcpy(frame + MAC_ADDRESSES, tag, VLAN_LEN);
	return len + VLAN_LEN;
}

/* Reads one packet of whatever kind, and from where it is. */
static ssize_t read_packet(const struct observer *o, uint8_t *packet, struct sockaddr_ll *from)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = packet, .iov_len = OBSERVE_MAX - VLAN_LEN };
	struct msghdr msg = { .msg_name = from,
			      .msg_namelen = sizeof(*from),
			      .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t len = recvmsg(o->fd, &msg, 0);

	if (len < 0)
		return -errno;
	if (msg.msg_flags & MSG_TRUNC)
		return -EMSGSIZE;
	return o->frames ? restore_tag(&msg, packet, len) : len;
}

ssize_t observer_next(const struct observer *o, uint8_t *packet)
{
	struct sockaddr_ll from;
	ssize_t len;
	bool ip;

	for (;;) {
		len = read_packet(o, packet, &from);
		if (len < 0)
			return len;
		ip = from.sll_protocol == htons(ETHERTYPE_IP) ||
		     from.sll_protocol == htons(ETHERTYPE_IPV6);
		if ((from.sll_pkttype == PACKET_OUTGOING) == o->leaving && (ip || o->frames))
			return len;
	}
}

unsigned int observer_drops(const struct observer *o)
{
	struct tpacket_stats stats = { 0 };
	socklen_t len = sizeof(stats);

	getsockopt(o->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len);
	return stats.tp_drops;
}
