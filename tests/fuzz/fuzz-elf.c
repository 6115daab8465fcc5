/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-elf.c - any bytes as a riscv64 program.
 *
 * What is taken for a program keeps the promises that the loader relies on: every segment within
 * the guest's addresses, no sum that overflows, an interpreter's name of a length that fits.
 */
#include <linux/limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "translate/elf.h"
#include "translate/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void check(const struct elf_program *program, const Elf64_Phdr *headers)
{
	struct elf_segment segment;

	expect(program->low < program->high && program->high <= GUEST_END);
	expect(program->align >= GUEST_PAGE && !(program->align & (program->align - 1)));
	expect(!program->is_fixed || program->low >= GUEST_START);
	expect(program->interpreter_size <= PATH_MAX && program->interpreter_size != 1);
	for (uint16_t i = 0; i < program->nr_headers; i++) {
		if (!elf_segment(&headers[i], &segment))
			continue;
		expect(segment.address >= program->low);
		expect(segment.address + segment.memory_size >= segment.address);
		expect(segment.address + segment.memory_size <= program->high);
		expect(segment.file_size <= segment.memory_size);
		expect(segment.offset % GUEST_PAGE == segment.address % GUEST_PAGE);
		expect((int64_t)(segment.offset + segment.file_size) >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Elf64_Phdr headers[ELF_SEGMENTS_MAX];
	struct elf_program program;
	uint64_t offset, table;
	Elf64_Ehdr file;

	elf_kind(data, size);
	if (size < sizeof(file))
		return 0;
	memcpy(&file, data, sizeof(file));
	if (elf_headers_place(&file, &offset, &table) < 0)
		return 0;
	expect(table <= sizeof(headers));
	if (offset > size || table > size - offset)
		return 0;
	memcpy(headers, data + offset, table);
	if (elf_read(&file, headers, &program) == 0)
		check(&program, headers);
	return 0;
}
