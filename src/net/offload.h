/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offload.h - checks of what a frame leaves undone (struct net_frame.offload), and doing it. A
 * frame lies in one piece here. Nothing is allocated, and the frame is only read.
 */
#pragma once

#include <stddef.h>

#include "net/net.h"

#define NET_SEGMENTS_MAX       128 /* of one frame: 512 bytes in each of the largest */
#define NET_SEGMENT_HEADER_MAX 256 /* Ethernet's, IP's and TCP's */

/* The sum of 16-bit words in memory order (RFC 1071), folded to 16 bits; goes on from `sum`, with
 * an even number of bytes before. */
uint16_t net_sum(uint16_t sum, const uint8_t *bytes, size_t length);

/* Does it make sense? -EINVAL: no. */
int net_offload_check(const uint8_t *frame, size_t length, const struct virtio_net_hdr *offload);
/* Who gets the frame as it is has to take these: some of enum net_offload. */
unsigned net_offload_needs(const struct virtio_net_hdr *offload);

/* A large TCP segment that is being cut up. */
struct net_segments {
	const uint8_t *frame;
	size_t length, segment_bytes;
	size_t done; /* bytes of the payload */
	unsigned nr_done;
	unsigned ip, tcp, header_bytes; /* where IP and TCP begin, and the payload */
	bool is_ip6;
};

/* -EINVAL: it cannot be. */
int net_segments_start(struct net_segments *s, const uint8_t *frame, size_t length,
	const struct virtio_net_hdr *offload);
/* The next one, with all checksums: its headers (s->header_bytes) are put into `header`, how many
 * bytes of the frame's payload follow is returned. 0: that was the last. */
size_t net_segments_next(
	struct net_segments *s, uint8_t header[NET_SEGMENT_HEADER_MAX], const uint8_t **ret_bytes);
