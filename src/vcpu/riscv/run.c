/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - the loop around a hart: what other threads want of it, interrupts, then instructions
 * until something comes up, which is a trap or the machine's.
 */
#include "vcpu/riscv/internal.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

/* --- what others want --------------------------------------------------------------------------
 */

static void want(struct riscv_hart *hart, enum riscv_want what)
{
	__atomic_fetch_or(&hart->wants, what, __ATOMIC_SEQ_CST);
	riscv_hart_notify(hart);
}

static void kick(struct vm_vcpu *vcpu)
{
	want(riscv_hart_of(vcpu), RISCV_WANT_KICK);
}

static void set_pin(struct vm_vcpu *vcpu, unsigned pin, bool level)
{
	struct riscv_hart *hart = riscv_hart_of(vcpu);
	uint64_t bit = pin < 64 ? IRQ_BIT(pin) & IRQS : 0;

	if (!level)
		__atomic_fetch_and(&hart->pins, ~(bit & ~IRQS_LATCHED), __ATOMIC_SEQ_CST);
	else if (!(__atomic_fetch_or(&hart->pins, bit, __ATOMIC_SEQ_CST) & bit))
		riscv_hart_notify(hart);
}

static void answer_fence(struct riscv_hart *hart)
{
	uint32_t asked;

	if (!(__atomic_fetch_and(&hart->wants, ~(uint32_t)RISCV_WANT_FENCE, __ATOMIC_SEQ_CST) &
		    RISCV_WANT_FENCE))
		return;
	asked = __atomic_load_n(&hart->fences_asked, __ATOMIC_SEQ_CST);
	riscv_forget_all(hart);
	__atomic_store_n(&hart->fences_done, asked, __ATOMIC_SEQ_CST);
}

void riscv_hart_fence(struct riscv_hart *hart, struct riscv_hart *from)
{
	uint32_t number;

	if (hart == from) {
		riscv_forget_all(hart);
		return;
	}
	number = __atomic_add_fetch(&hart->fences_asked, 1, __ATOMIC_SEQ_CST);
	want(hart, RISCV_WANT_FENCE);
	/* One that does not execute will answer before it does. */
	while (__atomic_load_n(&hart->is_running, __ATOMIC_SEQ_CST) &&
		!__atomic_load_n(&hart->is_sleeping, __ATOMIC_SEQ_CST) &&
		(int32_t)(__atomic_load_n(&hart->fences_done, __ATOMIC_SEQ_CST) - number) < 0) {
		if (from)
			answer_fence(from);
		sched_yield();
	}
}

/* --- instructions ------------------------------------------------------------------------------
 */

static void take_illegal(struct riscv_hart *hart)
{
	struct riscv_code_page page;
	uint64_t offset = hart->cpu.cpu.pc & (VM_PAGE_BYTES - 1);
	uint16_t low = 0, high = 0;

	/* The word is read again: what is there now may be another one, or not be there. */
	if (riscv_mmu_code(&hart->cpu, hart->cpu.cpu.pc, &page))
		memcpy(&low, page.host + offset, sizeof(low));
	if (riscv_length(low) == 4) {
		uint64_t next = hart->cpu.cpu.pc + 2;

		if (riscv_mmu_code(&hart->cpu, next, &page))
			memcpy(&high, page.host + (next & (VM_PAGE_BYTES - 1)), sizeof(high));
	}
	riscv_take_exception(hart, RISCV_ILLEGAL_INSTRUCTION, low | (uint32_t)high << 16);
}

static bool is_sbi_call(const struct riscv_hart *hart)
{
	return hart->privilege == RISCV_SUPERVISOR && hart->config.sbi;
}

static void take_call(struct riscv_hart *hart)
{
	struct riscv_cpu *cpu = &hart->cpu.cpu;
	struct riscv_sbi_result result = { 0 };
	uint64_t arguments[8];

	if (!is_sbi_call(hart)) {
		riscv_take_exception(hart, RISCV_ECALL_USER + hart->privilege, 0);
		return;
	}
	memcpy(arguments, &cpu->x[10], sizeof(arguments));
	cpu->pc += 4;
	cpu->retired++;
	hart->config.sbi(hart, arguments, &result);
	cpu->x[10] = (uint64_t)result.error;
	cpu->x[11] = result.value;
}

static bool is_stepping(const struct riscv_hart *hart)
{
	return hart->cpu.mode & RISCV_MODE_STEP;
}

/* Has the instruction that is to be executed been stopped at a watchpoint? */
static bool is_watched(const struct riscv_hart *hart, enum jit_stop stop)
{
	return stop == JIT_STOP_FAULT && hart->cpu.cpu.fault_code == RISCV_WATCHED;
}

static enum jit_stop execute(struct riscv_hart *hart, uint64_t limit)
{
	struct riscv_cpu *cpu = &hart->cpu.cpu;
	enum jit_stop stop;

	if (is_stepping(hart))
		stop = riscv_interpret(cpu, 1);
	else if (hart->config.jit)
		stop = riscv_run(hart->config.jit, cpu);
	else
		stop = riscv_interpret(cpu, limit);
	return is_watched(hart, stop) ? riscv_watch_pass(hart) : stop;
}

static void handle(struct riscv_hart *hart, enum jit_stop stop)
{
	struct riscv_cpu *cpu = &hart->cpu.cpu;

	switch (stop) {
	case JIT_STOP_SYSTEM_CALL:
		take_call(hart);
		break;
	case JIT_STOP_BREAKPOINT:
		riscv_take_exception(hart, RISCV_BREAKPOINT, cpu->pc);
		break;
	case JIT_STOP_ILLEGAL:
		take_illegal(hart);
		break;
	case JIT_STOP_FAULT:
		/* Of what never came to memory the address is as the instruction has it. */
		if (cpu->fault_code == RISCV_LOAD_MISALIGNED ||
			cpu->fault_code == RISCV_STORE_MISALIGNED)
			cpu->fault_address = riscv_mmu_mask(
				hart, RISCV_ACCESS_READ, cpu->fault_address);
		riscv_take_exception(hart, (unsigned)cpu->fault_code, cpu->fault_address);
		break;
	case JIT_STOP_MISALIGNED: /* a machine's atomics fault */
		riscv_take_exception(hart, RISCV_STORE_MISALIGNED, cpu->fault_address);
		break;
	case JIT_STOP_WAIT:
		hart->is_waiting = true;
		cpu->retired++;
		break;
	case JIT_STOP_MODE:
	case JIT_STOP_NEW_CODE:
		cpu->retired++;
		break;
	case JIT_STOP_LIMIT:
	case JIT_STOP_AGAIN:
	case JIT_STOP_INTERRUPT:
		break;
	}
}

enum jit_stop riscv_take_stop(struct riscv_system_cpu *cpu, enum jit_stop stop)
{
	struct riscv_hart *hart = riscv_hart_of_cpu(cpu);

	switch (stop) {
	case JIT_STOP_SYSTEM_CALL:
		if (is_sbi_call(hart))
			return stop;
		break;
	case JIT_STOP_FAULT:
		if (is_watched(hart, stop))
			return stop;
		break;
	case JIT_STOP_MODE:
		break;
	default:
		return stop;
	}
	handle(hart, stop);
	return riscv_pending_interrupt(hart) < 0 ? JIT_STOP_LIMIT : JIT_STOP_AGAIN;
}

/* --- the loop ----------------------------------------------------------------------------------
 */

static bool is_at_breakpoint(const struct riscv_hart *hart)
{
	for (unsigned i = 0; i < hart->nr_breakpoints; i++)
		if (hart->breakpoints[i] == hart->cpu.cpu.pc)
			return true;
	return false;
}

/* An interrupt that is enabled ends wfi, even when it is not to be taken: 3.3.3. */
static void wait(struct riscv_hart *hart)
{
	__atomic_store_n(&hart->cpu.cpu.interrupt, 0, __ATOMIC_SEQ_CST);
	if (riscv_csr_mip(hart) & hart->csrs.mie)
		hart->is_waiting = false;
	else if (!__atomic_load_n(&hart->wants, __ATOMIC_SEQ_CST))
		riscv_timer_sleep(hart);
}

/* false: the machine must do something. */
static bool answer(struct riscv_hart *hart, enum vm_stop *ret)
{
	uint32_t wants = __atomic_load_n(&hart->wants, __ATOMIC_SEQ_CST);

	if (wants & RISCV_WANT_FENCE)
		answer_fence(hart);
	if (wants & RISCV_WANT_KICK) {
		__atomic_fetch_and(&hart->wants, ~(uint32_t)RISCV_WANT_KICK, __ATOMIC_SEQ_CST);
		*ret = VM_STOP_KICKED;
		return false;
	}
	if (hart->is_off)
		*ret = VM_STOP_OFF;
	return !hart->is_off;
}

static enum vm_stop loop(struct riscv_hart *hart)
{
	enum vm_stop stop = VM_STOP_KICKED;

	for (bool is_first = true; answer(hart, &stop); is_first = false) {
		uint64_t limit = riscv_counters_check(hart);
		int interrupt = riscv_pending_interrupt(hart);

		if (!is_first && hart->wants_step)
			return VM_STOP_BREAKPOINT;
		if (interrupt >= 0) {
			riscv_take_interrupt(hart, (unsigned)interrupt);
		} else if (hart->is_waiting) {
			wait(hart);
			continue;
		}
		if (!is_first && is_at_breakpoint(hart))
			return VM_STOP_BREAKPOINT;
		handle(hart, execute(hart, limit));
		if (hart->watch.has_met)
			return VM_STOP_BREAKPOINT;
	}
	return stop;
}

static enum vm_stop run(struct vm_vcpu *vcpu, struct error *err)
{
	struct riscv_hart *hart = riscv_hart_of(vcpu);
	enum vm_stop stop;
	stack_t before;
	int r = riscv_catch_faults(hart, &before);

	if (r < 0) {
		error_errno(err, r, "no signal stack for a hart");
		return VM_STOP_ERROR;
	}
	__atomic_store_n(&hart->is_running, true, __ATOMIC_SEQ_CST);
	hart->watch.has_met = false;
	riscv_update_mode(hart);
	riscv_timer_arm(hart);
	stop = loop(hart);
	__atomic_store_n(&hart->is_running, false, __ATOMIC_SEQ_CST);
	riscv_leave_faults(&before);
	return stop;
}

/* A stack and a handler for faults of ours (faults.c). */
static const struct confine_call run_calls[] = {
	ALLOW(SYS_sigaltstack),
	ALLOW_EQUAL(SYS_rt_sigaction, 0, SIGSEGV),
};
static const struct confine_list run_list = CONFINE_LIST(run_calls);

const struct vm_vcpu_ops riscv_hart_ops = {
	.name = "riscv",
	.calls = &run_list,
	.run = run,
	.kick = kick,
	.set_pin = set_pin,
	.message = riscv_imsic_message,
};

/* --- breakpoints -------------------------------------------------------------------------------
 */

int riscv_hart_add_breakpoint(struct riscv_hart *hart, uint64_t pc)
{
	if (hart->nr_breakpoints == RISCV_BREAKPOINTS_MAX)
		return -ENOSPC;
	hart->breakpoints[hart->nr_breakpoints++] = pc;
	return 0;
}

int riscv_hart_remove_breakpoint(struct riscv_hart *hart, uint64_t pc)
{
	for (unsigned i = 0; i < hart->nr_breakpoints; i++) {
		if (hart->breakpoints[i] == pc) {
			hart->breakpoints[i] = hart->breakpoints[--hart->nr_breakpoints];
			return 0;
		}
	}
	return -ENOENT;
}
