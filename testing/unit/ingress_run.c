/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Loads the ingress programs, and runs packets through them. */
#include "ingress_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <compat/cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/virtio_net.h>

#include "effort.h"
#include "maps.h"
#include <dscp/mix.h>
#include <util/embedded.h>

#define DEVICE_MTU 6000
#define SHORTEST (ETHERNET + 40) /* that bpf_skb_adjust_room() leaves */

EMBEDDED(ingress_test_bpf);
EMBEDDED(ingress_tc_bpf);
EMBEDDED(ingress_peek_bpf);
EMBEDDED(ingress_xdp_bpf);

struct ingress_knobs *knobs;
uint32_t linear;
bool buckets_busy;

static struct bpf_object *object, *front;
static struct maps maps, front_maps;
static enum dscp_method loaded;
static struct dscp_bucket *buckets; /* the map note_cache; NULL with peek */

static struct {
	int fd;
	int netns; /* where we were before */
	int ifindex;
} device = { -1, -1, 0 };

const char *ingress_refused(enum dscp_method method)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_LRU_HASH, "refused", 4, 4, 16, NULL);

	if (fd < 0)
		return strerror(errno);
	close(fd);
#ifndef HAVE_CORE
	if (method == DSCP_METHOD_PEEK)
		return "the BPF compiler lacks CO-RE";
#endif
	if (method == DSCP_METHOD_PEEK && access("/sys/kernel/btf/vmlinux", R_OK))
		return "the kernel has no BTF";
	return NULL;
}

/*
 * Loading
 */

int ingress_map(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);

	assert_true(fd >= 0);
	return fd;
}

void set_map(const char *name, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(ingress_map(name), key, value, BPF_ANY), 0);
}

static struct bpf_object *open_object(const unsigned char *start, const unsigned char *end)
{
	struct bpf_object *o = embedded_open(start, end, NULL);
	struct bpf_program *program;

	assert_non_null(o);
	bpf_object__for_each_program (program, o)
		if (bpf_program__type(program) != BPF_PROG_TYPE_XDP)
			bpf_program__set_type(program, BPF_PROG_TYPE_SCHED_CLS);
	maps_prepare(o);
	return o;
}

static void load_object(enum dscp_method method)
{
	if (method == DSCP_METHOD_TC)
		object = open_object(ingress_tc_bpf_start, ingress_tc_bpf_end);
#ifdef HAVE_CORE
	else if (method == DSCP_METHOD_PEEK)
		object = open_object(ingress_peek_bpf_start, ingress_peek_bpf_end);
#endif
	else
		object = open_object(ingress_xdp_bpf_start, ingress_xdp_bpf_end);
	assert_int_equal(bpf_object__load(object), 0);
}

/* Looks in our own object or in the one under test. */
static int program_fd(const struct bpf_object *o, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(o, name);

	assert_non_null(program);
	return bpf_program__fd(program);
}

static void set_next(enum next_program bucket, const char *name)
{
	int next = bpf_object__find_map_fd_by_name(front, "next");
	int fd = program_fd(object, name);
	uint32_t key = bucket;

	assert_int_equal(bpf_map_update_elem(next, &key, &fd, BPF_ANY), 0);
}

static void load_front(void)
{
	static const char *const shared[] = { "note_cache", "notes" };

	front = open_object(ingress_test_bpf_start, ingress_test_bpf_end);
	for (int i = 0; i < 2 && loaded != DSCP_METHOD_PEEK; i++)
		assert_int_equal(bpf_map__reuse_fd(bpf_object__find_map_by_name(front, shared[i]),
						   ingress_map(shared[i])),
				 0);
	assert_int_equal(bpf_object__load(front), 0);
	maps_open(&front_maps, front, 0);
	/* The only global variable of the object. */
	knobs = maps_area(&front_maps, ".bss");
	set_next(NEXT_INNER, "ingress_inner");
	if (loaded == DSCP_METHOD_TC)
		set_next(NEXT_OUTER, "ingress_outer");
}

static void attach(const char *name, uint32_t priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device.ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = priority, .flags = BPF_TC_F_REPLACE,
		    .prog_fd = program_fd(front, name));

	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

void ingress_load(enum dscp_method method)
{
	loaded = method;
	load_object(method);
	maps_open(&maps, object, N_SLOTS);
	buckets = method == DSCP_METHOD_PEEK ? NULL : maps_area(&maps, "note_cache");
	load_front();
	if (raw()) {
		attach("test_front", 1);
		attach("test_back", 2);
	}
}

void ingress_reset(void)
{
	maps_clear(&maps);
	memset(knobs, 0, sizeof(*knobs));
	linear = 0;
	for (uint32_t i = 0; buckets && buckets_busy && i < DSCP_NOTE_CACHE; i++)
		buckets[i].state = DSCP_BUCKET_BUSY;
}

void ingress_reset_fully(void)
{
	bool busy = buckets_busy;

	buckets_busy = false;
	maps_fill(&maps);
	ingress_reset();
	maps_assert_clear(&maps);
	buckets_busy = busy;
}

void ingress_unload(void)
{
	maps_close(&front_maps);
	maps_close(&maps);
	knobs = NULL;
	buckets = NULL;
	bpf_object__close(front);
	bpf_object__close(object);
	object = front = NULL;
}

/*
 * A tun device: written packets come in, and packets that the programs let pass come back
 */

static void set_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static void set_up_device(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	struct ifreq request = { .ifr_name = "device", .ifr_flags = IFF_TUN | IFF_VNET_HDR };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(device.fd, TUNSETIFF, &request), 0);
	set_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
	request.ifr_mtu = DEVICE_MTU;
	assert_int_equal(ioctl(fd, SIOCSIFMTU, &request), 0);
	request.ifr_flags = IFF_UP;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
	device.ifindex = hook.ifindex = if_nametoindex("device");
	assert_int_equal(bpf_tc_hook_create(&hook), 0);
}

const char *device_open(void)
{
	device.fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
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
	set_up_device();
	return NULL;
}

void device_close(void)
{
	close(device.fd);
	assert_int_equal(setns(device.netns, CLONE_NEWNET), 0);
	close(device.netns);
	device.fd = device.netns = -1;
}

bool raw(void)
{
	return device.netns >= 0;
}

/* A test run is by the loopback device. */
uint32_t tunnel_ifindex(void)
{
	return raw() ? device.ifindex : 1;
}

static void run_device(const struct packet *in, uint16_t type, struct packet *out)
{
	struct tun_pi info = { .proto = htons(type) };
	struct virtio_net_hdr vnet = { .hdr_len = linear };
	struct iovec parts[] = { { &info, sizeof(info) },
				 { &vnet, sizeof(vnet) },
				 { (void *)in->bytes, in->len } };
	struct pollfd ready = { .fd = device.fd, .events = POLLIN };
	ssize_t len, headers = sizeof(info) + sizeof(vnet);

	assert_int_equal(writev(device.fd, parts, 3), headers + in->len);
	assert_int_equal(poll(&ready, 1, PATIENCE * 1000), 1);
	parts[2] = (struct iovec){ out->bytes, sizeof(out->bytes) };
	len = readv(device.fd, parts, 3);
	assert_true(len >= headers);
	out->len = len - headers;
}

/*
 * Test runs
 */

static bool test_run(int fd, const struct packet *in, struct packet *out,
		     const struct __sk_buff *ctx, int expected)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes), .ctx_in = ctx,
		    .ctx_size_in = ctx ? sizeof(*ctx) : 0);
	int err = bpf_prog_test_run_opts(fd, &opts);

	if (err == -EINVAL && in->len < SHORTEST)
		return false;
	assert_int_equal(err, 0);
	assert_int_equal((int)opts.retval, expected);
	out->len = opts.data_size_out;
	return true;
}

static bool run_front(const struct packet *in, uint16_t type, uint32_t segments, struct packet *out)
{
	struct __sk_buff ctx = { .gso_segs = segments };
	uint32_t runs = knobs->runs;

	if (raw())
		run_device(in, type, out);
	else if (!test_run(program_fd(front, "test_front"), in, out, &ctx, TC_ACT_UNSPEC))
		return false;
	assert_int_equal(knobs->runs, runs + 1);
	assert_int_equal(knobs->error, 0);
	return true;
}

/* The frame from which test_front removes the outer headers: behind the Ethernet header, which then
 * moves over the 14 bytes that come last. */
static void put_frame(struct packet *frame, const struct delivered *d)
{
	const struct packet *p = &d->packet;
	uint16_t type = get16(p->bytes + 12);

	put(frame, p->bytes, ETHERNET);
	put(frame, d->front, d->front_len);
	put(frame, NULL, ETHERNET);
	knobs->removed = frame->len - ETHERNET;
	put(frame, p->bytes + ETHERNET, p->len - ETHERNET);
	/* The helper knows no other type. */
	if (type != ETH_P_IP && type != ETH_P_IPV6) {
		set16(frame->bytes + 12, ETH_P_IP);
		knobs->type = htons(type);
	}
	if (p->len < SHORTEST) {
		put(frame, NULL, SHORTEST - p->len);
		knobs->length = p->len;
	}
}

static bool put_raw(struct packet *frame, const struct delivered *d)
{
	if (d->packet.len < (d->packet.ip6 ? 41 : 21))
		return false;
	put(frame, d->front, d->front_len);
	knobs->removed = frame->len;
	put(frame, d->packet.bytes, d->packet.len);
	return true;
}

static void reset_knobs(enum next_program next)
{
	uint32_t runs = knobs->runs;

	memset(knobs, 0, sizeof(*knobs));
	knobs->runs = runs;
	knobs->next = next;
}

bool run_inner(const struct delivered *in, const struct dscp_note *noted, struct packet *out)
{
	static struct packet frame;

	frame.len = 0;
	reset_knobs(NEXT_INNER);
	if (raw() && !put_raw(&frame, in))
		return false;
	if (!raw())
		put_frame(&frame, in);
	knobs->tag = in->tag;
	knobs->hash = in->hash;
	knobs->tc_index = in->tc_index;
	knobs->noted = !!noted;
	if (noted)
		knobs->note = *noted;
	return run_front(&frame, in->packet.ip6 ? ETH_P_IPV6 : ETH_P_IP, in->segments, out);
}

bool run_inner_at_head(const struct packet *in, uint32_t grown, struct packet *out)
{
	struct packet rest = { .len = in->len - grown };

	assert_uint_in_range(grown, 1, MAX_GROWN);
	reset_knobs(NEXT_INNER);
	memcpy(rest.bytes, in->bytes + grown, rest.len);
	memcpy(knobs->head, in->bytes, grown);
	knobs->grown = grown;
	return run_front(&rest, 0, 0, out);
}

bool run_outer(const struct packet *in, uint32_t segments, uint32_t hash, struct packet *out)
{
	reset_knobs(NEXT_OUTER);
	knobs->hash = hash;
	if (loaded == DSCP_METHOD_XDP)
		return test_run(program_fd(object, "ingress_outer"), in, out, NULL, XDP_PASS);
	return run_front(in, in->ip6 ? ETH_P_IPV6 : ETH_P_IP, segments, out);
}

/*
 * Maps
 */

/* NULL: it is not there. */
static struct dscp_bucket *find_in_cache(const struct dscp_note_key *key)
{
	struct dscp_bucket *bucket = &buckets[dscp_bucket_of(key->id, key->receiver)];
	bool found = (bucket->state & DSCP_BUCKET_MASK) == key->method && bucket->id == key->id &&
		     bucket->receiver == key->receiver;

	return found ? bucket : NULL;
}

bool find_note(const struct dscp_note_key *key, struct dscp_note *note)
{
	const struct dscp_bucket *bucket = find_in_cache(key);

	if (!bucket)
		return !bpf_map_lookup_elem(ingress_map("notes"), key, note);
	*note = bucket->note;
	return true;
}

bool delete_note(const struct dscp_note_key *key)
{
	struct dscp_bucket *bucket = find_in_cache(key);

	if (!bucket)
		return !bpf_map_delete_elem(ingress_map("notes"), key);
	bucket->state &= ~DSCP_BUCKET_MASK;
	return true;
}

static unsigned int count_buckets(void)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < DSCP_NOTE_CACHE; i++)
		n += buckets[i].state & DSCP_BUCKET_MASK &&
		     (buckets[i].state & DSCP_BUCKET_MASK) != DSCP_BUCKET_BUSY;
	return n;
}

unsigned int count_notes(void)
{
	struct dscp_note_key key, *last = NULL;
	unsigned int n = count_buckets();

	while (!bpf_map_get_next_key(ingress_map("notes"), last, &key)) {
		last = &key;
		n++;
	}
	return n;
}

void read_arrivals(struct dscp_counters counters[N_SLOTS])
{
	maps_read_counters(&maps, "ingress_counters", counters);
}
