/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect_print.c - what all the inspect verbs share: the loop over operands and the output.
 */
#include <stdio.h>

#include "front/cli/cli.h"
#include "front/cli/inspect.h"
#include "front/cli/template.h"

static int print_formatted(
	const struct template *template, const json_t *document, struct error *err)
{
	_cleanup_str_ struct str out = { 0 };
	int r = template_render(template, document, &out, err);

	if (r == 0)
		printf("%s\n", out.data ? out.data : "");
	return r;
}

static int print_array(const json_t *documents, int flags, struct error *err)
{
	_cleanup_free_ char *text = json_dumps(documents, flags);

	if (!text)
		return error_oom(err);
	printf("%s\n", text);
	return 0;
}

int inspect_print(struct cli *cli, int argc, char *const *argv, inspect_fn fn, const char *format,
	struct error *err)
{
	_cleanup_(template_free) struct template template = { 0 };
	_cleanup_json_ json_t *documents = json_array();
	bool whole = !format || !*format || streq(format, "json");
	int status = 0, r;

	if (!documents)
		return error_oom(err);
	if (!whole && (r = template_parse(format, &template, err)) < 0)
		return r;
	for (int i = 0; i < argc; i++) {
		_cleanup_json_ json_t *document = NULL;

		r = fn(cli, argv[i], &document, err);
		if (r == 0 && whole)
			r = json_array_append(documents, document) < 0 ? error_oom(err) : 0;
		else if (r == 0)
			r = print_formatted(&template, document, err);
		if (r < 0) {
			fflush(stdout);
			cli_print_error(cli, err);
			error_clear(err);
			status = EXIT_FAILURE;
		}
	}
	if (whole &&
		(r = print_array(
			 documents, format && *format ? JSON_COMPACT : JSON_INDENT(4), err)) < 0)
		return r;
	return status;
}
