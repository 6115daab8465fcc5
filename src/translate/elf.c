/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.c - the headers of a riscv64 program, and nothing that they could make us do.
 */
#include "translate/elf.h"

#include <errno.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/mman.h>

#include "translate/internal.h"

enum elf_kind elf_kind(const void *bytes, size_t size)
{
	Elf64_Ehdr header = { 0 };

	memcpy(&header, bytes, size < sizeof(header) ? size : sizeof(header));
	if (size < SELFMAG || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return ELF_NONE;
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
		header.e_machine != EM_RISCV)
		return ELF_FOREIGN;
	if (size < sizeof(header) || (header.e_type != ET_EXEC && header.e_type != ET_DYN))
		return ELF_NONE;
	return ELF_GUEST;
}

int elf_headers_place(const Elf64_Ehdr *file, uint64_t *ret_offset, uint64_t *ret_size)
{
	if (elf_kind(file, sizeof(*file)) != ELF_GUEST || file->e_phentsize != sizeof(Elf64_Phdr) ||
		!file->e_phnum || file->e_phnum > ELF_SEGMENTS_MAX || file->e_phoff > INT64_MAX)
		return -ENOEXEC;
	*ret_offset = file->e_phoff;
	*ret_size = file->e_phnum * sizeof(Elf64_Phdr);
	return 0;
}

bool elf_segment(const Elf64_Phdr *header, struct elf_segment *ret)
{
	if (header->p_type != PT_LOAD || (!header->p_memsz && !header->p_filesz))
		return false;
	*ret = (struct elf_segment){
		.address = header->p_vaddr,
		.file_size = header->p_filesz,
		.memory_size = header->p_memsz,
		.offset = header->p_offset,
		.align = header->p_align,
		.prot = (header->p_flags & PF_R ? PROT_READ : 0) |
			(header->p_flags & PF_W ? PROT_WRITE : 0) |
			(header->p_flags & PF_X ? PROT_EXEC : 0),
	};
	return true;
}

static int take_segment(struct elf_program *program, const struct elf_segment *segment, bool *first)
{
	uint64_t start = segment->address & ~(GUEST_PAGE - 1), end;

	if (segment->file_size > segment->memory_size || segment->memory_size > GUEST_END ||
		segment->address > GUEST_END - segment->memory_size ||
		segment->offset > INT64_MAX - segment->file_size ||
		segment->offset % GUEST_PAGE != segment->address % GUEST_PAGE)
		return -ENOEXEC;
	end = (segment->address + segment->memory_size + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
	if (*first || start < program->low)
		program->low = start;
	if (*first || end > program->high)
		program->high = end;
	*first = false;
	if (segment->align > program->align && (segment->align & (segment->align - 1)) == 0 &&
		segment->align <= GUEST_SHORT_END)
		program->align = segment->align;
	return 0;
}

int elf_read(const Elf64_Ehdr *file, const Elf64_Phdr *headers, struct elf_program *ret)
{
	struct elf_program program = { .is_fixed = file->e_type == ET_EXEC,
		.entry = file->e_entry,
		.nr_headers = file->e_phnum,
		.align = GUEST_PAGE };
	struct elf_segment segment;
	bool first = true;
	int r = elf_headers_place(file, &program.headers_offset, &program.headers_size);

	for (uint16_t i = 0; r == 0 && i < file->e_phnum; i++) {
		const Elf64_Phdr *header = &headers[i];

		if (elf_segment(header, &segment)) {
			r = take_segment(&program, &segment, &first);
		} else if (header->p_type == PT_GNU_STACK) {
			program.stack_is_executable = (header->p_flags & PF_X) != 0;
		} else if (header->p_type == PT_INTERP && !program.interpreter_size) {
			if (header->p_filesz > PATH_MAX || header->p_filesz < 2 ||
				header->p_offset > INT64_MAX - PATH_MAX)
				return -ENOEXEC;
			program.interpreter_offset = header->p_offset;
			program.interpreter_size = header->p_filesz;
		}
	}
	/* Nothing to load: the kernel starts it and it dies at once. It is no program. */
	if (r == 0 && first)
		r = -ENOEXEC;
	if (r == 0 && program.is_fixed && program.low < GUEST_START)
		r = -ENOEXEC;
	if (r < 0)
		return r;
	*ret = program;
	return 0;
}
