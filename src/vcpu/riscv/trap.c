/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.c - into a handler and back, and which interrupt comes first (RISC-V Privileged ISA, 3.1.6
 * to 3.1.9, 3.3.2, 12.1).
 */
#include "vcpu/riscv/internal.h"

#define CAUSE_INTERRUPT (UINT64_C(1) << 63)
#define VECTORED	1u

/* --- the mode ----------------------------------------------------------------------------------
 */

static enum riscv_regime regime_of(const struct riscv_hart *hart)
{
	uint64_t mstatus = hart->csrs.mstatus;

	switch (hart->privilege) {
	case RISCV_USER:
		return mstatus & MSTATUS_MPRV ? RISCV_REGIME_OTHER : RISCV_REGIME_USER;
	case RISCV_SUPERVISOR:
		if (mstatus & MSTATUS_MPRV)
			return RISCV_REGIME_OTHER;
		return mstatus & MSTATUS_SUM ? RISCV_REGIME_SUPERVISOR_USER
					     : RISCV_REGIME_SUPERVISOR;
	default:
		/* With MPP saying machine mode, MPRV changes nothing. */
		return mstatus & MSTATUS_MPRV && (mstatus & MSTATUS_MPP) != MSTATUS_MPP
			? RISCV_REGIME_OTHER
			: RISCV_REGIME_MACHINE;
	}
}

void riscv_update_mode(struct riscv_hart *hart)
{
	uint64_t mstatus = hart->csrs.mstatus;
	uint32_t mode = regime_of(hart);

	if ((mstatus & MSTATUS_FS) == MSTATUS_FS)
		mode |= RISCV_MODE_FLOAT;
	if ((mstatus & MSTATUS_VS) == MSTATUS_VS)
		mode |= RISCV_MODE_VECTOR;
	if (riscv_may_use_blocks(hart, ENVCFG_CBZE))
		mode |= RISCV_MODE_ZERO;
	if (hart->counters.is_exact)
		mode |= RISCV_MODE_COUNT;
	if (hart->wants_step || hart->nr_breakpoints)
		mode |= RISCV_MODE_STEP;
	hart->cpu.mode = mode;
}

void riscv_set_privilege(struct riscv_hart *hart, enum riscv_privilege privilege)
{
	uint32_t stopping = privilege != hart->privilege ? hart->counters.by_privilege : 0;

	if (stopping)
		riscv_counters_stop(hart, stopping);
	hart->privilege = privilege;
	if (stopping)
		riscv_counters_start(hart, stopping);
	riscv_update_mode(hart);
}

/* --- in ----------------------------------------------------------------------------------------
 */

static uint64_t handler(uint64_t tvec, uint64_t cause)
{
	uint64_t base = tvec & ~UINT64_C(3);

	return tvec & VECTORED && cause & CAUSE_INTERRUPT ? base + 4 * (cause & ~CAUSE_INTERRUPT)
							  : base;
}

/* Bit `from` of `status` at `to`. */
static uint64_t moved(uint64_t status, uint64_t from, uint64_t to)
{
	return status & from ? to : 0;
}

static void enter_supervisor(struct riscv_hart *hart, uint64_t cause, uint64_t value)
{
	struct riscv_csrs *csrs = &hart->csrs;
	uint64_t status = csrs->mstatus & ~(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP);

	csrs->scause = cause;
	csrs->sepc = hart->cpu.cpu.pc;
	csrs->stval = value;
	status |= moved(csrs->mstatus, MSTATUS_SIE, MSTATUS_SPIE);
	if (hart->privilege == RISCV_SUPERVISOR)
		status |= MSTATUS_SPP;
	csrs->mstatus = status;
	hart->cpu.cpu.pc = handler(csrs->stvec, cause);
	riscv_set_privilege(hart, RISCV_SUPERVISOR);
}

static void enter_machine(struct riscv_hart *hart, uint64_t cause, uint64_t value)
{
	struct riscv_csrs *csrs = &hart->csrs;
	uint64_t status = csrs->mstatus & ~(MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP);

	csrs->mcause = cause;
	csrs->mepc = hart->cpu.cpu.pc;
	csrs->mtval = value;
	status |= moved(csrs->mstatus, MSTATUS_MIE, MSTATUS_MPIE);
	csrs->mstatus = status | (uint64_t)hart->privilege << MSTATUS_MPP_SHIFT;
	hart->cpu.cpu.pc = handler(csrs->mtvec, cause);
	riscv_set_privilege(hart, RISCV_MACHINE);
}

static void enter(struct riscv_hart *hart, bool is_delegated, uint64_t cause, uint64_t value)
{
	struct riscv_trap *trap = &hart->traps[hart->nr_traps++ % RISCV_TRAPS_MAX];

	hart->is_waiting = false;
	trap->cause = cause;
	trap->value = value;
	trap->pc = hart->cpu.cpu.pc;
	trap->from = hart->privilege;
	if (is_delegated && hart->privilege != RISCV_MACHINE)
		enter_supervisor(hart, cause, value);
	else
		enter_machine(hart, cause, value);
	trap->to = hart->privilege;
}

void riscv_take_exception(struct riscv_hart *hart, unsigned cause, uint64_t value)
{
	enter(hart, hart->csrs.medeleg >> cause & 1, cause, value);
}

void riscv_take_interrupt(struct riscv_hart *hart, unsigned number)
{
	enter(hart, hart->csrs.mideleg >> number & 1, CAUSE_INTERRUPT | number, 0);
}

/* --- out ---------------------------------------------------------------------------------------
 */

void riscv_return_from_machine(struct riscv_hart *hart)
{
	uint64_t old = hart->csrs.mstatus, status;
	unsigned previous = (unsigned)((old & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT);

	status = old & ~(MSTATUS_MIE | MSTATUS_MPP);
	status |= moved(old, MSTATUS_MPIE, MSTATUS_MIE) | MSTATUS_MPIE;
	if (previous != RISCV_MACHINE)
		status &= ~MSTATUS_MPRV;
	hart->csrs.mstatus = status;
	hart->cpu.cpu.pc = hart->csrs.mepc;
	hart->cpu.cpu.reserved_address = RISCV_NO_RESERVATION;
	riscv_set_privilege(hart, (enum riscv_privilege)previous);
}

void riscv_return_from_supervisor(struct riscv_hart *hart)
{
	uint64_t old = hart->csrs.mstatus, status;

	status = old & ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV);
	status |= moved(old, MSTATUS_SPIE, MSTATUS_SIE) | MSTATUS_SPIE;
	hart->csrs.mstatus = status;
	hart->cpu.cpu.pc = hart->csrs.sepc;
	hart->cpu.cpu.reserved_address = RISCV_NO_RESERVATION;
	riscv_set_privilege(hart, old & MSTATUS_SPP ? RISCV_SUPERVISOR : RISCV_USER);
}

/* --- interrupts --------------------------------------------------------------------------------
 */

int riscv_first_interrupt(uint64_t pending)
{
	/* Machine mode's first, then by what they are: 3.1.9. */
	static const uint8_t order[] = { RISCV_IRQ_MEI, RISCV_IRQ_MSI, RISCV_IRQ_MTI, RISCV_IRQ_SEI,
		RISCV_IRQ_SSI, RISCV_IRQ_STI, RISCV_IRQ_LCOFI };

	for (size_t i = 0; i < sizeof(order) && pending; i++)
		if (pending >> order[i] & 1)
			return order[i];
	return -1;
}

int riscv_pending_interrupt(struct riscv_hart *hart)
{
	const struct riscv_csrs *csrs = &hart->csrs;
	bool machine = hart->privilege < RISCV_MACHINE || csrs->mstatus & MSTATUS_MIE;
	bool supervisor = hart->privilege < RISCV_SUPERVISOR ||
		(hart->privilege == RISCV_SUPERVISOR && csrs->mstatus & MSTATUS_SIE);
	uint64_t enabled = csrs->mie &
		((machine ? ~csrs->mideleg : 0) | (supervisor ? csrs->mideleg : 0));
	uint64_t pending = riscv_csr_mip_soon(hart) & csrs->mie;

	hart->cpu.may_interrupt = pending != 0;
	pending &= enabled;
	/* Those that are not delegated come before the others. */
	if (pending & ~csrs->mideleg)
		pending &= ~csrs->mideleg;
	return riscv_first_interrupt(pending);
}
