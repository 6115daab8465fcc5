/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-file.h - what the archive-*.c files share: an archive or layout folder that can be read
 * by name, layers on their way into the store, and descriptors. Private to image/.
 */
#pragma once

#include <archive.h>

#include "image/archive.h"
#include "image/blob.h"
#include "image/compress.h"
#include "base/decompress.h"
#include "image/internal.h"
#include "image/tar.h"

#define ARCHIVE_BUFFER_SIZE (256u << 10)
#define ARCHIVE_ENTRIES_MAX 65536 /* of a docker-archive or oci-archive: a few per layer */
#define ARCHIVE_LINKS_MAX   8 /* links to follow from one name to a file */

/* --- archive-progress.c --------------------------------------------------------------------- */

/* Who is told how far an import or save is, once it has taken a second. */
struct archive_progress {
	struct image_progress *to; /* may be NULL */
	int64_t started_ns;
};

/* One blob or layer on its way. */
struct archive_step {
	const struct archive_progress *progress; /* may be NULL */
	const char *name; /* a digest, or a word for what has none yet */
	const char *phase;
	uint64_t done, total;
	bool told;
};

void archive_step_advance(struct archive_step *step, uint64_t bytes);
/* Its line is ended, when it has one. */
void archive_step_end(struct archive_step *step, const char *phase);

/* --- archive-source.c: bytes of a file, decompressed --------------------------------------- */

/* A part of a file. */
struct archive_region {
	int fd;
	uint64_t offset, size; /* size may be UINT64_MAX: to the end */
};

/* Its size; 0 when that cannot be told. */
uint64_t archive_region_size(const struct archive_region *region);

enum archive_packing {
	ARCHIVE_PLAIN,
	ARCHIVE_GZIP,
	ARCHIVE_ZSTD,
	ARCHIVE_OTHER, /* xz, bzip2, lz4, lzma: through libarchive */
};

/* Told by the first bytes; libarchive is asked for what we do not know ourselves. */
int archive_find_packing(
	const struct archive_region *region, enum archive_packing *ret, struct error *err);

/* Reads a region as plain bytes, or as they are with `raw`. Too large for a stack. */
struct archive_source {
	struct tar_source source;
	struct archive_region region;
	enum archive_packing packing; /* PLAIN when raw */
	struct decompressor decompressor;
	struct archive *filter; /* libarchive */
	struct archive_step *step; /* advances as the region is read; may be NULL */
	char in[ARCHIVE_BUFFER_SIZE], out[ARCHIVE_BUFFER_SIZE];
};

int archive_source_open(const struct archive_region *region, bool raw, struct archive_source **ret,
	struct error *err);
struct archive_source *archive_source_free(struct archive_source *source);
static inline void cleanup_archive_source(struct archive_source **source)
{
	archive_source_free(*source);
}
#define _cleanup_archive_source_ _cleanup_(cleanup_archive_source)

/* --- archive-file.c: a tar or a folder, by name --------------------------------------------- */

struct archive_entry_info {
	char *name; /* cleaned: no leading "./" */
	char *link; /* cleaned name it stands for, or NULL */
	uint64_t offset, size;
};

struct archive_file {
	int fd; /* the tar (plain, seekable), the rootfs tar as it came, or the folder */
	bool folder;
	enum image_archive_format format;
	char *path; /* for sentences */
	struct archive_entry_info *entries; /* of a tar, sorted by name */
	size_t nr_entries, capacity;
	struct archive_progress progress; /* of the import */
};

/* Open `path` and find out what it is, unless `format` says so already. */
int archive_file_open(const struct image_store *store, const char *path,
	enum image_archive_format format, struct archive_file *ret, struct error *err);
void archive_file_close(struct archive_file *file);

/* Find a file. ret->fd is to be closed by the caller. -ENOENT when it is not there. */
int archive_file_find(const struct archive_file *file, const char *name, struct archive_region *ret,
	struct error *err);
/* Read a small one whole. */
int archive_file_read(const struct archive_file *file, const char *name, size_t max_bytes,
	char **ret, size_t *ret_len, struct error *err);

/* --- archive-layer.c ----------------------------------------------------------------------- */

/* What a manifest says about a blob. */
struct archive_descriptor {
	char media_type[80];
	char digest[IMAGE_DIGEST_LEN + 1];
	uint64_t size;
};

/*
 * Put a layer's tar into the store and unpack it in the same pass. One that is gzip or zstd already
 * stays as it is, byte for byte; another is compressed as `compression` says. ret_diff_id holds
 * IMAGE_DIGEST_LEN + 1 bytes; expected_diff_id may be NULL.
 */
int archive_add_layer(const struct image_store *store, const struct archive_region *region,
	enum image_compression compression, const char *expected_diff_id,
	const struct archive_progress *progress, struct archive_descriptor *ret, char *ret_diff_id,
	struct error *err);

/* Store a document. */
int archive_add_document(const struct image_store *store, const char *media_type, const char *text,
	struct archive_descriptor *ret, struct error *err);
/* Write and store the manifest of a configuration and its layers. */
int archive_add_manifest(const struct image_store *store, const struct archive_descriptor *config,
	const struct archive_descriptor *layers, size_t nr_layers, struct archive_descriptor *ret,
	struct error *err);

/* The descriptor as JSON, with a platform when there is one. NULL when memory ran out. */
json_t *archive_descriptor_json(
	const struct archive_descriptor *descriptor, const struct image_platform *platform);

/* --- the formats --------------------------------------------------------------------------- */

int archive_import_oci(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, char ***names, struct error *err);
int archive_import_docker(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, char ***names, struct error *err);
int archive_import_rootfs(const struct image_store *store, const struct archive_file *file,
	const struct image_import_options *options, char ***names, struct error *err);

/* Name what was imported (full or NULL) and say so in *names. `config_digest` is what an image
 * without a name is called. */
int archive_set_name(const struct image_store *store, const char *full_name,
	const json_t *descriptor, const char *config_digest, char ***names, struct error *err);
/* "debian" -> "docker.io/library/debian:latest". */
int archive_full_name(const char *text, char **ret, struct error *err);

/* archive-config.c: the configuration document of a root filesystem tar. */
int archive_make_config(const struct image_platform *platform, const char *diff_id,
	char *const *changes, const char *message, char **ret_text, struct error *err);
