/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - frames that wait for the guest, one behind the other in one piece of memory that is made
 * once. Each lies in one part; what does not fit behind the last goes to the front.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/net.h"

/* A frame, and what is left to do for it. */
#define NET_RING_RECORD_MAX (NET_FRAME_MAX + sizeof(struct virtio_net_hdr))

struct net_ring {
	uint8_t *bytes;
	size_t size;
	size_t first; /* where the oldest frame is */
	size_t next; /* where the next one goes */
	size_t nr_frames;
};

/* `size` bytes, which cost nothing until frames wait in them. */
int net_ring_init(struct net_ring *ring, size_t size, struct error *err);
void net_ring_free(struct net_ring *ring);

/* false: no room. */
bool net_ring_push(struct net_ring *ring, const void *frame, size_t length);
/* In parts, which have `length` bytes in all. */
bool net_ring_push_parts(
	struct net_ring *ring, const struct iovec *parts, unsigned nr_parts, size_t length);
/* Will frames of so many bytes in all, each at most NET_RING_RECORD_MAX, find room? */
bool net_ring_has_room(const struct net_ring *ring, size_t bytes);
/* The oldest frame, or NULL. It stays until net_ring_pop(). */
const uint8_t *net_ring_front(const struct net_ring *ring, size_t *ret_length);
/* The one behind `record`, which must be there; NULL: the oldest. */
const uint8_t *net_ring_after(
	const struct net_ring *ring, const uint8_t *record, size_t *ret_length);
void net_ring_pop(struct net_ring *ring);
