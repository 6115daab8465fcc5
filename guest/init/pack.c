/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack.c - files of the guest as a tar archive (tar.h), for `cp` and `export`. In a child of its
 * own, whose root is the image's; so a link can lead nowhere else, and what it is killed for
 * concerns nobody.
 *
 * Of a file with several names the first one has the content, the others are links to it. What is
 * mounted below is left out, but for the folder or the empty file that it is on.
 */
#include "tar.h"

#define DEPTH_MAX    128
#define OCTAL_ID_MAX 07777777u
#define SIZE_OCTAL   UINT64_C(077777777777)
#define XATTRS_SIZE  65536 /* the kernel's limit for a list, and for a value */
#define LINK_BUCKETS 8192
#define LINKS_CHUNK  (1u << 20) /* bytes of memory for names at a time */
#define SEEK_DATA_OF 3 /* lseek(2) */
#define SEEK_HOLE_OF 4

static int out_fd = -1;
static char copy_buffer[TAR_COPY];

/* Of the entry that is being made. */
static char pax_buffer[TAR_PAX];
static struct text pax;

static void put_bytes(const void *bytes, size_t size)
{
	files_must(write_all(out_fd, bytes, size), "cannot write the archive");
}

static void put_padding(uint64_t size)
{
	static const char zeros[TAR_BLOCK];

	if (size % TAR_BLOCK)
		put_bytes(zeros, TAR_BLOCK - size % TAR_BLOCK);
}

/* --- headers -------------------------------------------------------------------------------------
 */

static void put_octal(char *to, size_t size, uint64_t value)
{
	to[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		to[i] = (char)('0' + (value & 7));
}

static void put_header(struct tar_header *h)
{
	unsigned sum = 0;

	memcpy(h->magic, "ustar\00000", 8);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += ((const uint8_t *)h)[i];
	put_octal(h->checksum, 7, sum);
	put_bytes(h, TAR_BLOCK);
}

static void begin_records(void)
{
	pax = (struct text)TEXT(pax_buffer);
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself; the key is in two parts. */
static void add_record(const char *key, const char *more, const void *value, size_t size)
{
	size_t rest = strlen(key) + strlen(more) + size + 3, digits = 1, len = rest + 1;

	for (size_t limit = 10; len >= limit; limit *= 10) {
		digits++;
		len = rest + digits;
	}
	text_add(&pax, "%lu %s%s=", len, key, more);
	text_add_bytes(&pax, value, size);
	text_add(&pax, "\n");
}

static void add_text(const char *key, const char *value)
{
	add_record(key, "", value, strlen(value));
}

static void add_number(const char *key, uint64_t value)
{
	char number[24];

	text_write(number, sizeof(number), "%lu", value);
	add_text(key, number);
}

static void put_records(const char *name)
{
	struct tar_header x = { .type = 'x', .name = "pax" };

	files_must(pax.cut ? -E2BIG : 0, name);
	if (!pax.len)
		return;
	put_octal(x.size, sizeof(x.size), pax.len);
	put_octal(x.mode, sizeof(x.mode), 0644);
	put_header(&x);
	put_bytes(pax_buffer, pax.len);
	put_padding(pax.len);
}

static void put_name(char field[100], const char *name)
{
	size_t len = strlen(name);

	memcpy(field, name, len < 100 ? len : 100);
}

/* With the records there are; `size` bytes follow. */
static void put_entry(
	const char *name, const struct statx *st, char type, const char *link, uint64_t size)
{
	struct tar_header h = { .type = type };
	uint64_t mtime = st->stx_mtime.tv_sec > 0 ? (uint64_t)st->stx_mtime.tv_sec : 0;

	if (strlen(name) > sizeof(h.name))
		add_text("path", name);
	if (strlen(link) > sizeof(h.link))
		add_text("linkpath", link);
	if (size > SIZE_OCTAL)
		add_number("size", size);
	if (st->stx_uid > OCTAL_ID_MAX)
		add_number("uid", st->stx_uid);
	if (st->stx_gid > OCTAL_ID_MAX)
		add_number("gid", st->stx_gid);
	put_records(name);
	put_name(h.name, name);
	put_name(h.link, link);
	put_octal(h.mode, sizeof(h.mode), st->stx_mode & 07777);
	put_octal(h.uid, sizeof(h.uid), st->stx_uid);
	put_octal(h.gid, sizeof(h.gid), st->stx_gid);
	put_octal(h.size, sizeof(h.size), size);
	put_octal(h.mtime, sizeof(h.mtime), mtime);
	put_octal(h.major, sizeof(h.major), st->stx_rdev_major);
	put_octal(h.minor, sizeof(h.minor), st->stx_rdev_minor);
	put_header(&h);
	begin_records();
}

/* --- extended attributes -------------------------------------------------------------------------
 */

/* Of `fd`, or where that is -1 of `leaf` in the working folder. What cannot be read is not kept. */
static void add_xattrs(long fd, const char *leaf)
{
	static char names[XATTRS_SIZE], value[XATTRS_SIZE];
	long len = fd >= 0 ? sys(SYS_flistxattr, fd, names, sizeof(names))
			   : sys(SYS_llistxattr, leaf, names, sizeof(names));

	for (long at = 0; at < len; at += (long)strlen(names + at) + 1) {
		const char *name = names + at;
		long n;

		if (tar_leaves_out(name))
			continue;
		n = fd >= 0 ? sys(SYS_fgetxattr, fd, name, value, sizeof(value))
			    : sys(SYS_lgetxattr, leaf, name, value, sizeof(value));
		if (n >= 0)
			add_record(TAR_XATTR, name, value, (size_t)n);
	}
}

/* --- hard links ----------------------------------------------------------------------------------
 */

struct known_link {
	uint64_t device, inode;
	struct known_link *next;
	char name[];
};

/* NULL when there is no memory: the file then is packed once more. */
static struct known_link *new_link(size_t name_size)
{
	static char *chunk;
	static size_t used = LINKS_CHUNK;
	size_t size = (sizeof(struct known_link) + name_size + 7) & ~(size_t)7;
	struct known_link *link;

	if (used + size > LINKS_CHUNK) {
		chunk = map_memory(LINKS_CHUNK);
		used = chunk ? 0 : LINKS_CHUNK;
	}
	if (!chunk)
		return NULL;
	link = (void *)(chunk + used);
	used += size;
	return link;
}

/* The name under which this file is in the archive already; NULL: it is not, but `name` now is. */
static const char *first_name(const struct statx *st, const char *name)
{
	static struct known_link *buckets[LINK_BUCKETS];
	uint64_t device = (uint64_t)st->stx_dev_major << 32 | st->stx_dev_minor;
	struct known_link **bucket = &buckets[st->stx_ino % LINK_BUCKETS], *link;

	if (st->stx_nlink < 2)
		return NULL;
	for (link = *bucket; link; link = link->next)
		if (link->inode == st->stx_ino && link->device == device)
			return link->name;
	link = new_link(strlen(name) + 1);
	if (!link)
		return NULL;
	link->device = device;
	link->inode = st->stx_ino;
	link->next = *bucket;
	memcpy(link->name, name, strlen(name) + 1);
	*bucket = link;
	return NULL;
}

/* --- content -------------------------------------------------------------------------------------
 */

static struct tar_piece pieces[TAR_PIECES];

/* As many bytes as was said: a file that grows is cut, one that shrinks is filled up. */
static void put_content(int fd, uint64_t size)
{
	while (size > 0) {
		size_t want = size < TAR_COPY ? (size_t)size : TAR_COPY;
		long n = sys(SYS_read, fd, copy_buffer, want);

		if (n <= 0) {
			memset(copy_buffer, 0, want);
			n = (long)want;
		}
		put_bytes(copy_buffer, (size_t)n);
		size -= (uint64_t)n;
	}
}

/* How many pieces with data the file has, one that is empty at its end if that is a hole; -1: there
 * are no holes, or too many. */
static int find_pieces(int fd, const struct statx *st)
{
	uint64_t size = st->stx_size, at = 0;
	int count = 0;

	if (st->stx_blocks >= (size + 511) / 512)
		return -1;
	while (at < size) {
		long data = sys(SYS_lseek, fd, at, SEEK_DATA_OF), hole = 0;

		if (data < 0 || (uint64_t)data >= size)
			break;
		hole = sys(SYS_lseek, fd, data, SEEK_HOLE_OF);
		if (hole <= data || count == TAR_PIECES - 1)
			return -1;
		at = (uint64_t)hole < size ? (uint64_t)hole : size;
		pieces[count++] = (struct tar_piece){ (uint64_t)data, at - (uint64_t)data };
	}
	if (count == 1 && pieces[0].size == size)
		return -1;
	if (at < size)
		pieces[count++] = (struct tar_piece){ size, 0 };
	return count;
}

/* The map, in front of the data, fills blocks. */
static void put_sparse(const char *name, int fd, const struct statx *st, int count)
{
	static char map_buffer[TAR_PIECES * 42 + 16 + TAR_BLOCK];
	struct text map = TEXT(map_buffer);
	uint64_t size;

	text_add(&map, "%d\n", count);
	for (int i = 0; i < count; i++)
		text_add(&map, "%lu\n%lu\n", pieces[i].offset, pieces[i].size);
	size = (map.len + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	memset(map_buffer + map.len, 0, size - map.len);
	map.len = size;
	for (int i = 0; i < count; i++)
		size += pieces[i].size;
	add_text("GNU.sparse.major", "1");
	add_text("GNU.sparse.minor", "0");
	add_text("GNU.sparse.name", name);
	add_number("GNU.sparse.realsize", st->stx_size);
	put_entry(name, st, '0', "", size);
	put_bytes(map_buffer, map.len);
	for (int i = 0; i < count; i++) {
		sys(SYS_lseek, fd, pieces[i].offset, 0 /* SEEK_SET */);
		put_content(fd, pieces[i].size);
	}
	put_padding(size);
}

static void put_file(const char *name, int fd, const struct statx *st)
{
	int count = find_pieces(fd, st);

	if (count >= 0) {
		put_sparse(name, fd, st, count);
		return;
	}
	sys(SYS_lseek, fd, 0, 0 /* SEEK_SET */);
	put_entry(name, st, '0', "", st->stx_size);
	put_content(fd, st->stx_size);
	put_padding(st->stx_size);
}

/* --- the walk ------------------------------------------------------------------------------------
 */

struct packing {
	int folder;
	char name[PATH_SIZE]; /* in the archive */
	size_t len, depth;
};

static long pack_child(void *context, const char *name, unsigned type);

static void pack_folder(struct packing *p, int fd)
{
	struct packing below = { .folder = fd, .len = p->len, .depth = p->depth + 1 };

	memcpy(below.name, p->name, p->len + 1);
	files_must(below.depth > DEPTH_MAX ? -ELOOP : 0, p->name);
	files_must(folder_each(fd, ".", pack_child, &below), p->name);
}

/* What is removed while its folder is read is left out. */
static bool is_gone(const struct packing *p, long r)
{
	if (r == -ENOENT && p->depth > 0)
		return true;
	files_must(r, p->name);
	return false;
}

static long look(int folder, const char *leaf, unsigned flags, struct statx *ret)
{
	return sys(SYS_statx, folder, leaf, flags, STATX_BASIC_STATS, ret);
}

static void pack_opened(struct packing *p, const char *leaf)
{
	long fd = sys(SYS_openat, p->folder, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const char *first;
	struct statx st;

	if (is_gone(p, fd))
		return;
	files_must(look((int)fd, "", AT_EMPTY_PATH, &st), p->name);
	if (S_ISDIR(st.stx_mode)) {
		add_xattrs(fd, NULL);
		put_entry(p->name, &st, '5', "", 0);
		pack_folder(p, (int)fd);
	} else if ((first = first_name(&st, p->name))) {
		put_entry(p->name, &st, '1', first, 0);
	} else {
		add_xattrs(fd, NULL);
		put_file(p->name, (int)fd, &st);
	}
	sys(SYS_close, fd);
}

/* What is not opened. Sockets are left out, as by every tar. */
static void pack_other(struct packing *p, const char *leaf, const struct statx *st)
{
	const char *first = first_name(st, p->name);
	const char type = S_ISLNK(st->stx_mode) ? '2'
		: S_ISCHR(st->stx_mode)		? '3'
		: S_ISBLK(st->stx_mode)		? '4'
		: S_ISFIFO(st->stx_mode)	? '6'
						: '\0';

	if (!type)
		return;
	if (first) {
		put_entry(p->name, st, '1', first, 0);
		return;
	}
	if (p->folder != AT_FDCWD)
		files_must(sys(SYS_fchdir, p->folder), p->name);
	copy_buffer[0] = '\0';
	if (type == '2') {
		long n = sys(SYS_readlinkat, AT_FDCWD, leaf, copy_buffer, PATH_SIZE - 1);

		if (is_gone(p, n))
			return;
		copy_buffer[n] = '\0';
	}
	add_xattrs(-1, leaf);
	put_entry(p->name, st, type, copy_buffer, 0);
}

static void pack(struct packing *p, const char *leaf)
{
	struct statx st;

	if (is_gone(p, look(p->folder, leaf, AT_SYMLINK_NOFOLLOW, &st)))
		return;
	if (p->depth > 0 && st.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		put_entry(p->name, &st, S_ISDIR(st.stx_mode) ? '5' : '0', "", 0);
	else if (S_ISREG(st.stx_mode) || S_ISDIR(st.stx_mode))
		pack_opened(p, leaf);
	else
		pack_other(p, leaf, &st);
}

static long pack_child(void *context, const char *name, unsigned type)
{
	struct packing *p = context;
	size_t len = p->len;

	if (len + strlen(name) + 2 > sizeof(p->name))
		return -ENAMETOOLONG;
	text_write(p->name + len, sizeof(p->name) - len, "/%s", name);
	p->len += strlen(name) + 1;
	pack(p, name);
	p->len = len;
	p->name[len] = '\0';
	return 0;
}

/* Without slashes at its end; the folder it is in becomes the working folder. */
static const char *enter_parent(char *path)
{
	size_t len = strlen(path);
	char *leaf;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	leaf = path + len;
	while (leaf > path && leaf[-1] != '/')
		leaf--;
	if (!*leaf || text_equal(leaf, ".") || text_equal(leaf, "..")) {
		files_must(sys(SYS_chdir, path), path);
		return ".";
	}
	if (leaf > path) {
		char kept = *leaf;

		*leaf = '\0';
		files_must(sys(SYS_chdir, path), path);
		*leaf = kept;
	}
	return leaf;
}

void files_pack(const char *path, int to, int report_fd)
{
	static struct packing top;
	static char copy[PATH_SIZE];
	const char *leaf;

	out_fd = to;
	files_begin(report_fd);
	files_must(strlen(path) < sizeof(copy) ? 0 : -ENAMETOOLONG, "the path");
	memcpy(copy, path, strlen(path) + 1);
	leaf = enter_parent(copy);
	top.folder = AT_FDCWD;
	top.len = strlen(leaf);
	memcpy(top.name, leaf, top.len + 1);
	begin_records();
	pack(&top, leaf);
	memset(copy_buffer, 0, 2 * TAR_BLOCK);
	put_bytes(copy_buffer, 2 * TAR_BLOCK);
	files_end();
}
