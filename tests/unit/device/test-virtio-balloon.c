/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-balloon.c - pages in the balloon and pages reported as free go back to the host, and
 * no others; the target, what the guest has given up, and its statistics.
 */
#include "unit/test.h"

#include <sys/stat.h>

#include "unit/device/driver.h"
#include "device/virtio/balloon.h"

#define INFLATE	 0
#define DEFLATE	 1
#define STATS	 2
#define REPORT	 3
#define STATS_VQ (1ull << VIRTIO_BALLOON_F_STATS_VQ)
#define REPORTS	 (1ull << VIRTIO_BALLOON_F_REPORTING)
#define PAGES	 (BUFFERS + (1 << 20)) /* the memory that is given back */
#define PFN(n)	 ((uint32_t)(PAGES / 4096) + (n))

static struct driver driver;
static struct loop loop;
static struct virtio_balloon *balloon;

static int setup(void **state)
{
	driver_init(&driver);
	assert_int_equal(loop_open(&loop, NULL), 0);
	assert_int_equal(virtio_balloon_open(&loop, &driver.memory, &balloon, NULL), 0);
	driver_attach(&driver, virtio_balloon_device(balloon));
	memset(driver_at(&driver, PAGES, 64 * 4096), 1, 64 * 4096);
	return 0;
}

static int teardown(void **state)
{
	balloon = virtio_balloon_close(balloon);
	loop_close(&loop);
	driver_destroy(&driver);
	return 0;
}

static blkcnt_t nr_blocks(void)
{
	struct stat st;

	assert_int_equal(fstat(vm_memory_region(&driver.memory, RAM_START, 1)->fd, &st), 0);
	return st.st_blocks;
}

static void give(unsigned queue, const uint32_t *pfns, uint32_t nr)
{
	const struct driver_part part = { BUFFERS, nr * 4 };

	memcpy(driver_at(&driver, BUFFERS, nr * 4), pfns, nr * 4);
	driver_add(&driver, queue, &part, 1);
	driver_notify(&driver, queue);
}

static bool is_empty(unsigned page)
{
	const uint8_t *at = driver_at(&driver, PAGES + page * 4096, 4096);

	for (unsigned i = 0; i < 4096; i++)
		if (at[i])
			return false;
	return true;
}

static void expect_back(unsigned queue)
{
	uint16_t head;
	uint32_t bytes;

	assert_true(driver_take(&driver, queue, &head, &bytes));
	assert_int_equal(bytes, 0);
	assert_false(driver_is_broken(&driver));
}

static void test_inflate(void **state)
{
	static const uint32_t pfns[] = { PFN(3), PFN(2), PFN(1), PFN(7), PFN(20), PFN(21),
		PFN(20) };
	blkcnt_t before;

	driver_start(&driver, STATS_VQ);
	before = nr_blocks();
	give(INFLATE, pfns, ARRAY_SIZE(pfns));
	expect_back(INFLATE);
	assert_true(nr_blocks() <= before - 6 * 8 + 8); /* a page for the numbers */
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(is_empty(i), (i >= 1 && i <= 3) || i == 7 || i == 20 || i == 21);
	give(DEFLATE, pfns, ARRAY_SIZE(pfns));
	expect_back(DEFLATE);
}

static void test_wrong_pages(void **state)
{
	static const uint32_t pfns[] = { PFN(1), 0 };
	static const uint32_t last[] = { PFN(2), UINT32_MAX };
	static uint32_t many[5000];

	driver_start(&driver, 0);
	give(INFLATE, pfns, 2);
	assert_true(driver_is_broken(&driver));
	driver_start(&driver, 0);
	give(INFLATE, last, 2);
	assert_true(driver_is_broken(&driver));
	driver_start(&driver, 0);
	give(INFLATE, many, ARRAY_SIZE(many));
	assert_true(driver_is_broken(&driver));
}

static void report(unsigned queue)
{
	const struct driver_part parts[] = { { PAGES + 4096, 2 * 4096, true },
		{ PAGES + 5 * 4096 + 1, 3 * 4096, true }, { PAGES + 9 * 4096 + 1, 100, true } };

	driver_add(&driver, queue, parts, 3);
	driver_notify(&driver, queue);
	expect_back(queue);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(is_empty(i), i == 1 || i == 2 || i == 6 || i == 7);
}

static void test_report(void **state)
{
	driver_start(&driver, STATS_VQ | REPORTS);
	report(REPORT);
}

/* Queues are counted without those that the driver does not know. */
static void test_report_without_stats(void **state)
{
	driver_start(&driver, REPORTS);
	report(STATS);
}

static void test_target(void **state)
{
	driver_start(&driver, 0);
	assert_int_equal(virtio_balloon_bytes(balloon), 0);
	virtio_balloon_set_target(balloon, 5 * 4096);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_equal(driver_config(&driver, 0, 4), 5);
	driver_write(&driver, VIRTIO_MMIO_CONFIG, 99);
	assert_int_equal(driver_config(&driver, 0, 4), 5);
	driver_write(&driver, VIRTIO_MMIO_CONFIG + 4, 4);
	assert_int_equal(virtio_balloon_bytes(balloon), 4 * 4096);
	driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(virtio_balloon_bytes(balloon), 0);
}

static void tell(uint64_t free_bytes)
{
	struct virtio_balloon_stat stats[] = { { VIRTIO_BALLOON_S_MEMFREE, free_bytes },
		{ VIRTIO_BALLOON_S_MEMTOT, 1000 }, { 777, 5 } };

	memcpy(driver_at(&driver, BUFFERS, sizeof(stats)), stats, sizeof(stats));
	driver_add(&driver, STATS, &(struct driver_part){ BUFFERS, sizeof(stats) }, 1);
	driver_notify(&driver, STATS);
}

static void test_stats(void **state)
{
	struct vm_saved *saved = &virtio_balloon_device(balloon)->saved;
	struct virtio_balloon_stats stats;
	uint16_t head;
	uint32_t bytes;

	driver_start(&driver, STATS_VQ);
	virtio_balloon_stats(balloon, &stats);
	assert_int_equal(stats.time_ns, 0);
	tell(100);
	assert_false(driver_take(&driver, STATS, &head, &bytes));
	saved->save(saved);
	saved->resume(saved);
	virtio_balloon_stats(balloon, &stats);
	assert_true(stats.time_ns > 0);
	assert_int_equal(stats.values[VIRTIO_BALLOON_S_MEMFREE], 100);
	assert_int_equal(stats.values[VIRTIO_BALLOON_S_MEMTOT], 1000);
	assert_true(stats.values[VIRTIO_BALLOON_S_AVAIL] == UINT64_MAX);
	expect_back(STATS);
	tell(50);
	virtio_balloon_stats(balloon, &stats);
	assert_int_equal(stats.values[VIRTIO_BALLOON_S_MEMFREE], 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_inflate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_report, setup, teardown),
		cmocka_unit_test_setup_teardown(test_report_without_stats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_target, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stats, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
