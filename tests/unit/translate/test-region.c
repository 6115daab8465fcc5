/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-region.c - the map of regions, held against an array with an entry for each page.
 */
#include "unit/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "translate/memory.h"

#define PAGES	 64
#define BASE	 0x100000u
#define ROUNDS	 200000
#define CAPACITY 40

struct page {
	bool is_there;
	uint32_t prot;
	uint8_t kind;
};

static struct region storage[CAPACITY];

static uint64_t address(unsigned page)
{
	return BASE + page * GUEST_PAGE;
}

static void check_against(const struct region_map *map, const struct page *pages)
{
	unsigned page = 0;

	for (size_t i = 0; i < map->count; i++) {
		const struct region *r = &map->regions[i];

		assert_true(r->start < r->end);
		for (; address(page) < r->start; page++)
			assert_false(pages[page].is_there);
		for (; address(page) < r->end; page++) {
			assert_true(pages[page].is_there);
			assert_int_equal(pages[page].prot, r->prot);
			assert_int_equal(pages[page].kind, r->kind);
		}
		/* Neighbours that are alike are one. */
		if (i && map->regions[i - 1].end == r->start && r->kind != REGION_SEGMENT)
			assert_true(map->regions[i - 1].prot != r->prot ||
				map->regions[i - 1].kind != r->kind ||
				map->regions[i - 1].was_writable != r->was_writable);
	}
	for (; page < PAGES; page++)
		assert_false(pages[page].is_there);
}

static void check_questions(const struct region_map *map, const struct page *pages)
{
	unsigned first = (unsigned)(rand() % PAGES), last = first + 1 + (unsigned)(rand() % 4);
	unsigned end = first, size = 1 + (unsigned)(rand() % 5);
	bool is_free = true, has_code = false;
	uint64_t found;

	for (unsigned i = first; i < last && i < PAGES; i++) {
		is_free = is_free && !pages[i].is_there;
		has_code = has_code || (pages[i].is_there && (pages[i].prot & PROT_EXEC));
	}
	assert_int_equal(region_is_free(map, address(first), address(last)), is_free);
	assert_int_equal(region_has_code(map, address(first), address(last)), has_code);
	while (end < PAGES && pages[end].is_there && (pages[end].prot & PROT_EXEC))
		end++;
	assert_int_equal(region_code_end(map, address(first)), address(end));
	found = region_find_free(map, size * GUEST_PAGE, GUEST_PAGE, BASE, address(PAGES));
	for (unsigned at = PAGES - size + 1; at-- > 0;) {
		bool fits = true;

		for (unsigned i = at; i < at + size; i++)
			fits = fits && !pages[i].is_there;
		if (fits) {
			assert_int_equal(found, address(at));
			return;
		}
	}
	assert_int_equal(found, 0);
}

static void random_changes(void **state)
{
	struct region_map map = { storage, 0, CAPACITY };
	struct page pages[PAGES] = { 0 };

	srand(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned first = (unsigned)(rand() % PAGES);
		unsigned size = 1 + (unsigned)(rand() % 9);
		unsigned last = first + size < PAGES ? first + size : PAGES;
		struct region region = { .start = address(first),
			.end = address(last),
			.prot = (uint32_t)(rand() % 8),
			.kind = rand() % 16 ? REGION_PLAIN : REGION_SEGMENT };
		struct page before[PAGES];
		int r;

		memcpy(before, pages, sizeof(before));
		if (rand() % 2) {
			r = region_insert(&map, &region);
			for (unsigned i = first; i < last; i++)
				pages[i] = (struct page){ true, region.prot, region.kind };
		} else {
			r = region_remove(&map, region.start, region.end);
			for (unsigned i = first; i < last; i++)
				pages[i].is_there = false;
		}
		/* What does not fit changes nothing. */
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_true(map.count + 2 >= CAPACITY);
			memcpy(pages, before, sizeof(pages));
		}
		check_against(&map, pages);
		check_questions(&map, pages);
	}
}

static void protecting_stops_at_a_hole(void **state)
{
	struct region_map map = { storage, 0, CAPACITY };
	struct region a = { .start = address(1), .end = address(5), .prot = PROT_READ };
	struct region b = { .start = address(6), .end = address(9), .prot = PROT_READ };

	region_insert(&map, &a);
	region_insert(&map, &b);
	assert_int_equal(map.count, 2);
	assert_int_equal(region_protect(&map, address(3), address(8), PROT_NONE), -ENOMEM);
	assert_int_equal(map.count, 3);
	assert_int_equal(map.regions[1].start, address(3));
	assert_int_equal(map.regions[1].prot, PROT_NONE);
	assert_int_equal(map.regions[2].prot, PROT_READ);
	assert_int_equal(region_protect(&map, address(3), address(5), PROT_READ), 0);
	assert_int_equal(map.count, 2);
	/* What was writable once is remembered. */
	assert_int_equal(region_protect(&map, address(6), address(7), PROT_WRITE), 0);
	assert_int_equal(region_protect(&map, address(6), address(7), PROT_READ | PROT_EXEC), 0);
	assert_true(map.regions[1].was_writable && !map.regions[2].was_writable);
}

static void gaps_are_aligned(void **state)
{
	struct region_map map = { storage, 0, CAPACITY };
	struct region a = { .start = address(40), .end = address(48) };
	uint64_t huge = 16 * GUEST_PAGE;

	region_insert(&map, &a);
	assert_int_equal(
		region_find_free(&map, GUEST_PAGE, huge, BASE, address(PAGES)), address(48));
	assert_int_equal(region_find_free(&map, huge, huge, BASE, address(63)), address(16));
	assert_int_equal(region_find_free(&map, 1, GUEST_PAGE, BASE, BASE), 0);
	/* No overflow where nothing can fit. */
	assert_int_equal(region_find_free(&map, ~UINT64_C(0), GUEST_PAGE, BASE, address(63)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes),
		cmocka_unit_test(protecting_stops_at_a_hole),
		cmocka_unit_test(gaps_are_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
