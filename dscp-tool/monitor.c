/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * dscp-tool monitor: keeps loaded tunnels right. The requests are in the pinned maps, so there is
 * nothing to remember: whenever something has changed, each tunnel is discovered anew, as load does
 * it, and loaded again if the answer or a hook differs. rtnetlink tells of most changes, and ovpn
 * of some; WireGuard's ports and endpoints, a new peer of ovpn, and TCX links, have no
 * notifications, hence the timer.
 */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "state/change.h"
#include "state/install.h"
#include "state/recheck.h"
#include "state/registry.h"
#include "state/root.h"
#include "state/sets.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/netlink.h"
#include "util/netns.h"
#include "util/reason.h"

#define INTERVAL 5 /* seconds, unless --interval says otherwise */
#define MAX_INTERVAL 86400
/* Seconds until another try, at most, whatever the interval is: */
#define AFTER_FAILURE 5
#define AFTER_BUSY 1
/* After so many looks without the lock it is worth a line: a load takes less. */
#define BUSY_LOOKS 5
/* Changes come in bursts (a link, its addresses, its routes): look when they have settled. */
#define SETTLE_MS 200
#define LATEST_MS 1000 /* but no longer than that */

#define TEXT 512

/* A slot for a tunnel, with the knowledge of the last look at the tunnel in it. */
struct followed {
	uint64_t set;
	uint32_t slot;
	uint32_t ifindex; /* of the tunnel, if it had one of the names; else 0 */
	/* The last sentence about it, so that it is not said again and again. */
	char name[DSCP_IFNAMSIZ];
	char said[TEXT];
};

struct monitor {
	const char *names[MAX_NAMES];
	unsigned int n_names; /* 0: all tunnels */
	bool found[MAX_NAMES]; /* a tunnel of that name is loaded */
	int events; /* a descriptor, see nl_events_open() */
	int ovpn_events; /* see nl_ovpn_events_open(); -1: none of the tunnels is an ovpn */
	sigset_t unblocked; /* signals, while waiting */
	struct followed *followed;
	unsigned int n_followed;
	uint32_t interval; /* seconds between two looks without an event */
	bool watching; /* the first look is over */
	char watched[TEXT]; /* names of tunnels, at the first look */
	unsigned int n_busy; /* so many looks ago another process took the lock, and has it still */
	/* From the last look with the lock: */
	unsigned int n_tunnels, n_loaded, n_broken;
	bool failed; /* a repair */
};

static const struct arg_option monitor_options[] = {
	{ "interval", 0, "SECONDS", "look so often besides, 1 to 86400 (default: 5)", NULL,
	  ARG_NUMBER, ARG_TO(struct monitor, interval), .min = 1, .max = MAX_INTERVAL },
	VERBOSE_OPTION,
	{},
};

const struct arg_command monitor_command = {
	.name = "monitor",
	.synopsis = "[TUNNEL...]",
	.help = "follow changes, and keep loaded tunnels right",
	.options = monitor_options,
	.min_args = 0,
	.max_args = MAX_NAMES,
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

/* To systemd, if it has started us (sd_notify(3)). */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), 0, (struct sockaddr *)&address,
		   offsetof(struct sockaddr_un, sun_path) + len) < 0)
		log_debug("systemd does not listen: %s", log_strerror(-errno));
	close(fd);
}

static bool is_named(struct monitor *m, const struct pins *pins, uint32_t slot)
{
	for (unsigned int i = 0; i < m->n_names; i++)
		if (registry_find(pins, m->names[i]) == slot)
			return m->found[i] = true;
	return !m->n_names;
}

/* NULL: there is no memory. */
static struct followed *follow(struct monitor *m, uint64_t set, uint32_t slot)
{
	struct followed *more;

	for (unsigned int i = 0; i < m->n_followed; i++)
		if (m->followed[i].set == set && m->followed[i].slot == slot)
			return &m->followed[i];
	more = realloc(m->followed, (m->n_followed + 1) * sizeof(*more));
	if (!more)
		return NULL;
	m->followed = more;
	more += m->n_followed++;
	*more = (struct followed){ .set = set, .slot = slot };
	return more;
}

/* A place that is free is no tunnel's that was followed. */
static void forget_free(struct monitor *m, const struct pins *pins)
{
	for (unsigned int i = 0; i < m->n_followed; i++) {
		struct followed *followed = &m->followed[i];

		if (followed->set == pins->set &&
		    (!pins->tunnels || !pins->tunnels[followed->slot].ifindex))
			followed->ifindex = 0;
	}
}

/* A tunnel that was renamed is the one that was named still. */
static bool is_followed(struct monitor *m, struct followed *f, const struct pins *pins)
{
	const struct dscp_tunnel *tunnel = &pins->tunnels[f->slot];
	bool followed = registry_is_here(pins, f->slot) &&
			(is_named(m, pins, f->slot) || f->ifindex == tunnel->ifindex ||
			 (f->ifindex && tunnel->ifindex == (DSCP_IFINDEX_GONE | f->slot)));

	f->ifindex = followed ? tunnel->ifindex : 0;
	return followed;
}

/* Once, until there is something else to say. An empty text: all is well again. */
static void say(struct followed *f, const struct dscp_tunnel *tunnel, const char *text)
{
	const bool same = !strncmp(f->name, tunnel->name, DSCP_IFNAMSIZ);

	if (same && !strcmp(f->said, text))
		return;
	if (same && !*text)
		log_info("%.15s: all is well again", tunnel->name);
	memcpy(f->name, tunnel->name, DSCP_IFNAMSIZ);
	snprintf(f->said, sizeof(f->said), "%s", text);
	if (*text)
		log_info("%s", text);
}

/* A failed repair is said once, with the change that asked for it. */
static void note(struct monitor *m, struct followed *followed, const struct dscp_tunnel *old,
		 const struct recheck *recheck, int err)
{
	const bool changed = *recheck->change;
	char text[TEXT] = "";

	m->n_tunnels++;
	m->n_loaded += !err && changed;
	m->n_broken += err != 0;
	m->failed |= err && changed;
	if (err && changed)
		snprintf(text, sizeof(text), "%.15s: %.200s, and then %.250s",
			 recheck->wanted.tunnel.name, recheck->change, reason_first());
	else if (err)
		snprintf(text, sizeof(text), "%s", reason_first());
	else if (changed)
		log_info("%.15s: %s: loaded again", recheck->wanted.tunnel.name, recheck->change);
	reason_clear();
	say(followed, old, text);
}

/* A newer dscp-tool is at work: ours would put the old programs back. */
static int replaced(void)
{
	return failed(-ECANCELED, "the programs in force are of another build of dscp-tool: start "
				  "monitor again");
}

static void begin_look(struct monitor *m, bool busy)
{
	if (busy) {
		if (++m->n_busy == BUSY_LOOKS)
			log_info("another dscp-tool is still at work: nothing is repaired "
				 "meanwhile");
		else
			log_debug("another dscp-tool is at work");
		return;
	}
	if (m->n_busy >= BUSY_LOOKS)
		log_info("the other dscp-tool is done");
	m->n_busy = 0;
	nl_events_forget();
	m->n_tunnels = m->n_loaded = m->n_broken = 0;
	m->failed = false;
}

/* A tunnel that is not loaded yet is watched when it is. */
static void begin_watching(struct monitor *m)
{
	char awaited[TEXT] = "";
	size_t len = 0;

	for (unsigned int i = 0; i < m->n_names && len < sizeof(awaited); i++) {
		if (m->found[i])
			continue;
		not_loaded(&monitor_command, m->names[i]);
		reason_print(); /* of a set that cannot be opened */
		len += snprintf(awaited + len, sizeof(awaited) - len, "%s%s", len ? ", " : "",
				m->names[i]);
	}
	if (!m->n_names && !m->n_tunnels)
		snprintf(awaited, sizeof(awaited), "one to be loaded");
	log_info("watching %u tunnel%s%s%s%s%s", m->n_tunnels, m->n_tunnels == 1 ? "" : "s",
		 *m->watched ? ": " : "", m->watched, *awaited ? "; waiting for " : "", awaited);
	m->watching = true;
}

/* With --verbose each look ends with a line, also one that has found nothing to do. */
static void end_look(struct monitor *m)
{
	const char *plural = m->n_tunnels == 1 ? "" : "s";

	if (m->n_loaded || m->n_broken)
		log_debug("checked: %u tunnel%s, %u loaded again, %u not right", m->n_tunnels,
			  plural, m->n_loaded, m->n_broken);
	else
		log_debug("checked: %u tunnel%s, no change", m->n_tunnels, plural);
	if (!m->watching)
		begin_watching(m);
}

/* From now on ovpn tells of its peers. Where it does not, the timer is all there is. */
static void follow_ovpn(struct monitor *m)
{
	struct nl_error why;

	if (m->ovpn_events >= 0)
		return;
	m->ovpn_events = nl_ovpn_events_open(&why);
	if (m->ovpn_events < 0)
		log_debug("cannot follow the peers of ovpn: %s", why.text);
}

/* Loads a tunnel again if that is called for. */
static int check_tunnel(struct monitor *m, struct pins *pins, uint32_t slot)
{
	struct followed *followed = follow(m, pins->set, slot);
	struct recheck recheck;
	int err;

	if (!followed)
		return failed(-ENOMEM, "cannot go on: %s", strerror(ENOMEM));
	if (!is_followed(m, followed, pins))
		return 0;
	/* First, so that nothing falls between what is read and what is told. */
	if (pins->tunnels[slot].kind == DSCP_KIND_OVPN)
		follow_ovpn(m);
	err = recheck_find(pins, slot, &recheck);
	if (*recheck.change)
		err = change_tunnel(&recheck.wanted, NULL, 0);
	note(m, followed, &pins->tunnels[slot], &recheck, err);
	if (!m->watching) {
		size_t len = strlen(m->watched);

		snprintf(m->watched + len, TEXT - len, "%s%.15s", len ? ", " : "",
			 pins->tunnels[slot].name);
	}
	return 0;
}

static bool is_here(const struct pins *pins)
{
	for_each_tunnel (slot, pins)
		if (registry_is_here(pins, slot))
			return true;
	return false;
}

static int check_set(struct pins *pins, void *ctx)
{
	struct monitor *m = ctx;
	int err = 0;

	forget_free(m, pins);
	if (!pins->tunnels || !is_here(pins))
		return 0;
	if (!install_is_ours(pins))
		return replaced();
	if (install_renew(pins, 0)) { /* after a load that was killed half way */
		m->failed = true;
		reason_print();
	}
	for_each_tunnel (slot, pins)
		err = err ? err : check_tunnel(m, pins, slot);
	return err;
}

/* A tunnel of here that is in another set, which cannot be opened, is no reason to leave out the
 * others. */
static int refuse_own(struct pins *pins, int err, void *ctx)
{
	return pins_are_own(pins) ? sets_refuse(pins, err, ctx) : 0;
}

/* Under the lock, so that the maps stay as they were read but for changes made here. -EBUSY:
 * another process has it. Other errors have been said. */
static int check_all(struct monitor *m)
{
	_cleanup_lock_ int lock = root_try_lock();
	int err;

	begin_look(m, lock == -EBUSY);
	if (lock < 0 && lock != -ENOENT)
		return lock;
	err = sets_for_each(check_set, refuse_own, m);
	if (err)
		return err;
	end_look(m);
	return 0;
}

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The timer, in ms. A failed step is tried again soon, even if the interval is long. */
static long time_to_wait(const struct monitor *m)
{
	unsigned long seconds = m->n_busy ? AFTER_BUSY : m->failed ? AFTER_FAILURE : m->interval;

	return 1000L * (seconds < m->interval ? seconds : m->interval);
}

/* Reads all events that have come. True if one of them can matter. */
static bool read_events(const struct monitor *m)
{
	const bool changed = nl_events_read(m->events);

	return (m->ovpn_events >= 0 && nl_ovpn_events_read(m->ovpn_events)) || changed;
}

/* Waits until something happens, and has settled; or until the timer. After a repair that failed
 * only the timer counts: taking the repair back makes events, too. */
static void wait_for_change(const struct monitor *m)
{
	struct pollfd poll[] = {
		{ .fd = m->failed ? -1 : m->events, .events = POLLIN },
		{ .fd = m->failed ? -1 : m->ovpn_events, .events = POLLIN },
	};
	long timeout = time_to_wait(m), end = milliseconds() + timeout, latest = 0;

	for (; !stopped && timeout > 0; timeout = end - milliseconds()) {
		const struct timespec wait = { .tv_sec = timeout / 1000,
					       .tv_nsec = timeout % 1000 * 1000000 };

		if (ppoll(poll, ARRAY_SIZE(poll), &wait, &m->unblocked) <= 0)
			break;
		if (!read_events(m))
			continue;
		end = milliseconds() + SETTLE_MS;
		if (!latest)
			latest = end - SETTLE_MS + LATEST_MS;
		if (end > latest)
			end = latest;
	}
	read_events(m);
}

/* SIGTERM and SIGINT stop monitor while it waits, and only then; unblocked: the signals before. */
static void catch_signals(sigset_t *unblocked)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, unblocked);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

static int set_up(struct monitor *m)
{
	struct nl_error why;

	m->events = nl_events_open(&why);
	if (m->events < 0)
		return failed(m->events, "cannot follow links and routes: %s", why.text);
	catch_signals(&m->unblocked);
	return 0;
}

static void clean_up(struct monitor *m)
{
	if (m->events >= 0)
		close(m->events);
	if (m->ovpn_events >= 0)
		close(m->ovpn_events);
	free(m->followed);
}

int run_monitor(int argc, char **argv)
{
	struct monitor m = { .interval = INTERVAL, .events = -1, .ovpn_events = -1 };
	int status = parsed(&monitor_command,
			    args_parse(&monitor_command, argc, argv, &m, m.names, &m.n_names)),
	    err;

	if (status >= 0)
		return status;
	if (set_up(&m)) {
		clean_up(&m);
		return EXIT_REFUSED;
	}
	err = check_all(&m);
	notify("READY=1");
	while (!stopped && (!err || err == -EBUSY)) {
		wait_for_change(&m);
		if (!stopped)
			err = check_all(&m);
	}
	notify("STOPPING=1");
	clean_up(&m);
	return err && !stopped ? EXIT_REFUSED : EXIT_DONE;
}
