/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of kernel/ share and nobody else sees.
 */
#pragma once

#include <elf.h>

#include "base/str.h"
#include "kernel/kernel.h"

/* --- unpack.c ----------------------------------------------------------------------------------
 */

/* What may be compressed by gzip, xz, zstd, lzma, lz4 or bzip2 as what it was before, of at most
 * `max` bytes. The caller frees *ret. */
int kernel_unpack(
	const void *bytes, size_t len, size_t max, char **ret, size_t *ret_len, struct error *err);
int kernel_unpack_file(
	int dir_fd, const char *path, size_t max, char **ret, size_t *ret_len, struct error *err);

/* --- modules.c ---------------------------------------------------------------------------------
 */

struct module {
	char *name; /* with _ for - */
	char *path; /* below the folder */
	bool visited; /* it is in the list of what is needed, or on its way there */
};

/* The modules below a folder lib/modules/RELEASE, by name. */
struct modules {
	int dir_fd; /* the caller's */
	struct module *list;
	size_t count, capacity;
	char *builtin; /* the text of modules.builtin; NULL: it is not there */
};

#define MODULE_FILE_MAX (64u << 20) /* bytes, uncompressed */

int modules_open(int dir_fd, struct modules *ret, struct error *err);
void modules_close(struct modules *modules);
#define _cleanup_modules_ _cleanup_(modules_close)

/* Is it there, or part of the kernel itself? Without modules.builtin whatever is no module is. */
bool modules_have(const struct modules *modules, const char *name);

/*
 * Calls `each` for the module `name` and all that it needs, those first, each once in the life of
 * `modules`, with its uncompressed content. 0 as well when there is no module of that name.
 */
int modules_need(struct modules *modules, const char *name,
	int (*each)(void *context, const struct module *module, const char *bytes, size_t len,
		struct error *err),
	void *context, struct error *err);

/*
 * What a module says of itself: the text of `key` in its section .modinfo ("depends", "softdep"),
 * the first one at *cursor == 0, then the next; NULL when there is none. It lies in the module.
 */
const char *module_info(const char *bytes, size_t len, const char *key, size_t *cursor);

/* [offset, offset + size) is in a file of that length. */
bool module_within(uint64_t offset, uint64_t size, size_t len);
/* The header of the section of that name, whose content is in the file: where it is, or 0. */
uint64_t module_find_section(const char *bytes, size_t len, const char *wanted, Elf64_Shdr *ret);

/* --- module-lighten.c ----------------------------------------------------------------------------
 */

/* Take out, in place, what only makes a module slow to load in a guest; its new length. */
size_t module_lighten(char *bytes, size_t len);

/* --- cpio.c: the "newc" format of Linux's Documentation/driver-api/early-userspace -------------
 */

void cpio_add(struct str *archive, const char *name, mode_t mode, const void *bytes, size_t len);
void cpio_add_device(
	struct str *archive, const char *name, mode_t mode, unsigned major, unsigned minor);
void cpio_end(struct str *archive);

/* --- initramfs.c -------------------------------------------------------------------------------
 */

/* Does the folder lib/modules/RELEASE have all that a machine cannot do without? */
int kernel_check_modules(const char *path, struct error *err);

/* --- find.c ------------------------------------------------------------------------------------
 */

/* Is it lib/modules/RELEASE of a kernel that has any? */
bool kernel_holds_modules(const char *folder);
/* The one folder in DIR/lib/modules, DIR/usr/lib/modules or DIR, or DIR itself, that holds modules:
 * its path, and the release that it is for. */
int kernel_find_modules(const char *folder, char **ret_path, char **ret_release, struct error *err);
