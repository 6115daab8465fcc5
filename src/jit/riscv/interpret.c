/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret.c - the loop: fetch, decode, execute.
 *
 * The reference. It is written to be read and believed, not to be fast; but what has been decoded
 * is kept, by the word and not by its address, so that nothing ever has to be forgotten.
 */
#include "jit/riscv/interpret.h"

#include <string.h>

#define KEPT 1024 /* decoded instructions; a power of two */

struct kept {
	uint32_t word;
	struct riscv_insn insn;
};

void riscv_cpu_init(struct riscv_cpu *cpu, struct jit_memory memory)
{
	*cpu = (struct riscv_cpu){
		.reserved_address = RISCV_NO_RESERVATION, .memory = memory, .vtype = RISCV_VILL
	};
}

/* The 16 bits behind a 16-bit instruction may not be there to be read. */
uint32_t riscv_fetch(const struct riscv_cpu *cpu)
{
	uint16_t low, high;

	memcpy(&low, riscv_host(cpu, cpu->pc), sizeof(low));
	if (riscv_length(low) == 2)
		return low;
	memcpy(&high, riscv_host(cpu, cpu->pc + 2), sizeof(high));
	return low | (uint32_t)high << 16;
}

/* Words that are never instructions mark empty entries: 0 is one, and decodes as such. */
static const struct riscv_insn *decode(struct kept *kept, uint32_t word)
{
	struct kept *entry = &kept[(word ^ word >> 10 ^ word >> 20) % KEPT];

	if (entry->word != word || !word) {
		entry->word = word;
		entry->insn = riscv_decode(word);
	}
	return &entry->insn;
}

static bool branches(enum riscv_op op, uint64_t a, uint64_t b)
{
	switch (op) {
	case RISCV_BEQ:
		return a == b;
	case RISCV_BNE:
		return a != b;
	case RISCV_BLT:
		return (int64_t)a < (int64_t)b;
	case RISCV_BGE:
		return (int64_t)a >= (int64_t)b;
	case RISCV_BLTU:
		return a < b;
	default: /* BGEU */
		return a >= b;
	}
}

/* jal and jalr: the target, with the way back left in rd. */
static uint64_t jump(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	uint64_t base = insn->op == RISCV_JALR ? cpu->x[insn->rs1] : cpu->pc;

	cpu->x[insn->rd] = cpu->pc + insn->length;
	return (base + (uint64_t)(int64_t)insn->imm) & ~UINT64_C(1);
}

/* Registers and immediates, nothing else. */
static uint64_t compute(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	enum riscv_format format = riscv_format(insn->op);
	uint64_t a = cpu->x[insn->rs1];
	uint64_t b = format == RISCV_FORMAT_R ? cpu->x[insn->rs2] : (uint64_t)(int64_t)insn->imm;

	switch (insn->op) {
	case RISCV_SHA256SUM0 ... RISCV_AES64KS1I:
	case RISCV_AES64ES ... RISCV_AES64KS2:
		return riscv_compute_crypto(insn->op, a, b);
	case RISCV_CLZ ... RISCV_BSETI:
	case RISCV_SLLI_UW ... RISCV_RORIW:
	case RISCV_SH1ADD ... RISCV_BSET:
	case RISCV_PACK ... RISCV_XPERM8:
	case RISCV_ADD_UW ... RISCV_PACKW:
		return riscv_compute_bits(insn->op, a, b);
	default:
		return riscv_compute(insn->op, a, b, cpu->pc);
	}
}

/* What is neither computation nor memory. JIT_STOP_LIMIT: go on at *next. */
static enum jit_stop execute_system(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t *next)
{
	switch (insn->op) {
	case RISCV_ECALL:
		return JIT_STOP_SYSTEM_CALL;
	case RISCV_EBREAK:
		return JIT_STOP_BREAKPOINT;
	case RISCV_FENCE_I:
		cpu->pc = *next;
		return JIT_STOP_NEW_CODE;
	case RISCV_FENCE:
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		return JIT_STOP_LIMIT;
	case RISCV_WRS_NTO:
	case RISCV_WRS_STO:
		return JIT_STOP_LIMIT; /* waiting may end at any time */
	case RISCV_MOP_R:
	case RISCV_MOP_RR:
		cpu->x[insn->rd] = 0;
		return JIT_STOP_LIMIT;
	case RISCV_CSRRW ... RISCV_CSRRCI:
		return riscv_execute_csr(cpu, insn) ? JIT_STOP_LIMIT : JIT_STOP_ILLEGAL;
	case RISCV_BEQ ... RISCV_BGEU:
		if (branches(insn->op, cpu->x[insn->rs1], cpu->x[insn->rs2]))
			*next = cpu->pc + (uint64_t)(int64_t)insn->imm;
		return JIT_STOP_LIMIT;
	case RISCV_JALR:
	case RISCV_JAL:
		*next = jump(cpu, insn);
		return JIT_STOP_LIMIT;
	default:
		return JIT_STOP_ILLEGAL;
	}
}

enum jit_stop riscv_execute(struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t *next)
{
	switch (insn->op) {
	case RISCV_LB ... RISCV_FLD:
	case RISCV_SB ... RISCV_FSD:
	case RISCV_CBO_INVAL ... RISCV_CBO_ZERO:
		riscv_execute_memory(cpu, insn);
		return JIT_STOP_LIMIT;
	case RISCV_LR_W ... RISCV_AMOMAXU_D:
		return riscv_execute_atomic(cpu, insn) ? JIT_STOP_LIMIT : JIT_STOP_MISALIGNED;
	case RISCV_FMADD_S ... RISCV_FMV_H_X:
		return riscv_execute_float(cpu, insn) ? JIT_STOP_LIMIT : JIT_STOP_ILLEGAL;
	case RISCV_VLE8_V ... RISCV_VLM_V:
	case RISCV_VSE8_V ... RISCV_VSM_V:
	case RISCV_VSETVLI ... RISCV_VFWREDOSUM_VS:
	case RISCV_VAESDM_VV ... RISCV_VSHA2CL_VV:
		return riscv_execute_vector(cpu, insn) ? JIT_STOP_LIMIT : JIT_STOP_ILLEGAL;
	case RISCV_ADDI ... RISCV_RORIW:
	case RISCV_ADD ... RISCV_PACKW:
		cpu->x[insn->rd] = compute(cpu, insn);
		return JIT_STOP_LIMIT;
	default:
		return execute_system(cpu, insn, next);
	}
}

enum jit_stop riscv_interpret(struct riscv_cpu *cpu, uint64_t limit)
{
	struct kept kept[KEPT] = { 0 };

	for (uint64_t i = 0; i < limit; i++) {
		const struct riscv_insn *insn = decode(kept, riscv_fetch(cpu));
		uint64_t next = cpu->pc + insn->length;
		enum jit_stop stop = riscv_execute(cpu, insn, &next);

		cpu->x[0] = 0;
		if (stop != JIT_STOP_LIMIT)
			return stop;
		cpu->pc = next;
		cpu->retired++;
		if (__atomic_load_n(&cpu->interrupt, __ATOMIC_RELAXED)) {
			__atomic_store_n(&cpu->interrupt, 0, __ATOMIC_RELAXED);
			return JIT_STOP_INTERRUPT;
		}
	}
	return JIT_STOP_LIMIT;
}
