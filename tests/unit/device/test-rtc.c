/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-rtc.c - the guest's clock shows the host's time until the guest sets it, and its alarm
 * rings.
 */
#include "unit/device/parts.h"

#include "base/clock.h"
#include "device/rtc.h"

enum {
	TIME_LOW = 0x00,
	TIME_HIGH = 0x04,
	ALARM_LOW = 0x08,
	ALARM_HIGH = 0x0c,
	ENABLED = 0x10,
	CLEAR_ALARM = 0x14,
	ALARM_STATUS = 0x18,
	CLEAR_INTERRUPT = 0x1c,
};

#define SECOND UINT64_C(1000000000)

static struct fake_chip chip;
static struct loop loop;
static struct rtc rtc;

static int setup(void **state)
{
	struct vm_irq irq = fake_irq(&chip, 11);

	return loop_open(&loop, NULL) < 0 ? -1 : rtc_init(&rtc, &irq, &loop, NULL);
}

static int teardown(void **state)
{
	rtc_destroy(&rtc);
	loop_close(&loop);
	return 0;
}

static uint64_t get(unsigned offset)
{
	return io_read(&rtc.io, offset, 4);
}

static void put(unsigned offset, uint64_t value)
{
	io_write(&rtc.io, offset, 4, value & UINT32_MAX);
}

static uint64_t get_time(void)
{
	uint64_t low = get(TIME_LOW);

	return get(TIME_HIGH) << 32 | low;
}

static void set_alarm(uint64_t ns)
{
	put(ALARM_HIGH, ns >> 32);
	put(ALARM_LOW, ns);
}

static void test_time(void **state)
{
	uint64_t before = (uint64_t)clock_realtime_ns(), time = get_time();

	assert_in_range(time, before, (uint64_t)clock_realtime_ns());
	put(TIME_HIGH, 1000 * SECOND >> 32);
	put(TIME_LOW, 1000 * SECOND);
	assert_in_range(get_time(), 1000 * SECOND, 1100 * SECOND);
	rtc_reset(&rtc);
	assert_in_range(get_time(), 1000 * SECOND, 1100 * SECOND);
}

static void test_alarm(void **state)
{
	put(ENABLED, 1);
	set_alarm(get_time() + 20 * SECOND / 1000);
	assert_int_equal(get(ALARM_STATUS), 1);
	assert_false(chip.levels[11]);
	run_loop(&loop, 100);
	assert_true(chip.levels[11]);
	assert_int_equal(get(ALARM_STATUS), 0);
	put(CLEAR_INTERRUPT, 1);
	assert_false(chip.levels[11]);
}

/* One that is over rings at once; one that was cleared does not; nor one in 500 years. */
static void test_other_alarms(void **state)
{
	set_alarm(0);
	run_loop(&loop, 20);
	assert_false(chip.levels[11]);
	put(ENABLED, 1);
	assert_true(chip.levels[11]);
	put(CLEAR_INTERRUPT, 1);
	set_alarm(get_time() + SECOND / 100);
	put(CLEAR_ALARM, 1);
	set_alarm(UINT64_MAX);
	run_loop(&loop, 30);
	assert_false(chip.levels[11]);
	assert_int_equal(get(ALARM_HIGH), UINT32_MAX);
	assert_int_equal(get(ALARM_LOW), UINT32_MAX);
}

static void test_nonsense(void **state)
{
	for (unsigned offset = 0; offset < RTC_BYTES; offset++) {
		io_write(&rtc.io, offset, 1, UINT64_MAX);
		io_write(&rtc.io, offset, 4, UINT64_MAX - offset);
		io_write(&rtc.io, offset, 8, UINT64_MAX);
		assert_int_equal(io_read(&rtc.io, offset, 8), 0);
		assert_int_equal(io_read(&rtc.io, offset, 2), 0);
		io_read(&rtc.io, offset, 4);
	}
	run_loop(&loop, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_time),
		TEST(test_alarm),
		TEST(test_other_alarms),
		TEST(test_nonsense),
	};

	return cmocka_run_group_tests_name("device/rtc", tests, NULL, NULL);
}
