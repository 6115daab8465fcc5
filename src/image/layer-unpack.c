/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-unpack.c - a tar stream becomes a directory tree that overlayfs can take as a layer.
 *
 * Whiteouts (image-spec layer.md): ".wh.NAME" hides NAME of the layers below and becomes a
 * character device 0:0; ".wh..wh..opq" makes its directory opaque. Neither touches what this same
 * layer brings, in whichever order the entries come. Other names that start with ".wh..wh." are
 * AUFS' own bookkeeping in very old images and are left out, as Docker does.
 *
 * A directory that the layer needs but does not describe is made as root's, mode 0755: a layer is
 * shared by all images that have it, so it must not look like what is below it in one of them
 * (docs/images.md). Times and default ACLs of directories are set at the end, when nothing in them
 * changes any more.
 */
#include "image/layer-unpack.h"

#include <sys/stat.h>

#include "base/io.h"

#define WHITEOUT_PREFIX	     ".wh."
#define WHITEOUT_META_PREFIX ".wh..wh."
#define WHITEOUT_OPAQUE	     ".wh..wh..opq"

struct layer_dir_record {
	struct timespec times[2];
	uint32_t name_size, acl_size; /* bytes that follow: the name, NUL included; a default ACL */
};

static const struct tar_xattr *default_acl(const struct tar_entry *entry)
{
	for (size_t i = 0; i < entry->nr_xattrs; i++)
		if (streq(entry->xattrs[i].name, LAYER_XATTR_DEFAULT_ACL))
			return &entry->xattrs[i];
	return NULL;
}

static int remember_directory(
	struct layer_unpack *u, const char *path, const struct tar_entry *entry, struct error *err)
{
	const struct tar_xattr *acl = default_acl(entry);
	struct layer_dir_record record = {
		.times = { entry->atime, entry->mtime },
		.name_size = (uint32_t)strlen(path) + 1,
		.acl_size = acl ? (uint32_t)acl->size : 0,
	};

	if (u->records.len > LAYER_DIR_MEMORY_MAX)
		return error_set(err, EBADMSG, "the layer has too many directories");
	str_append_n(&u->records, &record, sizeof(record));
	str_append_n(&u->records, path, record.name_size);
	if (acl)
		str_append_n(&u->records, acl->value, record.acl_size);
	return u->records.failed ? error_oom(err) : 0;
}

/* A directory that was replaced since is passed over; one described twice has its last times. */
static int finish_directories(struct layer_unpack *u, struct error *err)
{
	char *at = u->records.data, *end = at ? at + u->records.len : NULL;

	while (at < end) {
		struct layer_dir_record record;
		char *path = at + sizeof(record);
		struct tar_xattr acl = { .name = (char[]){ LAYER_XATTR_DEFAULT_ACL } };
		_cleanup_close_ int fd = -1;
		int r = 0;

		memcpy(&record, at, sizeof(record));
		acl.value = path + record.name_size;
		acl.size = record.acl_size;
		fd = io_open_in_root(
			u->root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd >= 0 && acl.size)
			r = layer_set_xattr(u, fd, NULL, &acl, path, err);
		if (r < 0)
			return r;
		if (fd >= 0)
			futimens(fd, record.times);
		at = path + record.name_size + record.acl_size;
	}
	return 0;
}

static int whiteout(struct layer_unpack *u, const char *hidden, const char *name, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (!*hidden || streq(hidden, ".") || streq(hidden, ".."))
		return error_set(err, EBADMSG, "the layer has an impossible whiteout: /%s", name);
	if (mknodat(u->parent->fd, hidden, S_IFCHR, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "cannot make the whiteout /%s", name);
	/* This layer has a NAME of its own: a directory must not be merged with the lower one. */
	fd = openat(u->parent->fd, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? 0 : layer_set_opaque(u, fd, hidden, err);
}

static int unpack_root(struct layer_unpack *u, const struct tar_entry *entry, struct error *err)
{
	int r;

	if (entry->type != TAR_DIRECTORY)
		return error_set(
			err, EBADMSG, "the layer's root is not a directory (\"%s\")", entry->name);
	/* Its group rule may be another now. */
	layer_forget_names(u);
	r = layer_apply_directory(u, u->root_fd, "", entry, false, err);
	return r < 0 ? r : remember_directory(u, "", entry, err);
}

static int unpack_entry(struct layer_unpack *u, const struct tar_entry *entry, struct error *err)
{
	char name[TAR_NAME_MAX + 1], scratch[TAR_NAME_MAX + 1];
	const char *dir, *leaf;
	int r = layer_clean_name(entry->name, name, err);

	if (r < 0)
		return r;
	if (!*name)
		return unpack_root(u, entry, err);
	memcpy(scratch, name, strlen(name) + 1);
	layer_split_name(scratch, &dir, &leaf);
	r = layer_open_parent(u, &u->trail, dir, false, &u->parent, err);
	if (r < 0)
		return r;
	if (streq(leaf, WHITEOUT_OPAQUE))
		return layer_set_opaque(u, u->parent->fd, dir, err);
	if (str_after_prefix(leaf, WHITEOUT_META_PREFIX))
		return 0;
	if (str_after_prefix(leaf, WHITEOUT_PREFIX))
		return whiteout(u, leaf + strlen(WHITEOUT_PREFIX), name, err);
	r = layer_create_entry(u, leaf, name, entry, err);
	if (r == 0 && entry->type == TAR_DIRECTORY)
		r = remember_directory(u, name, entry, err);
	return r;
}

/* The umask, without changing it even for a moment: other threads are writing files. */
static mode_t current_umask(void)
{
	_cleanup_free_ char *text = NULL;
	const char *line;

	if (io_read_file(AT_FDCWD, "/proc/self/status", 64u << 10, &text, NULL, NULL) < 0)
		return 0777;
	line = strstr(text, "\nUmask:");
	return line ? (mode_t)strtoul(line + strlen("\nUmask:"), NULL, 8) : 0777;
}

static int unpack_stream(struct layer_unpack *u, struct error *err)
{
	struct tar_entry entry;
	int r;

	while ((r = tar_reader_next(&u->reader, &entry, err)) > 0) {
		if (++u->entries > u->options->max_entries)
			return error_set(err, EBADMSG, "the layer has more than %llu entries",
				(unsigned long long)u->options->max_entries);
		r = unpack_entry(u, &entry, err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		r = tar_reader_drain(&u->reader, err);
	if (r < 0)
		return r;
	layer_forget_parents(u);
	return finish_directories(u, err);
}

int layer_unpack_tree(struct layer_unpack *u, struct tar_source *source, int root_fd,
	const struct layer_unpack_options *options, struct error *err)
{
	int r;

	*u = (struct layer_unpack){
		.options = options,
		.root_fd = root_fd,
		.umask = current_umask(),
	};
	tar_reader_init(&u->reader, source);
	r = unpack_stream(u, err);
	layer_forget_parents(u);
	tar_reader_free(&u->reader);
	str_free(&u->records);
	return r;
}
