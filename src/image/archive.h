/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive.h - images in files: docker-archive and oci-archive tars, OCI layout folders, root
 * filesystem tars. Docker's `save`/`load`/`import`/`export` are rows over these.
 */
#pragma once

#include "image/image.h"
#include "image/transfer.h"

enum image_archive_format {
	IMAGE_ARCHIVE_AUTO, /* input only: found out by looking */
	IMAGE_ARCHIVE_OCI,
	IMAGE_ARCHIVE_OCI_DIR,
	IMAGE_ARCHIVE_DOCKER,
	IMAGE_ARCHIVE_ROOTFS,
};

/* How a layer that comes uncompressed is kept. */
enum image_compression {
	IMAGE_COMPRESSION_GZIP, /* the default: everybody reads it */
	IMAGE_COMPRESSION_ZSTD,
	IMAGE_COMPRESSION_NONE,
	IMAGE_COMPRESSION_COUNT,
};

struct image_import_options {
	enum image_archive_format format;
	enum image_compression compression;
	const char *name; /* reference to give; NULL keeps those in the archive */
	const char *platform; /* of a root filesystem tar; NULL = the host's */
	char *const *changes; /* Dockerfile-like "CMD [...]", "ENV A=B", ... for a rootfs tar */
	const char *message; /* history comment of a rootfs tar */
	/* For a multi-platform image made of several rootfs tars: add this platform to the index
	 * that `name` already names instead of replacing it. */
	bool add_platform;
	bool images_only; /* a root filesystem tar is an error (`load`) */
	/* Told from the second second on. NULL: nobody. */
	struct image_progress *progress;
};

/* Import `path` ("-" = stdin; a folder for an OCI layout). *ret_names: what can be run now. */
int image_import(const struct image_store *store, const char *path,
	const struct image_import_options *options, char ***ret_names, struct error *err);

/* Write the images named by the user (NULL-ended) to `path` ("-" = stdout). */
int image_save(const struct image_store *store, char *const *names, const char *path,
	enum image_archive_format format, const char *platform, struct image_progress *progress,
	struct error *err);
