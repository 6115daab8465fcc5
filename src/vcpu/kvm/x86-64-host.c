/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86-64-host.c - what this processor says of itself (Intel SDM 2A, CPUID; AMD APM 3, appendix E).
 */
#include "vcpu/kvm/host.h"

#include <cpuid.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BIT(n)	     (UINT32_C(1) << (n))
#define VMX	     BIT(5) /* of leaf 1, ecx */
#define HYPERVISOR   BIT(31)
#define SVM	     BIT(2) /* of leaf 0x80000001, ecx */
#define LEAF_AMD     0x80000001
#define VENDOR_BYTES 12

static uint32_t ecx_of(uint32_t leaf)
{
	uint32_t eax, ebx, ecx, edx;

	return __get_cpuid(leaf, &eax, &ebx, &ecx, &edx) ? ecx : 0;
}

const char *kvm_arch_module(void)
{
	if (ecx_of(1) & VMX)
		return "kvm_intel";
	return ecx_of(LEAF_AMD) & SVM ? "kvm_amd" : NULL;
}

bool kvm_arch_is_guest(void)
{
	return ecx_of(1) & HYPERVISOR;
}

/* Vendor, and family, model and stepping in one number. */
void kvm_host_model(char ret[KVM_MODEL_MAX])
{
	uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
	char vendor[VENDOR_BYTES + 1] = "";

	if (__get_cpuid(0, &eax, &ebx, &ecx, &edx)) {
		memcpy(vendor, &ebx, 4);
		memcpy(vendor + 4, &edx, 4);
		memcpy(vendor + 8, &ecx, 4);
	}
	for (char *c = vendor; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", *c))
			*c = '-';
	eax = 0;
	__get_cpuid(1, &eax, &ebx, &ecx, &edx);
	snprintf(ret, KVM_MODEL_MAX, "%s-%x", vendor, eax);
}
