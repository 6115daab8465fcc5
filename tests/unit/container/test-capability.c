/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-capability.c - names to numbers and back, and Docker's default set.
 */
#include "unit/test.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "container/container.h"

static void names_are_read_with_and_without_prefix_in_any_case(void **state)
{
	assert_int_equal(container_capability_from_name("CAP_NET_RAW"), CAP_NET_RAW);
	assert_int_equal(container_capability_from_name("net_raw"), CAP_NET_RAW);
	assert_int_equal(container_capability_from_name("cap_Sys_Admin"), CAP_SYS_ADMIN);
	assert_int_equal(container_capability_from_name("CHOWN"), 0);
	assert_int_equal(container_capability_from_name("ALL"), -EINVAL);
	assert_int_equal(container_capability_from_name(""), -EINVAL);
	assert_int_equal(container_capability_from_name("CAP_"), -EINVAL);
	assert_int_equal(container_capability_from_name("CAP_NET_RAWX"), -EINVAL);
}

static void every_number_has_its_name(void **state)
{
	for (int c = 0; c <= CAP_LAST_CAP; c++) {
		const char *name = container_capability_name(c);

		assert_non_null(name);
		assert_int_equal(strncmp(name, "CAP_", 4), 0);
		assert_int_equal(container_capability_from_name(name), c);
	}
	assert_null(container_capability_name(CAP_LAST_CAP + 1));
	assert_null(container_capability_name(-1));
}

static void the_default_set_is_dockers_fourteen(void **state)
{
	static const char *const docker[] = { "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD",
		"NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE",
		"SYS_CHROOT", "KILL", "AUDIT_WRITE" };
	uint64_t expected = 0;

	for (size_t i = 0; i < sizeof(docker) / sizeof(docker[0]); i++)
		expected |= UINT64_C(1) << container_capability_from_name(docker[i]);
	assert_true(container_capabilities_default() == expected);
	assert_int_equal(__builtin_popcountll(expected), 14);
}

static void all_is_what_we_may_hold(void **state)
{
	uint64_t all = container_capabilities_all();

	assert_true((all >> CAP_CHOWN) & 1);
	assert_int_equal(all >> (CAP_LAST_CAP + 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_with_and_without_prefix_in_any_case),
		cmocka_unit_test(every_number_has_its_name),
		cmocka_unit_test(the_default_set_is_dockers_fourteen),
		cmocka_unit_test(all_is_what_we_may_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
