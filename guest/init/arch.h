/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch.h - the architecture this is compiled for.
 */
#pragma once

#if defined(__x86_64__)
#include "arch-x86_64.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "arch-riscv64.h"
#else
#error "guest/init has no arch-*.h for this CPU"
#endif
