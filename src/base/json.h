/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - JSON in (jansson, with limits and errors that name the field) and JSON out (a streaming
 * writer that allocates one buffer and builds no tree: it is on the path of every `run`).
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* No document we read is larger than this unless its reader says so. */
#define JSON_DOCUMENT_MAX (8u << 20)

static inline void cleanup_json(json_t **j)
{
	json_decref(*j);
}

#define _cleanup_json_ _cleanup_(cleanup_json)

/*
 * Parse text; `what` names the document in the error sentence. The caller owns *ret.
 *
 * A number from 2^63 to 2^64 - 1 (Go's uint64, "no limit" in config.json) is more than jansson's
 * integers hold: it becomes a string, a JSON_LARGE_MARK and the digits, which json_get_u64() reads
 * and json_write_value() writes as the number it was.
 */
#define JSON_LARGE_MARK '\1'
int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct error *err);
int json_read_file(int dir_fd, const char *path, size_t max_bytes, json_t **ret, struct error *err);

/*
 * Typed look-ups in an object. A missing or null member gives the default and 0; a member of
 * another type gives -EINVAL and a sentence "WHAT: FIELD must be a string". Strings and members
 * are borrowed from the document.
 */
int json_get_string(const json_t *object, const char *field, const char **ret, const char *what,
	struct error *err);
int json_get_bool(
	const json_t *object, const char *field, bool *ret, const char *what, struct error *err);
int json_get_int(
	const json_t *object, const char *field, int64_t *ret, const char *what, struct error *err);
int json_get_u64(const json_t *object, const char *field, uint64_t *ret, const char *what,
	struct error *err);
int json_get_object(
	const json_t *object, const char *field, json_t **ret, const char *what, struct error *err);
int json_get_array(
	const json_t *object, const char *field, json_t **ret, const char *what, struct error *err);
/* An array of strings as a fresh strv (NULL when missing or empty). */
int json_get_strv(
	const json_t *object, const char *field, char ***ret, const char *what, struct error *err);

/* --- writing --------------------------------------------------------------------------------
 * struct json_writer w = {0};
 * json_begin_object(&w, NULL); json_write_string(&w, "id", id); json_end_object(&w);
 * text = json_writer_finish(&w);
 * `key` is NULL inside arrays and at the top. Nesting is not checked: the writer's caller is our
 * own code, and its tests parse what it wrote.
 */
struct json_writer {
	struct str out;
	bool need_comma;
};

void json_begin_object(struct json_writer *w, const char *key);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w, const char *key);
void json_end_array(struct json_writer *w);
/* A NULL value writes nothing at all: an absent member. */
void json_write_string(struct json_writer *w, const char *key, const char *value);
void json_write_int(struct json_writer *w, const char *key, int64_t value);
void json_write_uint(struct json_writer *w, const char *key, uint64_t value);
void json_write_bool(struct json_writer *w, const char *key, bool value);
void json_write_double(struct json_writer *w, const char *key, double value);
/* Text that already is one JSON value. */
void json_write_raw(struct json_writer *w, const char *key, const char *json);
/* A parsed document; not deeper than json_parse() lets one be. */
void json_write_value(struct json_writer *w, const char *key, const json_t *value);
/* A whole array of strings; nothing when v is NULL or empty. */
void json_write_strv(struct json_writer *w, const char *key, char *const *v);
/* "KEY=VALUE" strings as an object; nothing when empty. */
void json_write_map(struct json_writer *w, const char *key, char *const *pairs);
/* The text, owned by the caller; NULL when memory ran out. */
char *json_writer_finish(struct json_writer *w);
