/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-memory.c - guest memory is where it was asked for, ends where it ends, costs nothing until
 * it is touched, and tells whoever translated from it what was written.
 */
#include "unit/test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "vm/vm.h"

#define START UINT64_C(0x80000000)
#define SIZE  (UINT64_C(4) << 20)

static struct vm_memory memory;

static int setup(void **state)
{
	vm_memory_init(&memory);
	return vm_memory_add(&memory, START, SIZE, NULL);
}

static int teardown(void **state)
{
	vm_memory_destroy(&memory);
	return 0;
}

static void test_bounds(void **state)
{
	uint8_t *first = vm_memory_at(&memory, START, SIZE);

	assert_non_null(first);
	assert_ptr_equal(vm_memory_at(&memory, START + SIZE - 1, 1), first + SIZE - 1);
	assert_null(vm_memory_at(&memory, START - 1, 1));
	assert_null(vm_memory_at(&memory, START - 1, 2));
	assert_null(vm_memory_at(&memory, START + SIZE, 1));
	assert_null(vm_memory_at(&memory, START + SIZE - 1, 2));
	assert_null(vm_memory_at(&memory, START, SIZE + 1));
	assert_null(vm_memory_at(&memory, START + 16, UINT64_MAX - 8));
	assert_null(vm_memory_at(&memory, UINT64_MAX, 2));
}

static void test_refused(void **state)
{
	struct error err = { 0 };

	assert_int_equal(vm_memory_add(&memory, START + SIZE - 4096, 8192, &err), -EEXIST);
	assert_int_equal(vm_memory_add(&memory, START - 4096, 8192, &err), -EEXIST);
	assert_int_equal(vm_memory_add(&memory, 0, 0, &err), -EINVAL);
	assert_int_equal(vm_memory_add(&memory, 0, 100, &err), -EINVAL);
	assert_int_equal(vm_memory_add(&memory, 100, 4096, &err), -EINVAL);
	assert_int_equal(vm_memory_add(&memory, UINT64_MAX - 4095, 8192, &err), -EINVAL);
	for (unsigned i = 1; i < VM_REGIONS_MAX; i++)
		assert_int_equal(vm_memory_add(&memory, 8192 * i, 4096, &err), 0);
	assert_int_equal(vm_memory_add(&memory, 0, 4096, &err), -ENOSPC);
	assert_null(vm_memory_at(&memory, 8192, 4097));
	assert_non_null(vm_memory_at(&memory, 8192, 4096));
}

static void test_copies(void **state)
{
	char text[8] = "";

	assert_int_equal(vm_memory_write(&memory, START + SIZE - 8, "seventh", 8), 0);
	assert_int_equal(vm_memory_read(&memory, START + SIZE - 8, text, 8), 0);
	assert_string_equal(text, "seventh");
	assert_int_equal(vm_memory_write(&memory, START + SIZE - 7, "SEVENTH", 8), -EFAULT);
	assert_int_equal(vm_memory_read(&memory, START + SIZE - 7, text, 8), -EFAULT);
	assert_string_equal(text, "seventh");
}

/* 64 GiB: more than a host needs to have. */
static void test_lazy(void **state)
{
	const struct vm_region *region;
	struct stat st;

	assert_int_equal(vm_memory_add(&memory, UINT64_C(1) << 40, UINT64_C(1) << 36, NULL), 0);
	region = vm_memory_region(&memory, UINT64_C(1) << 40, 1);
	assert_non_null(region);
	assert_int_equal(fstat(region->fd, &st), 0);
	assert_int_equal(st.st_size, UINT64_C(1) << 36);
	assert_int_equal(st.st_blocks, 0);
	region->host[region->size - 1] = 1;
	assert_int_equal(fstat(region->fd, &st), 0);
	assert_true(st.st_blocks > 0 && st.st_blocks <= (2 << 20) / 512);
}

static void test_discard(void **state)
{
	uint8_t *host = vm_memory_at(&memory, START, SIZE);
	const struct vm_region *region = vm_memory_region(&memory, START, 1);
	struct stat st;

	memset(host, 7, SIZE);
	assert_int_equal(vm_memory_discard(&memory, START + 4096, SIZE - 8192), 0);
	assert_int_equal(host[4095], 7);
	assert_int_equal(host[4096], 0);
	assert_int_equal(host[SIZE - 4097], 0);
	assert_int_equal(host[SIZE - 4096], 7);
	assert_int_equal(fstat(region->fd, &st), 0);
	assert_true(st.st_blocks < (off_t)(SIZE / 512));
	assert_int_equal(vm_memory_discard(&memory, START + 1, 4096), -EINVAL);
	assert_int_equal(vm_memory_discard(&memory, START, 4095), -EINVAL);
	assert_int_equal(vm_memory_discard(&memory, START + SIZE, 4096), -EFAULT);
	assert_int_equal(vm_memory_discard(&memory, START, 0), 0);
}

/* Memory of this process alone: it begins where large pages do, is 0 and costs nothing until it is
 * touched, and all of it can be given back and be a file's. */
static void test_private(void **state)
{
	_cleanup_close_ int fd = memfd_create("test", MFD_CLOEXEC);
	struct vm_memory own;
	uint8_t *host;

	vm_memory_init(&own);
	own.is_private = true;
	assert_int_equal(vm_memory_add(&own, 0, 3 * 4096, NULL), 0);
	assert_int_equal(vm_memory_add(&own, UINT64_C(1) << 40, UINT64_C(1) << 36, NULL), 0);
	for (unsigned i = 0; i < own.nr_regions; i++) {
		assert_int_equal(own.regions[i].fd, -1);
		assert_int_equal((uintptr_t)own.regions[i].host % (2 << 20), 0);
		own.regions[i].host[own.regions[i].size - 1] = 1;
	}
	host = own.regions[0].host;
	memset(host, 7, 3 * 4096);
	assert_int_equal(vm_memory_discard(&own, 4096, 4096), 0);
	assert_int_equal(host[4095] << 8 | host[8192], 0x0707);
	assert_int_equal(host[4096] | host[8191], 0);
	assert_int_equal(ftruncate(fd, 3 * 4096), 0);
	assert_int_equal(pwrite(fd, "file", 4, 4096), 4);
	assert_int_equal(vm_memory_restore(&own, 0, fd), 0);
	assert_string_equal((char *)host + 4096, "file");
	assert_int_equal(vm_memory_discard(&own, 4096, 4096), 0);
	assert_int_equal(host[4096], 0);
	vm_memory_destroy(&own);
}

static uint64_t changed[4][2];
static unsigned nr_changed;

static void note_change(void *context, uint64_t start, uint64_t size)
{
	assert_ptr_equal(context, &memory);
	assert_true(nr_changed < 4);
	changed[nr_changed][0] = start;
	changed[nr_changed++][1] = size;
}

static void test_written(void **state)
{
	const struct vm_region *region = vm_memory_region(&memory, START, 1);
	char bytes[8192] = "";

	memory.code_changed = note_change;
	memory.context = &memory;
	nr_changed = 0;
	vm_page_mark(vm_page(region, START + 2 * 4096), VM_PAGE_HAS_CODE);
	vm_page_mark(vm_page(region, START + 4 * 4096), VM_PAGE_HAS_CODE);
	assert_int_equal(vm_memory_write(&memory, START, bytes, 8192), 0);
	assert_int_equal(nr_changed, 0);
	assert_int_equal(vm_memory_write(&memory, START + 2 * 4096 - 4, bytes, 8), 0);
	assert_int_equal(nr_changed, 1);
	assert_int_equal(changed[0][0], START + 2 * 4096);
	assert_int_equal(changed[0][1], 4);
	assert_int_equal(vm_memory_discard(&memory, START + 2 * 4096, 3 * 4096), 0);
	assert_int_equal(nr_changed, 3);
	assert_int_equal(changed[1][0], START + 2 * 4096);
	assert_int_equal(changed[2][0], START + 4 * 4096);
	assert_int_equal(changed[2][1], 4096);
	/* What is noted of pages: written, and only those that were are forgotten. */
	assert_true(vm_page_is(vm_page(region, START), VM_PAGE_DIRTY));
	assert_false(vm_page_is(vm_page(region, START + 8 * 4096), VM_PAGE_DIRTY));
	vm_memory_clean(&memory);
	assert_false(vm_page_is(vm_page(region, START), VM_PAGE_DIRTY));
	assert_true(vm_page_is(vm_page(region, START + 2 * 4096), VM_PAGE_HAS_CODE));
	vm_page_clear(vm_page(region, START + 2 * 4096), VM_PAGE_HAS_CODE);
	assert_int_equal(vm_memory_write(&memory, START + 2 * 4096, bytes, 8), 0);
	assert_int_equal(nr_changed, 3);
}

/* From a file with holes: mapped for us alone, or copied to where others see it, too. */
static void test_restored(void **state)
{
	const struct vm_region *region = &memory.regions[0];
	int fd = memfd_create("saved", 0);
	uint8_t *other;
	char word[6] = "";

	assert_int_equal(ftruncate(fd, (off_t)region->size - 4096), 0);
	assert_int_equal(vm_memory_load(&memory, 0, fd), -EINVAL);
	assert_int_equal(vm_memory_restore(&memory, 0, fd), -EINVAL);
	assert_int_equal(ftruncate(fd, (off_t)region->size), 0);
	assert_int_equal(pwrite(fd, "saved", 5, 3 * 4096 + 7), 5);
	other = mmap(NULL, region->size, PROT_READ, MAP_SHARED, region->fd, 0);
	assert_true(other != MAP_FAILED);
	assert_int_equal(vm_memory_load(&memory, 0, fd), 0);
	assert_memory_equal(other + 3 * 4096 + 7, "saved", 5);
	assert_int_equal(other[2 * 4096], 0);
	assert_int_equal(vm_memory_restore(&memory, 0, fd), 0);
	assert_int_equal(vm_memory_write(&memory, START + 3 * 4096 + 7, "other", 5), 0);
	assert_int_equal(pread(fd, word, 5, 3 * 4096 + 7), 5);
	assert_string_equal(word, "saved");
	munmap(other, region->size);
	close(fd);
}

/* Pages of another file, and zeros, on top of that. */
static void test_patched(void **state)
{
	const struct vm_region *region = &memory.regions[0];
	int fd = memfd_create("patch", 0), shared = memory.regions[0].fd >= 0;
	char *bytes = (char *)region->host;

	assert_int_equal(ftruncate(fd, 2 * 4096), 0);
	assert_int_equal(pwrite(fd, "second", 6, 4096), 6);
	memcpy(bytes + 3 * 4096, "before", 6);
	memcpy(bytes + 4 * 4096, "before", 6);
	memcpy(bytes + 5 * 4096, "before", 6);
	assert_int_equal(vm_memory_patch(&memory, 0, 3 * 4096, 4096, fd, 4096), 0);
	assert_int_equal(vm_memory_patch(&memory, 0, 4 * 4096, 4096, -1, 0), 0);
	assert_string_equal(bytes + 3 * 4096, "second");
	assert_string_equal(bytes + 4 * 4096, "");
	assert_string_equal(bytes + 5 * 4096, "before");
	/* Whoever has mapped the region sees the same. */
	if (shared) {
		char other[7] = "";

		assert_int_equal(pread(region->fd, other, 6, 3 * 4096), 6);
		assert_string_equal(other, "second");
	}
	/* What is no page, or not in the region. */
	assert_int_equal(vm_memory_patch(&memory, 0, 100, 4096, fd, 0), -EINVAL);
	assert_int_equal(vm_memory_patch(&memory, 0, 0, 0, fd, 0), -EINVAL);
	assert_int_equal(vm_memory_patch(&memory, 0, 0, 4096, fd, 100), -EINVAL);
	assert_int_equal(vm_memory_patch(&memory, 0, region->size, 4096, fd, 0), -EINVAL);
	assert_int_equal(vm_memory_patch(&memory, 0, 4096, region->size, fd, 0), -EINVAL);
	/* And of one that is ours alone. */
	assert_int_equal(ftruncate(fd, (off_t)region->size), 0);
	assert_int_equal(vm_memory_restore(&memory, 0, fd), 0);
	assert_int_equal(vm_memory_patch(&memory, 0, 3 * 4096, 4096, fd, 4096), 0);
	assert_string_equal(bytes + 3 * 4096, "second");
	assert_int_equal(vm_memory_patch(&memory, 0, 3 * 4096, 4096, -1, 0), 0);
	assert_string_equal(bytes + 3 * 4096, "");
	assert_int_equal(pwrite(fd, "", 1, 0), 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lazy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_private, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restored, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patched, setup, teardown),
	};

	return cmocka_run_group_tests_name("vm/memory", tests, NULL, NULL);
}
