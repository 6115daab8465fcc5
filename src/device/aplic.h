/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aplic.h - the controller of wired interrupts of the RISC-V Advanced Interrupt Architecture.
 */
#pragma once

#include <pthread.h>

#include "vm/vm.h"

#define APLIC_SOURCES	  96 /* 0 is none */
#define APLIC_WORDS	  (APLIC_SOURCES / 32)
#define APLIC_DOMAINS_MAX 2
#define APLIC_BYTES	  0x8000 /* of each domain */

/* A tree of domains that is a line: the first has all sources, and delegates to the next. */
struct aplic_domain_config {
	uint64_t start;
	unsigned pin; /* of mip, of the harts that it interrupts */
};

/* What the guest can see of a domain. */
struct aplic_domain_state {
	uint32_t domaincfg;
	uint32_t sourcecfg[APLIC_SOURCES];
	uint32_t target[APLIC_SOURCES];
	uint32_t pending[APLIC_WORDS], enabled[APLIC_WORDS]; /* of active sources alone */
	struct aplic_idc {
		uint32_t idelivery, iforce, ithreshold;
	} idcs[VM_VCPUS_MAX];
};

struct aplic_state {
	uint32_t levels[APLIC_WORDS]; /* of the lines, a bit each */
	struct aplic_domain_state domains[APLIC_DOMAINS_MAX];
};

struct aplic_domain {
	struct vm_io io;
	struct aplic *aplic;
	unsigned index, pin;
};

struct aplic {
	struct aplic_domain domains[APLIC_DOMAINS_MAX];
	unsigned nr_domains;
	bool sends_messages;
	struct vm_irqchip chip;
	struct vm_saved saved;
	struct vm_vcpu *vcpus[VM_VCPUS_MAX];
	unsigned nr_vcpus;
	pthread_mutex_t lock;
	struct aplic_state state;
};

/* With so many domains, at most APLIC_DOMAINS_MAX, the root first, and harts, at most
 * VM_VCPUS_MAX, which must stay; both lists are copied. Harts are interrupted by messages, or
 * directly. Whoever makes it puts each domain's io on the bus. */
void aplic_init(struct aplic *aplic, const struct aplic_domain_config *domains, unsigned nr_domains,
	struct vm_vcpu *const *vcpus, unsigned nr_vcpus, bool sends_messages);
void aplic_reset(struct aplic *aplic);
void aplic_destroy(struct aplic *aplic);
