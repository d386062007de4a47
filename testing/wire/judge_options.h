/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Options and report of a command that judges packets. */
#ifndef WIRE_JUDGE_OPTIONS_H
#define WIRE_JUDGE_OPTIONS_H

#include "judge.h"
#include "options.h"

struct judge_options {
	struct judge_config cfg;
	const char *tunnel, *expect, *map, *ecn, *handshake;
	bool json;
};

/* Rows of an option table; at(NAME) is the offset of that field of a struct judge_options. */
#define JUDGE_OPTIONS(at)                                                                          \
	{ "--tunnel", OPT_TEXT, at(tunnel), 0, 0 }, { "--from", OPT_ADDRESS, at(cfg.from), 0, 0 }, \
		{ "--port", OPT_NUMBER, at(cfg.port), 1, 65535 },                                  \
		{ "--outer-sport", OPT_NUMBER, at(cfg.outer_sport), 1, 65535 },                    \
		{ "--outer-sports", OPT_NUMBER, at(cfg.outer_sports), 0, 65535 },                  \
		{ "--expect", OPT_TEXT, at(expect), 0, 0 }, { "--map", OPT_TEXT, at(map), 0, 0 },  \
		{ "--ecn", OPT_TEXT, at(ecn), 0, 0 },                                              \
		{ "--handshake", OPT_TEXT, at(handshake), 0, 0 },                                  \
		{ "--unmarked-ok", OPT_FLAG, at(cfg.unmarked_ok), 0, 0 },                          \
		{ "--overhead", OPT_NUMBER, at(cfg.overhead), 0, 256 },                            \
		{ "--nested", OPT_FLAG, at(cfg.nested), 0, 0 },                                    \
		{ "--rule", OPT_FLAG, at(cfg.rule), 0, 0 },                                        \
		{ "--l4", OPT_FLAG, at(cfg.l4), 0, 0 },                                            \
		{ "--min", OPT_NUMBER, at(cfg.min), 0, 100000000 },                                \
	{                                                                                          \
		"--each", OPT_NUMBER, at(cfg.each), 0, 100000000                                   \
	}

/* Sets the values that hold where no option says otherwise. */
void judge_options_init(struct judge_options *opt);
/* Takes the texts over into cfg: 0, or -EINVAL after a message. */
int judge_options_finish(struct judge_options *opt);
/* The members of the verdict's JSON object, without braces. */
void print_json_members(const struct judge *j, bool ok);

#endif
