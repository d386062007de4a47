/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Writes JSON, by json-c. */
#include "json.h"

#include <stdio.h>

#include "reason.h"

void json_string(struct json_object *object, const char *key, const char *string)
{
	json_object_object_add(object, key, string ? json_object_new_string(string) : NULL);
}

void json_number_if(struct json_object *object, const char *key, bool known, uint64_t number)
{
	json_object_object_add(object, key, known ? json_object_new_uint64(number) : NULL);
}

void json_number(struct json_object *object, const char *key, uint64_t number)
{
	json_number_if(object, key, true, number);
}

void json_boolean(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

static struct json_object *errors;

void json_add_error(const char *sentence)
{
	if (!errors)
		errors = json_object_new_array();
	json_object_array_add(errors, json_object_new_string(sentence));
}

bool json_print_errors(const char *open, int exit_status)
{
	if (!errors)
		return false;
	printf("%s\"errors\":", open);
	json_print(errors);
	errors = NULL;
	printf(",\"exit_status\":%d}\n", exit_status);
	return true;
}

void json_add_errors(struct json_object *object, int exit_status)
{
	reason_print();
	if (!errors)
		return;
	json_object_object_add(object, "errors", errors);
	errors = NULL;
	json_number(object, "exit_status", exit_status);
}

void json_end(int exit_status)
{
	reason_print();
	if (!json_print_errors(",", exit_status))
		puts("}");
}

void json_print(struct json_object *object)
{
	fputs(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE),
	      stdout);
	json_object_put(object);
}
