/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assemble.c - see assemble.h.
 */
#include "jit/x86/assemble.h"

#include <assert.h>

#define REX   0x40
#define REX_W 0x08
#define REX_R 0x04
#define REX_X 0x02
#define REX_B 0x01

static const uint8_t prefixes[] = { 0, 0x66, 0xf3, 0xf2 };

void x86_byte(struct x86_code *c, uint8_t value)
{
	if (!x86_is_full(c))
		*c->p++ = value;
}

void x86_dword(struct x86_code *c, uint32_t value)
{
	if (x86_is_full(c))
		return;
	memcpy(c->p, &value, sizeof(value));
	c->p += sizeof(value);
}

static void qword(struct x86_code *c, uint64_t value)
{
	x86_dword(c, (uint32_t)value);
	x86_dword(c, (uint32_t)(value >> 32));
}

/* ModRM, SIB and displacement. */
static void mod_rm(struct x86_code *c, uint8_t reg, struct x86_operand rm)
{
	uint8_t field = (uint8_t)((reg & 7) << 3), base = rm.reg & 7, mod;

	if (!rm.is_memory) {
		x86_byte(c, 0xc0 | field | base);
		return;
	}
	if (rm.reg == X86_NO_REG) {
		x86_byte(c, field | 4);
		x86_byte(c,
			(uint8_t)(rm.scale << 6) |
				(rm.index == X86_NO_REG ? 4 : (rm.index & 7)) << 3 | 5);
		x86_dword(c, (uint32_t)rm.disp);
		return;
	}
	mod = !rm.disp && base != RBP ? 0 : rm.disp == (int8_t)rm.disp ? 0x40 : 0x80;
	if (rm.index != X86_NO_REG || base == RSP) {
		x86_byte(c, mod | field | 4);
		x86_byte(c,
			(uint8_t)(rm.scale << 6) |
				(rm.index == X86_NO_REG ? 4 : (rm.index & 7)) << 3 | base);
	} else {
		x86_byte(c, mod | field | base);
	}
	if (mod == 0x40)
		x86_byte(c, (uint8_t)rm.disp);
	else if (mod == 0x80)
		x86_dword(c, (uint32_t)rm.disp);
}

static uint8_t extension(uint8_t reg, struct x86_operand rm)
{
	uint8_t bits = reg & 8 ? REX_R : 0;

	if (rm.reg != X86_NO_REG && rm.reg & 8)
		bits |= REX_B;
	if (rm.is_memory && rm.index != X86_NO_REG && rm.index & 8)
		bits |= REX_X;
	return bits;
}

void x86_legacy(struct x86_code *c, unsigned size, unsigned pp, unsigned map, uint8_t opcode,
	uint8_t reg, struct x86_operand rm)
{
	uint8_t rex = extension(reg, rm);

	if (size == 2)
		x86_byte(c, 0x66);
	if (pp)
		x86_byte(c, prefixes[pp]);
	if (size == 8)
		rex |= REX_W;
	/* Without REX, 4 to 7 are ah to bh. */
	if (size == 1 && (reg >= 4 || (!rm.is_memory && rm.reg >= 4)))
		rex |= REX;
	if (rex)
		x86_byte(c, REX | rex);
	if (map != X86_MAP_ONE)
		x86_byte(c, 0x0f);
	if (map == X86_MAP_0F38)
		x86_byte(c, 0x38);
	if (map == X86_MAP_0F3A)
		x86_byte(c, 0x3a);
	x86_byte(c, opcode);
	mod_rm(c, reg, rm);
}

void x86_vex(struct x86_code *c, bool w, unsigned pp, unsigned map, uint8_t opcode, uint8_t reg,
	uint8_t vvvv, struct x86_operand rm)
{
	uint8_t bits = extension(reg, rm);
	uint8_t last = (uint8_t)((~vvvv & 15) << 3 | pp);

	if (!w && map == X86_MAP_0F && !(bits & (REX_X | REX_B))) {
		x86_byte(c, 0xc5);
		x86_byte(c, (bits & REX_R ? 0 : 0x80) | last);
	} else {
		x86_byte(c, 0xc4);
		x86_byte(c,
			(bits & REX_R ? 0 : 0x80) | (bits & REX_X ? 0 : 0x40) |
				(bits & REX_B ? 0 : 0x20) | (uint8_t)map);
		x86_byte(c, (w ? 0x80 : 0) | last);
	}
	x86_byte(c, opcode);
	mod_rm(c, reg, rm);
}

/* --- moves ----------------------------------------------------------------------------------- */

void x86_load(struct x86_code *c, unsigned size, uint8_t reg, struct x86_operand rm)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, size == 1 ? 0x8a : 0x8b, reg, rm);
}

void x86_store(struct x86_code *c, unsigned size, struct x86_operand rm, uint8_t reg)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, size == 1 ? 0x88 : 0x89, reg, rm);
}

void x86_extend(
	struct x86_code *c, unsigned size, bool is_signed, uint8_t reg, struct x86_operand rm)
{
	/* The source, not the destination, is the byte that may want a REX. */
	unsigned rex_size = is_signed ? 8 : size == 1 && !rm.is_memory && rm.reg >= 4 ? 8 : 4;

	if (size == 8 || (size == 4 && !is_signed))
		x86_load(c, size, reg, rm);
	else if (size == 4)
		x86_legacy(c, 8, X86_PP_NONE, X86_MAP_ONE, 0x63, reg, rm);
	else
		x86_legacy(c, rex_size, X86_PP_NONE, X86_MAP_0F,
			(uint8_t)((is_signed ? 0xbe : 0xb6) + (size == 2)), reg, rm);
}

void x86_constant(struct x86_code *c, uint8_t reg, uint64_t value)
{
	if (value == (uint32_t)value) {
		if (reg & 8)
			x86_byte(c, REX | REX_B);
		x86_byte(c, 0xb8 | (reg & 7));
		x86_dword(c, (uint32_t)value);
	} else if ((int64_t)value == (int32_t)value) {
		x86_store_immediate(c, 8, x86_r(reg), (int32_t)value);
	} else {
		x86_byte(c, REX | REX_W | (reg & 8 ? REX_B : 0));
		x86_byte(c, 0xb8 | (reg & 7));
		qword(c, value);
	}
}

void x86_store_immediate(struct x86_code *c, unsigned size, struct x86_operand rm, int32_t imm)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, size == 1 ? 0xc6 : 0xc7, 0, rm);
	if (size == 1) {
		x86_byte(c, (uint8_t)imm);
	} else if (size == 2) {
		x86_byte(c, (uint8_t)imm);
		x86_byte(c, (uint8_t)(imm >> 8));
	} else {
		x86_dword(c, (uint32_t)imm);
	}
}

/* --- arithmetic ------------------------------------------------------------------------------ */

void x86_arithmetic(struct x86_code *c, unsigned size, enum x86_arithmetic op, uint8_t reg,
	struct x86_operand rm)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, (uint8_t)(op * 8 + (size == 1 ? 2 : 3)), reg,
		rm);
}

void x86_arithmetic_store(struct x86_code *c, unsigned size, enum x86_arithmetic op,
	struct x86_operand rm, uint8_t reg)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, (uint8_t)(op * 8 + (size == 1 ? 0 : 1)), reg,
		rm);
}

void x86_arithmetic_immediate(struct x86_code *c, unsigned size, enum x86_arithmetic op,
	struct x86_operand rm, int32_t imm)
{
	if (imm == (int8_t)imm) {
		x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, size == 1 ? 0x80 : 0x83, op, rm);
		x86_byte(c, (uint8_t)imm);
	} else {
		x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, 0x81, op, rm);
		x86_dword(c, (uint32_t)imm);
	}
}

void x86_test(struct x86_code *c, unsigned size, uint8_t a, uint8_t b)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, size == 1 ? 0x84 : 0x85, a, x86_r(b));
}

void x86_shift_immediate(
	struct x86_code *c, unsigned size, enum x86_shift op, uint8_t reg, uint8_t count)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, 0xc1, op, x86_r(reg));
	x86_byte(c, count);
}

void x86_lea(struct x86_code *c, unsigned size, uint8_t reg, struct x86_operand rm)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_ONE, 0x8d, reg, rm);
}

void x86_set(struct x86_code *c, enum x86_condition condition, uint8_t reg)
{
	x86_legacy(c, 1, X86_PP_NONE, X86_MAP_0F, (uint8_t)(0x90 + condition), 0, x86_r(reg));
}

void x86_move_if(struct x86_code *c, unsigned size, enum x86_condition condition, uint8_t reg,
	struct x86_operand rm)
{
	x86_legacy(c, size, X86_PP_NONE, X86_MAP_0F, (uint8_t)(0x40 + condition), reg, rm);
}

/* --- jumps ----------------------------------------------------------------------------------- */

static uint8_t *distance(struct x86_code *c, const uint8_t *target)
{
	uint8_t *place = c->p;

	x86_dword(c, 0);
	if (target && !x86_is_full(c))
		x86_set_target(place, target);
	return place;
}

unsigned x86_padding(const struct x86_code *c, unsigned opcode_bytes)
{
	unsigned place = (unsigned)(uintptr_t)(c->p + opcode_bytes) & 63;

	return place > 60 ? 64 - place : 0;
}

void x86_set_target(uint8_t *place, const uint8_t *target)
{
	int32_t value = (int32_t)(target - (place + 4));

	__builtin_memcpy(place, &value, sizeof(value));
}

uint8_t *x86_jump(struct x86_code *c, const uint8_t *target)
{
	x86_byte(c, 0xe9);
	return distance(c, target);
}

uint8_t *x86_call(struct x86_code *c, const uint8_t *target)
{
	x86_byte(c, 0xe8);
	return distance(c, target);
}

uint8_t *x86_jump_if(struct x86_code *c, enum x86_condition condition, const uint8_t *target)
{
	x86_byte(c, 0x0f);
	x86_byte(c, (uint8_t)(0x80 + condition));
	return distance(c, target);
}

uint8_t *x86_jump_short_if(struct x86_code *c, enum x86_condition condition)
{
	x86_byte(c, (uint8_t)(0x70 + condition));
	x86_byte(c, 0);
	return c->p - 1;
}

uint8_t *x86_jump_short(struct x86_code *c)
{
	x86_byte(c, 0xeb);
	x86_byte(c, 0);
	return c->p - 1;
}

void x86_set_short_target(const struct x86_code *c, uint8_t *place)
{
	if (x86_is_full(c))
		return;
	assert(c->p - (place + 1) <= INT8_MAX);
	*place = (uint8_t)(c->p - (place + 1));
}
