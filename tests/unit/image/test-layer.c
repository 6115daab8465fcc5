/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-layer.c - layers unpack exactly, and damaged ones not at all.
 */
#include "unit/test.h"

#include <errno.h>
#include <ftw.h>
#include <isa-l/igzip_lib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zstd.h>

#include "unit/image/layer-fixture.h"

/* --- what layers have in them --------------------------------------------------------------- */

static void ordinary_entries_unpack_with_their_metadata(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char target[16] = "";

	add(f, '5', "./", .mode = 0711, .mtime = 99);
	add(f, '5', "dir/", .mode = 02750, .uid = 3, .gid = 4, .mtime = 1000);
	add(f, '0', "dir/file", .mode = 04755, .uid = 7, .gid = 8, .mtime = 2000,
		.content = "hello");
	add(f, '2', "dir/link", "../elsewhere", .uid = 9, .mtime = 3000);
	add(f, '1', "dir/hard", "./dir/file");
	add(f, '6', "fifo", .mode = 0620, .mtime = 5);
	add(f, '0', "empty", .mode = 0666);
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	st = stat_of(f, ".");
	assert_int_equal(st.st_mode, S_IFDIR | 0711);
	assert_int_equal(st.st_mtim.tv_sec, 99);
	st = stat_of(f, "dir");
	assert_int_equal(st.st_mode, S_IFDIR | 02750);
	assert_int_equal(st.st_uid, 3);
	assert_int_equal(st.st_gid, 4);
	assert_int_equal(st.st_mtim.tv_sec, 1000);
	st = stat_of(f, "dir/file");
	assert_int_equal(st.st_mode, S_IFREG | 04755);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(st.st_mtim.tv_sec, 2000);
	assert_int_equal(st.st_nlink, 2);
	assert_content(f, "dir/hard", "hello");
	st = stat_of(f, "dir/link");
	assert_int_equal(st.st_uid, 9);
	assert_int_equal(st.st_mtim.tv_sec, 3000);
	assert_int_equal(readlinkat(f->layer_fd, "dir/link", target, 16), 12);
	assert_memory_equal(target, "../elsewhere", 12);
	assert_int_equal(stat_of(f, "fifo").st_mode, S_IFIFO | 0620);
	assert_int_equal(stat_of(f, "empty").st_mode, S_IFREG | 0666);
}

static void files_in_setgid_directories_keep_their_group(void **state)
{
	struct fixture *f = *state;

	add(f, '5', "dir/", .mode = 02755, .gid = 50);
	add(f, '0', "dir/file", .content = "x");
	add(f, '5', "dir/sub", .mode = 0755);
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_int_equal(stat_of(f, "dir/file").st_gid, 0);
	assert_int_equal(stat_of(f, "dir/sub").st_gid, 0);
	assert_int_equal(stat_of(f, "dir/sub").st_mode, S_IFDIR | 0755);
}

static void files_inherit_no_acl(void **state)
{
	/* Version 2, little endian: user:: rwx, user:7: rwx, group:: r-x, mask rwx, other::
	 * nothing. */
	static const unsigned char acl[] = { 2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0,
		7, 0, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0,
		0, 0, 255, 255, 255, 255 };
	struct fixture *f = *state;
	struct str records = { 0 };
	char path[128], value[sizeof(acl)];

	pax_record(&records, "SCHILY.xattr.system.posix_acl_default", acl, sizeof(acl));
	tar_add_pax(&f->tar, &records);
	str_free(&records);
	add(f, '5', "dir/", .mode = 0750, .mtime = 77);
	add(f, '0', "dir/file", .mode = 0644, .content = "x");
	add(f, '5', "dir/sub/", .mode = 0755);
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_int_equal(stat_of(f, "dir").st_mode, S_IFDIR | 0750);
	assert_int_equal(stat_of(f, "dir").st_mtim.tv_sec, 77);
	assert_int_equal(stat_of(f, "dir/file").st_mode, S_IFREG | 0644);
	assert_int_equal(stat_of(f, "dir/sub").st_mode, S_IFDIR | 0755);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/dir", f->layer_fd);
	assert_int_equal(
		lgetxattr(path, "system.posix_acl_default", value, sizeof(value)), sizeof(acl));
	assert_memory_equal(value, acl, sizeof(acl));
	strcat(path, "/file");
	assert_int_equal(lgetxattr(path, "system.posix_acl_access", value, sizeof(value)), -1);
	strcpy(strrchr(path, '/'), "/sub");
	assert_int_equal(lgetxattr(path, "system.posix_acl_default", value, sizeof(value)), -1);
}

static void devices_are_made(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	add(f, '3', "null", .mode = 0666, .major = 1, .minor = 3);
	add(f, '4', "disk", .mode = 0660, .major = 259, .minor = 1000);
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	st = stat_of(f, "null");
	assert_int_equal(st.st_mode, S_IFCHR | 0666);
	assert_true(st.st_rdev == makedev(1, 3));
	st = stat_of(f, "disk");
	assert_int_equal(st.st_mode, S_IFBLK | 0660);
	assert_true(st.st_rdev == makedev(259, 1000));
}

static bool is_whiteout(struct fixture *f, const char *path)
{
	struct stat st = stat_of(f, path);

	return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

static bool is_opaque(struct fixture *f, const char *path)
{
	char link[128], value[8];

	snprintf(link, sizeof(link), "/proc/self/fd/%d/%s", f->layer_fd, path);
	return lgetxattr(link, "trusted.overlay.opaque", value, sizeof(value)) == 1 &&
		value[0] == 'y';
}

static void whiteouts_become_overlayfs_own(void **state)
{
	struct fixture *f = *state;

	add(f, '0', "etc/.wh.gone");
	add(f, '0', "etc/.wh..wh..opq");
	add(f, '0', "etc/stays", .content = "stays");
	/* This layer's own entries are never hidden by its own whiteouts, in either order. */
	add(f, '0', "file", .content = "file");
	add(f, '0', ".wh.file");
	add(f, '0', ".wh.late");
	add(f, '0', "late", .content = "late");
	add(f, '5', "tree/");
	add(f, '0', "tree/leaf", .content = "leaf");
	add(f, '0', ".wh.tree");
	add(f, '0', ".wh.later");
	add(f, '5', "later/");
	add(f, '0', ".wh.implied");
	add(f, '0', "implied/leaf", .content = "leaf");
	add(f, '5', ".wh..wh.plnk/");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_true(is_whiteout(f, "etc/gone"));
	assert_true(is_opaque(f, "etc"));
	assert_false(exists(f, "etc/.wh..wh..opq"));
	assert_content(f, "etc/stays", "stays");
	assert_content(f, "file", "file");
	assert_content(f, "late", "late");
	assert_content(f, "tree/leaf", "leaf");
	assert_true(is_opaque(f, "tree"));
	assert_true(is_opaque(f, "later"));
	assert_content(f, "implied/leaf", "leaf");
	assert_true(is_opaque(f, "implied"));
	assert_false(exists(f, ".wh..wh.plnk"));
}

static void later_entries_replace_earlier_ones(void **state)
{
	struct fixture *f = *state;

	add(f, '0', "a", .content = "first");
	add(f, '0', "a", .content = "second");
	add(f, '5', "b/");
	add(f, '0', "b/c/d", .content = "x");
	add(f, '0', "b", .content = "now a file");
	add(f, '0', "e", .content = "x");
	add(f, '5', "e/", .mode = 0700);
	add(f, '2', "f", "b");
	add(f, '5', "f/");
	add(f, '5', "g/", .mode = 0700, .mtime = 1);
	add(f, '0', "g/keep", .content = "kept");
	add(f, '5', "g/", .mode = 0711, .mtime = 2);
	add(f, '0', "h", .content = "x");
	add(f, '1', "h", "a");
	add(f, '1', "a", "a");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_content(f, "a", "second");
	assert_content(f, "b", "now a file");
	assert_int_equal(stat_of(f, "e").st_mode, S_IFDIR | 0700);
	assert_int_equal(stat_of(f, "f").st_mode, S_IFDIR | 0755);
	assert_content(f, "g/keep", "kept");
	assert_int_equal(stat_of(f, "g").st_mode, S_IFDIR | 0711);
	assert_int_equal(stat_of(f, "g").st_mtim.tv_sec, 2);
	assert_content(f, "h", "second");
}

static void pax_records_are_honoured(void **state)
{
	struct fixture *f = *state;
	_cleanup_str_ struct str records = { 0 };
	char name[301] = "", value[8], link[512];
	static const char capability[] = { 1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0 };

	for (int i = 0; i < 30; i++)
		strcat(name, "longlong0/");
	strcpy(name + 290, "\xff\xfe name");
	pax_record(&records, "path", name, strlen(name));
	pax_record(&records, "mtime", "1234567890.123456789", 20);
	pax_record(&records, "uid", "3000000000", 10);
	pax_record(&records, "SCHILY.xattr.user.test", "a\0b\n", 4);
	pax_record(&records, "SCHILY.xattr.security.capability", capability, sizeof(capability));
	pax_record(&records, "SCHILY.xattr.trusted.overlay.redirect", "/etc", 4);
	pax_record(&records, "comment", "nobody cares", 12);
	tar_add_pax(&f->tar, &records);
	add(f, '0', "short", .content = "content");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_content(f, name, "content");
	assert_int_equal(stat_of(f, name).st_mtim.tv_nsec, 123456789);
	assert_int_equal(stat_of(f, name).st_mtim.tv_sec, 1234567890);
	assert_true(stat_of(f, name).st_uid == 3000000000);
	snprintf(link, sizeof(link), "/proc/self/fd/%d/%s", f->layer_fd, name);
	assert_int_equal(lgetxattr(link, "user.test", value, sizeof(value)), 4);
	assert_memory_equal(value, "a\0b\n", 4);
	assert_int_equal(lgetxattr(link, "security.capability", NULL, 0), 20);
	/* An archive does not get to talk to the overlay mount. */
	assert_int_equal(lgetxattr(link, "trusted.overlay.redirect", NULL, 0), -1);
}

static void sparse_files_have_their_holes(void **state)
{
	struct fixture *f = *state;
	_cleanup_str_ struct str records = { 0 };
	struct stat st;
	char block[512] = "2\n0\n4\n8388608\n3\n";
	int fd;

	pax_record(&records, "GNU.sparse.major", "1", 1);
	pax_record(&records, "GNU.sparse.minor", "0", 1);
	pax_record(&records, "GNU.sparse.name", "sparse", 6);
	pax_record(&records, "GNU.sparse.realsize", "16777216", 8);
	tar_add_pax(&f->tar, &records);
	tar_add(&f->tar,
		(struct tar_block){ .type = '0',
			.name = "GNUSparseFile.0/sparse",
			.content = block,
			.size = 512 });
	/* The data follows the map inside the same entry: mend the size, then append it. */
	f->tar.len -= 1024;
	{
		unsigned char header[512];

		memcpy(header, f->tar.data + f->tar.len, 512);
		tar_octal(header + 124, 11, 512 + 7);
		tar_seal(header);
		str_append_n(&f->tar, header, 512);
		str_append_n(&f->tar, block, 512);
		str_append(&f->tar, "headend");
		tar_pad(&f->tar);
	}
	add(f, '0', "after", .content = "after");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	st = stat_of(f, "sparse");
	assert_int_equal(st.st_size, 16777216);
	assert_true(st.st_blocks * 512 < 1 << 20);
	fd = openat(f->layer_fd, "sparse", O_RDONLY);
	assert_int_equal(pread(fd, block, 8, 0), 8);
	assert_memory_equal(block, "head\0\0\0\0", 8);
	assert_int_equal(pread(fd, block, 8, 8388608 - 1), 8);
	assert_memory_equal(block, "\0end\0\0\0\0", 8);
	close(fd);
	assert_content(f, "after", "after");
}

static void gnu_long_names_and_big_numbers(void **state)
{
	struct fixture *f = *state;
	char name[200], target[200];

	memset(name, 'n', 150);
	name[150] = '\0';
	memset(target, 't', 180);
	target[180] = '\0';
	tar_add(&f->tar,
		(struct tar_block){
			.type = 'L', .name = "././@LongLink", .content = name, .size = 151 });
	tar_add(&f->tar,
		(struct tar_block){
			.type = 'K', .name = "././@LongLink", .content = target, .size = 181 });
	add(f, '2', "nnn", "ttt");
	add(f, '0', "big", .content = "big");
	{
		unsigned char *h = (unsigned char *)f->tar.data + f->tar.len - 1024;

		/* uid 70000000 and mtime -1 in base-256 */
		memcpy(h + 108, "\x80\0\0\0\x04\x2c\x1d\x80", 8);
		memset(h + 136, 0xff, 12);
		tar_seal(h);
	}
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_int_equal(readlinkat(f->layer_fd, name, target, 200), 180);
	assert_int_equal(stat_of(f, "big").st_uid, 70000000);
	assert_int_equal(stat_of(f, "big").st_mtim.tv_sec, -1);
}

/* --- compression ---------------------------------------------------------------------------- */

static void fill_with_files(struct fixture *f)
{
	char name[32], *content = malloc(100000);

	for (int i = 0; i < 40; i++) {
		for (int k = 0; k < 100000; k++)
			content[k] = (char)("abcdefgh"[k * i % 8] + k % 13 * (i % 3));
		snprintf(name, sizeof(name), "dir%d/file%d", i / 8, i);
		tar_add(&f->tar,
			(struct tar_block){
				.type = '0', .name = name, .content = content, .size = 100000 });
	}
	tar_end(&f->tar);
	free(content);
}

static size_t gzip_bytes(const char *from, size_t len, char *to, size_t room)
{
	struct isal_zstream z;

	isal_deflate_init(&z);
	z.end_of_stream = 1;
	z.flush = NO_FLUSH;
	z.gzip_flag = IGZIP_GZIP;
	z.next_in = (uint8_t *)from;
	z.avail_in = (uint32_t)len;
	z.next_out = (uint8_t *)to;
	z.avail_out = (uint32_t)room;
	assert_int_equal(isal_deflate(&z), COMP_OK);
	assert_int_equal(z.avail_in, 0);
	return room - z.avail_out;
}

static void gzip_in_any_pieces_and_members(void **state)
{
	struct fixture *f = *state;
	char *packed = malloc(6 << 20);
	size_t len;

	fill_with_files(f);
	len = gzip_bytes(f->tar.data, 1000000, packed, 6 << 20);
	len += gzip_bytes(
		f->tar.data + 1000000, f->tar.len - 1000000, packed + len, (6 << 20) - len);
	assert_int_equal(unpack_bytes(f, packed, len, 65536, NULL), 0);
	assert_int_equal(stat_of(f, "dir4/file39").st_size, 100000);
	for (size_t step = 1; step < 10; step += 4) {
		io_remove_tree(f->store.layers_fd, image_digest_hex(f->diff_id), NULL);
		assert_int_equal(unpack_bytes(f, packed, len, step, NULL), 0);
	}
	io_remove_tree(f->store.layers_fd, image_digest_hex(f->diff_id), NULL);
	/* Cut short, or with a byte changed: noticed. */
	assert_int_equal(unpack_bytes(f, packed, len - 5, 65536, NULL), -EBADMSG);
	packed[len / 2] ^= 0x55;
	assert_int_equal(unpack_bytes(f, packed, len, 65536, NULL), -EBADMSG);
	assert_nothing_left(f);
	free(packed);
}

static void zstd_in_any_pieces_and_frames(void **state)
{
	struct fixture *f = *state;
	char *packed = malloc(6 << 20);
	size_t len;

	fill_with_files(f);
	len = ZSTD_compress(packed, 6 << 20, f->tar.data, 1000000, 3);
	len += ZSTD_compress(
		packed + len, (6 << 20) - len, f->tar.data + 1000000, f->tar.len - 1000000, 3);
	for (size_t step = 1; step < 70000; step *= 41) {
		assert_int_equal(unpack_bytes(f, packed, len, step, NULL), 0);
		io_remove_tree(f->store.layers_fd, image_digest_hex(f->diff_id), NULL);
	}
	assert_int_equal(unpack_bytes(f, packed, len - 5, 65536, NULL), -EBADMSG);
	assert_true(strstr(f->err.message, "too early") != NULL);
	assert_nothing_left(f);
	free(packed);
}

/* --- hostile layers ------------------------------------------------------------------------- */

static void wrong_content_is_refused(void **state)
{
	struct fixture *f = *state;

	add(f, '0', "a", .content = "x");
	tar_end(&f->tar);
	strcpy(f->diff_id,
		"sha256:0000000000000000000000000000000000000000000000000000000000000000");
	assert_refused(f, -EBADMSG, "not what the image promises");
}

static void damaged_archives_are_refused(void **state)
{
	struct fixture *f = *state;

	add(f, '0', "a", .content = "x");
	tar_end(&f->tar);
	f->tar.data[0] ^= 1;
	assert_refused(f, -EBADMSG, "checksum");
	f->tar.data[0] ^= 1;
	f->tar.len = 700;
	f->diff_id[0] = '\0';
	assert_refused(f, -EBADMSG, "ends in the middle");
	f->tar.len = 100;
	f->diff_id[0] = '\0';
	assert_refused(f, -EBADMSG, "ends in the middle");
}

static void bombs_are_refused(void **state)
{
	struct fixture *f = *state;
	struct image_layer_limits limits = { .max_bytes = 1 << 20, .max_entries = 1000 };

	fill_with_files(f);
	assert_int_equal(unpack_bytes(f, f->tar.data, f->tar.len, 65536, &limits), -EFBIG);
	assert_nothing_left(f);
	limits.max_bytes = 100 << 20;
	limits.max_entries = 10;
	assert_int_equal(unpack_bytes(f, f->tar.data, f->tar.len, 65536, &limits), -EBADMSG);
	assert_true(strstr(f->err.message, "more than 10 entries") != NULL);
	assert_nothing_left(f);
}

static ssize_t failing_piece(void *context, const void **ret_bytes)
{
	return -ECONNRESET;
}

static void a_failing_source_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(image_layer_unpack(&f->store,
				 "sha256:"
				 "0000000000000000000000000000000000000000000000000000000000000000",
				 failing_piece, NULL, NULL, NULL, &f->err),
		-ECONNRESET);
	assert_nothing_left(f);
}

static void a_layer_that_is_there_is_not_read_again(void **state)
{
	struct fixture *f = *state;
	struct image_unpacked unpacked;

	tar_end(&f->tar); /* an empty layer */
	assert_int_equal(unpack(f), 0);
	assert_int_equal(image_layer_unpack(&f->store, f->diff_id, failing_piece, NULL, NULL,
				 &unpacked, &f->err),
		0);
	assert_string_equal(unpacked.diff_id, f->diff_id);
}

static void layers_of_an_earlier_boot_are_suspect(void **state)
{
	struct fixture *f = *state;
	char name[128];

	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	snprintf(name, sizeof(name), ".unsynced-%s", image_digest_hex(f->diff_id));
	assert_int_equal(faccessat(f->store.layers_fd, name, F_OK, AT_SYMLINK_NOFOLLOW), 0);
	assert_false(image_layer_is_suspect(&f->store, f->diff_id));
	/* Too young to be settled in passing. */
	assert_int_equal(image_layers_settle(&f->store, false, &f->err), 0);
	assert_int_equal(faccessat(f->store.layers_fd, name, F_OK, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(image_layers_settle(&f->store, true, &f->err), 0);
	assert_int_equal(faccessat(f->store.layers_fd, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	assert_false(image_layer_is_suspect(&f->store, f->diff_id));
	assert_int_equal(
		symlinkat("01234567-89ab-cdef-0123-456789abcdef", f->store.layers_fd, name), 0);
	assert_true(image_layer_is_suspect(&f->store, f->diff_id));
	assert_int_equal(image_layers_settle(&f->store, true, &f->err), 0);
	assert_true(image_layer_is_suspect(&f->store, f->diff_id));
}

/* --- packing -------------------------------------------------------------------------------- */

static void pack_with(struct fixture *f, unsigned flags, struct str *ret)
{
	_cleanup_close_ int fd = memfd_create("tar", MFD_CLOEXEC);
	char *bytes;
	size_t len;

	assert_int_equal(image_layer_pack(f->layer_fd, flags, fd, &f->err), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_fd(fd, 64 << 20, &bytes, &len), 0);
	str_append_n(ret, bytes, len);
	free(bytes);
}

static void pack(struct fixture *f, struct str *ret)
{
	pack_with(f, IMAGE_PACK_LAYER, ret);
}

static void put_at(int fd, const char *text, off_t at)
{
	assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
}

static void holes_are_packed_when_asked(void **state)
{
	struct fixture *f = *state;
	_cleanup_str_ struct str records = { 0 }, whole = { 0 }, sparse = { 0 };
	char long_name[] = "01234567890123456789012345678901234567890123456789"
			   "01234567890123456789012345678901234567890123456789012345678";
	char text[8] = "";
	int fd;

	add(f, '5', "./");
	add(f, '0', "full", .content = "no holes");
	pax_record(&records, "path", long_name, strlen(long_name));
	tar_add_pax(&f->tar, &records);
	add(f, '0', "x");
	add(f, '0', "nothing");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	fd = openat(f->layer_fd, long_name, O_RDWR | O_CLOEXEC);
	put_at(fd, "begins", 0);
	put_at(fd, "middle", 3 << 20);
	assert_int_equal(ftruncate(fd, 5 << 20), 0);
	close(fd);
	fd = openat(f->layer_fd, "nothing", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
	close(fd);
	pack_with(f, IMAGE_PACK_LAYER, &whole);
	assert_true(whole.len > 6 << 20);
	pack_with(f, IMAGE_PACK_HOLES, &sparse);
	assert_true(sparse.len < 64 << 10);

	str_reset(&f->tar);
	str_append_n(&f->tar, sparse.data, sparse.len);
	f->diff_id[0] = '\0';
	assert_int_equal(unpack(f), 0);
	assert_int_equal(stat_of(f, "nothing").st_size, (1 << 20) + 1);
	assert_int_equal(stat_of(f, "nothing").st_blocks, 0);
	assert_int_equal(stat_of(f, "full").st_size, 8);
	assert_int_equal(stat_of(f, long_name).st_size, 5 << 20);
	assert_true(stat_of(f, long_name).st_blocks < 256);
	fd = openat(f->layer_fd, long_name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, text, 6, 0), 6);
	assert_string_equal(text, "begins");
	assert_int_equal(pread(fd, text, 6, 3 << 20), 6);
	assert_string_equal(text, "middle");
	close(fd);
	/* Nothing has changed for those who ask for all of it. */
	str_reset(&sparse);
	pack(f, &sparse);
	assert_int_equal(sparse.len, whole.len);
	assert_memory_equal(sparse.data, whole.data, whole.len);
}

static void packing_and_unpacking_agree(void **state)
{
	struct fixture *f = *state;
	_cleanup_str_ struct str records = { 0 }, first = { 0 }, second = { 0 };
	char name[251], value[8], path[512];

	memset(name, 'n', 250);
	name[250] = '\0';
	name[120] = '/';
	add(f, '5', "./", .mode = 0750, .mtime = 77);
	pax_record(&records, "path", name, 250);
	pax_record(&records, "uid", "3000000000", 10);
	pax_record(&records, "mtime", "-1.25", 5);
	pax_record(&records, "SCHILY.xattr.user.b", "2", 1);
	pax_record(&records, "SCHILY.xattr.user.a", "1", 1);
	tar_add_pax(&f->tar, &records);
	add(f, '0', "x", .mode = 06755, .content = "set ids");
	str_reset(&records);
	pax_record(&records, "linkpath", name, 250);
	tar_add_pax(&f->tar, &records);
	add(f, '2', "link", "x");
	add(f, '0', ".wh.gone");
	add(f, '0', "opaque/.wh..wh..opq");
	add(f, '5', "opaque/", .mode = 01777, .mtime = 5);
	add(f, '5', "opaque/sub/", .mtime = 6);
	add(f, '0', "opaque/sub/file", .content = "content", .mtime = 7);
	add(f, '1', "zz-hard", "opaque/sub/file");
	add(f, '3', "device", .major = 5, .minor = 1);
	add(f, '6', "fifo");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	pack(f, &first);
	/* Once more, from what was packed. */
	str_reset(&f->tar);
	str_append_n(&f->tar, first.data, first.len);
	f->diff_id[0] = '\0';
	assert_int_equal(unpack(f), 0);
	pack(f, &second);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_true(is_whiteout(f, "gone"));
	assert_true(is_opaque(f, "opaque"));
	assert_int_equal(stat_of(f, "opaque/sub/file").st_nlink, 2);
	assert_true(stat_of(f, name).st_uid == 3000000000);
	assert_int_equal(stat_of(f, name).st_mode, S_IFREG | 06755);
	assert_int_equal(stat_of(f, name).st_mtim.tv_sec, -2);
	assert_int_equal(stat_of(f, name).st_mtim.tv_nsec, 750000000);
	assert_int_equal(readlinkat(f->layer_fd, "link", path, sizeof(path)), 250);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", f->layer_fd, name);
	assert_int_equal(lgetxattr(path, "user.b", value, sizeof(value)), 1);
	assert_int_equal(value[0], '2');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		layer_test(ordinary_entries_unpack_with_their_metadata),
		layer_test(files_in_setgid_directories_keep_their_group),
		layer_test(files_inherit_no_acl),
		layer_test(devices_are_made),
		layer_test(whiteouts_become_overlayfs_own),
		layer_test(later_entries_replace_earlier_ones),
		layer_test(pax_records_are_honoured),
		layer_test(sparse_files_have_their_holes),
		layer_test(gnu_long_names_and_big_numbers),
		layer_test(gzip_in_any_pieces_and_members),
		layer_test(zstd_in_any_pieces_and_frames),
		layer_test(wrong_content_is_refused),
		layer_test(damaged_archives_are_refused),
		layer_test(bombs_are_refused),
		layer_test(packing_and_unpacking_agree),
		layer_test(holes_are_packed_when_asked),
		layer_test(a_failing_source_leaves_nothing),
		layer_test(a_layer_that_is_there_is_not_read_again),
		layer_test(layers_of_an_earlier_boot_are_suspect),
	};

	if (geteuid() != 0) {
		printf("# skipped: owners and device nodes can only be tested as root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
