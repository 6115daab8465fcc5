/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cgroup.c - the host's own cgroups: limits that hold, freezing, moving, removing.
 *
 * Runs as root on a host whose cgroups are writable, or as a user in a delegated v2 tree; elsewhere
 * every test is skipped with the reason. What a limit does is looked at from inside: a child enters
 * the cgroup and tries.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"
#include "container/cgroup.h"

struct fixture {
	char *path; /* NULL: there are no cgroups for us */
	struct cgroup_limits limits;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char id[32] = "test-";

	io_random_hex(id + strlen(id), 8);
	cgroup_limits_init(&f->limits);
	cgroup_path_for(id, &f->limits, &f->path, &f->err);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	int r = f->path ? cgroup_remove(f->path, &f->err) : 0;

	if (r < 0)
		print_error("tear down: %s\n", f->err.message);
	cgroup_limits_free(&f->limits);
	free(f->path);
	free(f);
	return r;
}

/* Skip where this process may make no cgroups; `v1_only` also on v2. */
static void need(bool v1_only)
{
	enum cgroup_kind kind = cgroup_host_kind();

	if (kind == CGROUP_NONE) {
		print_message("SKIP: this user may make no cgroups on this host\n");
		skip();
	}
	if (v1_only && kind != CGROUP_V1) {
		print_message("SKIP: this host has no cgroup v1 controllers\n");
		skip();
	}
}

static void ok(struct fixture *f, int r)
{
	if (r < 0)
		fail_msg("%s (%d)", f->err.message, r);
}

/* Run fn in a child that has entered the cgroup; returns the wait status. */
static int run_inside(struct fixture *f, int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(cgroup_enter_new(f->path, &f->limits, NULL) < 0 ? 99 : fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Skip where the host (or whoever delegated to us) has no such v2 controller. */
static void need_controller(const char *name)
{
	struct cgroup_limits limits;
	struct error err = { 0 };

	cgroup_limits_init(&limits);
	if (streq(name, "cpuset"))
		limits.cpuset_cpus = strdup("0");
	else
		limits.cpu_shares = 100;
	if (cgroup_check_limits(&limits, &err) < 0) {
		print_message("SKIP: %s\n", err.message);
		cgroup_limits_free(&limits);
		skip();
	}
	cgroup_limits_free(&limits);
}

/* A child that sits in the cgroup until it is killed. */
static pid_t start_sleeper(struct fixture *f)
{
	int pipe_fds[2];
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (cgroup_enter(f->path, NULL) < 0)
			_exit(99);
		if (write(pipe_fds[1], "x", 1) != 1)
			_exit(98);
		for (;;)
			pause();
	}
	close(pipe_fds[1]);
	assert_int_equal(read(pipe_fds[0], &c, 1), 1);
	close(pipe_fds[0]);
	return pid;
}

static void stop_sleeper(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int do_nothing(void)
{
	return 0;
}

static int touch_64_mib(void)
{
	size_t size = 64u << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	return 0;
}

static void memory_limit_kills_what_exceeds_it(void **state)
{
	struct fixture *f = *state;
	struct pollfd pfd = { .events = POLLIN };
	int status;

	need(false);
	f->limits.memory_bytes = f->limits.memory_swap_bytes = 16 << 20;
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	pfd.fd = cgroup_open_oom_events(f->path);
	assert_true(pfd.fd >= 0);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	status = run_inside(f, touch_64_mib);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_read_oom_kills(f->path), 1);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	close(pfd.fd);
	/* And what stays below it lives. */
	f->limits.memory_bytes = f->limits.memory_swap_bytes = 128 << 20;
	ok(f, cgroup_update(f->path, &f->limits, &f->err));
	status = run_inside(f, touch_64_mib);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void memory_limits_grow_and_shrink_together(void **state)
{
	static const int64_t mib[][2] = { { 64, 128 }, { 256, 512 }, { 32, 32 }, { 64, -1 } };
	struct fixture *f = *state;
	struct cgroup_stats stats;

	need(false);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
		f->limits.memory_bytes = mib[i][0] << 20;
		f->limits.memory_swap_bytes = mib[i][1] < 0 ? -1 : mib[i][1] << 20;
		ok(f, cgroup_update(f->path, &f->limits, &f->err));
		ok(f, cgroup_read_stats(f->path, &stats, &f->err));
		assert_int_equal(stats.memory_limit_bytes, mib[i][0] << 20);
	}
	f->limits.memory_bytes = 64 << 20;
	f->limits.memory_swap_bytes = 32 << 20;
	assert_int_equal(cgroup_update(f->path, &f->limits, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.message, "--memory-swap"));
}

static int fork_ten(void)
{
	int refused = 0;

	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pause();
			_exit(0);
		}
		refused += pid < 0 && errno == EAGAIN;
	}
	return refused;
}

static void pids_limit_refuses_a_fork(void **state)
{
	struct fixture *f = *state;
	struct cgroup_stats stats;
	int status;

	need(false);
	f->limits.pids = 4;
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	status = run_inside(f, fork_ten);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	ok(f, cgroup_read_stats(f->path, &stats, &f->err));
	assert_int_equal(stats.pids, 3);
	assert_int_equal(stats.pids_limit, 4);
	/* tear_down() removes the cgroup with the three still alive in it. */
}

static struct cgroup_device_rule docker_like_rules[] = {
	{ false, 'a', -1, -1, "rwm" },
	{ true, 'c', -1, -1, "m" },
	{ true, 'b', -1, -1, "m" },
	{ true, 'c', 1, 3, "rwm" },
	{ true, 'c', 1, 5, "r" },
};

/* A bit for each thing that worked: null rw, zero r, zero w, full (not listed). */
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

static void device_rules_allow_only_what_they_name(void **state)
{
	struct fixture *f = *state;
	int status;

	need(false);
	if (geteuid() != 0) {
		print_message("SKIP: device nodes need root\n");
		skip();
	}
	f->limits.device_rules = malloc(sizeof(docker_like_rules));
	memcpy(f->limits.device_rules, docker_like_rules, sizeof(docker_like_rules));
	f->limits.nr_device_rules = ARRAY_SIZE(docker_like_rules);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	status = run_inside(f, open_devices);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0x3);
}

/* User and system ticks of a process, from /proc/PID/stat. */
static unsigned long long cpu_ticks(pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long user = 0, system = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	assert_int_equal(io_read_file(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
	assert_int_equal(
		sscanf(strrchr(text, ')'),
			") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system),
		2);
	return user + system;
}

static void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static pid_t start_spinner(struct fixture *f)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (cgroup_enter(f->path, NULL) < 0)
			_exit(99);
		for (volatile unsigned long i = 0;; i++)
			;
	}
	/* It has entered when it is listed. */
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ pid_t *pids = NULL;
		size_t count = 0;

		ok(f, cgroup_pids(f->path, &pids, &count, &f->err));
		if (count)
			return pid;
		sleep_ms(1);
	}
	fail_msg("the child did not enter");
	return -1;
}

static void freeze_stops_and_thaw_continues(void **state)
{
	struct fixture *f = *state;
	unsigned long long before, after;
	pid_t pid;

	need(false);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	assert_false(cgroup_is_frozen(f->path));
	pid = start_spinner(f);
	ok(f, cgroup_freeze(f->path, true, &f->err));
	assert_true(cgroup_is_frozen(f->path));
	before = cpu_ticks(pid);
	sleep_ms(150);
	assert_true(cpu_ticks(pid) == before);
	ok(f, cgroup_freeze(f->path, false, &f->err));
	assert_false(cgroup_is_frozen(f->path));
	for (int i = 0; i < 100 && (after = cpu_ticks(pid)) == before; i++)
		sleep_ms(20);
	assert_true(after > before);
	stop_sleeper(pid);
}

static void a_frozen_cgroup_is_removed_with_its_processes(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	need(false);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	pid = start_sleeper(f);
	ok(f, cgroup_freeze(f->path, true, &f->err));
	ok(f, cgroup_remove(f->path, &f->err));
	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(cgroup_enter(f->path, &f->err), -ENOENT);
	ok(f, cgroup_remove(f->path, &f->err));
}

static void one_in_use_is_not_made_again(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	need(false);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	/* Empty: a left-over, replaced. */
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	pid = start_sleeper(f);
	assert_int_equal(cgroup_create(f->path, &f->limits, NULL, &f->err), -EEXIST);
	assert_non_null(strstr(f->err.message, "in use"));
	assert_int_equal(kill(pid, 0), 0);
	stop_sleeper(pid);
}

static void a_limit_set_later_holds_for_those_inside(void **state)
{
	struct fixture *f = *state;
	struct cgroup_stats stats;
	pid_t pids[3];

	need(false);
	need_controller("cpuset");
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = start_sleeper(f);
	f->limits.pids = 5;
	f->limits.cpu_quota_us = 50000;
	f->limits.cpu_period_us = 100000;
	f->limits.cpuset_cpus = strdup("0");
	ok(f, cgroup_update(f->path, &f->limits, &f->err));
	ok(f, cgroup_read_stats(f->path, &stats, &f->err));
	assert_int_equal(stats.pids, 3);
	assert_int_equal(stats.pids_limit, 5);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		char path[64], text[8192];

		snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
		assert_true(cgroup_read_text(path, text, sizeof(text)) > 0);
		assert_non_null(strstr(text, "Cpus_allowed_list:\t0\n"));
		stop_sleeper(pids[i]);
	}
}

static void cpu_quota_holds(void **state)
{
	struct fixture *f = *state;
	struct cgroup_stats before, after;
	int64_t start, elapsed;
	double used;
	pid_t pid;

	need(false);
	need_controller("cpu");
	f->limits.cpu_quota_us = 20000;
	f->limits.cpu_period_us = 100000;
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	pid = start_spinner(f);
	ok(f, cgroup_read_stats(f->path, &before, &f->err));
	start = clock_monotonic_ns();
	sleep_ms(1000);
	ok(f, cgroup_read_stats(f->path, &after, &f->err));
	elapsed = clock_monotonic_ns() - start;
	stop_sleeper(pid);
	used = (double)(after.cpu_usage_ns - before.cpu_usage_ns) / (double)elapsed;
	/* A fifth of a CPU; a busy machine may give less, the quota never more (one period's
	 * slack). */
	assert_true(used < 0.35);
	assert_true(after.throttled_periods > 0);
}

static void nested_cgroups_go_with_their_parent(void **state)
{
	static const char *const tails[] = { "/a", "/a/b", "/c" };
	struct fixture *f = *state;
	char procs[PATH_MAX], text[24];
	pid_t pid;

	need(true);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	pid = start_sleeper(f);
	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		snprintf(procs, sizeof(procs), "/sys/fs/cgroup/memory%s%s", f->path, tails[i]);
		assert_int_equal(mkdir(procs, 0755), 0);
	}
	snprintf(procs, sizeof(procs), "/sys/fs/cgroup/memory%s/a/b/cgroup.procs", f->path);
	snprintf(text, sizeof(text), "%d", pid);
	assert_int_equal(io_write_kernel_file(AT_FDCWD, procs, text), 0);
	ok(f, cgroup_remove(f->path, &f->err));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), pid);
	snprintf(procs, sizeof(procs), "/sys/fs/cgroup/memory%s", f->path);
	assert_int_equal(access(procs, F_OK), -1);
}

static int make_a_cgroup_a_hundred_times(void)
{
	struct cgroup_limits limits;
	char path[80];

	cgroup_limits_init(&limits);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/strata-test-shared/%d", getpid());
		if (cgroup_create(path, &limits, NULL, NULL) < 0 || cgroup_remove(path, NULL) < 0)
			return 1;
		/* What a tidy administrator may do at any moment. */
		rmdir("/sys/fs/cgroup/memory/strata-test-shared");
		rmdir("/sys/fs/cgroup/cpuacct/strata-test-shared");
	}
	return 0;
}

static void creators_survive_a_parent_that_vanishes(void **state)
{
	pid_t pids[3];
	int status;

	need(true);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(make_a_cgroup_a_hundred_times());
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		waitpid(pids[i], &status, 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	cgroup_remove("/strata-test-shared", NULL);
}

static void stats_count_what_was_used(void **state)
{
	struct fixture *f = *state;
	struct cgroup_stats stats;

	need(false);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	assert_int_equal(WEXITSTATUS(run_inside(f, touch_64_mib)), 0);
	ok(f, cgroup_read_stats(f->path, &stats, &f->err));
	assert_true(stats.cpu_usage_ns > 1000000);
	assert_true(stats.memory_peak_bytes >= 64u << 20);
	assert_true(stats.memory_bytes < 32u << 20);
	assert_true(stats.memory_limit_bytes == cgroup_host_memory());
	assert_int_equal(stats.pids, 0);
	assert_int_equal(stats.oom_kills, 0);
}

static void bad_paths_and_values_are_refused(void **state)
{
	static const char *const paths[] = { "", "/", "a", "/a/../b", "/a//b", "/a/", "/.",
		"/a/." };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		assert_int_equal(cgroup_create(paths[i], &f->limits, NULL, &f->err), -EINVAL);
	f->limits.cpu_period_us = 10;
	assert_int_equal(cgroup_check_limits(&f->limits, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.message, "--cpu-period"));
}

static void a_weight_nobody_schedules_is_an_error(void **state)
{
	struct fixture *f = *state;
	int r;

	need(true);
	f->limits.blkio_weight = 500;
	r = cgroup_create(f->path, &f->limits, NULL, &f->err);
	/* Where BFQ is built in it works; elsewhere the option is named and nothing is left. */
	if (r == 0)
		return;
	assert_int_equal(r, -ENOTSUP);
	assert_non_null(strstr(f->err.message, "--blkio-weight"));
	assert_int_equal(cgroup_enter(f->path, &f->err), -ENOENT);
}

static void a_first_child_leaves_an_empty_cgroup(void **state)
{
	struct fixture *f = *state;

	need(false);
	ok(f, cgroup_create(f->path, &f->limits, NULL, &f->err));
	assert_int_equal(run_inside(f, do_nothing), 0);
	ok(f, cgroup_remove(f->path, &f->err));
}

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(memory_limit_kills_what_exceeds_it),
		ROW(memory_limits_grow_and_shrink_together),
		ROW(pids_limit_refuses_a_fork),
		ROW(device_rules_allow_only_what_they_name),
		ROW(freeze_stops_and_thaw_continues),
		ROW(a_frozen_cgroup_is_removed_with_its_processes),
		ROW(one_in_use_is_not_made_again),
		ROW(a_limit_set_later_holds_for_those_inside),
		ROW(cpu_quota_holds),
		ROW(nested_cgroups_go_with_their_parent),
		ROW(creators_survive_a_parent_that_vanishes),
		ROW(stats_count_what_was_used),
		ROW(bad_paths_and_values_are_refused),
		ROW(a_weight_nobody_schedules_is_an_error),
		ROW(a_first_child_leaves_an_empty_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
