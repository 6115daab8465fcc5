/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - run a hart until something comes up, translated or interpreted; make faults of ours the
 * guest's; and RISC-V as the rest of jit/ sees it.
 *
 * Translated code keeps rounding mode and flags in the host's control word; fcsr holds what flags
 * there were before. It knows the four rounding modes that the host has: with another one (to
 * nearest, ties away; or none) in fcsr everything is interpreted.
 */
#include <setjmp.h>
#include <stddef.h>
#include <string.h>

#include "jit/internal.h"
#include "jit/riscv/cpu.h"
#include "jit/riscv/interpret.h"
#include "jit/riscv/lift.h"

#define CANONICAL_BITS 47 /* of addresses of user mode: SDM volume 1, 3.3.7.1 */

static unsigned rounding(const struct riscv_cpu *cpu)
{
	return cpu->fcsr >> 5 & 7;
}

/* --- the guest -----------------------------------------------------------------------------------
 */

/* fcsr in full before, the host's control word after. */
static int execute_float_csr(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t next = cpu->pc + insn->length;
	enum jit_stop stop;

	cpu->fcsr |= host_float_flags(host_read_float_control());
	stop = riscv_execute(cpu, insn, &next);
	if (stop != JIT_STOP_LIMIT && stop != JIT_STOP_MODE)
		return (int)stop;
	cpu->x[0] = 0;
	host_write_float_control(host_float_control(rounding(cpu)));
	if (stop == JIT_STOP_LIMIT && !riscv_rounds_as_host(cpu)) {
		cpu->pc = next;
		cpu->retired++;
		return JIT_LEAVE_INTERPRET;
	}
	return (int)stop;
}

static uint32_t mode_of(const struct riscv_cpu *cpu)
{
	return cpu->is_system ? ((const struct riscv_system_cpu *)cpu)->mode : 0;
}

static bool is_translated(const struct riscv_cpu *cpu)
{
	uint32_t mode = mode_of(cpu);

	return riscv_rounds_as_host(cpu) && !(mode & RISCV_MODE_STEP) &&
		(mode & RISCV_MODE_REGIME) != RISCV_REGIME_OTHER;
}

/* A machine's hart that an instruction has stopped: a trap that it takes by itself, or another
 * mode, does not lead out of translated code. */
static int go_on(struct riscv_system_cpu *cpu, enum jit_stop stop)
{
	if (cpu->ops->take)
		stop = cpu->ops->take(cpu, stop);
	else if (stop == JIT_STOP_MODE)
		stop = JIT_STOP_LIMIT;
	if (stop != JIT_STOP_LIMIT)
		return (int)stop;
	return is_translated(&cpu->cpu) && jit_switch(&cpu->cpu.frame, cpu) ? JIT_LEAVE_SWITCHED
									    : JIT_STOP_AGAIN;
}

static int help(void *state, const void *data)
{
	struct riscv_cpu *cpu = state;
	uint32_t mode = mode_of(cpu);
	struct riscv_insn insn;
	uint64_t next;
	enum jit_stop stop;

	memcpy(&insn, data, sizeof(insn));
	if (insn.op >= RISCV_CSRRW && insn.op <= RISCV_CSRRCI && insn.imm >= RISCV_CSR_FFLAGS &&
		insn.imm <= RISCV_CSR_FCSR)
		return execute_float_csr(cpu, &insn);
	next = cpu->pc + insn.length;
	stop = riscv_execute(cpu, &insn, &next);
	cpu->x[0] = 0;
	if (stop == JIT_STOP_LIMIT && mode_of(cpu) != mode) {
		cpu->pc = next;
		stop = JIT_STOP_MODE;
	}
	if (stop != JIT_STOP_LIMIT && cpu->is_system)
		return go_on((struct riscv_system_cpu *)cpu, stop);
	return (int)stop;
}

static void unpack(uint32_t word, void *data)
{
	const struct riscv_insn insn = riscv_decode(word);

	memcpy(data, &insn, sizeof(insn));
}

/* A hart that only uses the registers of a user's program has none of this. */
static bool find_code(void *state, uint64_t pc, struct jit_source *ret)
{
	struct riscv_system_cpu *cpu = state;
	uint64_t page = pc & -JIT_TLB_PAGE_BYTES;
	struct riscv_code_page code;

	if (!cpu->ops->code(cpu, pc, &code))
		return false;
	*ret = (struct jit_source){ .pc = pc,
		.context = code.physical | cpu->mode,
		.offset = (int64_t)((uint64_t)(uintptr_t)code.host - page),
		.end = page + JIT_TLB_PAGE_BYTES,
		.is_global = code.is_global,
		.state = cpu };
	return true;
}

static const struct jit_guest_machine machine = {
	.mode = offsetof(struct riscv_system_cpu, mode),
	.address_space = offsetof(struct riscv_system_cpu, address_space),
	.tlb = offsetof(struct riscv_system_cpu, tlb),
	.nr_regimes = RISCV_REGIMES,
	.regime_mask = RISCV_MODE_REGIME,
	.shared_regimes = 1u << RISCV_REGIME_SUPERVISOR | 1u << RISCV_REGIME_SUPERVISOR_USER |
		1u << RISCV_REGIME_MACHINE,
	.may_interrupt = offsetof(struct riscv_system_cpu, may_interrupt),
	.counting_mode = RISCV_MODE_COUNT,
	.retired = offsetof(struct riscv_system_cpu, cpu.retired),
	.retired_limit = offsetof(struct riscv_system_cpu, retired_limit),
	.find_code = find_code,
};

static const char *const slot_names[] = { "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0",
	"s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7",
	"s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6", "ft0", "ft1", "ft2", "ft3", "ft4", "ft5",
	"ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "fs2",
	"fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10",
	"ft11", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",
	"v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25",
	"v26", "v27", "v28", "v29", "v30", "v31" };

#define X(n) [n] = offsetof(struct riscv_cpu, x) + 8 * (n)
#define F(n) [RISCV_FIRST_FLOAT_SLOT + (n)] = offsetof(struct riscv_cpu, f) + 8 * (n)
#define V(n) [IR_FIRST_VECTOR + (n)] = offsetof(struct riscv_cpu, v) + RISCV_VLEN_BYTES * (n)
#define EIGHT(M, n)                                                                                \
	M(n), M((n) + 1), M((n) + 2), M((n) + 3), M((n) + 4), M((n) + 5), M((n) + 6), M((n) + 7)

/* What compilers use most is hot: arguments and their temporaries, sp, the first saved registers;
 * and those that compressed instructions reach. x0 comes last: it is never used. */
#define GUEST                                                                                      \
	.name = "riscv64", .slot_names = slot_names, .nr_slots = IR_FIRST_VECTOR + 32,             \
	.first_float = RISCV_FIRST_FLOAT_SLOT,                                                     \
	.slot_offsets = { EIGHT(X, 0), EIGHT(X, 8), EIGHT(X, 16), EIGHT(X, 24), EIGHT(F, 0),       \
		EIGHT(F, 8), EIGHT(F, 16), EIGHT(F, 24), EIGHT(V, 0), EIGHT(V, 8), EIGHT(V, 16),   \
		EIGHT(V, 24) },                                                                    \
	.pc = offsetof(struct riscv_cpu, pc), .interrupt = offsetof(struct riscv_cpu, interrupt),  \
	.frame = offsetof(struct riscv_cpu, frame),                                                \
	.reserved_address = offsetof(struct riscv_cpu, reserved_address),                          \
	.reserved_value = offsetof(struct riscv_cpu, reserved_value),                              \
	.float_flags = offsetof(struct riscv_cpu, fcsr),                                           \
	.vector_type = offsetof(struct riscv_cpu, vtype),                                          \
	.vector_length = offsetof(struct riscv_cpu, vl),                                           \
	.vector_start = offsetof(struct riscv_cpu, vstart),                                        \
	.hot = { 15, 14, 10, 11, 13, 12, 2, 8, 9, 16, 17, 6, 18, 28, 19, 29, 20, 7, 30, 31, 21, 5, \
		22, 23, 24, 25, 26, 27, 1, 4, 3, 0, 32 + 15, 32 + 14, 32 + 10, 32 + 11, 32 + 13,   \
		32 + 12, 32 + 16, 32 + 17, 32 + 8, 32 + 9, 32 + 0, 32 + 1, 32 + 2, 32 + 3,         \
		32 + 18, 32 + 19, 32 + 4, 32 + 5, 32 + 6, 32 + 7, 32 + 20, 32 + 21, 32 + 22,       \
		32 + 23, 32 + 24, 32 + 25, 32 + 26, 32 + 27, 32 + 28, 32 + 29, 32 + 30, 32 + 31,   \
		64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83,    \
		84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95 },                                  \
	.lift = riscv_lift, .helper = help, .unpack = unpack

static const struct jit_guest program_guest = { GUEST };
static const struct jit_guest machine_guest = { GUEST, .machine = &machine };

int jit_open(const struct jit_options *options, struct jit **ret, struct error *err)
{
	return jit_open_guest(
		options, options->is_machine ? &machine_guest : &program_guest, ret, err);
}

struct riscv_host_features riscv_host_features(void)
{
	return (struct riscv_host_features){ host_has_aes(), host_has_sha(), host_has_products() };
}

/* --- states --------------------------------------------------------------------------------------
 */

void riscv_cpu_copy(struct riscv_cpu *cpu, const struct riscv_cpu *from)
{
	*cpu = *from;
	cpu->run = NULL;
	cpu->note_access = NULL;
	cpu->frame = (struct jit_frame){ 0 };
	cpu->interrupt = 0;
	cpu->reserved_address = RISCV_NO_RESERVATION;
}

void riscv_cpu_release(struct riscv_cpu *cpu)
{
	jit_release(&cpu->frame);
}

/* --- running -------------------------------------------------------------------------------------
 */

static void leave(void *argument)
{
	longjmp(*(jmp_buf *)argument, 1);
}

/* Until something comes up, or (not for_ever) fcsr has a rounding mode that the host has, too. */
static enum jit_stop interpret(struct riscv_cpu *cpu, bool for_ever)
{
	jmp_buf buffer;
	volatile enum jit_stop stop = JIT_STOP_FAULT;

	if (setjmp(buffer) == 0) {
		cpu->run = &buffer;
		stop = for_ever ? riscv_interpret(cpu, UINT64_MAX) : riscv_interpret_rounding(cpu);
	}
	cpu->run = NULL;
	return stop;
}

/* Up to where code may be executed from pc on; it is pc where none may be. */
static uint64_t code_end(const struct jit *jit, const struct riscv_cpu *cpu)
{
	return jit && jit->options.code_end ? jit->options.code_end(jit->options.context, cpu->pc)
					    : UINT64_MAX;
}

/* Not where pc is, or not behind the first half of an instruction, which is in another page. */
static enum jit_stop no_code(const struct jit *jit, struct riscv_cpu *cpu)
{
	uint64_t end = code_end(jit, cpu);

	cpu->fault_address = end - cpu->pc == 2 ? end : cpu->pc;
	cpu->fault_signal = SIGSEGV;
	cpu->fault_code = SEGV_ACCERR;
	return JIT_STOP_FAULT;
}

static int execute(struct jit *jit, struct riscv_cpu *cpu)
{
	int reason;

	cpu->frame.float_control = host_float_control(rounding(cpu));
	reason = jit_execute(jit, cpu);
	cpu->fcsr |= host_float_flags(cpu->frame.float_control);
	return reason;
}

static enum jit_stop execute_one(struct riscv_cpu *cpu, uint32_t word)
{
	const struct riscv_insn insn = riscv_decode(word);
	uint64_t next = cpu->pc + insn.length;
	enum jit_stop stop = riscv_execute(cpu, &insn, &next);

	cpu->x[0] = 0;
	if (stop == JIT_STOP_LIMIT) {
		cpu->pc = next;
		cpu->retired++;
	}
	return stop;
}

enum jit_stop riscv_step(struct jit *jit, struct riscv_cpu *cpu, const uint32_t *instead)
{
	jmp_buf buffer;
	volatile enum jit_stop stop = JIT_STOP_FAULT;
	uint32_t word;

	if (code_end(jit, cpu) <= cpu->pc)
		return no_code(jit, cpu);
	if (setjmp(buffer) == 0) {
		cpu->run = &buffer;
		if (instead)
			stop = execute_one(cpu, *instead);
		else if (riscv_fetch(cpu, &word))
			stop = execute_one(cpu, word);
	}
	cpu->run = NULL;
	return stop;
}

/* What translated code cannot do, from pc on. */
static enum jit_stop interpret_some(struct jit *jit, struct riscv_cpu *cpu)
{
	/* An instruction on two pages, or a mode that is not translated: one at a time. */
	if (cpu->is_system)
		return riscv_step(jit, cpu, NULL);
	return interpret(cpu, false);
}

static bool is_at_limit(const struct riscv_cpu *cpu)
{
	return mode_of(cpu) & RISCV_MODE_COUNT &&
		cpu->retired >= ((const struct riscv_system_cpu *)cpu)->retired_limit;
}

static bool is_interrupted(struct riscv_cpu *cpu)
{
	bool is_asked = __atomic_exchange_n(&cpu->interrupt, 0, __ATOMIC_SEQ_CST) &
		~JIT_INTERRUPT_OWN;

	return is_asked || is_at_limit(cpu);
}

enum jit_stop riscv_run(struct jit *jit, struct riscv_cpu *cpu)
{
	if (!jit || jit->interpret)
		return interpret(cpu, true);
	if (is_interrupted(cpu))
		return JIT_STOP_INTERRUPT;
	for (;;) {
		int reason = is_translated(cpu) ? execute(jit, cpu) : JIT_LEAVE_INTERPRET;

		if (reason == JIT_LEAVE_NO_CODE)
			return no_code(jit, cpu);
		if (reason == JIT_STOP_NEW_CODE && cpu->is_system)
			jit_wait_for_marks(jit, &cpu->frame);
		if (reason != JIT_LEAVE_INTERPRET)
			return (enum jit_stop)reason;
		reason = (int)interpret_some(jit, cpu);
		if (reason == JIT_STOP_LIMIT && is_interrupted(cpu))
			reason = JIT_STOP_INTERRUPT;
		if (reason != JIT_STOP_LIMIT)
			return (enum jit_stop)reason;
	}
}

void riscv_forget_code(struct riscv_system_cpu *cpu, uint64_t address)
{
	jit_forget_addresses(&cpu->cpu.frame, address);
}

/* It has left off somewhere: the interpreter does it again and finds the element. */
static bool is_vector_memory(struct riscv_cpu *cpu)
{
	uint32_t word;
	enum riscv_op op = riscv_fetch(cpu, &word) ? riscv_decode(word).op : RISCV_ILLEGAL;

	return (op >= RISCV_VLE8_V && op <= RISCV_VLM_V) ||
		(op >= RISCV_VSE8_V && op <= RISCV_VSM_V);
}

/* A fault in translated code or in a helper that it has called. */
static bool fault_in_code(struct riscv_cpu *cpu, uint64_t address, ucontext_t *context)
{
	struct jit *jit = cpu->frame.jit;
	uint64_t at = host_pc(context);
	bool in_helper = at - (uint64_t)(uintptr_t)jit->executable >= jit->size;
	const struct jit_block *block;
	int reason = JIT_STOP_FAULT;

	if (!in_helper) {
		if (jit_is_shadow_guard(&cpu->frame, address)) {
			jit_forget_shadows(&cpu->frame);
			host_reset_shadow(context, jit_shadow_bottom(&cpu->frame));
			return true;
		}
		block = jit_block_at(jit, at);
		if (!block || !block->nr_places)
			return false;
		host_recover(jit, block, cpu, context);
		cpu->pc = jit_guest_pc(jit, block, at);
		if (is_vector_memory(cpu))
			reason = JIT_LEAVE_INTERPRET;
	}
	host_leave(jit, &cpu->frame, cpu, context, reason, in_helper);
	return true;
}

/* The address that the instruction at pc wants, when the host does not tell: x86 does not for those
 * that are not canonical (SI_KERNEL). A program that goes to one has it in pc. */
static uint64_t wanted_address(struct riscv_cpu *cpu)
{
	struct riscv_insn insn;
	uint32_t word;
	enum riscv_format format;

	if (cpu->pc >> CANONICAL_BITS || !riscv_fetch(cpu, &word))
		return cpu->pc;
	insn = riscv_decode(word);
	format = riscv_format(insn.op);
	if (format == RISCV_FORMAT_LOAD || format == RISCV_FORMAT_STORE ||
		format == RISCV_FORMAT_FLOAD || format == RISCV_FORMAT_FSTORE)
		return cpu->x[insn.rs1] + (uint64_t)(int64_t)insn.imm;
	return cpu->x[insn.rs1];
}

bool riscv_fault(struct riscv_cpu *cpu, const siginfo_t *info, ucontext_t *context)
{
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr;

	if (cpu->frame.in_code) {
		if (!fault_in_code(cpu, address, context))
			return false;
	} else if (cpu->run) {
		host_divert(context, leave, cpu->run);
	} else {
		return false;
	}
	cpu->fault_address = info->si_code == SI_KERNEL && !address ? wanted_address(cpu)
								    : address - cpu->memory.offset;
	cpu->fault_signal = info->si_signo;
	cpu->fault_code = info->si_code;
	return true;
}
