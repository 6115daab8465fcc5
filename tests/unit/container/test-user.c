/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-user.c - users and groups are looked up in the container's files as Docker does, however
 * hostile those are.
 */
#include "unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "container/internal.h"

struct root {
	char path[64];
	int fd;
};

static int open_root(void **state)
{
	struct root *root = calloc(1, sizeof(*root));

	strcpy(root->path, "/tmp/strata-test-user-XXXXXX");
	assert_non_null(mkdtemp(root->path));
	root->fd = open(root->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(root->fd, "etc", 0755), 0);
	*state = root;
	return 0;
}

static int close_root(void **state)
{
	struct root *root = *state;

	close(root->fd);
	io_remove_tree(AT_FDCWD, root->path, NULL);
	free(root);
	return 0;
}

static void write_file(const struct root *root, const char *path, const char *text)
{
	struct error error = { 0 };

	assert_int_equal(
		io_replace_file(root->fd, path, 0644, text, strlen(text), IO_VOLATILE, &error), 0);
}

static void write_accounts(const struct root *root)
{
	write_file(root, "etc/passwd",
		"root:x:0:0:root:/root:/bin/sh\n"
		"garbage\n"
		":x:5:5::/:\n"
		"high:x:99999999999:1::/:\n"
		"bob:x:1000:1001:Bob:/home/bob:/bin/sh\n"
		"1000:x:77:78::/home/number:\n"
		"bob:x:1:1::/second:\n");
	write_file(root, "etc/group",
		"root:x:0:\nstaff:x:50:alice,bob\nvideo:x:44:bob,bob\nbad:x:-1:bob\nwheel:x:10:root\n");
}

static void names_bring_ids_home_and_groups(void **state)
{
	struct root *root = *state;
	struct container_user user;
	struct error error = { 0 };

	write_accounts(root);
	assert_int_equal(user_resolve(root->fd, "bob", NULL, &user, &error), 0);
	assert_int_equal(user.uid, 1000);
	assert_int_equal(user.gid, 1001);
	assert_string_equal(user.home, "/home/bob");
	assert_int_equal(user.nr_groups, 3);
	assert_int_equal(user.groups[0], 1001);
	assert_int_equal(user.groups[1], 50);
	assert_int_equal(user.groups[2], 44);
	container_user_free(&user);
	assert_int_equal(user_resolve(root->fd, "bob:wheel", NULL, &user, &error), 0);
	assert_int_equal(user.gid, 10);
	assert_int_equal(user.nr_groups, 1);
	container_user_free(&user);
	/* Nobody named is root, with root's groups. */
	assert_int_equal(user_resolve(root->fd, "", NULL, &user, &error), 0);
	assert_int_equal(user.uid, 0);
	assert_string_equal(user.home, "/root");
	assert_int_equal(user.nr_groups, 2);
	assert_int_equal(user.groups[0], 0);
	assert_int_equal(user.groups[1], 10);
	container_user_free(&user);
}

static void numbers_need_no_entry(void **state)
{
	struct root *root = *state;
	struct container_user user;
	struct error error = { 0 };
	char video[] = "video", number[] = "4242";
	char *more[] = { video, number, NULL };

	write_accounts(root);
	assert_int_equal(user_resolve(root->fd, "1234:5678", NULL, &user, &error), 0);
	assert_int_equal(user.uid, 1234);
	assert_int_equal(user.gid, 5678);
	assert_null(user.home);
	container_user_free(&user);
	assert_int_equal(user_resolve(root->fd, "0", more, &user, &error), 0);
	assert_string_equal(user.home, "/root");
	assert_int_equal(user.nr_groups, 4); /* its own; wheel lists root; 44; 4242 */
	assert_int_equal(user.groups[3], 4242);
	container_user_free(&user);
	/* No files at all. */
	assert_int_equal(unlinkat(root->fd, "etc/passwd", 0), 0);
	assert_int_equal(unlinkat(root->fd, "etc/group", 0), 0);
	assert_int_equal(user_resolve(root->fd, "7", NULL, &user, &error), 0);
	assert_int_equal(user.uid, 7);
	container_user_free(&user);
}

static void unknown_ones_are_named(void **state)
{
	struct root *root = *state;
	struct container_user user;
	struct error error = { 0 };

	write_accounts(root);
	assert_int_equal(user_resolve(root->fd, "eve", NULL, &user, &error), -ENOENT);
	assert_non_null(strstr(error.message, "\"eve\""));
	assert_int_equal(user_resolve(root->fd, "bob:nogroup", NULL, &user, &error), -ENOENT);
	assert_non_null(strstr(error.message, "\"nogroup\""));
	assert_int_equal(user_resolve(root->fd, "4294967295", NULL, &user, &error), -ENOENT);
	assert_int_equal(user_resolve(root->fd, "-1", NULL, &user, &error), -ENOENT);
}

static void hostile_files_are_refused(void **state)
{
	struct root *root = *state;
	struct container_user user;
	struct error error = { 0 };
	int fd;

	/* A fifo must not make us wait, a directory or a giant must not be read. */
	assert_int_equal(mkfifoat(root->fd, "etc/passwd", 0666), 0);
	assert_int_equal(user_resolve(root->fd, "0", NULL, &user, &error), -EINVAL);
	assert_int_equal(unlinkat(root->fd, "etc/passwd", 0), 0);
	assert_int_equal(mkdirat(root->fd, "etc/passwd", 0755), 0);
	assert_int_equal(user_resolve(root->fd, "0", NULL, &user, &error), -EINVAL);
	assert_int_equal(unlinkat(root->fd, "etc/passwd", AT_REMOVEDIR), 0);
	fd = openat(root->fd, "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
	close(fd);
	assert_int_equal(user_resolve(root->fd, "0", NULL, &user, &error), -EFBIG);
	assert_int_equal(unlinkat(root->fd, "etc/passwd", 0), 0);
	/* Links stay inside: the host's passwd has a root with a home. */
	assert_int_equal(symlinkat("../../../../../../etc/hostpasswd", root->fd, "etc/passwd"), 0);
	write_file(root, "etc/hostpasswd", "root:x:0:0::/inside:\n");
	assert_int_equal(user_resolve(root->fd, "root", NULL, &user, &error), 0);
	assert_string_equal(user.home, "/inside");
	container_user_free(&user);
	assert_int_equal(unlinkat(root->fd, "etc/passwd", 0), 0);
	assert_int_equal(symlinkat("/proc/self/root/etc/passwd", root->fd, "etc/passwd"), 0);
	assert_int_equal(user_resolve(root->fd, "0", NULL, &user, &error), 0);
	assert_null(user.home);
	container_user_free(&user);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			names_bring_ids_home_and_groups, open_root, close_root),
		cmocka_unit_test_setup_teardown(numbers_need_no_entry, open_root, close_root),
		cmocka_unit_test_setup_teardown(unknown_ones_are_named, open_root, close_root),
		cmocka_unit_test_setup_teardown(hostile_files_are_refused, open_root, close_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
