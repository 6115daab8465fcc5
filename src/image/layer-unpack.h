/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-unpack.h - what the files of the unpacker share. Private to image/layer*.c.
 */
#pragma once

#include <time.h>

#include "image/layer.h"
#include "image/tar.h"

#define LAYER_DEPTH_MAX	     256 /* components of one name in a layer */
#define LAYER_OPEN_MAX	     16 /* directories above the current entry that are kept open */
#define LAYER_DIR_MEMORY_MAX (256u << 20) /* bytes of directory names kept for their times */

#define LAYER_XATTR_OPAQUE	"trusted.overlay.opaque"
#define LAYER_XATTR_OPAQUE_USER "user.overlay.opaque"
/* Of a directory: set when nothing is made in it any more that would inherit it. */
#define LAYER_XATTR_DEFAULT_ACL "system.posix_acl_default"

struct layer_unpack_options {
	bool rootless; /* we are root of a user namespace: no devices, user.overlay.* */
	bool single_id; /* only one id is mapped: owners cannot be kept */
	uint64_t max_entries;
};

/* An open directory of the layer. */
struct layer_parent {
	int fd; /* -1 = none */
	bool inherits_group; /* setgid: new entries get the directory's group */
	size_t path_len; /* of the cleaned name it was opened by */
};

/*
 * The directories an archive walks through: each one's name begins with the one's before it, so
 * that all of them are in `path`. An archive that goes through a tree in order opens each
 * directory once, when it makes it.
 */
struct layer_trail {
	struct layer_parent parents[LAYER_OPEN_MAX];
	size_t count;
	bool stale; /* names may have another meaning: closed before the next entry */
	char path[TAR_NAME_MAX + 1];
};

struct layer_unpack {
	const struct layer_unpack_options *options;
	struct tar_reader reader;
	int root_fd;
	mode_t umask;
	struct layer_parent *parent; /* of the current entry: the last of `trail` */
	struct layer_trail trail, link_trail; /* of names, of hard links' targets */
	/* What is set last on directories: struct layer_dir_record and its bytes, in turn. */
	struct str records;
	uint64_t bytes, entries;
	unsigned skipped_devices, skipped_owners, skipped_xattrs;
};

/* Unpack the whole stream below root_fd, an empty directory. Fills u->bytes and u->entries. */
int layer_unpack_tree(struct layer_unpack *u, struct tar_source *source, int root_fd,
	const struct layer_unpack_options *options, struct error *err);

/* --- layer-path.c: names of a layer, and the directories they stand in -------------------------
 */

/* Clean a name lexically as Go's filepath.Clean("/" + name) does, without the leading slash: ".."
 * stops at the root, "" is the root itself. -EBADMSG when it is too deep. */
int layer_clean_name(const char *name, char buf[TAR_NAME_MAX + 1], struct error *err);

/* Split a cleaned, non-empty name at its last slash; *ret_leaf points into it. */
void layer_split_name(char *name, const char **ret_dir, const char **ret_leaf);

/* Open the directory `path` (cleaned) of the layer, or find it in the trail, whose last one it is
 * then; missing ones are created unless `must_exist`. It is valid until the next such call. */
int layer_open_parent(struct layer_unpack *u, struct layer_trail *trail, const char *path,
	bool must_exist, struct layer_parent **ret, struct error *err);
/* u->parent has a directory `path` that is open as `fd`, which the trail takes: the next entries
 * are probably in it. */
void layer_enter(struct layer_unpack *u, const char *path, int fd, bool inherits_group);
/* Do not use the open directories for the next entry; u->parent stays open for this one. */
void layer_forget_names(struct layer_unpack *u);
/* Close them. */
void layer_forget_parents(struct layer_unpack *u);

/* Mark a directory as hiding what lower layers have in it. */
int layer_set_opaque(struct layer_unpack *u, int dir_fd, const char *name, struct error *err);
bool layer_is_whiteout(int dir_fd, const char *leaf);

/* --- layer-entry.c: one entry --------------------------------------------------------------- */

/* Create the entry `leaf` of u->parent; `name` is for sentences. */
int layer_create_entry(struct layer_unpack *u, const char *leaf, const char *name,
	const struct tar_entry *entry, struct error *err);
/* One attribute of the open file fd, or of `path` when fd is -1. */
int layer_set_xattr(struct layer_unpack *u, int fd, const char *path, const struct tar_xattr *x,
	const char *name, struct error *err);
/* Owner, mode and xattrs of an open directory, which is new in u->parent or may have any. */
int layer_apply_directory(struct layer_unpack *u, int fd, const char *name,
	const struct tar_entry *entry, bool is_new, struct error *err);
