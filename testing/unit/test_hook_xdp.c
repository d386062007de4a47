/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * XDP programs on real devices, ours beside foreign ones. Each test has a separate network
 * namespace; the bpffs is this process's own and the same for all, since libxdp looks for it once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <util/embedded.h>
#include "commands.h"
#include "effort.h"
#include "hook/leftovers.h"
#include "hook/libxdp.h"
#include <util/log.h>
#include <util/macros.h>
#include <util/reason.h>

#include "xdp_test.h"

#define BPFFS "/sys/fs/bpf"
#define MAP_PIN BPFFS "/counts"
#define PACKETS 5

EMBEDDED(xdp_test_bpf);

static struct bpf_object *open_object(void)
{
	struct bpf_object *object = embedded_open(xdp_test_bpf_start, xdp_test_bpf_end, NULL);
	struct bpf_program *program;

	assert_non_null(object);
	bpf_object__for_each_program (program, object)
		bpf_program__set_autoload(program, false);
	assert_int_equal(
		bpf_map__set_pin_path(bpf_object__find_map_by_name(object, "counts"), MAP_PIN), 0);
	return object;
}

static void assert_said(const char *part)
{
	if (!strstr(reason_first(), part))
		fail_msg("'%s' is not in '%s'", part, reason_first());
}

#ifdef HAVE_LIBXDP

#include <xdp/libxdp.h>

static struct {
	int sender; /* at t0, the other end of t1 */
	int ifindex; /* of t1 */
} world;

static uint32_t id_of(int prog_fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(prog_fd, &info, &len), 0);
	return info.id;
}

/* Our program at a device, instead of an old one; its id. */
static uint32_t attach(int ifindex, uint32_t old)
{
	uint32_t id;
	int fd = -1;

	assert_int_equal(libxdp_attach(ifindex, "t1", open_object(), "xdp_ours", old, &fd), 0);
	id = id_of(fd);
	close(fd);
	return id;
}

static void assert_attached(int ifindex, uint32_t prog_id, enum xdp_mode mode)
{
	struct xdp_hook_state state;

	assert_int_equal(libxdp_query(ifindex, prog_id, &state), 0);
	assert_int_equal(state.attached, mode != XDP_HOOK_NONE);
	assert_int_equal(state.mode, mode);
	assert_int_equal(state.prog_id, mode == XDP_HOOK_NONE ? 0 : prog_id);
}

/* A sender on t0; a device for the socket, a receiver of packets that reach the stack there. */
static int packet_socket(const char *dev)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(XDP_TEST_PROTOCOL),
		.sll_ifindex = if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(XDP_TEST_PROTOCOL));

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Broadcast, so that a bridge takes them for itself too. Each has to get through the programs. */
static void send_packets(const char *to)
{
	uint8_t frame[ETH_ZLEN] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1 };
	uint8_t got[ETH_FRAME_LEN];
	int receiver = packet_socket(to);

	frame[12] = XDP_TEST_PROTOCOL >> 8;
	frame[13] = XDP_TEST_PROTOCOL & 0xff;
	for (int i = 0; i < PACKETS; i++) {
		assert_int_equal(send(world.sender, frame, sizeof(frame), 0), sizeof(frame));
		assert_int_equal(recv(receiver, got, sizeof(got), 0), sizeof(frame));
	}
	close(receiver);
}

/* The counts of these packets, since the last call. */
static void count_packets(const char *to, uint32_t counts[XDP_COUNTS])
{
	const uint32_t zero = 0;
	int map = bpf_obj_get(MAP_PIN);

	assert_true(map >= 0);
	for (uint32_t i = 0; i < XDP_COUNTS; i++)
		assert_int_equal(bpf_map_update_elem(map, &i, &zero, 0), 0);
	send_packets(to);
	for (uint32_t i = 0; i < XDP_COUNTS; i++)
		assert_int_equal(bpf_map_lookup_elem(map, &i, &counts[i]), 0);
	close(map);
}

static void assert_counts(const char *to, uint32_t ours, uint32_t theirs)
{
	uint32_t counts[XDP_COUNTS];

	count_packets(to, counts);
	assert_int_equal(counts[XDP_OURS], ours);
	assert_int_equal(counts[XDP_THEIRS], theirs);
	if (ours && theirs)
		assert_int_equal(counts[XDP_IN_ORDER], theirs);
}

static int new_world(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET))
		return -1;
	run("ip -batch - <<END\nlink add t0 type veth peer name t1\n"
	    "link set t0 up\nlink set t1 up\nEND");
	world.ifindex = if_nametoindex("t1");
	world.sender = packet_socket("t0");
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	reason_clear();
	close(world.sender);
	unlink(MAP_PIN);
	return 0;
}

/* Pins of libxdp's dispatchers. */
static int dispatchers(void)
{
	DIR *dir = opendir(BPFFS "/xdp");
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += !strncmp(entry->d_name, "dispatch-", 9);
	if (dir)
		closedir(dir);
	return n;
}

/* False where the kernel refuses to put one program into another (BPF_PROG_TYPE_EXT), as some
 * architectures and hardened kernels do: libxdp then attaches a single program, without it. */
static bool has_dispatcher;

#define NEEDS_DISPATCHER()                                                                         \
	do {                                                                                       \
		if (!has_dispatcher) {                                                             \
			print_message("skipped: this kernel cannot do libxdp's dispatcher\n");     \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

/* Somebody else's program, attached as xdp-loader(8) does. */
static void attach_theirs(int ifindex, enum xdp_attach_mode mode)
{
	struct bpf_object *object = open_object();
	DECLARE_LIBXDP_OPTS(xdp_program_opts, opts, .obj = object, .prog_name = "xdp_theirs");
	struct xdp_program *program = xdp_program__create(&opts);

	assert_non_null(program);
	assert_int_equal(xdp_program__attach(program, ifindex, mode, 0), 0);
	xdp_program__close(program);
	bpf_object__close(object);
}

/* By the kernel's own interface, without a dispatcher. */
static void attach_alone(int ifindex)
{
	struct bpf_object *object = open_object();
	struct bpf_program *program = bpf_object__find_program_by_name(object, "xdp_theirs");

	bpf_program__set_autoload(program, true);
	assert_int_equal(bpf_object__load(object), 0);
	assert_int_equal(bpf_xdp_attach(ifindex, bpf_program__fd(program), 0, NULL), 0);
	bpf_object__close(object);
}

static void look_for_dispatcher(void)
{
	libxdp_set_print(NULL); /* the answer may be no */
	attach_theirs(world.ifindex, XDP_MODE_SKB);
	has_dispatcher = dispatchers() > 0;
	run("ip link del t0");
	libxdp_clean_references(world.ifindex);
}

static void native(void **state)
{
	uint32_t id = attach(world.ifindex, 0);

	(void)state;
	assert_attached(world.ifindex, id, XDP_HOOK_NATIVE);
	assert_counts("t1", PACKETS, 0);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	assert_attached(world.ifindex, id, XDP_HOOK_NONE);
	assert_counts("t1", 0, 0);
	assert_int_equal(dispatchers(), 0);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
}

/* A bridge has no native XDP. */
static void generic(void **state)
{
	uint32_t id;
	int bridge;

	(void)state;
	run("ip link add b0 type bridge && ip link set t1 master b0 && ip link set b0 up");
	bridge = if_nametoindex("b0");
	id = attach(bridge, 0);
	assert_attached(bridge, id, XDP_HOOK_GENERIC);
	assert_counts("b0", PACKETS, 0);
	id = attach(bridge, id);
	assert_attached(bridge, id, XDP_HOOK_GENERIC);
	assert_counts("b0", PACKETS, 0);
	assert_int_equal(libxdp_detach(bridge, "b0", id), 0);
	assert_counts("b0", 0, 0);
	assert_int_equal(dispatchers(), 0);
}

/* The driver can, but not with this MTU of its peer unless the program takes fragments. */
static void jumbo(void **state)
{
	uint32_t id;

	(void)state;
	run("ip link set t0 mtu 9000 && ip link set t1 mtu 9000");
	id = attach(world.ifindex, 0);
	assert_attached(world.ifindex, id, XDP_HOOK_NATIVE);
	assert_counts("t1", PACKETS, 0);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
}

static void beside(bool theirs_first, enum xdp_attach_mode mode, enum xdp_mode want)
{
	uint32_t id;

	NEEDS_DISPATCHER();
	if (theirs_first)
		attach_theirs(world.ifindex, mode);
	id = attach(world.ifindex, 0);
	if (!theirs_first)
		attach_theirs(world.ifindex, mode);
	assert_attached(world.ifindex, id, want);
	assert_counts("t1", PACKETS, PACKETS);
	id = attach(world.ifindex, id);
	assert_attached(world.ifindex, id, want);
	assert_counts("t1", PACKETS, PACKETS);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	assert_attached(world.ifindex, id, XDP_HOOK_NONE);
	assert_counts("t1", 0, PACKETS);
	assert_int_equal(dispatchers(), 1);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	assert_counts("t1", 0, PACKETS);
	run("ip link del t0");
	assert_int_equal(libxdp_clean_references(world.ifindex), 0);
}

static void theirs_before(void **state)
{
	(void)state;
	beside(true, XDP_MODE_NATIVE, XDP_HOOK_NATIVE);
}

static void theirs_after(void **state)
{
	(void)state;
	beside(false, XDP_MODE_NATIVE, XDP_HOOK_NATIVE);
}

/* Their choice of the mode binds us. */
static void theirs_generic(void **state)
{
	(void)state;
	beside(true, XDP_MODE_SKB, XDP_HOOK_GENERIC);
}

static void theirs_alone(void **state)
{
	int fd = -1;

	(void)state;
	attach_alone(world.ifindex);
	assert_int_equal(libxdp_attach(world.ifindex, "t1", open_object(), "xdp_ours", 0, &fd),
			 -EBUSY);
	assert_said("t1: an XDP program is there that is not in libxdp's dispatcher (xdp_theirs, ");
	assert_int_equal(fd, -1);
	assert_counts("t1", 0, PACKETS);
}

/* As with another bpffs: a dispatcher with pins that are not to be found. */
static void pins_hidden(void **state)
{
	int fd = -1;

	(void)state;
	NEEDS_DISPATCHER();
	attach_theirs(world.ifindex, XDP_MODE_NATIVE);
	run("mkdir " BPFFS "/hidden && mv " BPFFS "/xdp/dispatch-* " BPFFS "/hidden");
	assert_int_equal(libxdp_attach(world.ifindex, "t1", open_object(), "xdp_ours", 0, &fd),
			 -EBUSY);
	assert_said("t1: XDP programs are there whose pins are not in the bpffs");
	assert_counts("t1", 0, PACKETS);
	run("rm -r " BPFFS "/hidden");
}

static void exchange(void **state)
{
	uint32_t first = attach(world.ifindex, 0), second;

	(void)state;
	second = attach(world.ifindex, first);
	assert_int_not_equal(first, second);
	assert_attached(world.ifindex, first, XDP_HOOK_NONE);
	assert_attached(world.ifindex, second, XDP_HOOK_NATIVE);
	assert_counts("t1", PACKETS, 0);
	assert_int_equal(dispatchers(), has_dispatcher);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", second), 0);
	assert_int_equal(dispatchers(), 0);
	/* An old one that is not there any more is no hindrance. */
	first = attach(world.ifindex, second);
	assert_counts("t1", PACKETS, 0);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", first), 0);
}

/* libxdp attaches like this where the kernel cannot do dispatchers. */
static void without_dispatcher(void **state)
{
	uint32_t id;

	(void)state;
	setenv("LIBXDP_SKIP_DISPATCHER", "1", 1); /* for the kernels that can */
	id = attach(world.ifindex, 0);
	assert_int_equal(dispatchers(), 0);
	assert_attached(world.ifindex, id, XDP_HOOK_NATIVE);
	assert_counts("t1", PACKETS, 0);
	id = attach(world.ifindex, id);
	assert_attached(world.ifindex, id, XDP_HOOK_NATIVE);
	assert_counts("t1", PACKETS, 0);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	unsetenv("LIBXDP_SKIP_DISPATCHER");
	assert_attached(world.ifindex, id, XDP_HOOK_NONE);
	assert_counts("t1", 0, 0);
}

static void refused_by_verifier(void **state)
{
	uint32_t id = attach(world.ifindex, 0);
	int fd = -1;

	(void)state;
	assert_true(libxdp_attach(world.ifindex, "t1", open_object(), "xdp_bad", id, &fd) < 0);
	/* Linux 7.3 has new words for it, and advice behind them, which is not the reason. */
	if (!strstr(reason_first(), "R1 min value is outside of the allowed memory range"))
		assert_said("R1 offset is outside of the packet");
	assert_attached(world.ifindex, id, XDP_HOOK_NATIVE);
	assert_counts("t1", PACKETS, 0);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	assert_int_equal(dispatchers(), 0);
}

static void no_such_program(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(libxdp_attach(world.ifindex, "t1", open_object(), "none", 0, &fd),
			 -ENOENT);
	assert_said("t1: there is no XDP program 'none' in the object");
}

/* An installation in pieces: the way out is in the message. */
static void no_dispatcher_object(void **state)
{
	int fd = -1;

	(void)state;
	setenv("LIBXDP_OBJECT_PATH", "/nonexistent", 1);
	assert_int_equal(libxdp_attach(world.ifindex, "t1", open_object(), "xdp_ours", 0, &fd),
			 -ENOENT);
	unsetenv("LIBXDP_OBJECT_PATH");
	assert_said("Couldn't find a BPF file with name xdp-dispatcher.o");
}

static void no_such_device(void **state)
{
	struct xdp_hook_state none;
	int fd = -1;

	(void)state;
	assert_int_equal(libxdp_attach(12345, "gone", open_object(), "xdp_ours", 0, &fd), -ENODEV);
	assert_said("gone: ");
	assert_int_equal(libxdp_query(12345, 1, &none), 0);
	assert_false(none.attached);
	assert_int_equal(libxdp_detach(12345, "gone", 1), 0);
}

/* Detaches as hook/xdp.c does: libxdp's remains of the program go too. */
static void take_away(uint32_t id)
{
	const struct leftovers leftovers = { .ifindex = world.ifindex, .prog_id = id };

	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	leftovers_remove(&leftovers);
}

/* A deleted device leaves libxdp's pins, and with them the program. */
static void device_deleted(void **state)
{
	uint32_t id = attach(world.ifindex, 0);

	(void)state;
	run("ip link del t0");
	assert_attached(world.ifindex, id, XDP_HOOK_NONE);
	assert_int_equal(dispatchers(), has_dispatcher);
	take_away(id + 1);
	assert_int_equal(dispatchers(), has_dispatcher);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	assert_int_equal(dispatchers(), has_dispatcher);
	take_away(id);
	assert_int_equal(dispatchers(), 0);
}

/* Somebody took the whole dispatcher away: ip link set t1 xdp off. */
static void detached_by_others(void **state)
{
	uint32_t id = attach(world.ifindex, 0);

	(void)state;
	assert_int_equal(bpf_xdp_detach(world.ifindex, 0, NULL), 0);
	assert_attached(world.ifindex, id, XDP_HOOK_NONE);
	take_away(id);
	id = attach(world.ifindex, id);
	assert_attached(world.ifindex, id, XDP_HOOK_NATIVE);
	assert_int_equal(dispatchers(), has_dispatcher);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	assert_int_equal(dispatchers(), 0);
}

/* No device says which pins are in use elsewhere: theirs are left alone. */
static void deleted_with_theirs(void **state)
{
	uint32_t id;

	(void)state;
	NEEDS_DISPATCHER();
	id = attach(world.ifindex, 0);
	attach_theirs(world.ifindex, XDP_MODE_NATIVE);
	run("ip link del t0");
	take_away(id);
	assert_int_equal(dispatchers(), 1);
	assert_int_equal(libxdp_clean_references(world.ifindex), 0);
	assert_int_equal(dispatchers(), 0);
}

static bool is_number(int ifindex, const void *number)
{
	return ifindex == *(const int *)number;
}

/* How many dispatchers are left when those go that are like the program, but for one device's. */
static int swept(int like_fd, int in_use)
{
	const struct leftovers leftovers = {
		.name = "xdp_ours",
		.like_fd = like_fd,
		.in_use = is_number,
		.ctx = &in_use,
	};

	leftovers_remove(&leftovers);
	return dispatchers();
}

/* Our program, to compare with; and its dispatcher, which is not attached any more. */
static int leave_stale(void)
{
	int fd = -1;

	assert_int_equal(libxdp_attach(world.ifindex, "t1", open_object(), "xdp_ours", 0, &fd), 0);
	assert_int_equal(bpf_xdp_detach(world.ifindex, 0, NULL), 0);
	return fd;
}

static void sweep_stale(void **state)
{
	const int live = if_nametoindex("t0");
	uint32_t id;
	int fd;

	(void)state;
	NEEDS_DISPATCHER();
	fd = leave_stale();
	id = attach(live, 0);
	close(leave_stale());
	assert_int_equal(dispatchers(), 3);
	assert_int_equal(swept(fd, live), 1);
	assert_attached(live, id, XDP_HOOK_NATIVE);
	assert_int_equal(swept(fd, live), 1);
	assert_int_equal(libxdp_detach(live, "t0", id), 0);
	assert_int_equal(dispatchers(), 0);
	assert_int_equal(swept(fd, 0), 0);
	close(fd);
}

/* The process that was killed had pinned, or unpinned, the half of it. */
static void sweep_halves(void **state)
{
	static const char *const parts[] = { "link", "prog", "*" };

	(void)state;
	NEEDS_DISPATCHER();
	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		char command[128];
		int fd = leave_stale();

		snprintf(command, sizeof(command), "rm " BPFFS "/xdp/dispatch-*/prog0-%s",
			 parts[i]);
		run(command);
		assert_int_equal(dispatchers(), 1);
		assert_int_equal(swept(fd, 0), 0);
		close(fd);
	}
}

/* Another program, one beside ours, and one with our program's name and other maps. */
static void sweep_leaves_theirs(void **state)
{
	int fd, other;

	(void)state;
	NEEDS_DISPATCHER();
	fd = leave_stale();
	assert_int_equal(swept(fd, 0), 0);
	attach_theirs(world.ifindex, XDP_MODE_NATIVE);
	assert_int_equal(swept(fd, 0), 1);
	attach(world.ifindex, 0);
	assert_int_equal(swept(fd, 0), 1);
	assert_counts("t1", PACKETS, PACKETS);
	assert_int_equal(bpf_xdp_detach(world.ifindex, 0, NULL), 0);
	assert_int_equal(swept(fd, 0), 1);
	unlink(MAP_PIN);
	other = leave_stale();
	assert_int_equal(swept(fd, 0), 2);
	assert_int_equal(swept(other, 0), 1);
	assert_int_equal(libxdp_clean_references(world.ifindex), 0);
	assert_int_equal(dispatchers(), 0);
	close(other);
	close(fd);
}

/* libxdp names that link after its program: ours stands for the program of libxdp's own. */
static void sweep_trial(void **state)
{
	char path[64], command[256];
	int fd;

	(void)state;
	NEEDS_DISPATCHER();
	fd = leave_stale();
	snprintf(path, sizeof(path), BPFFS "/xdp/prog-test-link-1-%u", id_of(fd));
	snprintf(command, sizeof(command), "mv " BPFFS "/xdp/dispatch-*/prog0-link %s0", path);
	run(command);
	assert_int_equal(swept(fd, 0), 0);
	snprintf(command, sizeof(command), "mv %s0 %s", path, path);
	run(command); /* it has stayed with a number that is not its program's */
	assert_int_equal(swept(fd, 0), 0);
	assert_int_equal(access(path, F_OK), -1);
	close(fd);
}

/* The caller's pin holds the program, whatever libxdp does. */
static void pinned(void **state)
{
	uint32_t id;
	int fd = -1;

	(void)state;
	assert_int_equal(libxdp_attach(world.ifindex, "t1", open_object(), "xdp_ours", 0, &fd), 0);
	assert_int_equal(bpf_obj_pin(fd, BPFFS "/ours"), 0);
	id = id_of(fd);
	close(fd);
	assert_int_equal(libxdp_detach(world.ifindex, "t1", id), 0);
	fd = bpf_obj_get(BPFFS "/ours");
	assert_true(fd >= 0);
	assert_int_equal(id_of(fd), id);
	close(fd);
	unlink(BPFFS "/ours");
}

static void supported(void **state)
{
	(void)state;
	assert_true(libxdp_supported());
}

/* A mount namespace with a bpffs of this process alone. */
static int own_bpffs(void **state)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", BPFFS, "bpf", 0, NULL)) {
		print_message("a bpffs cannot be mounted: %s\n", strerror(errno));
		return -1;
	}
	if (new_world(state))
		return -1;
	look_for_dispatcher();
	return end_world(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_world, end_world)

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		TEST(supported),
		TEST(native),
		TEST(generic),
		TEST(jumbo),
		TEST(theirs_before),
		TEST(theirs_after),
		TEST(theirs_generic),
		TEST(theirs_alone),
		TEST(pins_hidden),
		TEST(exchange),
		TEST(without_dispatcher),
		TEST(refused_by_verifier),
		TEST(no_such_program),
		TEST(no_dispatcher_object),
		TEST(no_such_device),
		TEST(device_deleted),
		TEST(detached_by_others),
		TEST(deleted_with_theirs),
		TEST(sweep_stale),
		TEST(sweep_halves),
		TEST(sweep_leaves_theirs),
		TEST(sweep_trial),
		TEST(pinned),
	};

	return cmocka_run_group_tests_name("hook_xdp", tests, own_bpffs, NULL);
}

#else

static void stubs(void **state)
{
	const struct leftovers leftovers = { .name = "xdp_ours", .like_fd = -1 };
	struct xdp_hook_state none;
	int fd = -1;

	(void)state;
	assert_false(libxdp_supported());
	reason_clear();
	assert_int_equal(libxdp_attach(1, "lo", open_object(), "xdp_ours", 0, &fd), -EOPNOTSUPP);
	assert_said("lo: built without libxdp: --ingress-method xdp is not possible");
	assert_int_equal(libxdp_query(1, 1, &none), 0);
	assert_false(none.attached);
	reason_clear();
	assert_int_equal(libxdp_detach(1, "lo", 1), -EOPNOTSUPP);
	assert_said("lo: built without libxdp: ");
	leftovers_remove(&leftovers);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stubs) };

	return cmocka_run_group_tests_name("hook_xdp", tests, NULL, NULL);
}

#endif

int main(void)
{
	if (geteuid()) {
		printf("ok - hook_xdp # SKIP needs root, to attach programs\n");
		return 0;
	}
	log_capture_libbpf();
	return run_all();
}
