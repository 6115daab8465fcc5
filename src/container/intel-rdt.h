/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intel-rdt.h - classes of service of the file system resctrl. Private to container/ and its tests,
 * which have a directory of their own in place of INTEL_RDT_ROOT.
 */
#pragma once

#include "container/container.h"

#define INTEL_RDT_ROOT "/sys/fs/resctrl"

/* Asked for where there is no resctrl? */
int intel_rdt_check(const struct container_config *config, struct error *err);

/* Put the first process into its class, which is made where the spec says so. On failure nothing is
 * left. */
int intel_rdt_enter(const char *root_path, const struct container_intel_rdt *rdt, const char *id,
	pid_t pid, struct error *err);

/* Another process of the same container. */
int intel_rdt_join(const char *root_path, const struct container_intel_rdt *rdt, const char *id,
	pid_t pid, struct error *err);

/* After the container's end: take away what was made for it. */
void intel_rdt_leave(const char *root_path, const struct container_intel_rdt *rdt, const char *id);
