/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.c - instruction words to struct riscv_insn, by the table of instructions.h.
 *
 * The opcode selects a few dozen rows, which are tried in turn. Whoever decodes the same word often
 * keeps the result.
 */
#include "jit/riscv/decode.h"

#include <assert.h>
#include <stdbool.h>

struct row {
	uint32_t mask, match;
	const char *mnemonic;
};

static const struct row rows[] = { [RISCV_ILLEGAL] = { UINT32_MAX, 0, "illegal" },
#define ROW(name, text, form, ...) [RISCV_##name] = { __VA_ARGS__, text },
	RISCV_INSTRUCTIONS(ROW)
#undef ROW
};

const uint8_t riscv_formats[RISCV_OP_COUNT] = { [RISCV_ILLEGAL] = RISCV_FORMAT_NONE,
#define FORMAT(name, text, form, ...) [RISCV_##name] = RISCV_FORMAT_##form,
	RISCV_INSTRUCTIONS(FORMAT)
#undef FORMAT
};
static_assert(sizeof(rows) / sizeof(rows[0]) == RISCV_OP_COUNT, "a row for every instruction");

/* The rows of each major opcode (bits 6:2): [first, end). */
static const struct {
	uint16_t first, end;
} opcode_rows[32] = {
	[0x00] = { RISCV_LB, RISCV_FLH },
	[0x01] = { RISCV_FLH, RISCV_FENCE },
	[0x03] = { RISCV_FENCE, RISCV_ADDI },
	[0x04] = { RISCV_ADDI, RISCV_AUIPC },
	[0x05] = { RISCV_AUIPC, RISCV_ADDIW },
	[0x06] = { RISCV_ADDIW, RISCV_SB },
	[0x08] = { RISCV_SB, RISCV_FSH },
	[0x09] = { RISCV_FSH, RISCV_LR_W },
	[0x0b] = { RISCV_LR_W, RISCV_ADD },
	[0x0c] = { RISCV_ADD, RISCV_LUI },
	[0x0d] = { RISCV_LUI, RISCV_ADDW },
	[0x0e] = { RISCV_ADDW, RISCV_FMADD_S },
	[0x10] = { RISCV_FMADD_S, RISCV_FMSUB_S },
	[0x11] = { RISCV_FMSUB_S, RISCV_FNMSUB_S },
	[0x12] = { RISCV_FNMSUB_S, RISCV_FNMADD_S },
	[0x13] = { RISCV_FNMADD_S, RISCV_FADD_S },
	[0x14] = { RISCV_FADD_S, RISCV_VSETVLI },
	[0x15] = { RISCV_VSETVLI, RISCV_BEQ },
	[0x18] = { RISCV_BEQ, RISCV_JALR },
	[0x19] = { RISCV_JALR, RISCV_JAL },
	[0x1b] = { RISCV_JAL, RISCV_ECALL },
	[0x1c] = { RISCV_ECALL, RISCV_VAESDM_VV },
	[0x1d] = { RISCV_VAESDM_VV, RISCV_OP_COUNT },
};

const char *riscv_mnemonic(enum riscv_op op)
{
	return rows[op].mnemonic;
}

static uint32_t bits(uint32_t word, unsigned high, unsigned low)
{
	return word >> low & ((UINT32_C(2) << (high - low)) - 1);
}

/* Bits high..low of the word, moved to `to`. */
static uint32_t move(uint32_t word, unsigned high, unsigned low, unsigned to)
{
	return bits(word, high, low) << to;
}

static int32_t immediate_i(uint32_t w)
{
	return (int32_t)w >> 20;
}

static int32_t immediate_s(uint32_t w)
{
	return ((int32_t)w >> 25) * 32 + (int32_t)bits(w, 11, 7);
}

static int32_t immediate_b(uint32_t w)
{
	return ((int32_t)w >> 31) * 4096 +
		(int32_t)(move(w, 7, 7, 11) | move(w, 30, 25, 5) | move(w, 11, 8, 1));
}

static int32_t immediate_j(uint32_t w)
{
	return ((int32_t)w >> 31) * (1 << 20) +
		(int32_t)(move(w, 19, 12, 12) | move(w, 20, 20, 11) | move(w, 30, 21, 1));
}

static int32_t immediate(enum riscv_format format, uint32_t w)
{
	switch (format) {
	case RISCV_FORMAT_I:
	case RISCV_FORMAT_LOAD:
	case RISCV_FORMAT_FLOAD:
		return immediate_i(w);
	case RISCV_FORMAT_STORE:
	case RISCV_FORMAT_FSTORE:
		return immediate_s(w);
	case RISCV_FORMAT_B:
		return immediate_b(w);
	case RISCV_FORMAT_J:
		return immediate_j(w);
	case RISCV_FORMAT_U:
		return (int32_t)(w & 0xfffff000);
	case RISCV_FORMAT_SHIFT:
		return (int32_t)bits(w, 25, 20);
	case RISCV_FORMAT_SHIFTW:
		return (int32_t)bits(w, 24, 20);
	case RISCV_FORMAT_CSR:
	case RISCV_FORMAT_CSRI:
	case RISCV_FORMAT_FENCE:
		return (int32_t)bits(w, 31, 20);
	case RISCV_FORMAT_AESKS:
		return (int32_t)bits(w, 23, 20);
	case RISCV_FORMAT_VSETVLI:
		return (int32_t)bits(w, 30, 20);
	case RISCV_FORMAT_VSETIVLI:
		return (int32_t)bits(w, 29, 20);
	case RISCV_FORMAT_VVI:
	case RISCV_FORMAT_VVIM:
	case RISCV_FORMAT_VI:
		return (int32_t)move(w, 19, 15, 27) >> 27;
	case RISCV_FORMAT_VVU:
		return (int32_t)bits(w, 19, 15);
	case RISCV_FORMAT_VVU6:
		return (int32_t)(bits(w, 19, 15) | move(w, 26, 26, 5));
	default:
		return 0;
	}
}

/* Fields whose values the table cannot exclude. */
static bool is_reserved(enum riscv_format format, const struct riscv_insn *insn)
{
	switch (format) {
	case RISCV_FORMAT_FR:
	case RISCV_FORMAT_FR1:
	case RISCV_FORMAT_FXR:
	case RISCV_FORMAT_XFR:
	case RISCV_FORMAT_R4:
		return insn->rm == 5 || insn->rm == 6;
	case RISCV_FORMAT_AESKS:
		return insn->imm > 10;
	default:
		return false;
	}
}

static struct riscv_insn decode_word(uint32_t w)
{
	struct riscv_insn insn = { .length = 4, .word = w };
	unsigned major = bits(w, 6, 2);

	for (unsigned i = opcode_rows[major].first; i < opcode_rows[major].end; i++) {
		if ((w & rows[i].mask) != rows[i].match)
			continue;
		insn.op = (enum riscv_op)i;
		insn.rd = (uint8_t)bits(w, 11, 7);
		insn.rs1 = (uint8_t)bits(w, 19, 15);
		insn.rs2 = (uint8_t)bits(w, 24, 20);
		insn.rs3 = (uint8_t)bits(w, 31, 27);
		insn.rm = (uint8_t)bits(w, 14, 12);
		insn.vm = (uint8_t)bits(w, 25, 25);
		insn.imm = immediate(riscv_formats[i], w);
		if (is_reserved(riscv_formats[i], &insn))
			insn.op = RISCV_ILLEGAL;
		break;
	}
	return insn;
}

struct riscv_insn riscv_decode(uint32_t word)
{
	struct riscv_insn insn;

	uint16_t half = (uint16_t)word;

	if (riscv_length(half) == 4)
		return decode_word(word);
	word = riscv_expand(half);
	insn = word ? decode_word(word) : (struct riscv_insn){ 0 };
	insn.length = 2;
	insn.word = half;
	return insn;
}
