/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layer-pack.c - a directory tree becomes a reproducible tar stream.
 *
 * Sorted by bytes, hard links to the first name met, no user names, no access times: the same tree
 * gives the same bytes. What is mounted inside the tree is not part of it: a mount point appears as
 * the empty directory or file under it. Sockets are left out, as every tar does.
 *
 * As a layer (image-spec layer.md, "Whiteouts"), overlayfs' marks in an upper directory become
 * `.wh.NAME` and `.wh..wh..opq`.
 */
#include "image/layer.h"

#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "base/io.h"
#include "base/log.h"
#include "image/layer-unpack.h"

#define PACK_DEPTH_MAX	 512 /* every level holds a descriptor */
#define PACK_BUFFER_SIZE (256u << 10)
#define PACK_EXTENTS_MAX 4096 /* a file with more pieces is packed as if it had no holes */
#define PACK_XATTRS_SIZE (64u << 10) /* the kernel's limit for a list, and for a value */

/* A file with several names that has been met. */
struct pack_link {
	uint64_t device, inode;
	char *name;
};

struct layer_pack {
	struct tar_writer writer;
	int out_fd;
	unsigned flags; /* IMAGE_PACK_* */
	struct str name; /* of the current entry, relative to the root */
	struct pack_link *links; /* open addressing, a power of two */
	size_t nr_links, links_capacity;
	size_t used; /* of buffer, not yet written */
	char buffer[PACK_BUFFER_SIZE];
	char content[PACK_BUFFER_SIZE];
	struct tar_extent extents[PACK_EXTENTS_MAX];
	char xattr_names[PACK_XATTRS_SIZE], xattr_value[PACK_XATTRS_SIZE];
};

/* --- output --------------------------------------------------------------------------------- */

static int flush(struct layer_pack *pack)
{
	int r = io_write_full(pack->out_fd, pack->buffer, pack->used);

	pack->used = 0;
	return r;
}

static int write_buffered(struct tar_writer *writer, const void *bytes, size_t size)
{
	struct layer_pack *pack = container_of(writer, struct layer_pack, writer);

	if (size > sizeof(pack->buffer) - pack->used) {
		int r = flush(pack);

		if (r < 0)
			return r;
		if (size >= sizeof(pack->buffer))
			return io_write_full(pack->out_fd, bytes, size);
	}
	memcpy(pack->buffer + pack->used, bytes, size);
	pack->used += size;
	return 0;
}

/* --- hard links ----------------------------------------------------------------------------- */

static struct pack_link *find_slot(
	struct pack_link *links, size_t capacity, uint64_t device, uint64_t inode)
{
	size_t i = (size_t)((inode * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (capacity - 1);

	while (links[i].name && (links[i].device != device || links[i].inode != inode))
		i = (i + 1) & (capacity - 1);
	return &links[i];
}

static int grow_links(struct layer_pack *pack)
{
	size_t capacity = pack->links_capacity ? pack->links_capacity * 2 : 256;
	struct pack_link *links = calloc(capacity, sizeof(*links));

	if (!links)
		return -ENOMEM;
	for (size_t i = 0; i < pack->links_capacity; i++) {
		const struct pack_link *old = &pack->links[i];

		if (old->name)
			*find_slot(links, capacity, old->device, old->inode) = *old;
	}
	free(pack->links);
	pack->links = links;
	pack->links_capacity = capacity;
	return 0;
}

/* The first name of this file, or NULL in *ret when it is this one, which is then remembered. */
static int first_name(
	struct layer_pack *pack, const struct statx *st, const char **ret, struct error *err)
{
	uint64_t device = makedev(st->stx_dev_major, st->stx_dev_minor);
	struct pack_link *link;

	*ret = NULL;
	if (st->stx_nlink < 2)
		return 0;
	if (pack->nr_links * 2 >= pack->links_capacity && grow_links(pack) < 0)
		return error_oom(err);
	link = find_slot(pack->links, pack->links_capacity, device, st->stx_ino);
	if (link->name) {
		*ret = link->name;
		return 0;
	}
	link->name = strdup(pack->name.data);
	if (!link->name)
		return error_oom(err);
	link->device = device;
	link->inode = st->stx_ino;
	pack->nr_links++;
	return 0;
}

/* --- xattrs --------------------------------------------------------------------------------- */

static int compare_xattrs(const void *a, const void *b)
{
	return strcmp(((const struct tar_xattr *)a)->name, ((const struct tar_xattr *)b)->name);
}

static void free_xattrs(struct tar_entry *entry)
{
	struct tar_xattr *xattrs = (struct tar_xattr *)entry->xattrs;

	for (size_t i = 0; i < entry->nr_xattrs; i++) {
		free(xattrs[i].name);
		free(xattrs[i].value);
	}
	free(xattrs);
}

/* Overlayfs' attributes of a layer are read, never copied. */
static int take_overlay_xattr(
	struct layer_pack *pack, const char *name, bool *ret_opaque, struct error *err)
{
	const char *rest = str_after_prefix(name, "trusted.overlay.");

	if (!rest)
		rest = str_after_prefix(name, "user.overlay.");
	if (!rest)
		return 0;
	if (pack->flags & IMAGE_PACK_LAYER && (streq(rest, "redirect") || streq(rest, "metacopy")))
		return error_set(err, EOPNOTSUPP,
			"cannot make a layer of /%s: it was changed with overlayfs' %s feature",
			pack->name.data, rest);
	if (streq(rest, "opaque"))
		*ret_opaque = true;
	return 1;
}

static int read_xattrs(struct layer_pack *pack, int dir_fd, const char *leaf,
	struct tar_entry *entry, bool *ret_opaque, struct error *err)
{
	_cleanup_free_ char *path = strf("/proc/self/fd/%d/%s", dir_fd, leaf);
	struct tar_xattr *xattrs = NULL;
	size_t count = 0;
	ssize_t size;

	if (!path)
		return error_oom(err);
	size = llistxattr(path, pack->xattr_names, sizeof(pack->xattr_names));
	if (size <= 0)
		return 0; /* none, or a file system without any */
	for (const char *name = pack->xattr_names; name < pack->xattr_names + size;
		name += strlen(name) + 1)
		count++;
	entry->xattrs = xattrs = calloc(count, sizeof(*xattrs));
	if (!xattrs)
		return error_oom(err);
	for (const char *name = pack->xattr_names; name < pack->xattr_names + size;
		name += strlen(name) + 1) {
		struct tar_xattr *x = &xattrs[entry->nr_xattrs];
		int r = take_overlay_xattr(pack, name, ret_opaque, err);
		ssize_t n;

		if (r < 0)
			return r;
		if (r > 0 || streq(name, "security.selinux"))
			continue;
		n = lgetxattr(path, name, pack->xattr_value, sizeof(pack->xattr_value));
		if (n < 0)
			continue; /* gone, or not for us to read */
		x->name = strdup(name);
		x->value = malloc((size_t)n + 1);
		entry->nr_xattrs++;
		if (!x->name || !x->value)
			return error_oom(err);
		memcpy(x->value, pack->xattr_value, (size_t)n);
		x->size = (size_t)n;
	}
	qsort(xattrs, entry->nr_xattrs, sizeof(*xattrs), compare_xattrs);
	return 0;
}

/* --- entries -------------------------------------------------------------------------------- */

/* A file that shrinks while it is read is filled up with zeros, as tar programs do. */
static int put_content(struct layer_pack *pack, int fd, uint64_t size, struct error *err)
{
	while (size) {
		size_t want = size < sizeof(pack->content) ? (size_t)size : sizeof(pack->content);
		ssize_t n = read(fd, pack->content, want);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot read /%s", pack->name.data);
		if (n == 0) {
			memset(pack->content, 0, want);
			n = (ssize_t)want;
		}
		r = tar_writer_data(&pack->writer, pack->content, (size_t)n, err);
		if (r < 0)
			return r;
		size -= (uint64_t)n;
	}
	return 0;
}

/* How many pieces with data the file has, one that is empty at its end if that is a hole; -1: there
 * are no holes, or too many pieces. */
static ssize_t find_extents(struct layer_pack *pack, int fd, uint64_t size)
{
	struct tar_extent *extents = pack->extents;
	off_t end = (off_t)size, at = 0;
	struct stat st;
	size_t nr = 0;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_blocks >= (size + 511) / 512)
		return -1;
	while (at < end) {
		off_t data = lseek(fd, at, SEEK_DATA), hole;

		if (data < 0 || data >= end)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data || nr == PACK_EXTENTS_MAX - 1)
			return -1;
		at = hole < end ? hole : end;
		extents[nr++] = (struct tar_extent){ (uint64_t)data, (uint64_t)(at - data) };
	}
	if (nr == 1 && extents[0].size == size)
		return -1;
	if (at < end)
		extents[nr++] = (struct tar_extent){ size, 0 };
	return (ssize_t)nr;
}

static int put_file(struct layer_pack *pack, int dir_fd, const char *leaf,
	const struct tar_entry *entry, struct error *err)
{
	_cleanup_close_ int fd = openat(
		dir_fd, leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct tar_writer *writer = &pack->writer;
	ssize_t nr = -1;
	int r;

	if (fd < 0)
		return error_errno(err, errno, "cannot open /%s", pack->name.data);
	if (pack->flags & IMAGE_PACK_HOLES)
		nr = find_extents(pack, fd, entry->size);
	r = nr < 0 ? tar_writer_entry(writer, entry, err)
		   : tar_writer_sparse(writer, entry, pack->extents, (size_t)nr, err);
	if (r == 0 && nr < 0 && lseek(fd, 0, SEEK_SET) == 0)
		r = put_content(pack, fd, entry->size, err);
	for (ssize_t i = 0; r == 0 && i < nr; i++) {
		lseek(fd, (off_t)pack->extents[i].offset, SEEK_SET);
		r = put_content(pack, fd, pack->extents[i].size, err);
	}
	return r;
}

static int take_link_target(struct layer_pack *pack, int dir_fd, const char *leaf,
	struct tar_entry *entry, struct error *err)
{
	ssize_t n = readlinkat(dir_fd, leaf, pack->content, TAR_NAME_MAX + 1);

	if (n < 0 || n > TAR_NAME_MAX)
		return error_errno(
			err, n < 0 ? errno : ENAMETOOLONG, "cannot read link /%s", pack->name.data);
	pack->content[n] = '\0';
	entry->link = pack->content;
	return 0;
}

/* 1: archive it; 0: there is no such thing in an archive. */
static int take_type(const struct statx *st, enum tar_type *ret)
{
	switch (st->stx_mode & S_IFMT) {
	case S_IFREG:
		*ret = TAR_FILE;
		return 1;
	case S_IFDIR:
		*ret = TAR_DIRECTORY;
		return 1;
	case S_IFLNK:
		*ret = TAR_SYMLINK;
		return 1;
	case S_IFCHR:
		*ret = TAR_CHAR;
		return 1;
	case S_IFBLK:
		*ret = TAR_BLOCK;
		return 1;
	case S_IFIFO:
		*ret = TAR_FIFO;
		return 1;
	default:
		return 0;
	}
}

/* An empty file called NAME, a whiteout of one kind or the other. */
static int put_mark(struct layer_pack *pack, const char *name, struct error *err)
{
	struct tar_entry entry = { .type = TAR_FILE, .name = name, .link = "" };

	return tar_writer_entry(&pack->writer, &entry, err);
}

static int put_whiteout(struct layer_pack *pack, size_t leaf_at, struct error *err)
{
	_cleanup_free_ char *name = strf(
		"%.*s.wh.%s", (int)leaf_at, pack->name.data, pack->name.data + leaf_at);

	return name ? put_mark(pack, name, err) : error_oom(err);
}

static int put_opaque(struct layer_pack *pack, struct error *err)
{
	const char *dir = streq(pack->name.data, "./") ? "" : pack->name.data;
	_cleanup_free_ char *name = strf("%s.wh..wh..opq", dir);

	return name ? put_mark(pack, name, err) : error_oom(err);
}

static void take_metadata(const struct statx *st, bool mounted, struct tar_entry *entry)
{
	entry->mode = st->stx_mode & 07777;
	entry->uid = st->stx_uid;
	entry->gid = st->stx_gid;
	entry->mtime.tv_sec = st->stx_mtime.tv_sec;
	entry->mtime.tv_nsec = st->stx_mtime.tv_nsec;
	if (entry->type == TAR_FILE && !mounted)
		entry->size = st->stx_size;
	if (entry->type == TAR_CHAR || entry->type == TAR_BLOCK) {
		entry->major = st->stx_rdev_major;
		entry->minor = st->stx_rdev_minor;
	}
}

/* One header (and content) for dir_fd/leaf, whose name is in pack->name. */
static int put_entry(struct layer_pack *pack, int dir_fd, const char *leaf, const struct statx *st,
	bool mounted, struct error *err)
{
	struct tar_entry entry = { .link = "" };
	const char *first = NULL;
	bool opaque = false;
	int r;

	if (!take_type(st, &entry.type)) {
		log_debug("socket /%s is left out", pack->name.data);
		return 0;
	}
	if (mounted && entry.type != TAR_DIRECTORY)
		entry.type = TAR_FILE; /* an empty one, to mount on */
	if (entry.type == TAR_DIRECTORY && !str_has_suffix(pack->name.data, "/"))
		str_append_char(&pack->name, '/');
	if (pack->name.failed)
		return error_oom(err);
	entry.name = pack->name.data;
	take_metadata(st, mounted, &entry);
	if (entry.type != TAR_DIRECTORY && !mounted) {
		r = first_name(pack, st, &first, err);
		if (r < 0)
			return r;
	}
	if (first) {
		entry.type = TAR_HARDLINK;
		entry.link = first;
		return tar_writer_entry(&pack->writer, &entry, err);
	}
	r = mounted ? 0 : read_xattrs(pack, dir_fd, leaf, &entry, &opaque, err);
	if (r == 0 && entry.type == TAR_SYMLINK)
		r = take_link_target(pack, dir_fd, leaf, &entry, err);
	if (r == 0)
		r = entry.size ? put_file(pack, dir_fd, leaf, &entry, err)
			       : tar_writer_entry(&pack->writer, &entry, err);
	free_xattrs(&entry);
	if (r == 0 && opaque && pack->flags & IMAGE_PACK_LAYER && entry.type == TAR_DIRECTORY)
		r = put_opaque(pack, err);
	return r;
}

/* --- the walk ------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(int dir_fd, char ***ret)
{
	_cleanup_strv_ char **names = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int fd = io_open_dir(dir_fd, ".");

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while ((errno = 0, entry = readdir(dir))) {
		if (streq(entry->d_name, ".") || streq(entry->d_name, ".."))
			continue;
		if (strv_push(&names, entry->d_name) < 0)
			return -ENOMEM;
	}
	if (errno)
		return -errno;
	if (names)
		qsort(names, strv_length(names), sizeof(*names), compare_names);
	*ret = steal_ptr(&names);
	return 0;
}

static int stat_entry(
	struct layer_pack *pack, int dir_fd, const char *leaf, struct statx *ret, struct error *err)
{
	if (statx(dir_fd, leaf, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS, ret) < 0)
		return error_errno(err, errno, "cannot stat /%s", pack->name.data);
	return 0;
}

static int pack_children(struct layer_pack *pack, int dir_fd, int depth, struct error *err);

static int pack_child(
	struct layer_pack *pack, int dir_fd, const char *leaf, int depth, struct error *err)
{
	size_t leaf_at = pack->name.len;
	_cleanup_close_ int fd = -1;
	struct statx st;
	bool mounted;
	int r;

	str_append(&pack->name, leaf);
	if (pack->name.failed)
		return error_oom(err);
	r = stat_entry(pack, dir_fd, leaf, &st, err);
	if (r < 0)
		return r;
	mounted = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	if (pack->flags & IMAGE_PACK_LAYER && S_ISCHR(st.stx_mode) && !st.stx_rdev_major &&
		!st.stx_rdev_minor)
		return put_whiteout(pack, leaf_at, err);
	r = put_entry(pack, dir_fd, leaf, &st, mounted, err);
	if (r < 0 || !S_ISDIR(st.stx_mode) || mounted)
		return r;
	fd = openat(dir_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, errno, "cannot open /%s", pack->name.data);
	return pack_children(pack, fd, depth + 1, err);
}

static int pack_children(struct layer_pack *pack, int dir_fd, int depth, struct error *err)
{
	_cleanup_strv_ char **names = NULL;
	size_t len = pack->name.len;
	int r;

	if (depth > PACK_DEPTH_MAX)
		return error_set(
			err, ELOOP, "cannot archive /%s: it is nested too deep", pack->name.data);
	r = list_names(dir_fd, &names);
	if (r < 0)
		return error_errno(err, r, "cannot read directory /%s", pack->name.data);
	strv_for_each (name, names) {
		r = pack_child(pack, dir_fd, *name, depth, err);
		if (r < 0)
			return r;
		pack->name.len = len;
		pack->name.data[len] = '\0';
	}
	return 0;
}

static int pack_tree(struct layer_pack *pack, int tree_fd, struct error *err)
{
	struct statx st;
	int r;

	str_append(&pack->name, "./");
	if (pack->name.failed)
		return error_oom(err);
	r = stat_entry(pack, tree_fd, "", &st, err);
	if (r == 0)
		r = put_entry(pack, tree_fd, ".", &st, false, err);
	if (r < 0)
		return r;
	str_reset(&pack->name);
	r = pack_children(pack, tree_fd, 0, err);
	if (r == 0)
		r = tar_writer_finish(&pack->writer, err);
	if (r == 0) {
		r = flush(pack);
		if (r < 0)
			error_errno(err, r, "cannot write the archive");
	}
	return r;
}

int image_layer_pack(int tree_fd, unsigned flags, int out_fd, struct error *err)
{
	struct layer_pack *pack = calloc(1, sizeof(*pack));
	int r;

	if (!pack)
		return error_oom(err);
	pack->writer.write = write_buffered;
	pack->out_fd = out_fd;
	pack->flags = flags;
	r = pack_tree(pack, tree_fd, err);
	for (size_t i = 0; i < pack->links_capacity; i++)
		free(pack->links[i].name);
	free(pack->links);
	str_free(&pack->name);
	free(pack);
	return r;
}
