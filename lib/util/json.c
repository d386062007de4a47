/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Writes JSON, by json-c. */
#include "json.h"

#include <stdio.h>

void json_string(struct json_object *object, const char *key, const char *string)
{
	json_object_object_add(object, key, string ? json_object_new_string(string) : NULL);
}

void json_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_uint64(number));
}

void json_boolean(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

void json_print(struct json_object *object)
{
	fputs(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE),
	      stdout);
	json_object_put(object);
}
