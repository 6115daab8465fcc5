/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-pressure.c - what a host that is short of memory takes from a guest, and when the guest has
 * it back.
 */
#include "unit/test.h"

#include <string.h>

#include "machine/pressure.h"

#define MIB    (UINT64_C(1) << 20)
#define MEMORY (512 * MIB) /* of the machine: steps of 32 MiB, and a reserve of 64 */

static const struct pressure_host easy = {
	.stalled = 0, .has_stalled = true, .available_bytes = 4096 * MIB, .total_bytes = 8192 * MIB
};
static const struct pressure_host waits = { .stalled = 1000,
	.has_stalled = true,
	.available_bytes = 4096 * MIB,
	.total_bytes = 8192 * MIB };
static const struct pressure_host empty = { .available_bytes = 511 * MIB,
	.total_bytes = 8192 * MIB };
static const struct pressure_host between = {
	.stalled = 500, .has_stalled = true, .available_bytes = 800 * MIB, .total_bytes = 8192 * MIB
};

static uint64_t decide(struct pressure_state *state, const struct pressure_host *host,
	uint64_t guest_available, unsigned periods)
{
	while (periods-- > 0)
		pressure_decide(state, host, guest_available, MEMORY);
	return state->taken_bytes / MIB;
}

static void a_host_tells(void **state)
{
	struct pressure_host host = { 0 };

	assert_true(pressure_parse_stalled(
		"some avg10=12.34 avg60=1.00 avg300=0.10 total=6938316\nfull avg10=0.00\n", &host));
	assert_int_equal(host.stalled, 1234);
	assert_true(pressure_parse_available(
		"MemTotal:       24684092 kB\nMemFree:        1 kB\nMemAvailable:   11511576 kB\n",
		&host));
	assert_int_equal(host.total_bytes, UINT64_C(24684092) << 10);
	assert_int_equal(host.available_bytes, UINT64_C(11511576) << 10);
}

static void nonsense_is_none(void **state)
{
	static const char *const texts[] = { "", "some avg10=", "full avg10=1.00",
		"some avg10=x.yy", "MemTotal: 5 kB\n", "MemAvailable: 5 kB\n",
		"MemTotal: kB\nMemAvailable: kB\n" };
	struct pressure_host host = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_false(pressure_parse_stalled(texts[i], &host));
		assert_false(pressure_parse_available(texts[i], &host));
	}
	assert_false(host.has_stalled || host.total_bytes || pressure_is_short(&host));
}

static void which_hosts_are_short(void **state)
{
	assert_true(pressure_is_short(&waits));
	assert_true(pressure_is_short(&empty));
	assert_false(pressure_is_short(&easy));
	assert_false(pressure_is_short(&between));
}

static void a_short_host_takes_what_is_to_spare(void **state)
{
	struct pressure_state s = { 0 };

	assert_int_equal(decide(&s, &empty, 400 * MIB, 1), 32);
	assert_int_equal(decide(&s, &waits, 368 * MIB, 2), 96);
	/* 20 MiB above the reserve, and then next to nothing. */
	assert_int_equal(decide(&s, &waits, 84 * MIB, 1), 116);
	assert_int_equal(decide(&s, &waits, 67 * MIB, 5), 116);
	assert_int_equal(decide(&s, &waits, 64 * MIB, 5), 116);
	/* Whatever a guest says, it keeps its reserve. */
	assert_int_equal(decide(&s, &waits, UINT64_MAX - 1, 100), 448);
}

static void who_tells_nothing_gives_nothing(void **state)
{
	struct pressure_state s = { 0 };

	assert_int_equal(decide(&s, &waits, PRESSURE_NOT_TOLD, 10), 0);
	assert_int_equal(decide(&s, &easy, PRESSURE_NOT_TOLD, 10), 0);
}

static void a_short_guest_has_it_back(void **state)
{
	struct pressure_state s = { .taken_bytes = 200 * MIB };

	/* Half of the reserve is enough not to. */
	assert_int_equal(decide(&s, &waits, 32 * MIB, 3), 200);
	assert_int_equal(decide(&s, &waits, 30 * MIB, 1), 166);
	assert_int_equal(decide(&s, &easy, 0, 1), 102);
	assert_int_equal(decide(&s, &waits, 0, 5), 0);
}

static void an_easy_host_gives_it_back(void **state)
{
	struct pressure_state s = { .taken_bytes = 100 * MIB };

	assert_int_equal(decide(&s, &easy, 100 * MIB, 6), 100);
	assert_int_equal(decide(&s, &easy, 100 * MIB, 1), 68);
	/* One period that is not easy begins the count anew. */
	assert_int_equal(decide(&s, &between, 100 * MIB, 1), 68);
	assert_int_equal(decide(&s, &easy, 100 * MIB, 6), 68);
	assert_int_equal(decide(&s, &easy, 100 * MIB, 2), 4);
	assert_int_equal(decide(&s, &easy, PRESSURE_NOT_TOLD, 2), 0);
}

static void in_between_all_stays(void **state)
{
	struct pressure_state s = { .taken_bytes = 100 * MIB };

	assert_int_equal(decide(&s, &between, 300 * MIB, 50), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_tells),
		cmocka_unit_test(nonsense_is_none),
		cmocka_unit_test(which_hosts_are_short),
		cmocka_unit_test(a_short_host_takes_what_is_to_spare),
		cmocka_unit_test(who_tells_nothing_gives_nothing),
		cmocka_unit_test(a_short_guest_has_it_back),
		cmocka_unit_test(an_easy_host_gives_it_back),
		cmocka_unit_test(in_between_all_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
