/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-ring.c - frames come out of the ring as they went in, in whatever order that happens, and a
 * ring that says it has room has it.
 */
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "net/net.h"
#include "net/ring.h"

#define RING_BYTES (300u << 10)
#define STEPS	   200000

static uint8_t frame[NET_FRAME_MAX];

static void fill(uint32_t number, size_t length)
{
	memset(frame, (int)(number * 31 + 7), length);
	memcpy(frame, &number, length < sizeof(number) ? length : sizeof(number));
}

static uint32_t random_below(uint32_t *seed, uint32_t end)
{
	*seed = *seed * 1664525 + 1013904223;
	return (uint32_t)((uint64_t)*seed * end >> 32);
}

static void test_random(void **state)
{
	struct net_ring ring;
	uint32_t seed = 1, put = 0, got = 0;
	static size_t lengths[STEPS];
	size_t length, waiting = 0;

	assert_int_equal(net_ring_init(&ring, RING_BYTES, NULL), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		/* Phases of more in than out, and the other way round; some frames are large. */
		bool is_in = random_below(&seed, 100) < (step / 1000 % 2 ? 70 : 30);
		const uint8_t *front;

		if (is_in) {
			bool had_room;

			length = random_below(&seed, 20) ? 4 + random_below(&seed, 1600)
							 : random_below(&seed, NET_FRAME_MAX + 1);
			fill(put, length);
			had_room = net_ring_has_room(&ring, length);
			if (net_ring_push(&ring, frame, length)) {
				lengths[put++] = length;
				waiting += length;
				assert_true(waiting <= RING_BYTES);
			} else {
				assert_false(had_room);
			}
			continue;
		}
		front = net_ring_front(&ring, &length);
		assert_int_equal(front != NULL, got < put);
		if (!front)
			continue;
		assert_int_equal(length, lengths[got]);
		fill(got++, length);
		assert_memory_equal(front, frame, length);
		waiting -= length;
		net_ring_pop(&ring);
	}
	assert_true(put > 1000);
	net_ring_free(&ring);
}

static void test_limits(void **state)
{
	struct net_ring ring;

	assert_int_equal(net_ring_init(&ring, 4096, NULL), 0);
	assert_false(net_ring_push(&ring, frame, 4096));
	assert_false(net_ring_push(&ring, frame, NET_FRAME_MAX));
	assert_true(net_ring_push(&ring, frame, 4096 - 8));
	assert_false(net_ring_push(&ring, frame, 0));
	net_ring_pop(&ring);
	assert_int_equal(ring.nr_frames, 0);
	assert_true(net_ring_push(&ring, frame, 0));
	net_ring_free(&ring);
	net_ring_free(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
