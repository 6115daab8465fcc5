/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-porter.c - the porter does what its configuration names, and nothing else.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "machine/porter.h"

static char folder[] = "/tmp/strata-porter-XXXXXX";
static struct machine_config config;
static struct porter *porter;

static char *in_folder(const char *name)
{
	char *path = strf("%s/%s", folder, name);

	assert_non_null(path);
	return path;
}

static bool is_there(const char *name)
{
	_cleanup_free_ char *path = in_folder(name);

	return access(path, F_OK) == 0;
}

static int setup(void **state)
{
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	config = (struct machine_config){ .snapshot = in_folder("saved"),
		.vsock_path = in_folder("vsock"),
		.monitor = in_folder("monitor"),
		.notes_writes = true };
	return porter_start(&config, &porter, NULL);
}

static int teardown(void **state)
{
	porter = porter_stop(porter);
	free((char *)(uintptr_t)config.snapshot);
	free((char *)(uintptr_t)config.vsock_path);
	free((char *)(uintptr_t)config.monitor);
	return io_remove_tree(AT_FDCWD, folder, NULL);
}

static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void ports_are_connected(void **state)
{
	_cleanup_close_ int listener = listen_at("vsock_1234");
	_cleanup_close_ int ours = porter_connect(porter, 1234), theirs = -1;
	char letter = 0;

	assert_true(ours >= 0);
	assert_true(fcntl(ours, F_GETFL) & O_NONBLOCK);
	theirs = accept(listener, NULL, NULL);
	assert_true(theirs >= 0);
	assert_int_equal(write(ours, "x", 1), 1);
	assert_int_equal(read(theirs, &letter, 1), 1);
	assert_int_equal(letter, 'x');
	assert_int_equal(porter_connect(porter, 1235), -ECONNREFUSED);
}

static void only_own_sockets_are_removed(void **state)
{
	close(listen_at("monitor"));
	close(listen_at("other"));
	porter_remove(porter, PORTER_GDB); /* it has none */
	assert_true(is_there("monitor"));
	porter_remove(porter, PORTER_MONITOR);
	assert_false(is_there("monitor"));
	assert_true(is_there("other"));
	porter_remove(porter, PORTER_SOCKETS);
	assert_true(is_there("other"));
}

/* As machine_save() would begin. */
static void fill(const struct snapshot_folder *files, char id)
{
	struct snapshot_header header = { .nr_regions = 1 };

	memset(header.id, id, SNAPSHOT_ID_SIZE - 1);
	assert_int_equal(io_write_full(files->fds[0], &header, sizeof(header)), 0);
}

static void save(const char *base, char id)
{
	struct snapshot_folder files;

	assert_int_equal(porter_make_snapshot(porter, base, &files, NULL), 0);
	fill(&files, id);
	snapshot_folder_close(&files);
	assert_int_equal(porter_finish_snapshot(porter, true, NULL), 0);
}

static void snapshots_are_whole_or_not_there(void **state)
{
	struct snapshot_folder files;

	assert_int_equal(porter_make_snapshot(porter, NULL, &files, NULL), 0);
	assert_true(is_there("saved.new"));
	assert_false(is_there("saved"));
	/* One at a time. */
	{
		struct snapshot_folder second;

		assert_int_equal(porter_make_snapshot(porter, NULL, &second, NULL), -EINVAL);
	}
	snapshot_folder_close(&files);
	assert_int_equal(porter_finish_snapshot(porter, false, NULL), 0);
	assert_false(is_there("saved.new") || is_there("saved"));
	/* What has no header is not whole. */
	assert_int_equal(porter_make_snapshot(porter, NULL, &files, NULL), 0);
	snapshot_folder_close(&files);
	assert_true(porter_finish_snapshot(porter, true, NULL) < 0);
	assert_false(is_there("saved.new") || is_there("saved"));
	assert_int_equal(porter_finish_snapshot(porter, true, NULL), -EINVAL);
}

static void differences_have_the_last_one_as_base(void **state)
{
	char first[SNAPSHOT_ID_SIZE] = { 0 }, other[SNAPSHOT_ID_SIZE] = { 0 }, link[16] = { 0 };
	_cleanup_free_ char *base = in_folder("saved.1/base");
	struct snapshot_folder files;

	memset(first, 'a', SNAPSHOT_ID_SIZE - 1);
	memset(other, 'b', SNAPSHOT_ID_SIZE - 1);
	assert_int_equal(porter_make_snapshot(porter, first, &files, NULL), -ESTALE);
	save(NULL, 'a');
	assert_true(is_there("saved/memory-0") && is_there("saved/state"));
	assert_false(is_there("saved/memory-1") || is_there("saved/changes-0"));
	assert_int_equal(porter_make_snapshot(porter, other, &files, NULL), -ESTALE);
	save(first, 'b');
	assert_true(is_there("saved.1/changes-0"));
	assert_true(readlink(base, link, sizeof(link) - 1) > 0);
	assert_string_equal(link, "../saved");
}

static void nothing_to_do_is_no_process(void **state)
{
	const struct machine_config none = { .gdb = "1234" };
	struct porter *other = porter;

	assert_int_equal(porter_start(&none, &other, NULL), 0);
	assert_null(other);
	assert_null(porter_stop(other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ports_are_connected, setup, teardown),
		cmocka_unit_test_setup_teardown(only_own_sockets_are_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(snapshots_are_whole_or_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(
			differences_have_the_last_one_as_base, setup, teardown),
		cmocka_unit_test(nothing_to_do_is_no_process),
	};

	return cmocka_run_group_tests_name("machine/porter", tests, NULL, NULL);
}
