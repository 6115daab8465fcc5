/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-template.c - --format templates: the first line is the template, the rest the document.
 */
#include <stdint.h>

#include "front/cli/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	_cleanup_str_ struct str out = { 0 };
	_cleanup_json_ json_t *document = NULL;
	struct template t = { 0 };
	struct error err = { 0 };
	char *rest = text;
	const char *line = strsep(&rest, "\n");

	if (template_parse(line, &t, &err) < 0)
		return 0;
	if (rest && json_parse(rest, strlen(rest), "document", &document, &err) == 0)
		template_render(&t, document, &out, &err);
	template_free(&t);
	return 0;
}
