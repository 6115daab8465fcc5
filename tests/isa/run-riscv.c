/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-riscv.c - runs a static RISC-V program that only writes and exits (programs.py), in the
 * interpreter.
 */
#include "jit/riscv/cpu.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_BYTES (UINT64_C(1) << 28)

enum { SYSCALL_WRITE = 64, SYSCALL_EXIT = 93 };

static int load(const char *path, char *memory, uint64_t *ret_entry)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
		memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_RISCV)
		return -1;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		if (pread(fd, &segment, sizeof(segment),
			    (off_t)(header.e_phoff + i * sizeof(segment))) != sizeof(segment))
			return -1;
		if (segment.p_type != PT_LOAD)
			continue;
		if (segment.p_vaddr + segment.p_memsz > MEMORY_BYTES ||
			pread(fd, memory + segment.p_vaddr, segment.p_filesz,
				(off_t)segment.p_offset) != (ssize_t)segment.p_filesz)
			return -1;
	}
	close(fd);
	*ret_entry = header.e_entry;
	return 0;
}

static int run(struct riscv_cpu *cpu, const char *memory)
{
	for (;;) {
		enum jit_stop stop = riscv_interpret(cpu, UINT64_MAX);

		if (stop == JIT_STOP_NEW_CODE)
			continue;
		if (stop != JIT_STOP_SYSTEM_CALL) {
			fprintf(stderr, "stopped at %#lx for reason %d\n", cpu->pc, stop);
			return 1;
		}
		if (cpu->x[17] == SYSCALL_EXIT)
			return (int)cpu->x[10];
		if (cpu->x[17] != SYSCALL_WRITE || cpu->x[11] + cpu->x[12] > MEMORY_BYTES)
			return 1;
		cpu->x[10] = (uint64_t)write((int)cpu->x[10], memory + cpu->x[11], cpu->x[12]);
		cpu->pc += 4;
	}
}

int main(int argc, char **argv)
{
	char *memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct riscv_cpu cpu;

	if (argc != 2 || memory == MAP_FAILED)
		return 2;
	riscv_cpu_init(&cpu, (struct jit_memory){ (uint64_t)(uintptr_t)memory });
	if (load(argv[1], memory, &cpu.pc) < 0) {
		fprintf(stderr, "cannot load %s\n", argv[1]);
		return 2;
	}
	return run(&cpu, memory);
}
