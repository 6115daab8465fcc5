/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cgroup-resources.c - the runtime-spec's resources on the cgroups of this host, v1 and hybrid
 * ones: what the kernel says it holds afterwards, at creation and when they are changed. (v2 is
 * tested by test-cgroup-v2.c and in the virtual machine of tests/vm.)
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

struct fixture {
	char path[64];
	struct cgroup_limits limits;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->path, sizeof(f->path), "/strata-test-resources-%d", getpid());
	cgroup_limits_init(&f->limits);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	cgroup_remove(f->path, NULL);
	cgroup_limits_free(&f->limits);
	free(f);
	return 0;
}

/* Skip where there is no v1 controller that has the file. */
static void need(const char *controller, const char *file)
{
	char path[PATH_MAX];

	cgroup_path_of(path, "/sys/fs/cgroup/", controller, "/", file);
	if (cgroup_host_kind() != CGROUP_V1 || geteuid() != 0 || access(path, F_OK) < 0) {
		print_message("skipped: no %s that we may write\n", path);
		skip();
	}
}

static void create(struct fixture *f)
{
	if (cgroup_create(f->path, &f->limits, NULL, &f->err) < 0)
		fail_msg("%s", f->err.message);
}

static void update(struct fixture *f)
{
	if (cgroup_update(f->path, &f->limits, &f->err) < 0)
		fail_msg("%s", f->err.message);
}

static void holds(struct fixture *f, const char *controller, const char *file, const char *wanted)
{
	char path[PATH_MAX], text[4096];

	cgroup_path_of(path, "/sys/fs/cgroup/", controller, f->path, "/", file);
	assert_true(cgroup_read_text(path, text, sizeof(text)) >= 0);
	text[strcspn(text, "\n")] = '\0';
	if (!streq(text, wanted))
		fail_msg("%s holds '%s', not '%s'", file, text, wanted);
}

static void bandwidth_changes_in_any_order(void **state)
{
	/* quota, period, burst: each step needs another order of the three writes. */
	static const int64_t steps[][3] = { { 20000, 100000, 10000 }, { 200000, 1000000, 150000 },
		{ 5000, 10000, 0 }, { 60000, 100000, 60000 } };
	struct fixture *f = *state;

	need("cpu", "cpu.cfs_burst_us");
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		char text[3][24];

		f->limits.cpu_quota_us = steps[i][0];
		f->limits.cpu_period_us = steps[i][1];
		f->limits.cpu_burst_us = steps[i][2];
		if (i == 0)
			create(f);
		else
			update(f);
		for (int k = 0; k < 3; k++)
			snprintf(text[k], sizeof(text[k]), "%lld", (long long)steps[i][k]);
		holds(f, "cpu", "cpu.cfs_quota_us", text[0]);
		holds(f, "cpu", "cpu.cfs_period_us", text[1]);
		holds(f, "cpu", "cpu.cfs_burst_us", text[2]);
	}
	f->limits.cpu_quota_us = CGROUP_UNLIMITED;
	f->limits.cpu_period_us = CGROUP_UNSET;
	f->limits.cpu_burst_us = 0;
	update(f);
	holds(f, "cpu", "cpu.cfs_quota_us", "-1");
}

static void bandwidth_below_a_parent_changes_in_any_order(void **state)
{
	struct fixture *f = *state;
	struct cgroup_limits parent;
	char child[80];

	need("cpu", "cpu.cfs_quota_us");
	cgroup_limits_init(&parent);
	parent.cpu_quota_us = 50000;
	parent.cpu_period_us = 100000;
	assert_int_equal(cgroup_create(f->path, &parent, NULL, &f->err), 0);
	snprintf(child, sizeof(child), "%s/in", f->path);
	f->limits.cpu_quota_us = 50000;
	f->limits.cpu_period_us = 100000;
	assert_int_equal(cgroup_create(child, &f->limits, NULL, &f->err), 0);
	/* The shorter period alone would be more than the parent has. */
	f->limits.cpu_quota_us = 5000;
	f->limits.cpu_period_us = 10000;
	assert_int_equal(cgroup_update(child, &f->limits, &f->err), 0);
	f->limits.cpu_quota_us = 90000;
	f->limits.cpu_period_us = 100000;
	assert_int_equal(cgroup_update(child, &f->limits, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.message, "--cpus"));
}

static void idle_and_shares(void **state)
{
	struct fixture *f = *state;

	need("cpu", "cpu.idle");
	f->limits.cpu_shares = 512;
	f->limits.cpu_idle = 1;
	create(f);
	holds(f, "cpu", "cpu.idle", "1");
	update(f); /* an idle one takes no shares: nothing to do */
	f->limits.cpu_idle = 0;
	f->limits.cpu_shares = 2048;
	update(f);
	holds(f, "cpu", "cpu.idle", "0");
	holds(f, "cpu", "cpu.shares", "2048");
	f->limits.cpu_shares = 1;
	assert_int_equal(cgroup_update(f->path, &f->limits, &f->err), -EINVAL);
	assert_non_null(strstr(f->err.message, "between 2 and 262144"));
	f->limits.cpu_idle = 2;
	assert_int_equal(cgroup_update(f->path, &f->limits, &f->err), -EINVAL);
}

static void realtime(void **state)
{
	struct fixture *f = *state;

	need("cpu", "cpu.rt_runtime_us");
	f->limits.cpu_realtime_period_us = 500000;
	f->limits.cpu_realtime_runtime_us = 10000;
	create(f);
	holds(f, "cpu", "cpu.rt_period_us", "500000");
	holds(f, "cpu", "cpu.rt_runtime_us", "10000");
	/* The new period alone would be shorter than the old runtime. */
	f->limits.cpu_realtime_period_us = 8000;
	f->limits.cpu_realtime_runtime_us = 100;
	update(f);
	holds(f, "cpu", "cpu.rt_period_us", "8000");
	holds(f, "cpu", "cpu.rt_runtime_us", "100");
}

static void memory_modes(void **state)
{
	struct fixture *f = *state;

	need("memory", "cgroup.procs"); /* memory.swappiness is in every cgroup but the root's */
	f->limits.memory_swappiness = 17;
	f->limits.memory_use_hierarchy = true;
	f->limits.memory_bytes = f->limits.memory_swap_bytes = 64 << 20;
	create(f);
	holds(f, "memory", "memory.swappiness", "17");
	holds(f, "memory", "memory.use_hierarchy", "1");
	/* No limit, and nothing said about the total that is 64 MiB. */
	f->limits.memory_bytes = CGROUP_UNLIMITED;
	f->limits.memory_swap_bytes = CGROUP_UNSET;
	update(f);
	holds(f, "memory", "memory.limit_in_bytes", "9223372036854771712");
}

static void kernel_memory_is_limited_or_refused(void **state)
{
	struct fixture *f = *state;

	need("memory", "cgroup.procs");
	f->limits.memory_kernel_bytes = 8 << 20;
	if (cgroup_create(f->path, &f->limits, NULL, &f->err) == 0)
		holds(f, "memory", "memory.kmem.limit_in_bytes", "8388608");
	else
		assert_non_null(strstr(f->err.message, "memory.kernel: this kernel does not"));
}

static void huge_pages_are_limited(void **state)
{
	struct fixture *f = *state;
	char text[512];
	bool unified;

	need("memory", "cgroup.procs");
	unified = access("/sys/fs/cgroup/hugetlb/cgroup.procs", F_OK) < 0;
	if (unified &&
		(cgroup_read_text("/sys/fs/cgroup/unified/cgroup.controllers", text, sizeof(text)) <
				0 ||
			!strstr(text, "hugetlb"))) {
		print_message("skipped: no controller of huge pages\n");
		skip();
	}
	f->limits.hugepage_limits = calloc(1, sizeof(*f->limits.hugepage_limits));
	f->limits.hugepage_limits[0].page_size = strdup("2MB");
	f->limits.hugepage_limits[0].bytes = 4 << 20;
	f->limits.nr_hugepage_limits = 1;
	create(f);
	holds(f, unified ? "unified" : "hugetlb",
		unified ? "hugetlb.2MB.max" : "hugetlb.2MB.limit_in_bytes", "4194304");
	holds(f, unified ? "unified" : "hugetlb",
		unified ? "hugetlb.2MB.rsvd.max" : "hugetlb.2MB.rsvd.limit_in_bytes", "4194304");
	f->limits.hugepage_limits[0].bytes = 2 << 20;
	update(f);
	holds(f, unified ? "unified" : "hugetlb",
		unified ? "hugetlb.2MB.max" : "hugetlb.2MB.limit_in_bytes", "2097152");
	f->limits.hugepage_limits[0].page_size[0] = '3';
	assert_int_equal(cgroup_update(f->path, &f->limits, &f->err), -ENOTSUP);
	assert_non_null(strstr(f->err.message, "no huge pages of 3MB"));
}

static void what_the_host_lacks_is_refused_by_name(void **state)
{
	struct fixture *f = *state;

	need("memory", "cgroup.procs");
	if (access("/sys/fs/cgroup/net_cls/cgroup.procs", F_OK) < 0) {
		f->limits.net_class_id = 0x100001;
		assert_int_equal(cgroup_create(f->path, &f->limits, NULL, &f->err), -ENOTSUP);
		assert_string_equal(f->err.message,
			"network.classID: this host has no cgroup controller 'net_cls'");
		f->limits.net_class_id = CGROUP_UNSET;
	}
	if (access("/sys/fs/cgroup/rdma/cgroup.procs", F_OK) < 0) {
		f->limits.rdma_limits = calloc(1, sizeof(*f->limits.rdma_limits));
		f->limits.rdma_limits[0] = (struct cgroup_rdma_limit){ strdup("mlx4_0"), 2,
			CGROUP_UNSET };
		f->limits.nr_rdma_limits = 1;
		assert_int_equal(cgroup_create(f->path, &f->limits, NULL, &f->err), -ENOTSUP);
		assert_non_null(strstr(f->err.message, "'rdma'"));
	}
	f->limits.blkio_leaf_weight = 100;
	if (access("/sys/fs/cgroup/blkio/blkio.leaf_weight", F_OK) < 0)
		assert_int_equal(cgroup_create(f->path, &f->limits, NULL, &f->err), -ENOTSUP);
}

/* Can somebody in the cgroup open the device? */
static bool opens(struct fixture *f, const char *device)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(cgroup_enter(f->path, NULL) < 0 || open(device, O_RDONLY | O_CLOEXEC) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void set_rules(struct fixture *f, const struct cgroup_device_rule *rules, size_t count)
{
	free(f->limits.device_rules);
	f->limits.device_rules = calloc(count, sizeof(*rules));
	memcpy(f->limits.device_rules, rules, count * sizeof(*rules));
	f->limits.nr_device_rules = count;
}

static void device_rules_change_under_a_running_container(void **state)
{
	static const struct cgroup_device_rule first[] = { { false, 'a', -1, -1, "rwm" },
		{ true, 'c', 1, 3, "rw" }, { true, 'c', 1, 5, "r" } };
	static const struct cgroup_device_rule second[] = { { false, 'a', -1, -1, "rwm" },
		{ true, 'c', 1, 5, "rw" }, { true, 'c', 1, 9, "r" } };
	struct fixture *f = *state;
	char child[PATH_MAX];

	need("devices", "devices.list");
	set_rules(f, first, ARRAY_SIZE(first));
	create(f);
	assert_true(opens(f, "/dev/null"));
	assert_true(opens(f, "/dev/zero"));
	assert_false(opens(f, "/dev/urandom"));
	/* With children the kernel takes no new default, only exceptions. */
	cgroup_path_of(child, "/sys/fs/cgroup/devices", f->path, "/in");
	assert_int_equal(mkdir(child, 0755), 0);
	set_rules(f, second, ARRAY_SIZE(second));
	update(f);
	assert_false(opens(f, "/dev/null"));
	assert_true(opens(f, "/dev/zero"));
	assert_true(opens(f, "/dev/urandom"));
}

static void a_cgroup_that_is_there(void **state)
{
	const struct cgroup_creation adopt = { .existing = CGROUP_ADOPT };
	struct fixture *f = *state;
	char procs[PATH_MAX];
	int status, pair[2];
	pid_t pid;
	char c;

	need("memory", "cgroup.procs");
	f->limits.memory_swappiness = 5;
	create(f);
	f->limits.memory_swappiness = CGROUP_UNSET;
	assert_int_equal(cgroup_create(f->path, &f->limits, &adopt, &f->err), 0);
	holds(f, "memory", "memory.swappiness", "5"); /* as it was prepared */
	assert_int_equal(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[1]);
		_exit(read(pair[0], &c, 1) != 0);
	}
	cgroup_path_of(procs, "/sys/fs/cgroup/memory", f->path, "/cgroup.procs");
	{
		char text[16];

		snprintf(text, sizeof(text), "%d", pid);
		assert_int_equal(io_write_kernel_file(AT_FDCWD, procs, text), 0);
	}
	assert_int_equal(cgroup_create(f->path, &f->limits, &adopt, &f->err), -EEXIST);
	assert_non_null(strstr(f->err.message, "is in use"));
	close(pair[1]);
	waitpid(pid, &status, 0);
	close(pair[0]);
}

static void a_frozen_parent_is_refused(void **state)
{
	struct fixture *f = *state;
	char child[80];

	need("freezer", "cgroup.procs");
	create(f);
	assert_int_equal(cgroup_freeze(f->path, true, &f->err), 0);
	snprintf(child, sizeof(child), "%s/in", f->path);
	assert_int_equal(cgroup_create(child, &f->limits, NULL, &f->err), -EBUSY);
	assert_non_null(strstr(f->err.message, "is frozen"));
	assert_int_equal(cgroup_freeze(f->path, false, &f->err), 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(bandwidth_changes_in_any_order),
		ROW(bandwidth_below_a_parent_changes_in_any_order),
		ROW(idle_and_shares),
		ROW(realtime),
		ROW(memory_modes),
		ROW(kernel_memory_is_limited_or_refused),
		ROW(huge_pages_are_limited),
		ROW(what_the_host_lacks_is_refused_by_name),
		ROW(device_rules_change_under_a_running_container),
		ROW(a_cgroup_that_is_there),
		ROW(a_frozen_parent_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
