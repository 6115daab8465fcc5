/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plic.c - RISC-V Platform-Level Interrupt Controller, version 1.0.0 (chapter numbers are from
 * there; registers as in chapter 3).
 *
 * Lines are levels. A source is pending when its line is high and nobody has claimed it; who claims
 * it takes that away, and completing it looks at the line again (the gateway, chapter 5). A
 * context's pin is high while something is pending that it wants. Pins change under the lock, so
 * that a vcpu sees them in the order in which they were set.
 */
#include "device/plic.h"

#include <string.h>

#define PENDING_START 0x1000u
#define ENABLE_START  0x2000u
#define ENABLE_BYTES  0x80u
#define CONTEXT_START 0x200000u
#define CONTEXT_BYTES 0x1000u
#define REG_THRESHOLD 0u
#define REG_CLAIM     4u

static bool test(const uint32_t *bits, unsigned number)
{
	return bits[number / 32] >> number % 32 & 1;
}

static void assign(uint32_t *bits, unsigned number, bool value)
{
	uint32_t bit = UINT32_C(1) << number % 32;

	bits[number / 32] = value ? bits[number / 32] | bit : bits[number / 32] & ~bit;
}

/* The source that this context would claim: the highest priority, then the smallest number. */
static unsigned best(const struct plic_state *s, unsigned context)
{
	unsigned found = 0, priority = 0;

	for (unsigned w = 0; w < PLIC_WORDS; w++) {
		uint32_t bits = s->pending[w] & s->contexts[context].enabled[w];

		for (; bits; bits &= bits - 1) {
			unsigned number = w * 32 + (unsigned)__builtin_ctz(bits);

			if (s->priorities[number] > priority) {
				priority = s->priorities[number];
				found = number;
			}
		}
	}
	return found;
}

static void update_pin(struct plic *plic, unsigned context)
{
	const struct plic_context *c = &plic->contexts[context];
	const struct plic_state *s = &plic->state;
	unsigned number = best(s, context);
	bool level = number && s->priorities[number] > s->contexts[context].threshold;

	if (c->vcpu)
		c->vcpu->ops->set_pin(c->vcpu, c->pin, level);
}

static void update_pins(struct plic *plic)
{
	for (unsigned i = 0; i < plic->nr_contexts; i++)
		update_pin(plic, i);
}

/* Of those contexts alone that can be interrupted by it. */
static void update_source(struct plic *plic, unsigned number)
{
	for (unsigned i = 0; i < plic->nr_contexts; i++)
		if (test(plic->state.contexts[i].enabled, number))
			update_pin(plic, i);
}

static void set(struct vm_irqchip *chip, unsigned number, bool level)
{
	struct plic *plic = container_of(chip, struct plic, chip);
	struct plic_state *s = &plic->state;

	if (number == 0 || number >= PLIC_SOURCES)
		return;
	pthread_mutex_lock(&plic->lock);
	if (test(s->levels, number) != level) {
		assign(s->levels, number, level);
		/* What became pending stays so, even when the line falls again. */
		if (level && !test(s->claimed, number)) {
			assign(s->pending, number, true);
			update_source(plic, number);
		}
	}
	pthread_mutex_unlock(&plic->lock);
}

static const struct vm_irqchip_ops chip_ops = {
	.name = "plic",
	.set = set,
};

/* --- registers ------------------------------------------------------------------------------- */

static uint32_t claim(struct plic *plic, unsigned context)
{
	unsigned number = best(&plic->state, context);

	if (number) {
		assign(plic->state.pending, number, false);
		assign(plic->state.claimed, number, true);
		update_source(plic, number);
	}
	return number;
}

/* One that is not enabled for this context is ignored (chapter 9). */
static void complete(struct plic *plic, unsigned context, uint32_t number)
{
	struct plic_state *s = &plic->state;

	if (number == 0 || number >= PLIC_SOURCES || !test(s->contexts[context].enabled, number) ||
		!test(s->claimed, number))
		return;
	assign(s->claimed, number, false);
	if (test(s->levels, number)) {
		assign(s->pending, number, true);
		update_source(plic, number);
	}
}

static uint32_t read_register(struct plic *plic, uint64_t offset)
{
	const struct plic_state *s = &plic->state;
	uint64_t at;

	if (offset < PLIC_SOURCES * 4)
		return s->priorities[offset / 4];
	at = offset - PENDING_START;
	if (at < PLIC_WORDS * 4)
		return s->pending[at / 4];
	at = offset - ENABLE_START;
	if (at / ENABLE_BYTES < plic->nr_contexts && at % ENABLE_BYTES < PLIC_WORDS * 4)
		return s->contexts[at / ENABLE_BYTES].enabled[at % ENABLE_BYTES / 4];
	at = offset - CONTEXT_START;
	if (at / CONTEXT_BYTES >= plic->nr_contexts)
		return 0;
	switch (at % CONTEXT_BYTES) {
	case REG_THRESHOLD:
		return s->contexts[at / CONTEXT_BYTES].threshold;
	case REG_CLAIM:
		return claim(plic, (unsigned)(at / CONTEXT_BYTES));
	}
	return 0;
}

static void write_context(struct plic *plic, unsigned context, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case REG_THRESHOLD:
		plic->state.contexts[context].threshold = value & PLIC_PRIORITY_MAX;
		update_pin(plic, context);
		break;
	case REG_CLAIM:
		complete(plic, context, value);
		break;
	}
}

static void write_register(struct plic *plic, uint64_t offset, uint32_t value)
{
	struct plic_state *s = &plic->state;
	uint64_t at;

	if (offset >= 4 && offset < PLIC_SOURCES * 4) {
		s->priorities[offset / 4] = value & PLIC_PRIORITY_MAX;
		update_pins(plic);
		return;
	}
	at = offset - ENABLE_START;
	if (at / ENABLE_BYTES < plic->nr_contexts && at % ENABLE_BYTES < PLIC_WORDS * 4) {
		unsigned context = (unsigned)(at / ENABLE_BYTES), w = at % ENABLE_BYTES / 4;

		s->contexts[context].enabled[w] = w ? value : value & ~UINT32_C(1);
		update_pin(plic, context);
		return;
	}
	at = offset - CONTEXT_START;
	if (at / CONTEXT_BYTES < plic->nr_contexts)
		write_context(plic, (unsigned)(at / CONTEXT_BYTES), at % CONTEXT_BYTES, value);
}

/* Registers are words. */
static uint64_t read_plic(struct vm_io *io, uint64_t offset, unsigned size)
{
	struct plic *plic = container_of(io, struct plic, io);
	uint32_t value;

	if (size != 4 || offset % 4)
		return 0;
	pthread_mutex_lock(&plic->lock);
	value = read_register(plic, offset);
	pthread_mutex_unlock(&plic->lock);
	return value;
}

static void write_plic(struct vm_io *io, uint64_t offset, unsigned size, uint64_t value)
{
	struct plic *plic = container_of(io, struct plic, io);

	if (size != 4 || offset % 4)
		return;
	pthread_mutex_lock(&plic->lock);
	write_register(plic, offset, (uint32_t)value);
	pthread_mutex_unlock(&plic->lock);
}

static const struct vm_io_ops io_ops = {
	.name = "plic",
	.read = read_plic,
	.write = write_plic,
};

/* --- life ------------------------------------------------------------------------------------ */

static int restore(struct vm_saved *saved, struct error *err)
{
	struct plic *plic = container_of(saved, struct plic, saved);
	struct plic_state *s = &plic->state;

	for (unsigned i = 0; i < PLIC_SOURCES; i++)
		if (s->priorities[i] > PLIC_PRIORITY_MAX)
			return error_set(err, EBADMSG, "plic: a priority of %u", s->priorities[i]);
	s->pending[0] &= ~UINT32_C(1);
	update_pins(plic);
	return 0;
}

void plic_init(struct plic *plic, const struct plic_context *contexts, unsigned nr_contexts)
{
	*plic = (struct plic){ .io = { .ops = &io_ops, .size = PLIC_BYTES },
		.chip = { &chip_ops },
		.nr_contexts = nr_contexts };
	plic->saved = (struct vm_saved){ .name = "plic",
		.data = &plic->state,
		.size = sizeof(plic->state),
		.restore = restore };
	memcpy(plic->contexts, contexts, nr_contexts * sizeof(*contexts));
	pthread_mutex_init(&plic->lock, NULL);
}

/* The lines stay as the devices hold them. */
void plic_reset(struct plic *plic)
{
	struct plic_state *s = &plic->state;

	pthread_mutex_lock(&plic->lock);
	memset(s->claimed, 0, sizeof(s->claimed));
	memset(s->priorities, 0, sizeof(s->priorities));
	memset(s->contexts, 0, sizeof(s->contexts));
	memcpy(s->pending, s->levels, sizeof(s->pending));
	update_pins(plic);
	pthread_mutex_unlock(&plic->lock);
}

void plic_destroy(struct plic *plic)
{
	pthread_mutex_destroy(&plic->lock);
}
