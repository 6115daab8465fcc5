/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.h - what KVM this host has, for those who make no machine yet.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define KVM_DEVICE    "/dev/kvm"
#define KVM_MODEL_MAX 40

/* A descriptor of KVM_DEVICE. When it does not open, the sentence says what is missing: the
 * processor's virtualization, the kernel's module, the right to it. */
int kvm_device_open(struct error *err);

/*
 * Does it run an ordinary Linux? 0, or a sentence with what is missing. -ENOTSUP: it opens, but
 * this processor has no virtualization. That is KVM in software, whose guests have to be made for
 * it; programs without paging run, too, so who makes a machine need not ask.
 */
int kvm_host_check(struct error *err);

/* The processor's model, of letters, digits and -: what runs in a machine saved on one of them runs
 * on another of the same. */
void kvm_host_model(char ret[KVM_MODEL_MAX]);

/* --- of an architecture (ARCH-host.c) --------------------------------------------------------- */

/* What the kernel's module for this processor is called; NULL: it has no virtualization. */
const char *kvm_arch_module(void);
/* Is this host a virtual machine itself? */
bool kvm_arch_is_guest(void);
