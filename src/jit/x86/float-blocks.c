/* SPDX-License-Identifier: Apache-2.0 */
/*
 * float-blocks.c - floating point on vectors of 128 bits, by AVX and FMA.
 *
 * Everything that rounds is an intrinsic, so that the compiler contracts nothing, and stands in a
 * kernel that is called by its address, between the calls that set and read MXCSR.
 */
#include "jit/float-blocks.h"

#include <immintrin.h>

#include "jit/internal.h"

/* Returns whether a NaN has come out. */
typedef bool kernel(void *to, const struct host_blocks operands[3], unsigned blocks);

#define BLOCK(type, operand, i)                                                                    \
	(*(const type *)((const char *)operands[operand].first + (i)*operands[operand].step))

#define KERNEL(name, suffix, type, expression)                                                     \
	__attribute__((target("avx,fma"))) static bool name##_##suffix(                            \
		void *to, const struct host_blocks operands[3], unsigned blocks)                   \
	{                                                                                          \
		type nan = _mm_setzero_##suffix();                                                 \
                                                                                                   \
		for (unsigned i = 0; i < blocks; i++) {                                            \
			type x = BLOCK(type, 0, i), y = BLOCK(type, 1, i), z = BLOCK(type, 2, i);  \
			type result = expression;                                                  \
                                                                                                   \
			(void)y;                                                                   \
			(void)z;                                                                   \
			nan = _mm_or_##suffix(nan, _mm_cmpunord_##suffix(result, result));         \
			((type *)to)[i] = result;                                                  \
		}                                                                                  \
		return _mm_movemask_##suffix(nan) != 0;                                            \
	}

#define KERNELS(suffix, type)                                                                      \
	KERNEL(add, suffix, type, _mm_add_##suffix(x, y))                                          \
	KERNEL(subtract, suffix, type, _mm_sub_##suffix(x, y))                                     \
	KERNEL(multiply, suffix, type, _mm_mul_##suffix(x, y))                                     \
	KERNEL(divide, suffix, type, _mm_div_##suffix(x, y))                                       \
	KERNEL(square_root, suffix, type, _mm_sqrt_##suffix(x))                                    \
	KERNEL(fuse, suffix, type, _mm_fmadd_##suffix(x, y, z))                                    \
	KERNEL(fuse_negated, suffix, type, _mm_fnmsub_##suffix(x, y, z))                           \
	KERNEL(fuse_subtract, suffix, type, _mm_fmsub_##suffix(x, y, z))                           \
	KERNEL(fuse_negated_product, suffix, type, _mm_fnmadd_##suffix(x, y, z))

KERNELS(ps, __m128)
KERNELS(pd, __m128d)

static kernel *const kernels[HOST_FLOAT_OPS][2] = {
	[HOST_ADD] = { add_ps, add_pd },
	[HOST_SUBTRACT] = { subtract_ps, subtract_pd },
	[HOST_MULTIPLY] = { multiply_ps, multiply_pd },
	[HOST_DIVIDE] = { divide_ps, divide_pd },
	[HOST_SQUARE_ROOT] = { square_root_ps, square_root_pd },
	[HOST_FUSE] = { fuse_ps, fuse_pd },
	[HOST_FUSE_NEGATED] = { fuse_negated_ps, fuse_negated_pd },
	[HOST_FUSE_SUBTRACT] = { fuse_subtract_ps, fuse_subtract_pd },
	[HOST_FUSE_NEGATED_PRODUCT] = { fuse_negated_product_ps, fuse_negated_product_pd },
};

bool host_compute_floats(enum host_float_op op, bool is_double, void *to,
	const struct host_blocks operands[3], unsigned blocks, unsigned rounding,
	uint32_t *ret_flags)
{
	uint32_t saved;
	bool nan;

	if (!__builtin_cpu_supports("avx") || !__builtin_cpu_supports("fma"))
		return false;
	saved = host_read_float_control();
	host_write_float_control(host_float_control(rounding));
	nan = kernels[op][is_double](to, operands, blocks);
	*ret_flags = host_float_flags(host_read_float_control());
	host_write_float_control(saved);
	return !nan;
}
