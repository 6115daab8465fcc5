/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plic.h - the interrupt controller that most RISC-V machines have.
 */
#pragma once

#include <pthread.h>

#include "vm/vm.h"

#define PLIC_SOURCES	  96 /* 0 is none */
#define PLIC_WORDS	  (PLIC_SOURCES / 32)
#define PLIC_CONTEXTS_MAX (2 * VM_VCPUS_MAX)
#define PLIC_BYTES	  0x600000
#define PLIC_PRIORITY_MAX 7

/* A privilege mode of a hart that can be interrupted. */
struct plic_context {
	struct vm_vcpu *vcpu;
	unsigned pin; /* of mip */
};

/* What the guest can see. */
struct plic_state {
	uint32_t levels[PLIC_WORDS]; /* of the lines, a bit each */
	uint32_t pending[PLIC_WORDS];
	uint32_t claimed[PLIC_WORDS]; /* by anybody, and not completed */
	uint8_t priorities[PLIC_SOURCES];
	struct {
		uint32_t enabled[PLIC_WORDS];
		uint32_t threshold;
	} contexts[PLIC_CONTEXTS_MAX];
};

struct plic {
	struct vm_io io; /* `start` is filled in by the board */
	struct vm_irqchip chip;
	struct vm_saved saved;
	struct plic_context contexts[PLIC_CONTEXTS_MAX];
	unsigned nr_contexts;
	pthread_mutex_t lock;
	struct plic_state state;
};

/* With so many contexts, at most PLIC_CONTEXTS_MAX, copied. */
void plic_init(struct plic *plic, const struct plic_context *contexts, unsigned nr_contexts);
void plic_reset(struct plic *plic);
void plic_destroy(struct plic *plic);
