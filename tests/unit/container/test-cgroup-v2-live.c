/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cgroup-v2-live.c - cgroup v2 of the running kernel: the hierarchy itself, also where (on a
 * hybrid host) the controllers are v1's: entering, freezing, killing, device programs, delegation.
 *
 * Needs root and a cgroup2 mount; elsewhere every test is skipped with the reason.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

#define NOBODY 65534

static const struct cgroup_creation plain;

struct fixture {
	struct cgroup_host host;
	char path[64];
	struct cgroup_limits limits;
	struct error err;
};

static const char *cgroup2_root(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs st;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (statfs(places[i], &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC &&
			access(places[i], W_OK) == 0)
			return places[i];
	return NULL;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char hex[9];

	io_random_hex(hex, 4);
	f->host = (struct cgroup_host){ &cgroup_v2_ops, cgroup2_root() };
	snprintf(f->path, sizeof(f->path), "/strata-test-%s.scope", hex);
	cgroup_limits_init(&f->limits);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int r = 0;

	for (int i = 0; f->host.root && i < 1000; i++) {
		r = cgroup_v2_ops.remove(&f->host, f->path);
		if (r != -EBUSY)
			break;
		cgroup_v2_ops.kill(&f->host, f->path, NULL);
		usleep(1000);
	}
	cgroup_limits_free(&f->limits);
	free(f);
	return r;
}

static void need(struct fixture *f)
{
	if (geteuid() != 0) {
		print_message("SKIP: only root makes cgroups here\n");
		skip();
	}
	if (!f->host.root) {
		print_message("SKIP: no writable cgroup2 is mounted here\n");
		skip();
	}
}

static void ok(struct fixture *f, int r)
{
	if (r < 0)
		fail_msg("%s (%d)", f->err.message, r);
}

static pid_t start_inside(struct fixture *f)
{
	int fds[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		c = cgroup_v2_ops.enter(&f->host, f->path, NULL, NULL) == 0 ? 'y' : 'n';
		if (write(fds[1], &c, 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	close(fds[0]);
	assert_int_equal(c, 'y');
	return pid;
}

static void frozen_then_killed_then_gone(void **state)
{
	struct fixture *f = *state;
	pid_t pid, *pids = NULL;
	size_t count = 0;
	int status, frozen = 0;

	need(f);
	ok(f, cgroup_v2_ops.create(&f->host, f->path, &f->limits, &plain, &f->err));
	pid = start_inside(f);
	assert_int_equal(
		cgroup_v2_ops.create(&f->host, f->path, &f->limits, &plain, &f->err), -EEXIST);
	ok(f, cgroup_v2_ops.pids(&f->host, f->path, &pids, &count, &f->err));
	assert_int_equal(count, 1);
	assert_int_equal(pids[0], pid);
	free(pids);
	ok(f, cgroup_v2_ops.freeze(&f->host, f->path, true, &f->err));
	for (int i = 0; i < 1000 && !frozen; i++) {
		usleep(1000);
		frozen = cgroup_v2_ops.is_frozen(&f->host, f->path);
	}
	assert_int_equal(frozen, 1);
	assert_int_equal(cgroup_v2_ops.remove(&f->host, f->path), -EBUSY);
	ok(f, cgroup_v2_ops.kill(&f->host, f->path, &f->err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_v2_ops.remove(&f->host, f->path), 0);
	assert_int_equal(cgroup_v2_ops.remove(&f->host, f->path), 0);
}

/* A bit for each of: null rw, zero r, zero w, full r. */
static int open_devices(void)
{
	const struct {
		dev_t device;
		int flags;
	} tries[] = {
		{ makedev(1, 3), O_RDWR },
		{ makedev(1, 5), O_RDONLY },
		{ makedev(1, 5), O_WRONLY },
		{ makedev(1, 7), O_RDONLY },
	};
	int worked = 0;

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		char node[64];
		int fd;

		snprintf(node, sizeof(node), "/tmp/cgroup-test-node-%d-%zu", getpid(), i);
		if (mknod(node, S_IFCHR | 0666, tries[i].device) < 0)
			return 98;
		fd = open(node, tries[i].flags | O_CLOEXEC);
		if (fd >= 0)
			worked |= 1 << i;
		else if (errno != EPERM)
			worked = 97;
		unlink(node);
	}
	return worked;
}

static int devices_that_open(struct fixture *f)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(cgroup_v2_ops.enter(&f->host, f->path, NULL, NULL) < 0 ? 99 : open_devices());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_device_program_is_the_kernels_law(void **state)
{
	static const struct cgroup_device_rule rules[] = {
		{ false, 'a', -1, -1, "rwm" },
		{ true, 'c', -1, -1, "m" },
		{ true, 'c', 1, -1, "rw" },
		{ false, 'c', 1, 5, "w" }, /* a hole, which v1 could not have */
		{ false, 'c', 1, 7, "rw" },
	};
	struct fixture *f = *state;
	char dir[PATH_MAX];
	int fd, r;

	need(f);
	ok(f, cgroup_v2_ops.create(&f->host, f->path, &f->limits, &plain, &f->err));
	cgroup_path_of(dir, f->host.root, f->path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	r = cgroup_device_attach(fd, rules, ARRAY_SIZE(rules));
	if (r == -EINVAL || r == -ENOSYS) {
		close(fd);
		print_message("SKIP: this kernel has no device programs (CONFIG_CGROUP_BPF)\n");
		skip();
	}
	assert_int_equal(r, 0);
	assert_int_equal(devices_that_open(f), 0x3);
	/* Another policy takes the place of the first. */
	assert_int_equal(cgroup_device_attach(fd, rules, 3), 0);
	assert_int_equal(devices_that_open(f), 0xf);
	assert_int_equal(cgroup_device_attach(fd, rules, 1), 0);
	assert_int_equal(devices_that_open(f), 98);
	close(fd);
}

/* In a child that sits in the scope: where does a container go, and who is left in the scope? */
static int ask_for_path(struct fixture *f, uid_t uid, const char *expected)
{
	char dir[PATH_MAX], procs[PATH_MAX], text[64];
	struct cgroup_limits limits;
	struct error err = { 0 };
	char *path = NULL;

	cgroup_limits_init(&limits);
	if (cgroup_v2_ops.enter(&f->host, f->path, NULL, NULL) < 0 || (uid && setuid(uid) < 0))
		return 2;
	/* Twice: the second time we are in the leaf already. */
	for (int i = 0; i < 2; i++) {
		free(path);
		if (cgroup_v2_path_for(f->host.root, "ID", &path, &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			return 3;
		}
		if (!streq(path, expected)) {
			fprintf(stderr, "%s is not %s\n", path, expected);
			return 4;
		}
	}
	cgroup_path_of(procs, f->host.root, f->path, "/cgroup.procs");
	if (cgroup_read_text(procs, text, sizeof(text)) != 0)
		return 5;
	if (cgroup_v2_ops.create(&f->host, path, &limits, &plain, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 6;
	}
	if (cgroup_v2_ops.enter(&f->host, path, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 7;
	}
	cgroup_path_of(dir, f->host.root, path);
	free(path);
	return access(dir, F_OK) == 0 ? 0 : 8;
}

static void expect_path(struct fixture *f, uid_t uid, const char *tail)
{
	char expected[128];
	int status;
	pid_t pid;

	snprintf(expected, sizeof(expected), "%s%s", f->path, tail);
	pid = fork();
	if (pid == 0)
		_exit(ask_for_path(f, uid, expected));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void roots_containers_are_at_the_top(void **state)
{
	struct fixture *f = *state;
	char *path = NULL, type[PATH_MAX];

	need(f);
	cgroup_path_of(type, f->host.root, "/cgroup.type");
	if (access(type, F_OK) == 0) {
		print_message("SKIP: what is mounted here is not the machine's root cgroup\n");
		skip();
	}
	ok(f, cgroup_v2_path_for(f->host.root, "ID", &path, &f->err));
	assert_string_equal(path, "/strata-ID");
	free(path);
}

static void a_users_delegated_cgroup_is_divided(void **state)
{
	static const char *const files[] = { "", "/cgroup.procs", "/cgroup.subtree_control",
		"/cgroup.threads" };
	struct fixture *f = *state;
	char file[PATH_MAX];

	need(f);
	snprintf(f->path, sizeof(f->path), "/strata-test-user-%d", getpid());
	ok(f, cgroup_v2_ops.create(&f->host, f->path, &f->limits, &plain, &f->err));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		cgroup_path_of(file, f->host.root, f->path, files[i]);
		assert_int_equal(chown(file, NOBODY, NOBODY), 0);
	}
	expect_path(f, NOBODY, "/strata-ID");
}

static void what_is_not_delegated_is_left_alone(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	need(f);
	ok(f, cgroup_v2_ops.create(&f->host, f->path, &f->limits, &plain, &f->err));
	pid = fork();
	if (pid == 0) {
		char *path = NULL;

		if (cgroup_v2_ops.enter(&f->host, f->path, NULL, NULL) < 0 || setuid(NOBODY) < 0)
			_exit(2);
		_exit(cgroup_v2_path_for(f->host.root, "ID", &path, NULL) == -ENOTSUP ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(frozen_then_killed_then_gone),
		ROW(the_device_program_is_the_kernels_law),
		ROW(roots_containers_are_at_the_top),
		ROW(a_users_delegated_cgroup_is_divided),
		ROW(what_is_not_delegated_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
