/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.c - typed access to jansson documents, and the streaming writer (RFC 8259).
 */
#include "base/json.h"

#include <inttypes.h>

#include "base/io.h"

/* --- numbers beyond int64_t ------------------------------------------------------------------- */

/* Is it the digits of a number that is a uint64_t, but no int64_t? */
static bool is_large(const char *digits, size_t len, uint64_t *ret)
{
	char number[24];

	if (len < 19 || len > 20)
		return false;
	memcpy(number, digits, len);
	number[len] = '\0';
	return parse_u64(number, UINT64_MAX, ret) == 0 && *ret > INT64_MAX;
}

/* How long the number or word ("true") at `text` is; 0 = neither. */
static size_t token_length(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] && strchr("+-.0123456789Eabcdefghijklmnopqrstuvwxyz", text[n]))
		n++;
	return n;
}

static size_t string_length(const char *text, size_t len)
{
	size_t n = 1;

	while (n < len && text[n] != '"')
		n += text[n] == '\\' && n + 1 < len ? 2 : 1;
	return n < len ? n + 1 : len;
}

/* The same document with those numbers as strings (json.h). */
static void mark_large_numbers(const char *text, size_t len, struct str *out)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		uint64_t value;

		n = text[i] == '"' ? string_length(text + i, len - i)
				   : token_length(text + i, len - i);
		if (is_large(text + i, n, &value))
			str_appendf(out, "\"\\u%04x%" PRIu64 "\"", JSON_LARGE_MARK, value);
		else
			str_append_n(out, text + i, n = n ? n : 1);
	}
}

static bool read_large(const json_t *j, uint64_t *ret)
{
	const char *text = json_string_value(j);

	return text && text[0] == JSON_LARGE_MARK && is_large(text + 1, strlen(text + 1), ret);
}

/* --- reading ---------------------------------------------------------------------------------- */

int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct error *err)
{
	json_error_t e;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);

	if (!j && json_error_code(&e) == json_error_numeric_overflow) {
		_cleanup_str_ struct str marked = { 0 };

		mark_large_numbers(text, len, &marked);
		if (marked.failed)
			return error_oom(err);
		j = json_loadb(marked.data, marked.len, JSON_REJECT_DUPLICATES, &e);
	}
	if (!j)
		return error_set(
			err, EINVAL, "%s is not valid JSON: line %d: %s", what, e.line, e.text);
	*ret = j;
	return 0;
}

int json_read_file(int dir_fd, const char *path, size_t max_bytes, json_t **ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = io_read_file(dir_fd, path, max_bytes, &text, &len, err);
	if (r < 0)
		return r;
	return json_parse(text, len, path, ret, err);
}

/* The member, NULL when missing or null; -EINVAL when `object` is no object at all. */
static int get_member(
	const json_t *object, const char *field, json_t **ret, const char *what, struct error *err)
{
	json_t *j;

	if (!json_is_object(object))
		return error_set(err, EINVAL, "%s must be a JSON object", what);
	j = json_object_get(object, field);
	*ret = json_is_null(j) ? NULL : j;
	return 0;
}

static int wrong_type(const char *what, const char *field, const char *type, struct error *err)
{
	return error_set(err, EINVAL, "%s: %s must be %s", what, field, type);
}

int json_get_string(const json_t *object, const char *field, const char **ret, const char *what,
	struct error *err)
{
	json_t *j;
	int r = get_member(object, field, &j, what, err);

	if (r < 0 || !j)
		return r;
	if (!json_is_string(j))
		return wrong_type(what, field, "a string", err);
	if (strlen(json_string_value(j)) != json_string_length(j))
		return wrong_type(what, field, "a string without NUL bytes", err);
	*ret = json_string_value(j);
	return 0;
}

int json_get_bool(
	const json_t *object, const char *field, bool *ret, const char *what, struct error *err)
{
	json_t *j;
	int r = get_member(object, field, &j, what, err);

	if (r < 0 || !j)
		return r;
	if (!json_is_boolean(j))
		return wrong_type(what, field, "true or false", err);
	*ret = json_is_true(j);
	return 0;
}

int json_get_int(
	const json_t *object, const char *field, int64_t *ret, const char *what, struct error *err)
{
	json_t *j;
	int r = get_member(object, field, &j, what, err);

	if (r < 0 || !j)
		return r;
	if (!json_is_integer(j))
		return wrong_type(what, field, "an integer", err);
	*ret = json_integer_value(j);
	return 0;
}

int json_get_u64(
	const json_t *object, const char *field, uint64_t *ret, const char *what, struct error *err)
{
	json_t *j;
	int r = get_member(object, field, &j, what, err);

	if (r < 0 || !j || read_large(j, ret))
		return r;
	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return wrong_type(what, field, "an integer from 0 to 2^64 - 1", err);
	*ret = (uint64_t)json_integer_value(j);
	return 0;
}

int json_get_object(
	const json_t *object, const char *field, json_t **ret, const char *what, struct error *err)
{
	json_t *j;
	int r = get_member(object, field, &j, what, err);

	if (r < 0 || !j)
		return r;
	if (!json_is_object(j))
		return wrong_type(what, field, "an object", err);
	*ret = j;
	return 0;
}

int json_get_array(
	const json_t *object, const char *field, json_t **ret, const char *what, struct error *err)
{
	json_t *j;
	int r = get_member(object, field, &j, what, err);

	if (r < 0 || !j)
		return r;
	if (!json_is_array(j))
		return wrong_type(what, field, "an array", err);
	*ret = j;
	return 0;
}

int json_get_strv(
	const json_t *object, const char *field, char ***ret, const char *what, struct error *err)
{
	_cleanup_strv_ char **v = NULL;
	json_t *array = NULL, *item;
	size_t i;
	int r = json_get_array(object, field, &array, what, err);

	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		if (!json_is_string(item) ||
			strlen(json_string_value(item)) != json_string_length(item))
			return wrong_type(what, field, "an array of strings", err);
		if (strv_push(&v, json_string_value(item)) < 0)
			return error_oom(err);
	}
	*ret = steal_ptr(&v);
	return 0;
}

/* --- writing --- */

static void write_escaped(struct str *out, const char *s)
{
	const char *start = s;

	str_append_char(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		str_append_n(out, start, (size_t)(s - start));
		start = s + 1;
		switch (c) {
		case '"':
			str_append(out, "\\\"");
			break;
		case '\\':
			str_append(out, "\\\\");
			break;
		case '\n':
			str_append(out, "\\n");
			break;
		case '\t':
			str_append(out, "\\t");
			break;
		case '\r':
			str_append(out, "\\r");
			break;
		default:
			str_appendf(out, "\\u%04x", c);
		}
	}
	str_append_n(out, start, (size_t)(s - start));
	str_append_char(out, '"');
}

static void write_key(struct json_writer *w, const char *key)
{
	if (w->need_comma)
		str_append_char(&w->out, ',');
	w->need_comma = true;
	if (key) {
		write_escaped(&w->out, key);
		str_append_char(&w->out, ':');
	}
}

static void write_open(struct json_writer *w, const char *key, char bracket)
{
	write_key(w, key);
	str_append_char(&w->out, bracket);
	w->need_comma = false;
}

static void write_close(struct json_writer *w, char bracket)
{
	str_append_char(&w->out, bracket);
	w->need_comma = true;
}

void json_begin_object(struct json_writer *w, const char *key)
{
	write_open(w, key, '{');
}

void json_end_object(struct json_writer *w)
{
	write_close(w, '}');
}

void json_begin_array(struct json_writer *w, const char *key)
{
	write_open(w, key, '[');
}

void json_end_array(struct json_writer *w)
{
	write_close(w, ']');
}

void json_write_string(struct json_writer *w, const char *key, const char *value)
{
	if (!value)
		return;
	write_key(w, key);
	write_escaped(&w->out, value);
}

void json_write_int(struct json_writer *w, const char *key, int64_t value)
{
	write_key(w, key);
	str_appendf(&w->out, "%" PRId64, value);
}

void json_write_uint(struct json_writer *w, const char *key, uint64_t value)
{
	write_key(w, key);
	str_appendf(&w->out, "%" PRIu64, value);
}

void json_write_bool(struct json_writer *w, const char *key, bool value)
{
	write_key(w, key);
	str_append(&w->out, value ? "true" : "false");
}

void json_write_double(struct json_writer *w, const char *key, double value)
{
	write_key(w, key);
	str_appendf(&w->out, "%.17g", value);
}

void json_write_raw(struct json_writer *w, const char *key, const char *json)
{
	write_key(w, key);
	str_append(&w->out, json);
}

static void write_members(struct json_writer *w, const char *key, const json_t *object)
{
	const char *name;
	json_t *member;

	json_begin_object(w, key);
	json_object_foreach ((json_t *)(uintptr_t)object, name, member)
		json_write_value(w, name, member);
	json_end_object(w);
}

static void write_items(struct json_writer *w, const char *key, const json_t *array)
{
	json_t *item;
	size_t i;

	json_begin_array(w, key);
	json_array_foreach (array, i, item)
		json_write_value(w, NULL, item);
	json_end_array(w);
}

void json_write_value(struct json_writer *w, const char *key, const json_t *value)
{
	uint64_t large;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		write_members(w, key, value);
		break;
	case JSON_ARRAY:
		write_items(w, key, value);
		break;
	case JSON_STRING:
		if (read_large(value, &large))
			json_write_uint(w, key, large);
		else
			json_write_string(w, key, json_string_value(value));
		break;
	case JSON_INTEGER:
		json_write_int(w, key, json_integer_value(value));
		break;
	case JSON_REAL:
		json_write_double(w, key, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		json_write_bool(w, key, json_is_true(value));
		break;
	case JSON_NULL:
		json_write_raw(w, key, "null");
		break;
	}
}

void json_write_strv(struct json_writer *w, const char *key, char *const *v)
{
	if (!v || !*v)
		return;
	json_begin_array(w, key);
	strv_for_each (s, v)
		json_write_string(w, NULL, *s);
	json_end_array(w);
}

void json_write_map(struct json_writer *w, const char *key, char *const *pairs)
{
	if (!pairs || !*pairs)
		return;
	json_begin_object(w, key);
	strv_for_each (s, pairs) {
		const char *equals = strchrnul(*s, '=');
		_cleanup_free_ char *name = strndup(*s, (size_t)(equals - *s));

		if (!name) {
			w->out.failed = true;
			break;
		}
		json_write_string(w, name, *equals ? equals + 1 : "");
	}
	json_end_object(w);
}

char *json_writer_finish(struct json_writer *w)
{
	w->need_comma = false;
	return str_finish(&w->out);
}
