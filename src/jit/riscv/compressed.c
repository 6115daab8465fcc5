/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compressed.c - 16-bit instructions to the 32-bit ones they stand for (RISC-V Unprivileged ISA
 * 20240411, chapters 26 "C", 27.2 "Zcb" and 28 "Zcmop").
 *
 * Each quadrant (bits 1:0) is a function, each row of its table in the manual a case by funct3
 * (bits 15:13). Reserved forms are 0; hints become the instruction they are written as, which does
 * nothing.
 */
#include "jit/riscv/decode.h"

static uint32_t bit(uint32_t h, unsigned from, unsigned to)
{
	return (h >> from & 1) << to;
}

static uint32_t bits(uint32_t h, unsigned high, unsigned low, unsigned to)
{
	return (h >> low & ((2u << (high - low)) - 1)) << to;
}

/* --- 32-bit words --- */

static uint32_t r_type(
	uint32_t opcode, uint32_t f3, uint32_t f7, uint32_t rd, uint32_t rs1, uint32_t rs2)
{
	return opcode | rd << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 | f7 << 25;
}

static uint32_t i_type(uint32_t opcode, uint32_t f3, uint32_t rd, uint32_t rs1, uint32_t imm)
{
	return opcode | rd << 7 | f3 << 12 | rs1 << 15 | (imm & 0xfff) << 20;
}

static uint32_t s_type(uint32_t opcode, uint32_t f3, uint32_t rs1, uint32_t rs2, uint32_t imm)
{
	return opcode | (imm & 0x1f) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 |
		(imm >> 5 & 0x7f) << 25;
}

static uint32_t b_type(uint32_t f3, uint32_t rs1, uint32_t imm)
{
	return 0x63 | f3 << 12 | rs1 << 15 | bit(imm, 11, 7) | bits(imm, 4, 1, 8) |
		bits(imm, 10, 5, 25) | bit(imm, 12, 31);
}

static uint32_t j_type(uint32_t rd, uint32_t imm)
{
	return 0x6f | rd << 7 | bits(imm, 19, 12, 12) | bit(imm, 11, 20) | bits(imm, 10, 1, 21) |
		bit(imm, 20, 31);
}

/* --- fields --- */

/* x8..x15 in bits 4:2 and 9:7. */
static uint32_t low_register(uint32_t h)
{
	return 8 + (h >> 2 & 7);
}

static uint32_t high_register(uint32_t h)
{
	return 8 + (h >> 7 & 7);
}

/* The signed six bits of c.addi and others. */
static uint32_t immediate6(uint32_t h)
{
	return (bit(h, 12, 12) ? ~31u : 0) | bits(h, 6, 2, 0);
}

static uint32_t shift_amount(uint32_t h)
{
	return bit(h, 12, 5) | bits(h, 6, 2, 0);
}

static uint32_t offset_word(uint32_t h)
{
	return bits(h, 12, 10, 3) | bit(h, 6, 2) | bit(h, 5, 6);
}

static uint32_t offset_double(uint32_t h)
{
	return bits(h, 12, 10, 3) | bits(h, 6, 5, 6);
}

/* --- quadrant 0 --- */

/* Zcb: bytes and halves. */
static uint32_t small_memory(uint32_t h)
{
	uint32_t base = high_register(h), other = low_register(h);
	uint32_t byte = bit(h, 5, 1) | bit(h, 6, 0), half = bit(h, 5, 1);

	switch (h >> 10 & 7) {
	case 0:
		return i_type(0x03, 4, other, base, byte); /* c.lbu */
	case 1:
		return i_type(0x03, h & 0x40 ? 1 : 5, other, base, half); /* c.lh, c.lhu */
	case 2:
		return s_type(0x23, 0, base, other, byte); /* c.sb */
	case 3:
		return h & 0x40 ? 0 : s_type(0x23, 1, base, other, half); /* c.sh */
	default:
		return 0;
	}
}

static uint32_t quadrant0(uint32_t h)
{
	uint32_t base = high_register(h), other = low_register(h), imm;

	switch (h >> 13) {
	case 0: /* c.addi4spn */
		imm = bits(h, 12, 11, 4) | bits(h, 10, 7, 6) | bit(h, 6, 2) | bit(h, 5, 3);
		return imm ? i_type(0x13, 0, other, 2, imm) : 0;
	case 1:
		return i_type(0x07, 3, other, base, offset_double(h)); /* c.fld */
	case 2:
		return i_type(0x03, 2, other, base, offset_word(h)); /* c.lw */
	case 3:
		return i_type(0x03, 3, other, base, offset_double(h)); /* c.ld */
	case 4:
		return small_memory(h);
	case 5:
		return s_type(0x27, 3, base, other, offset_double(h)); /* c.fsd */
	case 6:
		return s_type(0x23, 2, base, other, offset_word(h)); /* c.sw */
	default:
		return s_type(0x23, 3, base, other, offset_double(h)); /* c.sd */
	}
}

/* --- quadrant 1 --- */

/* Zcb: one register. */
static uint32_t unary(uint32_t h)
{
	uint32_t r = high_register(h);

	switch (h >> 2 & 7) {
	case 0:
		return i_type(0x13, 7, r, r, 0xff); /* c.zext.b */
	case 1:
		return i_type(0x13, 1, r, r, 0x604); /* c.sext.b */
	case 2:
		return r_type(0x3b, 4, 0x04, r, r, 0); /* c.zext.h */
	case 3:
		return i_type(0x13, 1, r, r, 0x605); /* c.sext.h */
	case 4:
		return r_type(0x3b, 0, 0x04, r, r, 0); /* c.zext.w */
	case 5:
		return i_type(0x13, 4, r, r, 0xfff); /* c.not */
	default:
		return 0;
	}
}

static uint32_t arithmetic(uint32_t h)
{
	uint32_t rd = high_register(h), rs2 = low_register(h);

	switch ((h >> 10 & 4) | (h >> 5 & 3)) {
	case 0:
		return r_type(0x33, 0, 0x20, rd, rd, rs2); /* c.sub */
	case 1:
		return r_type(0x33, 4, 0, rd, rd, rs2); /* c.xor */
	case 2:
		return r_type(0x33, 6, 0, rd, rd, rs2); /* c.or */
	case 3:
		return r_type(0x33, 7, 0, rd, rd, rs2); /* c.and */
	case 4:
		return r_type(0x3b, 0, 0x20, rd, rd, rs2); /* c.subw */
	case 5:
		return r_type(0x3b, 0, 0, rd, rd, rs2); /* c.addw */
	case 6:
		return r_type(0x33, 0, 1, rd, rd, rs2); /* c.mul */
	default:
		return unary(h);
	}
}

static uint32_t miscellaneous_alu(uint32_t h)
{
	uint32_t rd = high_register(h);

	switch (h >> 10 & 3) {
	case 0:
		return i_type(0x13, 5, rd, rd, shift_amount(h)); /* c.srli */
	case 1:
		return i_type(0x13, 5, rd, rd, 0x400 | shift_amount(h)); /* c.srai */
	case 2:
		return i_type(0x13, 7, rd, rd, immediate6(h)); /* c.andi */
	default:
		return arithmetic(h);
	}
}

/* c.lui, c.addi16sp, and c.mop.N where c.lui would load 0 into an odd register below x16. */
static uint32_t load_upper(uint32_t h)
{
	uint32_t rd = h >> 7 & 31, imm = immediate6(h);

	if (imm == 0)
		return (rd & 0x11) == 1 ? 0x81c04073 : 0; /* mop.r.0 to x0: does nothing */
	if (rd != 2)
		return 0x37 | rd << 7 | imm << 12;
	imm = (bit(h, 12, 9) ? ~0x1ffu : 0) | bit(h, 6, 4) | bit(h, 5, 6) | bits(h, 4, 3, 7) |
		bit(h, 2, 5);
	return i_type(0x13, 0, 2, 2, imm);
}

static uint32_t jump_offset(uint32_t h)
{
	return (bit(h, 12, 11) ? ~0x7ffu : 0) | bit(h, 11, 4) | bits(h, 10, 9, 8) | bit(h, 8, 10) |
		bit(h, 7, 6) | bit(h, 6, 7) | bits(h, 5, 3, 1) | bit(h, 2, 5);
}

static uint32_t branch_offset(uint32_t h)
{
	return (bit(h, 12, 8) ? ~0xffu : 0) | bits(h, 11, 10, 3) | bits(h, 6, 5, 6) |
		bits(h, 4, 3, 1) | bit(h, 2, 5);
}

static uint32_t quadrant1(uint32_t h)
{
	uint32_t rd = h >> 7 & 31;

	switch (h >> 13) {
	case 0:
		return i_type(0x13, 0, rd, rd, immediate6(h)); /* c.addi, c.nop */
	case 1:
		return rd ? i_type(0x1b, 0, rd, rd, immediate6(h)) : 0; /* c.addiw */
	case 2:
		return i_type(0x13, 0, rd, 0, immediate6(h)); /* c.li */
	case 3:
		return load_upper(h);
	case 4:
		return miscellaneous_alu(h);
	case 5:
		return j_type(0, jump_offset(h)); /* c.j */
	case 6:
		return b_type(0, high_register(h), branch_offset(h)); /* c.beqz */
	default:
		return b_type(1, high_register(h), branch_offset(h)); /* c.bnez */
	}
}

/* --- quadrant 2 --- */

static uint32_t jump_or_move(uint32_t h)
{
	uint32_t rd = h >> 7 & 31, rs2 = h >> 2 & 31;

	if (!(h & 0x1000)) {
		if (rs2)
			return r_type(0x33, 0, 0, rd, 0, rs2); /* c.mv */
		return rd ? i_type(0x67, 0, 0, rd, 0) : 0; /* c.jr */
	}
	if (rs2)
		return r_type(0x33, 0, 0, rd, rd, rs2); /* c.add */
	return rd ? i_type(0x67, 0, 1, rd, 0) : 0x00100073; /* c.jalr, c.ebreak */
}

static uint32_t quadrant2(uint32_t h)
{
	uint32_t rd = h >> 7 & 31, rs2 = h >> 2 & 31;
	uint32_t load_double = bit(h, 12, 5) | bits(h, 6, 5, 3) | bits(h, 4, 2, 6);
	uint32_t load_word = bit(h, 12, 5) | bits(h, 6, 4, 2) | bits(h, 3, 2, 6);
	uint32_t store_double = bits(h, 12, 10, 3) | bits(h, 9, 7, 6);
	uint32_t store_word = bits(h, 12, 9, 2) | bits(h, 8, 7, 6);

	switch (h >> 13) {
	case 0:
		return i_type(0x13, 1, rd, rd, shift_amount(h)); /* c.slli */
	case 1:
		return i_type(0x07, 3, rd, 2, load_double); /* c.fldsp */
	case 2:
		return rd ? i_type(0x03, 2, rd, 2, load_word) : 0; /* c.lwsp */
	case 3:
		return rd ? i_type(0x03, 3, rd, 2, load_double) : 0; /* c.ldsp */
	case 4:
		return jump_or_move(h);
	case 5:
		return s_type(0x27, 3, 2, rs2, store_double); /* c.fsdsp */
	case 6:
		return s_type(0x23, 2, 2, rs2, store_word); /* c.swsp */
	default:
		return s_type(0x23, 3, 2, rs2, store_double); /* c.sdsp */
	}
}

uint32_t riscv_expand(uint16_t half)
{
	static uint32_t (*const quadrants[3])(uint32_t) = { quadrant0, quadrant1, quadrant2 };

	return quadrants[half & 3](half);
}
