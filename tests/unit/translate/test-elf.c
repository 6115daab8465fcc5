/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-elf.c - what is a program, and what only looks like one.
 */
#include "unit/test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "translate/elf.h"
#include "translate/internal.h"

#define HEADERS 3

struct file {
	Elf64_Ehdr file;
	Elf64_Phdr headers[HEADERS];
};

/* A program of two segments and a stack. */
static struct file make(void)
{
	struct file f = { .file = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					    ELFDATA2LSB, EV_CURRENT },
				  .e_type = ET_EXEC,
				  .e_machine = EM_RISCV,
				  .e_entry = 0x10100,
				  .e_phoff = sizeof(Elf64_Ehdr),
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_phnum = HEADERS },
		.headers = { { .p_type = PT_LOAD,
				     .p_flags = PF_R | PF_X,
				     .p_vaddr = 0x10000,
				     .p_filesz = 0x1234,
				     .p_memsz = 0x1234,
				     .p_align = 0x1000 },
			{ .p_type = PT_LOAD,
				.p_flags = PF_R | PF_W,
				.p_vaddr = 0x12234,
				.p_offset = 0x1234,
				.p_filesz = 0x10,
				.p_memsz = 0x2000,
				.p_align = 0x10000 },
			{ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W } } };

	return f;
}

static int read_file(const struct file *f, struct elf_program *program)
{
	return elf_read(&f->file, f->headers, program);
}

static void a_program_is_read(void **state)
{
	struct file f = make();
	struct elf_program program;
	struct elf_segment segment;

	assert_int_equal(elf_kind(&f, sizeof(f)), ELF_GUEST);
	assert_int_equal(read_file(&f, &program), 0);
	assert_true(program.is_fixed && !program.stack_is_executable);
	assert_int_equal(program.low, 0x10000);
	assert_int_equal(program.high, 0x15000);
	assert_int_equal(program.align, 0x10000);
	assert_int_equal(program.interpreter_size, 0);
	assert_true(elf_segment(&f.headers[1], &segment));
	assert_int_equal(segment.prot, PROT_READ | PROT_WRITE);
	assert_false(elf_segment(&f.headers[2], &segment));
	f.headers[2].p_flags |= PF_X;
	assert_int_equal(read_file(&f, &program), 0);
	assert_true(program.stack_is_executable);
}

static void kinds_are_told_apart(void **state)
{
	struct file f = make();

	assert_int_equal(elf_kind("#!/bin/sh", 9), ELF_NONE);
	assert_int_equal(elf_kind("\177EL", 3), ELF_NONE);
	assert_int_equal(elf_kind(&f, 0), ELF_NONE);
	assert_int_equal(elf_kind(&f, sizeof(f.file) - 1), ELF_NONE);
	f.file.e_type = ET_REL;
	assert_int_equal(elf_kind(&f, sizeof(f)), ELF_NONE);
	f = make();
	f.file.e_machine = EM_X86_64;
	assert_int_equal(elf_kind(&f, sizeof(f)), ELF_FOREIGN);
	f = make();
	f.file.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(elf_kind(&f, sizeof(f)), ELF_FOREIGN);
	f = make();
	f.file.e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(elf_kind(&f, sizeof(f)), ELF_FOREIGN);
}

static void refuse(void (*spoil)(struct file *))
{
	struct file f = make();
	struct elf_program program;

	spoil(&f);
	assert_int_equal(read_file(&f, &program), -ENOEXEC);
}

static void no_headers(struct file *f)
{
	f->file.e_phnum = 0;
}

static void too_many_headers(struct file *f)
{
	f->file.e_phnum = ELF_SEGMENTS_MAX + 1;
}

static void other_headers(struct file *f)
{
	f->file.e_phentsize = 32;
}

static void headers_far_away(struct file *f)
{
	f->file.e_phoff = UINT64_MAX - 8;
}

static void nothing_to_load(struct file *f)
{
	f->headers[0].p_type = f->headers[1].p_type = PT_NOTE;
}

static void more_file_than_memory(struct file *f)
{
	f->headers[1].p_filesz = f->headers[1].p_memsz + 1;
}

static void memory_that_overflows(struct file *f)
{
	f->headers[1].p_memsz = UINT64_MAX - 0x100;
}

static void memory_beyond_the_guests(struct file *f)
{
	f->headers[1].p_vaddr = GUEST_END - 0x1000 + 0x234;
}

static void address_that_overflows(struct file *f)
{
	f->headers[1].p_vaddr = UINT64_MAX - 0xdcb;
}

static void offset_that_overflows(struct file *f)
{
	f->headers[1].p_offset = INT64_MAX - 0xdcb;
	f->headers[1].p_filesz = 0x1000;
}

static void offset_not_congruent(struct file *f)
{
	f->headers[1].p_offset++;
}

static void page_zero(struct file *f)
{
	f->headers[0].p_vaddr = 0;
}

static void name_too_long(struct file *f)
{
	f->headers[2] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_filesz = 4097 };
}

static void name_too_short(struct file *f)
{
	f->headers[2] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_filesz = 1 };
}

static void name_far_away(struct file *f)
{
	f->headers[2] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_filesz = 8, .p_offset = UINT64_MAX };
}

static void damage_is_refused(void **state)
{
	static void (*const spoilers[])(struct file *) = { no_headers, too_many_headers,
		other_headers, headers_far_away, nothing_to_load, more_file_than_memory,
		memory_that_overflows, memory_beyond_the_guests, address_that_overflows,
		offset_that_overflows, offset_not_congruent, page_zero, name_too_long,
		name_too_short, name_far_away };

	for (size_t i = 0; i < sizeof(spoilers) / sizeof(spoilers[0]); i++)
		refuse(spoilers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_is_read),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(damage_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
