/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Sets of another version of dscp-tool, whose maps mean something else. */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "state/foreign.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook/pin.h"
#include "hook/xdp.h"
#include "state/map.h"
#include "state/sane.h"
#include "util/macros.h"
#include "util/reason.h"

/* One that cannot be removed from here is no reason to keep the others. */
static int detach(const struct hook *hook, void *ctx)
{
	int *err = ctx, failure = hook_detach(hook);

	*err = *err ? *err : failure;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) ? -errno : 0;
}

static int open_below(const struct pins *pins, const char *below)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", pins->dir, below);
	return bpf_obj_get(path);
}

int foreign_remove(struct pins *pins)
{
	_cleanup_close_ int sibling = open_below(pins, "programs/ingress_inner_xdp");
	int failure = 0, err = pin_for_each(pins->dir, detach, &failure);

	if (err)
		return pins_failed(pins, err, "cannot list", "/hooks");
	if (failure)
		return failure;
	if (sibling >= 0)
		xdp_sweep(pins->dir, sibling);
	/* Links of programs that this version does not know go with their pins. */
	err = nftw(pins->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return err ? pins_failed(pins, err < -1 ? err : -errno, "cannot remove", "") : 0;
}

/* A set that is going away, and what is called for its requests. */
struct take_over {
	struct pins pins; /* with the map of peers, if that can be read */
	size_t size; /* of a request */
	int (*each)(const struct request *request, const struct peer_maps *peers);
	int err;
};

/* What both versions know of a request. */
static bool read_request(struct request *request, const void *value, size_t size)
{
	uint32_t known;

	memcpy(&known, value, sizeof(known));
	known = known < size ? known : size;
	known = known < sizeof(*request) ? known : sizeof(*request);
	memset(request, 0, sizeof(*request));
	memcpy(request, value, known);
	request->size = sizeof(*request);
	return sane_request(request);
}

static void take_over_one(void *ctx, const void *key, const void *value)
{
	struct take_over *t = ctx;
	struct peer_maps peers = {};
	struct request request;
	int err = 0;

	if (!read_request(&request, value, t->size))
		err = failed(-EPROTO, "%s: a request there cannot be read: load its tunnel again",
			     t->pins.dir);
	/* What the policies hide would show without them. */
	if (!err && request.peers)
		err = t->pins.maps[MAP_PEERS] < 0
			      ? failed(-EPROTO,
				       "%.15s: its --peer-map cannot be read: load it again",
				       request.name)
			      : peers_read(&t->pins, *(const __u32 *)key, &peers);
	if (!err)
		err = t->each(&request, &peers);
	t->err = t->err ? t->err : err;
}

static size_t value_size(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &len) || info.type != BPF_MAP_TYPE_HASH ||
	    info.key_size != sizeof(__u32) || info.value_size < sizeof(__u32))
		return 0;
	return info.value_size;
}

int foreign_take_over(struct pins *pins,
		      int (*each)(const struct request *request, const struct peer_maps *peers))
{
	_cleanup_close_ int requests = open_below(pins, "maps/requests");
	_cleanup_close_ int peers = open_below(pins, "maps/peers");
	struct take_over t = { .pins = *pins, .each = each, .size = value_size(requests) };
	long n;

	if (!t.size)
		return failed(-EPROTO,
			      "%s: made by a version of dscp-tool that did not keep what was asked "
			      "for: unload --all, and load again",
			      pins->dir);
	if (objects_map_fits(MAP_PEERS, peers))
		t.pins.maps[MAP_PEERS] = peers;
	/* The descriptors keep the maps. */
	t.err = foreign_remove(pins);
	if (t.err)
		return t.err;
	n = map_for_each(requests, sizeof(__u32), t.size, take_over_one, &t);
	return n < 0 ? pins_failed(pins, n, "cannot read", "/maps/requests") : t.err;
}
