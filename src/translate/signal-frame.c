/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal-frame.c - struct rt_sigframe of riscv64 (arch/riscv/kernel/signal.c, and
 * arch/riscv/include/uapi/asm/{ucontext,sigcontext,ptrace}.h).
 *
 * The registers of V, where the program has used them, are a record behind the frame: its header
 * lies in the last words of the space that Q would need, its content behind the struct; a header of
 * zeros ends the list.
 */
#include <errno.h>
#include <string.h>

#include "translate/signal.h"

#define VECTOR_MAGIC 0x53465457u

struct guest_context {
	uint64_t flags, link;
	uint64_t stack[3];
	uint64_t mask;
	uint8_t unused[1024 / 8 - 8];
	struct {
		_Alignas(16) uint64_t pc; /* in place of x0 */
		uint64_t x[31];
		/* union __riscv_fp_state */
		uint64_t f[32];
		uint32_t fcsr;
		uint8_t unused[256]; /* as large as Q's registers */
		uint32_t reserved;
		uint32_t magic, size; /* struct __riscv_ctx_hdr */
	} machine;
};

/* Behind the frame: struct __sc_riscv_v_state without its header, the registers, the end. */
struct guest_vectors {
	uint64_t vstart, vl, vtype, vcsr, vlenb, data;
	uint8_t v[32 * RISCV_VLEN_BYTES];
	uint32_t end_magic, end_size;
};

struct guest_frame {
	uint8_t info[128];
	struct guest_context context;
};

_Static_assert(offsetof(struct guest_context, machine) == 176, "uc_mcontext");
_Static_assert(offsetof(struct guest_context, machine.f) == 176 + 256, "sc_fpregs");
_Static_assert(offsetof(struct guest_context, machine.magic) == 176 + 256 + 520, "sc_extdesc.hdr");
_Static_assert(sizeof(struct guest_context) == 960, "struct ucontext");
_Static_assert(sizeof(struct guest_frame) == 1088, "struct rt_sigframe");

uint64_t signal_frame_size(void)
{
	return sizeof(struct guest_frame);
}

int signal_frame_push(struct thread *t, uint64_t top, int signal, const uint8_t info[128],
	uint64_t mask, uint64_t handler)
{
	struct riscv_cpu *cpu = &t->cpu;
	struct guest_frame frame = { 0 };
	uint64_t at = (top - sizeof(frame)) & ~UINT64_C(15);

	memcpy(frame.info, info, sizeof(frame.info));
	frame.context.stack[0] = t->alternate_stack;
	frame.context.stack[1] = t->alternate_flags;
	frame.context.stack[2] = t->alternate_size;
	frame.context.mask = mask;
	frame.context.machine.pc = cpu->pc;
	memcpy(frame.context.machine.x, cpu->x + 1, sizeof(frame.context.machine.x));
	memcpy(frame.context.machine.f, cpu->f, sizeof(cpu->f));
	frame.context.machine.fcsr = cpu->fcsr;
	if (guest_copy_out(at, &frame, sizeof(frame)) < 0)
		return -EFAULT;
	cpu->x[1] = t->process->signal_return;
	cpu->x[2] = at;
	cpu->x[10] = (uint64_t)signal;
	cpu->x[11] = at + offsetof(struct guest_frame, info);
	cpu->x[12] = at + offsetof(struct guest_frame, context);
	cpu->pc = handler;
	cpu->reserved_address = RISCV_NO_RESERVATION;
	return 0;
}

int signal_frame_pop(const struct thread *t, struct riscv_cpu *ret_cpu, uint64_t *ret_mask,
	uint64_t ret_stack[3])
{
	struct guest_frame frame;

	if (guest_copy_in(&frame, t->cpu.x[2], sizeof(frame)) < 0)
		return -EFAULT;
	ret_cpu->pc = frame.context.machine.pc;
	memcpy(ret_cpu->x + 1, frame.context.machine.x, sizeof(frame.context.machine.x));
	memcpy(ret_cpu->f, frame.context.machine.f, sizeof(ret_cpu->f));
	ret_cpu->fcsr = frame.context.machine.fcsr & 0xff;
	ret_cpu->reserved_address = RISCV_NO_RESERVATION;
	*ret_mask = frame.context.mask;
	memcpy(ret_stack, frame.context.stack, sizeof(frame.context.stack));
	return 0;
}
