/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-flash.c - flash keeps what is programmed, in its file; bits are set by erasing alone; and no
 * command reaches beyond a block.
 */
#include "unit/device/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/flash.h"

#define FILE_BYTES (2 * FLASH_BLOCK_BYTES)

static char path[] = "/tmp/strata-test-flash-XXXXXX";
static struct flash flash;

static int setup(void **state)
{
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, FILE_BYTES) < 0)
		return -1;
	close(fd);
	return flash_open(&flash, path, NULL);
}

static int teardown(void **state)
{
	flash_close(&flash);
	return unlink(path);
}

static uint64_t get(uint64_t offset)
{
	return io_read(&flash.io, offset, 4);
}

static void put(uint64_t offset, uint32_t value)
{
	io_write(&flash.io, offset, 4, value);
}

static void command(uint64_t offset, uint32_t value)
{
	put(offset, value | value << 16);
}

static void test_erase_and_program(void **state)
{
	command(8, 0x20);
	command(8, 0xd0);
	assert_int_equal(get(0), 0x00800080);
	command(0, 0xff);
	assert_int_equal(get(0), 0xffffffff);
	assert_int_equal(get(FLASH_BLOCK_BYTES - 4), 0xffffffff);
	assert_int_equal(get(FLASH_BLOCK_BYTES), 0);
	command(8, 0x40);
	put(8, 0x12345678);
	command(0, 0xff);
	assert_int_equal(get(8), 0x12345678);
	/* No bit comes back. */
	command(8, 0x40);
	put(8, 0xffff0000);
	command(0, 0xff);
	assert_int_equal(get(8), 0x12340000);
	/* Not confirmed. */
	command(8, 0x20);
	command(8, 0xff);
	command(0, 0xff);
	assert_int_equal(get(8), 0x12340000);
}

static void test_buffer(void **state)
{
	command(0, 0x20);
	command(0, 0xd0);
	command(16, 0xe8);
	assert_int_equal(get(16), 0x00800080);
	command(16, 2); /* and one more */
	for (unsigned i = 0; i < 3; i++)
		put(16 + 4 * i, 0x11111111 * (i + 1));
	command(16, 0xd0);
	command(0, 0xff);
	assert_int_equal(get(16), 0x11111111);
	assert_int_equal(get(24), 0x33333333);
	assert_int_equal(get(28), 0xffffffff);
	/* Of another block nothing is touched. */
	command(16, 0xe8);
	command(16, 0);
	put(FLASH_BLOCK_BYTES + 16, 0);
	command(16, 0xd0);
	command(0, 0xff);
	assert_int_equal(get(16), 0x11111111);
}

static void test_query(void **state)
{
	command(0x55 * 4, 0x98);
	assert_int_equal(get(0x10 * 4), 'Q' | 'Q' << 16);
	assert_int_equal(get(0x12 * 4), 'Y' | 'Y' << 16);
	assert_int_equal(get(0x27 * 4), 24 | 24 << 16);
	command(0, 0x90);
	assert_int_equal(get(0), 0x890089);
	flash_reset(&flash);
	assert_int_equal(get(0), 0);
}

static void test_kept(void **state)
{
	uint32_t word = 0;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "\xff\xff\xff\xff", 4, 64), 4);
	command(64, 0x40);
	put(64, 0xfedcba98);
	assert_int_equal(pread(fd, &word, 4, 64), 4);
	assert_int_equal(word, 0xfedcba98);
	close(fd);
}

static void test_nonsense(void **state)
{
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned second = 0; second < 256; second += 5) {
			io_write(&flash.io, FLASH_BYTES - 8, 8, first);
			io_write(&flash.io, FLASH_BYTES - 8, 8, second | UINT64_C(0xffffff) << 40);
			io_write(&flash.io, FLASH_BYTES - 1, 1, first);
			io_read(&flash.io, FLASH_BYTES - 8, 8);
			io_read(&flash.io, first * 1021, 2);
		}
	}
}

static void test_refused(void **state)
{
	struct flash other;
	struct error err = { 0 };

	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(flash_open(&other, path, &err), -EINVAL);
	flash_close(&other);
	assert_int_equal(truncate(path, FLASH_BYTES + 1), 0);
	assert_int_equal(flash_open(&other, path, &err), -EINVAL);
	flash_close(&other);
	assert_int_equal(flash_open(&other, "/nowhere", &err), -ENOENT);
	flash_close(&other);
	flash.state.mode = 200;
	assert_int_equal(flash.saved.restore(&flash.saved, &err), -EBADMSG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_erase_and_program),
		TEST(test_buffer),
		TEST(test_query),
		TEST(test_kept),
		TEST(test_nonsense),
		TEST(test_refused),
	};

	return cmocka_run_group_tests_name("device/flash", tests, NULL, NULL);
}
