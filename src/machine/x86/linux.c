/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.c - the boot protocol of Linux with 64 bits (Documentation/arch/x86/boot.rst): the "zero
 * page", which says what a boot loader and firmware would, and long mode.
 */
#include <asm/bootparam.h>
#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "machine/x86/board.h"

#define HEADER_START   0x1f1
#define HEADER_END_AT  0x201 /* where it says how long it is, from 0x202 on */
#define LOADER_UNKNOWN 0xff
#define SEED_BYTES     32
#define SETUP_SEED     9 /* SETUP_RNG_SEED, younger than the headers of some hosts */

/* Of an ELF file, which has no header; what every kernel with 64 bits can do. */
#define ELF_VERSION	0x20c
#define ELF_INITRD_MAX	UINT64_C(0x7fffffff)
#define ELF_COMMAND_MAX 2048
#define ELF_ALIGNMENT	(UINT32_C(2) << 20)

static_assert(sizeof(struct boot_params) == VM_PAGE_BYTES, "the zero page");

/* The bzImage's own header, as far as it has one; the rest is 0. */
static struct setup_header header_of(const struct kernel *k)
{
	struct setup_header header = {
		.boot_flag = 0xaa55,
		.header = 0x53726448, /* "HdrS" */
		.version = ELF_VERSION,
		.kernel_alignment = ELF_ALIGNMENT,
		.initrd_addr_max = ELF_INITRD_MAX,
		.cmdline_size = ELF_COMMAND_MAX - 1,
	};
	size_t end;

	if (k->format != KERNEL_BZIMAGE)
		return header;
	end = HEADER_END_AT + 1 + (uint8_t)k->bytes[HEADER_END_AT];
	if (end > k->size)
		end = k->size;
	if (end > HEADER_START + sizeof(header))
		end = HEADER_START + sizeof(header);
	memset(&header, 0, sizeof(header));
	memcpy(&header, k->bytes + HEADER_START, end - HEADER_START);
	return header;
}

uint64_t x86_linux_initrd_max(const struct kernel *kernel)
{
	const struct setup_header header = header_of(kernel);

	return header.initrd_addr_max;
}

uint64_t x86_linux_command_max(const struct kernel *kernel)
{
	const struct setup_header header = header_of(kernel);

	return (uint64_t)header.cmdline_size + 1;
}

static void describe_memory(const struct machine *m, struct boot_params *params)
{
	struct x86_range ranges[X86_RANGES_MAX];
	unsigned n = x86_describe_memory(m, ranges);

	params->e820_entries = (uint8_t)n;
	for (unsigned i = 0; i < n; i++)
		params->e820_table[i] = (struct boot_e820_entry){ ranges[i].start, ranges[i].size,
			ranges[i].type };
}

/* So that the guest's random numbers are good from the first on. -1: there is none. */
static int put_seed(struct machine *m)
{
	struct {
		uint64_t next;
		uint32_t type, length;
		uint8_t seed[SEED_BYTES];
	} data = { .type = SETUP_SEED, .length = SEED_BYTES };

	if (getrandom(data.seed, sizeof(data.seed), 0) != sizeof(data.seed))
		return -1;
	return vm_memory_write(&m->memory, LAYOUT_SETUP_DATA, &data, sizeof(data));
}

int x86_linux_start(struct machine *m, struct error *err)
{
	struct x86_board *board = x86_board(m);
	const struct x86_payload *p = &board->payload;
	const struct kvm_x86_start start = {
		.entry = p->place.entry,
		.rsi = LAYOUT_ZERO_PAGE,
		.gdt = LAYOUT_GDT,
		.pages = LAYOUT_PAGES,
	};
	struct boot_params params = { .hdr = header_of(&p->kernel) };

	params.hdr.type_of_loader = LOADER_UNKNOWN;
	params.hdr.loadflags |= LOADED_HIGH;
	params.hdr.cmd_line_ptr = (uint32_t)LAYOUT_COMMAND;
	params.hdr.ramdisk_image = (uint32_t)p->initrd_start;
	params.hdr.ramdisk_size = (uint32_t)p->initrd_bytes;
	params.hdr.setup_data = put_seed(m) == 0 ? LAYOUT_SETUP_DATA : 0;
	params.acpi_rsdp_addr = LAYOUT_ACPI;
	describe_memory(m, &params);
	if (vm_memory_write(&m->memory, LAYOUT_ZERO_PAGE, &params, sizeof(params)) < 0)
		return error_set(
			err, ENOSPC, "the machine has no memory for what a kernel is told");
	return kvm_x86_start_long(&board->vcpus[0], &start, err);
}
