/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.h - kernels for machines: the contract of the folder.
 *
 * ROOT/kernels/ is an image store of its own (image/image.h): a kernel is an OCI image, so that
 * every registry keeps it and every tool copies it, but none of the images that `strata images`
 * lists. Its one layer has
 *   boot/vmlinux             what is booted: an Image or an ELF file, never compressed; or a
 *                            bzImage, which decompresses itself
 *   lib/modules/RELEASE/     its modules as their distribution has them
 * and its labels say what that is (KERNEL_LABEL_*). A name stands for one kernel per platform; the
 * one that machines run without being told is called KERNEL_DEFAULT with the platform's
 * architecture for a tag.
 *
 * ROOT/kernels/boot/HEX-SIZE-TIME.cpio is the initial file system: the modules that a machine needs
 * of the layer HEX, and our guest/init, whose file has that size and time. Made when it is missing.
 *
 * find.c, host.c and probe.c are what the small program needs; the rest is strata-image's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "image/image.h"

#define KERNEL_FOLDER	     "kernels"
#define KERNEL_DEFAULT	     "kernel"
#define KERNEL_LABEL_RELEASE "org.strata.kernel.release"
#define KERNEL_LABEL_FORMAT  "org.strata.kernel.format"
#define KERNEL_FILE	     "boot/vmlinux"
#define KERNEL_MODULES	     "lib/modules"
#define KERNEL_FILE_MAX	     (512u << 20) /* bytes, uncompressed */
#define KERNEL_RELEASE_MAX   128

/* --- what a file is (probe.c) ------------------------------------------------------------------
 */

enum kernel_format {
	KERNEL_FORMAT_UNKNOWN,
	KERNEL_FORMAT_IMAGE, /* Linux Documentation/arch/riscv/boot-image-header.rst,
				arm64/booting.rst */
	KERNEL_FORMAT_ELF,
	KERNEL_FORMAT_BZIMAGE, /* Documentation/arch/x86/boot.rst */
	KERNEL_FORMAT_ZBOOT, /* an EFI program with a compressed one of these inside */
	KERNEL_FORMAT_COUNT,
};

struct kernel_facts {
	enum kernel_format format;
	const char *architecture; /* Go's name; NULL: not said (a ZBOOT does not) */
	uint64_t payload_offset, payload_size; /* of a ZBOOT */
};

#define KERNEL_HEAD_BYTES 1024 /* what kernel_probe() looks at */

/* What begins with these bytes; -ENOEXEC (without a sentence) when it is no kernel. */
int kernel_probe(const void *head, size_t len, struct kernel_facts *ret);
const char *kernel_format_name(enum kernel_format format);
/* "6.12.1-riscv64" out of "Linux version ..." in an uncompressed kernel, or out of a bzImage's
 * header; false: it does not say. */
bool kernel_find_release(
	enum kernel_format format, const void *bytes, size_t len, char ret[KERNEL_RELEASE_MAX]);

/* --- what is stored (find.c) -------------------------------------------------------------------
 */

/* All absolute paths. */
struct kernel {
	char *name; /* full reference, or NULL */
	char *digest; /* of its manifest */
	char *release, *format; /* as its labels say; "" when they do not */
	char *layer; /* the unpacked layer's folder */
	char *vmlinux;
	char *initramfs; /* may be missing: kernel_make_initramfs() */
	struct image_platform platform;
};

void kernel_free(struct kernel *kernel);
#define _cleanup_kernel_ _cleanup_(kernel_free)

/* The store of kernels below the state root, made on first use. */
int kernel_store_open(const char *root, struct image_store *ret, struct error *err);

/*
 * The kernel called `name` (NULL: the default) for that architecture. -ENOENT: there is none, with
 * a sentence that says how to get one. -ESTALE: stored, but its layer is not unpacked.
 */
int kernel_find(const char *root, const char *name, const char *architecture, struct kernel *ret,
	struct error *err);

/* A kernel that this host boots, and the folder of its modules (host.c). */
struct kernel_on_host {
	char *file, *modules;
};

void kernel_on_host_free(struct kernel_on_host *found);

/*
 * One for that architecture below `top`: the kernel that runs, else the last by its name. -ENOENT,
 * without a sentence: there is none. -EACCES: there is one, but not for this user.
 */
int kernel_find_on_host(
	const char *top, const char *architecture, struct kernel_on_host *ret, struct error *err);

/* KERNEL_DEFAULT:ARCH */
char *kernel_default_name(const char *architecture);

/* Path of guest/init for that architecture; -ENOENT says that this build has none. */
int kernel_init_path(const char *architecture, char *buf, size_t size, struct error *err);

/* --- making (strata-image only) ----------------------------------------------------------------
 */

struct kernel_import_options {
	const char *file; /* any kernel_format, or one of these compressed by gzip, xz or zstd */
	const char *modules; /* lib/modules/RELEASE, or a folder that has it below; NULL: none */
	const char *name; /* NULL: the default's */
	const char *architecture; /* what it must be for; NULL: whatever it is */
};

/* Take a kernel in; its initial file system is made, too. *ret is for kernel_free(). */
int kernel_import(const char *root, const struct kernel_import_options *options, struct kernel *ret,
	struct error *err);

/* Debian's kernel of that suite (NULL: the one we know), through this host's apt. */
int kernel_fetch_debian(const char *root, const char *architecture, const char *suite,
	const char *name, struct kernel *ret, struct error *err);

/* Make kernel->initramfs unless it is there. */
int kernel_make_initramfs(const char *root, const struct kernel *kernel, struct error *err);
