/* SPDX-License-Identifier: Apache-2.0 */
/*
 * float-blocks.h - IEEE 754 arithmetic by the host's own instructions, 16 bytes at a time: what
 * interpreters of vectors use where softfloat.h would give the same, more slowly.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum host_float_op {
	HOST_ADD,
	HOST_SUBTRACT,
	HOST_MULTIPLY,
	HOST_DIVIDE,
	HOST_SQUARE_ROOT, /* of a */
	/* a * b + c, -(a * b) - c, a * b - c, -(a * b) + c */
	HOST_FUSE,
	HOST_FUSE_NEGATED,
	HOST_FUSE_SUBTRACT,
	HOST_FUSE_NEGATED_PRODUCT,
	HOST_FLOAT_OPS,
};

/* Blocks of 16 bytes, aligned to that: the next is `step` behind, which is 0 where one is for all.
 */
struct host_blocks {
	const void *first;
	size_t step;
};

/*
 * Compute `blocks` blocks of singles or doubles. `rounding` is RISC-V's rm, one of the four that
 * the host has (0 to 3), *ret_flags RISC-V's fflags. False when a NaN has come out, which RISC-V
 * has only one of and whose flags are hosts' matter, and where the host cannot; `to` is undefined
 * then. What the thread has gathered of flags by itself stays as it was.
 */
bool host_compute_floats(enum host_float_op op, bool is_double, void *to,
	const struct host_blocks operands[3], unsigned blocks, unsigned rounding,
	uint32_t *ret_flags);
