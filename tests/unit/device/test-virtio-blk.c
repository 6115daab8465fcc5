/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-virtio-blk.c - a driver's requests reach the disk and come back, by every engine, in any
 * layout of their parts, and what is wrong with them is told in their status.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "unit/device/driver.h"
#include "device/virtio/blk.h"

#define DISK_BYTES (UINT64_C(1) << 20)
#define HEADER	   BUFFERS
#define STATUS	   (BUFFERS + 0x100)
#define DATA	   (BUFFERS + 0x1000)

static struct driver driver;
static struct loop loop;
static struct disk_engine *engine;
static struct disk *disk;
static struct virtio_blk *blk;
static char path[] = "/tmp/strata-test-blk-XXXXXX";

static void open_device(bool is_read_only, uint64_t features)
{
	const struct disk_raw_options raw = { .path = path, .is_read_only = is_read_only };
	struct virtio_blk_options options = { .serial = "a-serial-number", .nr_queues = 2 };

	assert_int_equal(disk_raw_open(engine, &raw, &disk, NULL), 0);
	options.disk = disk;
	assert_int_equal(virtio_blk_open(&loop, &driver.memory, &options, &blk, NULL), 0);
	driver_attach(&driver, virtio_blk_device(blk));
	assert_int_equal(driver_offered(&driver) & features, features);
	driver_start(&driver, features);
}

static int setup_kind(enum disk_engine_kind kind)
{
	static uint32_t words[DISK_BYTES / 4];
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	for (uint32_t i = 0; i < DISK_BYTES / 4; i++)
		words[i] = i * 7;
	assert_int_equal(write(fd, words, sizeof(words)), sizeof(words));
	close(fd);
	driver_init(&driver);
	assert_int_equal(loop_open(&loop, NULL), 0);
	int r = disk_engine_open(kind, &engine, NULL);

	return r < 0 ? r : disk_engine_start(engine, NULL, NULL);
}

static int setup(void **state)
{
	return setup_kind(DISK_ENGINE_ANY);
}

static int setup_threads(void **state)
{
	return setup_kind(DISK_ENGINE_THREADS);
}

static int teardown(void **state)
{
	blk = virtio_blk_close(blk);
	disk = disk_close(disk);
	engine = disk_engine_close(engine);
	loop_close(&loop);
	driver_destroy(&driver);
	return unlink(path);
}

/* The next that comes back, which may take a while. */
static uint16_t wait_for(unsigned q)
{
	uint16_t head;
	uint32_t bytes;

	while (!driver_take(&driver, q, &head, &bytes))
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	return head;
}

static uint8_t status(void)
{
	return *(uint8_t *)driver_at(&driver, STATUS, 1);
}

static uint8_t ask_parts(
	uint32_t type, uint64_t sector, const struct driver_part *parts, unsigned nr)
{
	struct virtio_blk_outhdr *header = driver_at(&driver, HEADER, sizeof(*header));

	*header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*(uint8_t *)driver_at(&driver, STATUS, 1) = 0xff;
	driver_add(&driver, 0, parts, nr);
	driver_notify(&driver, 0);
	wait_for(0);
	return status();
}

/* As Linux does it: header, data, status. */
static uint8_t ask(uint32_t type, uint64_t sector, uint32_t bytes)
{
	const struct driver_part parts[] = {
		{ HEADER, sizeof(struct virtio_blk_outhdr) },
		{ DATA, bytes, type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID },
		{ STATUS, 1, true },
	};

	if (bytes)
		return ask_parts(type, sector, parts, 3);
	return ask_parts(type, sector, (struct driver_part[]){ parts[0], parts[2] }, 2);
}

static void expect_from(uint64_t sector, const uint32_t *words, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes / 4; i++)
		assert_int_equal(words[i], (uint32_t)(sector * 128 + i) * 7);
}

static void test_config(void **state)
{
	open_device(false, 1ull << VIRTIO_BLK_F_MQ);
	assert_int_equal(driver_config(&driver, 0, 8), DISK_BYTES / 512);
	assert_int_equal(
		driver_config(&driver, offsetof(struct virtio_blk_config, seg_max), 4), 254);
	assert_int_equal(
		driver_config(&driver, offsetof(struct virtio_blk_config, num_queues), 2), 2);
	assert_int_equal(ask(VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_at(&driver, DATA, 20), "a-serial-number\0\0\0\0\0", 20);
}

static void test_read_and_write(void **state)
{
	uint32_t *data;

	open_device(false, 1ull << VIRTIO_BLK_F_FLUSH);
	data = driver_at(&driver, DATA, 8192);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 9, 8192), VIRTIO_BLK_S_OK);
	expect_from(9, data, 8192);
	memset(data, 0x5a, 8192);
	assert_int_equal(ask(VIRTIO_BLK_T_OUT, 16, 4096), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 15, 512 * 10), VIRTIO_BLK_S_OK);
	expect_from(15, data, 512);
	assert_int_equal(data[128], 0x5a5a5a5a);
	assert_int_equal(data[128 * 9 - 1], 0x5a5a5a5a);
	expect_from(24, data + 128 * 9, 512);
	assert_true(driver.line);
	assert_false(driver_is_broken(&driver));
}

/* A driver that knows of no flush may believe that what is written stays. */
static void test_without_flush(void **state)
{
	open_device(false, 0);
	memset(driver_at(&driver, DATA, 512), 0x5a, 512);
	assert_int_equal(ask(VIRTIO_BLK_T_OUT, 3, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 3, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(*(uint32_t *)driver_at(&driver, DATA, 4), 0x5a5a5a5a);
}

/* Header, data and status cut anywhere (§2.7.4.4). */
static void test_any_layout(void **state)
{
	const struct driver_part read[] = {
		{ HEADER, 7 }, { HEADER + 7, 9 }, { DATA, 500, true }, { DATA + 500, 0, true },
		{ DATA + 500, 525, true }, /* the last byte of it is the status */
	};
	const struct driver_part write[] = { { HEADER, 10 }, { HEADER + 10, 6 + 100 },
		{ DATA, 412 }, { STATUS, 1, true } };

	open_device(false, 1ull << VIRTIO_BLK_F_FLUSH);
	memset(driver_at(&driver, DATA, 1025), 0xff, 1025);
	assert_int_equal(ask_parts(VIRTIO_BLK_T_IN, 5, read, 5), 0xff);
	expect_from(5, driver_at(&driver, DATA, 1024), 1024);
	assert_int_equal(*(uint8_t *)driver_at(&driver, DATA + 1024, 1), VIRTIO_BLK_S_OK);

	memset(driver_at(&driver, HEADER + 16, 100), 0x77, 100);
	memset(driver_at(&driver, DATA, 412), 0x77, 412);
	assert_int_equal(ask_parts(VIRTIO_BLK_T_OUT, 6, write, 4), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 6, 512), VIRTIO_BLK_S_OK);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(*(uint8_t *)driver_at(&driver, DATA + i, 1), 0x77);
}

static uint8_t ask_range(uint32_t type, uint64_t sector, uint32_t nr_sectors, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes *range = driver_at(&driver, DATA, sizeof(*range));

	*range = (struct virtio_blk_discard_write_zeroes){
		.sector = sector, .num_sectors = nr_sectors, .flags = flags
	};
	return ask(type, 0, sizeof(*range));
}

static void test_ranges(void **state)
{
	uint32_t *data;

	open_device(false, 1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES);
	data = driver_at(&driver, DATA, 2048);
	for (uint32_t flags = 0; flags < 2; flags++) {
		assert_int_equal(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 8 + flags, 1, flags), 0);
		assert_int_equal(ask(VIRTIO_BLK_T_IN, 7, 2048), 0);
		expect_from(7, data, 512);
		assert_int_equal(data[128], 0);
		assert_int_equal(data[255], 0);
	}
	assert_int_equal(ask_range(VIRTIO_BLK_T_DISCARD, 0, 2048, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(ask_range(VIRTIO_BLK_T_DISCARD, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ask_range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ask_range(VIRTIO_BLK_T_DISCARD, 2048, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask_range(VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		ask_range(VIRTIO_BLK_T_WRITE_ZEROES, UINT64_MAX, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_DISCARD, 0, 32), VIRTIO_BLK_S_IOERR);
}

static void test_wrong_requests(void **state)
{
	open_device(true, 1ull << VIRTIO_BLK_F_RO);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 2048, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 2047, 1024), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, UINT64_MAX, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, UINT64_C(1) << 55, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 0, 100), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(77, 0, 512), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	assert_false(driver_is_broken(&driver));
}

static void test_no_requests(void **state)
{
	const struct driver_part wrong[][2] = {
		{ { HEADER, 15 }, { STATUS, 1, true } },
		{ { HEADER, 16 }, { DATA, 512 } },
		{ { DATA, 512, true }, { STATUS, 1, true } },
		{ { HEADER, 16 }, { STATUS, 0, true } },
	};

	open_device(false, 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		driver_add(&driver, 0, wrong[i], 2);
		driver_notify(&driver, 0);
		assert_true(driver_is_broken(&driver));
		driver_start(&driver, 0);
		assert_int_equal(ask(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	}
}

/* Full queues, both at once, and a reset while all is under way: nothing comes after it. */
static void test_many_and_reset(void **state)
{
	struct virtio_blk_outhdr *header;

	open_device(false, 1ull << VIRTIO_BLK_F_FLUSH);
	header = driver_at(&driver, HEADER, sizeof(*header));
	*header = (struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_OUT };
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned q = 0; q < 2; q++) {
			for (unsigned i = 0; i < 4; i++) {
				const struct driver_part parts[] = { { HEADER, 16 },
					{ DATA, 0x10000 }, { STATUS, 1, true } };

				driver_add(&driver, q, parts, 3);
			}
			driver_notify(&driver, q);
		}
		driver_start(&driver, 1ull << VIRTIO_BLK_F_FLUSH);
		assert_int_equal(driver_used_ring(&driver, 0)->idx, 0);
		assert_int_equal(driver_used_ring(&driver, 1)->idx, 0);
	}
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

static void test_more_than_there_are(void **state)
{
	const struct driver_part parts[] = { { HEADER, 16 }, { DATA, 0x10000 },
		{ STATUS, 1, true } };
	uint16_t head;

	open_device(false, 0);
	head = driver_add(&driver, 0, parts, 3);
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		driver_offer(&driver, 0, head);
	driver_notify(&driver, 0);
	assert_true(driver_is_broken(&driver));
}

static void test_resize(void **state)
{
	open_device(false, 0);
	assert_int_equal(virtio_blk_resize(blk, NULL), 0);
	assert_false(driver.line);
	assert_int_equal(truncate(path, DISK_BYTES * 2), 0);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, DISK_BYTES / 512, 512), VIRTIO_BLK_S_IOERR);
	driver_write(&driver, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(virtio_blk_resize(blk, NULL), 0);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_equal(driver_config(&driver, 0, 8), DISK_BYTES * 2 / 512);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, DISK_BYTES / 512, 512), VIRTIO_BLK_S_OK);
}

/* The host's errors are the guest's. */
static void test_host_error(void **state)
{
	open_device(false, 0);
	assert_int_equal(truncate(path, 4096), 0);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 7, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 7, 1024), VIRTIO_BLK_S_IOERR);
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 100, 512), VIRTIO_BLK_S_IOERR);
	assert_false(driver_is_broken(&driver));
}

/* Another disk where the machine goes on: its guest is told. */
static void test_snapshot_of_another_size(void **state)
{
	struct vm_saved *saved;
	uint64_t capacity;

	open_device(false, 0);
	saved = virtio_blk_saved(blk);
	saved->save(saved);
	memcpy(&capacity, saved->data, sizeof(capacity));
	assert_int_equal(capacity, DISK_BYTES / 512);
	saved->resume(saved);
	assert_false(driver.line);
	capacity = 7;
	memcpy(saved->data, &capacity, sizeof(capacity));
	saved->resume(saved);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_equal(driver_config(&driver, 0, 8), DISK_BYTES / 512);
}

/* What is under way is done before, what comes meanwhile after. */
static void test_snapshot(void **state)
{
	struct vm_saved *saved;
	const struct driver_part parts[] = { { HEADER, 16 }, { DATA, 512, true },
		{ STATUS, 1, true } };

	open_device(false, 0);
	saved = &virtio_blk_device(blk)->saved;
	assert_int_equal(ask(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	driver_add(&driver, 0, parts, 3);
	driver_notify(&driver, 0);
	saved->save(saved);
	assert_int_equal(driver_used_ring(&driver, 0)->idx, 2);
	driver_add(&driver, 0, parts, 3);
	driver_notify(&driver, 0);
	assert_int_equal(driver_used_ring(&driver, 0)->idx, 2);
	assert_int_equal(saved->restore(saved, NULL), 0);
	saved->resume(saved);
	wait_for(0);
	wait_for(0);
	assert_int_equal(driver_used_ring(&driver, 0)->idx, 3);
}

#define WITH(test, setup)                                                                          \
	{                                                                                          \
#test " (" #setup ")", test, setup, teardown, NULL                                 \
	}
#define BY_BOTH(test) WITH(test, setup), WITH(test, setup_threads)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_config, setup),
		BY_BOTH(test_read_and_write),
		BY_BOTH(test_without_flush),
		BY_BOTH(test_any_layout),
		BY_BOTH(test_ranges),
		WITH(test_wrong_requests, setup),
		WITH(test_no_requests, setup),
		BY_BOTH(test_many_and_reset),
		WITH(test_more_than_there_are, setup),
		WITH(test_resize, setup),
		BY_BOTH(test_host_error),
		WITH(test_snapshot, setup),
		WITH(test_snapshot_of_another_size, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
