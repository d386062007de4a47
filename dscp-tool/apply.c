/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* dscp-tool apply: loads the tunnels that a file lists, and unloads the rest. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "load.h"
#include "state/change.h"
#include "state/install.h"
#include "state/options.h"
#include "state/recheck.h"
#include "state/registry.h"
#include "state/root.h"
#include "state/sets.h"
#include "util/macros.h"
#include "util/reason.h"

#define MAX_WORDS 512 /* of a line */

/* A line of the file. */
struct line {
	struct options options;
	unsigned int number;
	unsigned int ifindex; /* 0: there is no such device yet */
};

struct plan {
	const char *path; /* for messages */
	struct line *lines;
	unsigned int n;
	bool dry_run;
};

static const struct arg_option apply_options[] = {
	{ "dry-run", 0, NULL, "only print the commands that would do it", NULL, ARG_FLAG,
	  ARG_TO(struct plan, dry_run) },
	VERBOSE_OPTION,
	{},
};

const struct arg_command apply_command = {
	.name = "apply",
	.synopsis = "FILE",
	.help = "load what a file lists, and unload the rest",
	.options = apply_options,
	.min_args = 1,
	.max_args = 1,
};

/* Puts the place in front of the sentence that is kept. */
static int bad_line(const struct plan *plan, unsigned int number)
{
	char text[512];

	snprintf(text, sizeof(text), "%s", reason_first());
	reason_clear();
	return failed(-EINVAL, "%s:%u: %s", plan->path, number, text);
}

/* A device may be listed by another one of its names (ip-link(8), altname). */
static const struct line *find_line(const struct plan *plan, const char *name)
{
	const unsigned int ifindex = if_nametoindex(name);
	const struct line *line;

	for (line = plan->lines; line < plan->lines + plan->n; line++)
		if (!strncmp(line->options.request.name, name, DSCP_IFNAMSIZ) ||
		    (ifindex && line->ifindex == ifindex))
			return line;
	return NULL;
}

/* Reads the options of a line, which begins with "load". */
static int parse_load(struct plan *plan, struct line *line, int n, char **words)
{
	const struct line *other;
	int result;

	if (!n || strcmp(words[0], "load"))
		return failed(-EINVAL, "unexpected command '%.40s': use load TUNNEL [OPTION]...",
			      n ? words[0] : "");
	result = options_parse(n, words, &line->options);
	if (result > 0)
		return failed(-EINVAL, "--help is not for a file");
	if (result)
		return -EINVAL;
	if (line->options.dry_run)
		return failed(-EINVAL, "--dry-run is not for a file");
	line->ifindex = if_nametoindex(line->options.request.name);
	other = find_line(plan, line->options.request.name);
	return other ? failed(-EINVAL, "%s is in line %u already", line->options.request.name,
			      other->number)
		     : 0;
}

/* One line of the file, which is nothing, or another one of the plan. */
static int read_line(struct plan *plan, unsigned int number, char *text)
{
	char *words[MAX_WORDS + 1];
	int n = args_split(text, words, MAX_WORDS), err;
	const bool prefixed = n > 0 && !strcmp(words[0], "dscp-tool");
	struct line *line;

	if (!n)
		return 0;
	line = realloc(plan->lines, (plan->n + 1) * sizeof(*line));
	if (!line)
		return failed(-ENOMEM, "no memory");
	plan->lines = line;
	line += plan->n;
	line->number = number;
	if (n == -EINVAL)
		err = failed(n, "a quote has no end");
	else if (n == -E2BIG)
		err = failed(n, "more than %d words", MAX_WORDS);
	else
		err = parse_load(plan, line, n - prefixed, words + prefixed);
	plan->n += !err;
	return err ? bad_line(plan, number) : 0;
}

static int read_file(struct plan *plan)
{
	const bool is_stdin = !strcmp(plan->path, "-");
	FILE *file = is_stdin ? stdin : fopen(plan->path, "re");
	unsigned int number = 0;
	char *text = NULL;
	size_t size = 0;
	ssize_t len;
	int err = 0;

	if (!file)
		return failed(-errno, "cannot open %s: %s", plan->path, strerror(errno));
	while (!err && (len = getline(&text, &size, file)) >= 0) {
		number++;
		/* Behind such a byte would be options that a string does not have. */
		err = strlen(text) == (size_t)len
			      ? read_line(plan, number, text)
			      : failed(-EINVAL, "%s:%u: a byte of 0 is in the line", plan->path,
				       number);
	}
	/* A line that has not been read would be unloaded. */
	if (!err && !feof(file))
		err = failed(-errno, "cannot read %s: %s", plan->path, strerror(errno));
	free(text);
	if (!is_stdin)
		fclose(file);
	return err;
}

/* Options that do not fit the kind of their tunnel are a mistake in the line, too. A tunnel that is
 * not there yet, or has no uplink, is none. */
static int check_lines(const struct plan *plan)
{
	for (unsigned int i = 0; i < plan->n; i++) {
		if (load_fits(&plan->lines[i].options) == TUNNEL_USAGE)
			return bad_line(plan, plan->lines[i].number);
		reason_clear();
	}
	return 0;
}

/* Prints a command for a shell. A name may have any characters, the first one a dash. */
static void puts_for(const char *command, const char *name)
{
	printf("dscp-tool %s %s", command, *name == '-' ? "-- " : "");
	args_quote(stdout, name);
	putchar('\n');
}

/* One that cannot go is no reason to keep the others. */
static int unload_rest(struct pins *pins, void *ctx)
{
	const struct plan *plan = ctx;
	int err = 0, failure;
	bool any = false;

	if (!pins->tunnels)
		return 0;
	for_each_tunnel (slot, pins) {
		char name[DSCP_IFNAMSIZ];

		registry_name(pins, slot, name);
		if (!registry_is_here(pins, slot) || find_line(plan, name))
			continue;
		failure = plan->dry_run ? 0 : change_remove(pins, slot);
		if (plan->dry_run)
			puts_for("unload", name);
		else if (!failure)
			printf("%s: unloaded\n", name);
		err = err ? err : failure;
		any = true;
	}
	failure = any && !plan->dry_run ? install_prune(pins) : 0;
	return err ? err : failure;
}

/* Finds everything anew of a tunnel that is loaded as it should be. Returns 1 if that is not the
 * way: a device of another kind has its name, or the network namespace of its uplinks was made
 * anew. */
static int refresh(const struct plan *plan, const char *name)
{
	struct recheck recheck;
	struct pins pins;
	uint32_t slot;
	int err = sets_find(name, false, &pins, &slot);

	if (!slot)
		return err;
	if (recheck_find(&pins, slot, &recheck)) {
		reason_clear();
		pins_close(&pins);
		return 1;
	}
	if (!plan->dry_run)
		err = change_tunnel(&recheck.wanted, NULL, 0);
	if (!err && *recheck.change && plan->dry_run)
		puts_for("reload", name);
	else if (!err && *recheck.change)
		printf("%s: %s: loaded again\n", name, recheck.change);
	pins_close(&pins);
	return err;
}

/* old: NULL: not loaded. same: the options are unchanged. */
static int load_line(const struct plan *plan, const struct options *options,
		     const struct options *old, bool same)
{
	int err = load_tunnel(options, old, plan->dry_run);

	if (err)
		return err;
	if (!plan->dry_run)
		printf("%s: %s\n", options->request.name,
		       same  ? "loaded again"
		       : old ? "changed"
			     : "loaded");
	if (old)
		options_print_changes(stdout, plan->dry_run ? "# " : "", old, options);
	if (plan->dry_run)
		puts_command(options);
	return 0;
}

static int apply_line(const struct plan *plan, const struct line *line)
{
	struct options *old = calloc(1, sizeof(*old));
	int loaded = old ? load_old(line->options.request.name, old) : failed(-ENOMEM, "no memory");
	int err = loaded < 0 ? loaded : 1;
	bool same;

	if (!line->options.request.flows && old) /* stays as it is */
		old->request.flows = 0;
	same = loaded > 0 && options_same(old, &line->options);
	if (same)
		err = refresh(plan, line->options.request.name);
	if (err == 1)
		err = load_line(plan, &line->options, loaded ? old : NULL, same);
	free(old);
	return err;
}

int run_apply(int argc, char **argv)
{
	struct plan plan = {};
	unsigned int n_args;
	_cleanup_lock_ int lock = -1;
	int status = parsed(&apply_command,
			    args_parse(&apply_command, argc, argv, &plan, &plan.path, &n_args));
	bool ready;

	if (status >= 0)
		return status;
	status = read_file(&plan) || check_lines(&plan) ? EXIT_USAGE : EXIT_DONE;
	if (status == EXIT_DONE && !plan.dry_run) {
		lock = root_lock(true);
		status = lock < 0 ? EXIT_REFUSED : EXIT_DONE;
	}
	ready = status == EXIT_DONE;
	/* Unlisted tunnels go first: they may be in the way. */
	if (ready && sets_for_each(unload_rest, sets_refuse_ours, &plan)) {
		reason_print(); /* else the next line that succeeds clears that */
		status = EXIT_REFUSED;
	}
	/* One that cannot be loaded now is no reason to leave out the others. */
	for (unsigned int i = 0; ready && i < plan.n; i++) {
		if (!apply_line(&plan, &plan.lines[i]))
			continue;
		reason_print(); /* there may be many */
		status = EXIT_REFUSED;
	}
	free(plan.lines);
	return status;
}
