/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm.h - the host's CPU as the CPU of a machine, through /dev/kvm: the contract of the folder.
 *
 * What is the same on every host is in vm.c, vcpu.c and exits.c; what differs is behind internal.h,
 * in files that begin with the architecture's name. A board calls what is here, and the part below
 * for its architecture.
 *
 * Threads: a vcpu's state belongs to the thread that is in run(), and to anybody while it stands.
 * Interrupt lines may be set, and vcpus kicked, from any thread; all else is done by one thread
 * while no vcpu runs.
 */
#pragma once

#include <linux/kvm.h>
#include <pthread.h>
#include <sys/types.h>

#include "vm/vm.h"

#define KVM_IRQS_MAX 24 /* inputs of the controller of devices */

/* --- the machine as the kernel knows it ------------------------------------------------------ */

struct kvm_config {
	struct vm_memory *memory;
	struct vm_bus *bus; /* of memory addresses */
	struct vm_bus *ports; /* of I/O ports; NULL: the architecture has none */
	unsigned nr_vcpus;
	const char *cpu; /* a name of vcpu/models.h; NULL: the host's */
};

struct kvm_arch; /* what the architecture keeps; in its files */

struct kvm_vm {
	struct kvm_config config;
	int kvm_fd, fd;
	unsigned run_bytes; /* of a struct kvm_run and what is behind it */
	struct vm_irqchip chip; /* the one of devices */
	bool levels[KVM_IRQS_MAX]; /* as they were set; each by its line's owner */
	bool has_chip; /* the kernel's controllers were made */
	bool is_logging; /* which pages the vcpus write */
	struct kvm_arch *arch;
	struct vm_saved saved; /* of the machine, beside vcpus */
};

/*
 * Open /dev/kvm, and make a machine with this memory, to which nothing is added any more, without
 * vcpus. When it fails, the sentence says what is missing: the device, the right to it, something
 * that the kernel cannot do. What is half made is for kvm_vm_close(), too.
 */
int kvm_vm_open(struct kvm_vm *vm, const struct kvm_config *config, struct error *err);
void kvm_vm_close(struct kvm_vm *vm);

/* Let the kernel write to `fd`, an eventfd, instead of leaving run(), when a vcpu writes `value` in
 * 4 bytes to this memory address, as long as there is the machine: `fd` may be closed before that.
 * -ENOSPC: as many as it can are there. */
int kvm_vm_add_doorbell(struct kvm_vm *vm, uint64_t address, uint32_t value, int fd);

/* Note from now on which pages vcpus write, or no longer. */
int kvm_vm_log_dirty(struct kvm_vm *vm, bool is_wanted, struct error *err);
/* What was noted since the last time becomes VM_PAGE_DIRTY. */
int kvm_vm_collect_dirty(struct kvm_vm *vm, struct error *err);

/* The vcpus have stood for so long: for the guest's kvmclock, no time has passed. */
void kvm_vm_skip_time(struct kvm_vm *vm, int64_t ns);
/* Controllers of interrupts as they were at the beginning. */
int kvm_vm_reset(struct kvm_vm *vm, struct error *err);

/* System calls: to set an interrupt line, on any thread; what else is done with a machine that was
 * opened, while no vcpu runs, for all hosts, and for this architecture's. */
extern const struct confine_list kvm_line_calls, kvm_vm_calls, kvm_arch_calls;

/* --- vcpus ----------------------------------------------------------------------------------- */

struct kvm_vcpu_state; /* all a snapshot keeps of it; in the architecture's files */

/* What run() has met since the vcpu was made. */
struct kvm_vcpu_counts {
	uint64_t runs; /* entries into KVM_RUN */
	uint64_t ports, mmio; /* exits for devices */
	uint64_t kicks;
};

struct kvm_vcpu {
	struct vm_vcpu vcpu;
	struct kvm_vm *vm;
	int fd;
	struct kvm_run *run;
	pid_t thread; /* that is in run(); 0: none */
	struct kvm_vcpu_counts counts;
	struct kvm_vcpu_debug *debug; /* the architecture's */
	struct kvm_vcpu_state *state; /* for `saved` */
	struct kvm_vcpu_state *first; /* as it was made */
	struct vm_saved saved;
};

/* One after the other, from index 0 on. Half made, it is for kvm_vcpu_destroy(), too. */
int kvm_vcpu_init(struct kvm_vcpu *vcpu, struct kvm_vm *vm, unsigned index, struct error *err);
void kvm_vcpu_destroy(struct kvm_vcpu *vcpu);
/* As it was made: the first of a machine is about to run at its reset vector, the others wait to be
 * started by it. */
int kvm_vcpu_reset(struct kvm_vcpu *vcpu, struct error *err);

/* --- x86-64 (x86-64-*.c) ---------------------------------------------------------------------
 *
 * Three pages below the end of the first 4 GiB are the kernel's own, and no memory or device may be
 * there.
 */

#define KVM_X86_OWN_START  UINT64_C(0xfffbc000)
#define KVM_X86_OWN_BYTES  UINT64_C(0x4000)
#define KVM_X86_LAPIC	   UINT64_C(0xfee00000)
#define KVM_X86_IOAPIC	   UINT64_C(0xfec00000)
#define KVM_X86_GDT_WORDS  5
#define KVM_X86_PAGES_ROOM UINT64_C(0x6000) /* for kvm_x86_start_long()'s tables */

/* How a vcpu begins: what the boot protocols of Linux differ in. */
struct kvm_x86_start {
	uint64_t entry;
	uint64_t rsi, rbx, rsp;
	uint64_t gdt; /* where room for KVM_X86_GDT_WORDS doublewords is */
	uint64_t pages; /* likewise KVM_X86_PAGES_ROOM; only of long mode */
};

/* In long mode, with the first 4 GiB mapped to themselves. -EFAULT: no memory at gdt or pages. */
int kvm_x86_start_long(struct kvm_vcpu *vcpu, const struct kvm_x86_start *start, struct error *err);
/* In protected mode without paging, with flat segments of 32 bits. */
int kvm_x86_start_flat(struct kvm_vcpu *vcpu, const struct kvm_x86_start *start, struct error *err);
/* In real mode, at entry, which is below 64 KiB. */
int kvm_x86_start_real(struct kvm_vcpu *vcpu, const struct kvm_x86_start *start, struct error *err);

/* Of a vcpu that stands, as what follows: its registers (NULL: these are not wanted), and those of
 * the x87 and SSE as FXSAVE has them (SDM 1, 10.5.1). 0, or what KVM says. */
#define KVM_X86_FXSAVE_BYTES 512

int kvm_x86_read_registers(
	const struct kvm_vcpu *vcpu, struct kvm_regs *ret_regs, struct kvm_sregs *ret_sregs);
int kvm_x86_write_general(const struct kvm_vcpu *vcpu, const struct kvm_regs *regs);
int kvm_x86_write_special(const struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs);
int kvm_x86_read_fpu(const struct kvm_vcpu *vcpu, uint8_t ret[KVM_X86_FXSAVE_BYTES]);
int kvm_x86_write_fpu(const struct kvm_vcpu *vcpu, const uint8_t fpu[KVM_X86_FXSAVE_BYTES]);
/* One MSR, or -EINVAL. */
int kvm_x86_read_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t *ret);
int kvm_x86_write_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t value);

/* --- from a virtual address to memory (x86-64-walk.c) ----------------------------------------- */

#define KVM_X86_LEVELS_MAX 5

struct kvm_x86_paging {
	uint64_t cr0, cr3, cr4, efer;
};

struct kvm_x86_level {
	unsigned level; /* 1: of pages of 4 KiB */
	bool is_outside; /* there is no memory for the entry */
	uint64_t at, entry;
};

struct kvm_x86_walk {
	uint64_t address; /* that was looked for */
	struct kvm_x86_level levels[KVM_X86_LEVELS_MAX]; /* from the root on; none without paging */
	unsigned nr_levels;
	bool is_canonical, is_mapped;
	bool is_writable, is_user, is_executable; /* as far as the tables say */
	uint64_t physical, page_bytes; /* where it is mapped */
};

/* Nothing but memory and those registers is looked at. false: it is not mapped. */
bool kvm_x86_walk(const struct kvm_x86_paging *paging, const struct vm_memory *memory,
	uint64_t address, struct kvm_x86_walk *ret);
/* As a vcpu that stands sees it. 0, or what KVM says. */
int kvm_x86_walk_from(const struct kvm_vcpu *vcpu, uint64_t address, struct kvm_x86_walk *ret,
	bool *ret_is_mapped);

/* --- where a debugger wants vcpus to stop (x86-64-debug.c) -------------------------------------
 *
 * Software breakpoints are int3 in guest memory, and are never seen there by what follows. All else
 * is in the four debug registers of each vcpu, which the guest's own are not in effect beside; one
 * takes more than one of them when it is not what the processor can watch at once: 1, 2, 4 or 8
 * bytes at a multiple of that.
 */

#define KVM_X86_BREAKS_MAX 64

enum kvm_x86_point_type {
	KVM_X86_BREAK, /* int3 */
	KVM_X86_EXECUTE,
	KVM_X86_WRITE,
	KVM_X86_ACCESS,
};

struct kvm_x86_point {
	enum kvm_x86_point_type type;
	uint64_t address, size; /* virtual; in bytes, which matter where data are watched */
};

/* Of all vcpus, which stand. `physical`: where a KVM_X86_BREAK is. -EFAULT: there is no memory;
 * -ENOSPC: debug registers, or the KVM_X86_BREAKS_MAX, are used up. */
int kvm_x86_add_point(struct kvm_vm *vm, const struct kvm_x86_point *point, uint64_t physical);
/* One that is there. */
void kvm_x86_remove_point(struct kvm_vm *vm, const struct kvm_x86_point *point);
/* What was added and removed becomes what this vcpu is stopped by (VM_STOP_BREAKPOINT) when it goes
 * on; `step`: after one instruction, too, during which no interrupt comes. */
int kvm_x86_use_points(struct kvm_vcpu *vcpu, bool step);
/* What has stopped it, when that was neither a step nor a KVM_X86_BREAK; NULL. */
const struct kvm_x86_point *kvm_x86_met(const struct kvm_vcpu *vcpu);

/* Physical memory as it would be without breakpoints; as vm_memory_read() and vm_memory_write(). */
int kvm_x86_read_memory(struct kvm_vm *vm, uint64_t start, void *to, size_t size);
int kvm_x86_write_memory(struct kvm_vm *vm, uint64_t start, const void *from, size_t size);
/* Take all int3 out of memory, for somebody else to read it, and put them in again; also when what
 * was in memory is another program. */
void kvm_x86_lift_breaks(struct kvm_vm *vm);
void kvm_x86_put_breaks(struct kvm_vm *vm);
