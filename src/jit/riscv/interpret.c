/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret.c - the loop: fetch, decode, execute.
 *
 * The reference. It is written to be read and believed, not to be fast; but what has been decoded
 * is kept, by the word and not by its address, so that nothing ever has to be forgotten.
 */
#include "jit/riscv/interpret.h"

#define KEPT 1024 /* decoded instructions; a power of two */
#define FEW  64 /* instructions, which are decoded as they come */

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

/* --- fetching -------------------------------------------------------------------------------- */

/* The page of code that a machine's hart is on, as long as nothing changes what that means. */
struct window {
	const uint8_t *host; /* NULL: none */
	uint64_t page;
	uint32_t mode, address_space;
};

static bool find_half(
	struct riscv_system_cpu *system, struct window *window, uint64_t pc, const uint8_t **ret)
{
	uint64_t page = pc & ~(JIT_TLB_PAGE_BYTES - 1);

	if (!window->host || window->page != page || window->mode != system->mode ||
		window->address_space != system->address_space) {
		struct riscv_code_page code;

		window->host = NULL;
		if (!system->ops->code(system, pc, &code))
			return false;
		*window = (struct window){ code.host, page, system->mode, system->address_space };
	}
	*ret = window->host + (pc - page);
	return true;
}

/* The 16 bits behind a 16-bit instruction may not be there to be read. */
static inline bool fetch(struct riscv_cpu *cpu, struct window *window, uint32_t *ret)
{
	const uint8_t *host;
	uint16_t low, high;

	if (!cpu->is_system)
		host = riscv_host(cpu, cpu->pc);
	else if (!find_half(riscv_system(cpu), window, cpu->pc, &host))
		return false;
	memcpy(&low, host, sizeof(low));
	if (riscv_length(low) == 2) {
		*ret = low;
		return true;
	}
	host += 2;
	if (cpu->is_system && (cpu->pc + 2) % JIT_TLB_PAGE_BYTES == 0 &&
		!find_half(riscv_system(cpu), window, cpu->pc + 2, &host))
		return false;
	memcpy(&high, host, sizeof(high));
	*ret = low | (uint32_t)high << 16;
	return true;
}

bool riscv_fetch(struct riscv_cpu *cpu, uint32_t *ret)
{
	struct window window = { 0 };

	return fetch(cpu, &window, ret);
}

/* --- executing ------------------------------------------------------------------------------- */

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

/* What only a machine's hart has, or has in another way. */
static enum jit_stop execute_privileged(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t *next)
{
	if (!cpu->is_system)
		return JIT_STOP_ILLEGAL;
	return riscv_system(cpu)->ops->execute(riscv_system(cpu), insn, next);
}

static enum jit_stop execute_csr(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t *next)
{
	bool is_float = insn->imm >= RISCV_CSR_FFLAGS && insn->imm <= RISCV_CSR_FCSR;

	if (cpu->is_system && !(is_float && riscv_system(cpu)->mode & RISCV_MODE_FLOAT))
		return execute_privileged(cpu, insn, next);
	return riscv_execute_csr(cpu, insn) ? JIT_STOP_LIMIT : JIT_STOP_ILLEGAL;
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
		return execute_csr(cpu, insn, next);
	case RISCV_BEQ ... RISCV_BGEU:
		if (branches(insn->op, cpu->x[insn->rs1], cpu->x[insn->rs2]))
			*next = cpu->pc + (uint64_t)(int64_t)insn->imm;
		return JIT_STOP_LIMIT;
	case RISCV_JALR:
	case RISCV_JAL:
		*next = jump(cpu, insn);
		return JIT_STOP_LIMIT;
	case RISCV_SRET ... RISCV_SFENCE_INVAL_IR:
		return execute_privileged(cpu, insn, next);
	default:
		return JIT_STOP_ILLEGAL;
	}
}

enum jit_stop riscv_execute(struct riscv_cpu *cpu, const struct riscv_insn *insn, uint64_t *next)
{
	switch (insn->op) {
	case RISCV_FLH ... RISCV_FLD:
	case RISCV_FSH ... RISCV_FSD:
		if (!riscv_use_float(cpu))
			return JIT_STOP_ILLEGAL;
		__attribute__((fallthrough));
	case RISCV_LB ... RISCV_LWU:
	case RISCV_SB ... RISCV_SD:
		return riscv_execute_memory(cpu, insn) ? JIT_STOP_LIMIT : JIT_STOP_FAULT;
	case RISCV_CBO_INVAL ... RISCV_CBO_ZERO:
		if (cpu->is_system)
			return execute_privileged(cpu, insn, next);
		return riscv_execute_memory(cpu, insn) ? JIT_STOP_LIMIT : JIT_STOP_FAULT;
	case RISCV_LR_W ... RISCV_AMOMAXU_D:
		return riscv_execute_atomic(cpu, insn);
	case RISCV_FMADD_S ... RISCV_FMV_H_X:
		return riscv_use_float(cpu) && riscv_execute_float(cpu, insn) ? JIT_STOP_LIMIT
									      : JIT_STOP_ILLEGAL;
	case RISCV_VLE8_V ... RISCV_VLM_V:
	case RISCV_VSE8_V ... RISCV_VSM_V:
	case RISCV_VSETVLI ... RISCV_VFWREDOSUM_VS:
	case RISCV_VAESDM_VV ... RISCV_VSHA2CL_VV:
		return riscv_execute_vector(cpu, insn);
	case RISCV_ADDI ... RISCV_RORIW:
	case RISCV_ADD ... RISCV_PACKW:
		cpu->x[insn->rd] = compute(cpu, insn);
		return JIT_STOP_LIMIT;
	default:
		return execute_system(cpu, insn, next);
	}
}

/* `kept` is for decoded instructions; NULL: few are to come. `for_rounding`: until the host can
 * round as fcsr wants it. */
static enum jit_stop execute(
	struct riscv_cpu *cpu, struct kept *kept, uint64_t limit, bool for_rounding)
{
	struct window window = { 0 };
	struct riscv_insn decoded;

	for (uint64_t i = 0; i < limit; i++) {
		const struct riscv_insn *insn = &decoded;
		enum jit_stop stop;
		uint64_t next;
		uint32_t word;

		if (!fetch(cpu, &window, &word))
			return JIT_STOP_FAULT;
		if (kept)
			insn = decode(kept, word);
		else
			decoded = riscv_decode(word);
		next = cpu->pc + insn->length;
		stop = riscv_execute(cpu, insn, &next);
		cpu->x[0] = 0;
		if (stop != JIT_STOP_LIMIT)
			return stop;
		cpu->pc = next;
		cpu->retired++;
		if (__atomic_load_n(&cpu->interrupt, __ATOMIC_RELAXED)) {
			__atomic_store_n(&cpu->interrupt, 0, __ATOMIC_RELAXED);
			return JIT_STOP_INTERRUPT;
		}
		if (for_rounding && riscv_rounds_as_host(cpu))
			return JIT_STOP_LIMIT;
	}
	return JIT_STOP_LIMIT;
}

/* Room for what is decoded takes longer to make than a few instructions. */
static enum jit_stop execute_many(struct riscv_cpu *cpu, uint64_t limit, bool for_rounding)
{
	struct kept kept[KEPT] = { 0 };

	return execute(cpu, kept, limit, for_rounding);
}

enum jit_stop riscv_interpret(struct riscv_cpu *cpu, uint64_t limit)
{
	return limit <= FEW ? execute(cpu, NULL, limit, false) : execute_many(cpu, limit, false);
}

enum jit_stop riscv_interpret_rounding(struct riscv_cpu *cpu)
{
	enum jit_stop stop = execute(cpu, NULL, FEW, true);

	if (stop != JIT_STOP_LIMIT || riscv_rounds_as_host(cpu))
		return stop;
	return execute_many(cpu, UINT64_MAX, true);
}
