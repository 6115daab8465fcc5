/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-csr.c - the control and status registers of user mode (RISC-V Unprivileged ISA
 * 20240411, chapters 6 "Zicsr", 7 "Zicntr" and "V").
 */
#include "jit/riscv/interpret.h"

#include <time.h>

enum {
	CSR_VSTART = 0x008,
	CSR_VXSAT = 0x009,
	CSR_VXRM = 0x00a,
	CSR_VCSR = 0x00f, /* vxsat 0, vxrm 2:1 */
	CSR_CYCLE = 0xc00,
	CSR_TIME = 0xc01,
	CSR_INSTRET = 0xc02,
	CSR_VL = 0xc20,
	CSR_VTYPE = 0xc21,
	CSR_VLENB = 0xc22,
};

/* Ticks of a nanosecond. */
static uint64_t read_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool riscv_read_user_csr(const struct riscv_cpu *cpu, int csr, uint64_t *ret)
{
	switch (csr) {
	case RISCV_CSR_FFLAGS:
		*ret = cpu->fcsr & 0x1f;
		return true;
	case RISCV_CSR_FRM:
		*ret = cpu->fcsr >> 5;
		return true;
	case RISCV_CSR_FCSR:
		*ret = cpu->fcsr;
		return true;
	case CSR_VSTART:
		*ret = cpu->vstart;
		return true;
	case CSR_VXSAT:
		*ret = cpu->vxsat;
		return true;
	case CSR_VXRM:
		*ret = cpu->vxrm;
		return true;
	case CSR_VCSR:
		*ret = cpu->vxsat | (unsigned)cpu->vxrm << 1;
		return true;
	case CSR_VL:
		*ret = cpu->vl;
		return true;
	case CSR_VTYPE:
		*ret = cpu->vtype;
		return true;
	case CSR_VLENB:
		*ret = RISCV_VLEN_BYTES;
		return true;
	/* Translated code does not count: time goes on as they do. */
	case CSR_CYCLE:
	case CSR_INSTRET:
	case CSR_TIME:
		*ret = read_time();
		return true;
	default:
		return false;
	}
}

void riscv_write_user_csr(struct riscv_cpu *cpu, int csr, uint64_t value)
{
	switch (csr) {
	case RISCV_CSR_FFLAGS:
		cpu->fcsr = (cpu->fcsr & ~0x1fu) | (value & 0x1f);
		break;
	case RISCV_CSR_FRM:
		cpu->fcsr = (cpu->fcsr & 0x1f) | (uint32_t)(value & 7) << 5;
		break;
	case RISCV_CSR_FCSR:
		cpu->fcsr = value & 0xff;
		break;
	case CSR_VSTART: /* as many bits as an index may have */
		cpu->vstart = value & (8 * RISCV_VLEN_BYTES - 1);
		break;
	case CSR_VXSAT:
		cpu->vxsat = value & 1;
		break;
	case CSR_VXRM:
		cpu->vxrm = value & 3;
		break;
	case CSR_VCSR:
		cpu->vxsat = value & 1;
		cpu->vxrm = value >> 1 & 3;
		break;
	}
}

bool riscv_csr_writes(const struct riscv_insn *insn)
{
	return insn->rs1 || insn->op == RISCV_CSRRW || insn->op == RISCV_CSRRWI;
}

uint64_t riscv_csr_combine(const struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t old)
{
	bool is_immediate = riscv_format(insn->op) == RISCV_FORMAT_CSRI;
	uint64_t operand = is_immediate ? insn->rs1 : cpu->x[insn->rs1];

	if (insn->op == RISCV_CSRRS || insn->op == RISCV_CSRRSI)
		return old | operand;
	if (insn->op == RISCV_CSRRC || insn->op == RISCV_CSRRCI)
		return old & ~operand;
	return operand;
}

bool riscv_execute_csr(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	bool writes = riscv_csr_writes(insn);
	uint64_t old = 0;

	/* The two highest bits set: read-only. */
	if (!riscv_read_user_csr(cpu, insn->imm, &old) || (writes && insn->imm >> 10 == 3))
		return false;
	if (writes)
		riscv_write_user_csr(cpu, insn->imm, riscv_csr_combine(cpu, insn, old));
	cpu->x[insn->rd] = old;
	return true;
}
