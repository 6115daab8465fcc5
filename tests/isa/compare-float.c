/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compare-float.c - translated floating point against the interpreter's, with random operands:
 *
 *   compare-float COUNT SEED
 *
 * Every instruction of F, D, Zfh and Zfa that computes, in every rounding mode, static and dynamic,
 * gets COUNT sets of operands: corners of all formats, numbers near each other, boxed and not. A
 * guest's loop does them one after another, so that it is translated as a region, too; results and
 * flags must be the same. (The interpreter is held against the host in
 * tests/unit/jit/test-softfloat.c and against QEMU in test_riscv.py.)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "jit/riscv/cpu.h"
#include "jit/riscv/instructions.h"

enum form {
	FORM_F, /* floating point d, a, b */
	FORM_X, /* integer d */
	FORM_FROM_X, /* integer a */
};

static const struct instruction {
	const char *mnemonic, *format;
	uint32_t mask, match;
} rows[] = {
#define ROW(name, text, format, ...) { text, #format, __VA_ARGS__ },
	RISCV_INSTRUCTIONS(ROW)
};

/* Which registers are integer ones, and has it a rounding mode? */
static const struct format {
	const char *name;
	enum form form;
	bool rounds;
} formats[] = {
	{ "FR", FORM_F, true },
	{ "FR1", FORM_F, true },
	{ "R4", FORM_F, true },
	{ "F", FORM_F, false },
	{ "FX2", FORM_X, false },
	{ "FX", FORM_X, false },
	{ "FXR", FORM_X, true },
	{ "XFR", FORM_FROM_X, true },
	{ "XF", FORM_FROM_X, false },
};

struct operands {
	uint64_t a, b, c;
};

struct result {
	uint64_t value, flags;
};

struct arena {
	uint32_t code[64];
	uint64_t nr;
	struct operands *operands;
	struct result *results[2];
};

/* --- operands ----------------------------------------------------------------------------------
 */

static uint64_t random_state;

/* splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators") */
static uint64_t random_bits(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned below(unsigned limit)
{
	return (unsigned)(random_bits() % limit);
}

/* A number of a format: exponents of corners and of all, fractions of few bits and of many. */
static uint64_t number(unsigned exponent_bits, unsigned fraction_bits)
{
	unsigned top = (1u << exponent_bits) - 1, bias = top >> 1, exponent;
	uint64_t ones = (UINT64_C(1) << fraction_bits) - 1, fraction = random_bits() & ones;
	const unsigned corners[] = { 0, 0, 1, 2, top, top - 1, bias, bias + 1, bias - 1,
		bias + fraction_bits, bias + 31, bias + 63 };

	exponent = below(2) ? corners[below(sizeof(corners) / sizeof(corners[0]))]
		: below(2)  ? bias + below(fraction_bits * 2) - fraction_bits
			    : below(top + 1);
	switch (below(6)) {
	case 0:
		fraction = 0;
		break;
	case 1:
		fraction = ones;
		break;
	case 2: /* halves of units in the last place of narrower formats */
		fraction &= ~(ones >> (1 + below(fraction_bits)));
		break;
	case 3:
		fraction = UINT64_C(1) << below(fraction_bits);
		break;
	}
	return (random_bits() & 1) << (exponent_bits + fraction_bits) |
		(uint64_t)(exponent > top ? top : exponent) << fraction_bits | fraction;
}

static uint64_t float_operand(unsigned width)
{
	uint64_t value;

	if (below(32) == 0)
		width = 16u << below(3);
	value = width == 64 ? number(11, 52) : width == 32 ? number(8, 23) : number(5, 10);
	if (width < 64 && below(32))
		value |= UINT64_MAX << width;
	return value;
}

static uint64_t integer_operand(void)
{
	uint64_t value = random_bits() >> below(64);

	return below(2) ? value : -value;
}

static void fill(struct arena *arena, unsigned width, bool is_integer)
{
	for (uint64_t i = 0; i < arena->nr; i++) {
		struct operands *o = &arena->operands[i];

		o->a = is_integer ? integer_operand() : float_operand(width);
		/* Near each other now and then: what cancels. */
		o->b = below(8) ? float_operand(width) : o->a ^ (random_bits() & 7) << below(64);
		o->c = below(8) ? float_operand(width) : o->a ^ UINT64_C(1) << below(64);
	}
}

/* --- the guest's loop ----------------------------------------------------------------------------
 */

enum { A0 = 10, A1, A2, A3, A4, A5, A6, F1 = 1, F2, F3, F4 };
enum { CSR_FFLAGS = 1, CSR_FRM = 2 };

static uint32_t i_type(unsigned opcode, unsigned f3, unsigned rd, unsigned rs1, int imm)
{
	return opcode | rd << 7 | f3 << 12 | rs1 << 15 | ((unsigned)imm & 0xfff) << 20;
}

static uint32_t s_type(unsigned opcode, unsigned f3, unsigned rs1, unsigned rs2, int imm)
{
	return opcode | ((unsigned)imm & 31) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20;
}

/* The instruction on f1 (or a3), f2, f3, to f4 (or a4). */
static uint32_t encode(const struct instruction *row, const struct format *format, unsigned rm)
{
	uint32_t word = row->match;

	word |= (format->form == FORM_X ? A4 : F4) << 7;
	word |= (format->form == FORM_FROM_X ? A3 : F1) << 15;
	if (!(row->mask >> 20 & 31))
		word |= F2 << 20;
	if (strcmp(format->name, "R4") == 0)
		word |= (uint32_t)F3 << 27;
	if (format->rounds && !(row->mask >> 12 & 7))
		word |= rm << 12;
	return word;
}

static void put_loop(struct arena *arena, uint32_t word, enum form form)
{
	const uint32_t code[] = {
		i_type(0x73, 1, 0, A6, CSR_FRM),
		/* here it turns */
		i_type(0x07, 3, F1, A0, 0), i_type(0x07, 3, F2, A0, 8), i_type(0x07, 3, F3, A0, 16),
		i_type(0x03, 3, A3, A0, 0), i_type(0x73, 1, 0, 0, CSR_FFLAGS), word,
		i_type(0x73, 2, A5, 0, CSR_FFLAGS),
		form == FORM_X ? s_type(0x23, 3, A1, A4, 0) : s_type(0x27, 3, A1, F4, 0),
		s_type(0x23, 3, A1, A5, 8), i_type(0x13, 0, A0, A0, sizeof(struct operands)),
		i_type(0x13, 0, A1, A1, sizeof(struct result)), i_type(0x13, 0, A2, A2, -1),
		0xfc0618e3, /* bnez a2, -48 */
		0x00100073, /* ebreak */
	};

	memcpy(arena->code, code, sizeof(code));
}

static bool run(struct jit *jit, struct arena *arena, unsigned frm, struct result *results)
{
	static struct riscv_cpu cpu;
	enum jit_stop stop;

	riscv_cpu_init(&cpu, (struct jit_memory){ 0 });
	cpu.pc = (uint64_t)(uintptr_t)arena->code;
	cpu.x[A0] = (uint64_t)(uintptr_t)arena->operands;
	cpu.x[A1] = (uint64_t)(uintptr_t)results;
	cpu.x[A2] = arena->nr;
	cpu.x[A6] = frm;
	stop = riscv_run(jit, &cpu);
	riscv_cpu_release(&cpu);
	return stop == JIT_STOP_BREAKPOINT;
}

/* One instruction in one rounding mode. False: they differ, and that has been said. */
static bool compare(struct jit *jit, struct arena *arena, const struct instruction *row,
	const struct format *format, unsigned rm, unsigned frm)
{
	put_loop(arena, encode(row, format, rm), format->form);
	jit_invalidate(jit, (uint64_t)(uintptr_t)arena->code, sizeof(arena->code));
	if (!run(NULL, arena, frm, arena->results[0]) || !run(jit, arena, frm, arena->results[1])) {
		printf("%s: does not run\n", row->mnemonic);
		return false;
	}
	for (uint64_t i = 0; i < arena->nr; i++) {
		const struct operands *o = &arena->operands[i];
		const struct result *a = &arena->results[0][i], *b = &arena->results[1][i];

		if (memcmp(a, b, sizeof(*a)) == 0)
			continue;
		printf("%s rm %u frm %u of %#" PRIx64 " %#" PRIx64 " %#" PRIx64
		       ": interpreted %#" PRIx64 " flags %#" PRIx64 ", translated %#" PRIx64
		       " flags %#" PRIx64 "\n",
			row->mnemonic, rm, frm, o->a, o->b, o->c, a->value, a->flags, b->value,
			b->flags);
		return false;
	}
	return true;
}

/* In all rounding modes there are for it; adds the sets of operands to *total. */
static bool compare_all(struct jit *jit, struct arena *arena, const struct instruction *row,
	const struct format *format, uint64_t *total)
{
	enum { NR_MODES = 5, DYNAMIC = 7 };
	const char *dot = strchr(row->mnemonic, '.');
	unsigned width = strstr(dot, ".h") ? 16 : strstr(dot, ".s") ? 32 : 64;
	bool has_static = format->rounds && !(row->mask >> 12 & 7), is_same = true;

	/* Conversions are tried with operands of their source's format, which comes last. */
	if (strncmp(row->mnemonic, "fcvt.", 5) == 0 && format->form != FORM_FROM_X)
		width = row->mnemonic[strlen(row->mnemonic) - 1] == 'h'	  ? 16
			: row->mnemonic[strlen(row->mnemonic) - 1] == 's' ? 32
									  : 64;
	for (unsigned mode = 0; mode < NR_MODES && is_same; mode++) {
		fill(arena, width, format->form == FORM_FROM_X);
		is_same = compare(jit, arena, row, format, DYNAMIC, mode);
		*total += arena->nr;
		if (!has_static || !is_same)
			continue;
		is_same = compare(jit, arena, row, format, mode, (mode + 1) % NR_MODES);
		*total += arena->nr;
	}
	return is_same;
}

static bool make(struct arena *arena, uint64_t nr)
{
	size_t size = nr * (sizeof(struct operands) + 2 * sizeof(struct result));
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	arena->nr = nr;
	arena->results[0] = (void *)memory;
	arena->results[1] = arena->results[0] + nr;
	arena->operands = (void *)(arena->results[1] + nr);
	return true;
}

int main(int argc, char **argv)
{
	static struct arena arena;
	const struct jit_options options = { .debug = getenv("STRATA_JIT") };
	struct error err = { 0 };
	struct jit *jit;
	uint64_t total = 0;
	unsigned nr = 0, bad = 0;

	if (argc != 3 || !make(&arena, strtoull(argv[1], NULL, 0))) {
		fprintf(stderr, "usage: compare-float COUNT SEED\n");
		return 2;
	}
	random_state = strtoull(argv[2], NULL, 0);
	if (jit_open(&options, &jit, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 2;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t n = 0; n < sizeof(formats) / sizeof(formats[0]); n++) {
			if (rows[i].mnemonic[0] != 'f' ||
				strcmp(rows[i].format, formats[n].name) != 0)
				continue;
			nr++;
			bad += !compare_all(jit, &arena, &rows[i], &formats[n], &total);
		}
	}
	printf("%u instructions, %" PRIu64 " sets of operands, %u differ\n", nr, total, bad);
	return bad ? 1 : 0;
}
