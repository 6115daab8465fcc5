/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-arch-aarch64.c - whose programs an aarch64 host runs.
 */
#include <linux/audit.h>
#include <seccomp.h>

#include "container/seccomp-profile.h"

const struct seccomp_arch seccomp_native_arches[] = {
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, true, false },
	{ "SCMP_ARCH_ARM", SCMP_ARCH_ARM, AUDIT_ARCH_ARM, false, false },
	{ 0 },
};

const struct seccomp_arch seccomp_native_first[] = {
	{ "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, true, false },
	{ 0 },
};

const char seccomp_native_docker_arch[] = "arm64";
const char seccomp_native_names[] = "arm_fadvise64_64 arm_sync_file_range sync_file_range2 "
				    "breakpoint cacheflush set_tls";
