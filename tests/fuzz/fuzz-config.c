/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-config.c - any config.json is read or refused; what was read can be written, and is read
 * from that as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "container/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is written of a text; NULL when it is refused. */
static char *rewrite(const char *text, size_t size)
{
	_cleanup_json_ json_t *document = NULL;
	struct container_config config;
	struct error error = { 0 };
	char *written;

	if (json_parse(text, size, "input", &document, &error) < 0 ||
		container_config_parse(document, &config, &error) < 0)
		return NULL;
	container_config_check(&config, &error);
	written = container_config_write(&config);
	if (!written)
		abort();
	container_config_free(&config);
	return written;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *once = rewrite((const char *)data, size), *twice;

	if (!once)
		return 0;
	twice = rewrite(once, strlen(once));
	if (!twice || strcmp(once, twice) != 0)
		abort();
	free(once);
	free(twice);
	return 0;
}
