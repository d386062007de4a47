/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Removes or takes over sets of another version of dscp-tool, where maps mean something else. */
#include "state/foreign.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "hook/clsact.h"
#include "hook/pin.h"
#include "hook/xdp.h"
#include "state/install.h"
#include "state/map.h"
#include "state/present.h"
#include "state/recheck.h"
#include "state/root.h"
#include "state/sane.h"
#include "tunnel/discover.h"
#include "util/macros.h"
#include "util/netns.h"
#include "util/privileges.h"
#include "util/reason.h"

#define REQUESTS "maps/requests"

/* One that cannot be removed from here is no reason to keep the others. */
static int detach(const struct hook *hook, void *ctx)
{
	int *err = ctx, failure = clsact_adopt(hook);

	if (!failure)
		failure = hook_detach(hook);
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

static int remove_below(const struct pins *pins, const char *below)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", pins->dir, below);
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

static int detach_all(struct pins *pins)
{
	_cleanup_close_ int sibling = open_below(pins, "programs/ingress_inner_xdp");
	int failure = 0, err = pin_for_each(pins->dir, detach, &failure);

	if (err)
		return pins_failed(pins, err, "cannot list", "/hooks");
	if (!failure && sibling >= 0)
		xdp_sweep(pins->dir, sibling);
	return failure;
}

/* Links of programs that this version does not know go with their pins. The requests go first: see
 * is_taken_over(). */
static int remove_all(const struct pins *pins)
{
	int err = remove_below(pins, REQUESTS);

	if (!err)
		err = nftw(pins->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return err ? pins_failed(pins, err < -1 ? err : -errno, "cannot remove", "") : 0;
}

/* The flat set becomes one like the others. Its maps move last, since they say that it is there. */
static int give_number(struct pins *pins)
{
	static const char *const parts[] = { "new", "programs", "hooks", "qdiscs", "maps" };
	char from[PATH_MAX], to[PATH_MAX];

	pins->set = PINS_ASIDE;
	snprintf(pins->dir, sizeof(pins->dir), STATE_ROOT "/%llu", PINS_ASIDE);
	if (mkdir(pins->dir, 0700) && errno != EEXIST)
		return pins_failed(pins, -errno, "cannot make", "");
	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		snprintf(from, sizeof(from), STATE_ROOT "/%s", parts[i]);
		snprintf(to, sizeof(to), "%s/%s", pins->dir, parts[i]);
		if (rename(from, to) && errno != ENOENT)
			return pins_failed(pins, -errno, "cannot move to", "");
	}
	return 0;
}

int foreign_remove(struct pins *pins)
{
	int err = pins->set ? 0 : give_number(pins);

	if (!err)
		err = detach_all(pins);
	return err ? err : remove_all(pins);
}

/* The set makes room for the one of this version, and is kept until all of that is loaded, so that
 * a process that is killed forgets nothing. */
static int renumber(struct pins *pins, uint64_t set)
{
	char dir[PINS_DIR];

	snprintf(dir, sizeof(dir), STATE_ROOT "/%llu", (unsigned long long)set);
	if (rename(pins->dir, dir))
		return pins_failed(pins, -errno, "cannot rename", "");
	pins->set = set;
	memcpy(pins->dir, dir, sizeof(dir));
	return 0;
}

/* Tells whether a process was killed when all was loaded, and before all was removed. */
static bool is_taken_over(const struct pins *pins)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", pins->dir, REQUESTS);
	return pins->set & PINS_ASIDE && access(path, F_OK) && errno == ENOENT;
}

/* A set that is going away, and the function to call for its requests. */
struct take_over {
	struct pins
		pins; /* with the maps that can be read as this version's: of prefixes, present */
	int requests;
	size_t size; /* of a request */
	foreign_each *each; /* NULL: only see whether all of them can be loaded from here */
	bool any; /* that is not gone */
	uint32_t flows; /* that were asked for */
	int err;
};

/* Reads the members of a request that both versions know. Returns -1 if it cannot be read, and more
 * than 0 if a newer version has something else in it: zero means that nobody has asked for it. */
static int read_request(struct request *request, const char *value, size_t size)
{
	uint32_t known;
	int more = 0;

	memcpy(&known, value, sizeof(known));
	known = known < size ? known : size;
	for (size_t i = sizeof(*request); i < known; i++)
		more |= (uint8_t)value[i];
	known = known < sizeof(*request) ? known : sizeof(*request);
	memset(request, 0, sizeof(*request));
	memcpy(request, value, known);
	request->size = sizeof(*request);
	return sane_request(request) ? more : -1;
}

/* 0: its network namespaces can be entered. 1: they are gone, also if others have their inodes. */
static int find_place(const struct take_over *t, uint32_t slot, const struct request *request)
{
	const uint64_t uplinks = request->uplink_netns ? request->uplink_netns : request->netns;
	uint64_t cookie;

	if (t->pins.maps[MAP_PRESENT] >= 0 && (!present_is(&t->pins, slot, PRESENT_NETNS) ||
					       !present_is(&t->pins, slot, PRESENT_UPLINK_NETNS)))
		return 1;
	cookie = netns_own() == request->netns ? netns_cookie_of(uplinks) : 0;
	if (cookie)
		return cookie != (t->pins.set & ~PINS_ASIDE);
	return failed(-EXDEV,
		      "%.15s: its network namespace cannot be entered from here, or is gone: left "
		      "as it is",
		      request->name);
}

/* Without its prefixes, DSCPs that they hide would show. */
static int read_prefixes(const struct take_over *t, uint32_t slot, const struct request *request,
			 struct peer_maps *prefixes)
{
	int err = 0;

	if (!request->prefixes)
		return 0;
	if (t->pins.maps[MAP_PREFIXES] >= 0)
		err = prefixes_read(&t->pins, slot, request, prefixes);
	if (err || prefixes->n)
		return err;
	return failed(
		-EPROTO,
		"%.15s: this version cannot read its --peer-map: left as it is: unload --all, "
		"and load it again",
		request->name);
}

/* The option may hide DSCPs that would show without it. */
static int not_known(const struct request *request)
{
	return failed(-EPROTO,
		      "%.15s: was loaded by a newer version, with an option that this one does not "
		      "know: left as it is: reload --all with the newer one, or unload --all",
		      request->name);
}

static bool is_of(const struct take_over *t, uint32_t slot, uint64_t netns)
{
	_cleanup_free_ void *value = malloc(t->size);
	struct request request;

	return value && !bpf_map_lookup_elem(t->requests, &slot, value) &&
	       read_request(&request, value, t->size) >= 0 && request.netns == netns;
}

/* A device that was renamed since is the one that was loaded, whatever has the name now. */
static enum foreign_state find_device(const struct take_over *t, uint32_t slot,
				      struct request *request)
{
	uint32_t number = present_number(&t->pins, slot);
	char name[IF_NAMESIZE];

	if (number && if_indextoname(number, name) && sane_name(name))
		memcpy(request->name, name, DSCP_IFNAMSIZ);
	if (number || t->pins.maps[MAP_PRESENT] < 0)
		return FOREIGN_PRESENT;
	number = if_nametoindex(request->name);
	for (uint32_t i = 1; number && i < DSCP_MAX_TUNNELS; i++)
		if (present_number(&t->pins, i) == number && is_of(t, i, request->netns))
			return FOREIGN_SUCCEEDED;
	return FOREIGN_NO_DEVICE;
}

/* An uplink that was renamed is the one that was named, as long as a hook of the old set shows
 * that: the old request gets the present name, for when the hook is gone. */
static int follow_uplinks(const struct take_over *t, uint32_t slot, const void *value,
			  struct request *request)
{
	_cleanup_free_ char *copy = NULL;
	struct dscp_tunnel tunnel;

	if (!request->n_uplinks || t->size < sizeof(*request) ||
	    bpf_map_lookup_elem(t->pins.maps[MAP_TUNNELS], &slot, &tunnel) || !sane_tunnel(&tunnel))
		return 0;
	recheck_uplinks(&t->pins, &tunnel, request);
	copy = malloc(t->size);
	if (copy) {
		memcpy(copy, value, t->size);
		memcpy(copy + offsetof(struct request, uplinks), request->uplinks,
		       sizeof(request->uplinks));
	}
	if (copy && !bpf_map_update_elem(t->requests, &slot, copy, BPF_EXIST))
		return 0;
	return pins_failed(&t->pins, copy ? -errno : -ENOMEM, "cannot write", "/" REQUESTS);
}

/* A tunnel that cannot be found now is marked by the old programs until it can. But its request is
 * kept if the programs of the set may be gone already. Advice comes with the load. */
static int check_found(const struct take_over *t, const struct request *request)
{
	struct dscp_tunnel tunnel;
	char why[512];
	int err = 0;

	if (!(t->pins.set & PINS_ASIDE))
		err = discover_tunnel(request, request, &tunnel);
	snprintf(why, sizeof(why), "%s", reason_first());
	reason_clear();
	return err ? failed(err, "%s: all of %s is left as it is: mend that, or unload --all", why,
			    t->pins.dir)
		   : 0;
}

static int check(struct take_over *t, uint32_t slot, const void *value, struct request *request,
		 enum foreign_state state)
{
	int err = 0;

	if (state > FOREIGN_NO_DEVICE)
		return 0;
	t->any = true;
	t->flows = request->flows ? request->flows : t->flows;
	if (request->method == DSCP_METHOD_XDP && !privileges_sys_admin())
		return failed(-EPERM,
			      "%.15s: not permitted without CAP_SYS_ADMIN, since it is loaded with "
			      "--ingress-method xdp: left as it is",
			      request->name);
	if (state == FOREIGN_PRESENT)
		err = follow_uplinks(t, slot, value, request);
	return err || state != FOREIGN_PRESENT ? err : check_found(t, request);
}

/* Looks at a request, or loads what it asks for, in the network namespace of its tunnel. */
static int take_over_request(struct take_over *t, uint32_t slot, const void *value,
			     struct request *request)
{
	NETNS_VISIT(request->netns);
	enum foreign_state state = FOREIGN_NO_NETNS;
	struct peer_maps prefixes = {};
	int gone = find_place(t, slot, request), err = gone;

	if (gone >= 0)
		err = read_prefixes(t, slot, request, &prefixes);
	if (!err && !gone)
		state = find_device(t, slot, request);
	if (err)
		return err;
	return t->each ? t->each(request, &prefixes, state) : check(t, slot, value, request, state);
}

static void take_over_one(void *ctx, const void *key, const void *value)
{
	const uint32_t slot = *(const __u32 *)key;
	struct take_over *t = ctx;
	struct request request;
	int err, more = read_request(&request, value, t->size);

	if (!t->each && t->err) /* one reason is enough */
		return;
	if (more < 0)
		err = failed(-EPROTO, "%s: a request there cannot be read: left as it is",
			     t->pins.dir);
	else
		err = more ? not_known(&request) : take_over_request(t, slot, value, &request);
	if (!t->err || err < 0)
		t->err = err;
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

/* Calls each for all requests, or checks them. */
static int walk(struct take_over *t, foreign_each *each)
{
	long n;

	t->each = each;
	t->err = 0;
	n = map_for_each(t->requests, sizeof(__u32), t->size, take_over_one, t);
	return n < 0 ? pins_failed(&t->pins, n, "cannot read", "/maps/requests") : t->err;
}

/* Makes the set of this version while the old programs still mark: the kernel may refuse that. */
static int make_room(struct take_over *t)
{
	const uint64_t before = t->pins.set;
	int err = before & PINS_ASIDE /* by a process that was killed then */
			  ? 0
			  : renumber(&t->pins, before | PINS_ASIDE);
	struct pins new;

	if (err || !t->any)
		return err;
	err = install_open(&new, before & ~PINS_ASIDE, t->flows);
	pins_close(&new);
	if (err && !(before & PINS_ASIDE))
		renumber(&t->pins, before);
	return err;
}

int foreign_take_over(struct pins *pins, foreign_each *each)
{
	_cleanup_close_ int requests = open_below(pins, REQUESTS);
	_cleanup_close_ int prefixes = open_below(pins, "maps/prefixes");
	_cleanup_close_ int peers = open_below(pins, "maps/peers"); /* their name before 9 */
	_cleanup_close_ int present = open_below(pins, "maps/present");
	_cleanup_close_ int tunnels = open_below(pins, "maps/tunnels");
	struct take_over t = { .pins = *pins, .requests = requests, .size = value_size(requests) };
	int err, removed;

	if (is_taken_over(pins))
		return foreign_remove(pins);
	if (!t.size)
		return failed(-EPROTO,
			      "%s: made by a version of dscp-tool that did not keep what was asked "
			      "for: unload --all, and load again",
			      pins->dir);
	if (objects_map_fits(MAP_PREFIXES, prefixes))
		t.pins.maps[MAP_PREFIXES] = prefixes;
	else if (objects_map_fits(MAP_PREFIXES, peers))
		t.pins.maps[MAP_PREFIXES] = peers;
	if (objects_map_fits(MAP_PRESENT, present))
		t.pins.maps[MAP_PRESENT] = present;
	if (objects_map_fits(MAP_TUNNELS, tunnels))
		t.pins.maps[MAP_TUNNELS] = tunnels;
	err = walk(&t, NULL);
	if (!err)
		err = make_room(&t);
	if (!err)
		err = detach_all(&t.pins);
	if (err)
		return err;
	err = walk(&t, each);
	if (err < 0)
		return err;
	removed = remove_all(&t.pins);
	return removed ? removed : err;
}
