/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.c - files of the guest for `strata cp`: what is there, packed and unpacked as a tar archive
 * (POSIX.1-2001, pax interchange format). In a child of its own, whose root is the image's; so a
 * link can lead nowhere else, and what it is killed for concerns nobody.
 *
 * Written: ustar headers, and pax records where a name, a link or a number does not fit. Read: the
 * same, as strata-image writes it. Names that are not below the folder are refused.
 */
#include "internal.h"

#define BLOCK	     512
#define DEPTH_MAX    128
#define COPY_SIZE    65536
#define OCTAL_ID_MAX 07777777u
#define SIZE_OCTAL   UINT64_C(077777777777)
#define PAX_MAX	     16384

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[8], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a block of an archive");

/* As stat(2) and mknod(2) number devices (Linux, include/linux/kdev_t.h). */
static uint64_t device_major(uint64_t device)
{
	return device >> 8 & 0xfff;
}

static uint64_t device_minor(uint64_t device)
{
	return (device & 0xff) | (device >> 12 & 0xfff00);
}

static uint64_t make_device(uint64_t major, uint64_t minor)
{
	return (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
}

static int out_fd = -1, in_fd = -1, tell_fd = -1;
static char copy_buffer[COPY_SIZE];

void files_report(int report_fd, long code, const char *text)
{
	char buffer[sizeof(struct report) + AGENT_MESSAGE_MAX];
	struct report report = { .code = (int32_t)(code < 0 ? -code : code) };
	struct text words = { .at = buffer + sizeof(report), .size = AGENT_MESSAGE_MAX };

	memcpy(buffer, &report, sizeof(report));
	text_add(&words, code ? "%s: %s" : "%s", text, error_text(code));
	write_all(report_fd, buffer, sizeof(report) + words.len);
	process_exit(code != 0);
}

static void must(long r, const char *what)
{
	if (r < 0)
		files_report(tell_fd, r, what);
}

void files_look(const char *path, int report_fd)
{
	struct stat st;
	long r = sys(SYS_newfstatat, AT_FDCWD, path, &st, 0);

	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		files_report(report_fd, r, path);
	files_report(report_fd, 0, r < 0 ? "missing" : S_ISDIR(st.st_mode) ? "folder" : "file");
}

/* --- packing -------------------------------------------------------------------------------------
 */

static void put_octal(char *to, size_t size, uint64_t value)
{
	to[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		to[i] = (char)('0' + (value & 7));
}

static void put_header(struct header *h)
{
	unsigned sum = 0;

	memcpy(h->magic, "ustar\00000", 8);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += ((const uint8_t *)h)[i];
	put_octal(h->checksum, 7, sum);
	must(write_all(out_fd, h, BLOCK), "cannot write the archive");
}

static void put_padding(uint64_t size)
{
	static const char zeros[BLOCK];

	if (size % BLOCK)
		must(write_all(out_fd, zeros, BLOCK - size % BLOCK), "cannot write the archive");
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void add_record(struct text *pax, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, digits = 1, len = rest + 1;

	for (size_t limit = 10; len >= limit; limit *= 10) {
		digits++;
		len = rest + digits;
	}
	text_add(pax, "%lu %s=%s\n", len, key, value);
}

static void add_number(struct text *pax, const char *key, uint64_t value)
{
	char number[24];

	text_write(number, sizeof(number), "%lu", value);
	add_record(pax, key, number);
}

static void put_entry(const char *name, const struct stat *st, char type, const char *link)
{
	static char buffer[PAX_MAX];
	uint64_t size = type == '0' ? (uint64_t)st->st_size : 0;
	struct text pax = TEXT(buffer);
	struct header h = { .type = type }, x = { .type = 'x', .name = "pax" };

	buffer[0] = '\0';
	if (strlen(name) > sizeof(h.name))
		add_record(&pax, "path", name);
	if (strlen(link) > sizeof(h.link))
		add_record(&pax, "linkpath", link);
	if (size > SIZE_OCTAL)
		add_number(&pax, "size", size);
	if (st->st_uid > OCTAL_ID_MAX)
		add_number(&pax, "uid", st->st_uid);
	if (st->st_gid > OCTAL_ID_MAX)
		add_number(&pax, "gid", st->st_gid);
	if (pax.len) {
		put_octal(x.size, sizeof(x.size), pax.len);
		put_octal(x.mode, sizeof(x.mode), 0644);
		put_header(&x);
		must(write_all(out_fd, buffer, pax.len), "cannot write the archive");
		put_padding(pax.len);
	}
	memcpy(h.name, name, strlen(name) < sizeof(h.name) ? strlen(name) : sizeof(h.name));
	memcpy(h.link, link, strlen(link) < sizeof(h.link) ? strlen(link) : sizeof(h.link));
	put_octal(h.mode, sizeof(h.mode), st->st_mode & 07777);
	put_octal(h.uid, sizeof(h.uid), st->st_uid);
	put_octal(h.gid, sizeof(h.gid), st->st_gid);
	put_octal(h.size, sizeof(h.size), size);
	put_octal(h.mtime, sizeof(h.mtime), st->st_mtime > 0 ? (uint64_t)st->st_mtime : 0);
	put_octal(h.major, sizeof(h.major), device_major(st->st_rdev));
	put_octal(h.minor, sizeof(h.minor), device_minor(st->st_rdev));
	put_header(&h);
}

/* As many bytes as the header says: a file that grows is cut, one that shrinks is filled up. */
static void put_content(int fd, uint64_t size)
{
	uint64_t left = size;

	while (left > 0) {
		size_t want = left < COPY_SIZE ? (size_t)left : COPY_SIZE;
		long n = sys(SYS_read, fd, copy_buffer, want);

		if (n <= 0) {
			memset(copy_buffer, 0, want);
			n = (long)want;
		}
		must(write_all(out_fd, copy_buffer, (size_t)n), "cannot write the archive");
		left -= (uint64_t)n;
	}
	put_padding(size);
}

struct packing {
	uint64_t device; /* what is mounted below is left out, but for the folder it is on */
	int folder;
	char name[PATH_SIZE]; /* in the archive */
	size_t len, depth;
};

static long pack_child(void *context, const char *name, unsigned type);

static void pack_folder(struct packing *p, int fd)
{
	struct packing below = {
		.device = p->device, .folder = fd, .len = p->len, .depth = p->depth + 1
	};

	memcpy(below.name, p->name, p->len + 1);
	if (below.depth > DEPTH_MAX)
		files_report(tell_fd, ELOOP, p->name);
	must(folder_each(fd, ".", pack_child, &below), p->name);
}

/* What is removed while its folder is read is left out. */
static void pack(struct packing *p, const char *leaf)
{
	struct stat st;
	long fd, n = sys(SYS_newfstatat, p->folder, leaf, &st, AT_SYMLINK_NOFOLLOW);

	if (n == -ENOENT && p->depth > 0)
		return;
	must(n, p->name);
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = sys(SYS_openat, p->folder, leaf,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd == -ENOENT && p->depth > 0)
			return;
		must(fd, p->name);
		must(sys(SYS_fstat, fd, &st), p->name);
		put_entry(p->name, &st, S_ISDIR(st.st_mode) ? '5' : '0', "");
		if (p->depth == 0)
			p->device = st.st_dev;
		if (S_ISDIR(st.st_mode) && st.st_dev == p->device)
			pack_folder(p, (int)fd);
		else if (S_ISREG(st.st_mode))
			put_content((int)fd, (uint64_t)st.st_size);
		sys(SYS_close, fd);
	} else if (S_ISLNK(st.st_mode)) {
		n = sys(SYS_readlinkat, p->folder, leaf, copy_buffer, PATH_SIZE - 1);
		if (n == -ENOENT && p->depth > 0)
			return;
		must(n, p->name);
		copy_buffer[n] = '\0';
		put_entry(p->name, &st, '2', copy_buffer);
	} else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		put_entry(p->name, &st, S_ISCHR(st.st_mode) ? '3' : '4', "");
	} else if (S_ISFIFO(st.st_mode)) {
		put_entry(p->name, &st, '6', "");
	}
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
		must(sys(SYS_chdir, path), path);
		return ".";
	}
	if (leaf > path) {
		char kept = *leaf;

		*leaf = '\0';
		must(sys(SYS_chdir, path), path);
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
	tell_fd = report_fd;
	must(strlen(path) < sizeof(copy) ? 0 : -ENAMETOOLONG, "the path");
	memcpy(copy, path, strlen(path) + 1);
	leaf = enter_parent(copy);
	top.folder = AT_FDCWD;
	top.len = strlen(leaf);
	memcpy(top.name, leaf, top.len + 1);
	pack(&top, leaf);
	memset(copy_buffer, 0, 2 * BLOCK);
	must(write_all(out_fd, copy_buffer, 2 * BLOCK), "cannot write the archive");
	files_report(report_fd, 0, "");
}

/* --- unpacking -----------------------------------------------------------------------------------
 */

/* One entry as its headers say. */
struct entry {
	char name[PATH_SIZE], link[PATH_SIZE];
	uint64_t size, uid, gid;
	bool has_name, has_link, has_size, has_uid, has_gid;
};

static void read_exactly(void *to, size_t size)
{
	char *at = to;

	while (size > 0) {
		long n = sys(SYS_read, in_fd, at, size);

		if (n == -EINTR)
			continue;
		must(n == 0 ? -EIO : n, "the archive is cut short");
		at += n;
		size -= (size_t)n;
	}
}

static void pass_over(uint64_t size)
{
	for (uint64_t left = (size + BLOCK - 1) / BLOCK * BLOCK; left > 0;) {
		size_t want = left < COPY_SIZE ? (size_t)left : COPY_SIZE;

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
	must(len < PATH_SIZE ? 0 : -ENAMETOOLONG, "a name in the archive");
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
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		char *to = (char *)e + known[i].offset;

		if (strlen(known[i].key) != key_len || memcmp(known[i].key, key, key_len) != 0)
			continue;
		if (!known[i].is_number)
			copy_text(to, value, len);
		else if (!number_parse(value, len, INT64_MAX, (uint64_t *)(void *)to))
			files_report(tell_fd, EINVAL, "a number in the archive");
		*((bool *)e + known[i].flag) = true;
	}
}

static void read_pax(struct entry *e, uint64_t size)
{
	static char pax[PAX_MAX + 1];
	const char *at = pax, *end;

	must(size <= PAX_MAX ? 0 : -EFBIG, "a header of the archive");
	read_exactly(pax, (size_t)(size + BLOCK - 1) / BLOCK * BLOCK);
	end = pax + size;
	while (at < end) {
		const char *space = at, *equals;
		uint64_t len;

		while (space < end && *space != ' ')
			space++;
		if (!number_parse(at, (size_t)(space - at), PAX_MAX, &len) ||
			len < (uint64_t)(space - at) + 3 || len > (uint64_t)(end - at))
			files_report(tell_fd, EINVAL, "a header of the archive");
		equals = space;
		while (equals < at + len && *equals != '=')
			equals++;
		if (equals < at + len)
			take_record(e, space + 1, (size_t)(equals - space - 1), equals + 1,
				(size_t)(at + len - 1 - (equals + 1)));
		at += len;
	}
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
			files_report(tell_fd, EINVAL, "a name in the archive leads out of it");
	}
	for (size_t len = strlen(at); len > 0 && at[len - 1] == '/'; len--)
		at[len - 1] = '\0';
	return at;
}

static void write_content(int fd, uint64_t size, const char *name)
{
	for (uint64_t left = size; left > 0;) {
		size_t want = left < COPY_SIZE ? (size_t)left : COPY_SIZE;

		read_exactly(copy_buffer, want);
		must(write_all(fd, copy_buffer, want), name);
		left -= want;
	}
	if (size % BLOCK)
		read_exactly(copy_buffer, BLOCK - size % BLOCK);
}

/* What is there is replaced, but a folder by a folder. */
static void make_way(const char *name, char type)
{
	struct stat st;

	if (sys(SYS_newfstatat, AT_FDCWD, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISDIR(st.st_mode) && type == '5')
		return;
	must(sys(SYS_unlinkat, AT_FDCWD, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0), name);
}

static void make_node(const char *name, const struct entry *e, const struct header *h)
{
	unsigned mode = (unsigned)octal(h->mode, sizeof(h->mode));
	uint64_t device = make_device(octal(h->major, 8), octal(h->minor, 8));
	long r = 0, fd;

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
	default:
		fd = sys(SYS_openat, AT_FDCWD, name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		must(fd, name);
		write_content((int)fd, e->size, name);
		sys(SYS_close, fd);
	}
	must(r, name);
	if (h->type == '1')
		return;
	sys(SYS_fchownat, AT_FDCWD, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW);
	if (h->type != '2')
		must(sys(SYS_fchmodat, AT_FDCWD, name, mode), name);
}

static void set_time(const char *name, const struct header *h)
{
	struct {
		long seconds, nanoseconds;
	} times[2] = { { (long)octal(h->mtime, sizeof(h->mtime)), 0 },
		{ (long)octal(h->mtime, sizeof(h->mtime)), 0 } };

	sys(SYS_utimensat, AT_FDCWD, name, times, AT_SYMLINK_NOFOLLOW);
}

static void unpack_entry(struct entry *e, const struct header *h)
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
	if (!*name) { /* the folder itself is not the archive's business */
		pass_over(h->type == '0' || !h->type ? e->size : 0);
		return;
	}
	make_way(name, h->type);
	make_node(name, e, h);
	if (h->type != '1')
		set_time(name, h);
}

void files_unpack(const char *path, int from, int report_fd)
{
	static struct entry e;
	struct header h;

	in_fd = from;
	tell_fd = report_fd;
	must(sys(SYS_chdir, path), path);
	sys(SYS_umask, 0);
	for (;;) {
		read_exactly(&h, BLOCK);
		if (!h.name[0])
			break;
		if (h.type == 'x') {
			e = (struct entry){ 0 };
			read_pax(&e, octal(h.size, sizeof(h.size)));
			continue;
		}
		if (h.type == 'g') {
			pass_over(octal(h.size, sizeof(h.size)));
			continue;
		}
		unpack_entry(&e, &h);
		e = (struct entry){ 0 };
	}
	/* To the end, so that who writes it is not told of a broken pipe. */
	while (sys(SYS_read, in_fd, copy_buffer, COPY_SIZE) > 0)
		;
	files_report(report_fd, 0, "");
}
