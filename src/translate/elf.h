/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf.h - what the headers of a program say, checked as Linux does (fs/binfmt_elf.c).
 *
 * No system calls but pread(2). The file is hostile.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel takes a table of at most 64 KiB. */
#define ELF_SEGMENTS_MAX (65536 / sizeof(Elf64_Phdr))

enum elf_kind {
	ELF_NONE, /* another format, or damaged */
	ELF_GUEST, /* riscv64 */
	ELF_FOREIGN, /* an ELF file for another CPU, the host's perhaps */
};

struct elf_segment {
	uint64_t address, file_size, memory_size, offset, align;
	uint32_t prot; /* PROT_* */
};

struct elf_program {
	bool is_fixed; /* ET_EXEC */
	uint64_t entry;
	uint64_t headers_offset, headers_size;
	uint16_t nr_headers;
	uint64_t low, high; /* of what is loaded, in whole pages; low is 0 for one that can move */
	uint64_t align; /* the largest of the segments', at least a page */
	bool stack_is_executable;
	uint64_t interpreter_offset, interpreter_size; /* size 0: none */
};

/* The kind of file by its first bytes; `size` may be short. */
enum elf_kind elf_kind(const void *bytes, size_t size);

/*
 * Read the program's headers. `headers` (the table, headers_size bytes) has been read by the caller
 * from headers_offset; see elf_headers_place(). -ENOEXEC for what the kernel would not load.
 */
int elf_read(const Elf64_Ehdr *file, const Elf64_Phdr *headers, struct elf_program *ret);

/* Where the table lies; -ENOEXEC when it cannot be one. */
int elf_headers_place(const Elf64_Ehdr *file, uint64_t *ret_offset, uint64_t *ret_size);

/* A header as a segment to load; false when it is none, or empty. */
bool elf_segment(const Elf64_Phdr *header, struct elf_segment *ret);
