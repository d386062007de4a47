/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 The dscp-tool authors */
/* Members of JSON objects, and how all commands write them. */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* Add a member. A string that is NULL becomes null, and so does a number that is not known. */
void json_string(struct json_object *object, const char *key, const char *string);
void json_number(struct json_object *object, const char *key, uint64_t number);
void json_number_if(struct json_object *object, const char *key, bool known, uint64_t number);
void json_boolean(struct json_object *object, const char *key, bool value);

/* Keeps the sentence of an error, see log_errors_to(). */
void json_add_error(const char *sentence);
/* Writes open ("{", or "," within an object), the kept sentences, the exit status, "}" and an end
 * of line, and forgets them. False: nothing is kept, and nothing was written. */
bool json_print_errors(const char *open, int exit_status);

/* Adds the kept sentences and the exit status to an object, if there are any, and forgets them. */
void json_add_errors(struct json_object *object, int exit_status);

/* Writes the end of an object that has members: errors, if there are any, which say that something
 * is missing in it. */
void json_end(int exit_status);

/* Writes the object to stdout, without an end of line, and frees it. */
void json_print(struct json_object *object);

#endif
