/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-io.c - trees are removed whole, however deep, and nothing beside them.
 */
#include "unit/test.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "base/io.h"

static int set_up(void **state)
{
	static char path[64];
	int *fd = malloc(sizeof(*fd));

	strcpy(path, "/tmp/strata-test-io-XXXXXX");
	assert_non_null(mkdtemp(path));
	*fd = io_open_dir(AT_FDCWD, path);
	assert_true(*fd >= 0);
	*state = fd;
	return 0;
}

static int tear_down(void **state)
{
	int *fd = *state;
	char link[64], path[256] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", *fd);
	assert_true(readlink(link, path, sizeof(path) - 1) > 0);
	close(*fd);
	free(fd);
	assert_int_equal(io_remove_tree(AT_FDCWD, path, NULL), 0);
	return 0;
}

/* `depth` directories in each other, a file in each. */
static void make_deep(int dir_fd, const char *name, int depth)
{
	int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);

	for (int i = 0; i < depth; i++) {
		const char *part = i ? "d" : name;
		int next, file;

		assert_int_equal(mkdirat(fd, part, 0755), 0);
		next = io_open_dir(fd, part);
		assert_true(next >= 0);
		file = openat(next, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
		assert_true(file >= 0);
		close(file);
		close(fd);
		fd = next;
	}
	close(fd);
}

static void trees_deeper_than_descriptors_are_removed(void **state)
{
	struct rlimit old, few = { 256, 256 };
	int fd = *(int *)*state;
	struct error err = { 0 };

	make_deep(fd, "deep", 3000);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(io_remove_tree(fd, "deep", &err), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(faccessat(fd, "deep", F_OK, 0), -1);
}

static void what_links_lead_to_stays(void **state)
{
	int fd = *(int *)*state;
	struct error err = { 0 };

	assert_int_equal(mkdirat(fd, "kept", 0755), 0);
	make_deep(fd, "kept/inside", 3);
	assert_int_equal(mkdirat(fd, "tree", 0755), 0);
	assert_int_equal(symlinkat("../kept", fd, "tree/link"), 0);
	assert_int_equal(mkdirat(fd, "tree/locked", 0), 0);
	assert_int_equal(io_remove_tree(fd, "tree", &err), 0);
	assert_int_equal(faccessat(fd, "tree", F_OK, 0), -1);
	assert_int_equal(faccessat(fd, "kept/inside/d/d/file", F_OK, 0), 0);
	/* A link itself goes, not its target. */
	assert_int_equal(symlinkat("kept", fd, "link"), 0);
	assert_int_equal(io_remove_tree(fd, "link", &err), 0);
	assert_int_equal(faccessat(fd, "kept", F_OK, 0), 0);
	assert_int_equal(io_remove_tree(fd, "never-was", &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			trees_deeper_than_descriptors_are_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_links_lead_to_stays, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
