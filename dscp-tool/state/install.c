/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Puts objects, maps and programs in force for all tunnels together, and takes them away. */
#include "state/install.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "hook/pin.h"
#include "hook/xdp.h"
#include "state/counters.h"
#include "state/hooks.h"
#include "state/kernel.h"
#include "state/map.h"
#include "state/registry.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/reason.h"

#define HALF_WAY (~objects_digest()) /* in the place of the build */

static void copy_stamp(void *to, const void *stamp, const void *flow)
{
	bpf_map_update_elem(*(int *)to, stamp, flow, BPF_NOEXIST);
}

/* Fills a map stamps of another size, as far as it has room: a stamp in stamp_cache is taken for
 * noted there, and packets are on their way with stamps that only the old one knows. */
static int copy_stamps(int from, int to)
{
	long n = map_for_each(from, sizeof(__u32), sizeof(struct dscp_stamp), copy_stamp, &to);

	return n < 0 ? n : 0;
}

static int take_descriptor(int *place, int fd)
{
	if (fd < 0) /* not in this object */
		return 0;
	if (*place >= 0)
		close(*place);
	*place = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *place < 0 ? -errno : 0;
}

/* libbpf leaves the names out when the kernel has no memory for its question whether it knows
 * names; and nobody would take such a program for ours. */
static int take_program(struct pins *pins, const struct bpf_object *object, enum object_id id,
			enum program program)
{
	const int fd = objects_program_fd(object, id, program);

	if (fd >= 0 && !objects_program_fits(program, fd))
		return -EAGAIN;
	return take_descriptor(&pins->programs[program], fd);
}

/* The descriptors outlive the object. */
static int take_descriptors(struct pins *pins, const struct bpf_object *object, enum object_id id)
{
	int err = 0;

	for (int i = 0; i < N_MAPS && !err; i++)
		err = take_descriptor(&pins->maps[i],
				      bpf_object__find_map_fd_by_name(object, objects_map_name(i)));
	for (int i = 0; i < N_PROGRAMS && !err; i++)
		err = take_program(pins, object, id, i);
	return err;
}

/* Loads one of this tool's objects. The maps that are there are used again. */
static int load_object(struct pins *pins, enum object_id id, const struct object_sizes *sizes)
{
	struct bpf_object *object;
	int err;

	if (!objects_has(id))
		return failed(-EOPNOTSUPP, "a tunnel is loaded with --ingress-method peek, which "
					   "this build lacks: unload it first");
	log_reason_reset();
	object = objects_open(id, pins->dir, pins->maps, sizes);
	if (!object)
		return kernel_failed(-errno, "cannot read", "the built-in BPF object");
	err = bpf_object__load(object);
	if (err)
		kernel_failed(err, "the kernel refuses", "the BPF object");
	else if ((err = take_descriptors(pins, object, id)))
		kernel_failed(err, "cannot keep", "the BPF object");
	bpf_object__close(object);
	return err;
}

static bool has_programs(const struct pins *pins, enum object_id id)
{
	for (int i = 0; i < N_PROGRAMS; i++)
		if (programs[i].object == id && pins->programs[i] < 0)
			return false;
	return true;
}

int install_need(struct pins *pins, const struct dscp_tunnel *tunnel)
{
	const struct object_sizes sizes = {
		.entries[MAP_INGRESS_COUNTERS] = map_capacity(pins->maps[MAP_COUNTERS]),
	};
	enum object_id id = objects_of_method(tunnel->method);
	int err;

	if (!(tunnel->flags & DSCP_TUNNEL_INGRESS) || has_programs(pins, id))
		return 0;
	err = load_object(pins, id, &sizes);
	return err ? err : pins_put_programs(pins, id);
}

/* Programs, and maps that are made anew, with their predecessors. */
struct renewal {
	struct object_sizes sizes;
	int maps[N_MAPS], programs[N_PROGRAMS]; /* -1: none, or not made anew */
};

static void set_aside(struct pins *pins, struct renewal *before)
{
	memcpy(before->programs, pins->programs, sizeof(before->programs));
	memset(pins->programs, -1, sizeof(pins->programs));
	for (int i = 0; i < N_MAPS; i++) {
		before->maps[i] = before->sizes.entries[i] ? pins->maps[i] : -1;
		if (before->sizes.entries[i])
			pins->maps[i] = -1;
	}
}

/* The old one takes the place of the new one, and the other way round. */
static void exchange(int *new, int *old)
{
	const int was = *new;

	if (*old < 0)
		return;
	*new = *old;
	*old = was;
}

static void exchange_all(struct pins *pins, struct renewal *before)
{
	for (int i = 0; i < N_MAPS; i++)
		exchange(&pins->maps[i], &before->maps[i]);
	for (int i = 0; i < N_PROGRAMS; i++)
		exchange(&pins->programs[i], &before->programs[i]);
}

static void close_all(struct renewal *before)
{
	for (int i = 0; i < N_MAPS; i++)
		cleanup_close(&before->maps[i]);
	for (int i = 0; i < N_PROGRAMS; i++)
		cleanup_close(&before->programs[i]);
}

static int load_anew(struct pins *pins, const struct renewal *before)
{
	int err = 0;

	for (int i = 0; i < N_PROGRAMS && !err; i++)
		if ((before->programs[i] >= 0 || programs[i].object == OBJECT_EGRESS) &&
		    pins->programs[i] < 0)
			err = load_object(pins, programs[i].object, &before->sizes);
	return err;
}

static const enum pinned_map counting[] = { MAP_COUNTERS, MAP_INGRESS_COUNTERS };

static int each_counting(struct pins *pins, const struct renewal *before,
			 int (*each)(struct pins *pins, enum pinned_map map, int other))
{
	int err = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(counting) && !err; i++)
		if (before->maps[counting[i]] >= 0)
			err = each(pins, counting[i], before->maps[counting[i]]);
	return err;
}

/* Puts the maps and programs in force into the pins of their predecessors. */
static int put_pins(struct pins *pins, const struct renewal *before)
{
	int err = 0;

	for (int i = 0; i < N_MAPS && !err; i++)
		if (before->maps[i] >= 0)
			err = pins_put_map(pins, i);
	for (int i = 0; i < N_OBJECTS && !err; i++)
		if (has_programs(pins, i))
			err = pins_put_programs(pins, i);
	return err;
}

/* Copies the content of the earlier maps, once every hook has its new program. */
static int carry_on(struct pins *pins, const struct renewal *before)
{
	int old_flows = before->maps[MAP_STAMPS], err;

	kernel_wait_for_programs();
	/* Copies the notes that were made meanwhile. */
	if (old_flows >= 0 && copy_stamps(old_flows, pins->maps[MAP_STAMPS]))
		registry_forget_stamp_cache(pins);
	err = each_counting(pins, before, counters_carry);
	if (!err)
		err = put_pins(pins, before);
	return err ? err : registry_write_config(pins, objects_digest());
}

/* The maps and programs of before in every pin again, after a renewal that got stuck half way. */
static int go_back(struct pins *pins, struct renewal *before)
{
	int err = each_counting(pins, before, counters_take_back);

	exchange_all(pins, before);
	return err ? err : put_pins(pins, before);
}

/* And the notes and counts that were made meanwhile. err: not every hook has its earlier
 * program. */
static void arrive_back(struct pins *pins, const struct renewal *before, uint64_t build, int err)
{
	kernel_wait_for_programs();
	if (before->maps[MAP_STAMPS] >= 0 &&
	    copy_stamps(before->maps[MAP_STAMPS], pins->maps[MAP_STAMPS]))
		registry_forget_stamp_cache(pins);
	if (!err)
		err = each_counting(pins, before, counters_add);
	if (!err)
		registry_write_config(pins, build);
}

/* The programs of an older build, or maps of another size: load anew and exchange everywhere. Half
 * way not all hooks have the same maps: a load that finds it so does it all again. */
static int renew(struct pins *pins, const uint32_t entries[N_MAPS])
{
	struct renewal before = { .sizes.unpinned = true };
	struct dscp_config config;
	int err = pins_config(pins, &config), back;

	if (err)
		return pins_failed(pins, err, "cannot read", "/maps/config");
	memcpy(before.sizes.entries, entries, sizeof(before.sizes.entries));
	set_aside(pins, &before);
	err = load_anew(pins, &before);
	if (!err)
		err = registry_write_config(pins, HALF_WAY);
	if (err) {
		exchange_all(pins, &before);
		close_all(&before);
		return err;
	}
	if (before.maps[MAP_STAMPS] >= 0)
		copy_stamps(before.maps[MAP_STAMPS], pins->maps[MAP_STAMPS]);
	err = hooks_update(pins);
	if (!err)
		err = carry_on(pins, &before);
	if (err) {
		back = go_back(pins, &before);
		if (!back)
			back = hooks_update(pins);
		arrive_back(pins, &before, config.build, back);
	}
	close_all(&before);
	return err;
}

int install_room(struct pins *pins, uint32_t slot)
{
	const uint32_t entries[N_MAPS] = {
		[MAP_COUNTERS] = counters_wanted(pins, MAP_COUNTERS, slot),
		[MAP_INGRESS_COUNTERS] = counters_wanted(pins, MAP_INGRESS_COUNTERS, slot),
	};

	return entries[MAP_COUNTERS] || entries[MAP_INGRESS_COUNTERS] ? renew(pins, entries) : 0;
}

static int create(struct pins *pins, __u32 flows)
{
	const struct object_sizes sizes = { .entries[MAP_STAMPS] = flows };
	int err = pins_make(pins);

	if (!err)
		err = load_object(pins, OBJECT_EGRESS, &sizes);
	if (!err)
		err = pins_put_programs(pins, OBJECT_EGRESS);
	if (!err)
		err = pins_make_map(pins, MAP_PRESENT);
	if (!err)
		err = pins_make_map(pins, MAP_REQUESTS);
	if (!err)
		err = pins_make_map(pins, MAP_BALANCE);
	if (!err)
		err = pins_read_tunnels(pins);
	if (!err)
		err = registry_write_config(pins, objects_digest());
	if (err)
		pins_remove(pins);
	return err;
}

bool install_is_ours(const struct pins *pins)
{
	struct dscp_config config = {};

	return !pins_config(pins, &config) &&
	       (config.build == objects_digest() || config.build == HALF_WAY);
}

int install_renew(struct pins *pins, uint32_t flows)
{
	uint32_t entries[N_MAPS] = {};
	struct dscp_config config;
	int err = pins_config(pins, &config);

	if (err)
		return pins_failed(pins, err, "cannot read", "/maps/config");
	if (flows != map_capacity(pins->maps[MAP_STAMPS]))
		entries[MAP_STAMPS] = flows;
	/* A killed load may have left an array with counts that are carried already; but where
	 * nothing is carried, the array is the one that counts. */
	if (config.build != objects_digest() && pins->maps[MAP_CARRIED] >= 0) {
		entries[MAP_COUNTERS] = map_capacity(pins->maps[MAP_COUNTERS]);
		if (pins->maps[MAP_INGRESS_COUNTERS] >= 0)
			entries[MAP_INGRESS_COUNTERS] =
				map_capacity(pins->maps[MAP_INGRESS_COUNTERS]);
	}
	if (entries[MAP_STAMPS] || config.build != objects_digest() ||
	    !has_programs(pins, OBJECT_EGRESS))
		return renew(pins, entries);
	return 0;
}

int install_open(struct pins *pins, uint64_t set, uint32_t flows)
{
	int err = pins_open(pins, set);

	if (err == -ESTALE)
		err = pins_foreign(pins);
	if (err == -ENOENT) {
		err = pins_remove(pins); /* of a load that was killed */
		if (!err)
			err = create(pins, flows);
	}
	if (err)
		pins_close(pins);
	return err;
}

struct prune {
	const struct pins *pins;
	int err;
};

/* One that cannot be removed from here is no reason to keep the others. */
static int prune_hook(const struct hook *hook, void *ctx)
{
	struct prune *prune = ctx;
	int err = hooks_needed(prune->pins, hook) ? 0 : hook_detach(hook);

	if (err)
		prune->err = err;
	return 0;
}

int install_prune(struct pins *pins)
{
	struct prune prune = { .pins = pins };
	int err = pin_for_each(pins->dir, prune_hook, &prune);

	registry_forget_requests(pins);
	if (err)
		return pins_failed(pins, err, "cannot list", "/hooks");
	if (pins->programs[XDP_INNER] >= 0)
		xdp_sweep(pins->dir, pins->programs[XDP_INNER]);
	if (prune.err)
		return prune.err;
	for_each_tunnel (slot, pins)
		return 0;
	return pins_remove(pins);
}
