/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.c - what all ports have in common: how they end, and checksums (RFC 1071).
 */
#include "net/net.h"

#include <string.h>

#include "net/offload.h"

struct net_port *net_port_close(struct net_port *port)
{
	if (port)
		port->ops->close(port);
	return NULL;
}

uint16_t net_sum(uint16_t start, const uint8_t *bytes, size_t length)
{
	uint64_t sum = start;

	for (; length >= 4; bytes += 4, length -= 4) {
		uint32_t word;

		memcpy(&word, bytes, sizeof(word));
		sum += word;
	}
	if (length) {
		uint32_t word = 0;

		memcpy(&word, bytes, length);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

int net_finish_checksum(uint8_t *frame, size_t length, const struct virtio_net_hdr *offload)
{
	size_t start = offload->csum_start;
	size_t place = start + offload->csum_offset;
	uint16_t sum;

	if (start >= length || place + sizeof(sum) > length)
		return -EINVAL;
	sum = (uint16_t)~net_sum(0, frame + start, length - start);
	/* 0 means "no checksum" in UDP; both are zero in this arithmetic. */
	if (!sum)
		sum = 0xffff;
	memcpy(frame + place, &sum, sizeof(sum));
	return 0;
}
