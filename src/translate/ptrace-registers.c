/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace-registers.c - the registers of a tracee as sets (Linux arch/riscv/kernel/ptrace.c), and
 * what PTRACE_GET_SYSCALL_INFO makes of them.
 */
#include <elf.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/ptrace.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "translate/ptrace.h"

#define VECTOR_SET 0x900 /* NT_RISCV_VECTOR */

#define ECALL_SIZE 4

/* struct user_regs_struct */
struct integer_set {
	uint64_t pc, x[31]; /* from x1 on */
};

/* struct __riscv_d_ext_state */
struct float_set {
	uint64_t f[32];
	uint32_t fcsr, unused;
};

/* struct __riscv_v_regset_state */
struct vector_set {
	uint64_t vstart, vl, vtype, vcsr, vlenb;
	uint8_t v[32 * RISCV_VLEN_BYTES];
};

union any_set {
	struct integer_set integer;
	struct float_set floating;
	struct vector_set vector;
};

/* --- between the thread's state and a set ---------------------------------------------------- */

/* In a system call pc is behind the ecall, for Linux. */
static uint64_t call_offset(const struct peer *p)
{
	bool is_in_call = p->state.stop == TRACE_ENTRY || p->state.stop == TRACE_SECCOMP ||
		p->state.stop == TRACE_EVENT;

	return is_in_call && p->state.in_call ? ECALL_SIZE : 0;
}

static int get_integer(const struct peer *p, const struct riscv_cpu *cpu, union any_set *set)
{
	set->integer.pc = cpu->pc + call_offset(p);
	memcpy(set->integer.x, cpu->x + 1, sizeof(set->integer.x));
	return 0;
}

static void set_integer(const struct peer *p, struct riscv_cpu *cpu, const union any_set *set)
{
	cpu->pc = (set->integer.pc - call_offset(p)) & ~UINT64_C(1);
	memcpy(cpu->x + 1, set->integer.x, sizeof(set->integer.x));
}

static int get_float(const struct peer *p, const struct riscv_cpu *cpu, union any_set *set)
{
	memcpy(set->floating.f, cpu->f, sizeof(set->floating.f));
	set->floating.fcsr = cpu->fcsr;
	return 0;
}

static void set_float(const struct peer *p, struct riscv_cpu *cpu, const union any_set *set)
{
	memcpy(cpu->f, set->floating.f, sizeof(cpu->f));
	cpu->fcsr = set->floating.fcsr & 0xff;
}

/* Programs that have used none have none. */
static int get_vector(const struct peer *p, const struct riscv_cpu *cpu, union any_set *set)
{
	if (cpu->vtype == RISCV_VILL)
		return -EINVAL;
	set->vector.vstart = cpu->vstart;
	set->vector.vl = cpu->vl;
	set->vector.vtype = cpu->vtype;
	set->vector.vcsr = cpu->vxsat | (unsigned)cpu->vxrm << 1;
	set->vector.vlenb = RISCV_VLEN_BYTES;
	memcpy(set->vector.v, cpu->v, sizeof(set->vector.v));
	return 0;
}

static void set_vector(const struct peer *p, struct riscv_cpu *cpu, const union any_set *set)
{
	memcpy(cpu->v, set->vector.v, sizeof(cpu->v));
	riscv_set_vector_type(cpu, set->vector.vtype, set->vector.vl);
	cpu->vstart = set->vector.vstart & (8 * RISCV_VLEN_BYTES - 1);
	cpu->vxsat = set->vector.vcsr & 1;
	cpu->vxrm = set->vector.vcsr >> 1 & 3;
}

/* --- requests -------------------------------------------------------------------------------- */

/* Where a set lies in the state: a large part, and a small one. */
struct parts {
	size_t offset, size, more_offset, more_size;
};

#define PART(from, to)                                                                             \
	offsetof(struct riscv_cpu, from),                                                          \
		offsetof(struct riscv_cpu, to) - offsetof(struct riscv_cpu, from)

static int read_cpu(const struct peer *p, const struct parts *parts, struct riscv_cpu *cpu)
{
	char *to = (char *)cpu;
	int r = peer_read(p->tid, p->thread + parts->offset, to + parts->offset, parts->size);

	return r < 0 ? r
		     : peer_read(p->tid, p->thread + parts->more_offset, to + parts->more_offset,
			       parts->more_size);
}

static int write_cpu(const struct peer *p, const struct parts *parts, const struct riscv_cpu *cpu)
{
	const char *from = (const char *)cpu;
	int r = peer_write(p->tid, p->thread + parts->offset, from + parts->offset, parts->size);

	return r < 0 ? r
		     : peer_write(p->tid, p->thread + parts->more_offset, from + parts->more_offset,
			       parts->more_size);
}

/* x[] and pc; f[] and fcsr; v[] and what is behind it. */
static const struct parts integer_parts = { PART(x, f), PART(pc, fcsr) };
static const struct parts float_parts = { PART(f, pc), PART(fcsr, reserved_address) };
static const struct parts vector_parts = { PART(v, vl), offsetof(struct riscv_cpu, vl),
	sizeof(struct riscv_cpu) - offsetof(struct riscv_cpu, vl) };

static const struct set {
	uint64_t type;
	size_t size;
	const struct parts *parts;
	int (*get)(const struct peer *p, const struct riscv_cpu *cpu, union any_set *set);
	void (*set)(const struct peer *p, struct riscv_cpu *cpu, const union any_set *set);
} sets[] = {
	{ NT_PRSTATUS, sizeof(struct integer_set), &integer_parts, get_integer, set_integer },
	{ NT_PRFPREG, sizeof(struct float_set), &float_parts, get_float, set_float },
	{ VECTOR_SET, sizeof(struct vector_set), &vector_parts, get_vector, set_vector },
};

static const struct set *find_set(
	uint64_t type, uint64_t address, struct iovec *ret_vector, int *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		if (sets[i].type != (uint32_t)type)
			continue;
		*ret = guest_copy_in(ret_vector, address, sizeof(*ret_vector));
		if (*ret == 0 && ret_vector->iov_len % sizeof(uint64_t))
			*ret = -EINVAL;
		if (ret_vector->iov_len > sets[i].size)
			ret_vector->iov_len = sets[i].size;
		return *ret < 0 ? NULL : &sets[i];
	}
	*ret = -EINVAL;
	return NULL;
}

int64_t trace_get_registers(struct peer *p, uint64_t type, uint64_t address)
{
	struct riscv_cpu cpu;
	union any_set any = { 0 };
	struct iovec vector = { 0 };
	int r;
	const struct set *set = find_set(type, address, &vector, &r);

	if (set)
		r = read_cpu(p, set->parts, &cpu);
	if (set && r == 0)
		r = set->get(p, &cpu, &any);
	if (r == 0)
		r = guest_copy_out((uintptr_t)vector.iov_base, &any, vector.iov_len);
	return r < 0 ? r : guest_copy_out(address, &vector, sizeof(vector));
}

int64_t trace_set_registers(struct peer *p, uint64_t type, uint64_t address)
{
	struct riscv_cpu cpu;
	union any_set any = { 0 };
	struct iovec vector = { 0 };
	int r;
	const struct set *set = find_set(type, address, &vector, &r);

	if (set)
		r = read_cpu(p, set->parts, &cpu);
	if (set && r == 0)
		r = set->get(p, &cpu, &any);
	if (r == 0)
		r = guest_copy_in(&any, (uintptr_t)vector.iov_base, vector.iov_len);
	if (r < 0)
		return r;
	set->set(p, &cpu, &any);
	r = write_cpu(p, set->parts, &cpu);
	if (r == 0 && p->host.pc == p->page.call_end)
		r = peer_set(p, is_changed, 1);
	return r < 0 ? r : guest_copy_out(address, &vector, sizeof(vector));
}

/* Without PTRACE_O_TRACESYSGOOD, Linux does not know either. */
static enum trace_stop call_stop(const struct peer *p)
{
	if (!peer_presents(p, SIGTRAP))
		return TRACE_RUNNING;
	if (p->state.stop != TRACE_SECCOMP && !(p->state.options & PTRACE_O_TRACESYSGOOD))
		return TRACE_RUNNING;
	return p->state.stop;
}

static void describe_call(const struct peer *p, const struct riscv_cpu *cpu,
	struct ptrace_syscall_info *ret, size_t *size)
{
	uint64_t arguments[6] = { p->state.first_argument, cpu->x[11], cpu->x[12], cpu->x[13],
		cpu->x[14], cpu->x[15] };
	int64_t result = (int64_t)cpu->x[10];

	switch (call_stop(p)) {
	case TRACE_ENTRY:
		ret->op = PTRACE_SYSCALL_INFO_ENTRY;
		ret->entry.nr = cpu->x[17];
		memcpy(ret->entry.args, arguments, sizeof(arguments));
		*size = offsetof(struct ptrace_syscall_info, entry.args) + sizeof(arguments);
		break;
	case TRACE_SECCOMP:
		ret->op = PTRACE_SYSCALL_INFO_SECCOMP;
		ret->seccomp.nr = cpu->x[17];
		memcpy(ret->seccomp.args, arguments, sizeof(arguments));
		ret->seccomp.ret_data = (uint32_t)p->state.message;
		*size = offsetof(struct ptrace_syscall_info, seccomp.ret_data) + sizeof(uint32_t);
		break;
	case TRACE_EXIT:
		ret->op = PTRACE_SYSCALL_INFO_EXIT;
		ret->exit.rval = result;
		ret->exit.is_error = result < 0 && result >= -4095;
		*size = offsetof(struct ptrace_syscall_info, exit.is_error) + 1;
		break;
	default:
		ret->op = PTRACE_SYSCALL_INFO_NONE;
		*size = offsetof(struct ptrace_syscall_info, entry);
	}
}

int64_t trace_get_call(struct peer *p, uint64_t size, uint64_t address)
{
	struct ptrace_syscall_info info = { .arch = AUDIT_ARCH_RISCV64 };
	struct riscv_cpu cpu;
	size_t known;
	int r = read_cpu(p, &integer_parts, &cpu);

	if (r < 0)
		return r;
	info.instruction_pointer = cpu.pc + call_offset(p);
	info.stack_pointer = cpu.x[2];
	describe_call(p, &cpu, &info, &known);
	r = guest_copy_out(address, &info, size < known ? size : known);
	return r < 0 ? r : (int64_t)known;
}
