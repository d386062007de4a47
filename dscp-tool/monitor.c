/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/*
 * Keeps loaded tunnels right. What is wanted is in the pinned map of tunnels, so there is nothing
 * to remember: whenever something has changed, each tunnel is discovered anew, as load does it,
 * and loaded again if the answer or a hook is not what it was. rtnetlink tells of most changes;
 * WireGuard's ports and endpoints, and TCX links, have no notifications, hence the timer.
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
#include "state/reload.h"
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
/* Changes come in bursts (a link, its addresses, its routes): look when they have settled. */
#define SETTLE_MS 200
#define LATEST_MS 1000 /* but no longer than that */
#define MAX_NAMES 64

#define TEXT 512

/* What was said of a tunnel last, so that it is not said again and again. */
struct said {
	char name[DSCP_IFNAMSIZ];
	char text[TEXT];
};

struct monitor {
	const char *names[MAX_NAMES];
	unsigned int n_names; /* 0: all tunnels */
	int events; /* a descriptor, see nl_events_open() */
	sigset_t unblocked; /* signals, while waiting */
	struct said *said; /* by slot */
	uint32_t *followed; /* by slot: ifindex of the tunnel that had one of the names */
	uint32_t interval; /* seconds between two looks without an event */
	bool watching; /* the first look is over */
	bool busy; /* at the last look another process had the lock */
	/* Of the last look with the lock: */
	unsigned int n_tunnels, n_loaded, n_broken;
	bool failed; /* a repair */
};

static const struct arg_option monitor_options[] = {
	{ "interval", 0, "SECONDS", "look so often besides, 1 to 86400 (default: 5)", ARG_NUMBER,
	  ARG_TO(struct monitor, interval), .min = 1, .max = MAX_INTERVAL },
	VERBOSE_OPTION,
	{},
};

const struct arg_command monitor_command = {
	.name = "monitor",
	.synopsis = "[TUNNEL...]",
	.help = "follow links, routes and ports, and keep loaded tunnels right",
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

static bool is_named(const struct monitor *m, const struct dscp_tunnel *tunnel)
{
	for (unsigned int i = 0; i < m->n_names; i++)
		if (!strncmp(m->names[i], tunnel->name, DSCP_IFNAMSIZ))
			return true;
	return !m->n_names;
}

/* A tunnel that was renamed is the one that was named still. */
static bool is_followed(struct monitor *m, uint32_t slot, const struct dscp_tunnel *tunnel)
{
	const uint32_t last = m->followed[slot];
	bool followed = tunnel->ifindex && tunnel->netns == netns_own() &&
			(is_named(m, tunnel) || last == tunnel->ifindex ||
			 (last && tunnel->ifindex == (DSCP_IFINDEX_GONE | slot)));

	m->followed[slot] = followed ? tunnel->ifindex : 0;
	return followed;
}

/* Once, until there is something else to say. An empty text: all is well again. */
static void say(struct monitor *m, uint32_t slot, const struct dscp_tunnel *tunnel,
		const char *text)
{
	struct said *said = &m->said[slot];

	if (!strncmp(said->name, tunnel->name, DSCP_IFNAMSIZ) && !strcmp(said->text, text))
		return;
	memcpy(said->name, tunnel->name, DSCP_IFNAMSIZ);
	snprintf(said->text, sizeof(said->text), "%s", text);
	if (*text)
		log_info("%s", text);
}

/* What could not be repaired is said once, with the change that asked for it. */
static void note(struct monitor *m, uint32_t slot, const struct dscp_tunnel *old,
		 const struct reload *reload, int err)
{
	const bool changed = *reload->change;
	char text[TEXT] = "";

	m->n_tunnels++;
	m->n_loaded += !err && changed;
	m->n_broken += err != 0;
	m->failed |= err && changed;
	if (err && changed)
		snprintf(text, sizeof(text), "%.15s: %.200s, and then %.250s", reload->tunnel.name,
			 reload->change, reason_first());
	else if (err)
		snprintf(text, sizeof(text), "%s", reason_first());
	else if (changed)
		log_info("%.15s: %s: loaded again", reload->tunnel.name, reload->change);
	reason_clear();
	say(m, slot, old, text);
}

/* A newer dscp-tool is at work: ours would put the old programs back. */
static int replaced(void)
{
	return failed(-ESTALE, "the programs in force are of another build of dscp-tool: start "
			       "monitor again");
}

static void begin_look(struct monitor *m, bool busy)
{
	m->busy = busy;
	if (busy) {
		log_debug("another dscp-tool is at work");
		return;
	}
	m->n_tunnels = m->n_loaded = m->n_broken = 0;
	m->failed = false;
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
		log_debug("watching %u tunnel%s", m->n_tunnels, plural);
	m->watching = true;
}

/* Under the lock, so that what has been read stays true but for what is done here. -EBUSY: another
 * process has it. Other errors have been said. */
static int check_all(struct monitor *m)
{
	_cleanup_close_ int lock = pins_try_lock();
	int err, failure;
	struct reload reload;
	struct pins pins;

	begin_look(m, lock == -EBUSY);
	if (lock < 0)
		return lock;
	err = pins_open(&pins);
	if (!err && !install_is_ours(&pins))
		err = replaced();
	if (!err && install_renew(&pins, 0)) { /* after a load that was killed half way */
		m->failed = true;
		reason_print();
	}
	for (uint32_t slot = 1; !err && slot < DSCP_MAX_TUNNELS; slot++) {
		if (!is_followed(m, slot, &pins.tunnels[slot]))
			continue;
		failure = reload_find(&pins, slot, &reload);
		if (*reload.change)
			failure = change_tunnel(&reload.tunnel, NULL, 0);
		note(m, slot, &pins.tunnels[slot], &reload, failure);
	}
	if (err != -ENOENT)
		pins_close(&pins);
	if (err && err != -ENOENT)
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

/* The timer, in ms. What was not done is tried again soon, even if the interval is long. */
static long time_to_wait(const struct monitor *m)
{
	unsigned long seconds = m->busy ? AFTER_BUSY : m->failed ? AFTER_FAILURE : m->interval;

	return 1000L * (seconds < m->interval ? seconds : m->interval);
}

/* Until something happens, and has settled; or until the timer. After a repair that failed only
 * the timer: taking it back makes events of its own. */
static void wait_for_change(const struct monitor *m)
{
	struct pollfd poll = { .fd = m->failed ? -1 : m->events, .events = POLLIN };
	long timeout = time_to_wait(m), latest = 0;

	while (!stopped && timeout > 0) {
		const struct timespec wait = { .tv_sec = timeout / 1000,
					       .tv_nsec = timeout % 1000 * 1000000 };

		if (ppoll(&poll, 1, &wait, &m->unblocked) <= 0)
			break;
		nl_events_clear(m->events);
		if (!latest)
			latest = milliseconds() + LATEST_MS;
		timeout = latest - milliseconds();
		if (timeout > SETTLE_MS)
			timeout = SETTLE_MS;
	}
	nl_events_clear(m->events);
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

	m->said = calloc(DSCP_MAX_TUNNELS, sizeof(*m->said));
	m->followed = calloc(DSCP_MAX_TUNNELS, sizeof(*m->followed));
	if (!m->said || !m->followed)
		return failed(-ENOMEM, "cannot begin: %s", strerror(ENOMEM));
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
	free(m->followed);
	free(m->said);
}

int run_monitor(int argc, char **argv)
{
	struct monitor m = { .interval = INTERVAL, .events = -1 };
	int status = parsed(args_parse(&monitor_command, argc, argv, &m, m.names, &m.n_names)), err;

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
