/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-arch-x86_64.c - whose programs an x86-64 host runs.
 */
#include <linux/audit.h>
#include <seccomp.h>

#include "container/seccomp-profile.h"

const struct seccomp_arch seccomp_native_arches[] = {
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, true, false },
	{ "SCMP_ARCH_X86", SCMP_ARCH_X86, AUDIT_ARCH_I386, false, false },
	{ "SCMP_ARCH_X32", SCMP_ARCH_X32, AUDIT_ARCH_X86_64, true, true },
	{ 0 },
};

const struct seccomp_arch seccomp_native_first[] = {
	{ "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, true, false },
	{ 0 },
};

const char seccomp_native_docker_arch[] = "amd64";
const char seccomp_native_names[] = "arch_prctl modify_ldt";
