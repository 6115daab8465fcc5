/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-blocks.c - the integer instructions that loops are made of, 16 bytes at a time.
 *
 * They give what interpret-vector-integer.c gives, which has the others and those that go on after
 * a vstart. A kernel computes whole registers, also what is masked off or behind vl; what of it
 * counts is then moved to vd.
 */
#include "jit/riscv/interpret-vector.h"

#define BLOCK_BYTES RISCV_VECTOR_BLOCK_BYTES
#define GROUP_BYTES RISCV_VECTOR_GROUP_BYTES

/* b_step: from one block of b to the next; 0 where it is the same for all. */
typedef void kernel(
	void *to, const void *a, const void *b, size_t b_step, const void *d, unsigned blocks);

typedef uint8_t block8 __attribute__((vector_size(16), may_alias));
typedef int8_t signed8 __attribute__((vector_size(16), may_alias));
typedef uint16_t block16 __attribute__((vector_size(16), may_alias));
typedef int16_t signed16 __attribute__((vector_size(16), may_alias));
typedef uint32_t block32 __attribute__((vector_size(16), may_alias));
typedef int32_t signed32 __attribute__((vector_size(16), may_alias));
typedef uint64_t block64 __attribute__((vector_size(16), may_alias));
typedef int64_t signed64 __attribute__((vector_size(16), may_alias));

/* Of x (vs2), y (vs1) and z (vd); U, S and BITS are of the width. */
#define KERNEL(name, bits, expression)                                                             \
	static void name##_##bits(void *to, const void *a, const void *b, size_t b_step,           \
		const void *d, unsigned blocks)                                                    \
	{                                                                                          \
		typedef block##bits U;                                                             \
		typedef signed##bits S __attribute__((unused));                                    \
		enum { BITS = bits };                                                              \
                                                                                                   \
		for (unsigned i = 0; i < blocks; i++) {                                            \
			U x = ((const U *)a)[i], z = ((const U *)d)[i];                            \
			U y = *(const U *)((const uint8_t *)b + i * b_step);                       \
                                                                                                   \
			(void)x;                                                                   \
			(void)y;                                                                   \
			(void)z;                                                                   \
			((U *)to)[i] = (U)(expression);                                            \
		}                                                                                  \
	}

#define KERNELS(name, expression)                                                                  \
	KERNEL(name, 8, expression)                                                                \
	KERNEL(name, 16, expression)                                                               \
	KERNEL(name, 32, expression)                                                               \
	KERNEL(name, 64, expression)

#define CHOOSE(condition) ((x & (U)(condition)) | (y & ~(U)(condition)))

KERNELS(add, x + y)
KERNELS(subtract, x - y)
KERNELS(subtract_reverse, y - x)
KERNELS(minimum_unsigned, CHOOSE(x < y))
KERNELS(minimum, CHOOSE((S)x < (S)y))
KERNELS(maximum_unsigned, CHOOSE(x > y))
KERNELS(maximum, CHOOSE((S)x > (S)y))
KERNELS(and, x &y)
KERNELS(or, x | y)
KERNELS(xor, x ^ y)
KERNELS(and_not, x & ~y)
KERNELS(shift_left, x << (y & (BITS - 1)))
KERNELS(shift_right, x >> (y & (BITS - 1)))
KERNELS(shift_right_signed, (S)x >> (S)(y & (BITS - 1)))
KERNELS(multiply, x *y)
KERNELS(add_product, z + x * y)
KERNELS(subtract_product, z - x * y)
KERNELS(multiply_and_add, x + y * z)
KERNELS(multiply_and_subtract, x - y * z)
KERNELS(move, y)
KERNELS(equal, x == y)
KERNELS(not_equal, x != y)
KERNELS(less_unsigned, x < y)
KERNELS(less, (S)x < (S)y)
KERNELS(less_or_equal_unsigned, x <= y)
KERNELS(less_or_equal, (S)x <= (S)y)
KERNELS(greater_unsigned, x > y)
KERNELS(greater, (S)x > (S)y)

/* The rows of an operation, by the first and the last of its forms. */
#define ROW(NAME, FIRST, LAST, name)                                                               \
	[RISCV_##NAME##_##FIRST - RISCV_VADD_VV... RISCV_##NAME##_##LAST -                         \
		RISCV_VADD_VV] = { name##_8, name##_16, name##_32, name##_64 }

static kernel *const kernels[RISCV_VMV_V_I - RISCV_VADD_VV + 1][4] = {
	ROW(VADD, VV, VI, add),
	ROW(VSUB, VV, VX, subtract),
	ROW(VRSUB, VX, VI, subtract_reverse),
	ROW(VMINU, VV, VX, minimum_unsigned),
	ROW(VMIN, VV, VX, minimum),
	ROW(VMAXU, VV, VX, maximum_unsigned),
	ROW(VMAX, VV, VX, maximum),
	ROW(VAND, VV, VI, and),
	ROW(VOR, VV, VI, or),
	ROW(VXOR, VV, VI, xor),
	ROW(VANDN, VV, VX, and_not),
	ROW(VSLL, VV, VI, shift_left),
	ROW(VSRL, VV, VI, shift_right),
	ROW(VSRA, VV, VI, shift_right_signed),
	ROW(VMUL, VV, VX, multiply),
	ROW(VMACC, VV, VX, add_product),
	ROW(VNMSAC, VV, VX, subtract_product),
	ROW(VMADD, VV, VX, multiply_and_add),
	ROW(VNMSUB, VV, VX, multiply_and_subtract),
	ROW(VMERGE, VVM, VIM, move),
	ROW(VMSEQ, VV, VI, equal),
	ROW(VMSNE, VV, VI, not_equal),
	ROW(VMSLTU, VV, VX, less_unsigned),
	ROW(VMSLT, VV, VX, less),
	ROW(VMSLEU, VV, VI, less_or_equal_unsigned),
	ROW(VMSLE, VV, VI, less_or_equal),
	ROW(VMSGTU, VX, VI, greater_unsigned),
	ROW(VMSGT, VX, VI, greater),
	ROW(VMV_V, V, I, move),
};

void riscv_vector_move_active(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, const void *from, unsigned w)
{
	uint8_t *to = cpu->v + insn->rd * RISCV_VLEN_BYTES;
	size_t bytes = (size_t)1 << w;

	if (insn->vm) {
		memcpy(to, from, cpu->vl << w);
		return;
	}
	for (unsigned i = 0; i < cpu->vl; i++)
		if (riscv_vector_get_bit(cpu, 0, i))
			memcpy(to + i * bytes, (const uint8_t *)from + i * bytes, bytes);
}

/* From elements that are 0 or all ones to bits. */
static void move_bits(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, const uint8_t *from, unsigned w)
{
	uint8_t *to = cpu->v + insn->rd * RISCV_VLEN_BYTES;

	for (unsigned i = 0; i < cpu->vl; i += 8) {
		unsigned count = cpu->vl - i < 8 ? (unsigned)cpu->vl - i : 8, bits = 0;
		unsigned counts = (1u << count) - 1;

		for (unsigned n = 0; n < count; n++)
			bits |= (from[(size_t)(i + n) << w] & 1u) << n;
		if (!insn->vm)
			counts &= cpu->v[i / 8];
		to[i / 8] = (uint8_t)((to[i / 8] & ~counts) | (bits & counts));
	}
}

const void *riscv_vector_spread(const struct riscv_cpu *cpu,
	const struct riscv_vector_operand *operand, unsigned w, void *block, size_t *ret_step)
{
	static const uint64_t ones[] = { 0x0101010101010101, 0x0001000100010001, 0x100000001, 1 };
	uint64_t scalar = operand->scalar * ones[w];

	*ret_step = operand->is_group ? BLOCK_BYTES : 0;
	if (operand->is_group)
		return cpu->v + operand->reg * RISCV_VLEN_BYTES;
	memcpy(block, &scalar, sizeof(scalar));
	memcpy((uint8_t *)block + sizeof(scalar), &scalar, sizeof(scalar));
	return block;
}

bool riscv_execute_vector_blocks(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	_Alignas(16) uint8_t result[GROUP_BYTES], block[BLOCK_BYTES];
	unsigned w = riscv_vector_sew(cpu), blocks;
	uint8_t *d = cpu->v + insn->rd * RISCV_VLEN_BYTES;
	const uint8_t *a = cpu->v + insn->rs2 * RISCV_VLEN_BYTES;
	kernel *compute = kernels[insn->op - RISCV_VADD_VV][w];
	struct riscv_vector_operand first;
	bool to_mask = insn->op >= RISCV_VMSEQ_VV && insn->op <= RISCV_VMSGT_VI;
	const void *b;
	size_t b_step;

	if (!compute || cpu->vstart)
		return false;
	first = riscv_vector_first_operand(cpu, insn, w);
	b = riscv_vector_spread(cpu, &first, w, block, &b_step);
	blocks = (unsigned)((cpu->vl << w) + BLOCK_BYTES - 1) / BLOCK_BYTES;
	/* A mask is one register, and no operand. */
	compute(result, a, b, b_step, to_mask ? a : d, blocks);
	if (to_mask) {
		move_bits(cpu, insn, result, w);
		return true;
	}
	if (insn->op >= RISCV_VMERGE_VVM && insn->op <= RISCV_VMERGE_VIM)
		memmove(d, a, cpu->vl << w);
	riscv_vector_move_active(cpu, insn, result, w);
	return true;
}
