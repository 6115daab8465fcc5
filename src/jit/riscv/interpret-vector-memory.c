/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interpret-vector-memory.c - vector loads and stores (RISC-V Unprivileged ISA, chapter "V",
 * "Vector Loads and Stores").
 *
 * An access that faults leaves the instruction in the middle. vstart then is its element, all
 * before it are done, and the instruction goes on there when it is executed again. What lies
 * within one page is moved as a whole: it faults at its first element or not at all.
 */
#include "jit/riscv/interpret-vector.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE_BYTES UINT64_C(4096) /* or a multiple */

/* How an instruction goes through memory. */
struct walk {
	unsigned width; /* of the data */
	unsigned fields; /* of a segment */
	unsigned field_registers; /* from one field's group to the next's */
	unsigned length; /* elements */
	bool is_store, is_indexed;
	unsigned index_width;
	uint64_t base, stride;
};

static uint64_t page_of(uint64_t address)
{
	return address & ~(PAGE_BYTES - 1);
}

static inline bool move(
	struct riscv_cpu *cpu, void *element, uint64_t address, unsigned bytes, bool is_store)
{
	uint64_t value = 0;

	if (is_store) {
		memcpy(&value, element, bytes);
		return riscv_store(cpu, address, bytes, value);
	}
	if (!riscv_load(cpu, address, bytes, &value))
		return false;
	memcpy(element, &value, bytes);
	return true;
}

/* One element, as one access. */
static bool move_element(
	struct riscv_cpu *cpu, void *element, uint64_t address, unsigned width, bool is_store)
{
	switch (width) {
	case 0:
		return move(cpu, element, address, 1, is_store);
	case 1:
		return move(cpu, element, address, 2, is_store);
	case 2:
		return move(cpu, element, address, 4, is_store);
	default:
		return move(cpu, element, address, 8, is_store);
	}
}

static uint64_t address_of(const struct riscv_cpu *cpu, const struct riscv_insn *insn,
	const struct walk *walk, unsigned i)
{
	if (walk->is_indexed)
		return walk->base + riscv_vector_get(cpu, insn->rs2, i, walk->index_width);
	return walk->base + i * walk->stride;
}

static bool move_segment(struct riscv_cpu *cpu, const struct riscv_insn *insn,
	const struct walk *walk, unsigned i, uint64_t address)
{
	for (unsigned field = 0; field < walk->fields; field++) {
		unsigned reg = insn->rd + field * walk->field_registers;

		if (!move_element(cpu, &cpu->v[reg * RISCV_VLEN_BYTES + ((size_t)i << walk->width)],
			    address + ((uint64_t)field << walk->width), walk->width,
			    walk->is_store))
			return false;
	}
	return true;
}

static bool move_each(struct riscv_cpu *cpu, const struct riscv_insn *insn, const struct walk *walk)
{
	for (unsigned i = cpu->vstart; i < walk->length; i++) {
		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		cpu->vstart = i;
		/* The handler of a fault sees it, and what was stored before. */
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (!move_segment(cpu, insn, walk, i, address_of(cpu, insn, walk, i)))
			return false;
	}
	return true;
}

/* Everything from vstart on, if it is one piece of memory in one page. */
static bool move_at_once(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, const struct walk *walk)
{
	uint64_t start = walk->base + ((uint64_t)cpu->vstart << walk->width);
	uint8_t *element = &cpu->v[insn->rd * RISCV_VLEN_BYTES + (cpu->vstart << walk->width)];
	unsigned bytes;
	void *memory;

	if (!insn->vm || walk->is_indexed || walk->fields > 1 ||
		walk->stride != UINT64_C(1) << walk->width)
		return false;
	if (cpu->vstart >= walk->length)
		return true;
	bytes = (walk->length - cpu->vstart) << walk->width;
	if (page_of(start) != page_of(start + bytes - 1))
		return false;
	memory = cpu->is_system
		? riscv_look_up(cpu, start, bytes,
			  walk->is_store ? RISCV_ACCESS_WRITE : RISCV_ACCESS_READ)
		: riscv_access_host(cpu, start, bytes, walk->is_store ? RISCV_WRITES : RISCV_READS);
	if (!memory)
		return false;
	if (walk->is_store)
		memcpy(memory, element, bytes);
	else
		memcpy(element, memory, bytes);
	return true;
}

/* --- fault-only-first ------------------------------------------------------------------------- */

/*
 * Can the page be read? Asked of the kernel: it reads the signal set of a call that is wrong in
 * any case, and says EFAULT before it says EINVAL.
 */
static bool is_readable(const struct riscv_cpu *cpu, uint64_t page)
{
	const size_t kernel_set_bytes = 8;
	int saved = errno;
	bool readable;

	readable = syscall(SYS_rt_sigprocmask, -1, riscv_host(cpu, page), NULL, kernel_set_bytes) ==
			0 ||
		errno != EFAULT;
	errno = saved;
	return readable;
}

/* From the page of `first` to that of `last`; *known is the page asked of last. */
static bool are_readable(
	const struct riscv_cpu *cpu, uint64_t first, uint64_t last, uint64_t *known)
{
	for (uint64_t page = page_of(first);; page += PAGE_BYTES) {
		if (page != *known && !is_readable(cpu, page))
			return false;
		*known = page;
		if (page == page_of(last))
			return true;
	}
}

/* The first element may fault; where another would, vl ends. */
static bool load_until_fault(
	struct riscv_cpu *cpu, const struct riscv_insn *insn, const struct walk *walk)
{
	uint64_t known = 1; /* no page */

	for (unsigned i = cpu->vstart; i < walk->length; i++) {
		uint64_t first = address_of(cpu, insn, walk, i), last = first + walk->stride - 1;

		if (!riscv_vector_is_active(cpu, insn, i))
			continue;
		if (i > 0 && !cpu->is_system && !are_readable(cpu, first, last, &known)) {
			cpu->vl = i;
			return true;
		}
		cpu->vstart = i;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		if (move_segment(cpu, insn, walk, i, first))
			continue;
		if (i == 0)
			return false;
		cpu->vl = i;
		return true;
	}
	return true;
}

/* --- the instructions ------------------------------------------------------------------------- */

static struct walk plan(const struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	unsigned width = riscv_vector_memory_width(insn), sew = riscv_vector_sew(cpu);
	struct walk walk = {
		.width = width,
		.fields = 1u + (insn->rs3 >> 2),
		.length = (unsigned)cpu->vl,
		.is_store = insn->op >= RISCV_VSE8_V,
		.base = cpu->x[insn->rs1],
	};
	int multiplier = riscv_vector_lmul(cpu) + (int)width - (int)sew;

	switch (insn->op) {
	case RISCV_VLM_V:
	case RISCV_VSM_V:
		walk.length = (walk.length + 7) / 8;
		break;
	case RISCV_VL1RE8_V ... RISCV_VL8RE64_V:
	case RISCV_VS1R_V ... RISCV_VS8R_V:
		walk.length = walk.fields * RISCV_VLEN_BYTES >> width;
		walk.fields = 1;
		break;
	default:
		break;
	}
	walk.stride = (uint64_t)walk.fields << width;
	if (riscv_format(insn->op) == RISCV_FORMAT_VLSX) {
		walk.stride = cpu->x[insn->rs2];
	} else if (riscv_format(insn->op) == RISCV_FORMAT_VLSV) {
		walk.is_indexed = true;
		walk.index_width = width;
		walk.width = sew;
		multiplier = riscv_vector_lmul(cpu);
	}
	walk.field_registers = multiplier > 0 ? 1u << multiplier : 1;
	return walk;
}

bool riscv_execute_vector_memory(struct riscv_cpu *cpu, const struct riscv_insn *insn)
{
	struct walk walk = plan(cpu, insn);

	bool only_first = insn->op >= RISCV_VLEFF8_V && insn->op <= RISCV_VLEFF64_V;

	if ((!only_first || !cpu->vstart) && move_at_once(cpu, insn, &walk))
		return true;
	return only_first ? load_until_fault(cpu, insn, &walk) : move_each(cpu, insn, &walk);
}
