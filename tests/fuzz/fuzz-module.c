/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-module.c - files that say they are kernel modules, or kernels: what they tell of themselves
 * lies in the file.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = { "depends", "softdep", "" };
	char *copy = malloc(size ? size : 1); /* of this size: reads beyond it are seen */
	char release[KERNEL_RELEASE_MAX];
	struct kernel_facts facts;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *text;
		size_t cursor = 0;

		while ((text = module_info(copy, size, keys[i], &cursor)))
			if (text < copy || text + strlen(text) >= copy + size)
				abort();
	}
	if (module_lighten(copy, size) > size)
		abort();
	if (kernel_probe(copy, size, &facts) == 0 &&
		(facts.format == KERNEL_FORMAT_UNKNOWN || facts.format >= KERNEL_FORMAT_COUNT))
		abort();
	memcpy(copy, data, size);
	for (enum kernel_format f = KERNEL_FORMAT_ELF; f <= KERNEL_FORMAT_BZIMAGE; f++)
		if (kernel_find_release(f, copy, size, release) &&
			!memmem(copy, size, release, strlen(release)))
			abort();
	free(copy);
	return 0;
}
