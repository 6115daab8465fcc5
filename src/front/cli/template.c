/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template.c - parse and fill in --format templates.
 */
#include "front/cli/template.h"

#include <ctype.h>

#define BLANKS " \t\n"

void template_free(struct template *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->pieces[i].text);
	free(t->pieces);
	*t = (struct template){ 0 };
}

static int add_piece(struct template *t, enum template_kind kind, char *text, struct error *err)
{
	struct template_piece *grown;

	if (!text)
		return error_oom(err);
	if (t->count >= TEMPLATE_PIECES_MAX) {
		free(text);
		return error_set(err, E2BIG, "template: more than %d parts", TEMPLATE_PIECES_MAX);
	}
	grown = realloc(t->pieces, (t->count + 1) * sizeof(*grown));
	if (!grown) {
		free(text);
		return error_oom(err);
	}
	t->pieces = grown;
	t->pieces[t->count++] = (struct template_piece){ kind, text };
	return 0;
}

/* Literal text; a shell's '\t' arrives as two characters and means a tab, as in Docker. */
static char *unescape(const char *text, size_t len)
{
	struct str s = { 0 };

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\' && i + 1 < len && (text[i + 1] == 't' || text[i + 1] == 'n'))
			str_append_char(&s, text[++i] == 't' ? '\t' : '\n');
		else
			str_append_char(&s, text[i]);
	}
	return str_finish(&s);
}

/* ".", ".A", ".A.B": the path without its first dot, or NULL when that is not what it is. */
static char *parse_path(const char *text, size_t len)
{
	if (len == 0 || text[0] != '.')
		return NULL;
	for (size_t i = 1; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (!isalnum(c) && c != '_' && c != '-' && (c != '.' || text[i - 1] == '.'))
			return NULL;
	}
	if (len > 1 && text[len - 1] == '.')
		return NULL;
	return strndup(text + 1, len - 1);
}

/* What stands between {{ and }}, trimmed. */
static int parse_action(struct template *t, const char *text, size_t len, struct error *err)
{
	enum template_kind kind = TEMPLATE_FIELD;
	size_t skip = 0;
	char *path;

	if (len >= 2 && text[0] == '"' && text[len - 1] == '"' && !memchr(text + 1, '"', len - 2))
		return add_piece(t, TEMPLATE_TEXT, unescape(text + 1, len - 2), err);
	if (len > 5 && memcmp(text, "json", 4) == 0 && strchr(BLANKS, text[4])) {
		kind = TEMPLATE_JSON;
		skip = 4 + strspn(text + 4, BLANKS);
	}
	path = parse_path(text + skip, len - skip);
	if (!path)
		return error_set(err, EINVAL,
			"template: {{%.*s}} is not known here: there are {{.Field}}, {{.A.B}}, {{json .}} and {{json .Field}}",
			(int)len, text);
	return add_piece(t, kind, path, err);
}

static int parse_pieces(struct template *t, const char *text, struct error *err)
{
	while (*text) {
		const char *open = strstr(text, "{{"), *end;
		size_t len = open ? (size_t)(open - text) : strlen(text);
		int r;

		if (len) {
			r = add_piece(t, TEMPLATE_TEXT, unescape(text, len), err);
			if (r < 0)
				return r;
		}
		if (!open)
			return 0;
		open += 2;
		end = strstr(open, "}}");
		if (!end)
			return error_set(err, EINVAL, "template: {{ without }}: {{%s", open);
		text = end + 2;
		open += strspn(open, BLANKS);
		while (end > open && strchr(BLANKS, end[-1]))
			end--;
		r = parse_action(t, open, end > open ? (size_t)(end - open) : 0, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int template_parse(const char *text, struct template *ret, struct error *err)
{
	struct template t = { 0 };
	int r = parse_pieces(&t, text, err);

	if (r < 0) {
		template_free(&t);
		return r;
	}
	*ret = t;
	return 0;
}

static const json_t *look_up(const json_t *document, const char *path)
{
	while (*path && document) {
		size_t n = (size_t)(strchrnul(path, '.') - path);

		document = json_object_getn(document, path, n);
		path += n + (path[n] == '.');
	}
	return document;
}

static int append_json(struct str *out, const json_t *value, struct error *err)
{
	_cleanup_free_ char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!text)
		return error_oom(err);
	str_append(out, text);
	return 0;
}

/* As Go's fmt prints a value with %v. Depth is bounded by the JSON parser's own limit. */
static void append_go(struct str *out, const json_t *value)
{
	const char *separator = "", *key;
	json_t *item;
	size_t i;

	switch (json_typeof(value)) {
	case JSON_STRING:
		str_append(out, json_string_value(value));
		break;
	case JSON_INTEGER:
		str_appendf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		str_appendf(out, "%g", json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		str_append(out, json_is_true(value) ? "true" : "false");
		break;
	case JSON_NULL:
		str_append(out, "<nil>");
		break;
	case JSON_ARRAY:
		str_append_char(out, '[');
		json_array_foreach (value, i, item) {
			str_append(out, separator);
			append_go(out, item);
			separator = " ";
		}
		str_append_char(out, ']');
		break;
	case JSON_OBJECT:
		str_append(out, "map[");
		json_object_foreach ((json_t *)value, key, item) {
			str_appendf(out, "%s%s:", separator, key);
			append_go(out, item);
			separator = " ";
		}
		str_append_char(out, ']');
		break;
	}
}

int template_render(
	const struct template *t, const json_t *document, struct str *out, struct error *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct template_piece *p = &t->pieces[i];
		const json_t *value;
		int r;

		if (p->kind == TEMPLATE_TEXT) {
			str_append(out, p->text);
			continue;
		}
		value = look_up(document, p->text);
		if (!value)
			return error_set(
				err, EINVAL, "template: there is no field .%s here", p->text);
		if (p->kind == TEMPLATE_FIELD) {
			append_go(out, value);
			continue;
		}
		r = append_json(out, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}
