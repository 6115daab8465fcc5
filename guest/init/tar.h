/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.h - what pack.c and unpack.c have in common: an archive as both write and read it
 * (POSIX.1-2001, pax interchange format), in a child that has nothing else to do.
 *
 * ustar headers, with pax records where a name, a link or a number does not fit, SCHILY.xattr.* for
 * extended attributes, and GNU.sparse.* (GNU tar, format 1.0) for files with holes.
 */
#pragma once

#include "internal.h"

#define TAR_BLOCK  512
#define TAR_COPY   65536 /* bytes at a time */
#define TAR_PAX	   (256u << 10) /* bytes of the records of one entry */
#define TAR_XATTR  "SCHILY.xattr."
#define TAR_PIECES 4096 /* of a file with holes; one with more is packed as if it had none */

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[8], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "a block of an archive");

struct tar_piece {
	uint64_t offset, size;
};

/* Overlayfs would be spoken to by the first two; a policy's labels are those of another kernel. */
static inline bool tar_leaves_out(const char *xattr)
{
	return text_begins(xattr, "trusted.overlay.") || text_begins(xattr, "user.overlay.") ||
		text_equal(xattr, "security.selinux");
}
