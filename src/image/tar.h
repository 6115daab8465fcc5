/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.h - tar streams in and out, byte for byte as Go's archive/tar understands them, because
 * that is what every layer was made with and is checked by.
 *
 * Read: v7, ustar (POSIX.1-1988), pax (POSIX.1-2001), star's and GNU's extensions (long names,
 * base-256 numbers, sparse files in all four notations). Names and values are bytes: no locale is
 * asked, nothing is converted. Written: pax, with extended records only where ustar does not do.
 *
 * Private to image/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"

#define TAR_BLOCK_SIZE 512

/* Hostile archives end here. */
#define TAR_NAME_MAX	 4095 /* bytes of a name or link target: PATH_MAX without its NUL */
#define TAR_PAX_MAX	 (1u << 20) /* bytes of one pax or GNU long name header, as in Go */
#define TAR_PREFIXES_MAX 16 /* extension headers in front of one entry */
#define TAR_XATTRS_MAX	 1024 /* of one entry */
#define TAR_EXTENTS_MAX	 (1u << 20) /* data pieces of one sparse file */

/* Where a reader takes its bytes from; embedded in its owner. */
struct tar_source {
	/* The next piece, valid until the next call: its length, 0 at the end, -errno (err is set).
	 */
	ssize_t (*read)(struct tar_source *self, const void **ret_bytes, struct error *err);
	/* Pass over this many bytes without reading them; NULL when that is impossible. */
	int (*skip)(struct tar_source *self, uint64_t bytes, struct error *err);
};

enum tar_type {
	TAR_FILE,
	TAR_HARDLINK,
	TAR_SYMLINK,
	TAR_CHAR,
	TAR_BLOCK,
	TAR_DIRECTORY,
	TAR_FIFO,
};

struct tar_xattr {
	char *name; /* "security.capability" */
	void *value;
	size_t size;
};

struct tar_extent {
	uint64_t offset, size;
};

struct tar_entry {
	enum tar_type type;
	const char *name; /* exactly as written: not normalised, may be hostile */
	const char *link; /* target of a hard link or a symbolic link, else "" */
	mode_t mode; /* permission bits with setuid, setgid and sticky */
	uint32_t uid, gid;
	struct timespec mtime, atime; /* atime is mtime when the archive has none */
	uint32_t major, minor;
	uint64_t size; /* of the file as it is to be, holes included */
	const struct tar_xattr *xattrs;
	size_t nr_xattrs;
	bool sparse; /* data comes at the offsets that tar_reader_data() tells */
};

struct tar_reader {
	struct tar_source *source;
	const unsigned char *piece; /* what is left of the source's last piece */
	size_t piece_left;
	uint64_t offset; /* bytes of the stream consumed so far */
	uint64_t data_left, padding; /* of the current entry, as stored */
	uint64_t handed_out; /* bytes of the file, or of extents[extent] when it is sparse */
	size_t extent;
	bool at_end;

	struct str name, link, extended; /* memory kept from entry to entry */
	struct tar_xattr *xattrs;
	size_t nr_xattrs;
	struct tar_extent *extents;
	size_t nr_extents, extents_capacity;
	bool sparse;
};

void tar_reader_init(struct tar_reader *reader, struct tar_source *source);
void tar_reader_free(struct tar_reader *reader);

/* The next entry: 1, 0 at the end of the archive, -EBADMSG with a sentence for what is no tar.
 * Pointers in *ret are good until the next call. Data not yet read is passed over. */
int tar_reader_next(struct tar_reader *reader, struct tar_entry *ret, struct error *err);

/* The next piece of the current file and where in the file it goes; 0 when there is no more. */
ssize_t tar_reader_data(
	struct tar_reader *reader, const void **ret, uint64_t *ret_offset, struct error *err);

/* Read what follows the end marker, so that the source has seen the whole stream. */
int tar_reader_drain(struct tar_reader *reader, struct error *err);

/* --- private to tar*.c ---------------------------------------------------------------------- */

/* What extension headers said about the entry that follows them (tar-extended.c). */
struct tar_extended {
	bool has_path, has_link, has_size, has_uid, has_gid, has_mtime, has_atime;
	uint64_t size, uid, gid;
	struct timespec mtime, atime;
	/* GNU.sparse.*: 0.0 and 0.1 carry the map in the records, 1.0 in front of the data. */
	bool sparse_map_in_records, sparse_map_in_data, has_real_size;
	uint64_t real_size, pending_offset;
	bool has_pending_offset, has_sparse_name;
};

int tar_parse_pax(struct tar_reader *reader, char *text, size_t len, struct tar_extended *ext,
	struct error *err);
int tar_add_extent(struct tar_reader *reader, uint64_t offset, uint64_t size, struct error *err);
/* Sorted, without overlap, inside `size`. */
int tar_check_extents(const struct tar_reader *reader, uint64_t size, struct error *err);
void tar_clear_xattrs(struct tar_reader *reader);

/* --- writing (tar-write.c) ------------------------------------------------------------------- */

struct tar_writer {
	/* All of it, or -errno. */
	int (*write)(struct tar_writer *self, const void *bytes, size_t size);
	uint64_t offset; /* written so far */
	uint64_t data_left; /* of the current file */
};

/* Write the header of an entry; entry->size bytes through tar_writer_data() follow for a file. */
int tar_writer_entry(struct tar_writer *writer, const struct tar_entry *entry, struct error *err);
/* The same for a file with holes: what follows are the bytes of the extents only, in their order.
 * An empty one at entry->size says that there is a hole at the end. */
int tar_writer_sparse(struct tar_writer *writer, const struct tar_entry *entry,
	const struct tar_extent *extents, size_t nr_extents, struct error *err);
int tar_writer_data(struct tar_writer *writer, const void *bytes, size_t size, struct error *err);
/* Pad the last file, write the end marker. */
int tar_writer_finish(struct tar_writer *writer, struct error *err);
