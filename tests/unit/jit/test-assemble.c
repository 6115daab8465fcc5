/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-assemble.c - what assemble.c makes is what GNU as makes of the same instruction. Where there
 * are two encodings (reg, r/m or r/m, reg) the row has ours, which the disassembler reads alike.
 */
#include "unit/test.h"

#include <stdio.h>
#include <string.h>

#include "jit/x86/assemble.h"

static uint8_t buffer[256];

static struct x86_code begin(void)
{
	return (struct x86_code){ buffer, buffer, buffer + sizeof(buffer) };
}

/* The bytes that have come; begins again. */
static void expect(struct x86_code *c, const char *text, const char *bytes)
{
	char ours[64] = "", *p = ours;

	for (const uint8_t *b = c->start; b < c->p; b++)
		p += sprintf(p, "%s%02x", b == c->start ? "" : " ", *b);
	if (strcmp(ours, bytes) != 0)
		fail_msg("%s: %s, not %s", text, bytes, ours);
	c->p = c->start;
}

static void moves_are_encoded(void **state)
{
	struct x86_code c = begin();

	x86_load(&c, 8, RBX, x86_r(R12));
	expect(&c, "mov rbx, r12", "49 8b dc");
	x86_load(&c, 4, R9, x86_m(RBP, -8));
	expect(&c, "mov r9d, [rbp-8]", "44 8b 4d f8");
	x86_load(&c, 8, RAX, x86_m(R13, 0));
	expect(&c, "mov rax, [r13+0]", "49 8b 45 00");
	x86_load(&c, 8, RAX, x86_m(R12, 0));
	expect(&c, "mov rax, [r12]", "49 8b 04 24");
	x86_load(&c, 8, RSI, x86_m(RSP, 127));
	expect(&c, "mov rsi, [rsp+127]", "48 8b 74 24 7f");
	x86_load(&c, 8, RSI, x86_m(RDI, 128));
	expect(&c, "mov rsi, [rdi+128]", "48 8b b7 80 00 00 00");
	x86_load(&c, 8, RAX, x86_m(X86_NO_REG, 0x7654320));
	expect(&c, "mov rax, [0x7654320]", "48 8b 04 25 20 43 65 07");
	x86_load(&c, 1, RAX, x86_m(R15, -129));
	expect(&c, "mov al, [r15-129]", "41 8a 87 7f ff ff ff");
	x86_store(&c, 1, x86_m(RBX, 1), RSI);
	expect(&c, "mov [rbx+1], sil", "40 88 73 01");
	x86_store(&c, 1, x86_m(RBX, 1), RCX);
	expect(&c, "mov [rbx+1], cl", "88 4b 01");
	x86_store(&c, 2, x86_m(R8, 0), R11);
	expect(&c, "mov [r8], r11w", "66 45 89 18");
	x86_store(&c, 8, x86_m(R10, 5), RDX);
	expect(&c, "mov [r10+5], rdx", "49 89 52 05");
	x86_extend(&c, 1, false, RDI, x86_r(RSI));
	expect(&c, "movzx rdi, sil", "48 0f b6 fe");
	x86_extend(&c, 1, true, R8, x86_r(RSI));
	expect(&c, "movsx r8, sil", "4c 0f be c6");
	x86_extend(&c, 2, false, R14, x86_m(RBX, 2));
	expect(&c, "movzx r14d, word ptr [rbx+2]", "44 0f b7 73 02");
	x86_extend(&c, 2, true, RAX, x86_m(RBX, 2));
	expect(&c, "movsx rax, word ptr [rbx+2]", "48 0f bf 43 02");
	x86_extend(&c, 4, true, R15, x86_r(R15));
	expect(&c, "movsxd r15, r15d", "4d 63 ff");
	x86_extend(&c, 4, false, RBX, x86_r(RBX));
	expect(&c, "mov ebx, ebx", "8b db");
	x86_constant(&c, R9, 7);
	expect(&c, "mov r9d, 7", "41 b9 07 00 00 00");
	x86_constant(&c, RBX, UINT64_MAX);
	expect(&c, "mov rbx, -1", "48 c7 c3 ff ff ff ff");
	x86_constant(&c, R15, UINT64_C(0x123456789abcdef0));
	expect(&c, "movabs r15, 0x123456789abcdef0", "49 bf f0 de bc 9a 78 56 34 12");
	x86_store_immediate(&c, 8, x86_m(RBP, 8), -5);
	expect(&c, "mov qword ptr [rbp+8], -5", "48 c7 45 08 fb ff ff ff");
	x86_store_immediate(&c, 2, x86_m(RAX, 0), 0);
	expect(&c, "mov word ptr [rax], 0", "66 c7 00 00 00");
	x86_store_immediate(&c, 1, x86_m(R9, 0), 0);
	expect(&c, "mov byte ptr [r9], 0", "41 c6 01 00");
}

static void arithmetic_is_encoded(void **state)
{
	struct x86_code c = begin();

	x86_arithmetic(&c, 8, X86_ADD, R10, x86_r(RBX));
	expect(&c, "add r10, rbx", "4c 03 d3");
	x86_arithmetic(&c, 4, X86_XOR, RDX, x86_r(RDX));
	expect(&c, "xor edx, edx", "33 d2");
	x86_arithmetic(&c, 8, X86_CMP, RAX, x86_m(RSP, 8));
	expect(&c, "cmp rax, [rsp+8]", "48 3b 44 24 08");
	x86_arithmetic_store(&c, 8, X86_SUB, x86_m(RBP, 300), R13);
	expect(&c, "sub [rbp+300], r13", "4c 29 ad 2c 01 00 00");
	x86_arithmetic_immediate(&c, 8, X86_AND, x86_r(RAX), -2);
	expect(&c, "and rax, -2", "48 83 e0 fe");
	x86_arithmetic_immediate(&c, 4, X86_CMP, x86_m(RBP, 200), 0);
	expect(&c, "cmp dword ptr [rbp+200], 0", "83 bd c8 00 00 00 00");
	x86_arithmetic_immediate(&c, 8, X86_OR, x86_r(R11), 0x12345);
	expect(&c, "or r11, 0x12345", "49 81 cb 45 23 01 00");
	x86_test(&c, 8, RSI, RSI);
	expect(&c, "test rsi, rsi", "48 85 f6");
	x86_test(&c, 4, RCX, R9);
	expect(&c, "test r9d, ecx", "41 85 c9");
	x86_shift_immediate(&c, 8, X86_SAR, R14, 63);
	expect(&c, "sar r14, 63", "49 c1 fe 3f");
	x86_shift_immediate(&c, 4, X86_ROL, RBX, 7);
	expect(&c, "rol ebx, 7", "c1 c3 07");
	x86_lea(&c, 8, RSP, x86_m(RSP, 8));
	expect(&c, "lea rsp, [rsp+8]", "48 8d 64 24 08");
	x86_lea(&c, 8, RDI, (struct x86_operand){ true, R13, R12, 3, 0 });
	expect(&c, "lea rdi, [r13+r12*8+0]", "4b 8d 7c e5 00");
	x86_lea(&c, 4, RCX, (struct x86_operand){ true, X86_NO_REG, RAX, 3, 0 });
	expect(&c, "lea ecx, [rax*8+0]", "8d 0c c5 00 00 00 00");
	x86_set(&c, X86_NP, RCX);
	expect(&c, "setnp cl", "0f 9b c1");
	x86_set(&c, X86_B, RDI);
	expect(&c, "setb dil", "40 0f 92 c7");
	x86_move_if(&c, 8, X86_NE, RAX, x86_r(R8));
	expect(&c, "cmovne rax, r8", "49 0f 45 c0");
}

static void vex_and_the_rest_are_encoded(void **state)
{
	struct x86_code c = begin();

	x86_vex(&c, false, X86_PP_F2, X86_MAP_0F, 0x10, 9, 0, x86_m(RBP, 16));
	expect(&c, "vmovsd xmm9, [rbp+16]", "c5 7b 10 4d 10");
	x86_vex(&c, false, X86_PP_F2, X86_MAP_0F, 0x58, 0, 3, x86_r(12));
	expect(&c, "vaddsd xmm0, xmm3, xmm12", "c4 c1 63 58 c4");
	x86_vex(&c, true, X86_PP_66, X86_MAP_0F, 0x7e, 1, 0, x86_r(RDX));
	expect(&c, "vmovq rdx, xmm1", "c4 e1 f9 7e ca");
	x86_vex(&c, true, X86_PP_66, X86_MAP_0F38, 0xb9, 0, 15, x86_r(4));
	expect(&c, "vfmadd231sd xmm0, xmm15, xmm4", "c4 e2 81 b9 c4");
	x86_vex(&c, true, X86_PP_F3, X86_MAP_0F38, 0xf7, RBX, R9, x86_m(R8, 4));
	expect(&c, "sarx rbx, [r8+4], r9", "c4 c2 b2 f7 58 04");
	x86_vex(&c, true, X86_PP_NONE, X86_MAP_0F38, 0xf2, R10, RSI, x86_r(RAX));
	expect(&c, "andn r10, rsi, rax", "c4 62 c8 f2 d0");
	x86_legacy(&c, 8, X86_PP_F3, X86_MAP_0F, 0xb8, R9, x86_r(RBX));
	expect(&c, "popcnt r9, rbx", "f3 4c 0f b8 cb");
	x86_legacy(&c, 8, X86_PP_NONE, X86_MAP_0F, 0xb1, RCX, x86_m(RSI, 0));
	expect(&c, "cmpxchg [rsi], rcx", "48 0f b1 0e");
}

/* Nothing is written behind the end, and who asks is told. */
static void what_does_not_fit_is_dropped(void **state)
{
	uint8_t small[64];
	struct x86_code c = { small, small, small + 40 };

	memset(small, 0xee, sizeof(small));
	for (unsigned i = 0; i < 20; i++)
		x86_constant(&c, R15, UINT64_C(0x123456789abcdef0));
	x86_jump(&c, small);
	x86_store_immediate(&c, 8, x86_m(RBP, 1000), 5);
	assert_true(x86_is_full(&c));
	assert_true(c.p <= small + 40);
	for (unsigned i = 40; i < sizeof(small); i++)
		assert_int_equal(small[i], 0xee);
}

static void jumps_lead_where_they_are_told(void **state)
{
	struct x86_code c = begin();
	uint8_t *forward = x86_jump_if(&c, X86_NE, NULL), *near = x86_jump_short(&c);

	x86_set_short_target(&c, near);
	x86_set_target(forward, c.p);
	x86_call(&c, buffer);
	expect(&c, "jne; jmp; call", "0f 85 02 00 00 00 eb 00 e8 f3 ff ff ff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_are_encoded),
		cmocka_unit_test(arithmetic_is_encoded),
		cmocka_unit_test(vex_and_the_rest_are_encoded),
		cmocka_unit_test(what_does_not_fit_is_dropped),
		cmocka_unit_test(jumps_lead_where_they_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
