/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-riscv-decode.c - words are decoded as GNU objdump 2.44 reads them, and reserved ones not at
 * all.
 */
#include "unit/test.h"

#include <string.h>

#include "jit/riscv/decode.h"

static const struct {
	uint32_t word;
	const char *text;
} samples[] = {
	{ 0xfff50513, "addi a0,a0,-1" },
	{ 0x00113423, "sd ra,8(sp)" },
	{ 0x0005b503, "ld a0,0(a1)" },
	{ 0xfe0598e3, "bne a1,zero,fffffff0" },
	{ 0x008000ef, "jal ra,8" },
	{ 0x00008067, "jalr zero,0(ra)" },
	{ 0x12345537, "lui a0,0x12345" },
	{ 0x02c5d533, "divu a0,a1,a2" },
	{ 0x43f5d513, "srai a0,a1,0x3f" },
	{ 0x4015d51b, "sraiw a0,a1,0x1" },
	{ 0x18b6252f, "sc.w a0,a1,(a2)" },
	{ 0x1005a52f, "lr.w a0,(a1)" },
	{ 0x02c5f553, "fadd.d fa0,fa1,fa2" },
	{ 0x6ac58543, "fmadd.d fa0,fa1,fa2,fa3,rne" },
	{ 0xc2259553, "fcvt.l.d a0,fa1,rtz" },
	{ 0x00301573, "csrrw a0,0x3,zero" },
	{ 0x6b85d513, "rev8 a0,a1" },
	{ 0x0ec5d533, "czero.eqz a0,a1,a2" },
	{ 0x31a51513, "aes64ks1i a0,a0,0xa" },
	{ 0x00000073, "ecall" },
	/* privileged ones */
	{ 0x10200073, "sret" },
	{ 0x30200073, "mret" },
	{ 0x10500073, "wfi" },
	{ 0x12000073, "sfence.vma zero,zero" },
	{ 0x12b50073, "sfence.vma a0,a1" },
	{ 0x16b50073, "sinval.vma a0,a1" },
	{ 0x18000073, "sfence.w.inval" },
	{ 0x18100073, "sfence.inval.ir" },
	{ 0x30529573, "csrrw a0,0x305,t0" },
	/* vectors; a type that is reserved is a number */
	{ 0x0c05f557, "vsetvli a0,a1,e8,m1,ta,ma" },
	{ 0x01d5f557, "vsetvli a0,a1,e64,mf8,tu,mu" },
	{ 0xc4b8f557, "vsetivli a0,17,e16,m8,ta,mu" },
	{ 0x80c5f557, "vsetvl a0,a1,a2" },
	{ 0x02050087, "vle8.v v1,(a0)" },
	{ 0x40055187, "vlseg3e16.v v3,(a0),v0.t" },
	{ 0x03056087, "vle32ff.v v1,(a0)" },
	{ 0x23056087, "vlseg2e32ff.v v1,(a0)" },
	{ 0x2ab56087, "vlsseg2e32.v v1,(a0),a1" },
	{ 0x06257087, "vluxei64.v v1,(a0),v2" },
	{ 0x642500a7, "vsuxseg4ei8.v v1,(a0),v2,v0.t" },
	{ 0x22855107, "vl2re16.v v2,(a0)" },
	{ 0xe2850427, "vs8r.v v8,(a0)" },
	{ 0x02b50087, "vlm.v v1,(a0)" },
	{ 0x002180d7, "vadd.vv v1,v2,v3,v0.t" },
	{ 0x0226c0d7, "vadd.vx v1,v2,a3" },
	{ 0x022eb0d7, "vadd.vi v1,v2,-3" },
	{ 0x962fb0d7, "vsll.vi v1,v2,31" },
	{ 0x402180d7, "vadc.vvm v1,v2,v3,v0" },
	{ 0x5c2db0d7, "vmerge.vim v1,v2,-5,v0" },
	{ 0x5e0100d7, "vmv.v.v v1,v2" },
	{ 0x5e0640d7, "vmv.v.x v1,a2" },
	{ 0x5e0e30d7, "vmv.v.i v1,-4" },
	{ 0x4206e0d7, "vmv.s.x v1,a3" },
	{ 0x421026d7, "vmv.x.s a3,v1" },
	{ 0x42101557, "vfmv.f.s fa0,v1" },
	{ 0x5e0550d7, "vfmv.v.f v1,fa0" },
	{ 0x5c26d0d7, "vfmerge.vfm v1,v2,fa3,v0" },
	{ 0xb63120d7, "vmacc.vv v1,v2,v3" },
	{ 0xb63660d7, "vmacc.vx v1,a2,v3" },
	{ 0xb03650d7, "vfmacc.vf v1,fa2,v3,v0.t" },
	{ 0x5208a0d7, "vid.v v1" },
	{ 0x5008a0d7, "vid.v v1,v0.t" },
	{ 0x40182557, "vcpop.m a0,v1,v0.t" },
	{ 0x4218a557, "vfirst.m a0,v1" },
	{ 0x522820d7, "viota.m v1,v2" },
	{ 0x5e21a0d7, "vcompress.vm v1,v2,v3" },
	{ 0x9e81b257, "vmv4r.v v4,v8" },
	{ 0x3a22b0d7, "vslideup.vi v1,v2,5" },
	{ 0xb222b0d7, "vnsrl.wi v1,v2,5" },
	{ 0x0221a0d7, "vredsum.vs v1,v2,v3" },
	{ 0x662120d7, "vmand.mm v1,v2,v2" },
	{ 0x4a422157, "vzext.vf4 v2,v4" },
	{ 0x4a2a90d7, "vfncvt.rod.f.f.w v1,v2" },
	{ 0x562fb0d7, "vror.vi v1,v2,63" },
	{ 0x4a2520d7, "vbrev.v v1,v2" },
	{ 0x482720d7, "vcpop.v v1,v2,v0.t" },
	{ 0x362660d7, "vclmulh.vx v1,v2,a2" },
	{ 0xd641b157, "vwsll.vi v2,v4,3" },
	{ 0xa22120f7, "vaesem.vv v1,v2" },
	{ 0x8a22a0f7, "vaeskf1.vi v1,v2,5" },
	{ 0xba21a0f7, "vsha2ch.vv v1,v2,v3" },
	{ 0xb221a0f7, "vghsh.vv v1,v2,v3" },
	{ 0x0605f557, "vsetvli a0,a1,96" },
	/* 16 bits: what they stand for */
	{ 0x0001, "addi zero,zero,0" },
	{ 0x1141, "addi sp,sp,-16" },
	{ 0xe406, "sd ra,8(sp)" },
	{ 0x60a2, "ld ra,8(sp)" },
	{ 0x8082, "jalr zero,0(ra)" },
	{ 0x852e, "add a0,zero,a1" },
	{ 0x0808, "addi a0,sp,16" },
	{ 0xbfc5, "jal zero,fffffff0" },
	{ 0x9002, "ebreak" },
	{ 0x9c61, "andi s0,s0,255" },
};

static void words_become_text(void **state)
{
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct riscv_insn insn = riscv_decode(samples[i].word);
		char text[64];

		riscv_disassemble(&insn, 0, text, sizeof(text));
		/* Addresses of 32 bits are enough to read. */
		if (strstr(text, "ffffffff"))
			memmove(strstr(text, "ffffffff"), strstr(text, "ffffffff") + 8,
				strlen(strstr(text, "ffffffff") + 8) + 1);
		assert_string_equal(text, samples[i].text);
		assert_int_equal(insn.length, (samples[i].word & 3) == 3 ? 4 : 2);
	}
}

static void reserved_words_are_illegal(void **state)
{
	static const uint32_t words[] = {
		0x00000000, /* all zeros, 16 bits */
		0xffffffff, /* all ones */
		0x0000707f, /* longer than 32 bits */
		0x02c5d553, /* fadd.d with a reserved rounding mode */
		0x31b51513, /* aes64ks1i with a round there is not */
		0x0004, /* c.addi4spn of 0 */
		0x6101, /* c.addi16sp of 0 */
		0x4002, /* c.lwsp to x0 */
		0x8002, /* c.jr of x0 */
		0x2001, /* c.addiw to x0 */
		0x9c79, /* reserved beside c.not */
		0x12050087, /* vle8.v with mew */
		0x22b50087, /* vlm.v of two fields */
		0x42850087, /* vl3re8.v */
		0x9e813257, /* vmv3r.v */
		0x5e1100d7, /* vmv.v.v with a vs2 */
		0x82007057, /* beside vsetvl */
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(riscv_decode(words[i]).op, RISCV_ILLEGAL);
}

/* Every row is found again, by a word that has just its fixed bits: no row hides another. */
static void every_row_is_reached(void **state)
{
	static const uint32_t matches[] = {
#define MATCH(name, text, format, ...) MATCH_OF(__VA_ARGS__)
#define MATCH_OF(mask, match)	       match | (~(mask)&0x00100000), /* packw of x0 is zext.h */
		RISCV_INSTRUCTIONS(MATCH)
	};

	for (unsigned i = 0; i < sizeof(matches) / sizeof(matches[0]); i++)
		assert_string_equal(riscv_mnemonic(riscv_decode(matches[i]).op),
			riscv_mnemonic((enum riscv_op)(i + 1)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_text),
		cmocka_unit_test(reserved_words_are_illegal),
		cmocka_unit_test(every_row_is_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
