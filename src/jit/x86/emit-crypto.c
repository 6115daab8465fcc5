/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-crypto.c - what ciphers and digests are made of.
 *
 * AES is the host's own where it has it (its rounds end with the key, which is 0 here), else the
 * helper's. The sums of SHA-2 are rotations into scratch registers.
 */
#include "jit/x86/emit.h"

/* rorx */
static void rotate(
	struct emitter *e, bool is_word, uint8_t reg, struct x86_operand a, uint8_t count)
{
	x86_vex(&e->code, !is_word, X86_PP_F2, X86_MAP_0F3A, 0xf0, reg, 0, a);
	x86_byte(&e->code, count);
}

void emit_rotate_sum(struct emitter *e, const struct ir *ir)
{
	bool is_word = ir->flags & IR_WORD;
	unsigned size = is_word ? 4 : 8;
	uint8_t last = (uint8_t)(ir->imm >> 16);
	struct x86_operand a;

	if (ir->a == IR_ZERO) {
		x86_constant(&e->code, RAX, 0);
		out(e, ir->d, RAX);
		return;
	}
	a = where(e, ir->a);
	rotate(e, is_word, RAX, a, (uint8_t)ir->imm);
	rotate(e, is_word, RCX, a, (uint8_t)(ir->imm >> 8));
	x86_arithmetic(&e->code, size, X86_XOR, RAX, x86_r(RCX));
	if (ir->flags & IR_SIGNED) {
		x86_load(&e->code, size, RCX, a);
		x86_shift_immediate(&e->code, size, X86_SHR, RCX, last);
	} else {
		rotate(e, is_word, RCX, a, last);
	}
	x86_arithmetic(&e->code, size, X86_XOR, RAX, x86_r(RCX));
	if (is_word)
		x86_extend(&e->code, 4, true, RAX, x86_r(RAX));
	out(e, ir->d, RAX);
}

/* xmm0 = a, and b above it; xmm1 = 0 */
static void load_state(struct emitter *e, const struct ir *ir)
{
	/* vmovq, vpinsrq, vpxor */
	x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x6e, XMM0, 0, x86_r(in(e, ir->a, RAX)));
	x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F3A, 0x22, XMM0, XMM0,
		x86_r(in(e, ir->b, RAX)));
	x86_byte(&e->code, 1);
	x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F, 0xef, XMM1, XMM1, x86_r(XMM1));
}

static void store_state(struct emitter *e, const struct ir *ir)
{
	uint8_t reg = target(e, ir->d, RAX);

	x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x7e, XMM0, 0, x86_r(reg));
	out(e, ir->d, reg);
}

static bool leave_to_helper(struct emitter *e, const struct ir *ir)
{
	struct ir helper = *ir;

	if (e->jit->host_has_aes)
		return false;
	helper.imm = ir->helper;
	emit_helper(e, &helper);
	return true;
}

void emit_aes_round(struct emitter *e, const struct ir *ir)
{
	static const uint8_t opcodes[] = { [IR_AES_ENCRYPT_LAST] = 0xdd,
		[IR_AES_ENCRYPT] = 0xdc,
		[IR_AES_DECRYPT_LAST] = 0xdf,
		[IR_AES_DECRYPT] = 0xde };

	if (leave_to_helper(e, ir))
		return;
	load_state(e, ir);
	x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F38, opcodes[ir->size], XMM0, XMM0,
		x86_r(XMM1));
	store_state(e, ir);
}

void emit_aes_invert(struct emitter *e, const struct ir *ir)
{
	if (leave_to_helper(e, ir))
		return;
	x86_vex(&e->code, true, X86_PP_66, X86_MAP_0F, 0x6e, XMM0, 0, x86_r(in(e, ir->a, RAX)));
	/* vaesimc */
	x86_vex(&e->code, false, X86_PP_66, X86_MAP_0F38, 0xdb, XMM0, 0, x86_r(XMM0));
	store_state(e, ir);
}
