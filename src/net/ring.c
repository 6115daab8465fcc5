/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c - see ring.h. A record is its frame's length in 32 bits, the frame, and padding to four
 * bytes; a length of RING_WRAP says that the next record is at the front. With frames in it, `next`
 * equals `first` never: that means empty, and both go to the front then, where the memory is warm.
 */
#include "net/ring.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "net/net.h"

#define RING_WRAP UINT32_MAX

int net_ring_init(struct net_ring *ring, size_t size, struct error *err)
{
	void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (bytes == MAP_FAILED)
		return error_errno(err, errno, "cannot get memory for frames");
	*ring = (struct net_ring){ .bytes = bytes, .size = size };
	return 0;
}

void net_ring_free(struct net_ring *ring)
{
	if (ring->bytes)
		munmap(ring->bytes, ring->size);
	ring->bytes = NULL;
}

static size_t record_bytes(size_t length)
{
	return sizeof(uint32_t) + ((length + 3) & ~(size_t)3);
}

static void put_length(struct net_ring *ring, size_t place, uint32_t length)
{
	memcpy(ring->bytes + place, &length, sizeof(length));
}

static uint32_t get_length(const struct net_ring *ring, size_t place)
{
	uint32_t length;

	memcpy(&length, ring->bytes + place, sizeof(length));
	return length;
}

/* Where a record of so many bytes can go; SIZE_MAX: nowhere. The end keeps room for a wrap. */
static size_t find_place(const struct net_ring *ring, size_t bytes)
{
	if (!ring->nr_frames)
		return bytes + sizeof(uint32_t) <= ring->size ? 0 : SIZE_MAX;
	if (ring->next < ring->first)
		return ring->next + bytes < ring->first ? ring->next : SIZE_MAX;
	if (ring->next + bytes + sizeof(uint32_t) <= ring->size)
		return ring->next;
	return bytes < ring->first ? 0 : SIZE_MAX;
}

bool net_ring_push_parts(
	struct net_ring *ring, const struct iovec *parts, unsigned nr_parts, size_t length)
{
	size_t place = find_place(ring, record_bytes(length)), at;

	if (place == SIZE_MAX || length > NET_RING_RECORD_MAX)
		return false;
	if (!ring->nr_frames)
		ring->first = 0;
	else if (place != ring->next)
		put_length(ring, ring->next, RING_WRAP);
	put_length(ring, place, (uint32_t)length);
	at = place + sizeof(uint32_t);
	for (unsigned i = 0; i < nr_parts; i++) {
		memcpy(ring->bytes + at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	ring->next = place + record_bytes(length);
	ring->nr_frames++;
	return true;
}

bool net_ring_push(struct net_ring *ring, const void *frame, size_t length)
{
	return net_ring_push_parts(ring, &(struct iovec){ (void *)frame, length }, 1, length);
}

bool net_ring_has_room(const struct net_ring *ring, size_t bytes)
{
	size_t free_bytes;

	if (!ring->nr_frames)
		free_bytes = ring->size;
	else if (ring->next < ring->first)
		free_bytes = ring->first - ring->next;
	else
		free_bytes = ring->size - ring->next + ring->first;
	/* At most one frame's worth is lost where the end is too short for it. */
	return free_bytes >= bytes + record_bytes(NET_RING_RECORD_MAX);
}

const uint8_t *net_ring_front(const struct net_ring *ring, size_t *ret_length)
{
	if (!ring->nr_frames)
		return NULL;
	*ret_length = get_length(ring, ring->first);
	return ring->bytes + ring->first + sizeof(uint32_t);
}

const uint8_t *net_ring_after(
	const struct net_ring *ring, const uint8_t *record, size_t *ret_length)
{
	size_t place = ring->first;

	if (record) {
		place = (size_t)(record - ring->bytes) - sizeof(uint32_t);
		place += record_bytes(get_length(ring, place));
		if (get_length(ring, place) == RING_WRAP)
			place = 0;
	}
	*ret_length = get_length(ring, place);
	return ring->bytes + place + sizeof(uint32_t);
}

void net_ring_pop(struct net_ring *ring)
{
	assert(ring->nr_frames);
	ring->first += record_bytes(get_length(ring, ring->first));
	if (!--ring->nr_frames)
		ring->first = ring->next = 0;
	else if (get_length(ring, ring->first) == RING_WRAP)
		ring->first = 0;
}
