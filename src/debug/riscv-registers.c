/* SPDX-License-Identifier: Apache-2.0 */
/*
 * riscv-registers.c - the registers of user mode, by their numbers, wherever a target has them.
 */
#include <errno.h>
#include <string.h>

#include "debug/debug.h"

static void put(uint8_t *value, uint64_t number, size_t size)
{
	memcpy(value, &number, size);
}

static uint64_t get(const uint8_t *value, size_t size)
{
	uint64_t number = 0;

	memcpy(&number, value, size);
	return number;
}

void debug_riscv_read(const struct debug_riscv_user *cpu, unsigned number, uint8_t *value)
{
	switch (number) {
	case DEBUG_RISCV_X0 ... DEBUG_RISCV_X0 + 31:
		put(value, cpu->x[number], 8);
		break;
	case DEBUG_RISCV_PC:
		put(value, *cpu->pc, 8);
		break;
	case DEBUG_RISCV_F0 ... DEBUG_RISCV_F0 + 31:
		put(value, cpu->f[number - DEBUG_RISCV_F0], 8);
		break;
	case DEBUG_RISCV_FFLAGS:
		put(value, *cpu->fcsr & 31, 4);
		break;
	case DEBUG_RISCV_FRM:
		put(value, *cpu->fcsr >> 5 & 7, 4);
		break;
	case DEBUG_RISCV_FCSR:
		put(value, *cpu->fcsr, 4);
		break;
	case DEBUG_RISCV_V0 ... DEBUG_RISCV_V0 + 31:
		memcpy(value, cpu->v + (number - DEBUG_RISCV_V0) * DEBUG_RISCV_VECTOR_BYTES,
			DEBUG_RISCV_VECTOR_BYTES);
		break;
	case DEBUG_RISCV_VSTART:
		put(value, *cpu->vstart, 8);
		break;
	case DEBUG_RISCV_VXSAT:
		put(value, *cpu->vxsat, 8);
		break;
	case DEBUG_RISCV_VXRM:
		put(value, *cpu->vxrm, 8);
		break;
	case DEBUG_RISCV_VCSR:
		put(value, (uint64_t)*cpu->vxrm << 1 | *cpu->vxsat, 8);
		break;
	case DEBUG_RISCV_VL:
		put(value, *cpu->vl, 8);
		break;
	case DEBUG_RISCV_VTYPE:
		put(value, *cpu->vtype, 8);
		break;
	default: /* VLENB */
		put(value, DEBUG_RISCV_VECTOR_BYTES, 8);
	}
}

/* What only vsetvl may change stays; the rest is cut to what the register holds. */
int debug_riscv_write(const struct debug_riscv_user *cpu, unsigned number, const uint8_t *value)
{
	switch (number) {
	case DEBUG_RISCV_X0:
		return 0;
	case DEBUG_RISCV_X0 + 1 ... DEBUG_RISCV_X0 + 31:
		cpu->x[number] = get(value, 8);
		return 0;
	case DEBUG_RISCV_PC:
		*cpu->pc = get(value, 8) & ~UINT64_C(1);
		return 0;
	case DEBUG_RISCV_F0 ... DEBUG_RISCV_F0 + 31:
		cpu->f[number - DEBUG_RISCV_F0] = get(value, 8);
		return 0;
	case DEBUG_RISCV_FFLAGS:
		*cpu->fcsr = (*cpu->fcsr & ~31u) | (uint32_t)(get(value, 4) & 31);
		return 0;
	case DEBUG_RISCV_FRM:
		*cpu->fcsr = (*cpu->fcsr & 31) | (uint32_t)(get(value, 4) & 7) << 5;
		return 0;
	case DEBUG_RISCV_FCSR:
		*cpu->fcsr = (uint32_t)get(value, 4) & 255;
		return 0;
	case DEBUG_RISCV_V0 ... DEBUG_RISCV_V0 + 31:
		memcpy(cpu->v + (number - DEBUG_RISCV_V0) * DEBUG_RISCV_VECTOR_BYTES, value,
			DEBUG_RISCV_VECTOR_BYTES);
		return 0;
	case DEBUG_RISCV_VXSAT:
		*cpu->vxsat = (uint8_t)(get(value, 8) & 1);
		return 0;
	case DEBUG_RISCV_VXRM:
		*cpu->vxrm = (uint8_t)(get(value, 8) & 3);
		return 0;
	case DEBUG_RISCV_VCSR:
		*cpu->vxsat = (uint8_t)(get(value, 8) & 1);
		*cpu->vxrm = (uint8_t)(get(value, 8) >> 1 & 3);
		return 0;
	default:
		return -EPERM;
	}
}
