/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-copy.c - copies are exact, and nothing in a tree leads them out of it.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/io.h"
#include "front/cli/copy.h"

#define HOLE_SIZE (8 << 20)

struct tree {
	char path[64];
	int top, source, target;
};

static int set_up(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	strcpy(t->path, "/tmp/strata-test-copy-XXXXXX");
	assert_non_null(mkdtemp(t->path));
	t->top = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(t->top, "source", 0755), 0);
	assert_int_equal(mkdirat(t->top, "target", 0755), 0);
	t->source = openat(t->top, "source", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	t->target = openat(t->top, "target", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct tree *t = *state;

	close(t->source);
	close(t->target);
	close(t->top);
	io_remove_tree(AT_FDCWD, t->path, NULL);
	free(t);
	return 0;
}

static void write_file(int dir_fd, const char *name, const char *text, mode_t mode)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_content(int dir_fd, const char *name, const char *text)
{
	char *have = NULL;

	assert_int_equal(io_read_file(dir_fd, name, 1 << 20, &have, NULL, NULL), 0);
	assert_string_equal(have, text);
	free(have);
}

static struct stat stat_of(int dir_fd, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static void a_tree_arrives_whole(void **state)
{
	const struct copy_options options = { .owners = true };
	const struct timespec times[2] = { { 1000000000, 5 }, { 1100000000, 7 } };
	struct tree *t = *state;
	struct error err = { 0 };
	struct stat st, again;
	char link[32] = "";

	assert_int_equal(mkdirat(t->source, "d", 0700), 0);
	assert_int_equal(mkdirat(t->source, "d/e", 0555), 0);
	write_file(t->source, "d/file", "text", 04751);
	assert_int_equal(linkat(t->source, "d/file", t->source, "d/same", 0), 0);
	assert_int_equal(symlinkat("../nowhere", t->source, "d/link"), 0);
	assert_int_equal(mkfifoat(t->source, "d/fifo", 0622), 0);
	write_file(t->source, "d/empty", "", 0600);
	assert_int_equal(utimensat(t->source, "d/file", times, 0), 0);
	assert_int_equal(copy_entry(t->source, "d", t->target, "copy", &options, &err), 0);

	st = stat_of(t->target, "copy/file");
	assert_int_equal(st.st_mode & 07777, 04751);
	assert_true(st.st_mtim.tv_sec == 1100000000 && st.st_mtim.tv_nsec == 7);
	again = stat_of(t->target, "copy/same");
	assert_true(st.st_ino == again.st_ino && st.st_nlink == 2);
	assert_content(t->target, "copy/file", "text");
	assert_content(t->target, "copy/empty", "");
	assert_int_equal(stat_of(t->target, "copy/e").st_mode & 07777, 0555);
	assert_int_equal(stat_of(t->target, "copy").st_mode & 07777, 0700);
	assert_true(S_ISFIFO(stat_of(t->target, "copy/fifo").st_mode));
	assert_true(readlinkat(t->target, "copy/link", link, sizeof(link) - 1) == 10);
	assert_string_equal(link, "../nowhere");
}

static void holes_stay_holes(void **state)
{
	const struct copy_options options = { 0 };
	struct tree *t = *state;
	struct error err = { 0 };
	struct stat st, source;
	char *text = NULL;
	size_t len;
	int fd = openat(t->source, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(pwrite(fd, "start", 5, 0), 5);
	assert_int_equal(pwrite(fd, "end", 3, HOLE_SIZE), 3);
	assert_int_equal(ftruncate(fd, HOLE_SIZE * 2), 0);
	close(fd);
	source = stat_of(t->source, "f");
	assert_int_equal(copy_entry(t->source, "f", t->target, "f", &options, &err), 0);
	st = stat_of(t->target, "f");
	assert_true(st.st_size == HOLE_SIZE * 2);
	if (source.st_blocks * 512 < HOLE_SIZE)
		assert_true(st.st_blocks * 512 < HOLE_SIZE);
	assert_int_equal(io_read_file(t->target, "f", HOLE_SIZE * 2, &text, &len, &err), 0);
	assert_memory_equal(text, "start\0", 6);
	assert_memory_equal(text + HOLE_SIZE, "end", 4);
	free(text);
}

static void content_merges_into_a_folder(void **state)
{
	struct copy_options options = { .keep_folder = true };
	struct tree *t = *state;
	struct error err = { 0 };

	write_file(t->source, "new", "new", 0644);
	write_file(t->source, "both", "newer", 0640);
	write_file(t->target, "both", "old and longer", 0600);
	write_file(t->target, "kept", "kept", 0600);
	assert_int_equal(fchmod(t->source, 0711), 0);
	assert_int_equal(copy_directory_content(t->source, t->target, &options, &err), 0);
	assert_content(t->target, "new", "new");
	assert_content(t->target, "both", "newer");
	assert_content(t->target, "kept", "kept");
	assert_int_equal(stat_of(t->target, ".").st_mode & 07777, 0755);
	options.keep_folder = false;
	assert_int_equal(copy_directory_content(t->source, t->target, &options, &err), 0);
	assert_int_equal(stat_of(t->target, ".").st_mode & 07777, 0711);
}

static void kinds_do_not_replace_each_other(void **state)
{
	const struct copy_options options = { 0 };
	struct tree *t = *state;
	struct error err = { 0 };

	assert_int_equal(mkdirat(t->source, "folder", 0755), 0);
	write_file(t->source, "file", "x", 0600);
	assert_int_equal(mkdirat(t->target, "was-folder", 0755), 0);
	write_file(t->target, "was-file", "x", 0600);
	assert_int_equal(
		copy_entry(t->source, "file", t->target, "was-folder", &options, &err), -EISDIR);
	assert_string_equal(err.message, "cannot overwrite folder was-folder with a file");
	assert_int_equal(
		copy_entry(t->source, "folder", t->target, "was-file", &options, &err), -ENOTDIR);
	assert_string_equal(err.message, "cannot overwrite file was-file with a folder");
	assert_int_equal(copy_entry(t->source, "absent", t->target, "x", &options, &err), -ENOENT);
}

/* The target is what an instance controls: links planted there must not be followed. */
static void planted_links_lead_nowhere(void **state)
{
	const struct copy_options options = { .owners = true };
	struct tree *t = *state;
	struct error err = { 0 };

	assert_int_equal(mkdirat(t->top, "outside", 0755), 0);
	write_file(t->top, "outside/victim", "safe", 0600);
	assert_int_equal(mkdirat(t->source, "d", 0755), 0);
	write_file(t->source, "d/victim", "overwritten", 0666);
	write_file(t->source, "victim", "overwritten", 0666);

	/* A folder replaced by a link to a folder: refused. */
	assert_int_equal(symlinkat("../outside", t->target, "d"), 0);
	assert_int_equal(copy_entry(t->source, "d", t->target, "d", &options, &err), -ENOTDIR);
	/* A file replaced by a link to a file: the link itself goes. */
	assert_int_equal(symlinkat("../outside/victim", t->target, "victim"), 0);
	assert_int_equal(copy_entry(t->source, "victim", t->target, "victim", &options, &err), 0);
	assert_true(S_ISREG(stat_of(t->target, "victim").st_mode));
	assert_content(t->target, "victim", "overwritten");
	assert_content(t->top, "outside/victim", "safe");
	assert_int_equal(stat_of(t->top, "outside/victim").st_mode & 07777, 0600);
}

static void depth_is_bounded(void **state)
{
	const struct copy_options options = { 0 };
	struct tree *t = *state;
	struct error err = { 0 };
	int fd = dup(t->source);

	for (int i = 0; i < COPY_DEPTH_MAX + 2; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(copy_entry(t->source, "d", t->target, "d", &options, &err), -ELOOP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_tree_arrives_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(holes_stay_holes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(content_merges_into_a_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kinds_do_not_replace_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(planted_links_lead_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(depth_is_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
