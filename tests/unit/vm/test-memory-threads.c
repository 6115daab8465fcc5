/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-memory-threads.c - of one who translates a page and one who writes to it at the same moment,
 * at least one sees the other (vm.h, enum vm_page).
 */
#include "unit/test.h"

#include <pthread.h>
#include <string.h>

#include "vm/vm.h"

#define START  UINT64_C(0x80000000)
#define ROUNDS 20000

static struct vm_memory memory;
static pthread_barrier_t together;
static unsigned nr_told;

static void note_change(void *context, uint64_t start, uint64_t size)
{
	__atomic_fetch_add(&nr_told, 1, __ATOMIC_SEQ_CST);
}

static void *write_code(void *unused)
{
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		pthread_barrier_wait(&together);
		vm_memory_write(&memory, START, &i, sizeof(i));
		pthread_barrier_wait(&together);
	}
	return NULL;
}

static void test_translate_and_write(void **state)
{
	const struct vm_region *region = vm_memory_region(&memory, START, 1);
	const uint32_t *code = (const uint32_t *)region->host;
	uint8_t *page = vm_page(region, START);
	unsigned missed = 0;
	pthread_t writer;

	memory.code_changed = note_change;
	assert_int_equal(pthread_create(&writer, NULL, write_code, NULL), 0);
	for (uint32_t i = 1; i <= ROUNDS; i++) {
		uint32_t seen;

		vm_page_clear(page, VM_PAGE_HAS_CODE);
		nr_told = 0;
		pthread_barrier_wait(&together);
		vm_page_mark(page, VM_PAGE_HAS_CODE);
		seen = __atomic_load_n(code, __ATOMIC_RELAXED);
		pthread_barrier_wait(&together);
		missed += seen != i && nr_told == 0;
	}
	pthread_join(writer, NULL);
	assert_int_equal(missed, 0);
}

static int setup(void **state)
{
	vm_memory_init(&memory);
	pthread_barrier_init(&together, NULL, 2);
	return vm_memory_add(&memory, START, 1 << 20, NULL);
}

static int teardown(void **state)
{
	vm_memory_destroy(&memory);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translate_and_write),
	};

	return cmocka_run_group_tests_name("vm/memory-threads", tests, setup, teardown);
}
