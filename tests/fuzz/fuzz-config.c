/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-config.c - any config.json is read or refused, and what was read can be written.
 */
#include <stdlib.h>

#include "container/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *document = NULL;
	struct container_config config;
	struct error error = { 0 };
	char *text;

	if (json_parse((const char *)data, size, "input", &document, &error) < 0 ||
		container_config_parse(document, &config, &error) < 0)
		return 0;
	text = container_config_write(&config);
	if (!text)
		abort();
	free(text);
	container_config_free(&config);
	return 0;
}
