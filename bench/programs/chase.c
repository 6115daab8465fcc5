/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chase.c - follow pointers through memory that no cache holds: each load needs the one before, so
 * the time is the memory's, whatever executes the loads.
 */
#include "program.h"

#define NR_CELLS (1 << 22)

struct cell {
	struct cell *next;
};

static struct cell cells[NR_CELLS];

/* One cycle through all cells, in random order (Sattolo's algorithm). */
static void link_cells(void)
{
	static uint32_t order[NR_CELLS];
	uint64_t state = 3;

	for (uint32_t i = 0; i < NR_CELLS; i++)
		order[i] = i;
	for (uint32_t i = NR_CELLS - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(program_random(&state) % i), t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
	for (uint32_t i = 0; i < NR_CELLS; i++)
		cells[order[i]].next = &cells[order[(i + 1) % NR_CELLS]];
}

int main(int argc, char **argv)
{
	unsigned count = program_count(argc, argv, 5000000);
	uint64_t sum = PROGRAM_SUM_START;
	const struct cell *at = cells;

	link_cells();
	for (unsigned i = 0; i < count; i++)
		at = at->next;
	return program_end("chase", program_sum(sum, (uint64_t)(at - cells)));
}
