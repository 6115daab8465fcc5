/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-layer-path.c - hostile names and links unpack nowhere else or not at all, and no directory
 * that was replaced is written to.
 */
#include "unit/image/layer-fixture.h"

static void names_do_not_leave_the_root(void **state)
{
	struct fixture *f = *state;
	char path[128];

	add(f, '0', "../../../../up", .content = "1");
	add(f, '0', "/absolute", .content = "2");
	add(f, '5', "d/");
	add(f, '2', "d/out", "../../../../..");
	add(f, '0', "d/out/through-link", .content = "3");
	add(f, '2', "abs", "/tmp");
	add(f, '5', "tmp/");
	add(f, '0', "abs/in-tmp", .content = "4");
	add(f, '1', "d/hard", "../../../absolute");
	add(f, '0', "a/../b/./c", .content = "5");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_content(f, "up", "1");
	assert_content(f, "absolute", "2");
	assert_content(f, "through-link", "3");
	assert_content(f, "tmp/in-tmp", "4");
	assert_content(f, "d/hard", "2");
	assert_content(f, "b/c", "5");
	snprintf(path, sizeof(path), "%s/../up", f->root);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access("/tmp/in-tmp", F_OK), -1);
}

static void links_are_never_written_through(void **state)
{
	struct fixture *f = *state;

	add(f, '0', "victim", .content = "untouched");
	add(f, '2', "link", "victim");
	add(f, '0', "link", .content = "a file of its own");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_content(f, "victim", "untouched");
	assert_content(f, "link", "a file of its own");
	assert_int_equal(stat_of(f, "link").st_mode & S_IFMT, S_IFREG);
}

/* The unpacker keeps the directories of the previous entry open. */
static void replaced_directories_are_not_written_to(void **state)
{
	struct fixture *f = *state;

	add(f, '5', "other/sub/");
	add(f, '5', "a/");
	add(f, '5', "a/sub/");
	add(f, '0', "a/sub/old", .content = "old");
	add(f, '2', "a", "other");
	add(f, '0', "a/sub/new", .content = "new");
	add(f, '0', "other/sub/later", .content = "later");
	add(f, '5', "out/");
	add(f, '5', "out/sub/");
	add(f, '1', "out/sub/hard", "out/sub/../../a/sub/new");
	add(f, '2', "out/sub", "/tmp");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_content(f, "other/sub/new", "new");
	assert_content(f, "other/sub/later", "later");
	assert_false(exists(f, "other/sub/old"));
	assert_int_equal(stat_of(f, "out/sub").st_mode & S_IFMT, S_IFLNK);
}

static void replaced_parents_lead_nowhere(void **state)
{
	struct fixture *f = *state;

	/* In the layer itself there is no tmp, and the host's is not meant. */
	add(f, '5', "a/sub/");
	add(f, '0', "a/sub/file", .content = "x");
	add(f, '2', "a/sub", "/tmp");
	add(f, '0', "a/sub/file", .content = "x");
	tar_end(&f->tar);
	assert_refused(f, -EBADMSG, "which is not a directory");
}

static void whiteouts_in_replaced_directories(void **state)
{
	struct fixture *f = *state;

	add(f, '5', "a/");
	add(f, '5', "a/b/");
	add(f, '0', "a", .content = "a file now");
	add(f, '0', ".wh.a");
	add(f, '5', "a/");
	add(f, '0', "a/b", .content = "b");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_content(f, "a/b", "b");
}

/* More levels than are kept open, down, up and across. */
static void deep_trees_unpack(void **state)
{
	struct fixture *f = *state;
	char name[64] = "";
	char file[80];

	for (int level = 0; level < 25; level++) {
		strcat(name, "d/");
		add(f, '5', name, .mtime = 1000 + level);
		snprintf(file, sizeof(file), "%sf", name);
		add(f, '0', file, .content = "down");
	}
	for (int level = 25; level > 0; level--) {
		name[level * 2] = '\0';
		snprintf(file, sizeof(file), "%sg", name);
		add(f, '0', file, .content = "up");
		snprintf(file, sizeof(file), "%se/", name);
		add(f, '5', file);
		strcat(file, "f");
		add(f, '0', file, .content = "across");
	}
	/* A name that the open one only begins with. */
	add(f, '5', "d/dd/");
	add(f, '0', "d/ddf", .content = "x");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	for (int level = 0; level < 25; level++) {
		name[0] = '\0';
		for (int i = 0; i <= level; i++)
			strcat(name, "d/");
		assert_int_equal(stat_of(f, name).st_mtim.tv_sec, 1000 + level);
		snprintf(file, sizeof(file), "%sf", name);
		assert_content(f, file, "down");
		snprintf(file, sizeof(file), "%sg", name);
		assert_content(f, file, "up");
		snprintf(file, sizeof(file), "%se/f", name);
		assert_content(f, file, "across");
	}
	assert_true(exists(f, "d/ddf"));
}

/* a/l/a is a, which is among the open directories when it becomes setgid. */
static void group_rules_change_through_links(void **state)
{
	struct fixture *f = *state;

	add(f, '5', "a/");
	add(f, '2', "a/l", "..");
	add(f, '5', "a/l/a/", .mode = 02755, .gid = 50);
	add(f, '0', "a/file", .content = "x");
	add(f, '5', "./", .mode = 02755, .gid = 60);
	add(f, '0', "file", .content = "x");
	tar_end(&f->tar);
	assert_int_equal(unpack(f), 0);
	assert_int_equal(stat_of(f, "a").st_gid, 50);
	assert_int_equal(stat_of(f, "a/file").st_gid, 0);
	assert_int_equal(stat_of(f, "file").st_gid, 0);
}

static void modes_do_not_depend_on_the_umask(void **state)
{
	struct fixture *f = *state;
	mode_t old = umask(0277);
	int r;

	add(f, '5', "dir/", .mode = 0775);
	add(f, '5', "closed/", .mode = 0111);
	add(f, '0', "implied/file", .mode = 0666, .content = "x");
	tar_end(&f->tar);
	r = unpack(f);
	umask(old);
	assert_int_equal(r, 0);
	assert_int_equal(stat_of(f, "dir").st_mode, S_IFDIR | 0775);
	assert_int_equal(stat_of(f, "closed").st_mode, S_IFDIR | 0111);
	assert_int_equal(stat_of(f, "implied").st_mode, S_IFDIR | 0755);
	assert_int_equal(stat_of(f, "implied/file").st_mode, S_IFREG | 0666);
}

static void link_loops_are_refused(void **state)
{
	struct fixture *f = *state;

	add(f, '2', "a", "b");
	add(f, '2', "b", "a");
	add(f, '0', "a/file", .content = "x");
	tar_end(&f->tar);
	assert_refused(f, -ELOOP, "/a");
}

static void entries_below_files_are_refused(void **state)
{
	struct fixture *f = *state;

	add(f, '0', "a", .content = "x");
	add(f, '0', "a/b", .content = "x");
	tar_end(&f->tar);
	assert_refused(f, -EBADMSG, "not a directory");
}

static void hard_links_out_of_the_layer_are_refused(void **state)
{
	struct fixture *f = *state;

	add(f, '1', "passwd", "/etc/passwd");
	tar_end(&f->tar);
	assert_refused(f, -ENOENT, "same layer");
}

static void too_deep_names_are_refused(void **state)
{
	struct fixture *f = *state;
	_cleanup_str_ struct str records = { 0 }, name = { 0 };

	for (int i = 0; i < 300; i++)
		str_append(&name, "d/");
	pax_record(&records, "path", name.data, name.len);
	tar_add_pax(&f->tar, &records);
	add(f, '5', "x");
	tar_end(&f->tar);
	assert_refused(f, -EBADMSG, "too deep");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		layer_test(names_do_not_leave_the_root),
		layer_test(links_are_never_written_through),
		layer_test(replaced_directories_are_not_written_to),
		layer_test(replaced_parents_lead_nowhere),
		layer_test(whiteouts_in_replaced_directories),
		layer_test(deep_trees_unpack),
		layer_test(group_rules_change_through_links),
		layer_test(modes_do_not_depend_on_the_umask),
		layer_test(link_loops_are_refused),
		layer_test(entries_below_files_are_refused),
		layer_test(hard_links_out_of_the_layer_are_refused),
		layer_test(too_deep_names_are_refused),
	};

	if (geteuid() != 0) {
		printf("# skipped: owners and device nodes can only be tested as root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
