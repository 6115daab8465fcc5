/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-cgroup-unit.c - cgroupsPath in both drivers, and limits as properties of systemd. (systemd
 * itself is met in the virtual machine of tests/vm.)
 */
#include "unit/test.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "container/cgroup-ops.h"

static void slices_are_expanded(void **state)
{
	static const struct {
		const char *slice, *path;
	} good[] = {
		{ "-.slice", "" },
		{ "a.slice", "/a.slice" },
		{ "system.slice", "/system.slice" },
		{ "a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice" },
	};
	static const char *const bad[] = { "", ".slice", "a", "a.slic", "a/b.slice", "-a.slice",
		"a-.slice", "a--b.slice", "--.slice" };
	struct error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *path = NULL;

		assert_int_equal(cgroup_unit_expand_slice(good[i].slice, &path, &err), 0);
		assert_string_equal(path, good[i].path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *path = NULL;

		if (cgroup_unit_expand_slice(bad[i], &path, &err) != -EINVAL)
			fail_msg("'%s' gave '%s'", bad[i], path ? path : "(none)");
	}
}

static void sets_of_cpus_become_bits(void **state)
{
	static const char *const bad[] = { "a", "1-", "-1", "3-1", "1,,2", "1;2", "32" };
	uint8_t bits[4] = { 0 };

	assert_int_equal(cgroup_parse_set("0-2,8,31\n", bits, sizeof(bits)), 0);
	assert_int_equal(bits[0], 7);
	assert_int_equal(bits[1], 1);
	assert_int_equal(bits[2], 0);
	assert_int_equal(bits[3], 0x80);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cgroup_parse_set(bad[i], bits, sizeof(bits)) == 0)
			fail_msg("'%s' was taken", bad[i]);
}

static void has(char *const *list, const char *wanted)
{
	if (!strv_contains(list, wanted))
		fail_msg("%s is missing", wanted);
}

static void limits_become_properties(void **state)
{
	_cleanup_strv_ char **v1 = NULL, **v2 = NULL, **none = NULL;
	struct cgroup_limits limits;
	struct error err = { 0 };

	cgroup_limits_init(&limits);
	assert_int_equal(cgroup_unit_properties(&limits, true, &none, &err), 0);
	assert_null(none);
	limits.memory_bytes = 64 << 20;
	limits.memory_swap_bytes = 96 << 20;
	limits.memory_reservation_bytes = 32 << 20;
	limits.cpu_shares = 1024;
	limits.cpu_quota_us = 12345;
	limits.cpu_period_us = 50000;
	limits.pids = CGROUP_UNLIMITED;
	limits.cpuset_cpus = strdup("0-1,9");
	assert_int_equal(cgroup_unit_properties(&limits, true, &v2, &err), 0);
	has(v2, "MemoryMax=uint64 67108864");
	has(v2, "MemorySwapMax=uint64 33554432");
	has(v2, "MemoryLow=uint64 33554432");
	has(v2, "CPUWeight=uint64 100");
	has(v2, "CPUQuotaPeriodUSec=uint64 50000");
	has(v2, "CPUQuotaPerSecUSec=uint64 250000"); /* 24.69 % */
	has(v2, "TasksMax=uint64 18446744073709551615");
	has(v2, "AllowedCPUs=[byte 3, 2]");
	assert_int_equal(cgroup_unit_properties(&limits, false, &v1, &err), 0);
	has(v1, "MemoryLimit=uint64 67108864");
	has(v1, "CPUShares=uint64 1024");
	assert_false(strv_contains(v1, "MemoryLow=uint64 33554432"));
	cgroup_limits_free(&limits);
}

static void unified_settings_become_properties(void **state)
{
	_cleanup_strv_ char **list = NULL;
	struct cgroup_limits limits;
	struct error err = { 0 };

	cgroup_limits_init(&limits);
	assert_int_equal(strv_push(&limits.unified, "memory.high=1000"), 0);
	assert_int_equal(strv_push(&limits.unified, "pids.max=max"), 0);
	assert_int_equal(strv_push(&limits.unified, "cpu.max=20000 40000"), 0);
	assert_int_equal(strv_push(&limits.unified, "cpuset.cpus=0"), 0);
	assert_int_equal(strv_push(&limits.unified, "memory.oom.group=1"), 0);
	assert_int_equal(cgroup_unit_properties(&limits, true, &list, &err), 0);
	assert_int_equal(strv_length(list), 5);
	has(list, "MemoryHigh=uint64 1000");
	has(list, "TasksMax=uint64 18446744073709551615");
	has(list, "CPUQuotaPeriodUSec=uint64 40000");
	has(list, "CPUQuotaPerSecUSec=uint64 500000");
	has(list, "AllowedCPUs=[byte 1]");
	cgroup_limits_free(&limits);
}

static void device_rules_become_v1s_properties(void **state)
{
	static const struct cgroup_device_rule rules[] = { { false, 'a', -1, -1, "rwm" },
		{ true, 'c', -1, -1, "m" }, { true, 'c', 1, 3, "rw" }, { true, 'c', 1, -1, "r" } };
	_cleanup_strv_ char **v1 = NULL, **v2 = NULL;
	struct cgroup_limits limits;
	struct error err = { 0 };

	cgroup_limits_init(&limits);
	limits.device_rules = malloc(sizeof(rules));
	memcpy(limits.device_rules, rules, sizeof(rules));
	limits.nr_device_rules = ARRAY_SIZE(rules);
	assert_int_equal(cgroup_unit_properties(&limits, false, &v1, &err), 0);
	has(v1, "DevicePolicy='strict'");
	has(v1, "DeviceAllow=@a(ss) [('char-*', 'm'), ('/dev/char/1:3', 'rw'), ('char-mem', 'r')]");
	assert_int_equal(cgroup_unit_properties(&limits, true, &v2, &err), 0);
	assert_null(v2);
	cgroup_limits_free(&limits);
}

static void annotations_are_properties(void **state)
{
	static char *annotations[] = { (char *)"org.example=1",
		(char *)"org.systemd.property.TimeoutStopSec=5", NULL };
	struct cgroup_unit unit = { 0 };
	struct error err = { 0 };

	assert_int_equal(cgroup_unit_read_annotations(&unit, annotations, &err), 0);
	assert_null(unit.properties); /* the other driver */
	unit.name = strdup("x.scope");
	assert_int_equal(cgroup_unit_read_annotations(&unit, annotations, &err), 0);
	assert_int_equal(strv_length(unit.properties), 1);
	assert_string_equal(unit.properties[0], "TimeoutStopSec=5");
	cgroup_unit_free(&unit);
}

static void a_path_is_cleaned(void **state)
{
	static const struct {
		const char *asked, *path;
	} good[] = {
		{ "/a/b", "/a/b" },
		{ "a/b", "/a/b" },
		{ "//a/./b/", "/a/b" },
		{ "/a/../../b", "/b" },
		{ "../../a", "/a" },
		{ "", "/strata-ID" },
		{ NULL, "/strata-ID" },
	};
	struct cgroup_unit unit = { 0 };
	struct error err = { 0 };
	char *path = NULL;

	if (cgroup_host_kind() == CGROUP_NONE || geteuid() != 0) {
		print_message("skipped: this user may make no cgroups here\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *one = NULL;

		assert_int_equal(cgroup_place(good[i].asked, "ID", false, &one, &unit, &err), 0);
		/* Below the place that is ours, where that is not the root. */
		assert_non_null(one);
		assert_true(str_has_suffix(one, good[i].path));
		assert_null(unit.name);
	}
	assert_int_equal(cgroup_place("/..", "ID", false, &path, &unit, &err), -EINVAL);
	assert_null(path);
}

static void without_systemd_its_driver_says_so(void **state)
{
	struct cgroup_unit unit = { 0 };
	struct error err = { 0 };
	struct stat st;
	char *path = NULL;

	if (stat("/run/systemd/system", &st) == 0) {
		assert_int_equal(cgroup_place("a:b", "ID", true, &path, &unit, &err), -EINVAL);
		assert_non_null(strstr(err.message, "SLICE:PREFIX:NAME"));
		assert_int_equal(cgroup_place("a-b.slice:x:y", "ID", true, &path, &unit, &err), 0);
		assert_string_equal(unit.name, "x-y.scope");
		assert_true(str_has_suffix(path, "/a.slice/a-b.slice/x-y.scope"));
		free(path);
		cgroup_unit_free(&unit);
		return;
	}
	assert_int_equal(
		cgroup_place("system.slice:x:y", "ID", true, &path, &unit, &err), -ENOTSUP);
	assert_string_equal(err.message, "systemd cgroup driver: systemd is not running as init");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_are_expanded),
		cmocka_unit_test(sets_of_cpus_become_bits),
		cmocka_unit_test(limits_become_properties),
		cmocka_unit_test(unified_settings_become_properties),
		cmocka_unit_test(device_rules_become_v1s_properties),
		cmocka_unit_test(annotations_are_properties),
		cmocka_unit_test(a_path_is_cleaned),
		cmocka_unit_test(without_systemd_its_driver_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
