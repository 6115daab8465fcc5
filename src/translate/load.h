/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - from a program's file to memory and a stack that its first instruction finds.
 */
#pragma once

#include "translate/elf.h"
#include "translate/memory.h"

/* A program's file, read as far as its table of headers. Large: 64 KiB. */
struct load_file {
	int fd;
	Elf64_Ehdr file;
	Elf64_Phdr headers[ELF_SEGMENTS_MAX];
	struct elf_program program;
};

/*
 * Read the headers of fd. -ENOEXEC for what is no program, -EIO when it ends too early, or what
 * pread(2) says.
 */
int load_read(int fd, struct load_file *ret);

/* The loader's name out of a program's file, in a buffer of PATH_MAX: -ENOEXEC, -EIO. */
int load_interpreter_name(const struct load_file *file, char *buffer);

/* Does this path, as the guest sees it, name a regular file that may be executed? An open file, or
 * what execve(2) says. */
int load_open_executable(int dir, const char *path, int flags);

/* The same by descriptor. */
int load_check_executable(int fd);

struct load_image {
	uint64_t bias, entry, headers; /* headers: address of the table */
	uint64_t end; /* of the highest segment */
};

/* Map the file's segments: at their addresses, or at `place` (0: where there is room) if they can
 * move. Errors of execve(2). */
int load_map(struct memory *memory, const struct load_file *file, uint64_t place,
	struct load_image *ret);

/* --- the stack: stack.c ---------------------------------------------------------------------- */

struct stack_contents {
	char *const *argv, *const *envp;
	const char *name; /* AT_EXECFN */
	uint64_t hardware; /* AT_HWCAP */
	uint64_t vdso;
	uint64_t frame_size; /* AT_MINSIGSTKSZ */
	const struct load_image *program;
	uint16_t nr_headers;
	uint64_t loader; /* AT_BASE */
	uint64_t entry; /* AT_ENTRY */
	bool is_secure;
};

/* Where things came to lie, for prctl(PR_SET_MM). */
struct stack_layout {
	uint64_t pointer;
	uint64_t argv_start, argv_end, envp_start, envp_end;
	uint64_t auxv, auxv_size;
};

/* Fill a stack that ends at `top` (and is `size` large). -E2BIG when it is too small. */
int stack_fill(uint64_t top, uint64_t size, const struct stack_contents *contents,
	struct stack_layout *ret);
