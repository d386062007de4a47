/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Members of JSON objects, and how all commands write them. */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* Add a member. A string that is NULL becomes null. */
void json_string(struct json_object *object, const char *key, const char *string);
void json_number(struct json_object *object, const char *key, uint64_t number);
void json_boolean(struct json_object *object, const char *key, bool value);

/* Writes the object to stdout, without an end of line, and frees it. */
void json_print(struct json_object *object);

#endif
