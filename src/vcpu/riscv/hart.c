/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hart.c - a hart comes and goes, begins, and is saved.
 */
#include "vcpu/riscv/internal.h"

#include <errno.h>

#define MCOUNTEREN_ALL UINT64_C(0xffffffff)
#define PMP_NAPOT_OPEN 0x1f /* NAPOT, execute, write, read */

const struct riscv_system_ops riscv_system_ops = {
	.access = riscv_mmu_access,
	.reach = riscv_mmu_reach,
	.code = riscv_mmu_code,
	.execute = riscv_execute_system,
	.use_float = riscv_note_float,
	.use_vector = riscv_note_vector,
	.take = riscv_take_stop,
	.plain = riscv_csr_plain,
	.status = offsetof(struct riscv_hart, csrs.mstatus),
	.status_shown = (uint32_t)SSTATUS_WRITABLE,
};

int riscv_hart_init(
	struct riscv_hart *hart, const struct riscv_hart_config *config, struct error *err)
{
	int r;

	memset(hart, 0, sizeof(*hart));
	hart->config = *config;
	pthread_mutex_init(&hart->imsic.lock, NULL);
	hart->vcpu = (struct vm_vcpu){ .ops = &riscv_hart_ops, .index = config->index };
	hart->saved = riscv_hart_saved;
	hart->saved.instance = config->index;
	hart->saved.data = &hart->state;
	riscv_cpu_init(&hart->cpu.cpu, (struct jit_memory){ 0 });
	hart->cpu.cpu.is_system = true;
	hart->cpu.ops = &riscv_system_ops;
	hart->tlb = riscv_tlb_new();
	if (!hart->tlb) {
		pthread_mutex_destroy(&hart->imsic.lock);
		return error_set(err, ENOMEM, "no memory for the hart's tables");
	}
	r = riscv_timer_add_hart(hart);
	if (r < 0) {
		hart->tlb = riscv_tlb_free(hart->tlb);
		pthread_mutex_destroy(&hart->imsic.lock);
		return error_errno(err, r, "there is no hart %u", config->index);
	}
	riscv_hart_reset(hart, 0, 0);
	hart->is_off = true;
	return 0;
}

void riscv_hart_destroy(struct riscv_hart *hart)
{
	if (!hart->tlb)
		return;
	riscv_timer_remove_hart(hart);
	pthread_mutex_destroy(&hart->imsic.lock);
	riscv_cpu_release(&hart->cpu.cpu);
	hart->tlb = riscv_tlb_free(hart->tlb);
}

/* All that follows from the CSRs. */
static void follow(struct riscv_hart *hart)
{
	riscv_tlb_switch(hart);
	riscv_pmp_update(hart);
	riscv_forget_all(hart);
	riscv_update_mode(hart);
	riscv_timer_arm(hart);
}

/* The user's registers are 0, and nothing is left of what was. */
static void clear(struct riscv_hart *hart)
{
	struct riscv_cpu *cpu = &hart->cpu.cpu;

	memset(cpu->x, 0, sizeof(cpu->x));
	memset(cpu->f, 0, sizeof(cpu->f));
	memset(cpu->v, 0, sizeof(cpu->v));
	cpu->fcsr = 0;
	cpu->vl = 0;
	cpu->vtype = RISCV_VILL;
	cpu->vstart = cpu->vxrm = cpu->vxsat = 0;
	cpu->reserved_address = RISCV_NO_RESERVATION;
	hart->csrs = (struct riscv_csrs){ .mstatus = MSTATUS_UXL_64 | MSTATUS_SXL_64,
		.stimecmp = UINT64_MAX };
	hart->sbi = (struct riscv_sbi_state){ .counters_memory = RISCV_NO_MEMORY };
	memset(&hart->counters, 0, sizeof(hart->counters));
	for (unsigned i = 0; i < RISCV_COUNTERS; i++)
		riscv_counter_write(hart, i, 0);
	hart->is_waiting = hart->is_off = false;
}

static void begin(
	struct riscv_hart *hart, enum riscv_privilege privilege, uint64_t pc, uint64_t argument)
{
	hart->privilege = privilege;
	hart->cpu.cpu.pc = pc;
	hart->cpu.cpu.x[10] = hart->config.index;
	hart->cpu.cpu.x[11] = argument;
	follow(hart);
}

void riscv_hart_reset(struct riscv_hart *hart, uint64_t pc, uint64_t argument)
{
	clear(hart);
	riscv_hart_forget_messages(hart);
	begin(hart, RISCV_MACHINE, pc, argument);
}

void riscv_hart_start(struct riscv_hart *hart, uint64_t pc, uint64_t argument)
{
	struct riscv_csrs *csrs = &hart->csrs;

	clear(hart);
	/* Everything but supervisor mode's own calls. */
	csrs->medeleg = EXCEPTIONS_DELEGABLE &
		~(UINT64_C(1) << (RISCV_ECALL_USER + RISCV_SUPERVISOR));
	csrs->mideleg = IRQS_OF_SUPERVISOR;
	csrs->mcounteren = MCOUNTEREN_ALL;
	csrs->menvcfg = ENVCFG_STCE | ENVCFG_PBMTE | ENVCFG_ADUE | ENVCFG_CBIE | ENVCFG_CBCFE |
		ENVCFG_CBZE;
	csrs->mstateen[0] = STATEEN_SE | STATEEN_ENVCFG;
	if (hart->config.has_imsic)
		csrs->mstateen[0] |= STATEEN_IMSIC | STATEEN_AIA | STATEEN_CSRIND;
	for (unsigned i = 1; i < RISCV_STATEENS; i++)
		csrs->mstateen[i] = STATEEN_SE;
	csrs->pmpaddr[0] = UINT64_MAX >> 10;
	csrs->pmpcfg[0] = PMP_NAPOT_OPEN;
	begin(hart, RISCV_SUPERVISOR, pc, argument);
}

void riscv_hart_off(struct riscv_hart *hart)
{
	hart->is_off = true;
}

void riscv_hart_forget_writes(struct riscv_hart *hart)
{
	for (unsigned regime = 0; regime < RISCV_REGIMES; regime++)
		jit_tlb_clear(&hart->cpu.tlb[regime]);
}
