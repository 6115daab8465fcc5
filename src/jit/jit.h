/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit.h - guest code on a host that does not speak it: the contract of the folder.
 *
 * A guest is one instruction set (riscv/); its state is a struct that the interpreter and
 * translated code share, so that either can go on where the other has stopped. They run until
 * something comes up that is not theirs to do, and say what it was.
 */
#pragma once

#include <stdint.h>

enum jit_stop {
	JIT_STOP_LIMIT, /* as many instructions as were asked for */
	JIT_STOP_SYSTEM_CALL, /* pc is at the instruction */
	JIT_STOP_BREAKPOINT, /* likewise */
	JIT_STOP_ILLEGAL, /* likewise */
	JIT_STOP_MISALIGNED, /* likewise; fault_address says where */
	JIT_STOP_NEW_CODE, /* code may have been written (fence.i); pc is behind it */
};

/*
 * Where a user-mode guest's memory lies in ours: guest address A is host address offset + A, for
 * every A. Nothing is checked; an access to what is not mapped is a SIGSEGV of ours, at which the
 * guest's pc is that of the faulting instruction.
 */
struct jit_memory {
	uint64_t offset;
};
