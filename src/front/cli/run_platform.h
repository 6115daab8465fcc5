/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run_platform.h - whose programs can run here.
 */
#pragma once

#include "image/image.h"

/* The first, the second, ... of the platforms whose programs are translated here; -ENOENT after the
 * last one, or where the helper program for it is missing. */
int run_platform_translated(size_t index, struct image_platform *ret);

/* The architecture, as container_config.translate has it, that programs of `platform` have to be
 * translated from; NULL: they are this machine's own, or nobody here translates them. */
const char *run_platform_needs_translation(const struct image_platform *platform);

/* "linux/amd64, and linux/riscv64 by translation"; the caller's to free. NULL when memory ran out.
 */
char *run_platform_describe_all(void);
