/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pvh.c - the boot protocol PVH (Xen, docs/misc/pvh.pandoc and xen/include/public/arch-x86/hvm/
 * start_info.h): a note of the ELF file says where it is entered, in protected mode; ebx points to
 * what it is told.
 */
#include <elf.h>
#include <string.h>

#include "machine/x86/board.h"

#define NOTE_PHYS32_ENTRY 18
#define START_MAGIC	  0x336ec578
#define ALIGN_4(n)	  (((uint64_t)(n) + 3) & ~(uint64_t)3)

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, command, rsdp, ranges;
	uint32_t nr_ranges, reserved;
};

struct start_module {
	uint64_t start, size, command, reserved;
};

struct start_range {
	uint64_t start, size;
	uint32_t type, reserved;
};

/* All that the kernel is told, in one piece. */
struct start_page {
	struct start_info info;
	struct start_module module;
	struct start_range ranges[X86_RANGES_MAX];
};

/* --- the note ----------------------------------------------------------------------------------
 */

/* Of what lies in [at, at + size) of the file, which is inside. */
static uint64_t find_entry(const char *at, uint64_t size)
{
	while (size >= sizeof(Elf64_Nhdr)) {
		uint64_t name, value, whole;
		Elf64_Nhdr note;

		memcpy(&note, at, sizeof(note));
		name = sizeof(note);
		value = name + ALIGN_4(note.n_namesz);
		whole = value + ALIGN_4(note.n_descsz);
		if (whole > size)
			return 0;
		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == sizeof("Xen") &&
			memcmp(at + name, "Xen", sizeof("Xen")) == 0 && note.n_descsz >= 4) {
			uint32_t entry;

			memcpy(&entry, at + value, sizeof(entry));
			return entry;
		}
		at += whole;
		size -= whole;
	}
	return 0;
}

/* kernel_parse() has found the table of segments to be inside of the file. */
uint64_t x86_pvh_entry(const struct kernel *k)
{
	uint64_t entry = 0;
	Elf64_Ehdr e;

	memcpy(&e, k->bytes, sizeof(e));
	for (unsigned i = 0; entry == 0 && i < e.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, k->bytes + e.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_NOTE && p.p_offset <= k->size &&
			p.p_filesz <= k->size - p.p_offset)
			entry = find_entry(k->bytes + p.p_offset, p.p_filesz);
	}
	return entry;
}

/* --- starting ----------------------------------------------------------------------------------
 */

int x86_pvh_start(struct machine *m, struct error *err)
{
	struct x86_board *board = x86_board(m);
	const struct x86_payload *p = &board->payload;
	const struct kvm_x86_start start = {
		.entry = p->pvh_entry, .rbx = LAYOUT_START_INFO, .gdt = LAYOUT_GDT
	};
	struct x86_range ranges[X86_RANGES_MAX];
	struct start_page page = {
		.info = {
			.magic = START_MAGIC,
			.version = 1,
			.nr_modules = p->initrd_bytes ? 1 : 0,
			.modules = LAYOUT_START_INFO + offsetof(struct start_page, module),
			.command = LAYOUT_COMMAND,
			.rsdp = LAYOUT_ACPI,
			.ranges = LAYOUT_START_INFO + offsetof(struct start_page, ranges),
			.nr_ranges = x86_describe_memory(m, ranges),
		},
		.module = { .start = p->initrd_start, .size = p->initrd_bytes },
	};

	for (unsigned i = 0; i < page.info.nr_ranges; i++)
		page.ranges[i] = (struct start_range){ ranges[i].start, ranges[i].size,
			ranges[i].type, 0 };
	if (vm_memory_write(&m->memory, LAYOUT_START_INFO, &page, sizeof(page)) < 0)
		return error_set(
			err, ENOSPC, "the machine has no memory for what a kernel is told");
	return kvm_x86_start_flat(&board->vcpus[0], &start, err);
}
