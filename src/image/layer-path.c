/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-path.c - names of a layer, and the directories they stand in.
 *
 * Invariant: the kernel resolves every directory name with RESOLVE_IN_ROOT below the layer's own
 * directory, so neither "..", an absolute link nor a link loop of the archive leads out of it; the
 * last component is only ever used with *at() calls that do not follow links.
 */
#include "image/layer-unpack.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/io.h"

#define PLAIN_MODE 0755

int layer_clean_name(const char *name, char buf[TAR_NAME_MAX + 1], struct error *err)
{
	size_t len = 0;
	int depth = 0;

	while (*name) {
		size_t part = strcspn(name, "/");

		if (part == 2 && name[0] == '.' && name[1] == '.') {
			while (len && buf[--len] != '/')
				;
			depth -= depth > 0;
		} else if (part && !(part == 1 && name[0] == '.')) {
			if (len + 1 + part > TAR_NAME_MAX || ++depth > LAYER_DEPTH_MAX)
				return error_set(err, EBADMSG,
					"the layer has a name that is too long or too deep: %.64s...",
					name);
			if (len)
				buf[len++] = '/';
			memcpy(buf + len, name, part);
			len += part;
		}
		name += part;
		name += strspn(name, "/");
	}
	buf[len] = '\0';
	return 0;
}

void layer_split_name(char *name, const char **ret_dir, const char **ret_leaf)
{
	char *slash = strrchr(name, '/');

	if (slash)
		*slash = '\0';
	*ret_dir = slash ? name : "";
	*ret_leaf = slash ? slash + 1 : name;
}

/* Close all but the first `count`. */
static void cut_trail(struct layer_trail *trail, size_t count)
{
	while (trail->count > count)
		close(trail->parents[--trail->count].fd);
}

void layer_forget_names(struct layer_unpack *u)
{
	u->trail.stale = true;
	u->link_trail.stale = true;
}

void layer_forget_parents(struct layer_unpack *u)
{
	cut_trail(&u->trail, 0);
	cut_trail(&u->link_trail, 0);
}

bool layer_is_whiteout(int dir_fd, const char *leaf)
{
	struct stat st;

	return fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) &&
		st.st_rdev == makedev(0, 0);
}

int layer_set_opaque(struct layer_unpack *u, int dir_fd, const char *name, struct error *err)
{
	const char *xattr = u->options->rootless ? LAYER_XATTR_OPAQUE_USER : LAYER_XATTR_OPAQUE;

	if (fsetxattr(dir_fd, xattr, "y", 1, 0) < 0)
		return error_errno(err, errno, "cannot make directory /%s opaque", name);
	return 0;
}

static int open_directory(struct layer_unpack *u, const char *path)
{
	return io_open_in_root(u->root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
}

/* What the archive does not describe is the same whoever unpacks it; errno tells. */
static int make_plain_directory(const struct layer_unpack *u, int dir_fd, const char *leaf)
{
	if (mkdirat(dir_fd, leaf, PLAIN_MODE) < 0)
		return -1;
	return u->umask & PLAIN_MODE ? fchmodat(dir_fd, leaf, PLAIN_MODE, 0) : 0;
}

/* The directory `leaf` of dir_fd, made when it is missing or has only been whited out so far. */
static int make_directory(
	struct layer_unpack *u, int dir_fd, const char *leaf, const char *path, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (make_plain_directory(u, dir_fd, leaf) == 0)
		return 0;
	if (errno != EEXIST)
		return error_errno(err, errno, "cannot make directory /%s", path);
	if (!layer_is_whiteout(dir_fd, leaf))
		return error_set(err, EBADMSG,
			"the layer has entries below /%s, which is not a directory", path);
	/* ".wh.NAME" hides the lower layers' NAME only (image-spec layer.md, "Whiteouts"). */
	if (unlinkat(dir_fd, leaf, 0) < 0 || make_plain_directory(u, dir_fd, leaf) < 0)
		return error_errno(err, errno, "cannot make directory /%s", path);
	fd = openat(dir_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open directory /%s", path);
	return layer_set_opaque(u, fd, path, err);
}

/* Like mkdir -p inside the layer; returns the last directory's descriptor. */
static int make_directories(struct layer_unpack *u, const char *path, struct error *err)
{
	_cleanup_close_ int dir_fd = open_directory(u, "");
	char partial[TAR_NAME_MAX + 1];
	size_t start = 0, len = strlen(path);

	if (dir_fd < 0)
		return error_errno(err, dir_fd, "cannot open the layer's directory");
	while (start < len) {
		size_t end = start + strcspn(path + start, "/");
		int fd, r;

		memcpy(partial, path, end);
		partial[end] = '\0';
		fd = open_directory(u, partial);
		if (fd == -ENOENT || fd == -ENOTDIR) {
			r = make_directory(u, dir_fd, partial + start, partial, err);
			if (r < 0)
				return r;
			fd = open_directory(u, partial);
		}
		if (fd < 0)
			return error_errno(err, fd, "cannot open directory /%s", partial);
		close(dir_fd);
		dir_fd = fd;
		start = end + 1;
	}
	return steal_fd(&dir_fd);
}

/* Leave what `path` is not in. */
static void follow_trail(struct layer_trail *trail, const char *path)
{
	size_t len = strlen(path), count = 0;

	if (trail->stale)
		cut_trail(trail, 0);
	trail->stale = false;
	while (count < trail->count) {
		size_t n = trail->parents[count].path_len;

		if (n > len || memcmp(trail->path, path, n) != 0 ||
			(n && path[n] && path[n] != '/'))
			break;
		count++;
	}
	cut_trail(trail, count);
}

/* Takes fd. `path` is in the last directory of the trail. */
static struct layer_parent *append(
	struct layer_trail *trail, const char *path, int fd, bool inherits_group)
{
	struct layer_parent *parent;

	if (trail->count == LAYER_OPEN_MAX)
		cut_trail(trail, LAYER_OPEN_MAX - 1);
	parent = &trail->parents[trail->count++];
	*parent = (struct layer_parent){ fd, inherits_group, strlen(path) };
	memcpy(trail->path, path, parent->path_len + 1);
	return parent;
}

void layer_enter(struct layer_unpack *u, const char *path, int fd, bool inherits_group)
{
	u->parent = append(&u->trail, path, fd, inherits_group);
}

int layer_open_parent(struct layer_unpack *u, struct layer_trail *trail, const char *path,
	bool must_exist, struct layer_parent **ret, struct error *err)
{
	struct stat st;
	int fd;

	follow_trail(trail, path);
	if (trail->count && trail->parents[trail->count - 1].path_len == strlen(path)) {
		*ret = &trail->parents[trail->count - 1];
		return 0;
	}
	fd = open_directory(u, path);
	if ((fd == -ENOENT || fd == -ENOTDIR) && !must_exist)
		fd = make_directories(u, path, err);
	else if (fd < 0)
		error_errno(err, fd, "cannot open directory /%s", path);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return error_errno(err, errno, "cannot stat directory /%s", path);
	}
	*ret = append(trail, path, fd, st.st_mode & S_ISGID);
	return 0;
}
