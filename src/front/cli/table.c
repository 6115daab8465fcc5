/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - collect rows, then print them in the form that was asked for.
 *
 * A table template is filled in once per row and split at its tabs; so a heading row is nothing but
 * a row whose fields are the headings.
 */
#include "front/cli/table.h"

#define COLUMN_GAP 3 /* spaces between columns, as Docker's tabwriter */

/* --- building --- */

static int find_column(const struct table *t, const char *field)
{
	for (size_t i = 0; i < t->nr_columns; i++)
		if (streq(t->columns[i].field, field))
			return (int)i;
	return -1;
}

/* A template may only name our fields: better said before anything is printed. */
static int check_fields(const struct table *t, struct error *err)
{
	_cleanup_str_ struct str known = { 0 };

	for (size_t i = 0; i < t->template.count; i++) {
		const struct template_piece *p = &t->template.pieces[i];

		if (p->kind == TEMPLATE_TEXT || find_column(t, p->text) >= 0 ||
			(p->kind == TEMPLATE_JSON && !*p->text))
			continue;
		for (size_t j = 0; j < t->nr_columns; j++)
			str_appendf(&known, "%s.%s", j ? ", " : "", t->columns[j].field);
		return error_set(err, EINVAL, "template: there is no field .%s here: there are %s",
			p->text, known.data ? known.data : "none");
	}
	return 0;
}

/* The default table is a template too: the columns that are not hidden, between tabs. */
static int default_template(struct table *t, struct error *err)
{
	_cleanup_str_ struct str s = { 0 };
	const char *separator = "";

	for (size_t i = 0; i < t->nr_columns; i++) {
		if (t->columns[i].hidden)
			continue;
		str_appendf(&s, "%s{{.%s}}", separator, t->columns[i].field);
		separator = "\t";
		if (t->quiet)
			break;
	}
	if (s.failed)
		return error_oom(err);
	return template_parse(s.data ? s.data : "", &t->template, err);
}

int table_open(struct table *t, const struct table_column *columns, size_t nr_columns,
	const char *format, bool quiet, struct error *err)
{
	const char *rest;
	int r;

	*t = (struct table){ .columns = columns, .nr_columns = nr_columns, .quiet = quiet };
	if (!format || !*format || streq(format, "table")) {
		t->headings = !quiet;
		return default_template(t, err);
	}
	t->quiet = false;
	if (streq(format, "json")) {
		t->json = true;
		return 0;
	}
	rest = str_after_prefix(format, "table ");
	t->headings = rest != NULL;
	r = template_parse(rest ? rest + strspn(rest, " ") : format, &t->template, err);
	if (r == 0)
		r = check_fields(t, err);
	if (r < 0)
		table_free(t);
	return r;
}

int table_row(struct table *t, const char *const *values, struct error *err)
{
	if (t->nr_cells + t->nr_columns > t->capacity) {
		size_t capacity = t->capacity ? t->capacity * 2 : t->nr_columns * 16;
		char **grown = realloc(t->cells, capacity * sizeof(*grown));

		if (!grown)
			return error_oom(err);
		t->cells = grown;
		t->capacity = capacity;
	}
	for (size_t i = 0; i < t->nr_columns; i++) {
		char *copy = strdup(values[i] ? values[i] : "");

		if (!copy) {
			/* A row is there as a whole or not at all. */
			while (i-- > 0)
				free(t->cells[--t->nr_cells]);
			return error_oom(err);
		}
		t->cells[t->nr_cells++] = copy;
	}
	return 0;
}

void table_free(struct table *t)
{
	for (size_t i = 0; i < t->nr_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	template_free(&t->template);
	*t = (struct table){ 0 };
}

/* --- printing --- */

static char *row_json(const struct table *t, char *const *row)
{
	struct json_writer w = { 0 };

	json_begin_object(&w, NULL);
	for (size_t i = 0; i < t->nr_columns; i++)
		if (!t->columns[i].number)
			json_write_string(&w, t->columns[i].field, row[i]);
		else if (*row[i])
			json_write_raw(&w, t->columns[i].field, row[i]);
	json_end_object(&w);
	return json_writer_finish(&w);
}

static void append_json_string(struct str *out, const char *text)
{
	struct json_writer w = { 0 };
	char *json;

	json_write_string(&w, NULL, text);
	json = json_writer_finish(&w);
	if (json)
		str_append(out, json);
	else
		out->failed = true;
	free(json);
}

static const char *cell(const struct table *t, char *const *row, int column)
{
	return row ? row[column] : t->columns[column].heading;
}

/* One row by the template; row NULL is the headings. */
static char *render_row(const struct table *t, char *const *row)
{
	struct str out = { 0 };

	for (size_t i = 0; i < t->template.count; i++) {
		const struct template_piece *p = &t->template.pieces[i];

		if (p->kind == TEMPLATE_TEXT) {
			str_append(&out, p->text);
		} else if (!*p->text) {
			_cleanup_free_ char *json = row ? row_json(t, row) : strdup("");

			str_append(&out, json ? json : "");
			out.failed |= !json;
		} else if (p->kind == TEMPLATE_JSON && row) {
			append_json_string(&out, cell(t, row, find_column(t, p->text)));
		} else {
			str_append(&out, cell(t, row, find_column(t, p->text)));
		}
	}
	return str_finish(&out);
}

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static size_t width(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void measure(const char *line, size_t widths[TABLE_COLUMNS_MAX])
{
	for (size_t i = 0; i < TABLE_COLUMNS_MAX; i++) {
		size_t n = strcspn(line, "\t");
		size_t w = width(line, n);

		if (w > widths[i])
			widths[i] = w;
		if (!line[n])
			return;
		line += n + 1;
	}
}

static void print_aligned(FILE *out, const char *line, const size_t widths[TABLE_COLUMNS_MAX])
{
	for (size_t i = 0;; i++) {
		size_t n = strcspn(line, "\t");
		int pad;

		fwrite(line, 1, n, out);
		if (!line[n])
			break;
		pad = i < TABLE_COLUMNS_MAX ? (int)(widths[i] - width(line, n)) : 0;
		fprintf(out, "%*s", pad + COLUMN_GAP, "");
		line += n + 1;
	}
	fputc('\n', out);
}

/* Every line of the table: its headings, if any, then its rows. */
static int render_all(const struct table *t, char ***ret, struct error *err)
{
	_cleanup_strv_ char **lines = NULL;

	if (t->headings && strv_push_take(&lines, render_row(t, NULL)) < 0)
		return error_oom(err);
	for (size_t i = 0; i + t->nr_columns <= t->nr_cells; i += t->nr_columns) {
		char *line = t->json ? row_json(t, t->cells + i) : render_row(t, t->cells + i);

		if (!line || strv_push_take(&lines, line) < 0)
			return error_oom(err);
	}
	*ret = steal_ptr(&lines);
	return 0;
}

int table_print(const struct table *t, FILE *out, struct error *err)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };
	_cleanup_strv_ char **lines = NULL;
	int r = render_all(t, &lines, err);

	if (r < 0)
		return r;
	if (t->headings)
		strv_for_each (line, lines)
			measure(*line, widths);
	strv_for_each (line, lines) {
		if (t->headings)
			print_aligned(out, *line, widths);
		else
			fprintf(out, "%s\n", *line);
	}
	return 0;
}

/* --- cells --- */

const char *table_format_id(char *buf, size_t size, const char *id, bool no_trunc)
{
	const char *hex = str_after_prefix(id, "sha256:");

	if (no_trunc)
		snprintf(buf, size, "%s", id);
	else
		snprintf(buf, size, "%.*s", TABLE_SHORT_ID, hex ? hex : id);
	return buf;
}

char *table_format_text(const char *text, size_t max, bool quote, bool no_trunc)
{
	struct str s = { 0 };
	size_t columns = 0, cut = 0, len = strlen(text);

	/* `cut` is where max - 1 characters end: room for the ellipsis. */
	for (size_t i = 0; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (columns + 1 == max)
			cut = i;
		columns++;
	}
	if (quote)
		str_append_char(&s, '"');
	if (no_trunc || columns <= max) {
		str_append(&s, text);
	} else {
		str_append_n(&s, text, cut);
		str_append(&s, "…");
	}
	if (quote)
		str_append_char(&s, '"');
	return str_finish(&s);
}
