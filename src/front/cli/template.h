/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template.h - the part of Go's text/template that people use with --format.
 *
 *   literal text, \t and \n (as two characters, too), {{.Field}}, {{.A.B.C}}, {{json .}},
 *   {{json .A.B}}, {{"quoted"}}
 *
 * Anything else is an error that shows it and says what there is; nothing is silently ignored.
 */
#pragma once

#include "base/json.h"

#define TEMPLATE_PIECES_MAX 256

enum template_kind {
	TEMPLATE_TEXT, /* text */
	TEMPLATE_FIELD, /* path = "A.B", "" for "." */
	TEMPLATE_JSON, /* likewise, printed as JSON */
};

struct template_piece {
	enum template_kind kind;
	char *text; /* the text, or the path without its leading dot */
};

struct template
{
	struct template_piece *pieces;
	size_t count;
};

int template_parse(const char *text, struct template *ret, struct error *err);
void template_free(struct template *t);

/*
 * Fill it in from a JSON document. Values print as Go's: strings bare, null "<nil>", arrays
 * "[a b]", objects "map[k:v]". A field that is not there is an error naming it.
 */
int template_render(
	const struct template *t, const json_t *document, struct str *out, struct error *err);
