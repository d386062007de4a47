/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Loads the egress programs, and runs packets through them. */
#include "egress_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/virtio_net.h>

#include <dscp/mix.h>

#include "effort.h"
#include "maps.h"
#include <util/embedded.h>

#define FLOWS 4096
#define DEVICE_MTU 6000

EMBEDDED(egress_test_bpf);

struct world world;
struct egress_knobs *knobs;

static struct bpf_object *object;
static struct maps maps;

static struct {
	int fd; /* of the device: packets that it sends come out here */
	int sender;
	int netns; /* where we were before */
	int ifindex;
	const char *attached;
} device = { -1, -1, -1, 0, NULL };

const char *bpf_refused(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "refused", 4, 4, 16, NULL);

	if (fd < 0)
		return strerror(errno);
	close(fd);
	return NULL;
}

int egress_map(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	assert_true(fd >= 0);
	return fd;
}

void egress_load(void)
{
	struct bpf_program *program;

	object = embedded_open(egress_test_bpf_start, egress_test_bpf_end, NULL);
	assert_non_null(object);
	bpf_object__for_each_program (program, object) {
		bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
		/* As where processors do not load from any address (MIPS). */
		bpf_program__set_flags(program, BPF_F_STRICT_ALIGNMENT);
	}
	maps_prepare(object);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "stamps"), FLOWS);
	assert_int_equal(bpf_object__load(object), 0);
	maps_open(&maps, object, N_SLOTS);
	/* The test's own variables; the cache of slots is in a section of its own. */
	knobs = maps_area(&maps, ".bss");
}

void egress_reset(void)
{
	memset(&world, 0, sizeof(world));
	world.uplink = device.fd >= 0 ? device.ifindex : 1;
	maps_clear(&maps);
}

void egress_reset_fully(void)
{
	maps_fill(&maps);
	egress_reset();
	maps_assert_clear(&maps);
}

void egress_unload(void)
{
	maps_close(&maps);
	bpf_object__close(object);
	object = NULL;
	device.attached = NULL;
	knobs = NULL;
}

static void set_map(const char *name, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(egress_map(name), key, value, BPF_ANY), 0);
}

static void set_config(void)
{
	struct dscp_config config = { .magic = DSCP_ABI_MAGIC, .version = DSCP_ABI_VERSION };
	uint32_t zero = 0;

	for (int slot = 1; slot < N_SLOTS; slot++) {
		if (!world.tunnels[slot].ifindex)
			continue;
		config.kinds |= 1u << world.tunnels[slot].kind;
	}
	set_map("config", &zero, &config);
	world.configured = true;
}

static void set_port(uint32_t slot, const struct dscp_tunnel *tunnel)
{
	uint32_t number = tunnel->ports[0];
	struct dscp_port port;

	assert_int_equal(bpf_map_lookup_elem(egress_map("ports"), &number, &port), 0);
	port.kind = tunnel->kind;
	/* Tunnels with a VNI are found by their endpoint. */
	if (!tunnel->endpoint.kind)
		port.slot = slot;
	set_map("ports", &number, &port);
}

void add_tunnel(uint32_t slot, const struct dscp_tunnel *tunnel)
{
	assert_uint_in_range(slot, 1, N_SLOTS - 1);
	world.tunnels[slot] = *tunnel;
	set_map("tunnels", &slot, tunnel);
	set_map("devices", &tunnel->ifindex, &slot);
	if (tunnel->ports[0])
		set_port(slot, tunnel);
	if (tunnel->endpoint.kind)
		set_map("endpoints", &tunnel->endpoint, &slot);
	set_config();
}

void add_stamp(const struct stamp *stamp)
{
	struct dscp_stamp flow = { .ifindex = stamp->ifindex };
	uint32_t bucket = stamp->hash % DSCP_STAMP_CACHE;

	assert_uint_in_range(world.n_stamps, 0, N_STAMPS - 1);
	assert_int_equal(dscp_unmix(stamp->hash) & DSCP_STAMP_BITS, stamp->value);
	world.stamps[world.n_stamps++] = *stamp;
	if (stamp->in_flows)
		set_map("stamps", &stamp->hash, &flow);
	if (stamp->in_recent)
		set_map("stamp_cache", &bucket, &stamp->hash);
}

static struct dscp_fragment_key key_of(const struct note *note)
{
	size_t len = note->family == 6 ? 16 : 4;
	struct dscp_fragment_key key = {
		.ifindex = note->uplink,
		.family = note->family,
		.protocol = note->protocol,
	};
	uint16_t id4;

	memcpy(key.source, note->addresses, len);
	memcpy(key.dest, note->addresses + len, len);
	set16((uint8_t *)&id4, note->id);
	key.id = id4;
	if (note->family == 6)
		set32((uint8_t *)&key.id, note->id);
	return key;
}

void add_note(const struct note *note)
{
	struct dscp_fragment_key key = key_of(note);
	struct dscp_fragment fragment = { .slot = note->slot, .dscp = note->dscp };

	assert_uint_in_range(world.n_notes, 0, N_NOTES - 1);
	world.notes[world.n_notes++] = *note;
	set_map("fragments", &key, &fragment);
}

void forget_notes(void)
{
	for (unsigned int i = 0; i < world.n_notes; i++) {
		struct dscp_fragment_key key = key_of(&world.notes[i]);

		assert_int_equal(bpf_map_delete_elem(egress_map("fragments"), &key), 0);
	}
	world.n_notes = 0;
	assert_notes();
}

void assert_notes(void)
{
	struct dscp_fragment_key key, *last = NULL;
	struct dscp_fragment fragment;
	unsigned int n = 0;

	for (; !bpf_map_get_next_key(egress_map("fragments"), last, &key); last = &key)
		n++;
	assert_int_equal(n, world.n_notes);
	for (unsigned int i = 0; i < world.n_notes; i++) {
		key = key_of(&world.notes[i]);
		assert_int_equal(bpf_map_lookup_elem(egress_map("fragments"), &key, &fragment), 0);
		assert_int_equal(fragment.slot, world.notes[i].slot);
		assert_int_equal(fragment.dscp, world.notes[i].dscp);
	}
}

void add_prefix(const struct prefix *prefix)
{
	struct dscp_prefix key = {
		.prefixlen = prefix->rest ? DSCP_PREFIX_REST : DSCP_PREFIX_BITS + prefix->length,
		.slot = prefix->slot,
		.list = prefix->list,
		.family = prefix->rest	? 0
			  : prefix->ip6 ? 6
					: 4,
	};
	struct dscp_policy policy;

	assert_uint_in_range(world.n_prefixes, 0, N_WORLD_PREFIXES - 1);
	world.prefixes[world.n_prefixes++] = *prefix;
	memcpy(key.address, prefix->address, sizeof(key.address));
	memset(policy.to, prefix->to, sizeof(policy.to));
	set_map("prefixes", &key, &policy);
}

void read_counters(struct dscp_counters counters[N_SLOTS])
{
	maps_read_counters(&maps, "counters", counters);
}

unsigned int count_flows(void)
{
	uint32_t key, *last = NULL;
	unsigned int n = 0;

	while (!bpf_map_get_next_key(egress_map("stamps"), last, &key)) {
		last = &key;
		n++;
	}
	return n;
}

static int program_fd(const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(object, name);

	assert_non_null(program);
	return bpf_program__fd(program);
}

bool run_frame(const char *program, const struct packet *in, struct packet *out,
	       const struct __sk_buff *ctx)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes), .ctx_in = ctx,
		    .ctx_size_in = ctx ? sizeof(*ctx) : 0);
	int err;

	*out = *in;
	memset(out->bytes, 0xee, sizeof(out->bytes));
	err = bpf_prog_test_run_opts(program_fd(program), &opts);
	if (err == -EINVAL && in->len < ETHERNET + 40)
		return false;
	assert_int_equal(err, 0);
	assert_int_equal((int)opts.retval, TC_ACT_UNSPEC);
	out->len = opts.data_size_out;
	return true;
}

static struct sockaddr_in address4(const char *address, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
	return in;
}

/* For sockets that send through the device. */
static void set_address(void)
{
	struct sockaddr_in own = address4("192.0.2.1", 0), mask = address4("255.255.255.0", 0);
	struct ifreq request = { .ifr_name = "device" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(&request.ifr_addr, &own, sizeof(own));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	memcpy(&request.ifr_netmask, &mask, sizeof(mask));
	assert_int_equal(ioctl(fd, SIOCSIFNETMASK, &request), 0);
	close(fd);
}

/* A new device without IPv6's own messages, that runs nothing yet. */
static void set_up_device(bool frames)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_EGRESS);
	struct ifreq request = { .ifr_name = "device" };
	struct timeval patience = { .tv_sec = PATIENCE };
	int fd, yes = 1;

	request.ifr_flags = (frames ? IFF_TAP : IFF_TUN) | IFF_NO_PI;
	assert_int_equal(ioctl(device.fd, TUNSETIFF, &request), 0);
	fd = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		assert_int_equal(write(fd, "1", 1), 1);
		close(fd);
	}
	device.sender = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(device.sender >= 0);
	assert_int_equal(setsockopt(device.sender, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)),
			 0);
	setsockopt(device.sender, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	request.ifr_mtu = DEVICE_MTU;
	assert_int_equal(ioctl(device.sender, SIOCSIFMTU, &request), 0);
	request.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(device.sender, SIOCSIFFLAGS, &request), 0);
	set_address();
	device.ifindex = hook.ifindex = if_nametoindex("device");
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
}

const char *device_open(bool frames)
{
	device.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (device.fd < 0)
		return "there is no /dev/net/tun";
	device.netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(device.netns >= 0);
	if (unshare(CLONE_NEWNET)) {
		device_close();
		return "a network namespace cannot be made";
	}
	close(device.fd); /* it belongs to the namespace it was opened in */
	device.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(device.fd >= 0);
	set_up_device(frames);
	return NULL;
}

void device_close(void)
{
	close(device.sender);
	close(device.fd);
	if (device.netns >= 0)
		assert_int_equal(setns(device.netns, CLONE_NEWNET), 0);
	close(device.netns);
	device.sender = device.fd = device.netns = -1;
	device.attached = NULL;
}

int device_ifindex(void)
{
	return device.ifindex;
}

static void attach_device(const char *program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device.ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .flags = BPF_TC_F_REPLACE,
		    .prog_fd = program_fd(program));

	if (device.attached && !strcmp(device.attached, program))
		return;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
	device.attached = program;
}

void run_device(const char *program, const struct packet *in, uint16_t type, uint32_t linear,
		struct packet *out)
{
	const struct virtio_net_hdr vnet = { .hdr_len = linear };
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = device.ifindex,
		.sll_protocol = htons(type),
	};
	struct iovec parts[] = { { (void *)&vnet, sizeof(vnet) }, { (void *)in->bytes, in->len } };
	struct msghdr message = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = parts,
		.msg_iovlen = 2,
	};
	struct pollfd ready = { .fd = device.fd, .events = POLLIN };
	ssize_t len;

	attach_device(program);
	*out = *in;
	memset(out->bytes, 0xee, sizeof(out->bytes));
	assert_int_equal(sendmsg(device.sender, &message, 0), sizeof(vnet) + in->len);
	assert_int_equal(poll(&ready, 1, PATIENCE * 1000), 1);
	len = read(device.fd, out->bytes, sizeof(out->bytes));
	assert_true(len >= 0);
	out->len = len;
}

void run_socket(const char *program, const struct sender *sender, const void *payload, size_t len,
		struct packet *out)
{
	struct sockaddr_in from = address4("192.0.2.1", sender->source);
	struct sockaddr_in to = address4("192.0.2.2", sender->dest);
	struct pollfd ready = { .fd = device.fd, .events = POLLIN };
	int fd = socket(AF_INET, sender->type | SOCK_CLOEXEC, sender->protocol);
	ssize_t got;

	attach_device(program);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&from, sizeof(from)), 0);
	assert_int_equal(sendto(fd, payload, len, 0, (void *)&to, sizeof(to)), len);
	assert_int_equal(poll(&ready, 1, PATIENCE * 1000), 1);
	got = read(device.fd, out->bytes, sizeof(out->bytes));
	assert_true(got >= 20);
	out->len = got;
	out->ip = 0;
	close(fd);
}
