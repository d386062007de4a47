/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Catches the output of the tool, and checks its conditions. */
#include <setjmp.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include <util/log.h>
#include <util/reason.h>

#include "fuzz.h"
#include "stand_ins.h"

static FILE *real_out, *real_err;
static jmp_buf endless;

void stand_in_sleep(void)
{
	longjmp(endless, 1);
}

void fuzz_capture(struct fuzz_output *output)
{
	real_out = stdout;
	real_err = stderr;
	stdout = open_memstream(&output->out, &output->out_len);
	stderr = open_memstream(&output->err, &output->err_len);
}

void fuzz_captured(struct fuzz_output *output)
{
	static char *out, *err;

	fclose(stdout);
	fclose(stderr);
	stdout = real_out;
	stderr = real_err;
	free(out);
	free(err);
	out = output->out;
	err = output->err;
}

int fuzz_run(int argc, char **argv, struct fuzz_output *output)
{
	volatile int status = ENDLESS;

	fuzz_capture(output);
	if (!setjmp(endless))
		status = dscp_tool_main(argc, argv);
	reason_clear();
	log_set_verbose(false);
	log_reason_reset();
	fuzz_captured(output);
	return status;
}

void check_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		CHECK(((unsigned char)text[i] >= ' ' && text[i] != 127) || text[i] == '\n' ||
			      text[i] == '\t',
		      "byte %zu is 0x%02x in: %s", i, (unsigned char)text[i], text);
}

void check_json(const char *text)
{
	struct json_tokener *tokener = json_tokener_new();

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	while (*text) {
		const char *end = strchr(text, '\n');
		struct json_object *value;

		CHECK(end, "the last line has no end: %s", text);
		value = json_tokener_parse_ex(tokener, text, end - text + 1);
		CHECK(json_tokener_get_error(tokener) == json_tokener_success && value, "%s in: %s",
		      json_tokener_error_desc(json_tokener_get_error(tokener)), text);
		json_object_put(value);
		json_tokener_reset(tokener);
		text = end + 1;
	}
	json_tokener_free(tokener);
}
