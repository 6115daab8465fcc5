/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aplic.c - RISC-V Advanced Platform-Level Interrupt Controller (RISC-V Advanced Interrupt
 * Architecture 1.0, chapter 4; section numbers are from there).
 *
 * A line belongs to one domain at a time: the first whose sourcecfg does not delegate it. In all
 * others, and where it is inactive, everything about it reads as 0 (4.5.2). What must always hold:
 * `pending`, `enabled` and `target` have nothing of a source that is not active.
 *
 * The machine decides between two ways to harts, and domaincfg.DM says which. Directly: a level
 * source is pending exactly while its rectified value is 1 (4.7), and a hart's pin changes under
 * the lock, so that a vcpu sees changes in the order in which they were made. By messages: what is
 * pending, enabled, and let out by domaincfg.IE is sent at once, and no more pending (4.9); where
 * to is wired, to the hart's file of the domain's privilege, so mmsiaddrcfgh says that it is
 * locked.
 *
 * Big-endian registers are not there: domaincfg.BE and setipnum_be are 0.
 */
#include "device/aplic.h"

#include <string.h>

#define REG_DOMAINCFG	 0x0000u
#define REG_SOURCECFG	 0x0000u /* of source 0, which is none */
#define REG_MMSIADDRCFGH 0x1bc4u
#define REG_SETIP	 0x1c00u
#define REG_SETIPNUM	 0x1cdcu
#define REG_IN_CLRIP	 0x1d00u
#define REG_CLRIPNUM	 0x1ddcu
#define REG_SETIE	 0x1e00u
#define REG_SETIENUM	 0x1edcu
#define REG_CLRIE	 0x1f00u
#define REG_CLRIENUM	 0x1fdcu
#define REG_SETIPNUM_LE	 0x2000u
#define REG_GENMSI	 0x3000u
#define REG_TARGET	 0x3000u /* likewise */
#define REG_IDC		 0x4000u
#define IDC_BYTES	 32u
#define IDC_IDELIVERY	 0x00u
#define IDC_IFORCE	 0x04u
#define IDC_ITHRESHOLD	 0x08u
#define IDC_TOPI	 0x18u
#define IDC_CLAIMI	 0x1cu

#define DOMAINCFG_ONE	  UINT32_C(0x80000000) /* bits 31:24 read as 0x80 */
#define DOMAINCFG_IE	  (UINT32_C(1) << 8)
#define DOMAINCFG_DM	  (UINT32_C(1) << 2)
#define MSIADDRCFG_L	  (UINT32_C(1) << 31)
#define SOURCECFG_D	  (UINT32_C(1) << 10)
#define SOURCECFG_SM	  UINT32_C(7)
#define TARGET_HART_SHIFT 18
#define TARGET_EIID	  UINT32_C(0x7ff)
#define TARGET_IPRIO	  UINT32_C(0xff)
#define TOPI_SHIFT	  16

/* Source modes: 4.5.2. */
enum mode {
	MODE_INACTIVE = 0,
	MODE_DETACHED = 1,
	MODE_EDGE_RISING = 4,
	MODE_EDGE_FALLING = 5,
	MODE_LEVEL_HIGH = 6,
	MODE_LEVEL_LOW = 7,
};

static bool test(const uint32_t *bits, unsigned number)
{
	return bits[number / 32] >> number % 32 & 1;
}

static void assign(uint32_t *bits, unsigned number, bool value)
{
	uint32_t bit = UINT32_C(1) << number % 32;

	bits[number / 32] = value ? bits[number / 32] | bit : bits[number / 32] & ~bit;
}

static struct aplic_domain_state *state_of(struct aplic_domain *domain)
{
	return &domain->aplic->state.domains[domain->index];
}

static enum mode mode_of(const struct aplic_domain_state *s, unsigned number)
{
	uint32_t value = s->sourcecfg[number];

	return value & SOURCECFG_D ? MODE_INACTIVE : (enum mode)(value & SOURCECFG_SM);
}

static bool is_level(enum mode mode)
{
	return mode == MODE_LEVEL_HIGH || mode == MODE_LEVEL_LOW;
}

/* The value of a source whose line is `level` (4.5.2). */
static bool rectify(enum mode mode, bool level)
{
	switch (mode) {
	case MODE_EDGE_RISING:
	case MODE_LEVEL_HIGH:
		return level;
	case MODE_EDGE_FALLING:
	case MODE_LEVEL_LOW:
		return !level;
	default:
		return false;
	}
}

static bool rectified(struct aplic_domain *domain, unsigned number)
{
	return rectify(
		mode_of(state_of(domain), number), test(domain->aplic->state.levels, number));
}

/* Is it the domain's to configure? */
static bool has_source(struct aplic_domain *domain, unsigned number)
{
	const struct aplic_domain_state *domains = domain->aplic->state.domains;

	for (unsigned i = 0; i < domain->index; i++)
		if (!(domains[i].sourcecfg[number] & SOURCECFG_D))
			return false;
	return true;
}

/* --- delivery to harts (4.8.1) --------------------------------------------------------------- */

/* As topi has it: the smallest priority number first, then the smallest source (4.8.1.4). */
static uint32_t top(const struct aplic_domain_state *s, unsigned hart)
{
	uint32_t limit = s->idcs[hart].ithreshold, found = 0, best = TARGET_IPRIO + 1;

	if (limit)
		best = limit;
	for (unsigned w = 0; w < APLIC_WORDS; w++) {
		uint32_t bits = s->pending[w] & s->enabled[w];

		for (; bits; bits &= bits - 1) {
			unsigned number = w * 32 + (unsigned)__builtin_ctz(bits);
			uint32_t priority = s->target[number] & TARGET_IPRIO;

			if (s->target[number] >> TARGET_HART_SHIFT == hart && priority < best) {
				best = priority;
				found = number << TOPI_SHIFT | priority;
			}
		}
	}
	return found;
}

static void update_pin(struct aplic_domain *domain, unsigned hart)
{
	const struct aplic_domain_state *s = state_of(domain);
	struct vm_vcpu *vcpu = domain->aplic->vcpus[hart];
	bool level = s->domaincfg & DOMAINCFG_IE && s->idcs[hart].idelivery &&
		(s->idcs[hart].iforce || top(s, hart));

	vcpu->ops->set_pin(vcpu, domain->pin, level);
}

/* --- delivery by messages (4.9) --------------------------------------------------------------- */

static void send(struct aplic_domain *domain, uint32_t target)
{
	struct vm_vcpu *vcpu = domain->aplic->vcpus[target >> TARGET_HART_SHIFT];

	vcpu->ops->message(vcpu, domain->pin, target & TARGET_EIID);
}

static void forward(struct aplic_domain *domain, unsigned number)
{
	struct aplic_domain_state *s = state_of(domain);

	if (!(s->domaincfg & DOMAINCFG_IE) || !test(s->pending, number) ||
		!test(s->enabled, number))
		return;
	assign(s->pending, number, false);
	send(domain, s->target[number]);
}

/* --- either ----------------------------------------------------------------------------------- */

static void update_all(struct aplic_domain *domain)
{
	if (domain->aplic->sends_messages)
		for (unsigned n = 1; n < APLIC_SOURCES; n++)
			forward(domain, n);
	else
		for (unsigned i = 0; i < domain->aplic->nr_vcpus; i++)
			update_pin(domain, i);
}

/* Of the hart alone that can be interrupted by it. */
static void update_source(struct aplic_domain *domain, unsigned number)
{
	if (domain->aplic->sends_messages)
		forward(domain, number);
	else
		update_pin(domain, state_of(domain)->target[number] >> TARGET_HART_SHIFT);
}

/* --- lines ------------------------------------------------------------------------------------ */

static void move_line(struct aplic *aplic, unsigned number, bool level)
{
	struct aplic_domain *domain = &aplic->domains[0];
	enum mode mode;
	bool value;

	assign(aplic->state.levels, number, level);
	while (state_of(domain)->sourcecfg[number] & SOURCECFG_D)
		domain++; /* the last one delegates nothing */
	mode = mode_of(state_of(domain), number);
	value = rectify(mode, level);
	/* An edge makes it pending, and does not take that back. */
	if (is_level(mode) || value) {
		assign(state_of(domain)->pending, number, value);
		update_source(domain, number);
	}
}

static void set(struct vm_irqchip *chip, unsigned number, bool level)
{
	struct aplic *aplic = container_of(chip, struct aplic, chip);

	if (number == 0 || number >= APLIC_SOURCES)
		return;
	pthread_mutex_lock(&aplic->lock);
	if (test(aplic->state.levels, number) != level)
		move_line(aplic, number, level);
	pthread_mutex_unlock(&aplic->lock);
}

static const struct vm_irqchip_ops chip_ops = {
	.name = "aplic",
	.set = set,
};

/* --- sources: what they are, pending and enabled ---------------------------------------------- */

static void deactivate(struct aplic_domain_state *s, unsigned number)
{
	assign(s->pending, number, false);
	assign(s->enabled, number, false);
	s->target[number] = 0;
}

/* What the domain's child had is gone when a source comes, and when it goes. */
static void clear_child(struct aplic_domain *domain, unsigned number)
{
	struct aplic *aplic = domain->aplic;

	for (unsigned i = domain->index + 1; i < aplic->nr_domains; i++) {
		aplic->state.domains[i].sourcecfg[number] = 0;
		deactivate(&aplic->state.domains[i], number);
		update_all(&aplic->domains[i]);
	}
}

/* A domain without a child takes no D, and then nothing of what is written (4.5.2). */
static uint32_t legal_sourcecfg(struct aplic_domain *domain, uint32_t value)
{
	uint32_t mode = value & SOURCECFG_SM;

	if (value & SOURCECFG_D) /* there is one child at most: index 0 */
		return domain->index + 1 < domain->aplic->nr_domains ? SOURCECFG_D : 0;
	return mode == 2 || mode == 3 ? MODE_INACTIVE : mode;
}

/* Priority 0 is none; a hart that is not there is the one that it was. */
static uint32_t legal_target(struct aplic_domain *domain, uint32_t old, uint32_t value)
{
	uint32_t hart = value >> TARGET_HART_SHIFT, priority = value & TARGET_IPRIO;

	if (hart >= domain->aplic->nr_vcpus)
		hart = old >> TARGET_HART_SHIFT;
	if (domain->aplic->sends_messages)
		return hart << TARGET_HART_SHIFT | (value & TARGET_EIID);
	return hart << TARGET_HART_SHIFT | (priority ? priority : 1);
}

static void write_sourcecfg(struct aplic_domain *domain, unsigned number, uint32_t value)
{
	struct aplic_domain_state *s = state_of(domain);
	uint32_t old = s->sourcecfg[number];
	bool was_active = mode_of(s, number) != MODE_INACTIVE;

	if (!has_source(domain, number))
		return;
	s->sourcecfg[number] = legal_sourcecfg(domain, value);
	if ((old ^ s->sourcecfg[number]) & SOURCECFG_D)
		clear_child(domain, number);
	if (mode_of(s, number) == MODE_INACTIVE)
		deactivate(s, number);
	else if (!was_active)
		s->target[number] = legal_target(domain, 0, 0);
	if (is_level(mode_of(s, number)))
		assign(s->pending, number, rectified(domain, number));
	update_all(domain);
}

static void write_target(struct aplic_domain *domain, unsigned number, uint32_t value)
{
	struct aplic_domain_state *s = state_of(domain);
	uint32_t old = s->target[number];

	if (mode_of(s, number) == MODE_INACTIVE)
		return;
	s->target[number] = legal_target(domain, old, value);
	if (!domain->aplic->sends_messages)
		update_pin(domain, old >> TARGET_HART_SHIFT);
	update_source(domain, number);
}

/* By software, for which a level source is what its line is; with messages, it can be made pending
 * while its rectified value is 1, to be sent again (4.7). */
static void set_pending(struct aplic_domain *domain, uint32_t number, bool value)
{
	struct aplic_domain_state *s = state_of(domain);

	if (number == 0 || number >= APLIC_SOURCES)
		return;
	if (mode_of(s, number) == MODE_INACTIVE)
		return;
	if (is_level(mode_of(s, number)) &&
		(!domain->aplic->sends_messages || (value && !rectified(domain, number))))
		return;
	assign(s->pending, number, value);
	update_source(domain, number);
}

static void set_enabled(struct aplic_domain *domain, uint32_t number, bool value)
{
	struct aplic_domain_state *s = state_of(domain);

	if (number == 0 || number >= APLIC_SOURCES || mode_of(s, number) == MODE_INACTIVE)
		return;
	assign(s->enabled, number, value);
	update_source(domain, number);
}

/* To 32 sources at once, those whose bits are set. */
static void set_several(struct aplic_domain *domain, uint64_t word, uint32_t bits, bool value,
	void (*set_one)(struct aplic_domain *domain, uint32_t number, bool value))
{
	for (; bits; bits &= bits - 1)
		set_one(domain, (uint32_t)word * 32 + (uint32_t)__builtin_ctz(bits), value);
}

/* --- registers of a hart: an interrupt delivery control structure ----------------------------- */

static uint32_t claim(struct aplic_domain *domain, unsigned hart)
{
	struct aplic_domain_state *s = state_of(domain);
	uint32_t value = top(s, hart);

	if (value)
		set_pending(domain, value >> TOPI_SHIFT, false);
	else
		s->idcs[hart].iforce = 0;
	update_pin(domain, hart);
	return value;
}

static uint32_t read_idc(struct aplic_domain *domain, unsigned hart, uint64_t offset)
{
	const struct aplic_domain_state *s = state_of(domain);

	switch (offset) {
	case IDC_IDELIVERY:
		return s->idcs[hart].idelivery;
	case IDC_IFORCE:
		return s->idcs[hart].iforce;
	case IDC_ITHRESHOLD:
		return s->idcs[hart].ithreshold;
	case IDC_TOPI:
		return top(s, hart);
	case IDC_CLAIMI:
		return claim(domain, hart);
	}
	return 0;
}

static void write_idc(struct aplic_domain *domain, unsigned hart, uint64_t offset, uint32_t value)
{
	struct aplic_domain_state *s = state_of(domain);

	switch (offset) {
	case IDC_IDELIVERY:
		s->idcs[hart].idelivery = value & 1;
		break;
	case IDC_IFORCE:
		s->idcs[hart].iforce = value & 1;
		break;
	case IDC_ITHRESHOLD:
		s->idcs[hart].ithreshold = value & TARGET_IPRIO;
		break;
	}
	update_pin(domain, hart);
}

/* --- registers of a domain -------------------------------------------------------------------- */

/* Is `offset` one of the registers of all sources, with a word or a bit for each? */
static bool is_word(uint64_t offset, uint64_t start, uint64_t *ret)
{
	*ret = (offset - start) / 4;
	return offset >= start && *ret < APLIC_SOURCES;
}

static bool is_bits(uint64_t offset, uint64_t start, uint64_t *ret)
{
	*ret = (offset - start) / 4;
	return offset >= start && *ret < APLIC_WORDS;
}

static bool is_idc(struct aplic_domain *domain, uint64_t offset, unsigned *ret_hart)
{
	*ret_hart = (unsigned)((offset - REG_IDC) / IDC_BYTES);
	return !domain->aplic->sends_messages && offset >= REG_IDC &&
		*ret_hart < domain->aplic->nr_vcpus;
}

static uint32_t read_rectified(struct aplic_domain *domain, uint64_t word)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 32; i++)
		bits |= (uint32_t)rectified(domain, (unsigned)word * 32 + i) << i;
	return bits;
}

static uint32_t read_register(struct aplic_domain *domain, uint64_t offset)
{
	const struct aplic_domain_state *s = state_of(domain);
	uint64_t at;
	unsigned hart;

	if (offset == REG_DOMAINCFG)
		return DOMAINCFG_ONE | s->domaincfg |
			(domain->aplic->sends_messages ? DOMAINCFG_DM : 0);
	if (offset == REG_MMSIADDRCFGH)
		return domain->aplic->sends_messages && domain->index == 0 ? MSIADDRCFG_L : 0;
	if (is_word(offset, REG_SOURCECFG, &at))
		return s->sourcecfg[at];
	if (is_bits(offset, REG_SETIP, &at))
		return s->pending[at];
	if (is_bits(offset, REG_IN_CLRIP, &at))
		return read_rectified(domain, at);
	if (is_bits(offset, REG_SETIE, &at))
		return s->enabled[at];
	if (is_word(offset, REG_TARGET, &at))
		return s->target[at];
	if (is_idc(domain, offset, &hart))
		return read_idc(domain, hart, offset % IDC_BYTES);
	return 0;
}

static void write_bits(struct aplic_domain *domain, uint64_t offset, uint32_t value)
{
	uint64_t at;

	if (is_bits(offset, REG_SETIP, &at))
		set_several(domain, at, value, true, set_pending);
	else if (is_bits(offset, REG_IN_CLRIP, &at))
		set_several(domain, at, value, false, set_pending);
	else if (is_bits(offset, REG_SETIE, &at))
		set_several(domain, at, value, true, set_enabled);
	else if (is_bits(offset, REG_CLRIE, &at))
		set_several(domain, at, value, false, set_enabled);
}

static void write_register(struct aplic_domain *domain, uint64_t offset, uint32_t value)
{
	uint64_t at;
	unsigned hart;

	switch (offset) {
	case REG_DOMAINCFG:
		state_of(domain)->domaincfg = value & DOMAINCFG_IE;
		update_all(domain);
		return;
	case REG_SETIPNUM:
	case REG_SETIPNUM_LE:
		set_pending(domain, value, true);
		return;
	case REG_CLRIPNUM:
		set_pending(domain, value, false);
		return;
	case REG_SETIENUM:
		set_enabled(domain, value, true);
		return;
	case REG_CLRIENUM:
		set_enabled(domain, value, false);
		return;
	case REG_GENMSI:
		if (domain->aplic->sends_messages &&
			value >> TARGET_HART_SHIFT < domain->aplic->nr_vcpus)
			send(domain, value);
		return;
	}
	if (is_word(offset, REG_SOURCECFG, &at))
		write_sourcecfg(domain, (unsigned)at, value);
	else if (is_word(offset, REG_TARGET, &at) && at > 0)
		write_target(domain, (unsigned)at, value);
	else if (is_idc(domain, offset, &hart))
		write_idc(domain, hart, offset % IDC_BYTES, value);
	else
		write_bits(domain, offset, value);
}

/* Registers are words (4.5). */
static uint64_t read_aplic(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct aplic_domain *domain = container_of(io, struct aplic_domain, io);
	uint32_t value;

	if (size != 4 || offset % 4)
		return 0;
	pthread_mutex_lock(&domain->aplic->lock);
	value = read_register(domain, offset);
	pthread_mutex_unlock(&domain->aplic->lock);
	return value;
}

static void write_aplic(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct aplic_domain *domain = container_of(io, struct aplic_domain, io);

	if (size != 4 || offset % 4)
		return;
	pthread_mutex_lock(&domain->aplic->lock);
	write_register(domain, offset, (uint32_t)value);
	pthread_mutex_unlock(&domain->aplic->lock);
}

static const struct vm_io_ops io_ops = {
	.name = "aplic",
	.read = read_aplic,
	.write = write_aplic,
};

/* --- life ------------------------------------------------------------------------------------- */

/* Nothing but what the guest could have made of it. */
static bool is_legal_source(struct aplic_domain *domain, unsigned number)
{
	const struct aplic_domain_state *s = state_of(domain);
	uint32_t value = s->sourcecfg[number];

	if (value != legal_sourcecfg(domain, value) || (value && !has_source(domain, number)))
		return false;
	if (number == 0 || mode_of(s, number) == MODE_INACTIVE)
		return !s->target[number] && !test(s->pending, number) &&
			!test(s->enabled, number) && (number > 0 || !value);
	return s->target[number] == legal_target(domain, 0, s->target[number]);
}

static int restore_domain(struct aplic_domain *domain, struct error *err)
{
	struct aplic_domain_state *s = state_of(domain);

	for (unsigned n = 0; n < APLIC_SOURCES; n++) {
		if (!is_legal_source(domain, n))
			return error_set(err, EBADMSG,
				"aplic: source %u of domain %u is %#x to %#x", n, domain->index,
				s->sourcecfg[n], s->target[n]);
		if (is_level(mode_of(s, n)))
			assign(s->pending, n,
				rectified(domain, n) &&
					(!domain->aplic->sends_messages || test(s->pending, n)));
	}
	s->domaincfg &= DOMAINCFG_IE;
	for (unsigned i = 0; i < VM_VCPUS_MAX; i++) {
		s->idcs[i].idelivery &= 1;
		s->idcs[i].iforce &= 1;
		s->idcs[i].ithreshold &= TARGET_IPRIO;
	}
	update_all(domain);
	return 0;
}

static int restore(struct vm_saved *saved, struct error *err)
{
	struct aplic *aplic = container_of(saved, struct aplic, saved);
	int r = 0;

	for (unsigned i = 0; i < aplic->nr_domains && r == 0; i++)
		r = restore_domain(&aplic->domains[i], err);
	return r;
}

void aplic_init(struct aplic *aplic, const struct aplic_domain_config *domains, unsigned nr_domains,
	struct vm_vcpu *const *vcpus, unsigned nr_vcpus, bool sends_messages)
{
	*aplic = (struct aplic){ .chip = { &chip_ops },
		.nr_domains = nr_domains,
		.nr_vcpus = nr_vcpus,
		.sends_messages = sends_messages };
	/* What one keeps says nothing to the other. */
	aplic->saved = (struct vm_saved){ .name = sends_messages ? "aplic-msi" : "aplic",
		.data = &aplic->state,
		.size = sizeof(aplic->state),
		.restore = restore };
	for (unsigned i = 0; i < nr_domains; i++)
		aplic->domains[i] = (struct aplic_domain){
			.io = { .ops = &io_ops, .start = domains[i].start, .size = APLIC_BYTES },
			.aplic = aplic,
			.index = i,
			.pin = domains[i].pin
		};
	memcpy(aplic->vcpus, vcpus, nr_vcpus * sizeof(*vcpus));
	pthread_mutex_init(&aplic->lock, NULL);
}

/* The lines stay as the devices hold them. */
void aplic_reset(struct aplic *aplic)
{
	pthread_mutex_lock(&aplic->lock);
	memset(aplic->state.domains, 0, sizeof(aplic->state.domains));
	for (unsigned i = 0; i < aplic->nr_domains; i++)
		update_all(&aplic->domains[i]);
	pthread_mutex_unlock(&aplic->lock);
}

void aplic_destroy(struct aplic *aplic)
{
	pthread_mutex_destroy(&aplic->lock);
}
