/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cgroup-stats.c - cgroup_read_full_stats() on folders of ordinary files, whose texts are
 * those of kernels, and on the real cgroups of this host.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/str.h"
#include "container/cgroup-ops.h"

#define BOX "/box"

struct fixture {
	char root[40];
	struct cgroup_full_stats stats;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->root, "/tmp/strata-stats-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	cgroup_full_stats_free(&f->stats);
	io_remove_tree(AT_FDCWD, f->root, NULL);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];
	int fd;

	assert_int_equal(cgroup_path_of(path, f->root, dir), 0);
	assert_int_equal(io_make_dirs(AT_FDCWD, path, 0755, NULL), 0);
	assert_int_equal(cgroup_path_of(path, f->root, dir, "/", file), 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static const struct cgroup_io_entry *io(const struct cgroup_full_stats *s,
	enum cgroup_io_table table, uint64_t minor, const char *op)
{
	for (size_t i = 0; i < s->io[table].count; i++) {
		const struct cgroup_io_entry *e = &s->io[table].entries[i];

		if (e->major == 8 && e->minor == minor && streq(e->op, op))
			return e;
	}
	fail_msg("no '%s' of 8:%llu in table %d", op, (unsigned long long)minor, table);
	return NULL;
}

static uint64_t raw(const struct cgroup_full_stats *s, const char *name)
{
	for (size_t i = 0; i < s->memory.nr_raw; i++)
		if (streq(s->memory.raw[i].name, name))
			return s->memory.raw[i].value;
	fail_msg("memory.stat has no %s", name);
	return 0;
}

static void everything_that_v2_counts(void **state)
{
	struct fixture *f = *state;
	const struct cgroup_host host = { &cgroup_v2_ops, f->root };
	struct cgroup_full_stats *s = &f->stats;

	put(f, BOX, "cgroup.procs", "");
	put(f, BOX, "cpu.stat",
		"usage_usec 1234\nuser_usec 1000\nsystem_usec 234\nnr_periods 9\nnr_throttled 4\n"
		"throttled_usec 77\nnr_bursts 2\nburst_usec 5\n");
	put(f, BOX, "cpu.pressure",
		"some avg10=1.50 avg60=0.25 avg300=0.00 total=77\n"
		"full avg10=0.50 avg60=0.00 avg300=0.00 total=7\n");
	put(f, BOX, "cpuset.cpus.effective", "0-1,3\n");
	put(f, BOX, "cpuset.mems.effective", "0\n");
	put(f, BOX, "memory.current", "5000\n");
	put(f, BOX, "memory.max", "9000\n");
	put(f, BOX, "memory.peak", "6000\n");
	put(f, BOX, "memory.swap.current", "10\n");
	put(f, BOX, "memory.swap.max", "1000\n");
	put(f, BOX, "memory.stat", "anon 1\nfile 2\nkernel 3\nsock 4\n");
	put(f, BOX, "memory.events", "low 0\nhigh 0\nmax 8\noom 2\noom_kill 1\n");
	put(f, BOX, "pids.current", "3\n");
	put(f, BOX, "pids.max", "max\n");
	put(f, BOX, "io.stat",
		"8:0 rbytes=11 wbytes=22 rios=1 wios=2 dbytes=3 dios=4\n"
		"8:16 rbytes=5 wbytes=0 rios=1 wios=0\n");
	put(f, BOX, "rdma.current", "mlx4_0 hca_handle=2 hca_object=2000\n");
	assert_int_equal(host.ops->read_full_stats(&host, BOX, s), 0);
	assert_int_equal(s->cpu.total_ns, 1234000);
	assert_int_equal(s->cpu.user_ns, 1000000);
	assert_int_equal(s->cpu.kernel_ns, 234000);
	assert_int_equal(s->cpu.throttled_ns, 77000);
	assert_int_equal(s->cpu.bursts, 2);
	assert_int_equal(s->cpu.burst_ns, 5000);
	assert_true(s->cpu.psi.present && s->cpu.psi.some.avg10 == 1.5);
	assert_int_equal(s->cpu.psi.full.total_us, 7);
	assert_false(s->memory.psi.present);
	assert_int_equal(s->cpuset.nr_cpus, 3);
	assert_int_equal(s->cpuset.cpus[2], 3);
	assert_int_equal(s->cpuset.nr_mems, 1);
	assert_int_equal(s->memory.use.usage, 5000);
	assert_int_equal(s->memory.use.failcnt, 8);
	assert_int_equal(s->memory.swap.usage, 5010);
	assert_int_equal(s->memory.swap.limit, 10000);
	assert_int_equal(s->memory.cache, 2);
	assert_int_equal(s->memory.kernel.usage, 3);
	assert_int_equal(raw(s, "anon"), 1);
	assert_int_equal(s->pids, 3);
	assert_int_equal(s->pids_limit, 0);
	assert_int_equal(io(s, CGROUP_IO_SERVICE_BYTES, 0, "Write")->value, 22);
	assert_int_equal(io(s, CGROUP_IO_SERVICED, 0, "Discard")->value, 4);
	assert_int_equal(io(s, CGROUP_IO_SERVICE_BYTES, 16, "Read")->value, 5);
	assert_int_equal(s->nr_rdma, 1);
	assert_string_equal(s->rdma[0].device, "mlx4_0");
	assert_int_equal(s->rdma[0].objects, 2000);
}

static void everything_that_v1_counts(void **state)
{
	struct fixture *f = *state;
	const struct cgroup_host host = { &cgroup_v1_ops, f->root };
	struct cgroup_full_stats *s = &f->stats;

	put(f, "/cpuacct" BOX, "cpuacct.usage", "1000\n");
	put(f, "/cpuacct" BOX, "cpuacct.usage_percpu", "600 400 \n");
	put(f, "/cpuacct" BOX, "cpuacct.usage_all", "cpu user system\n0 500 100\n1 300 99\n");
	put(f, "/cpuacct" BOX, "cpuacct.stat", "user 3\nsystem 1\n");
	put(f, "/cpu" BOX, "cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 77\n");
	put(f, "/cpuset" BOX, "cpuset.cpus", "0-1\n");
	put(f, "/cpuset" BOX, "cpuset.mems", "\n");
	put(f, "/cpuset" BOX, "cpuset.sched_load_balance", "1\n");
	put(f, "/cpuset" BOX, "cpuset.sched_relax_domain_level", "-1\n");
	put(f, "/memory" BOX, "memory.usage_in_bytes", "5000\n");
	put(f, "/memory" BOX, "memory.limit_in_bytes", "9000\n");
	put(f, "/memory" BOX, "memory.max_usage_in_bytes", "6000\n");
	put(f, "/memory" BOX, "memory.failcnt", "2\n");
	put(f, "/memory" BOX, "memory.memsw.usage_in_bytes", "5010\n");
	put(f, "/memory" BOX, "memory.kmem.usage_in_bytes", "40\n");
	put(f, "/memory" BOX, "memory.kmem.tcp.usage_in_bytes", "4\n");
	put(f, "/memory" BOX, "memory.stat", "cache 4096\nrss 7\n");
	put(f, "/pids" BOX, "pids.current", "3\n");
	put(f, "/pids" BOX, "pids.max", "10\n");
	put(f, "/blkio" BOX, "blkio.throttle.io_service_bytes_recursive",
		"8:0 Read 10\n8:0 Write 20\nTotal 30\n");
	put(f, "/blkio" BOX, "blkio.bfq.io_service_bytes_recursive", "8:0 Read 1\nTotal 1\n");
	put(f, "/blkio" BOX, "blkio.bfq.sectors_recursive", "8:0 123\n");
	assert_int_equal(host.ops->read_full_stats(&host, BOX, s), 0);
	assert_int_equal(s->cpu.total_ns, 1000);
	assert_int_equal(s->cpu.nr_percpu, 2);
	assert_int_equal(s->cpu.percpu_ns[1], 400);
	assert_int_equal(s->cpu.nr_percpu_split, 2);
	assert_int_equal(s->cpu.percpu_user_ns[1], 300);
	assert_int_equal(s->cpu.percpu_kernel_ns[1], 99);
	assert_int_equal(s->cpu.user_ns, 3 * (1000000000 / sysconf(_SC_CLK_TCK)));
	assert_int_equal(s->cpu.throttled_ns, 77);
	assert_int_equal(s->cpuset.nr_cpus, 2);
	assert_int_equal(s->cpuset.nr_mems, 0);
	assert_int_equal(s->cpuset.sched_load_balance, 1);
	assert_int_equal(s->cpuset.sched_relax_domain_level, -1);
	assert_int_equal(s->memory.use.limit, 9000);
	assert_int_equal(s->memory.use.failcnt, 2);
	assert_int_equal(s->memory.swap.usage, 5010);
	assert_int_equal(s->memory.kernel.usage, 40);
	assert_int_equal(s->memory.kernel_tcp.usage, 4);
	assert_int_equal(s->memory.cache, 4096);
	assert_int_equal(raw(s, "rss"), 7);
	assert_int_equal(s->pids_limit, 10);
	assert_int_equal(io(s, CGROUP_IO_SERVICE_BYTES, 0, "Read")->value, 10);
	assert_int_equal(s->io[CGROUP_IO_SERVICE_BYTES].count, 2);
	assert_int_equal(io(s, CGROUP_IO_SECTORS, 0, "")->value, 123);
}

static void what_is_not_there_is_said(void **state)
{
	struct fixture *f = *state;
	const struct cgroup_host v1 = { &cgroup_v1_ops, f->root }, v2 = { &cgroup_v2_ops, f->root };

	assert_int_equal(v1.ops->read_full_stats(&v1, BOX, &f->stats), -ENOENT);
	assert_int_equal(v2.ops->read_full_stats(&v2, BOX, &f->stats), -ENOENT);
}

static void hugepages_have_the_kernels_names(void **state)
{
	char name[16];

	assert_int_equal(cgroup_hugepage_name("hugepages-2048kB", name, sizeof(name)), 0);
	assert_string_equal(name, "2MB");
	assert_int_equal(cgroup_hugepage_name("hugepages-1048576kB", name, sizeof(name)), 0);
	assert_string_equal(name, "1GB");
	assert_int_equal(cgroup_hugepage_name("hugepages-64kB", name, sizeof(name)), 0);
	assert_string_equal(name, "64KB");
	assert_int_equal(cgroup_hugepage_name("..", name, sizeof(name)), -EINVAL);
}

static void a_real_cgroup_counts(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };
	struct cgroup_limits limits;
	int r;

	if (cgroup_host_kind() == CGROUP_NONE || geteuid() != 0) {
		print_message("skipped: this user may make no cgroups here\n");
		skip();
	}
	cgroup_limits_init(&limits);
	limits.count_all = true;
	assert_int_equal(cgroup_create("/strata-test-stats", &limits, NULL, &err), 0);
	r = cgroup_read_full_stats("/strata-test-stats", &f->stats, &err);
	cgroup_remove("/strata-test-stats", NULL);
	assert_int_equal(r, 0);
	assert_int_equal(f->stats.pids, 0);
	assert_true(f->stats.memory.nr_raw > 10);
	assert_true(f->stats.memory.use.limit > 1 << 20);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ROW(everything_that_v2_counts),
		ROW(everything_that_v1_counts),
		ROW(what_is_not_there_is_said),
		ROW(hugepages_have_the_kernels_names),
		ROW(a_real_cgroup_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
