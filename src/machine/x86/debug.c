/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c - what a debugger sees of a vcpu, and does to it, while it stands.
 *
 * Most registers are a place in one of three structs; each access fetches that one from the kernel.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "debug/debug.h"
#include "machine/x86/board.h"

#define MSR_KERNEL_GS_BASE 0xc0000102

/* FXSAVE: SDM 1, table 10-2. */
enum {
	FX_CONTROL = 0,
	FX_STATUS = 2,
	FX_TAGS = 4, /* a bit for each register: it is in use */
	FX_OPCODE = 6,
	FX_INSTRUCTION = 8,
	FX_OPERAND = 16,
	FX_MXCSR = 24,
	FX_ST = 32,
	FX_XMM = 160,
	FX_REGISTER_BYTES = 16,
};

#define ST_BYTES 10

/* --- where they are --------------------------------------------------------------------------- */

enum source {
	NOWHERE,
	GENERAL,
	SPECIAL,
	SELECTOR, /* in SPECIAL, and not to be changed: its descriptor would have to follow */
	FPU,
	TAGS, /* FX_TAGS as the x87's tag word */
	GS_OF_KERNEL, /* an MSR */
};

struct place {
	enum source source;
	unsigned offset, bytes; /* in its struct */
	unsigned shown; /* bytes that the debugger has of it; 0: as many */
};

struct all_registers {
	struct kvm_regs general;
	struct kvm_sregs special;
	uint8_t fpu[KVM_X86_FXSAVE_BYTES];
};

#define IN_GENERAL(name)                                                                           \
	{                                                                                          \
		GENERAL, offsetof(struct kvm_regs, name), 8                                        \
	}
#define IN_SPECIAL(name)                                                                           \
	{                                                                                          \
		SPECIAL, offsetof(struct kvm_sregs, name), 8                                       \
	}
#define IN_SELECTOR(name)                                                                          \
	{                                                                                          \
		SELECTOR, offsetof(struct kvm_sregs, name.selector), 2, 4                          \
	}

/* By debug.h's numbers; those in rows of the same kind are counted out by find_place(). */
static const struct place places[] = {
	[DEBUG_X86_RAX] = IN_GENERAL(rax),
	IN_GENERAL(rbx),
	IN_GENERAL(rcx),
	IN_GENERAL(rdx),
	IN_GENERAL(rsi),
	IN_GENERAL(rdi),
	IN_GENERAL(rbp),
	IN_GENERAL(rsp),
	IN_GENERAL(r8),
	IN_GENERAL(r9),
	IN_GENERAL(r10),
	IN_GENERAL(r11),
	IN_GENERAL(r12),
	IN_GENERAL(r13),
	IN_GENERAL(r14),
	IN_GENERAL(r15),
	[DEBUG_X86_RIP] = IN_GENERAL(rip),
	[DEBUG_X86_EFLAGS] = { GENERAL, offsetof(struct kvm_regs, rflags), 4 },
	[DEBUG_X86_CS] = IN_SELECTOR(cs),
	IN_SELECTOR(ss),
	IN_SELECTOR(ds),
	IN_SELECTOR(es),
	IN_SELECTOR(fs),
	IN_SELECTOR(gs),
	[DEBUG_X86_FCTRL] = { FPU, FX_CONTROL, 2, 4 },
	{ FPU, FX_STATUS, 2, 4 },
	{ TAGS, FX_TAGS, 2, 4 },
	{ FPU, FX_INSTRUCTION + 4, 4 },
	{ FPU, FX_INSTRUCTION, 4 },
	{ FPU, FX_OPERAND + 4, 4 },
	{ FPU, FX_OPERAND, 4 },
	{ FPU, FX_OPCODE, 2, 4 },
	[DEBUG_X86_MXCSR] = { FPU, FX_MXCSR, 4 },
	[DEBUG_X86_FS_BASE] = IN_SPECIAL(fs.base),
	[DEBUG_X86_GS_BASE] = IN_SPECIAL(gs.base),
	[DEBUG_X86_KERNEL_GS_BASE] = { GS_OF_KERNEL, 0, 8 },
	[DEBUG_X86_CR0] = IN_SPECIAL(cr0),
	IN_SPECIAL(cr2),
	IN_SPECIAL(cr3),
	IN_SPECIAL(cr4),
	IN_SPECIAL(cr8),
	[DEBUG_X86_EFER] = IN_SPECIAL(efer),
};

static_assert(ARRAY_SIZE(places) == DEBUG_X86_REGISTERS, "every register is somewhere");

static struct place find_place(unsigned number)
{
	if (number >= DEBUG_X86_ST0 && number < DEBUG_X86_ST0 + 8)
		return (struct place){ FPU, FX_ST + (number - DEBUG_X86_ST0) * FX_REGISTER_BYTES,
			ST_BYTES, 0 };
	if (number >= DEBUG_X86_XMM0 && number < DEBUG_X86_XMM0 + 16)
		return (struct place){ FPU, FX_XMM + (number - DEBUG_X86_XMM0) * FX_REGISTER_BYTES,
			FX_REGISTER_BYTES, 0 };
	return places[number];
}

static uint8_t *struct_of(struct all_registers *all, enum source source)
{
	return source == GENERAL			  ? (uint8_t *)&all->general
		: source == SPECIAL || source == SELECTOR ? (uint8_t *)&all->special
							  : all->fpu;
}

/* --- the tag word: 2 bits for each register, which FXSAVE has one of (SDM 1, 8.1.7) ------------
 */

enum tag {
	TAG_VALID,
	TAG_ZERO,
	TAG_SPECIAL,
	TAG_EMPTY,
};

static enum tag tag_of(const uint8_t *st)
{
	uint16_t exponent;
	uint64_t fraction;

	memcpy(&fraction, st, sizeof(fraction));
	memcpy(&exponent, st + sizeof(fraction), sizeof(exponent));
	exponent &= 0x7fff;
	if (exponent == 0 && fraction == 0)
		return TAG_ZERO;
	return exponent != 0 && exponent != 0x7fff && fraction >> 63 ? TAG_VALID : TAG_SPECIAL;
}

static uint16_t get_tags(const uint8_t *fpu)
{
	unsigned top = fpu[FX_STATUS + 1] >> 3 & 7, tags = 0;

	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *st = fpu + FX_ST + ((i - top) & 7) * FX_REGISTER_BYTES;

		tags |= (unsigned)(fpu[FX_TAGS] >> i & 1 ? tag_of(st) : TAG_EMPTY) << 2 * i;
	}
	return (uint16_t)tags;
}

static void set_tags(uint8_t *fpu, uint16_t tags)
{
	fpu[FX_TAGS] = 0;
	for (unsigned i = 0; i < 8; i++)
		if ((tags >> 2 * i & 3) != TAG_EMPTY)
			fpu[FX_TAGS] |= (uint8_t)(1 << i);
}

/* --- registers -------------------------------------------------------------------------------- */

static struct kvm_vcpu *vcpu_of(struct machine *m, unsigned index)
{
	return &x86_board(m)->vcpus[index];
}

static int read_all(const struct kvm_vcpu *vcpu, enum source source, struct all_registers *ret)
{
	if (source == FPU || source == TAGS)
		return kvm_x86_read_fpu(vcpu, ret->fpu);
	return source == GENERAL ? kvm_x86_read_registers(vcpu, &ret->general, NULL)
				 : kvm_x86_read_registers(vcpu, NULL, &ret->special);
}

static int write_all(
	const struct kvm_vcpu *vcpu, enum source source, const struct all_registers *all)
{
	return source == GENERAL    ? kvm_x86_write_general(vcpu, &all->general)
		: source == SPECIAL ? kvm_x86_write_special(vcpu, &all->special)
				    : kvm_x86_write_fpu(vcpu, all->fpu);
}

static int read_register(struct machine *m, unsigned index, unsigned number, uint8_t *value)
{
	const struct kvm_vcpu *vcpu = vcpu_of(m, index);
	const struct place place = find_place(number);
	struct all_registers all;
	uint64_t msr = 0;
	uint16_t tags;
	int r;

	memset(value, 0, place.shown ? place.shown : place.bytes);
	if (place.source == GS_OF_KERNEL) {
		r = kvm_x86_read_msr(vcpu, MSR_KERNEL_GS_BASE, &msr);
		memcpy(value, &msr, sizeof(msr));
		return r;
	}
	r = read_all(vcpu, place.source, &all);
	if (r < 0)
		return r;
	memcpy(value, struct_of(&all, place.source) + place.offset, place.bytes);
	if (place.source == TAGS) {
		tags = get_tags(all.fpu);
		memcpy(value, &tags, sizeof(tags));
	}
	return 0;
}

static int write_register(struct machine *m, unsigned index, unsigned number, const uint8_t *value)
{
	const struct kvm_vcpu *vcpu = vcpu_of(m, index);
	const struct place place = find_place(number);
	struct all_registers all;
	uint64_t msr;
	uint16_t tags;
	uint8_t *at;
	int r;

	if (place.source == GS_OF_KERNEL) {
		memcpy(&msr, value, sizeof(msr));
		return kvm_x86_write_msr(vcpu, MSR_KERNEL_GS_BASE, msr);
	}
	r = read_all(vcpu, place.source, &all);
	if (r < 0)
		return r;
	at = struct_of(&all, place.source) + place.offset;
	if (place.source == SELECTOR) /* debuggers write all registers when one has changed */
		return memcmp(at, value, place.bytes) == 0 ? 0 : -EPERM;
	if (place.source == TAGS) {
		memcpy(&tags, value, sizeof(tags));
		set_tags(all.fpu, tags);
	} else {
		memcpy(at, value, place.bytes);
	}
	return write_all(vcpu, place.source, &all);
}

/* --- memory ----------------------------------------------------------------------------------- */

static int find_physical(struct machine *m, unsigned index, uint64_t address, uint64_t *ret)
{
	struct kvm_x86_walk walk;
	bool is_mapped = false;
	int r = kvm_x86_walk_from(vcpu_of(m, index), address, &walk, &is_mapped);

	if (r == 0 && !is_mapped)
		r = -EFAULT;
	if (r == 0)
		*ret = walk.physical;
	return r;
}

static int read_physical(struct machine *m, uint64_t address, void *to, size_t size)
{
	return kvm_x86_read_memory(&x86_board(m)->vm, address, to, size);
}

static int write_physical(struct machine *m, uint64_t address, const void *from, size_t size)
{
	return kvm_x86_write_memory(&x86_board(m)->vm, address, from, size);
}

static int read_memory(struct machine *m, unsigned index, uint64_t address, void *to, size_t size)
{
	uint64_t physical;
	int r = find_physical(m, index, address, &physical);

	return r == 0 ? read_physical(m, physical, to, size) : r;
}

static int write_memory(
	struct machine *m, unsigned index, uint64_t address, const void *from, size_t size)
{
	uint64_t physical;
	int r = find_physical(m, index, address, &physical);

	return r == 0 ? write_physical(m, physical, from, size) : r;
}

/* --- where to stop ---------------------------------------------------------------------------- */

/* There is no watching of reads alone: gdb then watches all accesses, and leaves out those that
 * have changed the value. */
static int point_of(const struct machine_point *point, struct kvm_x86_point *ret)
{
	static const struct {
		enum debug_breakpoint_type type;
		enum kvm_x86_point_type ours;
	} types[] = {
		{ DEBUG_BREAKPOINT_SOFTWARE, KVM_X86_BREAK },
		{ DEBUG_BREAKPOINT_HARDWARE, KVM_X86_EXECUTE },
		{ DEBUG_WATCHPOINT_WRITE, KVM_X86_WRITE },
		{ DEBUG_WATCHPOINT_ACCESS, KVM_X86_ACCESS },
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].type != point->type)
			continue;
		*ret = (struct kvm_x86_point){ types[i].ours, point->address, point->size };
		return 0;
	}
	return -EOPNOTSUPP;
}

static int insert_point(struct machine *m, unsigned index, const struct machine_point *point)
{
	struct kvm_x86_point ours;
	uint64_t physical = 0;
	int r = point_of(point, &ours);

	if (r == 0 && ours.type == KVM_X86_BREAK)
		r = find_physical(m, index, ours.address, &physical);
	return r == 0 ? kvm_x86_add_point(&x86_board(m)->vm, &ours, physical) : r;
}

static void remove_point(struct machine *m, const struct machine_point *point)
{
	struct kvm_x86_point ours;

	if (point_of(point, &ours) == 0)
		kvm_x86_remove_point(&x86_board(m)->vm, &ours);
}

static bool find_watchpoint(struct machine *m, unsigned index, struct machine_point *ret)
{
	const struct kvm_x86_point *met = kvm_x86_met(vcpu_of(m, index));

	if (!met || met->type == KVM_X86_EXECUTE)
		return false;
	*ret = (struct machine_point){ met->type == KVM_X86_WRITE ? DEBUG_WATCHPOINT_WRITE
								  : DEBUG_WATCHPOINT_ACCESS,
		met->address, met->size };
	return true;
}

static void set_step(struct machine *m, unsigned index, bool step)
{
	int r = kvm_x86_use_points(vcpu_of(m, index), step);

	if (r < 0)
		log_warning("KVM does not let vcpu %u be debugged: %s", index, strerror(-r));
}

static void hide_points(struct machine *m)
{
	kvm_x86_lift_breaks(&x86_board(m)->vm);
}

static void put_points(struct machine *m)
{
	kvm_x86_put_breaks(&x86_board(m)->vm);
}

const struct machine_debug_ops x86_debug_ops = {
	.name = "x86-64",
	.thread = "vcpu",
	.architecture = &debug_x86_64_machine,
	.pc = DEBUG_X86_RIP,
	.read_register = read_register,
	.write_register = write_register,
	.read_memory = read_memory,
	.write_memory = write_memory,
	.read_physical = read_physical,
	.write_physical = write_physical,
	.insert = insert_point,
	.remove = remove_point,
	.find_watchpoint = find_watchpoint,
	.set_step = set_step,
	.hide_points = hide_points,
	.put_points = put_points,
};
