/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-str.c - sizes and durations as a user might type them.
 *
 * A size that was accepted is at most what fits in an int64_t; nothing else is promised of text
 * that was refused than that it was refused.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint64_t bytes;
	int64_t ns;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (parse_size_bytes(text, &bytes) == 0 && bytes > INT64_MAX)
		abort();
	parse_duration_ns(text, &ns);
	strv_free(strv_split(text, ','));
	free(text);
	return 0;
}
