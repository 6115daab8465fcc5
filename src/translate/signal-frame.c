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

/* From one header to the next. */
#define VECTOR_BYTES (2 * sizeof(uint32_t) + offsetof(struct guest_vectors, end_magic))

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
	return (sizeof(struct guest_frame) + sizeof(struct guest_vectors) + 15) & ~UINT64_C(15);
}

static int push_vectors(const struct riscv_cpu *cpu, uint64_t at)
{
	struct guest_vectors vectors = {
		.vstart = cpu->vstart,
		.vl = cpu->vl,
		.vtype = cpu->vtype,
		.vcsr = cpu->vxsat | (unsigned)cpu->vxrm << 1,
		.vlenb = RISCV_VLEN_BYTES,
		.data = at + offsetof(struct guest_vectors, v),
	};

	memcpy(vectors.v, cpu->v, sizeof(vectors.v));
	return guest_copy_out(at, &vectors, sizeof(vectors));
}

/* The kernel takes the registers from where the record says that they are. */
static int pop_vectors(struct riscv_cpu *cpu, uint64_t at)
{
	struct guest_vectors vectors;

	if (guest_copy_in(&vectors, at, sizeof(vectors)) < 0 || vectors.end_magic ||
		vectors.end_size || guest_copy_in(cpu->v, vectors.data, sizeof(cpu->v)) < 0)
		return -EFAULT;
	riscv_set_vector_type(cpu, vectors.vtype, vectors.vl);
	cpu->vstart = vectors.vstart & (8 * RISCV_VLEN_BYTES - 1);
	cpu->vxsat = vectors.vcsr & 1;
	cpu->vxrm = vectors.vcsr >> 1 & 3;
	return 0;
}

int signal_frame_push(struct thread *t, uint64_t top, int signal, const uint8_t info[128],
	uint64_t mask, uint64_t handler)
{
	struct riscv_cpu *cpu = &t->cpu;
	struct guest_frame frame = { 0 };
	bool has_vectors = cpu->vtype != RISCV_VILL; /* as long as it has not set one */
	uint64_t at = (top - sizeof(frame) - (has_vectors ? sizeof(struct guest_vectors) : 0)) &
		~UINT64_C(15);

	memcpy(frame.info, info, sizeof(frame.info));
	frame.context.stack[0] = t->alternate_stack;
	frame.context.stack[1] = t->alternate_flags;
	frame.context.stack[2] = t->alternate_size;
	frame.context.mask = mask;
	frame.context.machine.pc = cpu->pc;
	memcpy(frame.context.machine.x, cpu->x + 1, sizeof(frame.context.machine.x));
	memcpy(frame.context.machine.f, cpu->f, sizeof(cpu->f));
	frame.context.machine.fcsr = cpu->fcsr;
	if (has_vectors) {
		frame.context.machine.magic = VECTOR_MAGIC;
		frame.context.machine.size = VECTOR_BYTES;
		if (push_vectors(cpu, at + sizeof(frame)) < 0)
			return -EFAULT;
	}
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
	if (frame.context.machine.magic == VECTOR_MAGIC &&
		frame.context.machine.size == VECTOR_BYTES) {
		if (pop_vectors(ret_cpu, t->cpu.x[2] + sizeof(frame)) < 0)
			return -EFAULT;
	} else if (frame.context.machine.magic || frame.context.machine.size) {
		return -EFAULT;
	}
	ret_cpu->pc = frame.context.machine.pc;
	memcpy(ret_cpu->x + 1, frame.context.machine.x, sizeof(frame.context.machine.x));
	memcpy(ret_cpu->f, frame.context.machine.f, sizeof(ret_cpu->f));
	ret_cpu->fcsr = frame.context.machine.fcsr & 0xff;
	ret_cpu->reserved_address = RISCV_NO_RESERVATION;
	*ret_mask = frame.context.mask;
	memcpy(ret_stack, frame.context.stack, sizeof(frame.context.stack));
	return 0;
}
