/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-rng.c - the guest gets random bytes, and not more at a time than it may have.
 */
#include "unit/test.h"

#include "unit/device/driver.h"
#include "device/virtio/rng.h"

#define MUCH (RAM_BYTES / 4)

static struct driver driver;
static struct loop loop;
static struct virtio_rng *rng;

static int setup(void **state)
{
	driver_init(&driver);
	assert_int_equal(loop_open(&loop, NULL), 0);
	assert_int_equal(virtio_rng_open(&loop, &driver.memory, &rng, NULL), 0);
	driver_attach(&driver, virtio_rng_device(rng));
	driver_start(&driver, 0);
	return 0;
}

static int teardown(void **state)
{
	rng = virtio_rng_close(rng);
	loop_close(&loop);
	driver_destroy(&driver);
	return 0;
}

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

/* Until the next chain comes back: how many bytes of it were written. */
static uint32_t wait_for_bytes(void)
{
	uint16_t head;
	uint32_t bytes;

	while (!driver_take(&driver, 0, &head, &bytes)) {
		struct loop_timer timer = { .expired = stop_now };

		loop_timer_start(&loop, &timer, 1000000);
		assert_int_equal(loop_run(&loop), 0);
	}
	return bytes;
}

static uint32_t ask(const struct driver_part *parts, unsigned nr)
{
	driver_add(&driver, 0, parts, nr);
	driver_notify(&driver, 0);
	return wait_for_bytes();
}

static void test_random(void **state)
{
	const struct driver_part parts[] = { { BUFFERS, 8, true }, { BUFFERS + 100, 56, true } };
	static const uint8_t nothing[64];
	uint8_t first[56];

	assert_int_equal(ask(parts, 2), 64);
	assert_true(driver.line);
	memcpy(first, driver_at(&driver, BUFFERS + 100, 56), 56);
	assert_memory_not_equal(first, nothing, 56);
	assert_memory_equal(driver_at(&driver, BUFFERS + 8, 64), nothing, 64);
	assert_int_equal(ask(parts, 2), 64);
	assert_memory_not_equal(first, driver_at(&driver, BUFFERS + 100, 56), 56);
}

static void test_nothing_to_fill(void **state)
{
	const struct driver_part part = { BUFFERS, 8 };

	assert_int_equal(ask(&part, 1), 0);
	assert_int_equal(*(uint64_t *)driver_at(&driver, BUFFERS, 8), 0);
}

/* A part at once, and the next chain gets more, later. */
static void test_much(void **state)
{
	const struct driver_part part = { BUFFERS, MUCH, true };
	uint32_t first = ask(&part, 1), second = ask(&part, 1);

	assert_true(first > 0 && first < MUCH);
	assert_true(second > 0 && second < MUCH);
}

static void test_wrong(void **state)
{
	const struct driver_part part = { RAM_START - 1, 8, true };

	driver_add(&driver, 0, &part, 1);
	driver_notify(&driver, 0);
	while (!driver_is_broken(&driver)) {
		struct loop_timer timer = { .expired = stop_now };

		loop_timer_start(&loop, &timer, 1000000);
		assert_int_equal(loop_run(&loop), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_to_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
