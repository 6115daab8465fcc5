/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-riscv.c - runs a static RISC-V program that only writes and exits (programs.py, vectors.py):
 *
 *   run-riscv interpret|translate|flush PROGRAM
 *
 * `flush` translates into so small a code cache that it is emptied all the time.
 *
 * Its memory is where it wants to be, so that translated code and the interpreter see the same. A
 * program that has installed its handlers of SIGILL and SIGSEGV (vectors.py) has what they would do
 * done for it: a mark in x5, and on behind the instruction.
 */
#include "jit/riscv/cpu.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_START UINT64_C(0x10000)
#define MEMORY_END   (UINT64_C(1) << 28)

enum { SYSCALL_WRITE = 64, SYSCALL_EXIT = 93, SYSCALL_SIGALTSTACK = 132, SYSCALL_SIGACTION = 134 };
enum { MARK_ILLEGAL = 0x111, MARK_FAULT = 0x222 };

static struct riscv_cpu cpu;

static void *at(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static int load(const char *path, uint64_t *ret_entry)
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
		if (segment.p_vaddr < MEMORY_START ||
			segment.p_vaddr + segment.p_memsz > MEMORY_END ||
			pread(fd, at(segment.p_vaddr), segment.p_filesz, (off_t)segment.p_offset) !=
				(ssize_t)segment.p_filesz)
			return -1;
		if (!segment.p_flags && mprotect(at(segment.p_vaddr), segment.p_memsz, PROT_NONE))
			return -1;
	}
	close(fd);
	*ret_entry = header.e_entry;
	return 0;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	if (!riscv_fault(&cpu, info, context))
		_exit(2);
}

/* What the program has handlers for. False: it ends. */
static bool handle(enum jit_stop stop, bool has_handlers)
{
	if (!has_handlers || (stop != JIT_STOP_ILLEGAL && stop != JIT_STOP_FAULT)) {
		fprintf(stderr, "stopped at %#lx for reason %d\n", cpu.pc, stop);
		return false;
	}
	cpu.x[5] = stop == JIT_STOP_ILLEGAL ? MARK_ILLEGAL : MARK_FAULT;
	cpu.pc += 4;
	return true;
}

static int run(struct jit *jit)
{
	bool has_handlers = false;

	for (;;) {
		enum jit_stop stop = riscv_run(jit, &cpu);

		if (stop == JIT_STOP_NEW_CODE)
			continue;
		if (stop != JIT_STOP_SYSTEM_CALL) {
			if (!handle(stop, has_handlers))
				return 1;
			continue;
		}
		switch (cpu.x[17]) {
		case SYSCALL_EXIT:
			return (int)cpu.x[10];
		case SYSCALL_SIGALTSTACK:
		case SYSCALL_SIGACTION:
			has_handlers = true;
			cpu.x[10] = 0;
			break;
		case SYSCALL_WRITE:
			if (cpu.x[11] + cpu.x[12] > MEMORY_END)
				return 1;
			cpu.x[10] = (uint64_t)write((int)cpu.x[10], at(cpu.x[11]), cpu.x[12]);
			break;
		default:
			return 1;
		}
		cpu.pc += 4;
	}
}

/* NULL to interpret. */
static bool open_jit(const char *how, struct jit **ret)
{
	struct jit_options options = { .debug = getenv("STRATA_JIT") };
	struct error err = { 0 };

	*ret = NULL;
	if (strcmp(how, "flush") == 0)
		options.cache_bytes = 2 * JIT_CACHE_BYTES_MIN;
	else if (strcmp(how, "translate") != 0)
		return strcmp(how, "interpret") == 0;
	if (jit_open(&options, ret, &err) >= 0)
		return true;
	fprintf(stderr, "%s\n", err.message);
	return false;
}

int main(int argc, char **argv)
{
	static char stack[1 << 16];
	const stack_t signal_stack = { .ss_sp = stack, .ss_size = sizeof(stack) };
	const struct sigaction action = { .sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	struct jit *jit;

	if (argc != 3 || !open_jit(argv[1], &jit)) {
		fprintf(stderr, "usage: run-riscv interpret|translate|flush PROGRAM\n");
		return 2;
	}
	if (mmap(at(MEMORY_START), MEMORY_END - MEMORY_START, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
		    0) == MAP_FAILED ||
		sigaltstack(&signal_stack, NULL) || sigaction(SIGSEGV, &action, NULL) ||
		sigaction(SIGBUS, &action, NULL))
		return 2;
	riscv_cpu_init(&cpu, (struct jit_memory){ 0 });
	if (load(argv[2], &cpu.pc) < 0) {
		fprintf(stderr, "cannot load %s\n", argv[2]);
		return 2;
	}
	return run(jit);
}
