/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-limit.c - a disk with limits does all that it is asked, in order, and no faster than it may.
 */
#include "unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "disk/disk.h"

#define DISK_BYTES (1u << 20)
#define NR_ASKED   60

static char path[] = "/tmp/strata-test-limit-XXXXXX";
static struct loop loop;
static struct disk_engine *engine;
static struct disk *disk;
static unsigned nr_done;

static int setup(void **state)
{
	const struct disk_raw_options options = { .path = path };
	int fd;

	nr_done = 0;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
	close(fd);
	assert_int_equal(loop_open(&loop, NULL), 0);
	assert_int_equal(disk_engine_open(DISK_ENGINE_ANY, &engine, NULL), 0);
	assert_int_equal(disk_engine_start(engine, NULL, NULL), 0);
	return disk_raw_open(engine, &options, &disk, NULL);
}

static int teardown(void **state)
{
	disk = disk_close(disk);
	engine = disk_engine_close(engine);
	loop_close(&loop);
	return unlink(path);
}

struct asked {
	struct disk_request request;
	struct iovec part, scratch;
	int result;
};

static struct asked asked[NR_ASKED];
static uint8_t memory[65536];

static void done(struct disk_request *request, int result)
{
	container_of(request, struct asked, request)->result = result;
	__atomic_fetch_add(&nr_done, 1, __ATOMIC_SEQ_CST);
}

static void stop_now(struct loop_timer *timer)
{
	loop_stop(&loop);
}

/* How long it takes to read so many pieces that are asked for at once. */
static int64_t read_pieces(unsigned nr, uint32_t bytes)
{
	int64_t start = clock_monotonic_ns();

	for (unsigned i = 0; i < nr; i++) {
		asked[i] = (struct asked){
			.part = { memory, bytes },
			.result = 1,
			.request = {
				.operation = DISK_READ,
				.bytes = bytes,
				.parts = &asked[i].part,
				.nr_parts = 1,
				.scratch = &asked[i].scratch,
				.done = done,
			},
		};
		disk_submit(disk, &asked[i].request);
	}
	while (__atomic_load_n(&nr_done, __ATOMIC_SEQ_CST) < nr) {
		struct loop_timer timer = { .expired = stop_now };

		loop_timer_start(&loop, &timer, 1000000);
		assert_int_equal(loop_run(&loop), 0);
	}
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(asked[i].result, 0);
	return clock_monotonic_ns() - start;
}

static void limit(uint64_t requests, uint64_t bytes)
{
	const struct disk_limits limits = { .requests_per_second = requests,
		.bytes_per_second = bytes };

	assert_int_equal(disk_limit(&disk, &limits, &loop, NULL), 0);
	assert_int_equal(disk->bytes, DISK_BYTES);
	assert_string_equal(disk->ops->name, "limit");
}

/* Of 60 at 200 a second, 20 or 21 begin at once, the others need 5 ms each. */
static void test_requests(void **state)
{
	limit(200, 0);
	assert_true(read_pieces(NR_ASKED, 512) >= INT64_C(180000000));
}

/* 30 times 64 KiB at 8 MiB a second; 0.1 s of it at once. */
static void test_bytes(void **state)
{
	limit(1000000, 8 << 20);
	assert_true(read_pieces(30, 65536) >= INT64_C(120000000));
}

/* Nobody runs the loop. */
static void test_hurry(void **state)
{
	limit(1, 1);
	for (unsigned i = 0; i < 3; i++) {
		asked[i].part = (struct iovec){ memory, sizeof(memory) };
		asked[i].request = (struct disk_request){
			.operation = DISK_READ,
			.bytes = sizeof(memory),
			.parts = &asked[i].part,
			.nr_parts = 1,
			.scratch = &asked[i].scratch,
			.done = done,
		};
		disk_submit(disk, &asked[i].request);
	}
	assert_true(__atomic_load_n(&nr_done, __ATOMIC_SEQ_CST) < 3);
	disk_hurry(disk);
	while (__atomic_load_n(&nr_done, __ATOMIC_SEQ_CST) < 3)
		usleep(1000);
}

static void test_no_limit(void **state)
{
	limit(0, 0);
	read_pieces(NR_ASKED, 65536);
}

/* The disk below has the last word. */
static void test_size(void **state)
{
	limit(1000, 1000);
	assert_int_equal(truncate(path, 2 * DISK_BYTES), 0);
	assert_int_equal(disk_measure(disk, NULL), 0);
	assert_int_equal(disk->bytes, 2 * DISK_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hurry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
