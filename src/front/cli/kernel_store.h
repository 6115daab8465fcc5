/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_store.h - what the verbs of `kernel` share.
 */
#pragma once

#include "front/cli/cli.h"
#include "front/cli/verbs.h"
#include "kernel/kernel.h"

/* What --platform is when it is not given, for --help. */
#define KERNEL_PLATFORM_DEFAULT "what `run --isolation vm` means here"

/* --platform, or the default; its architecture is what kernels are told apart by. */
int kernel_platform(const char *text, struct image_platform *ret, struct error *err);

/* After a kernel was taken in: print what it is called. */
void kernel_print(const struct kernel *kernel);
