/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pmp.c - physical memory protection (RISC-V Privileged ISA, 3.7).
 *
 * 16 entries with a granularity of a page (G = 10): so a page is allowed as a whole or not at all,
 * and is checked once, when it enters a table.
 */
#include "vcpu/riscv/internal.h"

#define PMP_READ	 1u
#define PMP_WRITE	 2u
#define PMP_EXECUTE	 4u
#define PMP_ALL		 (PMP_READ | PMP_WRITE | PMP_EXECUTE)
#define PMP_LOCKED	 0x80u
#define PMP_WRITABLE	 (PMP_LOCKED | 0x18 | PMP_ALL)
#define ENTRIES_OF_A_CSR 8u

#define GRANULE_BITS 10 /* G: of pmpaddr, whose unit is 4 bytes */
#define ADDRESS_BITS 54 /* of pmpaddr */

enum { PMP_OFF, PMP_TOR, PMP_NA4, PMP_NAPOT };

static unsigned mode_of(uint8_t config)
{
	return config >> 3 & 3;
}

bool riscv_pmp_allows(const struct riscv_hart *hart, uint64_t page, enum riscv_access access,
	enum riscv_privilege privilege)
{
	static const uint8_t bits[] = { [RISCV_ACCESS_READ] = PMP_READ,
		[RISCV_ACCESS_WRITE] = PMP_WRITE,
		[RISCV_ACCESS_EXECUTE] = PMP_EXECUTE };

	if (hart->pmp.is_open)
		return true;
	for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
		uint8_t config = hart->csrs.pmpcfg[i];

		if (page < hart->pmp.start[i] || page > hart->pmp.last[i])
			continue;
		if (privilege == RISCV_MACHINE && !(config & PMP_LOCKED))
			return true;
		return config & bits[access];
	}
	return privilege == RISCV_MACHINE;
}

/* --- the registers ----------------------------------------------------------------------------
 */

static bool is_locked(const struct riscv_hart *hart, unsigned i)
{
	return hart->csrs.pmpcfg[i] & PMP_LOCKED;
}

/* What entry i matches, in bytes. */
static void find_range(struct riscv_hart *hart, unsigned i)
{
	const uint64_t granule = (UINT64_C(1) << GRANULE_BITS) - 1;
	uint64_t address = hart->csrs.pmpaddr[i];
	uint64_t *start = &hart->pmp.start[i], *last = &hart->pmp.last[i];

	*start = 1;
	*last = 0;
	switch (mode_of(hart->csrs.pmpcfg[i])) {
	case PMP_TOR:
		*start = i ? (hart->csrs.pmpaddr[i - 1] & ~granule) << 2 : 0;
		address &= ~granule;
		if (address << 2 > *start)
			*last = (address << 2) - 1;
		else
			*start = 1;
		break;
	case PMP_NAPOT:
		address |= granule >> 1;
		/* The lowest 0 and all below it are the size. */
		*start = (address & (address + 1)) << 2;
		*last = (address | (address + 1)) << 2 | 3;
		break;
	default:
		break;
	}
}

void riscv_pmp_update(struct riscv_hart *hart)
{
	struct riscv_pmp *pmp = &hart->pmp;
	const uint64_t last = (UINT64_C(4) << ADDRESS_BITS) - 1;

	pmp->is_open = false;
	for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++)
		find_range(hart, i);
	for (unsigned i = 0; i < RISCV_PMP_ENTRIES; i++) {
		if (pmp->start[i] > pmp->last[i])
			continue;
		pmp->is_open = !pmp->start[i] && pmp->last[i] >= last &&
			(hart->csrs.pmpcfg[i] & PMP_ALL) == PMP_ALL;
		break;
	}
	riscv_forget_checks(hart);
}

uint64_t riscv_pmp_read_config(const struct riscv_hart *hart, unsigned number)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < ENTRIES_OF_A_CSR; i++)
		value |= (uint64_t)hart->csrs.pmpcfg[ENTRIES_OF_A_CSR * number + i] << 8 * i;
	return value;
}

/* WARL: writable but not readable is reserved, four bytes are less than a granule. */
static uint8_t legalize(uint8_t old, uint8_t config)
{
	config &= PMP_WRITABLE;
	if ((config & (PMP_READ | PMP_WRITE)) == PMP_WRITE)
		config &= (uint8_t)~PMP_WRITE;
	if (mode_of(config) == PMP_NA4)
		config = (uint8_t)((config & ~0x18u) | (old & 0x18u));
	return config;
}

void riscv_pmp_write_config(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	for (unsigned i = 0; i < ENTRIES_OF_A_CSR; i++) {
		uint8_t *config = &hart->csrs.pmpcfg[ENTRIES_OF_A_CSR * number + i];

		if (!(*config & PMP_LOCKED))
			*config = legalize(*config, (uint8_t)(value >> 8 * i));
	}
	riscv_pmp_update(hart);
}

/* Bits below the granule are kept, and read as what the mode makes of them. */
uint64_t riscv_pmp_read_address(const struct riscv_hart *hart, unsigned i)
{
	const uint64_t granule = (UINT64_C(1) << GRANULE_BITS) - 1;
	uint64_t address = hart->csrs.pmpaddr[i];

	if (mode_of(hart->csrs.pmpcfg[i]) >= PMP_NA4)
		return address | granule >> 1;
	return address & ~granule;
}

void riscv_pmp_write_address(struct riscv_hart *hart, unsigned i, uint64_t value)
{
	bool is_start_of_locked = i + 1 < RISCV_PMP_ENTRIES && is_locked(hart, i + 1) &&
		mode_of(hart->csrs.pmpcfg[i + 1]) == PMP_TOR;

	if (is_locked(hart, i) || is_start_of_locked)
		return;
	hart->csrs.pmpaddr[i] = value & ((UINT64_C(1) << ADDRESS_BITS) - 1);
	riscv_pmp_update(hart);
}
