/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imsic.h - where message-signaled interrupts of the RISC-V Advanced Interrupt Architecture are
 * written to: a page for each hart.
 */
#pragma once

#include "vm/vm.h"

#define IMSIC_PAGE_BYTES 0x1000

/* The files of one privilege mode. Their state is the harts': vm_vcpu_ops.message. */
struct imsic {
	struct vm_io io;
	unsigned pin; /* of mip, that the files drive */
	struct vm_vcpu *vcpus[VM_VCPUS_MAX];
	unsigned nr_vcpus;
};

/* At `start`, for these harts, at most VM_VCPUS_MAX, which must stay; the list is copied. Nothing
 * is to be freed. */
void imsic_init(struct imsic *imsic, uint64_t start, unsigned pin, struct vm_vcpu *const *vcpus,
	unsigned nr_vcpus);
