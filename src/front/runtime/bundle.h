/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle.h - a directory with config.json and a root filesystem (runtime-spec bundle.md).
 */
#pragma once

#include "container/container.h"
#include "front/runtime/runtime.h"

/*
 * Read config.json of the directory dir_fd: the bundle's own, or a copy of it. Paths in it are made
 * absolute by `bundle`, the bundle's absolute path. *ret_text (may be NULL) is the document as it
 * stands, the caller's.
 */
int bundle_load(int dir_fd, const char *bundle, struct container_config *ret, char **ret_text,
	struct error *err);

/* foreign.c: set config->translate, if the command's file is for a CPU that needs it. What cannot
 * be told is left to execve(2). */
int bundle_find_foreign(struct container_config *config, struct error *err);

/* Decide config->cgroup_path and cgroup_unit: what "cgroupsPath" means to the chosen manager, or a
 * name by the ID where it is missing. No path where there is to be no cgroup. *ret_given: it was
 * the document's. */
int bundle_choose_cgroup(struct runtime *runtime, const char *id, struct container_config *config,
	bool *ret_given, struct error *err);
