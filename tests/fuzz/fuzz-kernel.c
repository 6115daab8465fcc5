/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-kernel.c - files that a machine is to boot: whatever they say, nothing outside the guest's
 * memory is written, and a kernel that is loaded begins inside it.
 */
#include <stdlib.h>
#include <string.h>

#include "machine/kernel.h"

#define START UINT64_C(0x80000000)
#define SIZE  (UINT64_C(4) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kernel_place place;
	struct vm_memory memory;
	struct kernel kernel;
	char *bytes = malloc(size ? size : 1);

	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	if (kernel_parse(bytes, size, size % 3 ? MACHINE_ARCH_RISCV64 : MACHINE_ARCH_X86_64,
		    size % 2, &kernel, NULL) < 0)
		return 0;
	vm_memory_init(&memory);
	if (vm_memory_add(&memory, START, SIZE, NULL) == 0 &&
		kernel_load(&kernel, &memory, START, &place, NULL) == 0) {
		if (place.start > place.end || !vm_memory_at(&memory, place.start, 1) ||
			place.end > START + SIZE)
			abort();
	}
	vm_memory_destroy(&memory);
	kernel_free(&kernel);
	return 0;
}
