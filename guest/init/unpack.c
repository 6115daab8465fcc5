/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.c - a tar archive (tar.h), as strata-image writes it, becomes files of the guest, for
 * `cp`. In a child of its own, whose root is the image's.
 *
 * Names that are not below the folder are refused. Long runs of zeros become holes, too.
 */
#include "tar.h"

static int in_fd = -1;
static bool has_top;
static char copy_buffer[TAR_COPY] __attribute__((aligned(8)));

/* Records of the entry that comes next: once it is there, those that are its attributes are set. */
static char pax_buffer[TAR_PAX + TAR_BLOCK];
static size_t pax_len;

/* As stat(2) and mknod(2) number devices (Linux, include/linux/kdev_t.h). */
static uint64_t make_device(uint64_t major, uint64_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}

/* One entry as its headers say. */
struct entry {
	char name[PATH_SIZE], link[PATH_SIZE];
	uint64_t size, uid, gid;
	uint64_t sparse_major, real_size; /* of a file with holes */
	bool has_name, has_link, has_size, has_uid, has_gid, has_major, has_real_size;
};

static void read_exactly(void *to, size_t size)
{
	char *at = to;

	while (size > 0) {
		long n = sys(SYS_read, in_fd, at, size);

		if (n == -EINTR)
			continue;
		files_must(n == 0 ? -EIO : n, "the archive is cut short");
		at += n;
		size -= (size_t)n;
	}
}

static void pass_over(uint64_t size)
{
	for (uint64_t left = (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK; left > 0;) {
		size_t want = left < TAR_COPY ? (size_t)left : TAR_COPY;

		read_exactly(copy_buffer, want);
		left -= want;
	}
}

static uint64_t octal(const char *field, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size && field[i]; i++)
		if (field[i] >= '0' && field[i] <= '7')
			value = value << 3 | (uint64_t)(field[i] - '0');
	return value;
}

static void copy_text(char *to, const char *from, size_t len)
{
	files_must(len < PATH_SIZE ? 0 : -ENAMETOOLONG, "a name in the archive");
	memcpy(to, from, len);
	to[len] = '\0';
}

/* "KEY=VALUE" of a pax header. */
static void take_record(
	struct entry *e, const char *key, size_t key_len, const char *value, size_t len)
{
	static const struct {
		const char *key;
		size_t offset;
		bool is_number;
		size_t flag;
	} known[] = {
		{ "path", offsetof(struct entry, name), false, offsetof(struct entry, has_name) },
		{ "linkpath", offsetof(struct entry, link), false,
			offsetof(struct entry, has_link) },
		{ "size", offsetof(struct entry, size), true, offsetof(struct entry, has_size) },
		{ "uid", offsetof(struct entry, uid), true, offsetof(struct entry, has_uid) },
		{ "gid", offsetof(struct entry, gid), true, offsetof(struct entry, has_gid) },
		{ "GNU.sparse.name", offsetof(struct entry, name), false,
			offsetof(struct entry, has_name) },
		{ "GNU.sparse.major", offsetof(struct entry, sparse_major), true,
			offsetof(struct entry, has_major) },
		{ "GNU.sparse.realsize", offsetof(struct entry, real_size), true,
			offsetof(struct entry, has_real_size) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		char *to = (char *)e + known[i].offset;

		if (strlen(known[i].key) != key_len || memcmp(known[i].key, key, key_len) != 0)
			continue;
		if (!known[i].is_number)
			copy_text(to, value, len);
		else if (!number_parse(value, len, INT64_MAX, (uint64_t *)(void *)to))
			files_must(-EINVAL, "a number in the archive");
		*((bool *)e + known[i].flag) = true;
	}
}

/* Calls `each` with what is on both sides of a record's '='. */
static void each_record(void (*each)(struct entry *e, const char *key, size_t key_len,
				const char *value, size_t len),
	struct entry *e)
{
	const char *at = pax_buffer, *end = pax_buffer + pax_len;

	while (at < end) {
		const char *space = at, *equals;
		uint64_t len;

		while (space < end && *space != ' ')
			space++;
		if (!number_parse(at, (size_t)(space - at), TAR_PAX, &len) ||
			len < (uint64_t)(space - at) + 3 || len > (uint64_t)(end - at))
			files_must(-EINVAL, "a header of the archive");
		equals = space;
		while (equals < at + len && *equals != '=')
			equals++;
		if (equals < at + len)
			each(e, space + 1, (size_t)(equals - space - 1), equals + 1,
				(size_t)(at + len - 1 - (equals + 1)));
		at += len;
	}
}

static void read_records(uint64_t size)
{
	files_must(size <= TAR_PAX ? 0 : -EFBIG, "a header of the archive");
	read_exactly(pax_buffer, (size_t)(size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK);
	pax_len = (size_t)size;
}

/* What the filesystem has no attributes for, or not this one, is not kept. */
static void take_xattr(
	struct entry *e, const char *key, size_t key_len, const char *value, size_t len)
{
	const size_t before = strlen(TAR_XATTR);
	char name[256];
	long r;

	if (key_len <= before || key_len - before >= sizeof(name) ||
		memcmp(key, TAR_XATTR, before) != 0)
		return;
	memcpy(name, key + before, key_len - before);
	name[key_len - before] = '\0';
	if (tar_leaves_out(name))
		return;
	r = sys(SYS_lsetxattr, e->name, name, value, len, 0);
	files_must(r == -ENOTSUP || r == -EPERM ? 0 : r, e->name);
}

/* Below the folder, and nothing but that; "" for the folder itself. */
static const char *clean_name(char *name)
{
	char *at = name;

	while (at[0] == '/' || (at[0] == '.' && (at[1] == '/' || !at[1])))
		at += at[1] ? (at[0] == '/' ? 1 : 2) : 1;
	for (const char *part = at; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (text_begins(part, "..") && (part[2] == '/' || !part[2]))
			files_must(-EINVAL, "a name in the archive leads out of it");
	}
	for (size_t len = strlen(at); len > 0 && at[len - 1] == '/'; len--)
		at[len - 1] = '\0';
	return at;
}

static bool is_zero(const char *bytes, size_t size)
{
	const uint64_t *words = (const void *)bytes;

	for (size_t i = 0; i < size / sizeof(*words); i++)
		if (words[i])
			return false;
	return true;
}

/* From where the file is written to; it is as long as its last byte that is not zero then. */
static void write_content(int fd, uint64_t size, const char *name)
{
	for (uint64_t left = size; left > 0;) {
		size_t want = left < TAR_COPY ? (size_t)left : TAR_COPY;

		read_exactly(copy_buffer, want);
		left -= want;
		if (want == TAR_COPY && is_zero(copy_buffer, want))
			files_must(sys(SYS_lseek, fd, want, 1 /* SEEK_CUR */), name);
		else
			files_must(write_all(fd, copy_buffer, want), name);
	}
}

/* --- files with holes ---------------------------------------------------------------------------
 */

static struct {
	char block[TAR_BLOCK];
	uint64_t left; /* bytes of the entry that were not read yet */
	size_t at;
} map;

static uint64_t next_number(const char *name)
{
	char text[24];
	uint64_t value;

	for (size_t len = 0; len < sizeof(text); len++) {
		if (map.at == TAR_BLOCK) {
			files_must(map.left >= TAR_BLOCK ? 0 : -EINVAL, name);
			read_exactly(map.block, TAR_BLOCK);
			map.left -= TAR_BLOCK;
			map.at = 0;
		}
		text[len] = map.block[map.at++];
		if (text[len] != '\n')
			continue;
		if (!number_parse(text, len, INT64_MAX, &value))
			break;
		return value;
	}
	files_must(-EINVAL, name);
	return 0;
}

/* The map stands in front of the data, and fills blocks: how many pieces there are, and of each
 * where it begins and its size. */
static void write_sparse(int fd, const struct entry *e)
{
	static struct tar_piece pieces[TAR_PIECES];
	uint64_t count, end = 0;

	map.left = e->size;
	map.at = TAR_BLOCK;
	count = next_number(e->name);
	files_must(e->sparse_major == 1 && count <= TAR_PIECES ? 0 : -EINVAL, e->name);
	for (uint64_t i = 0; i < count; i++) {
		pieces[i].offset = next_number(e->name);
		pieces[i].size = next_number(e->name);
		files_must(pieces[i].offset >= end && pieces[i].offset <= e->real_size &&
					pieces[i].size <= e->real_size - pieces[i].offset &&
					pieces[i].size <= map.left
				? 0
				: -EINVAL,
			e->name);
		end = pieces[i].offset + pieces[i].size;
	}
	for (uint64_t i = 0; i < count; i++) {
		files_must(pieces[i].size <= map.left ? 0 : -EINVAL, e->name);
		map.left -= pieces[i].size;
		files_must(sys(SYS_lseek, fd, pieces[i].offset, 0 /* SEEK_SET */), e->name);
		write_content(fd, pieces[i].size, e->name);
	}
	files_must(map.left == 0 ? 0 : -EINVAL, e->name);
}

/* --- entries ------------------------------------------------------------------------------------
 */

static void make_file(const char *name, const struct entry *e)
{
	long fd = sys(SYS_openat, AT_FDCWD, name,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	files_must(fd, name);
	if (e->has_real_size)
		write_sparse((int)fd, e);
	else
		write_content((int)fd, e->size, name);
	files_must(sys(SYS_ftruncate, fd, e->has_real_size ? e->real_size : e->size), name);
	sys(SYS_close, fd);
	if (e->size % TAR_BLOCK)
		read_exactly(copy_buffer, TAR_BLOCK - e->size % TAR_BLOCK);
}

/* What is there is replaced, but a folder by a folder. */
static void make_way(const char *name, char type)
{
	struct stat st;

	if (sys(SYS_newfstatat, AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode) && type == '5')
		return;
	files_must(sys(SYS_unlinkat, AT_FDCWD, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0), name);
}

static void make_node(const char *name, const struct entry *e, const struct tar_header *h)
{
	unsigned mode = (unsigned)octal(h->mode, sizeof(h->mode));
	uint64_t device = make_device(octal(h->major, 8), octal(h->minor, 8));
	long r = 0;

	switch (h->type) {
	case '5':
		r = sys(SYS_mkdirat, AT_FDCWD, name, 0700);
		r = r == -EEXIST ? 0 : r;
		break;
	case '2':
		r = sys(SYS_symlinkat, e->link, AT_FDCWD, name);
		break;
	case '1':
		r = sys(SYS_linkat, AT_FDCWD, e->link, AT_FDCWD, name, 0);
		break;
	case '3':
	case '4':
	case '6':
		r = sys(SYS_mknodat, AT_FDCWD, name,
			(h->type == '3'			 ? S_IFCHR
					: h->type == '4' ? S_IFBLK
							 : S_IFIFO) |
				0600,
			device);
		break;
	case '0':
	case '\0':
		make_file(name, e);
		break;
	default:
		r = -EINVAL;
	}
	files_must(r, name);
	if (h->type == '1')
		return;
	sys(SYS_fchownat, AT_FDCWD, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW);
	if (h->type != '2')
		files_must(sys(SYS_fchmodat, AT_FDCWD, name, mode), name);
}

static void set_time(const char *name, const struct tar_header *h)
{
	struct {
		long seconds, nanoseconds;
	} times[2] = { { (long)octal(h->mtime, sizeof(h->mtime)), 0 },
		{ (long)octal(h->mtime, sizeof(h->mtime)), 0 } };

	sys(SYS_utimensat, AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW);
}

static void unpack_entry(struct entry *e, const struct tar_header *h)
{
	const char *name;

	if (!e->has_size)
		e->size = octal(h->size, sizeof(h->size));
	if (!e->has_uid)
		e->uid = octal(h->uid, sizeof(h->uid));
	if (!e->has_gid)
		e->gid = octal(h->gid, sizeof(h->gid));
	if (!e->has_name) {
		size_t prefix = 0, len = 0;

		while (prefix < sizeof(h->prefix) && h->prefix[prefix])
			prefix++;
		while (len < sizeof(h->name) && h->name[len])
			len++;
		memcpy(e->name, h->prefix, prefix);
		e->name[prefix] = '/';
		memcpy(e->name + prefix + (prefix > 0), h->name, len);
		e->name[prefix + (prefix > 0) + len] = '\0';
	}
	if (!e->has_link) {
		memcpy(e->link, h->link, sizeof(h->link));
		e->link[sizeof(h->link)] = '\0';
	}
	if (h->type == '1') {
		const char *target = clean_name(e->link);

		memmove(e->link, target, strlen(target) + 1);
	}
	name = clean_name(e->name);
	memmove(e->name, name, strlen(name) + 1);
	if (!e->name[0] && !has_top) { /* the folder itself is not the archive's business */
		pass_over(h->type == '0' || !h->type ? e->size : 0);
		return;
	}
	if (!e->name[0])
		memcpy(e->name, ".", 2);
	make_way(e->name, h->type);
	make_node(e->name, e, h);
	if (h->type == '1')
		return;
	each_record(take_xattr, e);
	set_time(e->name, h);
}

void files_unpack(const char *path, int from, int report_fd, bool has_folder)
{
	static struct entry e;
	struct tar_header h;

	in_fd = from;
	has_top = has_folder;
	files_begin(report_fd);
	files_must(sys(SYS_chdir, path), path);
	sys(SYS_umask, 0);
	for (;;) {
		read_exactly(&h, TAR_BLOCK);
		if (!h.name[0])
			break;
		if (h.type == 'x') {
			e = (struct entry){ 0 };
			read_records(octal(h.size, sizeof(h.size)));
			each_record(take_record, &e);
			continue;
		}
		if (h.type == 'g') {
			pass_over(octal(h.size, sizeof(h.size)));
			continue;
		}
		unpack_entry(&e, &h);
		e = (struct entry){ 0 };
		pax_len = 0;
	}
	/* To the end, so that who writes it is not told of a broken pipe. */
	while (sys(SYS_read, in_fd, copy_buffer, TAR_COPY) > 0)
		;
	files_end();
}
