/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-machine.c - runs a program of machine mode on harts of vcpu/riscv, with nothing else:
 *
 *   run-machine interpret|translate PROGRAM [MEMORY-FILE [HARTS]]
 *
 * Memory is 16 MiB at 0x80000000, all harts begin there. The program ends by a write to QEMU's
 * finisher (0x100000: 0x5555, or 0x3333 with a status above), or to its own symbol `tohost`, as
 * riscv-tests do. MEMORY-FILE gets what memory holds then. 0x2000000 + 4 * n is the software
 * interrupt of hart n, as on a CLINT. STRATA_TIME=1 tells how fast it was.
 */
#include "vcpu/riscv/hart.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define MEMORY_START   UINT64_C(0x80000000)
#define MEMORY_BYTES   (UINT64_C(16) << 20)
#define FINISHER_START UINT64_C(0x100000)
#define MSIP_START     UINT64_C(0x2000000)
#define FREQUENCY_HZ   10000000

enum { FINISHER_FAIL = 0x3333, FINISHER_PASS = 0x5555 };

static struct vm_memory memory;
static struct vm_bus bus;
static struct riscv_clock hart_clock;
static struct riscv_hart *harts[VM_VCPUS_MAX];
static unsigned nr_harts = 1;
static struct jit *jit;
static uint64_t tohost; /* 0: none */
static uint8_t tohost_page[VM_PAGE_BYTES];
static int status;
static bool has_ended;

/* --- devices ----------------------------------------------------------------------------------
 */

static void end(int with)
{
	if (__atomic_exchange_n(&has_ended, true, __ATOMIC_SEQ_CST))
		return;
	status = with;
	for (unsigned i = 0; i < nr_harts; i++)
		harts[i]->vcpu.ops->kick(&harts[i]->vcpu);
}

static uint64_t read_nothing(struct vm_io *io, uint64_t offset, unsigned size)
{
	return 0;
}

static void write_finisher(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	if (offset == 0 && (value & 0xffff) == FINISHER_PASS)
		end(0);
	else if (offset == 0 && (value & 0xffff) == FINISHER_FAIL)
		end((int)(value >> 16 & 0xff));
}

static void write_msip(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	if (offset / 4 < nr_harts)
		harts[offset / 4]->vcpu.ops->set_pin(&harts[offset / 4]->vcpu, 3, value & 1);
}

static uint64_t read_tohost(struct vm_io *io, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, tohost_page + offset, size);
	return value;
}

/* An odd number ends; a command to the console (device 1, command 1) is answered by 0. */
static void write_tohost(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	if (offset == (tohost & (VM_PAGE_BYTES - 1)) && value >> 48 == 0x101) {
		fputc((int)(value & 0xff), stderr);
		value = 0;
	} else if (offset == (tohost & (VM_PAGE_BYTES - 1)) && value & 1) {
		end((int)(value >> 1 & 0xff));
	}
	memcpy(tohost_page + offset, &value, size);
}

static const struct vm_io_ops finisher_ops = { "finisher", read_nothing, write_finisher };
static const struct vm_io_ops msip_ops = { "msip", read_nothing, write_msip };
static const struct vm_io_ops tohost_ops = { "tohost", read_tohost, write_tohost };

static struct vm_io finisher = { &finisher_ops, FINISHER_START, VM_PAGE_BYTES },
		    msip = { &msip_ops, MSIP_START, 4 * VM_VCPUS_MAX },
		    tohost_io = { &tohost_ops, 0, VM_PAGE_BYTES };

/* --- the program ------------------------------------------------------------------------------
 */

static uint8_t *file;
static size_t file_bytes;

static int read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (size < (off_t)sizeof(Elf64_Ehdr))
		return -1;
	file_bytes = (size_t)size;
	file = malloc(file_bytes);
	if (!file || pread(fd, file, file_bytes, 0) != size)
		return -1;
	close(fd);
	return 0;
}

static const void *at(uint64_t offset, uint64_t size)
{
	return offset <= file_bytes && size <= file_bytes - offset ? file + offset : NULL;
}

static void find_tohost(const Elf64_Ehdr *header, const Elf64_Shdr *symbols)
{
	const Elf64_Shdr *names = at(
		header->e_shoff + symbols->sh_link * sizeof(*names), sizeof(*names));

	for (uint64_t i = 0; names && i < symbols->sh_size / sizeof(Elf64_Sym); i++) {
		const Elf64_Sym *symbol = at(
			symbols->sh_offset + i * sizeof(*symbol), sizeof(*symbol));
		const char *name = symbol ? at(names->sh_offset + symbol->st_name, sizeof("tohost"))
					  : NULL;

		if (name && memcmp(name, "tohost", sizeof("tohost")) == 0)
			tohost = symbol->st_value;
	}
}

/* Where tohost is, memory has a hole of a page. */
static int add_memory(const Elf64_Ehdr *header)
{
	uint64_t end_of_memory = MEMORY_START + MEMORY_BYTES, hole;
	struct error err = { 0 };

	for (unsigned i = 0; i < header->e_shnum; i++) {
		const Elf64_Shdr *section = at(
			header->e_shoff + i * sizeof(*section), sizeof(*section));

		if (section && section->sh_type == SHT_SYMTAB)
			find_tohost(header, section);
	}
	if (!tohost)
		return vm_memory_add(&memory, MEMORY_START, MEMORY_BYTES, &err);
	tohost_io.start = hole = tohost & ~(uint64_t)(VM_PAGE_BYTES - 1);
	if (hole <= MEMORY_START || hole + VM_PAGE_BYTES >= end_of_memory ||
		vm_bus_add(&bus, &tohost_io, &err) < 0 ||
		vm_memory_add(&memory, MEMORY_START, hole - MEMORY_START, &err) < 0)
		return -1;
	return vm_memory_add(
		&memory, hole + VM_PAGE_BYTES, end_of_memory - hole - VM_PAGE_BYTES, &err);
}

/* Page by page: one of them may be tohost's. */
static int load_segment(const Elf64_Phdr *segment)
{
	const uint8_t *content = at(segment->p_offset, segment->p_filesz);
	uint64_t part;

	for (uint64_t done = 0; content && done < segment->p_filesz; done += part) {
		uint64_t address = segment->p_paddr + done;
		uint64_t left = VM_PAGE_BYTES - (address & (VM_PAGE_BYTES - 1));

		part = segment->p_filesz - done < left ? segment->p_filesz - done : left;
		if (tohost && (address & ~(uint64_t)(VM_PAGE_BYTES - 1)) == tohost_io.start)
			memcpy(tohost_page, content + done, part);
		else if (vm_memory_write(&memory, address, content + done, part) < 0)
			return -1;
	}
	return content ? 0 : -1;
}

static int load(const char *path)
{
	const Elf64_Ehdr *header;

	if (read_file(path) < 0)
		return -1;
	header = at(0, sizeof(*header));
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_machine != EM_RISCV ||
		add_memory(header) < 0)
		return -1;
	for (unsigned i = 0; i < header->e_phnum; i++) {
		const Elf64_Phdr *segment = at(
			header->e_phoff + i * sizeof(*segment), sizeof(*segment));

		if (segment && segment->p_type == PT_LOAD && load_segment(segment) < 0)
			return -1;
	}
	return 0;
}

static int save(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	for (unsigned i = 0; fd >= 0 && i < memory.nr_regions; i++)
		if (write(fd, memory.regions[i].host, memory.regions[i].size) !=
			(ssize_t)memory.regions[i].size)
			return -1;
	return fd < 0 ? -1 : close(fd);
}

/* --- running -----------------------------------------------------------------------------------
 */

static int open_jit(const char *how)
{
	struct error err = { 0 };

	if (strcmp(how, "translate") != 0)
		return strcmp(how, "interpret") == 0 ? 0 : -1;
	return riscv_code_open(&memory, 0, getenv("STRATA_JIT"), &jit, &err);
}

static void *run(void *argument)
{
	struct riscv_hart *hart = argument;
	struct error err = { 0 };

	while (!__atomic_load_n(&has_ended, __ATOMIC_SEQ_CST))
		hart->vcpu.ops->run(&hart->vcpu, &err);
	return NULL;
}

static int start_harts(void)
{
	struct error err = { 0 };

	for (unsigned i = 0; i < nr_harts; i++) {
		const struct riscv_hart_config config = {
			.index = i, .memory = &memory, .bus = &bus, .clock = &hart_clock, .jit = jit
		};

		harts[i] = aligned_alloc(64, (sizeof(struct riscv_hart) + 63) / 64 * 64);
		if (!harts[i] || riscv_hart_init(harts[i], &config, &err) < 0)
			return -1;
		riscv_hart_reset(harts[i], MEMORY_START, 0);
	}
	return 0;
}

static int run_harts(void)
{
	pthread_t threads[VM_VCPUS_MAX];
	int64_t start_ns = clock_monotonic_ns();

	for (unsigned i = 1; i < nr_harts; i++)
		if (pthread_create(&threads[i], NULL, run, harts[i]))
			return -1;
	run(harts[0]);
	for (unsigned i = 1; i < nr_harts; i++)
		pthread_join(threads[i], NULL);
	if (getenv("STRATA_TIME")) {
		double seconds = (double)(clock_monotonic_ns() - start_ns) / 1e9;
		double millions = (double)harts[0]->cpu.cpu.retired / 1e6;

		fprintf(stderr, "%.3f s, %.1f MIPS interpreted\n", seconds, millions / seconds);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct error err = { 0 };

	vm_memory_init(&memory);
	if (argc > 4)
		nr_harts = (unsigned)atoi(argv[4]);
	if (argc < 3 || argc > 5 || nr_harts < 1 || nr_harts > VM_VCPUS_MAX ||
		open_jit(argv[1]) < 0) {
		fprintf(stderr, "usage: run-machine interpret|translate PROGRAM [FILE [HARTS]]\n");
		return 2;
	}
	if (vm_bus_add(&bus, &finisher, &err) < 0 || vm_bus_add(&bus, &msip, &err) < 0 ||
		load(argv[2]) < 0 || riscv_clock_init(&hart_clock, FREQUENCY_HZ, &err) < 0 ||
		riscv_clock_start(&hart_clock, &err) < 0 || start_harts() < 0 || run_harts() < 0) {
		fprintf(stderr, "cannot run %s\n", argv[2]);
		return 2;
	}
	for (unsigned i = 0; i < nr_harts; i++)
		riscv_hart_destroy(harts[i]);
	riscv_clock_destroy(&hart_clock);
	if (argc > 3 && save(argv[3]) < 0)
		return 2;
	return status;
}
