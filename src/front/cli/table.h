/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - rows for people (aligned columns as Docker's) and for programs (--format, -q).
 *
 *   static const struct table_column columns[] = {
 *           { "ID", "CONTAINER ID" }, { "Names", "NAMES" }, { "Labels", "LABELS", .hidden = true },
 *   };
 *   struct table t;
 *   table_open(&t, columns, ARRAY_SIZE(columns), options->format, options->quiet, err);
 *   table_row(&t, (const char *const[]){ id, name, labels }, err);
 *   table_print(&t, stdout, err);
 *
 * --format is: absent or "table" (columns not hidden, with headings), "json" (one object per line,
 * every column), "table TEMPLATE" (headings and alignment), or a TEMPLATE.
 */
#pragma once

#include <stdio.h>

#include "front/cli/template.h"

#define TABLE_COLUMNS_MAX 32
#define TABLE_SHORT_ID	  12 /* digits of an ID without --no-trunc */

struct table_column {
	const char *field; /* "ID": {{.ID}} and the key in JSON */
	const char *heading; /* "CONTAINER ID" */
	bool hidden; /* only by --format */
	bool number; /* its cells are JSON's numbers, or empty: JSON then has no such member */
};

struct table {
	const struct table_column *columns;
	size_t nr_columns;
	bool quiet, json, headings;
	struct template template;
	char **cells; /* row after row */
	size_t nr_cells, capacity;
};

/* `quiet` (-q) prints the first column alone, without a heading. `format` may be NULL. */
int table_open(struct table *t, const struct table_column *columns, size_t nr_columns,
	const char *format, bool quiet, struct error *err);
/* One value per column; NULL is an empty one. Values are copied. */
int table_row(struct table *t, const char *const *values, struct error *err);
int table_print(const struct table *t, FILE *out, struct error *err);
void table_free(struct table *t);

#define _cleanup_table_ _cleanup_(table_free)

/* The first TABLE_SHORT_ID digits of an ID or digest ("sha256:" is dropped), or, with no_trunc, all
 * of it. buf holds at least 80 bytes; returns it. */
const char *table_format_id(char *buf, size_t size, const char *id, bool no_trunc);

/* Text cut to `max` columns with an ellipsis, in quotes when quote (`ps` shows commands so). NULL
 * when memory ran out. */
char *table_format_text(const char *text, size_t max, bool quote, bool no_trunc);

/* The options every listing verb has, as rows for its table. */
#define TABLE_FORMAT_OPTION(type, member)                                                          \
	{                                                                                          \
		OPTION_STRING, 0, "format", offsetof(type, member), "FORMAT",                      \
			"Print as \"table\", \"json\" or a template such as '{{.ID}}\\t{{.Name}}'" \
	}
#define TABLE_QUIET_OPTION(type, member)                                                           \
	{                                                                                          \
		OPTION_FLAG, 'q', "quiet", offsetof(type, member), NULL, "Print IDs only"          \
	}
#define TABLE_NO_TRUNC_OPTION(type, member)                                                        \
	{                                                                                          \
		OPTION_FLAG, 0, "no-trunc", offsetof(type, member), NULL,                          \
			"Do not shorten anything"                                                  \
	}
