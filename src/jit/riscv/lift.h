/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lift.h - turns RISC-V code into IR.
 *
 * Slots are x1 to x31 by number, and 32 + n for fn.
 */
#pragma once

#include "jit/internal.h"

#define RISCV_FIRST_FLOAT_SLOT 32

/* See struct jit_guest. */
void riscv_lift(struct ir_block *block, const struct jit_lift_options *options);
