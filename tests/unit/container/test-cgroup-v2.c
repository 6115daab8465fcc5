/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cgroup-v2.c - cgroup v2 on a directory of ordinary files: what is written where, and what is
 * made of what stands there. (The real kernel's part is tested in the virtual machine of tests/vm;
 * a v1 host shows nothing of it.)
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

#define BOX "/strata-x"

struct fixture {
	char root[32];
	struct cgroup_host host;
	struct cgroup_limits limits;
	struct error err;
};

static void put(struct fixture *f, const char *path, const char *file, const char *text)
{
	char full[PATH_MAX];
	int fd;

	assert_int_equal(cgroup_path_of(full, f->root, path, "/", file), 0);
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* What was written last, at the start of the file: the files are not truncated by writers, as the
 * kernel's are not. */
static void expect(struct fixture *f, const char *file, const char *text)
{
	char full[PATH_MAX], have[512];
	int n;

	assert_int_equal(cgroup_path_of(full, f->root, BOX, "/", file), 0);
	n = cgroup_read_text(full, have, sizeof(have));
	assert_true(n >= 0);
	have[strnlen(have, strlen(text))] = '\0';
	assert_string_equal(have, text);
}

static const char *const writable[] = { "memory.max", "memory.swap.max", "memory.low", "cpu.max",
	"cpu.weight", "pids.max", "io.max", "cpuset.cpus", "cpuset.mems", "cgroup.freeze",
	"cgroup.procs", "cgroup.kill" };

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char dir[64];

	strcpy(f->root, "/tmp/strata-v2-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	f->host = (struct cgroup_host){ &cgroup_v2_ops, f->root };
	cgroup_limits_init(&f->limits);
	put(f, "", "cgroup.controllers", "cpuset cpu io memory hugetlb pids rdma misc\n");
	put(f, "", "cgroup.subtree_control", "");
	snprintf(dir, sizeof(dir), "%s%s", f->root, BOX);
	assert_int_equal(mkdir(dir, 0755), 0);
	put(f, BOX, "cgroup.controllers", "cpuset cpu io memory pids\n");
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++)
		put(f, BOX, writable[i], "");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	cgroup_limits_free(&f->limits);
	io_remove_tree(AT_FDCWD, f->root, NULL);
	free(f);
	return 0;
}

static void update(struct fixture *f)
{
	if (cgroup_v2_ops.update(&f->host, BOX, &f->limits, &f->err) < 0)
		fail_msg("%s", f->err.message);
}

static void limits_are_written_in_v2s_terms(void **state)
{
	struct fixture *f = *state;
	struct cgroup_throttle throttle = { 8, 16, 1000, CGROUP_UNSET, CGROUP_UNLIMITED, 20 };

	f->limits.memory_bytes = 64 << 20;
	f->limits.memory_swap_bytes = 96 << 20;
	f->limits.memory_reservation_bytes = 1 << 20;
	f->limits.cpu_shares = 2048;
	f->limits.cpu_quota_us = 150000;
	f->limits.pids = 42;
	f->limits.cpuset_cpus = strdup("0-1");
	f->limits.cpuset_mems = strdup("0");
	f->limits.throttles = malloc(sizeof(throttle));
	*f->limits.throttles = throttle;
	f->limits.nr_throttles = 1;
	put(f, BOX, "cpu.max", "max 50000\n");
	update(f);
	expect(f, "memory.max", "67108864");
	expect(f, "memory.swap.max", "33554432");
	expect(f, "memory.low", "1048576");
	expect(f, "cpu.weight", "174");
	expect(f, "cpu.max", "150000 50000");
	expect(f, "pids.max", "42");
	expect(f, "cpuset.cpus", "0-1");
	expect(f, "cpuset.mems", "0");
	expect(f, "io.max", "8:16 rbps=1000 riops=max wiops=20");
}

static void more_limits_are_written_in_v2s_terms(void **state)
{
	struct fixture *f = *state;
	static const char *const files[] = { "cpu.idle", "cpu.max.burst", "io.bfq.weight",
		"io.weight", "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max", "memory.high" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		put(f, BOX, files[i], "");
	put(f, BOX, "cgroup.controllers", "cpuset cpu io memory pids hugetlb rdma\n");
	f->limits.cpu_idle = 1;
	f->limits.cpu_burst_us = 5000;
	f->limits.blkio_weight = 1000;
	f->limits.device_weights = calloc(1, sizeof(*f->limits.device_weights));
	f->limits.device_weights[0] = (struct cgroup_device_weight){ 8, 0, 10, CGROUP_UNSET };
	f->limits.nr_device_weights = 1;
	f->limits.hugepage_limits = calloc(1, sizeof(*f->limits.hugepage_limits));
	f->limits.hugepage_limits[0] = (struct cgroup_hugepage_limit){ strdup("2MB"), 4194304 };
	f->limits.nr_hugepage_limits = 1;
	f->limits.rdma_limits = calloc(1, sizeof(*f->limits.rdma_limits));
	f->limits.rdma_limits[0] = (struct cgroup_rdma_limit){ strdup("mlx4_0"), 2, 2000 };
	f->limits.nr_rdma_limits = 1;
	assert_int_equal(strv_push(&f->limits.unified, "memory.high=max"), 0);
	update(f);
	expect(f, "cpu.idle", "1");
	expect(f, "cpu.max.burst", "5000");
	expect(f, "io.weight", "8:0 1");
	expect(f, "io.bfq.weight", "8:0 10");
	expect(f, "hugetlb.2MB.max", "4194304");
	expect(f, "hugetlb.2MB.rsvd.max", "4194304");
	expect(f, "rdma.max", "mlx4_0 hca_handle=2 hca_object=2000");
	expect(f, "memory.high", "max");
	/* An idle one has no weight; awake again, it gets it. */
	f->limits.cpu_shares = 1024;
	put(f, BOX, "cpu.idle", "1");
	update(f);
	expect(f, "cpu.weight", "");
	f->limits.cpu_idle = 0;
	update(f);
	expect(f, "cpu.idle", "0");
	expect(f, "cpu.weight", "100");
}

static void no_limit_is_max(void **state)
{
	struct fixture *f = *state;

	f->limits.memory_bytes = f->limits.memory_swap_bytes = CGROUP_UNLIMITED;
	f->limits.cpu_quota_us = f->limits.pids = CGROUP_UNLIMITED;
	update(f);
	expect(f, "memory.max", "max");
	expect(f, "memory.swap.max", "max");
	expect(f, "cpu.max", "max 100000");
	expect(f, "pids.max", "max");
}

static void no_memory_limit_is_none_of_swap_either(void **state)
{
	struct fixture *f = *state;

	put(f, BOX, "memory.swap.max", "1000\n");
	f->limits.memory_bytes = CGROUP_UNLIMITED;
	update(f);
	expect(f, "memory.swap.max", "max");
}

static void what_is_zero_or_empty_asks_for_nothing(void **state)
{
	struct fixture *f = *state;

	f->limits.memory_bytes = f->limits.memory_swap_bytes = 0;
	f->limits.memory_reservation_bytes = f->limits.memory_kernel_bytes = 0;
	f->limits.cpu_shares = f->limits.cpu_quota_us = f->limits.cpu_period_us = 0;
	f->limits.cpu_realtime_runtime_us = f->limits.cpu_realtime_period_us = 0;
	f->limits.blkio_weight = f->limits.net_class_id = 0;
	f->limits.cpuset_cpus = strdup("");
	f->limits.cpuset_mems = strdup("");
	put(f, "", "cgroup.controllers", "\n");
	put(f, BOX, "cgroup.controllers", "\n");
	put(f, BOX, "cpuset.cpus", "unwritten");
	assert_null(cgroup_first_limit(&f->limits));
	assert_int_equal(cgroup_v2_ops.check(&f->host, &f->limits, &f->err), 0);
	update(f);
	expect(f, "memory.max", "");
	expect(f, "cpuset.cpus", "unwritten");
}

static void half_of_cpu_max_stays(void **state)
{
	struct fixture *f = *state;

	put(f, BOX, "cpu.max", "70000 200000\n");
	f->limits.cpu_period_us = 100000;
	update(f);
	expect(f, "cpu.max", "70000 100000");
}

static void the_total_alone_counts_the_memory_in_force(void **state)
{
	struct fixture *f = *state;

	put(f, BOX, "memory.max", "1000\n");
	f->limits.memory_swap_bytes = 1500;
	update(f);
	expect(f, "memory.swap.max", "500");
}

static void memory_in_use_is_not_taken_away(void **state)
{
	struct fixture *f = *state;

	put(f, BOX, "memory.current", "2000\n");
	put(f, BOX, "memory.max", "max\n");
	put(f, BOX, "memory.reclaim", "");
	f->limits.memory_bytes = 1500;
	assert_int_equal(cgroup_v2_ops.update(&f->host, BOX, &f->limits, &f->err), -EBUSY);
	expect(f, "memory.reclaim", "500");
	expect(f, "memory.max", "max\n");
}

static void a_check_before_an_update_reclaims_nothing(void **state)
{
	struct fixture *f = *state;

	put(f, BOX, "memory.current", "2000\n");
	put(f, BOX, "memory.reclaim", "");
	f->limits.memory_bytes = 1500;
	f->limits.memory_check_before_update = true;
	assert_int_equal(cgroup_v2_ops.update(&f->host, BOX, &f->limits, &f->err), -EBUSY);
	assert_non_null(strstr(f->err.message, "checkBeforeUpdate"));
	expect(f, "memory.reclaim", "");
	f->limits.memory_bytes = 2500;
	update(f);
	expect(f, "memory.max", "2500");
}

static void what_v2_lacks_is_refused_by_name(void **state)
{
	struct fixture *f = *state;

	f->limits.oom_kill_disable = true;
	assert_int_equal(cgroup_v2_ops.check(&f->host, &f->limits, &f->err), -ENOTSUP);
	assert_non_null(strstr(f->err.message, "--oom-kill-disable"));
	f->limits.oom_kill_disable = false;
	f->limits.net_class_id = 7;
	assert_int_equal(cgroup_v2_ops.check(&f->host, &f->limits, &f->err), -ENOTSUP);
	assert_string_equal(
		f->err.message, "network.classID exists on cgroup v1 only; this host has v2");
	f->limits.net_class_id = 0; /* asks for nothing */
	put(f, "", "cgroup.controllers", "cpu memory\n");
	f->limits.pids = 5;
	assert_int_equal(cgroup_v2_ops.check(&f->host, &f->limits, &f->err), -ENOTSUP);
	assert_non_null(strstr(f->err.message, "--pids-limit"));
}

static void missing_controllers_are_asked_for_along_the_path(void **state)
{
	struct fixture *f = *state;

	put(f, BOX, "cgroup.controllers", "cpu\n");
	f->limits.cpuset_cpus = strdup("0");
	/* The files do not answer as the kernel would, so the controller stays missing. */
	assert_int_equal(cgroup_v2_ops.update(&f->host, BOX, &f->limits, &f->err), -ENOTSUP);
	assert_non_null(strstr(f->err.message, "'cpuset'"));
	{
		char full[PATH_MAX], have[128];

		cgroup_path_of(full, f->root, "/cgroup.subtree_control");
		assert_true(cgroup_read_text(full, have, sizeof(have)) > 0);
		assert_string_equal(have, "+memory +pids +io +cpuset");
	}
}

static void stats_are_read(void **state)
{
	struct fixture *f = *state;
	struct cgroup_stats s = { 0 };

	put(f, BOX, "cpu.stat",
		"usage_usec 1234\nuser_usec 1000\nsystem_usec 234\nnr_periods 9\n"
		"nr_throttled 4\nthrottled_usec 77\n");
	put(f, BOX, "memory.current", "5000\n");
	put(f, BOX, "memory.peak", "9000\n");
	put(f, BOX, "memory.max", "max\n");
	put(f, BOX, "memory.stat", "anon 1\nfile 2\ninactive_file 1500\n");
	put(f, BOX, "memory.events", "low 0\nhigh 0\nmax 8\noom 2\noom_kill 1\n");
	put(f, BOX, "pids.current", "3\n");
	put(f, BOX, "pids.max", "10\n");
	put(f, BOX, "io.stat", "8:0 rbytes=11 wbytes=22 rios=1 wios=1\n");
	assert_int_equal(cgroup_v2_ops.read_stats(&f->host, BOX, &s, &f->err), 0);
	assert_int_equal(s.cpu_usage_ns, 1234000);
	assert_int_equal(s.cpu_user_ns, 1000000);
	assert_int_equal(s.cpu_system_ns, 234000);
	assert_int_equal(s.throttled_periods, 4);
	assert_int_equal(s.throttled_ns, 77000);
	assert_int_equal(s.memory_bytes, 3500);
	assert_int_equal(s.memory_peak_bytes, 9000);
	assert_true(s.memory_limit_bytes == cgroup_host_memory());
	assert_int_equal(s.oom_kills, 1);
	assert_int_equal(s.pids, 3);
	assert_int_equal(s.pids_limit, 10);
	assert_int_equal(s.read_bytes, 11);
	assert_int_equal(s.written_bytes, 22);
	assert_int_equal(cgroup_v2_ops.read_oom_kills(&f->host, BOX), 1);
	assert_int_equal(cgroup_v2_ops.read_stats(&f->host, "/gone", &s, &f->err), -ENOENT);
}

static void the_frozen_state_is_the_events_one(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cgroup_v2_ops.freeze(&f->host, BOX, true, &f->err), 0);
	expect(f, "cgroup.freeze", "1");
	put(f, BOX, "cgroup.events", "populated 1\nfrozen 0\n");
	assert_int_equal(cgroup_v2_ops.is_frozen(&f->host, BOX), 0);
	put(f, BOX, "cgroup.events", "populated 1\nfrozen 1\n");
	assert_int_equal(cgroup_v2_ops.is_frozen(&f->host, BOX), 1);
}

static void pids_are_found_at_every_depth(void **state)
{
	struct fixture *f = *state;
	pid_t *pids = NULL;
	size_t count = 0;
	char dir[64];

	snprintf(dir, sizeof(dir), "%s%s/in", f->root, BOX);
	assert_int_equal(mkdir(dir, 0755), 0);
	put(f, BOX, "cgroup.procs", "10\n0\n11\n");
	put(f, BOX "/in", "cgroup.procs", "12\n");
	assert_int_equal(cgroup_v2_ops.pids(&f->host, BOX, &pids, &count, &f->err), 0);
	assert_int_equal(count, 3);
	assert_int_equal(pids[0], 10);
	assert_int_equal(pids[1], 11);
	assert_int_equal(pids[2], 12);
	free(pids);
}

static void the_kernel_kills_where_it_can(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(cgroup_v2_ops.kill(&f->host, BOX, &f->err), 0);
	expect(f, "cgroup.kill", "1");
}

#define ROW(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(limits_are_written_in_v2s_terms),
		ROW(more_limits_are_written_in_v2s_terms),
		ROW(a_check_before_an_update_reclaims_nothing),
		ROW(no_limit_is_max),
		ROW(no_memory_limit_is_none_of_swap_either),
		ROW(what_is_zero_or_empty_asks_for_nothing),
		ROW(half_of_cpu_max_stays),
		ROW(the_total_alone_counts_the_memory_in_force),
		ROW(memory_in_use_is_not_taken_away),
		ROW(what_v2_lacks_is_refused_by_name),
		ROW(missing_controllers_are_asked_for_along_the_path),
		ROW(stats_are_read),
		ROW(the_frozen_state_is_the_events_one),
		ROW(pids_are_found_at_every_depth),
		ROW(the_kernel_kills_where_it_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
