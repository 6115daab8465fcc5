/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-vector-crypto.c - AES, SHA-256 and GHASH on vectors, by the host's own instructions where it
 * has them, else by the helper.
 */
#include "jit/x86/emit-vector.h"

/* --- AES -------------------------------------------------------------------------------------- */

static void emit_round(
	struct emitter *e, const struct ir *ir, uint8_t to, uint8_t state, struct x86_operand key)
{
	static const uint8_t opcodes[] = { [IR_AES_ENCRYPT_LAST] = 0xdd,
		[IR_AES_ENCRYPT] = 0xdc,
		[IR_AES_DECRYPT_LAST] = 0xdf,
		[IR_AES_DECRYPT] = 0xde,
		[IR_AES_DECRYPT_KEYED] = 0xdf };

	if (ir->kind == IR_AES_KEY) {
		vector_0f(e, OP_XOR, to, state, key);
		return;
	}
	vector_38(e, opcodes[ir->kind], to, state, key);
	if (ir->kind == IR_AES_DECRYPT_KEYED)
		vector_38(e, 0xdb, to, 0, x86_r(to)); /* vaesimc */
}

void emit_vector_aes(struct emitter *e, const struct ir *ir)
{
	struct cold *cold;

	if (!e->jit->host_has_aes || vector_bytes(ir) % PIECE_BYTES) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		struct x86_operand d = vector_where(e, ir->d, n);
		uint8_t to = d.is_memory ? XMM0 : d.reg;

		emit_round(e, ir, to, vector_in(e, d, XMM0),
			vector_where(e, ir->a, ir->flags & IR_ONE_KEY ? 0 : n));
		vector_put(e, ir, n, to, false);
	}
	resume_here(e, cold);
}

/* --- SHA-256 ---------------------------------------------------------------------------------- */

/* Not VEX: the destination is a source, too, and memory is aligned. */
static void emit_sha(struct emitter *e, uint8_t opcode, uint8_t to, struct x86_operand from)
{
	x86_legacy(&e->code, 4, X86_PP_NONE, X86_MAP_0F38, opcode, to, from);
}

/* sha256rnds2 has the words in xmm0. */
static void emit_rounds(struct emitter *e, const struct ir *ir, unsigned n)
{
	vector_move(e, XMM1, vector_where(e, ir->d, n));
	if (ir->kind == IR_SHA_UPPER) { /* vpshufd */
		vector_0f(e, 0x70, XMM0, 0, vector_where(e, ir->b, n));
		x86_byte(&e->code, 0x0e);
	} else {
		vector_move(e, XMM0, vector_where(e, ir->b, n));
	}
	emit_sha(e, 0xcb, XMM1, vector_where(e, ir->a, n));
	vector_put(e, ir, n, XMM1, false);
}

/* sha256msg1, words 9 to 12 added, sha256msg2 */
static void emit_schedule(struct emitter *e, const struct ir *ir, unsigned n)
{
	struct x86_operand a = vector_where(e, ir->a, n), b = vector_where(e, ir->b, n);

	vector_move(e, XMM0, vector_where(e, ir->d, n));
	emit_sha(e, 0xcc, XMM0, a);
	vector_3a(e, 0x0f, XMM1, vector_in(e, b, XMM1), a, 4); /* vpalignr */
	vector_0f(e, 0xfe, XMM0, XMM0, x86_r(XMM1));
	emit_sha(e, 0xcd, XMM0, b);
	vector_put(e, ir, n, XMM0, false);
}

void emit_vector_sha256(struct emitter *e, const struct ir *ir)
{
	struct cold *cold;

	if (!e->jit->host_has_sha || vector_bytes(ir) % PIECE_BYTES) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	for (unsigned n = 0; n < vector_pieces(ir); n++)
		if (ir->kind == IR_SHA_SCHEDULE)
			emit_schedule(e, ir, n);
		else
			emit_rounds(e, ir, n);
	resume_here(e, cold);
}

/* --- GHASH ------------------------------------------------------------------------------------ */

/* Beside xmm0 and xmm1: what is in them is put away for as long. */
enum { T0 = 2, T1, T2, NR_BORROWED = 3, SHIFT_BYTES = 3, SHIFT_RIGHT = 2, SHIFT_LEFT = 6 };

static void borrow(struct emitter *e, bool is_back)
{
	for (unsigned i = 0; i < NR_BORROWED; i++)
		vector_0f(
			e, is_back ? OP_LOAD : OP_STORE, (uint8_t)(T0 + i), 0, spare_memory(e, i));
}

static void xor_into(struct emitter *e, uint8_t to, uint8_t from)
{
	vector_0f(e, OP_XOR, to, to, x86_r(from));
}

/* Bytes of 128 bits; words of 32. */
static void shift_bytes(struct emitter *e, bool is_left, uint8_t to, uint8_t from, uint8_t count)
{
	vector_shift(e, 3, is_left ? 7 : SHIFT_BYTES, to, from, count);
}

static void shift_words(struct emitter *e, bool is_left, uint8_t to, uint8_t from, uint8_t count)
{
	vector_shift(e, 2, is_left ? SHIFT_LEFT : SHIFT_RIGHT, to, from, count);
}

/* xmm0 : t0 = xmm0 * xmm1, 256 bits (vpclmulqdq) */
static void multiply(struct emitter *e)
{
	vector_3a(e, 0x44, T0, XMM0, x86_r(XMM1), 0x00);
	vector_3a(e, 0x44, T1, XMM0, x86_r(XMM1), 0x10);
	vector_3a(e, 0x44, T2, XMM0, x86_r(XMM1), 0x01);
	vector_3a(e, 0x44, XMM0, XMM0, x86_r(XMM1), 0x11);
	xor_into(e, T1, T2);
	shift_bytes(e, true, T2, T1, 8);
	shift_bytes(e, false, T1, T1, 8);
	xor_into(e, T0, T2);
	xor_into(e, XMM0, T1);
}

/* The factors had their bits in the reverse order, so the product is one bit too far down. */
static void shift_up(struct emitter *e)
{
	shift_words(e, false, XMM1, T0, 31);
	shift_words(e, false, T1, XMM0, 31);
	shift_words(e, true, T0, T0, 1);
	shift_words(e, true, XMM0, XMM0, 1);
	shift_bytes(e, false, T2, XMM1, 12);
	shift_bytes(e, true, T1, T1, 4);
	shift_bytes(e, true, XMM1, XMM1, 4);
	vector_0f(e, OP_OR, T0, T0, x86_r(XMM1));
	vector_0f(e, OP_OR, XMM0, XMM0, x86_r(T1));
	vector_0f(e, OP_OR, XMM0, XMM0, x86_r(T2));
}

/* xmm0 = xmm0 : t0 modulo x^128 + x^7 + x^2 + x + 1, in two steps: what the lower words give to
 * those above, then all to the upper half. */
static void reduce(struct emitter *e)
{
	shift_words(e, true, XMM1, T0, 31);
	shift_words(e, true, T1, T0, 30);
	shift_words(e, true, T2, T0, 25);
	xor_into(e, XMM1, T1);
	xor_into(e, XMM1, T2);
	shift_bytes(e, false, T1, XMM1, 4);
	shift_bytes(e, true, XMM1, XMM1, 12);
	xor_into(e, T0, XMM1);
	xor_into(e, XMM0, T0);
	xor_into(e, XMM0, T1);
	for (unsigned i = 0; i < 3; i++) {
		static const uint8_t counts[] = { 1, 2, 7 };

		shift_words(e, false, T1, T0, counts[i]);
		xor_into(e, XMM0, T1);
	}
}

void emit_vector_ghash(struct emitter *e, const struct ir *ir)
{
	struct x86_operand reverse = constant_memory(e, CONSTANT_REVERSE);
	struct cold *cold;

	if (!e->jit->host_has_products || vector_bytes(ir) % PIECE_BYTES) {
		vector_to_helper(e, ir);
		return;
	}
	cold = vector_check_length(e, ir);
	for (unsigned n = 0; n < vector_pieces(ir); n++) {
		vector_move(e, XMM0, vector_where(e, ir->d, n));
		if (ir->kind)
			vector_0f(e, OP_XOR, XMM0, XMM0, vector_where(e, ir->b, n));
		vector_move(e, XMM1, vector_where(e, ir->a, n));
		vector_38(e, 0x00, XMM0, XMM0, reverse);
		vector_38(e, 0x00, XMM1, XMM1, reverse);
		borrow(e, false);
		multiply(e);
		shift_up(e);
		reduce(e);
		borrow(e, true);
		vector_38(e, 0x00, XMM0, XMM0, reverse);
		vector_put(e, ir, n, XMM0, false);
	}
	resume_here(e, cold);
}
