/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-entry.c - one entry of a layer becomes one file.
 *
 * A later entry replaces an earlier one of the same name, except that a directory stays and takes
 * the new metadata. Metadata order matters: content, owner (chown clears setuid and capabilities),
 * mode, xattrs, times. A system call is made only where the file would otherwise be wrong: we are
 * root here, so most files already have their owner, and modes rarely meet the umask.
 */
#include "image/layer-unpack.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/log.h"

/* What a directory is made with, so that things can be put into it whoever we are. */
#define DIRECTORY_MODE_MIN 0700

/* Overlayfs' own attributes would let an archive speak to the overlay mount; SELinux labels belong
 * to the host's policy (umoci leaves them out too). */
static bool is_host_xattr(const char *name)
{
	return str_after_prefix(name, "trusted.overlay.") ||
		str_after_prefix(name, "user.overlay.") || streq(name, "security.selinux");
}

int layer_set_xattr(struct layer_unpack *u, int fd, const char *path, const struct tar_xattr *x,
	const char *name, struct error *err)
{
	int r = fd >= 0 ? fsetxattr(fd, x->name, x->value, x->size, 0)
			: lsetxattr(path, x->name, x->value, x->size, 0);

	if (r == 0)
		return 0;
	if (errno != ENOTSUP && errno != EPERM)
		return error_errno(err, errno, "cannot set attribute %s of /%s", x->name, name);
	if (u->skipped_xattrs++ == 0)
		log_warning("attribute %s of /%s is not kept: %s", x->name, name, strerror(errno));
	return 0;
}

/* fd, or dir_fd + leaf when fd is -1 (links, devices: they cannot be opened). */
static int set_xattrs(struct layer_unpack *u, int fd, int dir_fd, const char *leaf,
	const char *name, const struct tar_entry *entry, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	int r = 0;

	if (!entry->nr_xattrs)
		return 0;
	if (fd < 0) {
		path = strf("/proc/self/fd/%d/%s", dir_fd, leaf);
		if (!path)
			return error_oom(err);
	}
	for (size_t i = 0; r == 0 && i < entry->nr_xattrs; i++) {
		const struct tar_xattr *x = &entry->xattrs[i];

		if (!is_host_xattr(x->name) && !streq(x->name, LAYER_XATTR_DEFAULT_ACL))
			r = layer_set_xattr(u, fd, path, x, name, err);
	}
	return r;
}

/* A failed chown: 0 when it is to be lived with. */
static int handle_chown_error(struct layer_unpack *u, const char *name,
	const struct tar_entry *entry, int code, struct error *err)
{
	if (u->options->rootless && u->options->single_id && (code == EINVAL || code == EPERM)) {
		if (u->skipped_owners++ == 0)
			log_warning("owners of the layer's files are not kept: no subordinate ids "
				    "(/etc/subuid, newuidmap) to map them to");
		return 0;
	}
	if (u->options->rootless && code == EINVAL)
		return error_set(err, code,
			"cannot give /%s the owner %u:%u: not in this user's range of /etc/subuid and /etc/subgid",
			name, entry->uid, entry->gid);
	return error_errno(
		err, code, "cannot give /%s the owner %u:%u", name, entry->uid, entry->gid);
}

static bool needs_chown(const struct layer_unpack *u, const struct tar_entry *entry)
{
	return entry->uid != 0 || entry->gid != 0 || u->parent->inherits_group;
}

static void entry_times(const struct tar_entry *entry, struct timespec times[2])
{
	times[0] = entry->atime;
	times[1] = entry->mtime;
}

/* Something of that name is in the way: take it away. */
static int remove_old(struct layer_unpack *u, const char *leaf, const char *name, struct error *err)
{
	int r = io_remove_tree(u->parent->fd, leaf, err);

	if (r < 0)
		return error_prefix(err, "cannot replace /%s", name);
	/* What other names mean may have changed: a link or a directory went. */
	layer_forget_names(u);
	return 0;
}

/* --- files ---------------------------------------------------------------------------------- */

static int write_content(struct layer_unpack *u, int fd, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	const void *piece;
	uint64_t offset;
	ssize_t n;

	while ((n = tar_reader_data(&u->reader, &piece, &offset, err)) > 0) {
		int r = 0;

		if (entry->sparse && lseek(fd, (off_t)offset, SEEK_SET) < 0)
			r = -errno;
		if (r == 0)
			r = io_write_full(fd, piece, (size_t)n);
		if (r < 0)
			return error_errno(err, r, "cannot write /%s", name);
		u->bytes += (uint64_t)n;
	}
	if (n < 0)
		return (int)n;
	if (entry->sparse && ftruncate(fd, (off_t)entry->size) < 0)
		return error_errno(err, errno, "cannot write /%s", name);
	return 0;
}

static int apply_file(struct layer_unpack *u, int fd, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	struct timespec times[2];
	int r;

	if (needs_chown(u, entry) && fchown(fd, entry->uid, entry->gid) < 0) {
		r = handle_chown_error(u, name, entry, errno, err);
		if (r < 0)
			return r;
	}
	if ((entry->mode & (07000 | u->umask)) && fchmod(fd, entry->mode) < 0)
		return error_errno(err, errno, "cannot set the mode of /%s", name);
	r = set_xattrs(u, fd, -1, NULL, name, entry, err);
	if (r < 0)
		return r;
	entry_times(entry, times);
	if (futimens(fd, times) < 0)
		return error_errno(err, errno, "cannot set the times of /%s", name);
	return 0;
}

static int create_file(struct layer_unpack *u, const char *leaf, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int fd = openat(u->parent->fd, leaf, flags, entry->mode & 0777);
	int r;

	if (fd < 0 && errno == EEXIST) {
		r = remove_old(u, leaf, name, err);
		if (r < 0)
			return r;
		fd = openat(u->parent->fd, leaf, flags, entry->mode & 0777);
	}
	if (fd < 0)
		return error_errno(err, errno, "cannot create /%s", name);
	r = write_content(u, fd, name, entry, err);
	return r < 0 ? r : apply_file(u, fd, name, entry, err);
}

/* --- directories ---------------------------------------------------------------------------- */

int layer_apply_directory(struct layer_unpack *u, int fd, const char *name,
	const struct tar_entry *entry, bool is_new, struct error *err)
{
	bool right_mode = is_new && (entry->mode & DIRECTORY_MODE_MIN) == DIRECTORY_MODE_MIN &&
		!(entry->mode & (07000 | u->umask)) && !u->parent->inherits_group;

	if ((!is_new || needs_chown(u, entry)) && fchown(fd, entry->uid, entry->gid) < 0) {
		int r = handle_chown_error(u, name, entry, errno, err);

		if (r < 0)
			return r;
	}
	if (!right_mode && fchmod(fd, entry->mode) < 0)
		return error_errno(err, errno, "cannot set the mode of /%s", name);
	return set_xattrs(u, fd, -1, NULL, name, entry, err);
}

static int make_new_directory(
	struct layer_unpack *u, const char *leaf, const struct tar_entry *entry)
{
	return mkdirat(u->parent->fd, leaf, (entry->mode & 0777) | DIRECTORY_MODE_MIN);
}

static int create_directory(struct layer_unpack *u, const char *leaf, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	bool existed = false, opaque = false;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (make_new_directory(u, leaf, entry) < 0) {
		if (errno != EEXIST || fstatat(u->parent->fd, leaf, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return error_errno(err, errno, "cannot make directory /%s", name);
		existed = S_ISDIR(st.st_mode);
		/* NAME whited out before, and now a directory of this layer: hides the lower one.
		 */
		opaque = layer_is_whiteout(u->parent->fd, leaf);
		if (!existed) {
			r = remove_old(u, leaf, name, err);
			if (r < 0)
				return r;
			if (make_new_directory(u, leaf, entry) < 0)
				return error_errno(err, errno, "cannot make directory /%s", name);
		}
	}
	fd = openat(u->parent->fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open directory /%s", name);
	r = opaque ? layer_set_opaque(u, fd, name, err) : 0;
	if (r == 0)
		r = layer_apply_directory(u, fd, name, entry, !existed, err);
	if (r < 0)
		return r;
	/* A link may have led back to a directory of the trail, whose group rule may be another
	 * now. */
	if (existed)
		layer_forget_names(u);
	layer_enter(u, name, steal_fd(&fd), entry->mode & S_ISGID);
	return 0;
}

/* --- everything that has no content --------------------------------------------------------- */

static int apply_node(struct layer_unpack *u, const char *leaf, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	struct timespec times[2];
	int r;

	if (needs_chown(u, entry) &&
		fchownat(u->parent->fd, leaf, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0) {
		r = handle_chown_error(u, name, entry, errno, err);
		if (r < 0)
			return r;
	}
	if (entry->type != TAR_SYMLINK && (entry->mode & (07000 | u->umask)) &&
		fchmodat(u->parent->fd, leaf, entry->mode, 0) < 0)
		return error_errno(err, errno, "cannot set the mode of /%s", name);
	r = set_xattrs(u, -1, u->parent->fd, leaf, name, entry, err);
	if (r < 0)
		return r;
	entry_times(entry, times);
	if (utimensat(u->parent->fd, leaf, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, errno, "cannot set the times of /%s", name);
	return 0;
}

/* The call that makes a node; errno tells. */
static int make_node(struct layer_unpack *u, const char *leaf, const struct tar_entry *entry)
{
	mode_t mode = entry->mode & 0777;

	switch (entry->type) {
	case TAR_SYMLINK:
		return symlinkat(entry->link, u->parent->fd, leaf);
	case TAR_FIFO:
		return mknodat(u->parent->fd, leaf, S_IFIFO | mode, 0);
	case TAR_CHAR:
		return mknodat(
			u->parent->fd, leaf, S_IFCHR | mode, makedev(entry->major, entry->minor));
	case TAR_BLOCK:
		return mknodat(
			u->parent->fd, leaf, S_IFBLK | mode, makedev(entry->major, entry->minor));
	default:
		errno = EINVAL;
		return -1;
	}
}

static int create_node(struct layer_unpack *u, const char *leaf, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	bool device = entry->type == TAR_CHAR || entry->type == TAR_BLOCK;
	int r;

	/* As containers/storage and Docker do in a user namespace: the kernel refuses, and /dev is
	 * made by the runtime anyway. */
	if (device && u->options->rootless) {
		if (u->skipped_devices++ == 0)
			log_warning("device node /%s and others like it are left out: only root "
				    "may make them",
				name);
		return 0;
	}
	if (entry->type == TAR_SYMLINK && !*entry->link)
		return error_set(err, EBADMSG, "the layer has a link without a target: /%s", name);
	r = make_node(u, leaf, entry);
	if (r < 0 && errno == EEXIST) {
		r = remove_old(u, leaf, name, err);
		if (r < 0)
			return r;
		r = make_node(u, leaf, entry);
	}
	if (r < 0)
		return error_errno(err, errno, "cannot create /%s", name);
	return apply_node(u, leaf, name, entry, err);
}

static int create_hardlink(struct layer_unpack *u, const char *leaf, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	char target[TAR_NAME_MAX + 1];
	const char *target_dir, *target_leaf;
	struct layer_parent *target_parent;
	struct stat old, new;
	int r = layer_clean_name(entry->link, target, err);

	if (r < 0)
		return r;
	if (!*target)
		return error_set(err, EBADMSG, "the layer has a hard link to its root: /%s", name);
	layer_split_name(target, &target_dir, &target_leaf);
	r = layer_open_parent(u, &u->link_trail, target_dir, true, &target_parent, err);
	if (r < 0)
		return error_prefix(err, "cannot link /%s to %s, which must be in the same layer",
			name, entry->link);
	if (linkat(target_parent->fd, target_leaf, u->parent->fd, leaf, 0) == 0)
		return 0;
	if (errno == EEXIST) {
		if (fstatat(target_parent->fd, target_leaf, &new, AT_SYMLINK_NOFOLLOW) < 0)
			return error_errno(err, errno, "cannot link /%s to %s", name, entry->link);
		if (fstatat(u->parent->fd, leaf, &old, AT_SYMLINK_NOFOLLOW) == 0 &&
			old.st_dev == new.st_dev && old.st_ino == new.st_ino)
			return 0; /* they are one file already */
		r = remove_old(u, leaf, name, err);
		if (r == 0)
			r = layer_open_parent(
				u, &u->link_trail, target_dir, true, &target_parent, err);
		if (r < 0)
			return r;
		if (linkat(target_parent->fd, target_leaf, u->parent->fd, leaf, 0) == 0)
			return 0;
	}
	if (errno == ENOENT)
		return error_set(err, EBADMSG,
			"the layer has a hard link to a file that is not in it: /%s to %s", name,
			entry->link);
	return error_errno(err, errno, "cannot link /%s to %s", name, entry->link);
}

int layer_create_entry(struct layer_unpack *u, const char *leaf, const char *name,
	const struct tar_entry *entry, struct error *err)
{
	switch (entry->type) {
	case TAR_FILE:
		return create_file(u, leaf, name, entry, err);
	case TAR_DIRECTORY:
		return create_directory(u, leaf, name, entry, err);
	case TAR_HARDLINK:
		return create_hardlink(u, leaf, name, entry, err);
	default:
		return create_node(u, leaf, name, entry, err);
	}
}
