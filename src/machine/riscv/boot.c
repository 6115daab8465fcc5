/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.c - what lies where in memory when hart 0 begins, and where it begins.
 *
 *   start of memory        firmware, if there is any; else nothing
 *   + the kernel's offset  the kernel (Image: 2 MiB; ELF: where it says)
 *   ...
 *   below the top          initial RAM disk
 *   top                    device tree, the last 2 MiB
 *
 * The top is the end of memory, or 3 GiB: firmware and loaders that are 32-bit at heart want what
 * they are handed below.
 *
 * Without firmware, hart 0 enters the kernel in supervisor mode, and the others wait until SBI's
 * hart_start (Linux, Documentation/arch/riscv/boot.rst). With firmware, all harts begin in the ROM.
 */
#include <string.h>

#include "base/cleanup.h"
#include "machine/riscv/board.h"

#define CSR_MENVCFG  0x30a
#define MENVCFG_ADUE (UINT64_C(1) << 61)

#define TOP_MAX	      UINT64_C(0xc0000000)
#define TREE_ALIGN    (UINT64_C(2) << 20)
#define FIRMWARE_ROOM (UINT64_C(2) << 20) /* the kernel's place is behind it */

static uint64_t memory_end(const struct machine *m)
{
	return LAYOUT_MEMORY_START + m->memory.regions[0].size;
}

/* Below `top`, above what is loaded already; else at the end of memory. */
static int put_initrd(struct machine *m, uint64_t low, uint64_t top, struct error *err)
{
	struct riscv_payload *p = &riscv_board(m)->payload;
	uint64_t size = p->initrd_bytes, mask = ~(uint64_t)(VM_PAGE_BYTES - 1);

	if (size == 0)
		return 0;
	if (low > top || size > top - low) {
		low = top + TREE_ALIGN;
		top = memory_end(m);
	}
	if (low > top || size > top - low || ((top - size) & mask) < low)
		return error_set(err, ENOSPC,
			"%s: there is no room for %llu MiB beside the kernel: give the machine more memory (--memory)",
			m->config.initrd, (unsigned long long)(size >> 20));
	p->initrd_start = (top - size) & mask;
	return vm_memory_write(&m->memory, p->initrd_start, p->files[RISCV_INITRD].bytes, size);
}

static int put_tree(struct machine *m, struct error *err)
{
	struct riscv_payload *p = &riscv_board(m)->payload;
	_cleanup_free_ void *tree = NULL;
	size_t size = 0;
	int r = riscv_describe(m, &tree, &size, err);

	if (r == 0 && vm_memory_write(&m->memory, p->tree_start, tree, size) < 0)
		r = error_set(err, ENOSPC, "the machine has no memory for its device tree");
	return r;
}

static int put_kernel(struct machine *m, const struct kernel *kernel, const char *path,
	uint64_t start, struct kernel_place *ret, struct error *err)
{
	int r = kernel_load(kernel, &m->memory, start, ret, err);

	return r < 0 ? error_prefix(err, "%s", path) : 0;
}

/* Nothing of what was there before a reset. */
static int clear_memory(struct machine *m, struct error *err)
{
	const struct vm_region *region = &m->memory.regions[0];
	int r = vm_memory_discard(&m->memory, region->start, region->size);

	return r < 0 ? error_errno(err, r, "cannot clear the machine's memory") : 0;
}

/* What firmware goes on with, unless there is a kernel. */
static int put_flash(struct machine *m, struct kernel_place *next, struct error *err)
{
	const struct kernel *flash = &riscv_board(m)->payload.files[RISCV_FLASH];

	next->entry = LAYOUT_FLASH_START;
	if (vm_memory_write(&m->memory, LAYOUT_FLASH_START, flash->bytes, flash->size) < 0)
		return error_set(
			err, EFBIG, "%s: it is more than the flash's 32 MiB", m->config.flash_code);
	return 0;
}

/* Firmware first, if there is any; the kernel behind it. */
static int put_programs(struct machine *m, struct kernel_place *firmware,
	struct kernel_place *kernel, struct error *err)
{
	const struct kernel *files = riscv_board(m)->payload.files;
	uint64_t start = LAYOUT_MEMORY_START;
	int r = 0;

	if (m->config.firmware) {
		r = put_kernel(m, &files[RISCV_FIRMWARE], m->config.firmware, start, firmware, err);
		if (files[RISCV_KERNEL].format != KERNEL_IMAGE)
			start += FIRMWARE_ROOM;
		while (r == 0 && start < firmware->end)
			start += FIRMWARE_ROOM;
	}
	if (r == 0 && m->config.flash_code)
		r = put_flash(m, kernel, err);
	if (r == 0 && m->config.kernel)
		r = put_kernel(m, &files[RISCV_KERNEL], m->config.kernel, start, kernel, err);
	if (r == 0 && kernel->end && kernel->start < firmware->end && firmware->start < kernel->end)
		r = error_set(err, EINVAL, "%s and %s want to be at the same place",
			m->config.firmware, m->config.kernel);
	return r;
}

/* In machine mode, at the ROM. Hardware sets accessed and dirty bits, which kernels without
 * firmware rely on; firmware may turn that off. */
static void reset_hart(struct riscv_hart *hart)
{
	riscv_hart_reset(hart, LAYOUT_ROM_START, 0);
	riscv_hart_write_csr(hart, CSR_MENVCFG, MENVCFG_ADUE);
}

/* Firmware begins on all harts, a kernel on the first, which starts the others. */
static void start_harts(
	struct machine *m, const struct kernel_place *firmware, const struct kernel_place *kernel)
{
	struct riscv_board *board = riscv_board(m);
	bool has_firmware = m->config.firmware;

	if (has_firmware)
		riscv_rom_write(m, firmware->entry, kernel->entry, board->payload.tree_start);
	else
		riscv_hart_start(&board->harts[0], kernel->entry, board->payload.tree_start);
	for (unsigned i = 0; i < board->nr_harts; i++) {
		riscv_hart_forget_messages(&board->harts[i]);
		if (has_firmware)
			reset_hart(&board->harts[i]);
		m->vcpus[i].is_off = !has_firmware && i > 0;
	}
}

int riscv_boot(struct machine *m, struct error *err)
{
	uint64_t top = memory_end(m) < TOP_MAX ? memory_end(m) : TOP_MAX;
	struct kernel_place firmware = { 0 }, kernel = { 0 };
	struct riscv_payload *p = &riscv_board(m)->payload;
	int r = riscv_payload_read(m, err);
	uint64_t used;

	p->tree_start = (top - 1) & ~(TREE_ALIGN - 1);
	if (r == 0)
		r = clear_memory(m, err);
	if (r == 0)
		r = put_programs(m, &firmware, &kernel, err);
	used = kernel.end > firmware.end ? kernel.end : firmware.end;
	if (r == 0 && used > p->tree_start)
		r = error_set(err, ENOSPC,
			"%s: there is no room for a device tree behind it: give the machine more memory (--memory)",
			m->config.kernel ? m->config.kernel : m->config.firmware);
	if (r == 0)
		r = put_initrd(m, used, p->tree_start, err);
	if (r == 0)
		r = put_tree(m, err);
	if (r == 0)
		start_harts(m, &firmware, &kernel);
	riscv_payload_drop(p);
	return r;
}
