/* SPDX-License-Identifier: Apache-2.0 */
/*
 * csr.c - the control and status registers: a row each, or one for several of a kind (RISC-V
 * Privileged ISA, chapter 2 and 3.1, 12.1, "Smstateen", "Sscofpmf", "Sstc"; Unprivileged ISA, "F",
 * "V" and "Zicntr").
 *
 * The number says who may access a register: bits 9:8 the least privilege, bits 11:10 both set that
 * it is only read. A row may ask for more. What cannot be written keeps its value (WARL): a field
 * that is not in `writable`, a value that `write` does not take.
 */
#include "vcpu/riscv/internal.h"

#include <errno.h>
#include <stdio.h>

#define READ_ONLY(number)  ((number) >> 10 == 3)
#define PRIVILEGE(number)  ((number) >> 8 & 3)
#define COUNTER_OF(number) ((number)&31)
#define TIME		   1 /* the counter that is mtime */
#define INSTRET		   2

#define STVEC_MODES	2 /* direct, vectored */
#define SATP_MODE_SHIFT 60
#define MSTATUS_WRITABLE                                                                           \
	(MSTATUS_SIE | MSTATUS_MIE | MSTATUS_SPIE | MSTATUS_MPIE | MSTATUS_SPP | MSTATUS_VS |      \
		MSTATUS_MPP | MSTATUS_FS | MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR |              \
		MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR)
#define SENVCFG_WRITABLE (ENVCFG_FIOM | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE | ENVCFG_PMM)
#define MENVCFG_WRITABLE (SENVCFG_WRITABLE | ENVCFG_ADUE | ENVCFG_PBMTE | ENVCFG_STCE)
#define SELECT_MASK	 UINT64_C(0xff) /* of siselect, miselect */
#define COUNTERS_BITS	 UINT64_C(0xffffffff)
/* RV64 with A, C, D, F, I, M, S, U, V. */
#define MISA                                                                                       \
	(UINT64_C(2) << 62 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 8 | 1 << 12 | 1 << 18 |      \
		1 << 20 | 1 << 21)

struct csr {
	uint16_t first, last; /* numbers */
	const char *name; /* of several with "%u" for which, and `base` for which is the first */
	unsigned base;
	/* What the row has of all this; `offset` is in struct riscv_csrs, 0: nothing. */
	bool is_aia; /* of Smaia, Ssaia: imsic.c */
	uint16_t offset;
	uint64_t writable;
	uint64_t constant;
	bool (*allows)(const struct riscv_hart *hart, unsigned number);
	uint64_t (*read)(struct riscv_hart *hart, unsigned number);
	void (*write)(struct riscv_hart *hart, unsigned number, uint64_t value);
};

/* --- floating point, vectors -------------------------------------------------------------------
 */

static bool has_float(const struct riscv_hart *hart, unsigned number)
{
	return hart->csrs.mstatus & MSTATUS_FS;
}

static bool has_vector(const struct riscv_hart *hart, unsigned number)
{
	return hart->csrs.mstatus & MSTATUS_VS;
}

static uint64_t read_user(struct riscv_hart *hart, unsigned number)
{
	uint64_t value = 0;

	riscv_read_user_csr(&hart->cpu.cpu, (int)number, &value);
	return value;
}

static void write_float(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_note_float(&hart->cpu);
	riscv_write_user_csr(&hart->cpu.cpu, (int)number, value);
}

static void write_vector(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_note_vector(&hart->cpu);
	riscv_write_user_csr(&hart->cpu.cpu, (int)number, value);
}

/* --- status and interrupts ---------------------------------------------------------------------
 */

static uint64_t with_summary(uint64_t status)
{
	bool is_dirty = (status & MSTATUS_FS) == MSTATUS_FS || (status & MSTATUS_VS) == MSTATUS_VS;

	return is_dirty ? status | MSTATUS_SD : status;
}

static uint64_t read_mstatus(struct riscv_hart *hart, unsigned number)
{
	return with_summary(hart->csrs.mstatus);
}

static uint64_t read_sstatus(struct riscv_hart *hart, unsigned number)
{
	return with_summary(hart->csrs.mstatus & (SSTATUS_WRITABLE | MSTATUS_UXL));
}

void riscv_write_mstatus(struct riscv_hart *hart, uint64_t value, uint64_t mask)
{
	uint64_t old = hart->csrs.mstatus;

	if ((value & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT == 2)
		mask &= ~MSTATUS_MPP;
	hart->csrs.mstatus = (old & ~mask) | (value & mask);
	if ((old ^ hart->csrs.mstatus) & MSTATUS_MXR)
		riscv_forget_checks(hart);
	riscv_update_mode(hart);
}

static void write_mstatus(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_write_mstatus(hart, value, MSTATUS_WRITABLE);
}

static void write_sstatus(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_write_mstatus(hart, value, SSTATUS_WRITABLE);
}

static bool has_supervisor_timer(const struct riscv_hart *hart)
{
	return hart->csrs.menvcfg & ENVCFG_STCE;
}

static uint64_t mip(struct riscv_hart *hart, bool is_timer_due)
{
	uint64_t value = __atomic_load_n(&hart->pins, __ATOMIC_SEQ_CST) | hart->csrs.mip;

	if (!has_supervisor_timer(hart))
		return value;
	value &= ~IRQ_BIT(RISCV_IRQ_STI);
	return is_timer_due ? value | IRQ_BIT(RISCV_IRQ_STI) : value;
}

uint64_t riscv_csr_mip(struct riscv_hart *hart)
{
	return mip(hart, riscv_timer_is_due(hart));
}

uint64_t riscv_csr_mip_soon(struct riscv_hart *hart)
{
	return mip(hart, !riscv_timer_is_armed(hart) && riscv_timer_is_due(hart));
}

/* Bits of `mask`. Some are where others set them, too. */
static void write_pending(struct riscv_hart *hart, uint64_t value, uint64_t mask)
{
	uint64_t latched = mask & IRQS_LATCHED;

	__atomic_fetch_or(&hart->pins, value & latched, __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&hart->pins, value | ~latched, __ATOMIC_SEQ_CST);
	mask &= ~latched;
	hart->csrs.mip = (hart->csrs.mip & ~mask) | (value & mask);
}

static uint64_t read_mip(struct riscv_hart *hart, unsigned number)
{
	return riscv_csr_mip(hart);
}

static void write_mip(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	uint64_t mask = IRQS_OF_SUPERVISOR;

	if (has_supervisor_timer(hart))
		mask &= ~IRQ_BIT(RISCV_IRQ_STI);
	write_pending(hart, value, mask);
}

/* The bits of mip that software sets, too, for supervisor mode: with no bit of mvien set (Advanced
 * Interrupt Architecture, 5.3). */
static uint64_t virtual_mask(const struct riscv_hart *hart)
{
	uint64_t mask = IRQ_BIT(RISCV_IRQ_SSI) | IRQ_BIT(RISCV_IRQ_SEI);

	return has_supervisor_timer(hart) ? mask : mask | IRQ_BIT(RISCV_IRQ_STI);
}

static uint64_t read_mvip(struct riscv_hart *hart, unsigned number)
{
	uint64_t latched = __atomic_load_n(&hart->pins, __ATOMIC_SEQ_CST) & IRQ_BIT(RISCV_IRQ_SSI);

	return latched | (hart->csrs.mip & virtual_mask(hart));
}

static void write_mvip(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	write_pending(hart, value, virtual_mask(hart));
}

static uint64_t read_sip(struct riscv_hart *hart, unsigned number)
{
	return riscv_csr_mip(hart) & hart->csrs.mideleg;
}

static void write_sip(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	write_pending(hart, value, hart->csrs.mideleg & IRQS_LATCHED);
}

static uint64_t read_sie(struct riscv_hart *hart, unsigned number)
{
	return hart->csrs.mie & hart->csrs.mideleg;
}

static void write_sie(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	uint64_t mask = hart->csrs.mideleg;

	hart->csrs.mie = (hart->csrs.mie & ~mask) | (value & mask);
}

static void write_stvec(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	if ((value & 3) < STVEC_MODES)
		hart->csrs.stvec = value;
}

static void write_mtvec(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	if ((value & 3) < STVEC_MODES)
		hart->csrs.mtvec = value;
}

/* --- configuration -----------------------------------------------------------------------------
 */

/* A field that cannot have the value 2 (CBIE) or 1 (PMM) keeps the one it has. */
static uint64_t legal_envcfg(uint64_t old, uint64_t value)
{
	if ((value & ENVCFG_CBIE) >> ENVCFG_CBIE_SHIFT == 2)
		value = (value & ~ENVCFG_CBIE) | (old & ENVCFG_CBIE);
	if ((value & ENVCFG_PMM) >> ENVCFG_PMM_SHIFT == 1)
		value = (value & ~ENVCFG_PMM) | (old & ENVCFG_PMM);
	return value;
}

static void write_menvcfg(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	uint64_t old = hart->csrs.menvcfg;

	hart->csrs.menvcfg = legal_envcfg(old, value) & MENVCFG_WRITABLE;
	if ((old ^ hart->csrs.menvcfg) & ENVCFG_PMM)
		riscv_forget_accesses(hart);
	if ((old ^ value) & (ENVCFG_ADUE | ENVCFG_PBMTE))
		riscv_forget_all(hart);
	riscv_update_mode(hart);
	riscv_timer_arm(hart);
}

static bool allows_senvcfg(const struct riscv_hart *hart, unsigned number)
{
	return hart->privilege == RISCV_MACHINE || hart->csrs.mstateen[0] & STATEEN_ENVCFG;
}

static void write_senvcfg(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	uint64_t old = hart->csrs.senvcfg;

	hart->csrs.senvcfg = legal_envcfg(old, value) & SENVCFG_WRITABLE;
	if ((old ^ hart->csrs.senvcfg) & ENVCFG_PMM)
		riscv_forget_accesses(hart);
	riscv_update_mode(hart);
}

static uint64_t read_mstateen(struct riscv_hart *hart, unsigned number)
{
	return hart->csrs.mstateen[number & 3];
}

/* What the other bits control is not there. */
static void write_mstateen(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	uint64_t mask = number & 3 ? STATEEN_SE : STATEEN_SE | STATEEN_ENVCFG;

	if (!(number & 3) && hart->config.has_imsic)
		mask |= STATEEN_IMSIC | STATEEN_AIA | STATEEN_CSRIND;

	hart->csrs.mstateen[number & 3] = value & mask;
}

static bool allows_sstateen(const struct riscv_hart *hart, unsigned number)
{
	return hart->privilege == RISCV_MACHINE || hart->csrs.mstateen[number & 3] & STATEEN_SE;
}

static bool allows_satp(const struct riscv_hart *hart, unsigned number)
{
	return hart->privilege != RISCV_SUPERVISOR || !(hart->csrs.mstatus & MSTATUS_TVM);
}

static void write_satp(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	unsigned mode = (unsigned)(value >> SATP_MODE_SHIFT);

	/* Bare, Sv39, Sv48, Sv57. */
	if (value == hart->csrs.satp || (mode != 0 && (mode < 8 || mode > 10)))
		return;
	hart->csrs.satp = value;
	riscv_tlb_switch(hart);
}

static bool allows_stimecmp(const struct riscv_hart *hart, unsigned number)
{
	return hart->privilege == RISCV_MACHINE ||
		(has_supervisor_timer(hart) && hart->csrs.mcounteren >> TIME & 1);
}

static void write_stimecmp(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_hart_set_timer(hart, value);
}

/* --- counters ----------------------------------------------------------------------------------
 */

static bool allows_counter(const struct riscv_hart *hart, unsigned number)
{
	unsigned i = COUNTER_OF(number);

	return hart->privilege == RISCV_MACHINE ||
		(hart->csrs.mcounteren >> i & 1 &&
			(hart->privilege == RISCV_SUPERVISOR || hart->csrs.scounteren >> i & 1));
}

static uint64_t read_counter(struct riscv_hart *hart, unsigned number)
{
	return riscv_counter_read(hart, COUNTER_OF(number));
}

static void write_counter(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_counter_write(hart, COUNTER_OF(number), value);
}

static uint64_t read_time(struct riscv_hart *hart, unsigned number)
{
	return riscv_clock_read(hart->config.clock);
}

static uint64_t read_event(struct riscv_hart *hart, unsigned number)
{
	unsigned i = COUNTER_OF(number);

	return i < RISCV_COUNTERS ? hart->counters.events[i] : 0;
}

static void write_event(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_counter_write_event(hart, COUNTER_OF(number), value);
}

static void write_inhibit(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_counters_inhibit(hart,
		(uint32_t)(value & ((UINT64_C(1) << RISCV_COUNTERS) - 1) & ~(UINT64_C(1) << TIME)));
}

static uint64_t read_overflows(struct riscv_hart *hart, unsigned number)
{
	uint64_t bits = riscv_counters_overflowed(hart);

	return hart->privilege == RISCV_MACHINE ? bits : bits & hart->csrs.mcounteren;
}

/* --- memory protection, numbers ----------------------------------------------------------------
 */

static bool has_pmp_config(const struct riscv_hart *hart, unsigned number)
{
	return !(number & 1); /* eight entries each */
}

static uint64_t read_pmpcfg(struct riscv_hart *hart, unsigned number)
{
	return riscv_pmp_read_config(hart, (number & 0xf) / 2);
}

static void write_pmpcfg(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_pmp_write_config(hart, (number & 0xf) / 2, value);
}

static uint64_t read_pmpaddr(struct riscv_hart *hart, unsigned number)
{
	return riscv_pmp_read_address(hart, number & 0xf);
}

static void write_pmpaddr(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	riscv_pmp_write_address(hart, number & 0xf, value);
}

static uint64_t read_mhartid(struct riscv_hart *hart, unsigned number)
{
	return hart->config.index;
}

/* --- the table ---------------------------------------------------------------------------------
 */

#define AT(member) .offset = offsetof(struct riscv_csrs, member)
#define PLAIN(number, text, member, mask)                                                          \
	{                                                                                          \
		.first = (number), .last = (number), .name = (text), AT(member),                   \
		.writable = (mask)                                                                 \
	}
#define WITH(number, text, ...)                                                                    \
	{                                                                                          \
		.first = (number), .last = (number), .name = (text), __VA_ARGS__                   \
	}
#define SEVERAL(from, to, text, which, ...)                                                        \
	{                                                                                          \
		.first = (from), .last = (to), .name = (text), .base = (which), __VA_ARGS__        \
	}
#define FLOAT(number, text)                                                                        \
	WITH(number, text, .allows = has_float, .read = read_user, .write = write_float)
#define VECTOR(number, text)                                                                       \
	WITH(number, text, .allows = has_vector, .read = read_user, .write = write_vector)
#define AIA(number, text, ...)                                                                     \
	{                                                                                          \
		.first = (number), .last = (number), .name = (text), .is_aia = true, __VA_ARGS__   \
	}
#define INDIRECT                                                                                   \
	.allows = riscv_imsic_allows_register, .read = riscv_imsic_read_register,                  \
	.write = riscv_imsic_write_register
#define TOPEI                                                                                      \
	.allows = riscv_imsic_allows_topei, .read = riscv_imsic_read_topei,                        \
	.write = riscv_imsic_write_topei
#define TOPI	.allows = riscv_imsic_allows_topi, .read = riscv_imsic_read_topi
#define COUNTER .allows = allows_counter, .read = read_counter

/* mstatus is at offset 0, and has functions. */
static const struct csr rows[] = {
	FLOAT(0x001, "fflags"),
	FLOAT(0x002, "frm"),
	FLOAT(0x003, "fcsr"),
	VECTOR(0x008, "vstart"),
	VECTOR(0x009, "vxsat"),
	VECTOR(0x00a, "vxrm"),
	VECTOR(0x00f, "vcsr"),
	WITH(0x100, "sstatus", .read = read_sstatus, .write = write_sstatus),
	WITH(0x104, "sie", .read = read_sie, .write = write_sie),
	WITH(0x105, "stvec", AT(stvec), .write = write_stvec),
	PLAIN(0x106, "scounteren", scounteren, COUNTERS_BITS),
	WITH(0x10a, "senvcfg", AT(senvcfg), .allows = allows_senvcfg, .write = write_senvcfg),
	SEVERAL(0x10c, 0x10f, "sstateen%u", 0, .allows = allows_sstateen),
	PLAIN(0x140, "sscratch", sscratch, UINT64_MAX),
	PLAIN(0x141, "sepc", sepc, ~UINT64_C(1)),
	PLAIN(0x142, "scause", scause, UINT64_MAX),
	PLAIN(0x143, "stval", stval, UINT64_MAX),
	WITH(0x144, "sip", .read = read_sip, .write = write_sip),
	WITH(0x14d, "stimecmp", AT(stimecmp), .allows = allows_stimecmp, .write = write_stimecmp),
	AIA(0x150, "siselect", AT(siselect), .writable = SELECT_MASK,
		.allows = riscv_imsic_allows_select),
	AIA(0x151, "sireg", INDIRECT),
	AIA(0x15c, "stopei", TOPEI),
	WITH(0x180, "satp", AT(satp), .allows = allows_satp, .write = write_satp),
	WITH(0x300, "mstatus", .read = read_mstatus, .write = write_mstatus),
	WITH(0x301, "misa", .constant = MISA),
	PLAIN(0x302, "medeleg", medeleg, EXCEPTIONS_DELEGABLE),
	PLAIN(0x303, "mideleg", mideleg, IRQS_OF_SUPERVISOR),
	PLAIN(0x304, "mie", mie, IRQS),
	WITH(0x305, "mtvec", AT(mtvec), .write = write_mtvec),
	PLAIN(0x306, "mcounteren", mcounteren, COUNTERS_BITS),
	AIA(0x308, "mvien", .constant = 0),
	AIA(0x309, "mvip", .read = read_mvip, .write = write_mvip),
	WITH(0x30a, "menvcfg", AT(menvcfg), .write = write_menvcfg),
	SEVERAL(0x30c, 0x30f, "mstateen%u", 0, .read = read_mstateen, .write = write_mstateen),
	WITH(0x320, "mcountinhibit", AT(mcountinhibit), .write = write_inhibit),
	SEVERAL(0x323, 0x33f, "mhpmevent%u", 3, .read = read_event, .write = write_event),
	PLAIN(0x340, "mscratch", mscratch, UINT64_MAX),
	PLAIN(0x341, "mepc", mepc, ~UINT64_C(1)),
	PLAIN(0x342, "mcause", mcause, UINT64_MAX),
	PLAIN(0x343, "mtval", mtval, UINT64_MAX),
	WITH(0x344, "mip", .read = read_mip, .write = write_mip),
	AIA(0x350, "miselect", AT(miselect), .writable = SELECT_MASK),
	AIA(0x351, "mireg", INDIRECT),
	AIA(0x35c, "mtopei", TOPEI),
	SEVERAL(0x3a0, 0x3a3, "pmpcfg%u", 0, .allows = has_pmp_config, .read = read_pmpcfg,
		.write = write_pmpcfg),
	SEVERAL(0x3b0, 0x3bf, "pmpaddr%u", 0, .read = read_pmpaddr, .write = write_pmpaddr),
	/* No triggers: "Sdtrig", 5.1. */
	WITH(0x7a0, "tselect", .constant = 0),
	SEVERAL(0x7a1, 0x7a3, "tdata%u", 1, .constant = 0),
	WITH(0xb00, "mcycle", .read = read_counter, .write = write_counter),
	WITH(0xb02, "minstret", .read = read_counter, .write = write_counter),
	SEVERAL(0xb03, 0xb1f, "mhpmcounter%u", 3, .read = read_counter, .write = write_counter),
	WITH(0xc00, "cycle", COUNTER),
	WITH(0xc01, "time", .allows = allows_counter, .read = read_time),
	WITH(0xc02, "instret", COUNTER),
	SEVERAL(0xc03, 0xc1f, "hpmcounter%u", 3, COUNTER),
	WITH(0xc20, "vl", .allows = has_vector, .read = read_user),
	WITH(0xc21, "vtype", .allows = has_vector, .read = read_user),
	WITH(0xc22, "vlenb", .allows = has_vector, .read = read_user),
	WITH(0xda0, "scountovf", .read = read_overflows),
	AIA(0xdb0, "stopi", TOPI),
	WITH(0xf11, "mvendorid", .constant = 0),
	WITH(0xf12, "marchid", .constant = 0),
	WITH(0xf13, "mimpid", .constant = 0),
	WITH(0xf14, "mhartid", .read = read_mhartid),
	WITH(0xf15, "mconfigptr", .constant = 0),
	AIA(0xfb0, "mtopi", TOPI),
};

static const struct csr *find_any(unsigned number)
{
	size_t low = 0, high = sizeof(rows) / sizeof(rows[0]);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (number < rows[middle].first)
			high = middle;
		else if (number > rows[middle].last)
			low = middle + 1;
		else
			return &rows[middle];
	}
	return NULL;
}

/* NULL: this hart does not have it. */
static const struct csr *find(const struct riscv_hart *hart, unsigned number)
{
	const struct csr *row = find_any(number);

	return row && row->is_aia && !hart->config.has_imsic ? NULL : row;
}

static uint64_t *plain(struct riscv_hart *hart, const struct csr *row)
{
	return (uint64_t *)((char *)&hart->csrs + row->offset);
}

static uint64_t read_row(struct riscv_hart *hart, const struct csr *row, unsigned number)
{
	if (row->read)
		return row->read(hart, number);
	return row->offset ? *plain(hart, row) : row->constant;
}

static void write_row(
	struct riscv_hart *hart, const struct csr *row, unsigned number, uint64_t value)
{
	if (row->write)
		row->write(hart, number, value);
	else if (row->offset)
		*plain(hart, row) = value & row->writable;
}

/* A plain one: nothing but its value hangs on it. */
bool riscv_csr_plain(unsigned number, struct riscv_plain_csr *ret)
{
	const struct csr *row = find_any(number);

	if (!row || !row->offset || row->read || row->write || row->allows ||
		(row->writable != UINT64_MAX && row->writable != ~UINT64_C(1)))
		return false;
	ret->offset = (uint32_t)(offsetof(struct riscv_hart, csrs) + row->offset);
	ret->is_even = row->writable != UINT64_MAX;
	return true;
}

/* What csrrs and csrrc start from: of mip.SEIP what software has set, not the wire. */
static uint64_t base_of(struct riscv_hart *hart, unsigned number, uint64_t old)
{
	uint64_t external = IRQ_BIT(RISCV_IRQ_SEI);

	return number == CSR_MIP ? (old & ~external) | (hart->csrs.mip & external) : old;
}

bool riscv_csr_access(struct riscv_hart *hart, const struct riscv_insn *insn)
{
	unsigned number = (unsigned)insn->imm;
	const struct csr *row = find(hart, number);
	struct riscv_cpu *cpu = &hart->cpu.cpu;
	bool writes = riscv_csr_writes(insn);
	uint64_t old;

	if (!row || hart->privilege < PRIVILEGE(number) || (writes && READ_ONLY(number)) ||
		(row->allows && !row->allows(hart, number)))
		return false;
	if (row->read == read_counter && COUNTER_OF(number) == INSTRET)
		riscv_hart_count(hart);
	old = read_row(hart, row, number);
	if (writes) {
		/* What is written holds behind the instruction: it has been counted then. */
		cpu->retired++;
		write_row(hart, row, number,
			riscv_csr_combine(cpu, insn, base_of(hart, number, old)));
		cpu->retired--;
	}
	cpu->x[insn->rd] = old;
	return true;
}

/* --- a debugger --------------------------------------------------------------------------------
 */

int riscv_hart_read_csr(struct riscv_hart *hart, unsigned number, uint64_t *ret)
{
	const struct csr *row = find(hart, number);

	if (!row)
		return -ENOENT;
	*ret = read_row(hart, row, number);
	return 0;
}

int riscv_hart_write_csr(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	const struct csr *row = find(hart, number);

	if (!row)
		return -ENOENT;
	if (READ_ONLY(number))
		return -EACCES;
	read_row(hart, row, number); /* as an instruction does */
	write_row(hart, row, number, value);
	return 0;
}

bool riscv_csr_name(unsigned number, char *text, size_t size)
{
	const struct csr *row = find_any(number);

	if (!row)
		return false;
	if (row->first == row->last)
		snprintf(text, size, "%s", row->name);
	else
		snprintf(text, size, "%.*s%u", (int)(strchr(row->name, '%') - row->name), row->name,
			row->base + number - row->first);
	return true;
}
