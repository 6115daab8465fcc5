/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - a hart as one plain struct, and back.
 *
 * What comes back may be any bytes. So CSRs are written as the guest would write them, which lets
 * only those values in that they can have.
 */
#include "vcpu/riscv/internal.h"

#include <errno.h>

static struct riscv_hart *hart_of(struct vm_saved *saved)
{
	return (struct riscv_hart *)((char *)saved - offsetof(struct riscv_hart, saved));
}

static void save(struct vm_saved *saved)
{
	struct riscv_hart_state *state = saved->data;
	struct riscv_hart *hart = hart_of(saved);
	const struct riscv_cpu *cpu = &hart->cpu.cpu;

	memset(state, 0, sizeof(*state));
	memcpy(state->x, cpu->x, sizeof(state->x));
	memcpy(state->f, cpu->f, sizeof(state->f));
	memcpy(state->v, cpu->v, sizeof(state->v));
	state->pc = cpu->pc;
	state->vl = cpu->vl;
	state->vtype = cpu->vtype;
	state->fcsr = cpu->fcsr;
	state->vstart = cpu->vstart;
	state->vxrm = cpu->vxrm;
	state->vxsat = cpu->vxsat;
	state->csrs = hart->csrs;
	for (unsigned i = 0; i < RISCV_COUNTERS; i++) {
		state->counters[i] = riscv_counter_read(hart, i);
		state->events[i] = hart->counters.events[i];
	}
	state->pins = __atomic_load_n(&hart->pins, __ATOMIC_SEQ_CST);
	riscv_imsic_save(hart, state->imsic);
	state->sbi = hart->sbi;
	state->privilege = hart->privilege;
	state->is_waiting = hart->is_waiting;
	state->is_off = hart->is_off;
	state->is_exact = hart->counters.is_exact;
}

/* Members by the number of their CSR, in an order in which no one's value depends on a later one.
 */
static const struct {
	uint16_t number, offset;
} members[] = {
#define MEMBER(number, member)                                                                     \
	{                                                                                          \
		number, offsetof(struct riscv_csrs, member)                                        \
	}
	MEMBER(0x300, mstatus),
	MEMBER(0x302, medeleg),
	MEMBER(0x303, mideleg),
	MEMBER(0x304, mie),
	MEMBER(0x305, mtvec),
	MEMBER(0x306, mcounteren),
	MEMBER(0x30a, menvcfg),
	MEMBER(0x30c, mstateen[0]),
	MEMBER(0x30d, mstateen[1]),
	MEMBER(0x30e, mstateen[2]),
	MEMBER(0x30f, mstateen[3]),
	MEMBER(0x320, mcountinhibit),
	MEMBER(0x340, mscratch),
	MEMBER(0x341, mepc),
	MEMBER(0x342, mcause),
	MEMBER(0x343, mtval),
	MEMBER(0x105, stvec),
	MEMBER(0x106, scounteren),
	MEMBER(0x10a, senvcfg),
	MEMBER(0x140, sscratch),
	MEMBER(0x141, sepc),
	MEMBER(0x142, scause),
	MEMBER(0x143, stval),
	MEMBER(0x14d, stimecmp),
	MEMBER(0x180, satp),
	MEMBER(0x350, miselect),
	MEMBER(0x150, siselect),
};

enum { CSR_PMPCFG = 0x3a0, CSR_PMPADDR = 0x3b0, CSR_MHPMEVENT = 0x320, CSR_MCYCLE = 0xb00 };

static void restore_csrs(struct riscv_hart *hart, const struct riscv_hart_state *state)
{
	const struct riscv_csrs *csrs = &state->csrs;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		uint64_t value;

		memcpy(&value, (const char *)csrs + members[i].offset, sizeof(value));
		riscv_hart_write_csr(hart, members[i].number, value);
	}
	/* Of a locked entry nothing can be written any more: that comes last. */
	for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++)
		riscv_hart_write_csr(hart, CSR_PMPADDR + i, csrs->pmpaddr[i]);
	for (unsigned i = 0; i < RISCV_PMP_ENTRIES / 8; i++) {
		uint64_t value;

		memcpy(&value, &csrs->pmpcfg[8 * i], sizeof(value));
		riscv_hart_write_csr(hart, CSR_PMPCFG + 2 * i, value);
	}
	hart->csrs.mip = csrs->mip & IRQS_OF_SUPERVISOR;
	for (unsigned i = RISCV_FIRST_EVENT; i < RISCV_COUNTERS; i++)
		riscv_hart_write_csr(hart, CSR_MHPMEVENT + i, state->events[i]);
	for (unsigned i = 0; i < RISCV_COUNTERS; i++)
		riscv_hart_write_csr(hart, CSR_MCYCLE + i, state->counters[i]);
}

static void restore_user(struct riscv_hart *hart, const struct riscv_hart_state *state)
{
	struct riscv_cpu *cpu = &hart->cpu.cpu;

	memcpy(cpu->x, state->x, sizeof(cpu->x));
	memcpy(cpu->f, state->f, sizeof(cpu->f));
	memcpy(cpu->v, state->v, sizeof(cpu->v));
	cpu->x[0] = 0;
	cpu->pc = state->pc & ~UINT64_C(1);
	cpu->fcsr = state->fcsr & 0xff;
	riscv_set_vector_type(cpu, state->vtype, state->vl);
	cpu->vstart = state->vstart % (8 * RISCV_VLEN_BYTES);
	cpu->vxrm = state->vxrm & 3;
	cpu->vxsat = state->vxsat & 1;
}

static int restore(struct vm_saved *saved, struct error *err)
{
	const struct riscv_hart_state *state = saved->data;
	struct riscv_hart *hart = hart_of(saved);

	if (state->privilege != RISCV_USER && state->privilege != RISCV_SUPERVISOR &&
		state->privilege != RISCV_MACHINE)
		return error_set(err, EINVAL, "hart %u has no privilege %u", hart->config.index,
			state->privilege);
	riscv_hart_reset(hart, 0, 0);
	if (state->is_exact)
		riscv_hart_count(hart);
	restore_csrs(hart, state);
	restore_user(hart, state);
	__atomic_store_n(&hart->pins, state->pins & IRQS, __ATOMIC_SEQ_CST);
	riscv_imsic_restore(hart, state->imsic);
	hart->sbi = state->sbi;
	hart->is_waiting = state->is_waiting;
	hart->is_off = state->is_off;
	riscv_set_privilege(hart, (enum riscv_privilege)state->privilege);
	return 0;
}

const struct vm_saved riscv_hart_saved = {
	.name = "hart",
	.size = sizeof(struct riscv_hart_state),
	.save = save,
	.restore = restore,
};
