/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-session.c - the FUSE server does to a folder what its requests say, and to nothing else;
 * what is unlinked stays readable, what is renamed stays what it was, and nonsense is an error.
 */
#include "unit/test.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/io.h"
#include "unit/share/guest.h"

#define ROOT FUSE_ROOT_ID

static char base[64], folder[80], outside[96];
static struct guest g;
static int folder_fd = -1;

static int setup(void **state)
{
	strcpy(base, "/tmp/strata-share-XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(folder, sizeof(folder), "%s/shared", base);
	snprintf(outside, sizeof(outside), "%s/outside", base);
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(close(open(outside, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	umask(0);
	assert_int_equal(guest_open(&g, folder), 0);
	g.uid = geteuid();
	g.gid = getegid();
	assert_int_equal(guest_init(&g), 0);
	return 0;
}

static int teardown(void **state)
{
	guest_close(&g);
	close(folder_fd);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(io_remove_tree(AT_FDCWD, base, NULL), 0);
	return 0;
}

/* --- helpers ---------------------------------------------------------------------------------- */

static void put(const char *name, const char *text)
{
	int fd = openat(folder_fd, name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void expect_content(const char *name, const char *text)
{
	char got[256] = "";
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, got, sizeof(got) - 1) >= 0);
	assert_string_equal(got, text);
	close(fd);
}

static bool is_there(const char *name)
{
	return faccessat(folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static uint64_t lookup(const char *name)
{
	uint64_t node = guest_lookup(&g, ROOT, name);

	if (!node)
		fail_msg("no %s: %d", name, g.answer.error);
	return node;
}

static int open_node(uint64_t node, uint32_t flags, uint64_t *ret)
{
	const struct fuse_open_in in = { .flags = flags };
	int r = guest_ask(&g, FUSE_OPEN, node, &in, sizeof(in), NULL, 0);

	if (r == 0)
		*ret = ((const struct fuse_open_out *)(const void *)g.bytes)->fh;
	return r;
}

static uint64_t opened(uint64_t node, uint32_t flags)
{
	uint64_t fh = 0;

	assert_int_equal(open_node(node, flags, &fh), 0);
	return fh;
}

static int read_at(uint64_t node, uint64_t fh, uint64_t offset, uint32_t size)
{
	const struct fuse_read_in in = { .fh = fh, .offset = offset, .size = size };

	return guest_ask(&g, FUSE_READ, node, &in, sizeof(in), NULL, 0);
}

static void expect_read(uint64_t node, uint64_t fh, const char *text)
{
	assert_int_equal(read_at(node, fh, 0, 4096), 0);
	assert_int_equal(g.nr_answer, strlen(text));
	assert_memory_equal(g.bytes, text, g.nr_answer);
}

static int write_at(uint64_t node, uint64_t fh, uint64_t offset, const char *text, uint32_t flags)
{
	const struct fuse_write_in in = {
		.fh = fh, .offset = offset, .size = (uint32_t)strlen(text), .write_flags = flags
	};

	return guest_ask(&g, FUSE_WRITE, node, &in, sizeof(in), text, strlen(text));
}

static struct fuse_attr getattr(uint64_t node)
{
	const struct fuse_getattr_in in = { 0 };

	assert_int_equal(guest_ask(&g, FUSE_GETATTR, node, &in, sizeof(in), NULL, 0), 0);
	return ((const struct fuse_attr_out *)(const void *)g.bytes)->attr;
}

static int create(
	const char *name, uint32_t flags, uint32_t mode, uint64_t *ret_node, uint64_t *ret_fh)
{
	const struct fuse_create_in in = { .flags = flags, .mode = mode };
	int r = guest_ask_name(&g, FUSE_CREATE, ROOT, &in, sizeof(in), name);

	if (r == 0) {
		*ret_node = ((const struct fuse_entry_out *)(const void *)g.bytes)->nodeid;
		*ret_fh = ((const struct fuse_open_out *)(const void *)(g.bytes +
				   sizeof(struct fuse_entry_out)))
				  ->fh;
	}
	return r;
}

static int rename_in_root(const char *from, const char *to, uint32_t flags)
{
	struct {
		struct fuse_rename2_in in;
		char names[64];
	} args = { .in = { .newdir = ROOT, .flags = flags } };
	size_t n = strlen(from) + 1;

	strcpy(args.names, from);
	strcpy(args.names + n, to);
	return guest_ask(
		&g, FUSE_RENAME2, ROOT, &args, sizeof(args.in) + n + strlen(to) + 1, NULL, 0);
}

/* --- names ------------------------------------------------------------------------------------ */

static void test_lookup(void **state)
{
	uint64_t node, again;

	put("file", "content");
	node = lookup("file");
	again = lookup("file");
	assert_int_equal(node, again);
	assert_int_equal(getattr(node).size, 7);
	assert_int_equal(getattr(node).mode, S_IFREG | 0644);
	assert_int_equal(guest_lookup(&g, ROOT, "nothing"), 0);
	assert_int_equal(g.answer.error, -ENOENT);
	assert_int_equal(guest_lookup(&g, node, "file"), 0);
	assert_int_equal(g.answer.error, -ENOTDIR);
	assert_int_equal(guest_lookup(&g, 9999, "file"), 0);
	assert_int_equal(g.answer.error, -ESTALE);
}

static void test_no_way_out(void **state)
{
	static const char *const names[] = { "..", ".", "", "/", "/etc", "../outside", "a/b",
		"./file" };
	const struct fuse_open_in in = { 0 };
	uint64_t link;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(guest_lookup(&g, ROOT, names[i]), 0);
		assert_int_equal(g.answer.error, -EINVAL);
		assert_int_equal(guest_ask_name(&g, FUSE_UNLINK, ROOT, NULL, 0, names[i]), -EINVAL);
		assert_int_equal(rename_in_root(names[i], "x", 0), -EINVAL);
	}
	/* Links are the guest's to follow. */
	assert_int_equal(symlinkat(outside, folder_fd, "link"), 0);
	link = lookup("link");
	assert_int_equal(getattr(link).mode & S_IFMT, S_IFLNK);
	assert_int_equal(guest_ask(&g, FUSE_OPEN, link, &in, sizeof(in), NULL, 0), -ELOOP);
	assert_int_equal(guest_ask(&g, FUSE_READLINK, link, NULL, 0, NULL, 0), 0);
	assert_int_equal(g.nr_answer, strlen(outside));
	assert_memory_equal(g.bytes, outside, g.nr_answer);
	assert_int_equal(guest_lookup(&g, link, "x"), 0);
	assert_int_equal(access(outside, F_OK), 0);
}

static void test_make_and_remove(void **state)
{
	const struct fuse_mkdir_in folder_in = { .mode = 0750 };
	const struct fuse_mknod_in fifo_in = { .mode = S_IFIFO | 0600 };
	const struct fuse_mknod_in device_in = { .mode = S_IFCHR | 0600, .rdev = 0x103 };
	const struct fuse_open_in open_in = { 0 };
	struct fuse_link_in link_in = { 0 };
	uint64_t fifo, node;

	assert_int_equal(
		guest_ask_name(&g, FUSE_MKDIR, ROOT, &folder_in, sizeof(folder_in), "sub"), 0);
	assert_int_equal(getattr(lookup("sub")).mode, S_IFDIR | 0750);
	assert_int_equal(guest_ask_name(&g, FUSE_MKDIR, ROOT, &folder_in, sizeof(folder_in), "sub"),
		-EEXIST);
	assert_int_equal(guest_ask_name(&g, FUSE_UNLINK, ROOT, NULL, 0, "sub"), -EISDIR);
	assert_int_equal(guest_ask_name(&g, FUSE_RMDIR, ROOT, NULL, 0, "sub"), 0);
	assert_false(is_there("sub"));

	/* The guest makes its own FIFOs and sockets of them; to open one here would wait. */
	assert_int_equal(
		guest_ask_name(&g, FUSE_MKNOD, ROOT, &fifo_in, sizeof(fifo_in), "fifo"), 0);
	fifo = lookup("fifo");
	assert_int_equal(getattr(fifo).mode, S_IFIFO | 0600);
	assert_int_equal(
		guest_ask(&g, FUSE_OPEN, fifo, &open_in, sizeof(open_in), NULL, 0), -ENXIO);
	assert_int_equal(
		guest_ask_name(&g, FUSE_MKNOD, ROOT, &device_in, sizeof(device_in), "null"),
		-EPERM);

	assert_int_equal(guest_ask(&g, FUSE_SYMLINK, ROOT, "name\0target", 12, NULL, 0), 0);
	assert_int_equal(getattr(lookup("name")).size, 6);
	assert_int_equal(guest_ask(&g, FUSE_SYMLINK, ROOT, "name\0target", 11, NULL, 0), -EINVAL);

	put("file", "x");
	link_in.oldnodeid = node = lookup("file");
	assert_int_equal(
		guest_ask_name(&g, FUSE_LINK, ROOT, &link_in, sizeof(link_in), "second"), 0);
	assert_int_equal(lookup("second"), node);
	assert_int_equal(getattr(node).nlink, 2);
	link_in.oldnodeid = 12345;
	assert_int_equal(
		guest_ask_name(&g, FUSE_LINK, ROOT, &link_in, sizeof(link_in), "third"), -ESTALE);
}

static void test_rename(void **state)
{
	uint64_t a, b, fh;

	put("a", "first");
	put("b", "second");
	a = lookup("a");
	b = lookup("b");
	fh = opened(a, O_RDONLY);
	assert_int_equal(rename_in_root("a", "b", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(rename_in_root("a", "b", RENAME_EXCHANGE), 0);
	expect_content("a", "second");
	assert_int_equal(lookup("b"), a);
	assert_int_equal(rename_in_root("a", "b", RENAME_WHITEOUT), -EINVAL);
	assert_int_equal(rename_in_root("a", "b", 0), 0);
	assert_false(is_there("a"));
	assert_int_equal(lookup("b"), b);
	/* What was replaced is there for who has it open. */
	expect_read(a, fh, "first");
	assert_int_equal(getattr(a).nlink, 0);
}

static void test_unlinked(void **state)
{
	uint64_t node, fh;

	put("file", "still here");
	node = lookup("file");
	fh = opened(node, O_RDWR);
	assert_int_equal(guest_ask_name(&g, FUSE_UNLINK, ROOT, NULL, 0, "file"), 0);
	assert_false(is_there("file"));
	put("file", "another");
	assert_true(lookup("file") != node);
	expect_read(node, fh, "still here");
	assert_int_equal(write_at(node, fh, 0, "STILL", 0), 0);
	expect_read(node, fh, "STILL here");
	/* Even opened anew. */
	expect_read(node, opened(node, O_RDONLY), "STILL here");
	expect_content("file", "another");
}

static void test_forget(void **state)
{
	struct fuse_forget_in forget = { .nlookup = 1 };
	uint64_t node, other;

	put("file", "x");
	node = lookup("file");
	assert_int_equal(lookup("file"), node);
	assert_int_equal(
		guest_ask(&g, FUSE_FORGET, node, &forget, sizeof(forget), NULL, 0), -ENODATA);
	getattr(node);
	forget.nlookup = UINT64_MAX;
	guest_ask(&g, FUSE_FORGET, node, &forget, sizeof(forget), NULL, 0);
	assert_int_equal(guest_ask(&g, FUSE_READLINK, node, NULL, 0, NULL, 0), -ESTALE);
	/* The number comes again, with another generation. */
	put("other", "y");
	other = lookup("other");
	assert_int_equal(other, node);
	assert_int_equal(((const struct fuse_entry_out *)(const void *)g.bytes)->generation, 2);
	/* The root cannot be forgotten. */
	guest_ask(&g, FUSE_FORGET, ROOT, &forget, sizeof(forget), NULL, 0);
	getattr(ROOT);
}

/* --- files ------------------------------------------------------------------------------------ */

static void test_create(void **state)
{
	uint64_t node, fh;

	assert_int_equal(create("new", O_RDWR, 0640, &node, &fh), 0);
	assert_int_equal(write_at(node, fh, 0, "hello", 0), 0);
	expect_content("new", "hello");
	assert_int_equal(getattr(node).mode, S_IFREG | 0640);
	assert_int_equal(create("new", O_RDWR | O_EXCL, 0640, &node, &fh), -EEXIST);
	assert_int_equal(create("new", O_RDWR | O_TRUNC, 0600, &node, &fh), 0);
	assert_int_equal(getattr(node).size, 0);
	assert_int_equal(getattr(node).mode, S_IFREG | 0640);
	/* Not through a link, wherever it leads. */
	assert_int_equal(symlinkat(outside, folder_fd, "link"), 0);
	assert_int_equal(create("link", O_RDWR, 0600, &node, &fh), -ELOOP);
	assert_int_equal(create("new", O_ACCMODE, 0600, &node, &fh), -EINVAL);
}

static void test_owner(void **state)
{
	const struct fuse_mkdir_in folder_in = { .mode = 0755 };
	uint64_t node, fh;

	if (geteuid() != 0) {
		print_message("skipped: files can be given away by root only\n");
		return;
	}
	g.uid = 1234;
	g.gid = 2345;
	assert_int_equal(create("file", O_RDWR, 04755, &node, &fh), 0);
	assert_int_equal(getattr(node).uid, 1234);
	assert_int_equal(getattr(node).gid, 2345);
	assert_int_equal(getattr(node).mode, S_IFREG | 04755);
	assert_int_equal(
		guest_ask_name(&g, FUSE_MKDIR, ROOT, &folder_in, sizeof(folder_in), "sub"), 0);
	assert_int_equal(getattr(lookup("sub")).uid, 1234);
	assert_int_equal(guest_ask(&g, FUSE_SYMLINK, ROOT, "link\0x", 7, NULL, 0), 0);
	assert_int_equal(getattr(lookup("link")).gid, 2345);
	/* A folder's group is its files'. */
	assert_int_equal(fchownat(folder_fd, "sub", 0, 777, 0), 0);
	assert_int_equal(fchmodat(folder_fd, "sub", 02755, 0), 0);
	assert_int_equal(guest_ask_name(&g, FUSE_MKDIR, lookup("sub"), &folder_in,
				 sizeof(folder_in), "below"),
		0);
	node = ((const struct fuse_entry_out *)(const void *)g.bytes)->nodeid;
	assert_int_equal(getattr(node).gid, 777);
	assert_int_equal(getattr(node).mode, S_IFDIR | 02755);
}

static void test_append(void **state)
{
	uint64_t node, fh;

	put("log", "12345");
	node = lookup("log");
	fh = opened(node, O_RDWR | O_APPEND);
	/* The host has written, too, so the guest's offset is old. */
	assert_int_equal(write_at(node, fh, 0, "6", 0), 0);
	expect_content("log", "123456");
	/* A page that was mapped goes where it was. */
	assert_int_equal(write_at(node, fh, 0, "X", FUSE_WRITE_CACHE), 0);
	expect_content("log", "X23456");
}

static void test_read_write_limits(void **state)
{
	struct fuse_write_in in = { .size = 100 };
	uint64_t node, fh;

	put("file", "0123456789");
	node = lookup("file");
	fh = opened(node, O_RDONLY);
	assert_int_equal(read_at(node, fh, 8, 100), 0);
	assert_int_equal(g.nr_answer, 2);
	assert_int_equal(read_at(node, fh, 10, 100), 0);
	assert_int_equal(g.nr_answer, 0);
	assert_int_equal(read_at(node, fh, UINT64_MAX, 100), -EINVAL);
	assert_int_equal(read_at(node, fh + 1, 0, 100), -EBADF);
	assert_int_equal(read_at(node, UINT64_MAX, 0, 100), -EBADF);
	assert_int_equal(write_at(node, fh, 0, "x", 0), -EBADF);
	in.fh = fh;
	assert_int_equal(guest_ask(&g, FUSE_WRITE, node, &in, sizeof(in), "few", 3), -EINVAL);
	assert_int_equal(guest_ask(&g, FUSE_RELEASE, node, &(struct fuse_release_in){ .fh = fh },
				 sizeof(struct fuse_release_in), NULL, 0),
		0);
	assert_int_equal(read_at(node, fh, 0, 100), -EBADF);
}

static void test_holes(void **state)
{
	struct fuse_fallocate_in allocate = { .length = 8192 };
	struct fuse_lseek_in seek = { .whence = SEEK_HOLE };
	struct fuse_copy_file_range_in copy = { .len = 5 };
	uint64_t node, fh, other, other_fh;

	assert_int_equal(create("a", O_RDWR, 0600, &node, &fh), 0);
	assert_int_equal(create("b", O_RDWR, 0600, &other, &other_fh), 0);
	allocate.fh = seek.fh = copy.fh_in = fh;
	assert_int_equal(
		guest_ask(&g, FUSE_FALLOCATE, node, &allocate, sizeof(allocate), NULL, 0), 0);
	assert_int_equal(getattr(node).size, 8192);
	assert_int_equal(guest_ask(&g, FUSE_LSEEK, node, &seek, sizeof(seek), NULL, 0), 0);
	seek.whence = SEEK_SET;
	assert_int_equal(guest_ask(&g, FUSE_LSEEK, node, &seek, sizeof(seek), NULL, 0), -EINVAL);
	assert_int_equal(write_at(node, fh, 0, "bytes", 0), 0);
	copy.fh_out = other_fh;
	copy.nodeid_out = other;
	assert_int_equal(
		guest_ask(&g, FUSE_COPY_FILE_RANGE, node, &copy, sizeof(copy), NULL, 0), 0);
	expect_content("b", "bytes");
}

static void test_tmpfile(void **state)
{
	const struct fuse_create_in in = { .flags = O_RDWR, .mode = 0600 };
	struct fuse_link_in link_in = { 0 };
	uint64_t node, fh;
	int r = guest_ask(&g, FUSE_TMPFILE, ROOT, &in, sizeof(in), NULL, 0);

	if (r == -EOPNOTSUPP) {
		print_message("skipped: no O_TMPFILE in /tmp\n");
		return;
	}
	assert_int_equal(r, 0);
	node = ((const struct fuse_entry_out *)(const void *)g.bytes)->nodeid;
	fh = ((const struct fuse_open_out *)(const void *)(g.bytes + sizeof(struct fuse_entry_out)))
		     ->fh;
	assert_int_equal(write_at(node, fh, 0, "named later", 0), 0);
	link_in.oldnodeid = node;
	assert_int_equal(
		guest_ask_name(&g, FUSE_LINK, ROOT, &link_in, sizeof(link_in), "named"), 0);
	expect_content("named", "named later");
}

/* --- attributes ------------------------------------------------------------------------------- */

static void test_setattr(void **state)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE | FATTR_SIZE | FATTR_MTIME,
		.mode = S_IFREG | 0400,
		.size = 3,
		.mtime = 1000000000,
		.mtimensec = 5 };
	struct fuse_attr attr;
	uint64_t node;

	put("file", "0123456789");
	node = lookup("file");
	assert_int_equal(guest_ask(&g, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0), 0);
	attr = getattr(node);
	assert_int_equal(attr.mode, S_IFREG | 0400);
	assert_int_equal(attr.size, 3);
	assert_int_equal(attr.mtime, 1000000000);
	assert_int_equal(attr.mtimensec, 5);
	in = (struct fuse_setattr_in){ .valid = FATTR_SIZE, .size = UINT64_MAX };
	assert_int_equal(guest_ask(&g, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0), -EFBIG);
	in = (struct fuse_setattr_in){ .valid = FATTR_ATIME | FATTR_ATIME_NOW };
	assert_int_equal(guest_ask(&g, FUSE_SETATTR, node, &in, sizeof(in), NULL, 0), 0);
	/* A link's own. */
	assert_int_equal(symlinkat(outside, folder_fd, "link"), 0);
	in = (struct fuse_setattr_in){ .valid = FATTR_MTIME, .mtime = 7 };
	assert_int_equal(guest_ask(&g, FUSE_SETATTR, lookup("link"), &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(getattr(lookup("link")).mtime, 7);
	assert_int_equal(guest_ask(&g, FUSE_SETATTR, node, &in, sizeof(in) - 1, NULL, 0), -EINVAL);
}

static void test_xattr(void **state)
{
	struct fuse_setxattr_in set = { .size = 5 };
	struct fuse_getxattr_in get = { .size = 100 };
	uint64_t node;
	int r;

	put("file", "");
	node = lookup("file");
	r = guest_ask(
		&g, FUSE_SETXATTR, node, &set, FUSE_COMPAT_SETXATTR_IN_SIZE, "user.a\0value", 12);
	if (r == -EOPNOTSUPP) {
		print_message("skipped: no extended attributes in /tmp\n");
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(guest_ask_name(&g, FUSE_GETXATTR, node, &get, sizeof(get), "user.a"), 0);
	assert_int_equal(g.nr_answer, 5);
	assert_memory_equal(g.bytes, "value", 5);
	get.size = 3;
	assert_int_equal(
		guest_ask_name(&g, FUSE_GETXATTR, node, &get, sizeof(get), "user.a"), -ERANGE);
	get.size = 0;
	assert_int_equal(guest_ask_name(&g, FUSE_GETXATTR, node, &get, sizeof(get), "user.a"), 0);
	assert_int_equal(((const struct fuse_getxattr_out *)(const void *)g.bytes)->size, 5);
	get.size = 100;
	assert_int_equal(guest_ask(&g, FUSE_LISTXATTR, node, &get, sizeof(get), NULL, 0), 0);
	assert_memory_equal(g.bytes, "user.a", 7);
	assert_int_equal(guest_ask_name(&g, FUSE_REMOVEXATTR, node, NULL, 0, "user.a"), 0);
	assert_int_equal(
		guest_ask_name(&g, FUSE_GETXATTR, node, &get, sizeof(get), "user.a"), -ENODATA);
	/* More than is there, and no end of the name. */
	set.size = 6;
	assert_int_equal(guest_ask(&g, FUSE_SETXATTR, node, &set, FUSE_COMPAT_SETXATTR_IN_SIZE,
				 "user.a\0value", 12),
		-EINVAL);
	assert_int_equal(
		guest_ask(&g, FUSE_GETXATTR, node, &get, sizeof(get), "user.a", 6), -EINVAL);
}

static void test_statfs(void **state)
{
	assert_int_equal(guest_ask(&g, FUSE_STATFS, ROOT, NULL, 0, NULL, 0), 0);
	assert_true(((const struct fuse_statfs_out *)(const void *)g.bytes)->st.namelen >= 255);
}

/* --- folders ---------------------------------------------------------------------------------- */

#define MANY 500

/* All names, in answers of `size` bytes: how many files were seen, each once. */
static unsigned list(uint32_t opcode, uint32_t size)
{
	static bool seen[MANY];
	struct fuse_read_in in = { .size = size };
	const struct fuse_open_in open_in = { 0 };
	size_t head = opcode == FUSE_READDIRPLUS ? sizeof(struct fuse_entry_out) : 0;
	unsigned nr = 0, nr_dots = 0;

	memset(seen, 0, sizeof(seen));
	assert_int_equal(guest_ask(&g, FUSE_OPENDIR, ROOT, &open_in, sizeof(open_in), NULL, 0), 0);
	in.fh = ((const struct fuse_open_out *)(const void *)g.bytes)->fh;
	for (;;) {
		assert_int_equal(guest_ask(&g, opcode, ROOT, &in, sizeof(in), NULL, 0), 0);
		if (!g.nr_answer)
			break;
		assert_true(g.nr_answer <= size);
		for (size_t at = 0; at < g.nr_answer;) {
			const struct fuse_entry_out *entry = (const void *)(g.bytes + at);
			const struct fuse_dirent *d = (const void *)(g.bytes + at + head);
			char name[256] = "";
			unsigned number;

			memcpy(name, d->name, d->namelen);
			in.offset = d->off;
			at += FUSE_DIRENT_ALIGN(head + FUSE_NAME_OFFSET + d->namelen);
			if (sscanf(name, "file-%u", &number) != 1) {
				if (!strcmp(name, "moved") || !strcmp(name, "linked"))
					continue;
				assert_true(!strcmp(name, ".") || !strcmp(name, ".."));
				assert_true(!head || !entry->nodeid);
				nr_dots++;
				continue;
			}
			assert_true(number < MANY && !seen[number]);
			assert_true(!head || (entry->nodeid && entry->attr.ino == d->ino));
			seen[number] = true;
			nr++;
		}
	}
	assert_int_equal(nr_dots, 2);
	assert_int_equal(
		guest_ask(&g, FUSE_RELEASEDIR, ROOT, &(struct fuse_release_in){ .fh = in.fh },
			sizeof(struct fuse_release_in), NULL, 0),
		0);
	return nr;
}

static void test_folders(void **state)
{
	static const uint32_t sizes[] = { 300, 4096, 65536 };
	const struct fuse_read_in bad = { .fh = 1000, .size = 4096 };
	char name[32];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		put(name, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		assert_int_equal(list(FUSE_READDIR, sizes[i]), MANY);
		assert_int_equal(list(FUSE_READDIRPLUS, sizes[i]), MANY);
	}
	assert_int_equal(guest_ask(&g, FUSE_READDIR, ROOT, &bad, sizeof(bad), NULL, 0), -EBADF);
}

static void test_many_handles(void **state)
{
	uint64_t node, fh, first;
	unsigned nr = 1;

	put("file", "x");
	node = lookup("file");
	first = opened(node, O_RDONLY);
	while (open_node(node, O_RDONLY, &fh) == 0)
		assert_true(++nr < 100000);
	assert_true(g.answer.error == -ENFILE || g.answer.error == -EMFILE);
	assert_true(nr > 200);
	assert_int_equal(guest_ask(&g, FUSE_RELEASE, node, &(struct fuse_release_in){ .fh = first },
				 sizeof(struct fuse_release_in), NULL, 0),
		0);
	opened(node, O_RDONLY);
	/* A new mount forgets the old. */
	assert_int_equal(guest_init(&g), 0);
	assert_int_equal(read_at(ROOT, first, 0, 1), -EBADF);
	opened(lookup("file"), O_RDONLY);
}

/* --- more files than descriptors -------------------------------------------------------------- */

#define FEW_FDS 200

static int setup_few(void **state)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = FEW_FDS;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return setup(state);
}

static void test_many_files(void **state)
{
	static uint64_t nodes[MANY];
	struct fuse_setattr_in truncate = { .valid = FATTR_SIZE, .size = 1 };
	struct fuse_link_in link_in = { 0 };
	uint64_t fh;
	char name[32];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		put(name, name);
	}
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		nodes[i] = lookup(name);
	}
	/* All are there still, whatever has been closed meanwhile. */
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		assert_int_equal(getattr(nodes[i]).size, strlen(name));
		assert_int_equal(lookup(name), nodes[i]);
	}
	assert_int_equal(list(FUSE_READDIRPLUS, 4096), MANY);

	/* Renamed, linked, unlinked and open ones are found, too. */
	assert_int_equal(rename_in_root("file-0", "moved", 0), 0);
	assert_int_equal(rename_in_root("file-1", "file-2", RENAME_EXCHANGE), 0);
	link_in.oldnodeid = nodes[3];
	assert_int_equal(
		guest_ask_name(&g, FUSE_LINK, ROOT, &link_in, sizeof(link_in), "linked"), 0);
	assert_int_equal(guest_ask_name(&g, FUSE_UNLINK, ROOT, NULL, 0, "file-4"), 0);
	assert_int_equal(rename_in_root("file-5", "file-6", 0), 0);
	fh = opened(nodes[7], O_RDONLY);
	assert_int_equal(unlinkat(folder_fd, "file-7", 0), 0);
	put("file-7", "another");
	/* Others come and go, so that these lose their descriptors. */
	assert_int_equal(list(FUSE_READDIRPLUS, 4096), MANY - 3);
	assert_int_equal(
		guest_ask(&g, FUSE_SETATTR, nodes[0], &truncate, sizeof(truncate), NULL, 0), 0);
	expect_content("moved", "f");
	assert_int_equal(
		guest_ask(&g, FUSE_SETATTR, nodes[1], &truncate, sizeof(truncate), NULL, 0), 0);
	expect_content("file-2", "f");
	expect_content("file-1", "file-2");
	assert_int_equal(getattr(nodes[3]).nlink, 2);
	assert_int_equal(getattr(nodes[4]).nlink, 0);
	assert_int_equal(getattr(nodes[6]).nlink, 0);
	expect_read(nodes[4], opened(nodes[4], O_RDONLY), "file-4");
	expect_read(nodes[6], opened(nodes[6], O_RDONLY), "file-6");
	expect_read(nodes[7], fh, "file-7");
	/* What the host has taken away is told. */
	assert_int_equal(unlinkat(folder_fd, "file-100", 0), 0);
	assert_int_equal(guest_ask(&g, FUSE_OPEN, nodes[100], &(struct fuse_open_in){ 0 },
				 sizeof(struct fuse_open_in), NULL, 0),
		-ESTALE);
}

/* --- nonsense --------------------------------------------------------------------------------- */

static void test_every_operation_cut_short(void **state)
{
	static const uint8_t zeros[256];

	put("file", "x");
	lookup("file");
	for (uint32_t opcode = 0; opcode < 60; opcode++) {
		if (opcode == FUSE_DESTROY)
			continue;
		for (size_t size = 0; size < sizeof(zeros); size += 4) {
			int r = guest_ask(&g, opcode, 2, zeros, size, NULL, 0);

			assert_in_range(-r, 0, 4095);
		}
	}
	assert_int_equal(guest_init(&g), 0);
	expect_content("file", "x");
}

static void test_order(void **state)
{
	struct fuse_init_in in = { .major = 6, .minor = 1 };

	assert_int_equal(guest_ask(&g, FUSE_DESTROY, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(guest_lookup(&g, ROOT, "file"), 0);
	assert_int_equal(g.answer.error, -EIO);
	assert_int_equal(guest_ask(&g, FUSE_INIT, 0, &in, sizeof(in), NULL, 0), -EPROTO);
	in = (struct fuse_init_in){ .major = 7, .minor = 12 };
	assert_int_equal(guest_ask(&g, FUSE_INIT, 0, &in, sizeof(in), NULL, 0), -EPROTO);
	in = (struct fuse_init_in){ .major = 8, .minor = 1 };
	assert_int_equal(guest_ask(&g, FUSE_INIT, 0, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(((const struct fuse_init_out *)(const void *)g.bytes)->major, 7);
	assert_int_equal(guest_lookup(&g, ROOT, "file"), 0);
	assert_int_equal(guest_init(&g), 0);
	assert_int_equal(guest_ask(&g, 4711, ROOT, NULL, 0, NULL, 0), -ENOSYS);
}

static void test_no_room(void **state)
{
	struct fuse_in_header header = { .opcode = FUSE_MKDIR, .nodeid = ROOT };
	uint8_t request[64] = { 0 }, answer[8];
	const struct iovec out = { request, sizeof(request) }, in = { answer, sizeof(answer) };

	memcpy(request, &header, sizeof(header));
	memcpy(request + sizeof(header) + sizeof(struct fuse_mkdir_in), "made", 5);
	/* No room to say what happened: then nothing does. */
	assert_int_equal(share_session_serve(g.session, g.buffers, true, &out, 1, &in, 1), 0);
	assert_int_equal(share_session_serve(g.session, g.buffers, true, &out, 1, NULL, 0), 0);
	assert_false(is_there("made"));
	assert_int_equal(share_session_serve(g.session, g.buffers, true, &in, 1, &out, 1), 0);
}

/* What is in memory is read, to the file's end, too; what goes to the disk is for who may wait. */
static void test_waits(void **state)
{
	struct fuse_in_header header = { .unique = 7, .opcode = FUSE_READ };
	struct fuse_read_in in = { .size = 4096 };
	const struct iovec out[] = { { &header, sizeof(header) }, { &in, sizeof(in) } };
	const struct iovec into[] = { { g.in, sizeof(g.in) } };

	put("file", "text");
	header.nodeid = lookup("file");
	in.fh = opened(header.nodeid, O_RDWR);
	assert_int_equal(share_session_serve(g.session, g.buffers, false, out, 2, into, 1),
		sizeof(struct fuse_out_header) + 4);
	assert_memory_equal(g.in + sizeof(struct fuse_out_header), "text", 4);
	header.opcode = FUSE_FSYNC;
	assert_true(
		share_session_serve(g.session, g.buffers, false, out, 2, into, 1) == SHARE_WAITS);
	assert_int_equal(share_session_serve(g.session, g.buffers, true, out, 2, into, 1),
		sizeof(struct fuse_out_header));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- saved and restored ----------------------------------------------------------------------- */

/* Another server that goes on where this one was. */
static int restore_from(int fd)
{
	share_session_free(g.session);
	g.session = NULL;
	assert_int_equal(
		share_session_open(open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC),
			open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC), &g.session, NULL),
		0);
	return share_session_restore(g.session, fd);
}

static void test_saved(void **state)
{
	_cleanup_close_ int fd = memfd_create("saved", MFD_CLOEXEC);
	uint64_t kept, gone, replaced, deep, deep_folder, fh, gone_fh, new_fh, folder_fh;
	char path[96];

	put("kept", "stays");
	put("gone", "is removed");
	put("replaced", "is another");
	assert_int_equal(mkdirat(folder_fd, "a", 0755), 0);
	assert_int_equal(mkdirat(folder_fd, "a/b", 0755), 0);
	put("a/b/deep", "below");
	kept = lookup("kept");
	gone = lookup("gone");
	replaced = lookup("replaced");
	deep_folder = guest_lookup(&g, lookup("a"), "b");
	deep = guest_lookup(&g, deep_folder, "deep");
	fh = opened(kept, O_RDWR | O_APPEND);
	gone_fh = opened(gone, O_RDONLY);
	assert_int_equal(guest_ask(&g, FUSE_OPENDIR, deep_folder, &(struct fuse_open_in){ 0 },
				 sizeof(struct fuse_open_in), NULL, 0),
		0);
	folder_fh = ((const struct fuse_open_out *)(const void *)g.bytes)->fh;
	assert_int_equal(share_session_save(g.session, fd), 0);
	/* It goes on itself. */
	expect_read(kept, fh, "stays");

	assert_int_equal(unlinkat(folder_fd, "gone", 0), 0);
	snprintf(path, sizeof(path), "%s/moved", base);
	assert_int_equal(renameat(folder_fd, "replaced", AT_FDCWD, path), 0);
	put("replaced", "by this");
	assert_int_equal(restore_from(fd), 0);

	expect_read(kept, fh, "stays");
	assert_int_equal(write_at(kept, fh, 0, " there", 0), 0);
	expect_content("kept", "stays there");
	expect_read(deep, opened(deep, O_RDONLY), "below");
	assert_int_equal(guest_ask(&g, FUSE_READDIR, deep_folder,
				 &(struct fuse_read_in){ .fh = folder_fh, .size = 4096 },
				 sizeof(struct fuse_read_in), NULL, 0),
		0);
	assert_true(g.nr_answer > 0);
	/* What is not there any more, or is another, is that alone. */
	assert_int_equal(open_node(gone, O_RDONLY, &new_fh), -ESTALE);
	assert_int_equal(open_node(replaced, O_RDONLY, &new_fh), -ESTALE);
	assert_int_equal(read_at(ROOT, gone_fh, 0, 4096), -ESTALE);
	/* Its number is in use until the guest says otherwise. */
	new_fh = opened(kept, O_RDONLY);
	assert_true(new_fh != gone_fh && new_fh != fh && new_fh != folder_fh);
	assert_int_equal(
		guest_ask(&g, FUSE_RELEASE, gone, &(struct fuse_release_in){ .fh = gone_fh },
			sizeof(struct fuse_release_in), NULL, 0),
		0);
	assert_int_equal(opened(kept, O_RDONLY), gone_fh);
	/* The same node as before, and a new one. */
	assert_int_equal(lookup("kept"), kept);
	assert_true(lookup("replaced") != replaced);
}

/* Any bytes: an error, or a session that serves; cut short: an error. */
static void test_saved_damaged(void **state)
{
	_cleanup_close_ int fd = memfd_create("saved", MFD_CLOEXEC);
	uint8_t saved[512];
	ssize_t size;

	put("file", "text");
	opened(lookup("file"), O_RDONLY);
	assert_int_equal(share_session_save(g.session, fd), 0);
	size = pread(fd, saved, sizeof(saved), 0);
	assert_true(size > 64 && size < (ssize_t)sizeof(saved));
	for (ssize_t i = 0; i < size; i++) {
		uint8_t damaged = saved[i] ^ (uint8_t)(1u << i % 8);
		int r;

		assert_int_equal(pwrite(fd, &damaged, 1, i), 1);
		r = share_session_restore(g.session, fd);
		assert_true(r == 0 || r == -EINVAL);
		assert_int_equal(guest_init(&g), 0);
		expect_read(lookup("file"), opened(lookup("file"), O_RDONLY), "text");
		assert_int_equal(pwrite(fd, &saved[i], 1, i), 1);
	}
	for (off_t cut = 0; cut < size; cut += 7) {
		assert_int_equal(ftruncate(fd, cut), 0);
		assert_int_equal(share_session_restore(g.session, fd), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lookup),
		TEST(test_no_way_out),
		TEST(test_make_and_remove),
		TEST(test_rename),
		TEST(test_unlinked),
		TEST(test_forget),
		TEST(test_create),
		TEST(test_owner),
		TEST(test_append),
		TEST(test_read_write_limits),
		TEST(test_holes),
		TEST(test_tmpfile),
		TEST(test_setattr),
		TEST(test_xattr),
		TEST(test_statfs),
		TEST(test_folders),
		TEST(test_many_handles),
		cmocka_unit_test_setup_teardown(test_many_files, setup_few, teardown),
		TEST(test_every_operation_cut_short),
		TEST(test_order),
		TEST(test_no_room),
		TEST(test_waits),
		TEST(test_saved),
		TEST(test_saved_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
