/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Reads command lines of the harness, and complains about wrong ones. */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

void complain(const char *fmt, ...)
{
	va_list ap;

	fputs("wire: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *number)
{
	char *end;

	/* strtoul() would accept spaces and signs. */
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	*number = strtoul(text, &end, text[1] == 'x' ? 16 : 10);
	if (errno || *end || *number < min || *number > max)
		return -EINVAL;
	return 0;
}

int parse_address(const char *text, struct address *address)
{
	memset(address, 0, sizeof(*address));
	address->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address->family, text, address->bytes) == 1)
		return 0;
	address->family = AF_UNSPEC;
	return -EINVAL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int parse_hex(const char *text, uint8_t *bytes, size_t max)
{
	size_t n = 0;
	int high, low;

	for (; *text; text += 2) {
		high = hex_digit(text[0]);
		low = text[1] ? hex_digit(text[1]) : -1;
		if (high < 0 || low < 0 || n == max)
			return -EINVAL;
		bytes[n++] = (uint8_t)(high << 4 | low);
	}
	return (int)n;
}

int parse_mac(const char *text, struct mac *mac)
{
	int i;

	for (i = 0; i < 6; i++, text += 3) {
		char pair[3] = { text[0], text[0] ? text[1] : 0, 0 };

		if (parse_hex(pair, &mac->bytes[i], 1) != 1 || text[2] != (i < 5 ? ':' : 0))
			return -EINVAL;
	}
	mac->set = true;
	return 0;
}

static int store_number(const struct option_spec *opt, const char *value, void *field)
{
	unsigned long number;

	if (opt->kind == OPT_CYCLE && strcmp(value, "cycle") == 0) {
		*(int *)field = CYCLE;
		return 0;
	}
	if (parse_number(value, opt->min, opt->max, &number)) {
		complain("%s: '%s' is not a number from %lu to %lu%s", opt->name, value, opt->min,
			 opt->max, opt->kind == OPT_CYCLE ? ", or 'cycle'" : "");
		return -EINVAL;
	}
	if (opt->kind == OPT_CYCLE)
		*(int *)field = (int)number;
	else
		*(unsigned int *)field = (unsigned int)number;
	return 0;
}

static int store(const struct option_spec *opt, const char *value, void *field)
{
	switch (opt->kind) {
	case OPT_FLAG:
		*(bool *)field = true;
		return 0;
	case OPT_NUMBER:
	case OPT_CYCLE:
		return store_number(opt, value, field);
	case OPT_TEXT:
		*(const char **)field = value;
		return 0;
	case OPT_ADDRESS:
		if (parse_address(value, field) == 0)
			return 0;
		complain("%s: '%s' is not an IPv4 or IPv6 address", opt->name, value);
		return -EINVAL;
	case OPT_MAC:
		if (parse_mac(value, field) == 0)
			return 0;
		complain("%s: '%s' is not an address like 02:00:00:00:00:01", opt->name, value);
		return -EINVAL;
	}
	return -EINVAL;
}

static const struct option_spec *find_option(const struct option_spec *opt, const char *text,
					     const char **value)
{
	size_t len = strcspn(text, "=");

	*value = text[len] ? text + len + 1 : NULL;
	for (; opt->name; opt++)
		if (strlen(opt->name) == len && strncmp(opt->name, text, len) == 0)
			return opt;
	return NULL;
}

/* Takes the option at argv[*i], and its value. */
static int take_option(const struct command *cmd, int argc, char **argv, int *i, void *config)
{
	const struct option_spec *opt;
	const char *value;

	opt = find_option(cmd->options, argv[*i], &value);
	if (!opt) {
		complain("%s: no option '%s'; see wire %s --help", cmd->name, argv[*i], cmd->name);
		return -EINVAL;
	}
	if (opt->kind == OPT_FLAG ? value != NULL : !value && *i + 1 >= argc) {
		complain("%s: %s %s a value", cmd->name, opt->name,
			 value ? "does not take" : "needs");
		return -EINVAL;
	}
	if (opt->kind != OPT_FLAG && !value)
		value = argv[++*i];
	return store(opt, value, (char *)config + opt->offset);
}

int options_parse(const struct command *cmd, int argc, char **argv, void *config, const char **args)
{
	unsigned int n = 0;
	int i, err;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			printf("usage: wire %s %s\n", cmd->name, cmd->usage);
			return 1;
		}
		if (argv[i][0] == '-') {
			err = take_option(cmd, argc, argv, &i, config);
			if (err)
				return err;
			continue;
		}
		if (n < cmd->n_args)
			args[n] = argv[i];
		n++;
	}
	if (n == cmd->n_args)
		return 0;
	complain("%s: %u arguments instead of %u; see wire %s --help", cmd->name, n, cmd->n_args,
		 cmd->name);
	return -EINVAL;
}
