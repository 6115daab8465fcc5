/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-reference.c - image references as a user or a document might write them.
 *
 * What parses must print to something that parses to the same again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_reference first = {}, second = {};
	struct error err = {};
	char *text = malloc(size + 1), *full, *again;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (image_reference_parse(text, &first, &err) == 0) {
		full = image_reference_full(&first);
		if (image_reference_parse(full, &second, &err) < 0)
			abort();
		again = image_reference_full(&second);
		if (strcmp(full, again) != 0)
			abort();
		image_reference_free(&first);
		image_reference_free(&second);
		free(full);
		free(again);
	}
	error_clear(&err);
	free(text);
	return 0;
}
