/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of vcpu/riscv share: the numbers of the privileged specification,
 * and who does what.
 *
 * The hart's thread alone touches a struct riscv_hart, but for the members that hart.h calls
 * atomic. Whatever changes privilege, mstatus or a table of pages ends with riscv_update_mode() or
 * riscv_forget_*(), so that translated code and tables never know more than the CSRs say.
 */
#pragma once

#include "vcpu/riscv/hart.h"

/* hart.c: what every hart is to jit/. */
extern const struct riscv_system_ops riscv_system_ops;

/* Of mstatus: Privileged ISA, 3.1.6. */
#define MSTATUS_SIE	  (UINT64_C(1) << 1)
#define MSTATUS_MIE	  (UINT64_C(1) << 3)
#define MSTATUS_SPIE	  (UINT64_C(1) << 5)
#define MSTATUS_MPIE	  (UINT64_C(1) << 7)
#define MSTATUS_SPP	  (UINT64_C(1) << 8)
#define MSTATUS_VS	  (UINT64_C(3) << 9)
#define MSTATUS_MPP_SHIFT 11
#define MSTATUS_MPP	  (UINT64_C(3) << MSTATUS_MPP_SHIFT)
#define MSTATUS_FS	  (UINT64_C(3) << 13)
#define MSTATUS_MPRV	  (UINT64_C(1) << 17)
#define MSTATUS_SUM	  (UINT64_C(1) << 18)
#define MSTATUS_MXR	  (UINT64_C(1) << 19)
#define MSTATUS_TVM	  (UINT64_C(1) << 20)
#define MSTATUS_TW	  (UINT64_C(1) << 21)
#define MSTATUS_TSR	  (UINT64_C(1) << 22)
#define MSTATUS_UXL_64	  (UINT64_C(2) << 32)
#define MSTATUS_SXL_64	  (UINT64_C(2) << 34)
#define MSTATUS_UXL	  (UINT64_C(3) << 32)
#define MSTATUS_SD	  (UINT64_C(1) << 63)

#define SSTATUS_WRITABLE                                                                           \
	(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_VS | MSTATUS_FS | MSTATUS_SUM |        \
		MSTATUS_MXR)

/* Of menvcfg and senvcfg: 3.1.18. */
#define ENVCFG_FIOM	  (UINT64_C(1) << 0)
#define ENVCFG_CBIE_SHIFT 4
#define ENVCFG_CBIE	  (UINT64_C(3) << ENVCFG_CBIE_SHIFT)
#define ENVCFG_CBCFE	  (UINT64_C(1) << 6)
#define ENVCFG_CBZE	  (UINT64_C(1) << 7)
#define ENVCFG_PMM_SHIFT  32
#define ENVCFG_PMM	  (UINT64_C(3) << ENVCFG_PMM_SHIFT)
#define ENVCFG_ADUE	  (UINT64_C(1) << 61)
#define ENVCFG_PBMTE	  (UINT64_C(1) << 62)
#define ENVCFG_STCE	  (UINT64_C(1) << 63)

/* Of mstateen0: "Smstateen". */
#define STATEEN_IMSIC  (UINT64_C(1) << 58)
#define STATEEN_AIA    (UINT64_C(1) << 59)
#define STATEEN_CSRIND (UINT64_C(1) << 60)
#define STATEEN_ENVCFG (UINT64_C(1) << 62)
#define STATEEN_SE     (UINT64_C(1) << 63)

/* Numbers of interrupts, in mip and mcause: 3.1.9. */
enum riscv_interrupt {
	RISCV_IRQ_SSI = 1,
	RISCV_IRQ_MSI = 3,
	RISCV_IRQ_STI = 5,
	RISCV_IRQ_MTI = 7,
	RISCV_IRQ_SEI = 9,
	RISCV_IRQ_MEI = 11,
	RISCV_IRQ_LCOFI = 13,
};

#define IRQ_BIT(n) (UINT64_C(1) << (n))
#define IRQS_OF_SUPERVISOR                                                                         \
	(IRQ_BIT(RISCV_IRQ_SSI) | IRQ_BIT(RISCV_IRQ_STI) | IRQ_BIT(RISCV_IRQ_SEI) |                \
		IRQ_BIT(RISCV_IRQ_LCOFI))
/* Set by software, by devices and by counters, cleared by software. */
#define IRQS_LATCHED (IRQ_BIT(RISCV_IRQ_SSI) | IRQ_BIT(RISCV_IRQ_LCOFI))
#define IRQS                                                                                       \
	(IRQS_OF_SUPERVISOR | IRQ_BIT(RISCV_IRQ_MSI) | IRQ_BIT(RISCV_IRQ_MTI) |                    \
		IRQ_BIT(RISCV_IRQ_MEI))

/* Exceptions: table 14. */
enum riscv_exception {
	RISCV_FETCH_ACCESS = 1,
	RISCV_ILLEGAL_INSTRUCTION = 2,
	RISCV_BREAKPOINT = 3,
	RISCV_LOAD_MISALIGNED = 4,
	RISCV_LOAD_ACCESS = 5,
	RISCV_STORE_MISALIGNED = 6,
	RISCV_STORE_ACCESS = 7,
	RISCV_ECALL_USER = 8, /* + enum riscv_privilege */
	RISCV_FETCH_PAGE = 12,
	RISCV_LOAD_PAGE = 13,
	RISCV_STORE_PAGE = 15,
};
#define EXCEPTIONS_DELEGABLE UINT64_C(0xb3ff)

/* Numbers of CSRs that more than their row needs. */
enum {
	CSR_MIP = 0x344,
};

/* What another thread wants of a hart: bits of hart.wants. */
enum riscv_want {
	RISCV_WANT_KICK = 1,
	RISCV_WANT_FENCE = 2,
};

/* What counters count beside cycles and instructions. */
enum riscv_miss {
	RISCV_MISS_READ,
	RISCV_MISS_WRITE,
	RISCV_MISS_EXECUTE,
};

static inline struct riscv_hart *riscv_hart_of_cpu(struct riscv_system_cpu *cpu)
{
	return (struct riscv_hart *)cpu;
}

/* timer.c: let the hart look at what has changed for it. From any thread. */
void riscv_hart_notify(struct riscv_hart *hart);

/* csr.c: what CSRs there are. The rules of a CSR instruction, privilege included: false: illegal.
 */
bool riscv_csr_access(struct riscv_hart *hart, const struct riscv_insn *insn);
/* See struct riscv_system_ops. */
bool riscv_csr_plain(unsigned number, struct riscv_plain_csr *ret);
/* All of mip, as it is read. */
uint64_t riscv_csr_mip(struct riscv_hart *hart);
/* The same without a look at the clock while somebody else does that and will tell. */
uint64_t riscv_csr_mip_soon(struct riscv_hart *hart);
/* WARL: what becomes of mstatus when `value` is written to the bits of `mask`. */
void riscv_write_mstatus(struct riscv_hart *hart, uint64_t value, uint64_t mask);

/* execute.c: the rest of struct riscv_system_ops. */
enum jit_stop riscv_execute_system(
	struct riscv_system_cpu *cpu, const struct riscv_insn *insn, uint64_t *next);
bool riscv_note_float(struct riscv_system_cpu *cpu);
bool riscv_note_vector(struct riscv_system_cpu *cpu);
/* May this mode execute an instruction that needs one of the bits in menvcfg and senvcfg? */
bool riscv_may_use_blocks(const struct riscv_hart *hart, uint64_t bits);

/* trap.c */
void riscv_update_mode(struct riscv_hart *hart);
void riscv_set_privilege(struct riscv_hart *hart, enum riscv_privilege privilege);
/* pc is where it happens. */
void riscv_take_exception(struct riscv_hart *hart, unsigned cause, uint64_t value);
/* The interrupt that is to be taken now, or -1; and cpu.may_interrupt. */
int riscv_pending_interrupt(struct riscv_hart *hart);
/* The one of these, bits by number, that comes before the others, or -1. */
int riscv_first_interrupt(uint64_t pending);
void riscv_take_interrupt(struct riscv_hart *hart, unsigned number);
void riscv_return_from_machine(struct riscv_hart *hart);
void riscv_return_from_supervisor(struct riscv_hart *hart);

/* imsic.c: struct csr's functions of siselect; sireg; stopei; stopi, and of machine mode's. */
bool riscv_imsic_allows_select(const struct riscv_hart *hart, unsigned number);
bool riscv_imsic_allows_register(const struct riscv_hart *hart, unsigned number);
uint64_t riscv_imsic_read_register(struct riscv_hart *hart, unsigned number);
void riscv_imsic_write_register(struct riscv_hart *hart, unsigned number, uint64_t value);
bool riscv_imsic_allows_topei(const struct riscv_hart *hart, unsigned number);
uint64_t riscv_imsic_read_topei(struct riscv_hart *hart, unsigned number);
void riscv_imsic_write_topei(struct riscv_hart *hart, unsigned number, uint64_t value);
bool riscv_imsic_allows_topi(const struct riscv_hart *hart, unsigned number);
uint64_t riscv_imsic_read_topi(struct riscv_hart *hart, unsigned number);
/* struct vm_vcpu_ops.message */
void riscv_imsic_message(struct vm_vcpu *vcpu, unsigned pin, uint32_t id);
/* All RISCV_IMSIC_FILES; what comes back may be any bytes. */
void riscv_imsic_save(struct riscv_hart *hart, struct riscv_imsic_file *files);
void riscv_imsic_restore(struct riscv_hart *hart, const struct riscv_imsic_file *files);

/* mmu.c */
bool riscv_mmu_access(struct riscv_system_cpu *cpu, uint64_t address, unsigned size,
	enum riscv_access access, uint64_t *value);
void *riscv_mmu_reach(
	struct riscv_system_cpu *cpu, uint64_t address, unsigned size, enum riscv_access access);
bool riscv_mmu_code(struct riscv_system_cpu *cpu, uint64_t pc, struct riscv_code_page *ret);
/* The address that an instruction means that has `address`: pointer masking. */
uint64_t riscv_mmu_mask(const struct riscv_hart *hart, enum riscv_access access, uint64_t address);
/* For cbo.clean and the like: readable, or a store's fault. */
bool riscv_mmu_probe_block(struct riscv_hart *hart, uint64_t address);

/* watch.c: cpu.fault_code of an instruction that has met a watchpoint, and has done nothing yet. */
#define RISCV_WATCHED 64
/* Is what an instruction does (RISCV_READS, RISCV_WRITES) to be told of? Then it is a fault, and is
 * not done before riscv_watch_pass(). */
bool riscv_watch_stops(struct riscv_hart *hart, uint64_t address, unsigned size, unsigned what);
/* It is done. */
void riscv_watch_note(struct riscv_hart *hart, uint64_t address, unsigned size, unsigned what);
/* May the page not enter a table? */
bool riscv_watch_has_page(const struct riscv_hart *hart, uint64_t address);
/* Execute the instruction that was stopped. */
enum jit_stop riscv_watch_pass(struct riscv_hart *hart);

/* tlb.c: what is remembered of page tables. */
struct riscv_leaf {
	uint64_t physical; /* of the page of 4 KiB that was asked for */
	uint8_t flags; /* the low bits of the entry: V R W X U G A D */
	uint8_t shift; /* log2 of the bytes that the entry maps */
};

struct riscv_tlb *riscv_tlb_new(void);
struct riscv_tlb *riscv_tlb_free(struct riscv_tlb *tlb);
bool riscv_tlb_find(struct riscv_tlb *tlb, uint64_t address, unsigned asid, bool is_executed,
	struct riscv_leaf *ret);
void riscv_tlb_add(struct riscv_hart *hart, uint64_t address, unsigned asid, bool is_executed,
	const struct riscv_leaf *leaf);
/* An entry of the table of the current regime. */
void riscv_tlb_fill(struct riscv_hart *hart, uint64_t address, void *host, enum riscv_access access,
	bool is_global);
/* Not that one, after all. */
void riscv_tlb_clear_page(struct riscv_hart *hart, uint64_t address);
/* satp has another value. */
void riscv_tlb_switch(struct riscv_hart *hart);
/* Physical addresses are checked in another way, or MXR has changed: page tables say the same. */
void riscv_forget_checks(struct riscv_hart *hart);
void riscv_forget_all(struct riscv_hart *hart);
/* Loads and stores look again. */
void riscv_forget_accesses(struct riscv_hart *hart);
/* sfence.vma, whose operands are NULL for x0. */
void riscv_forget(struct riscv_hart *hart, const uint64_t *address, const uint64_t *asid);

/* pmp.c: physical memory protection. */
bool riscv_pmp_allows(const struct riscv_hart *hart, uint64_t page, enum riscv_access access,
	enum riscv_privilege privilege);
uint64_t riscv_pmp_read_config(const struct riscv_hart *hart, unsigned number);
void riscv_pmp_write_config(struct riscv_hart *hart, unsigned number, uint64_t value);
uint64_t riscv_pmp_read_address(const struct riscv_hart *hart, unsigned i);
void riscv_pmp_write_address(struct riscv_hart *hart, unsigned i, uint64_t value);
/* csrs.pmp* have changed. */
void riscv_pmp_update(struct riscv_hart *hart);

/* counters.c */
uint64_t riscv_counter_read(struct riscv_hart *hart, unsigned i);
void riscv_counter_write(struct riscv_hart *hart, unsigned i, uint64_t value);
/* Around a change of what makes these counters stand: stop before, start behind. */
#define RISCV_ALL_COUNTERS UINT32_MAX
void riscv_counters_stop(struct riscv_hart *hart, uint32_t counters);
void riscv_counters_start(struct riscv_hart *hart, uint32_t counters);
void riscv_counter_write_event(struct riscv_hart *hart, unsigned i, uint64_t value);
void riscv_counters_inhibit(struct riscv_hart *hart, uint32_t inhibited);
/* Bits of those that have overflowed. */
uint32_t riscv_counters_overflowed(const struct riscv_hart *hart);
/* Note overflows. How many instructions may be interpreted before the next one. */
uint64_t riscv_counters_check(struct riscv_hart *hart);
/* mtime of the next overflow of a counter that counts time, UINT64_MAX: none. */
uint64_t riscv_counters_deadline(struct riscv_hart *hart);

/* timer.c: is stimecmp over? */
bool riscv_timer_is_due(const struct riscv_hart *hart);
/* Will the clock's thread tell when it is? */
bool riscv_timer_is_armed(const struct riscv_hart *hart);
/* stimecmp, or what else wants the hart to be woken, has changed. */
void riscv_timer_arm(struct riscv_hart *hart);
int riscv_timer_add_hart(struct riscv_hart *hart);
void riscv_timer_remove_hart(struct riscv_hart *hart);
/* Sleep until cpu.interrupt is set or the hart's timer is due. */
void riscv_timer_sleep(struct riscv_hart *hart);

/* run.c */
enum jit_stop riscv_take_stop(struct riscv_system_cpu *cpu, enum jit_stop stop);
extern const struct vm_vcpu_ops riscv_hart_ops;

/* snapshot.c: without `data` and `instance`. */
extern const struct vm_saved riscv_hart_saved;

/* faults.c: on the hart's thread, before it executes: the signal stack that the thread had, for
 * riscv_leave_faults() behind that. -errno of sigaltstack(2). */
int riscv_catch_faults(struct riscv_hart *hart, stack_t *ret_before);
void riscv_leave_faults(const stack_t *before);
