/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imsic.c - the incoming MSI controller of a hart: an interrupt file for machine mode and one for
 * supervisor mode, and the CSRs of Smaia and Ssaia (RISC-V Advanced Interrupt Architecture 1.0,
 * chapters 2, 3 and 5; section numbers are from there).
 *
 * Messages come from any thread, so a file is used under the lock of all files of its hart. The pin
 * that it drives, mip.MEIP or SEIP, changes under the lock, too: it is high exactly while the file
 * delivers, and something is pending and enabled that the threshold lets through.
 *
 * Of what the chapters leave open: identities are 1 to 255; all bytes of iprio are 0, so that major
 * interrupts have their default order (5.2.1); no bit of mvien can be set, so that mvip is another
 * view of mip (5.3).
 */
#include "vcpu/riscv/internal.h"

#define SELECT_IPRIO	   0x30u
#define SELECT_IPRIO_LAST  0x3fu
#define SELECT_EIDELIVERY  0x70u
#define SELECT_EITHRESHOLD 0x72u
#define SELECT_EIP	   0x80u
#define SELECT_EIE	   0xc0u
#define SELECT_LAST	   0xffu
#define WORDS		   (RISCV_IMSIC_IDS / 64)
#define TOP_SHIFT	   16
#define TOP_PRIORITY	   1 /* of mtopi and stopi, without priorities: 5.2.2 */

enum { FILE_MACHINE, FILE_SUPERVISOR };

static const uint8_t pins[RISCV_IMSIC_FILES] = { RISCV_IRQ_MEI, RISCV_IRQ_SEI };

/* Bits 9:8 of the number of a CSR are the privilege whose it is. */
static unsigned file_of(unsigned number)
{
	return (number >> 8 & 3) == RISCV_MACHINE ? FILE_MACHINE : FILE_SUPERVISOR;
}

static unsigned select_of(const struct riscv_hart *hart, unsigned number)
{
	return (unsigned)(file_of(number) == FILE_MACHINE ? hart->csrs.miselect
							  : hart->csrs.siselect);
}

/* The smaller the identity, the higher its priority (3.3). */
static uint32_t top(const struct riscv_imsic_file *file)
{
	for (uint32_t w = 0; w < WORDS; w++) {
		uint64_t bits = file->eip[w] & file->eie[w];
		uint32_t id = bits ? w * 64 + (uint32_t)__builtin_ctzll(bits) : 0;

		if (id)
			return !file->eithreshold || id < file->eithreshold ? id : 0;
	}
	return 0;
}

static void update_pin(struct riscv_hart *hart, unsigned index)
{
	const struct riscv_imsic_file *file = &hart->imsic.files[index];

	hart->vcpu.ops->set_pin(&hart->vcpu, pins[index], file->eidelivery && top(file));
}

void riscv_imsic_message(struct vm_vcpu *vcpu, unsigned pin, uint32_t id)
{
	struct riscv_hart *hart = riscv_hart_of(vcpu);
	unsigned index = pin == RISCV_IRQ_MEI ? FILE_MACHINE : FILE_SUPERVISOR;

	if (!hart->config.has_imsic || pin != pins[index] || id == 0 || id >= RISCV_IMSIC_IDS)
		return;
	pthread_mutex_lock(&hart->imsic.lock);
	hart->imsic.files[index].eip[id / 64] |= UINT64_C(1) << id % 64;
	update_pin(hart, index);
	pthread_mutex_unlock(&hart->imsic.lock);
}

/* --- registers of a file, and of priorities (2.1, 3.8) ---------------------------------------- */

/* On RV64, a register of an odd number is not there. */
static bool is_in_file(unsigned select)
{
	return select == SELECT_EIDELIVERY || select == SELECT_EITHRESHOLD ||
		(select >= SELECT_EIP && select <= SELECT_LAST && !(select & 1));
}

static bool is_priority(unsigned select)
{
	return select >= SELECT_IPRIO && select <= SELECT_IPRIO_LAST && !(select & 1);
}

static bool has_state(const struct riscv_hart *hart, uint64_t bits)
{
	return hart->privilege == RISCV_MACHINE || (hart->csrs.mstateen[0] & bits) == bits;
}

bool riscv_imsic_allows_select(const struct riscv_hart *hart, unsigned number)
{
	return has_state(hart, STATEEN_CSRIND);
}

bool riscv_imsic_allows_register(const struct riscv_hart *hart, unsigned number)
{
	unsigned select = select_of(hart, number);

	if (is_in_file(select))
		return has_state(hart, STATEEN_CSRIND | STATEEN_IMSIC);
	return is_priority(select) && has_state(hart, STATEEN_CSRIND | STATEEN_AIA);
}

bool riscv_imsic_allows_topei(const struct riscv_hart *hart, unsigned number)
{
	return has_state(hart, STATEEN_IMSIC);
}

bool riscv_imsic_allows_topi(const struct riscv_hart *hart, unsigned number)
{
	return has_state(hart, STATEEN_AIA);
}

/* The word of eip or eie that is selected; NULL: another register, or one without identities. */
static uint64_t *word_of(struct riscv_imsic_file *file, unsigned select)
{
	unsigned w = (select & 0x3f) / 2;

	if (select < SELECT_EIP || select > SELECT_LAST || select & 1 || w >= WORDS)
		return NULL;
	return select < SELECT_EIE ? &file->eip[w] : &file->eie[w];
}

uint64_t riscv_imsic_read_register(struct riscv_hart *hart, unsigned number)
{
	struct riscv_imsic_file *file = &hart->imsic.files[file_of(number)];
	unsigned select = select_of(hart, number);
	uint64_t value = 0, *word = word_of(file, select);

	pthread_mutex_lock(&hart->imsic.lock);
	if (word)
		value = *word;
	else if (select == SELECT_EIDELIVERY)
		value = file->eidelivery;
	else if (select == SELECT_EITHRESHOLD)
		value = file->eithreshold;
	pthread_mutex_unlock(&hart->imsic.lock);
	hart->imsic.seen = value;
	return value;
}

/* A message that has come since the register was read is not taken back. */
void riscv_imsic_write_register(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	struct riscv_imsic_file *file = &hart->imsic.files[file_of(number)];
	unsigned select = select_of(hart, number);
	uint64_t *word = word_of(file, select), seen = hart->imsic.seen;

	pthread_mutex_lock(&hart->imsic.lock);
	if (word)
		*word = (*word | (value & ~seen)) & ~(seen & ~value);
	else if (select == SELECT_EIDELIVERY && value <= 1)
		file->eidelivery = (uint32_t)value;
	else if (select == SELECT_EITHRESHOLD)
		file->eithreshold = value % RISCV_IMSIC_IDS;
	file->eip[0] &= ~UINT64_C(1);
	file->eie[0] &= ~UINT64_C(1);
	update_pin(hart, file_of(number));
	pthread_mutex_unlock(&hart->imsic.lock);
}

/* --- what comes first (3.9, 5.2.2, 5.4.2) ----------------------------------------------------- */

uint64_t riscv_imsic_read_topei(struct riscv_hart *hart, unsigned number)
{
	uint32_t id;

	pthread_mutex_lock(&hart->imsic.lock);
	id = top(&hart->imsic.files[file_of(number)]);
	pthread_mutex_unlock(&hart->imsic.lock);
	hart->imsic.seen = id;
	return id << TOP_SHIFT | id;
}

/* Whatever is written claims what the same instruction has read. */
void riscv_imsic_write_topei(struct riscv_hart *hart, unsigned number, uint64_t value)
{
	struct riscv_imsic_file *file = &hart->imsic.files[file_of(number)];
	uint64_t id = hart->imsic.seen % RISCV_IMSIC_IDS;

	pthread_mutex_lock(&hart->imsic.lock);
	file->eip[id / 64] &= ~(UINT64_C(1) << id % 64);
	update_pin(hart, file_of(number));
	pthread_mutex_unlock(&hart->imsic.lock);
}

uint64_t riscv_imsic_read_topi(struct riscv_hart *hart, unsigned number)
{
	uint64_t delegated = hart->csrs.mideleg;
	uint64_t mask = file_of(number) == FILE_MACHINE ? ~delegated : delegated;
	int first = riscv_first_interrupt(riscv_csr_mip(hart) & hart->csrs.mie & mask);

	return first < 0 ? 0 : (uint64_t)first << TOP_SHIFT | TOP_PRIORITY;
}

/* --- life ------------------------------------------------------------------------------------- */

static void update_pins(struct riscv_hart *hart)
{
	for (unsigned i = 0; i < RISCV_IMSIC_FILES; i++)
		update_pin(hart, i);
}

void riscv_hart_forget_messages(struct riscv_hart *hart)
{
	if (!hart->config.has_imsic)
		return;
	pthread_mutex_lock(&hart->imsic.lock);
	memset(hart->imsic.files, 0, sizeof(hart->imsic.files));
	update_pins(hart);
	pthread_mutex_unlock(&hart->imsic.lock);
}

void riscv_imsic_save(struct riscv_hart *hart, struct riscv_imsic_file *files)
{
	pthread_mutex_lock(&hart->imsic.lock);
	memcpy(files, hart->imsic.files, sizeof(hart->imsic.files));
	pthread_mutex_unlock(&hart->imsic.lock);
}

void riscv_imsic_restore(struct riscv_hart *hart, const struct riscv_imsic_file *files)
{
	if (!hart->config.has_imsic)
		return;
	pthread_mutex_lock(&hart->imsic.lock);
	memcpy(hart->imsic.files, files, sizeof(hart->imsic.files));
	for (unsigned i = 0; i < RISCV_IMSIC_FILES; i++) {
		struct riscv_imsic_file *file = &hart->imsic.files[i];

		file->eidelivery &= 1;
		file->eithreshold %= RISCV_IMSIC_IDS;
		file->eip[0] &= ~UINT64_C(1);
		file->eie[0] &= ~UINT64_C(1);
	}
	update_pins(hart);
	pthread_mutex_unlock(&hart->imsic.lock);
}
