/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assemble.h - x86-64 machine code, one instruction a call.
 *
 * Two shapes make everything: a legacy one (prefixes, REX, opcode, ModRM) and a VEX one. Encodings:
 * Intel SDM volume 2, AMD64 APM volume 3. What does not fit in the buffer is dropped and
 * remembered: whoever asks x86_is_full() at the end starts again elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum x86_reg {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15,
	X86_NO_REG = 0xff,
};

/* What ModRM names: a register (general or xmm by the instruction), or memory at base + index *
 * 2^scale + disp; without a base an absolute address of 31 bits. */
struct x86_operand {
	bool is_memory;
	uint8_t reg; /* or base */
	uint8_t index; /* X86_NO_REG: none */
	uint8_t scale;
	int32_t disp;
};

/* Condition codes, as in the low bits of jcc, setcc and cmovcc. */
enum x86_condition {
	X86_O,
	X86_NO,
	X86_B,
	X86_AE,
	X86_E,
	X86_NE,
	X86_BE,
	X86_A,
	X86_S,
	X86_NS,
	X86_P,
	X86_NP,
	X86_L,
	X86_GE,
	X86_LE,
	X86_G,
};

struct x86_code {
	uint8_t *start, *p, *end;
};

/* The /digit of the arithmetic group, whose opcodes are digit * 8 + 3 (reg, r/m). */
enum x86_arithmetic {
	X86_ADD,
	X86_OR,
	X86_ADC,
	X86_SBB,
	X86_AND,
	X86_SUB,
	X86_XOR,
	X86_CMP,
};

enum x86_shift {
	X86_ROL = 0,
	X86_ROR = 1,
	X86_SHL = 4,
	X86_SHR = 5,
	X86_SAR = 7,
};

/* Mandatory prefixes and opcode maps, numbered as VEX has them. */
enum { X86_PP_NONE, X86_PP_66, X86_PP_F3, X86_PP_F2 };
enum { X86_MAP_ONE, X86_MAP_0F, X86_MAP_0F38, X86_MAP_0F3A };

#define X86_INSN_MAX 24 /* bytes; none is longer than 15, and an immediate of 8 */

static inline struct x86_operand x86_r(uint8_t reg)
{
	return (struct x86_operand){ .reg = reg, .index = X86_NO_REG };
}

static inline struct x86_operand x86_m(uint8_t base, int32_t disp)
{
	return (struct x86_operand){ true, base, X86_NO_REG, 0, disp };
}

static inline bool x86_is_full(const struct x86_code *c)
{
	return c->end - c->p < X86_INSN_MAX;
}

/* The general shapes. `size` is 1, 2, 4 or 8 bytes: operand-size prefix, REX.W, and REX for the low
 * bytes of rsi, rdi, ... (the reg field or, for byte_rm, r/m). */
void x86_legacy(struct x86_code *c, unsigned size, unsigned pp, unsigned map, uint8_t opcode,
	uint8_t reg, struct x86_operand rm);
void x86_vex(struct x86_code *c, bool w, unsigned pp, unsigned map, uint8_t opcode, uint8_t reg,
	uint8_t vvvv, struct x86_operand rm);
void x86_byte(struct x86_code *c, uint8_t value);
void x86_dword(struct x86_code *c, uint32_t value);

/* mov reg, rm / mov rm, reg; 4 bytes zero the upper half. */
void x86_load(struct x86_code *c, unsigned size, uint8_t reg, struct x86_operand rm);
void x86_store(struct x86_code *c, unsigned size, struct x86_operand rm, uint8_t reg);
/* movzx or movsx to 64 bits, of 1, 2, 4 or 8 bytes. */
void x86_extend(
	struct x86_code *c, unsigned size, bool is_signed, uint8_t reg, struct x86_operand rm);
/* The shortest that gives reg this value; flags stay. */
void x86_constant(struct x86_code *c, uint8_t reg, uint64_t value);
/* mov m/r, imm32 sign extended (of `size` bytes). */
void x86_store_immediate(struct x86_code *c, unsigned size, struct x86_operand rm, int32_t imm);
void x86_arithmetic(struct x86_code *c, unsigned size, enum x86_arithmetic op, uint8_t reg,
	struct x86_operand rm);
void x86_arithmetic_store(struct x86_code *c, unsigned size, enum x86_arithmetic op,
	struct x86_operand rm, uint8_t reg);
void x86_arithmetic_immediate(struct x86_code *c, unsigned size, enum x86_arithmetic op,
	struct x86_operand rm, int32_t imm);
void x86_test(struct x86_code *c, unsigned size, uint8_t a, uint8_t b);
void x86_shift_immediate(
	struct x86_code *c, unsigned size, enum x86_shift op, uint8_t reg, uint8_t count);
void x86_lea(struct x86_code *c, unsigned size, uint8_t reg, struct x86_operand rm);
void x86_set(struct x86_code *c, enum x86_condition condition, uint8_t reg); /* the low byte */
void x86_move_if(struct x86_code *c, unsigned size, enum x86_condition condition, uint8_t reg,
	struct x86_operand rm);

/* Jumps to where there is code already, or to be set later: the place of the 32-bit distance. What
 * is set while others run through it must lie in one cache line: x86_padding() says how many bytes
 * are wanted before a jump with so many of opcode. */
unsigned x86_padding(const struct x86_code *c, unsigned opcode_bytes);
uint8_t *x86_jump(struct x86_code *c, const uint8_t *target);
uint8_t *x86_call(struct x86_code *c, const uint8_t *target);
uint8_t *x86_jump_if(struct x86_code *c, enum x86_condition condition, const uint8_t *target);
/* The distance at `place` leads to `target`. */
void x86_set_target(uint8_t *place, const uint8_t *target);
/* Short forms for within a few instructions. */
uint8_t *x86_jump_short_if(struct x86_code *c, enum x86_condition condition);
uint8_t *x86_jump_short(struct x86_code *c);
void x86_set_short_target(const struct x86_code *c, uint8_t *place);
