/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.h - files that a machine boots: what they are, and where they go.
 *
 * The file is hostile: what its headers say is checked against the file and against the memory
 * there is before anything is done with it.
 */
#pragma once

#include "machine/machine.h"
#include "vm/vm.h"

#define KERNEL_BYTES_MAX (UINT64_C(1) << 30) /* of a file, and of what is in it */

enum kernel_format {
	KERNEL_IMAGE, /* Linux' own, uncompressed: Documentation/arch/riscv/boot-image-header.rst */
	KERNEL_BZIMAGE, /* Linux' own for x86: Documentation/arch/x86/boot.rst */
	KERNEL_ELF,
	KERNEL_RAW, /* none that we know: bytes that are executed from the first on (firmware) */
};

struct kernel {
	char *bytes; /* decompressed; the caller's, for kernel_free() */
	size_t size;
	enum kernel_format format;
};

/* Where it lies in guest memory, and where it begins. */
struct kernel_place {
	uint64_t start, end, entry;
};

/*
 * Read a file for a machine of this architecture: Image, vmlinuz (EFI zboot), bzImage or ELF, the
 * first also gzip'd or zstd'd. One that is for another CPU, or none of these, is an error that says
 * so (-ENOEXEC), unless `is_raw_allowed`.
 */
int kernel_read(const char *path, enum machine_arch arch, bool is_raw_allowed, struct kernel *ret,
	struct error *err);
/* The same with bytes that are read already, which become the kernel's even when it fails. */
int kernel_parse(char *bytes, size_t size, enum machine_arch arch, bool is_raw_allowed,
	struct kernel *ret, struct error *err);
void kernel_free(struct kernel *kernel);
/* What the file's first bytes say it is for; MACHINE_ARCH_OF_KERNEL: they do not. */
int kernel_peek(const char *path, enum machine_arch *ret, struct error *err);

/*
 * Put it into memory: an ELF file and a bzImage (without its real-mode part) where they say, an
 * Image its own offset behind `start`, raw bytes at `start`. A bzImage's end is behind all that it
 * needs before it looks for memory itself, its entry that of 64 bits. The memory is all 0. -ENOSPC
 * when there is no room.
 */
int kernel_load(const struct kernel *kernel, struct vm_memory *memory, uint64_t start,
	struct kernel_place *ret, struct error *err);
