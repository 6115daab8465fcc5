/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-disk.c - every kind of disk by every engine: what is written is read again, many requests at
 * once included, whatever the parts; holes, ends of files, locks, and what is refused.
 */
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "disk/internal.h"

#define FILE_BYTES (UINT64_C(3) << 20)

static char folder[] = "/tmp/strata-test-disk-XXXXXX";
static char path[sizeof(folder) + 16];
static struct disk_engine *engine;
static struct disk *disk;

static void make_file(const char *name, uint64_t bytes, uint32_t seed)
{
	char full[sizeof(folder) + 32];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", folder, name);
	f = fopen(full, "we");
	assert_non_null(f);
	for (uint64_t i = 0; i < bytes; i++)
		fputc((int)((i * 2654435761u >> 7) + seed), f);
	assert_int_equal(fclose(f), 0);
}

static uint8_t byte_at(uint64_t i, uint32_t seed)
{
	return (uint8_t)((i * 2654435761u >> 7) + seed);
}

static int open_engine(void **state, enum disk_engine_kind kind)
{
	int r = disk_engine_open(kind, &engine, NULL);

	/* Forbidden in many containers; threads are what is used there. */
	if (r < 0 && kind == DISK_ENGINE_URING)
		r = disk_engine_open(DISK_ENGINE_THREADS, &engine, NULL);
	if (r == 0)
		r = disk_engine_start(engine, NULL, NULL);
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/disk", folder);
	return r;
}

static int setup_uring(void **state)
{
	return open_engine(state, DISK_ENGINE_URING);
}

static int setup_threads(void **state)
{
	return open_engine(state, DISK_ENGINE_THREADS);
}

static int teardown(void **state)
{
	char command[sizeof(folder) + 16];

	disk = disk_close(disk);
	engine = disk_engine_close(engine);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static int open_raw(bool is_read_only, struct error *err)
{
	const struct disk_raw_options options = { .path = path, .is_read_only = is_read_only };

	return disk_raw_open(engine, &options, &disk, err);
}

static int transfer(enum disk_operation operation, uint64_t offset, uint64_t bytes, void *memory)
{
	struct iovec part = { memory, bytes }, scratch;
	struct disk_request request = {
		.operation = operation,
		.offset = offset,
		.bytes = bytes,
		.parts = &part,
		.nr_parts = memory ? 1 : 0,
		.scratch = &scratch,
	};

	return disk_perform(disk, &request);
}

static void expect(uint64_t offset, uint64_t bytes, uint64_t file_offset, uint32_t seed)
{
	uint8_t *memory = malloc(bytes);

	assert_int_equal(transfer(DISK_READ, offset, bytes, memory), 0);
	for (uint64_t i = 0; i < bytes; i++)
		assert_int_equal(memory[i], byte_at(file_offset + i, seed));
	free(memory);
}

static void expect_zeroes(uint64_t offset, uint64_t bytes)
{
	uint8_t *memory = malloc(bytes);

	memset(memory, 1, bytes);
	assert_int_equal(transfer(DISK_READ, offset, bytes, memory), 0);
	for (uint64_t i = 0; i < bytes; i++)
		assert_int_equal(memory[i], 0);
	free(memory);
}

static void test_raw(void **state)
{
	static uint8_t block[8192];

	make_file("disk", FILE_BYTES, 1);
	assert_int_equal(open_raw(false, NULL), 0);
	assert_int_equal(disk->bytes, FILE_BYTES);
	expect(0, FILE_BYTES, 0, 1);
	expect(512 * 77, 512 * 9, 512 * 77, 1);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = byte_at(i, 99);
	assert_int_equal(transfer(DISK_WRITE, 4096, sizeof(block), block), 0);
	assert_int_equal(transfer(DISK_FLUSH, 0, 0, NULL), 0);
	expect(0, 4096, 0, 1);
	expect(4096, sizeof(block), 0, 99);
	expect(4096 + sizeof(block), 4096, 4096 + sizeof(block), 1);
	assert_int_equal(transfer(DISK_WRITE_ZEROES, 512, 1024, NULL), 0);
	expect(0, 512, 0, 1);
	expect_zeroes(512, 1024);
	assert_int_equal(transfer(DISK_DISCARD, 1 << 20, 1 << 20, NULL), 0);
	expect(2 << 20, 1 << 20, 2 << 20, 1);
}

static void test_refused(void **state)
{
	uint8_t block[512] = {};

	make_file("disk", FILE_BYTES, 1);
	assert_int_equal(open_raw(true, NULL), 0);
	assert_int_equal(transfer(DISK_WRITE, 0, 512, block), -EROFS);
	assert_int_equal(transfer(DISK_DISCARD, 0, 512, NULL), -EROFS);
	assert_int_equal(transfer(DISK_READ, FILE_BYTES, 512, block), -ERANGE);
	assert_int_equal(transfer(DISK_READ, FILE_BYTES - 512, 1024, block), -ERANGE);
	assert_int_equal(transfer(DISK_READ, UINT64_MAX - 511, 512, block), -ERANGE);
	assert_int_equal(transfer(DISK_READ, 1, 512, block), -EINVAL);
	assert_int_equal(transfer(DISK_READ, 0, 511, block), -EINVAL);
	assert_int_equal(transfer(DISK_READ, FILE_BYTES, 0, block), 0);
	assert_int_equal(transfer(DISK_READ, FILE_BYTES - 512, 512, block), 0);
}

/* Its last sector is filled up when it is read, and is in the file when it is written. */
static void test_part_of_a_sector(void **state)
{
	static uint8_t block[1024];
	struct stat st;

	make_file("disk", 1000, 1);
	assert_int_equal(open_raw(false, NULL), 0);
	assert_int_equal(disk->bytes, 1024);
	assert_int_equal(transfer(DISK_READ, 0, 1024, block), 0);
	assert_int_equal(block[999], byte_at(999, 1));
	assert_int_equal(block[1000], 0);
	assert_int_equal(transfer(DISK_WRITE, 512, 512, block), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1024);
}

static void test_other_size(void **state)
{
	uint8_t block[512];

	make_file("disk", FILE_BYTES, 1);
	assert_int_equal(open_raw(false, NULL), 0);
	assert_int_equal(truncate(path, 8192), 0);
	assert_int_equal(transfer(DISK_READ, 8192, 512, block), -EIO);
	assert_int_equal(disk_measure(disk, NULL), 0);
	assert_int_equal(disk->bytes, 8192);
	assert_int_equal(transfer(DISK_READ, 8192, 512, block), -ERANGE);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(disk_measure(disk, NULL), -EINVAL);
}

static void test_locks(void **state)
{
	struct disk *first;
	struct error err = {};

	make_file("disk", FILE_BYTES, 1);
	assert_int_equal(open_raw(true, NULL), 0);
	first = disk;
	assert_int_equal(open_raw(true, NULL), 0); /* many may read */
	disk_close(first);
	assert_int_equal(open_raw(false, &err), -EBUSY);
	assert_non_null(strstr(err.message, "in use"));
	disk = disk_close(disk);
	assert_int_equal(open_raw(false, NULL), 0);
	first = disk;
	assert_int_equal(open_raw(true, &err), -EBUSY);
	assert_non_null(strstr(err.message, "who writes"));
	disk = first;
}

static void test_no_disks(void **state)
{
	assert_int_equal(open_raw(true, NULL), -ENOENT);
	make_file("disk", 0, 0);
	assert_int_equal(open_raw(true, NULL), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(open_raw(true, NULL), -EINVAL);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(open_raw(true, NULL), -EINVAL);
}

/* Past the page cache, where that is possible: aligned or not. */
static void test_direct(void **state)
{
	const struct disk_raw_options options = { .path = path, .is_direct = true };
	uint8_t *memory = aligned_alloc(4096, 16384);
	int r;

	make_file("disk", FILE_BYTES, 1);
	r = disk_raw_open(engine, &options, &disk, NULL);
	if (r == -EINVAL) {
		free(memory);
		print_message("skipped: this file system has no O_DIRECT\n");
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(disk->block_bytes, 4096);
	for (unsigned i = 0; i < 16384; i++)
		memory[i] = byte_at(i, 5);
	assert_int_equal(transfer(DISK_WRITE, 8192, 8192, memory), 0);
	assert_int_equal(transfer(DISK_WRITE, 8192 + 8192, 512, memory + 8192), 0);
	expect(8192, 8192 + 512, 0, 5);
	memset(memory, 0, 16384);
	assert_int_equal(transfer(DISK_READ, 8192, 4096, memory), 0);
	assert_int_equal(memory[4095], byte_at(4095, 5));
	assert_int_equal(transfer(DISK_READ, 8192 + 512, 512, memory + 4096 + 8), 0);
	assert_int_equal(memory[4096 + 8], byte_at(512, 5));
	free(memory);
}

/* --- many at once ---------------------------------------------------------------------------- */

#define NR_MANY	   1000
#define MANY_BYTES 3072

struct many {
	struct disk_request request;
	struct iovec parts[3], scratch[3];
	uint8_t memory[MANY_BYTES];
	int result;
};

static pthread_mutex_t many_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t many_changed = PTHREAD_COND_INITIALIZER;
static unsigned nr_done;

static void many_done(struct disk_request *request, int result)
{
	container_of(request, struct many, request)->result = result;
	pthread_mutex_lock(&many_lock);
	nr_done++;
	pthread_cond_signal(&many_changed);
	pthread_mutex_unlock(&many_lock);
}

static void submit_many(struct many *many, enum disk_operation operation)
{
	nr_done = 0;
	for (unsigned i = 0; i < NR_MANY; i++) {
		struct many *m = &many[i];

		m->parts[0] = (struct iovec){ m->memory, 100 + i };
		m->parts[1] = (struct iovec){ NULL, 0 };
		m->parts[2] = (struct iovec){ m->memory + 100 + i, MANY_BYTES - 100 - i };
		m->request = (struct disk_request){
			.operation = operation,
			.offset = (uint64_t)i * MANY_BYTES,
			.bytes = MANY_BYTES,
			.parts = m->parts,
			.nr_parts = 3,
			.scratch = m->scratch,
			.done = many_done,
		};
		disk_submit(disk, &m->request);
	}
	pthread_mutex_lock(&many_lock);
	while (nr_done < NR_MANY)
		pthread_cond_wait(&many_changed, &many_lock);
	pthread_mutex_unlock(&many_lock);
}

static void test_many(void **state)
{
	struct many *many = calloc(NR_MANY, sizeof(*many));

	make_file("disk", (uint64_t)NR_MANY * MANY_BYTES, 0);
	assert_int_equal(open_raw(false, NULL), 0);
	for (unsigned i = 0; i < NR_MANY; i++)
		memset(many[i].memory, (int)(i * 7), MANY_BYTES);
	submit_many(many, DISK_WRITE);
	for (unsigned i = 0; i < NR_MANY; i++) {
		assert_int_equal(many[i].result, 0);
		memset(many[i].memory, 0, MANY_BYTES);
	}
	submit_many(many, DISK_READ);
	for (unsigned i = 0; i < NR_MANY; i++) {
		assert_int_equal(many[i].result, 0);
		for (unsigned j = 0; j < MANY_BYTES; j++)
			assert_int_equal(many[i].memory[j], (uint8_t)(i * 7));
	}
	free(many);
}

/* --- files behind each other ----------------------------------------------------------------- */

static int open_concat(const char *const *names, unsigned nr, struct error *err)
{
	static char paths[DISK_FILES_MAX + 1][sizeof(folder) + 32];
	struct disk_file files[DISK_FILES_MAX + 1];

	for (unsigned i = 0; i < nr; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/%.20s", folder, names[i]);
		files[i] = (struct disk_file){ .path = paths[i], .name = names[i] };
	}
	return disk_concat_open(engine, files, nr, &disk, err);
}

static uint32_t read32(const uint8_t *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static uint64_t read64(const uint8_t *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	return value;
}

/* UEFI 2.10 table 5.5, at a sector; its entries are returned. */
static void check_header(uint64_t sector, uint64_t other, uint8_t entries[16384])
{
	uint8_t h[512], copy[92] = {};

	assert_int_equal(transfer(DISK_READ, sector * 512, 512, h), 0);
	assert_memory_equal(h, "EFI PART", 8);
	assert_int_equal(read32(h + 12), 92);
	memcpy(copy, h, 92);
	memset(copy + 16, 0, 4);
	assert_int_equal(read32(h + 16), disk_crc32(copy, 92));
	assert_int_equal(read64(h + 24), sector);
	assert_int_equal(read64(h + 32), other);
	assert_int_equal(read32(h + 80), 128);
	assert_int_equal(read32(h + 84), 128);
	assert_int_equal(transfer(DISK_READ, read64(h + 72) * 512, 16384, entries), 0);
	assert_int_equal(read32(h + 88), disk_crc32(entries, 16384));
}

/* Who only measures comes to the same. */
static void expect_measured(const char *const *names, unsigned nr)
{
	char text[DISK_FILES_MAX][sizeof(folder) + 32];
	const char *paths[DISK_FILES_MAX + 1] = { NULL };
	uint64_t bytes = 0;

	for (unsigned i = 0; i < nr; i++) {
		snprintf(text[i], sizeof(text[i]), "%s/%.20s", folder, names[i]);
		paths[i] = text[i];
	}
	assert_int_equal(disk_concat_measure(paths, &bytes, NULL), 0);
	assert_int_equal(bytes, disk->bytes);
	paths[nr] = "/nowhere/at/all";
	assert_int_equal(disk_concat_measure(paths, &bytes, NULL), -ENOENT);
}

static void test_crc(void **state)
{
	assert_int_equal(disk_crc32("123456789", 9), 0xcbf43926);
}

static void test_concat(void **state)
{
	static const char *const names[] = { "one", "two", "three" };
	static uint8_t first[16384], last[16384];
	uint8_t mbr[512];
	uint64_t nr_sectors;

	make_file("one", (1 << 20) + 100, 10);
	make_file("two", 512, 20);
	make_file("three", FILE_BYTES, 30);
	assert_int_equal(open_concat(names, 3, NULL), 0);
	assert_true(disk->is_read_only);
	expect_measured(names, 3);
	nr_sectors = disk->bytes / 512;
	assert_int_equal(transfer(DISK_READ, 0, 512, mbr), 0);
	assert_int_equal(mbr[450], 0xee);
	assert_int_equal(mbr[511], 0xaa);
	assert_int_equal(read32(mbr + 458), nr_sectors - 1);
	check_header(1, nr_sectors - 1, first);
	check_header(nr_sectors - 1, 1, last);
	assert_memory_equal(first, last, sizeof(first));
	/* 1 MiB, 3 MiB, 4 MiB. */
	assert_int_equal(read64(first + 32), 2048);
	assert_int_equal(read64(first + 40), 2048 + 2048);
	assert_int_equal(read64(first + 128 + 32), 3 * 2048);
	assert_int_equal(read64(first + 128 + 40), 3 * 2048);
	assert_int_equal(read64(first + 256 + 32), 4 * 2048);
	assert_memory_equal(first + 256 + 56, "t\0h\0r\0e\0e\0\0", 12);
	assert_memory_not_equal(first + 16, first + 128 + 16, 16);
	expect(1 << 20, 1 << 20, 0, 10);
	expect(3 << 20, 512, 0, 20);
	expect(4 << 20, FILE_BYTES, 0, 30);
	expect_zeroes((2 << 20) + 512, 4096);
	assert_int_equal(transfer(DISK_WRITE, 1 << 20, 512, mbr), -EROFS);
	assert_int_equal(transfer(DISK_FLUSH, 0, 0, NULL), 0);
}

/* All of it in one request, whose parts end elsewhere than the files. */
static void test_across(void **state)
{
	static const char *const names[] = { "one", "two" };
	uint8_t *memory;
	struct iovec parts[200], scratch[200];
	struct disk_request request = {
		.operation = DISK_READ, .parts = parts, .nr_parts = 200, .scratch = scratch
	};

	make_file("one", 700, 10);
	make_file("two", 1 << 20, 20);
	assert_int_equal(open_concat(names, 2, NULL), 0);
	request.bytes = disk->bytes;
	memory = calloc(1, request.bytes);
	for (unsigned i = 0; i < 200; i++)
		parts[i] = (struct iovec){ memory + i * 10001, 10001 };
	parts[199].iov_len = request.bytes - 199 * 10001;
	assert_int_equal(disk_perform(disk, &request), 0);
	assert_memory_equal(memory + 512, "EFI PART", 8);
	assert_memory_equal(memory + request.bytes - 512, "EFI PART", 8);
	assert_int_equal(memory[(1 << 20) + 699], byte_at(699, 10));
	assert_int_equal(memory[(1 << 20) + 700], 0);
	for (uint64_t i = 0; i < 1 << 20; i++)
		assert_int_equal(memory[(2 << 20) + i], byte_at(i, 20));
	free(memory);
}

static void test_no_concat(void **state)
{
	static const char *const missing[] = { "one", "missing" };
	static const char *const long_name[] = { "a-name-of-thirty-seven-characters-12"
						 "34" };
	const char *many[DISK_FILES_MAX + 1];
	struct error err = {};

	make_file("one", 512, 10);
	assert_int_equal(open_concat(missing, 2, NULL), -ENOENT);
	assert_int_equal(open_concat(long_name, 1, &err), -EINVAL);
	for (unsigned i = 0; i <= DISK_FILES_MAX; i++)
		many[i] = "one";
	assert_int_equal(open_concat(many, DISK_FILES_MAX + 1, NULL), -E2BIG);
	assert_int_equal(open_concat(many, DISK_FILES_MAX, NULL), 0);
	expect((uint64_t)DISK_FILES_MAX << 20, 512, 0, 10);
}

#define WITH(test, setup)                                                                          \
	{                                                                                          \
#test " (" #setup ")", test, setup, teardown, NULL                                 \
	}
#define BY_BOTH(test) WITH(test, setup_uring), WITH(test, setup_threads)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BY_BOTH(test_raw),
		BY_BOTH(test_refused),
		BY_BOTH(test_part_of_a_sector),
		BY_BOTH(test_other_size),
		BY_BOTH(test_direct),
		BY_BOTH(test_many),
		BY_BOTH(test_concat),
		BY_BOTH(test_across),
		WITH(test_locks, setup_threads),
		WITH(test_no_disks, setup_threads),
		WITH(test_no_concat, setup_threads),
		cmocka_unit_test(test_crc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
