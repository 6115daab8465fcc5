/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-criu.c - answers of criu (container/criu-message.h).
 *
 * An answer is refused, or its texts end inside of their arrays.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "container/criu-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct criu_answer answer;

	if (criu_parse_answer(data, size, &answer) < 0)
		return 0;
	if (strnlen(answer.script, sizeof(answer.script)) == sizeof(answer.script) ||
		strnlen(answer.message, sizeof(answer.message)) == sizeof(answer.message))
		abort();
	return 0;
}
