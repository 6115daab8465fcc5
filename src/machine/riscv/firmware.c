/* SPDX-License-Identifier: Apache-2.0 */
/*
 * firmware.c - the ROM: where all harts begin in machine mode when there is firmware, and what it
 * is told (OpenSBI, docs/firmware/fw_dynamic.md).
 */
#include <assert.h>
#include <string.h>

#include "machine/riscv/board.h"

#define DYNAMIC_MAGIC	UINT64_C(0x4942534f) /* "OSBI" */
#define DYNAMIC_VERSION 2
#define NEXT_MODE_S	1
#define PREFERRED_HART	0

/* Laid out as `code` reads it. */
struct rom {
	uint32_t code[6];
	uint64_t firmware; /* at 24: where it begins */
	uint64_t tree; /* at 32 */
	struct {
		uint64_t magic, version, next_start, next_mode, options, boot_hart;
	} dynamic; /* at 40 */
};
static_assert(offsetof(struct rom, firmware) == 24, "as in the code");
static_assert(offsetof(struct rom, tree) == 32, "as in the code");
static_assert(offsetof(struct rom, dynamic) == 40, "as in the code");

/* a0: the hart; a1: the device tree; a2: what dynamic firmware wants to know. */
static const uint32_t code[] = {
	0x00000297, /* auipc t0, 0 */
	0x02828613, /* addi a2, t0, 40 */
	0xf1402573, /* csrr a0, mhartid */
	0x0202b583, /* ld a1, 32(t0) */
	0x0182b283, /* ld t0, 24(t0) */
	0x00028067, /* jr t0 */
};

int riscv_rom_write(struct machine *m, uint64_t firmware, uint64_t next, uint64_t tree)
{
	struct rom rom = {
		.firmware = firmware,
		.tree = tree,
		.dynamic = { DYNAMIC_MAGIC, DYNAMIC_VERSION, next, NEXT_MODE_S, 0, PREFERRED_HART },
	};

	memcpy(rom.code, code, sizeof(code));
	return vm_memory_write(&m->memory, LAYOUT_ROM_START, &rom, sizeof(rom));
}
