/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdso.h - the page of code that the kernel gives every riscv64 program (AT_SYSINFO_EHDR).
 */
#pragma once

#include <stdint.h>

#define VDSO_SIZE 4096

/* Where in it a signal handler returns to. */
#define VDSO_SIGNAL_RETURN 0x800

/* Write the shared object into a page. */
void vdso_build(uint8_t page[VDSO_SIZE]);
