/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.c - a sorted array of regions.
 *
 * Every change is one splice: the regions that [start, end) touches are replaced by at most three,
 * what is left of the first, what is new, and what is left of the last; neighbours that have become
 * alike are merged with them. A change that would make the array too long is refused before it
 * begins.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "translate/memory.h"

size_t region_find(const struct region_map *map, uint64_t address)
{
	size_t low = 0, high = map->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->regions[middle].end > address)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool region_is_free(const struct region_map *map, uint64_t start, uint64_t end)
{
	size_t i = region_find(map, start);

	return i == map->count || map->regions[i].start >= end;
}

uint64_t region_find_free(
	const struct region_map *map, uint64_t size, uint64_t align, uint64_t bottom, uint64_t top)
{
	size_t i = region_find(map, top);
	uint64_t end = top; /* of the gap that is looked at */

	if (i < map->count && map->regions[i].start < top)
		end = map->regions[i].start;
	for (;; end = map->regions[--i].start) {
		uint64_t start = i ? map->regions[i - 1].end : 0, place;

		if (start < bottom)
			start = bottom;
		if (end >= start && end - start >= size) {
			place = (end - size) & ~(align - 1);
			if (place >= start && place)
				return place;
		}
		if (!i || end <= bottom)
			return 0;
	}
}

static bool are_alike(const struct region *a, const struct region *b)
{
	return a->end == b->start && a->prot == b->prot && a->kind == b->kind &&
		a->is_file == b->is_file && a->is_shared == b->is_shared &&
		a->was_writable == b->was_writable && a->kind != REGION_SEGMENT;
}

/* Append to `parts`, merging. */
static size_t add(struct region *parts, size_t n, struct region region)
{
	if (region.start >= region.end)
		return n;
	if (n && are_alike(&parts[n - 1], &region)) {
		parts[n - 1].end = region.end;
		return n;
	}
	parts[n] = region;
	return n + 1;
}

/* Replace what is in [start, end) by `new`; NULL: by nothing. */
static int splice(struct region_map *map, uint64_t start, uint64_t end, const struct region *new)
{
	size_t first = region_find(map, start), last = first, n = 0;
	struct region parts[5];

	while (last < map->count && map->regions[last].start < end)
		last++;
	/* Neighbours that only touch may be merged. */
	if (first && map->regions[first - 1].end == start)
		first--;
	if (last < map->count && map->regions[last].start == end)
		last++;
	for (size_t i = first; i < last; i++) {
		struct region left = map->regions[i];

		if (left.start >= start)
			break;
		left.end = left.end < start ? left.end : start;
		n = add(parts, n, left);
	}
	if (new)
		n = add(parts, n, *new);
	for (size_t i = last > first + 2 ? last - 2 : first; i < last; i++) {
		struct region right = map->regions[i];

		right.start = right.start > end ? right.start : end;
		n = add(parts, n, right);
	}
	if (map->count - (last - first) + n > map->capacity)
		return -ENOMEM;
	memmove(map->regions + first + n, map->regions + last,
		(map->count - last) * sizeof(*map->regions));
	memcpy(map->regions + first, parts, n * sizeof(*parts));
	map->count = map->count - (last - first) + n;
	return 0;
}

int region_insert(struct region_map *map, const struct region *region)
{
	return splice(map, region->start, region->end, region);
}

int region_remove(struct region_map *map, uint64_t start, uint64_t end)
{
	return splice(map, start, end, NULL);
}

int region_protect(struct region_map *map, uint64_t start, uint64_t end, uint32_t prot)
{
	while (start < end) {
		size_t i = region_find(map, start);
		struct region part;
		int r;

		if (i == map->count || map->regions[i].start > start)
			return -ENOMEM;
		part = map->regions[i];
		part.start = start;
		if (part.end > end)
			part.end = end;
		part.prot = prot;
		part.was_writable |= (prot & PROT_WRITE) != 0;
		start = part.end;
		r = splice(map, part.start, part.end, &part);
		if (r < 0)
			return r;
	}
	return 0;
}

bool region_has_code(const struct region_map *map, uint64_t start, uint64_t end)
{
	for (size_t i = region_find(map, start); i < map->count; i++) {
		if (map->regions[i].start >= end)
			return false;
		if (map->regions[i].prot & PROT_EXEC)
			return true;
	}
	return false;
}

uint64_t region_code_end(const struct region_map *map, uint64_t address)
{
	for (size_t i = region_find(map, address); i < map->count; i++) {
		const struct region *region = &map->regions[i];

		if (region->start > address || !(region->prot & PROT_EXEC))
			break;
		address = region->end;
	}
	return address;
}
