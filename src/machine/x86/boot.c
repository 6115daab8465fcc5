/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - what lies where in memory when the first vcpu begins (layout.h), and how it begins:
 *
 *   the first 640 KiB      GDT, page tables, what the protocol hands over, the command line
 *   from 896 KiB on        ACPI's tables, the generation ID
 *   where it says          the kernel, at 1 MiB or above
 *   ...
 *   below the top          initial RAM disk; the top is the end of memory, or 3 GiB, or what the
 *                          kernel can reach
 *
 * A bzImage is entered in long mode, as is an ELF file that does not know PVH; one that does in
 * protected mode, as Xen would. The other vcpus wait until the first starts them.
 */
#include <assert.h>
#include <string.h>

#include "base/io.h"
#include "machine/x86/board.h"

#define INITRD_BYTES_MAX (UINT64_C(2) << 30)

/* --- reading files -----------------------------------------------------------------------------
 */

int x86_payload_read(struct machine *m, struct error *err)
{
	struct x86_payload *p = &x86_board(m)->payload;
	const struct machine_config *c = &m->config;
	int r = 0;

	if (c->firmware || c->flash_code || c->flash_data)
		return error_set(err, ENOTSUP,
			"a machine for x86_64 starts a kernel: there is no firmware for it yet");
	if (c->aia != MACHINE_AIA_NONE)
		return error_set(err, ENOTSUP, "only a machine for riscv64 has an AIA");
	if (!c->kernel && !c->restore)
		return error_set(err, EINVAL, "a machine for x86_64 needs a kernel");
	if (c->kernel)
		r = kernel_read(c->kernel, MACHINE_ARCH_X86_64, false, &p->kernel, err);
	if (r == 0 && c->kernel && p->kernel.format == KERNEL_ELF)
		p->pvh_entry = x86_pvh_entry(&p->kernel);
	if (r == 0 && c->initrd)
		r = io_read_file(
			AT_FDCWD, c->initrd, INITRD_BYTES_MAX, &p->initrd, &p->initrd_bytes, err);
	return r;
}

void x86_payload_free(struct x86_payload *p)
{
	kernel_free(&p->kernel);
	free(p->initrd);
	p->initrd = NULL;
}

/* --- memory ------------------------------------------------------------------------------------
 */

unsigned x86_describe_memory(const struct machine *m, struct x86_range ret[X86_RANGES_MAX])
{
	const struct vm_memory *memory = &m->memory;
	unsigned n = 0;

	ret[n++] = (struct x86_range){ 0, LAYOUT_LOW_END, X86_MEMORY_USABLE };
	ret[n++] = (struct x86_range){ LAYOUT_ACPI, LAYOUT_HIGH_START - LAYOUT_ACPI,
		X86_MEMORY_RESERVED };
	ret[n++] = (struct x86_range){ LAYOUT_HIGH_START,
		memory->regions[0].size - LAYOUT_HIGH_START, X86_MEMORY_USABLE };
	if (memory->nr_regions > 1)
		ret[n++] = (struct x86_range){ memory->regions[1].start, memory->regions[1].size,
			X86_MEMORY_USABLE };
	return n;
}

/* Nothing of what was there before a reset. */
static int clear_memory(struct machine *m, struct error *err)
{
	for (unsigned i = 0; i < m->memory.nr_regions; i++) {
		const struct vm_region *region = &m->memory.regions[i];
		int r = vm_memory_discard(&m->memory, region->start, region->size);

		if (r < 0)
			return error_errno(err, r, "cannot clear the machine's memory");
	}
	return 0;
}

static int put_kernel(struct machine *m, struct error *err)
{
	struct x86_payload *p = &x86_board(m)->payload;
	int r = kernel_load(&p->kernel, &m->memory, 0, &p->place, err);

	if (r == 0 && p->place.start < LAYOUT_HIGH_START)
		r = error_set(err, ENOEXEC, "it wants to be below 1 MiB, where it has no room");
	return r < 0 ? error_prefix(err, "%s", m->config.kernel) : 0;
}

static int put_initrd(struct machine *m, struct error *err)
{
	struct x86_payload *p = &x86_board(m)->payload;
	uint64_t top = m->memory.regions[0].size, size = p->initrd_bytes;
	uint64_t max = p->pvh_entry ? UINT32_MAX : x86_linux_initrd_max(&p->kernel);

	if (size == 0)
		return 0;
	if (top > max)
		top = max + 1;
	if (size > top || ((top - size) & ~(uint64_t)(VM_PAGE_BYTES - 1)) < p->place.end)
		return error_set(err, ENOSPC,
			"%s: there is no room for %llu MiB beside the kernel: give the machine more memory (--memory)",
			m->config.initrd, (unsigned long long)(size >> 20));
	p->initrd_start = (top - size) & ~(uint64_t)(VM_PAGE_BYTES - 1);
	return vm_memory_write(&m->memory, p->initrd_start, p->initrd, size);
}

static int put_command(struct machine *m, struct error *err)
{
	const struct x86_payload *p = &x86_board(m)->payload;
	const char *text = m->config.append ? m->config.append : "";
	size_t size = strlen(text) + 1;
	uint64_t max = p->pvh_entry ? LAYOUT_COMMAND_MAX : x86_linux_command_max(&p->kernel);

	if (max > LAYOUT_COMMAND_MAX)
		max = LAYOUT_COMMAND_MAX;
	if (size > max)
		return error_set(err, E2BIG,
			"the command line is longer than the %llu bytes that the kernel takes",
			(unsigned long long)max - 1);
	return vm_memory_write(&m->memory, LAYOUT_COMMAND, text, size);
}

/*
 * Linux takes hardware-reduced ACPI for a sign of EFI, and when that does not restart the machine
 * (drivers/firmware/efi/reboot.c), it does what a PC's BIOS understands: it jumps to its beginning
 * in real mode. What is there does what ACPI would have done.
 */
static int put_bios(struct machine *m, struct error *err)
{
	static const uint8_t code[] = {
		0xba, (LAYOUT_ACPI_PORT + ACPI_RESET) & 0xff, (LAYOUT_ACPI_PORT + ACPI_RESET) >> 8,
		0xb0, ACPI_RESET_VALUE, /* mov dx, port; mov al, value; */
		0xee, /* out dx, al */
		0xfa, 0xf4, 0xeb, 0xfc, /* cli; hlt; and again */
	};

	static_assert(LAYOUT_BIOS_RESET + sizeof(code) <= LAYOUT_HIGH_START, "the last 16 bytes");
	return vm_memory_write(&m->memory, LAYOUT_BIOS_RESET, code, sizeof(code)) < 0
		? error_set(err, ENOSPC, "the machine has no room for a BIOS")
		: 0;
}

/* --- starting ----------------------------------------------------------------------------------
 */

static int reset_vcpus(struct machine *m, struct error *err)
{
	struct x86_board *board = x86_board(m);
	int r = kvm_vm_reset(&board->vm, err);

	for (unsigned i = 0; r == 0 && i < board->nr_vcpus; i++)
		r = kvm_vcpu_reset(&board->vcpus[i], err);
	return r;
}

int x86_boot(struct machine *m, struct error *err)
{
	int r = clear_memory(m, err);

	if (r == 0)
		r = reset_vcpus(m, err);
	if (r == 0)
		r = put_kernel(m, err);
	if (r == 0)
		r = put_initrd(m, err);
	if (r == 0)
		r = put_command(m, err);
	if (r == 0)
		r = x86_put_acpi(m, err);
	if (r == 0)
		r = put_bios(m, err);
	if (r == 0)
		r = x86_board(m)->payload.pvh_entry ? x86_pvh_start(m, err)
						    : x86_linux_start(m, err);
	/* A machine that never begins anew needs its files no more. */
	if (r == 0 && m->config.is_ended_by_reset)
		x86_payload_free(&x86_board(m)->payload);
	return r;
}
