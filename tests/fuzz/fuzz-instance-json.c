/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-instance-json.c - instance.json and state.json as a crash or a stranger might leave them.
 * What parses is written as something that parses to the same again.
 */
#include <stdlib.h>
#include <string.h>

#include "instance/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *parse_or_abort(const char *text)
{
	json_t *document = NULL;

	if (!text || json_parse(text, strlen(text), "again", &document, NULL) < 0)
		abort();
	return document;
}

static void as_spec(const json_t *document)
{
	struct instance_spec spec, again;
	char *first, *second;
	json_t *copy;

	if (instance_spec_parse(document, &spec, NULL) < 0)
		return;
	first = instance_spec_write(&spec);
	copy = parse_or_abort(first);
	if (instance_spec_parse(copy, &again, NULL) < 0)
		abort();
	second = instance_spec_write(&again);
	if (strcmp(first, second) != 0)
		abort();
	free(first);
	free(second);
	json_decref(copy);
	instance_spec_free(&spec);
	instance_spec_free(&again);
}

static void as_state(const json_t *document)
{
	struct instance_state state, again;
	char *first, *second;
	json_t *copy;

	if (instance_state_parse(document, &state, NULL) < 0)
		return;
	first = instance_state_write(&state);
	copy = parse_or_abort(first);
	if (instance_state_parse(copy, &again, NULL) < 0)
		abort();
	second = instance_state_write(&again);
	if (strcmp(first, second) != 0)
		abort();
	free(first);
	free(second);
	json_decref(copy);
	instance_state_free(&state);
	instance_state_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *document = NULL;

	if (json_parse((const char *)data, size, "input", &document, NULL) < 0)
		return 0;
	as_spec(document);
	as_state(document);
	json_decref(document);
	return 0;
}
