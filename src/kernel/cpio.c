/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpio.c - the archive that the kernel unpacks into its first filesystem: "newc" headers of
 * hexadecimal digits, names and contents padded to four bytes (Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst). It is reproducible: no times, all
 * of it root's.
 */
#include "kernel/internal.h"

#include <sys/stat.h>

#define TRAILER "TRAILER!!!"

static void pad(struct str *archive)
{
	while (!archive->failed && archive->len % 4)
		str_append_char(archive, '\0');
}

static void add(struct str *archive, const char *name, mode_t mode, unsigned major, unsigned minor,
	const void *bytes, size_t len)
{
	/* Inode, mode, uid, gid, links, mtime, size, device (major, minor), what a node is (major,
	 * minor), length of the name, checksum. The inode only tells hard links, which we have not.
	 */
	str_appendf(archive, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 0,
		mode, 0, 0, S_ISDIR(mode) ? 2 : 1, 0, len, 0, 0, major, minor, strlen(name) + 1, 0);
	str_append_n(archive, name, strlen(name) + 1);
	pad(archive);
	if (len)
		str_append_n(archive, bytes, len);
	pad(archive);
}

void cpio_add(struct str *archive, const char *name, mode_t mode, const void *bytes, size_t len)
{
	add(archive, name, mode, 0, 0, bytes, len);
}

void cpio_add_device(
	struct str *archive, const char *name, mode_t mode, unsigned major, unsigned minor)
{
	add(archive, name, mode, major, minor, NULL, 0);
}

void cpio_end(struct str *archive)
{
	add(archive, TRAILER, 0, 0, 0, NULL, 0);
}
