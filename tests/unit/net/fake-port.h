/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake-port.h - the far end of a cable in a test's hands: it gives the frames that the test has put
 * there, and keeps those that it gets, as long as it has room.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/net.h"

#define FAKE_FRAMES_MAX 300

struct fake_frame {
	uint8_t *bytes;
	uint32_t length;
	struct virtio_net_hdr offload;
};

struct fake_port {
	struct net_port port;
	struct fake_frame gives[FAKE_FRAMES_MAX], got[FAKE_FRAMES_MAX];
	unsigned nr_gives, next_given, nr_got;
	unsigned room; /* frames that it takes before it is full */
	unsigned calls; /* of send() */
	bool is_closed;
};

static inline void fake_keep(struct fake_frame *frame, const void *bytes, uint32_t length,
	const struct virtio_net_hdr *offload)
{
	frame->bytes = malloc(length ? length : 1);
	memcpy(frame->bytes, bytes, length);
	frame->length = length;
	frame->offload = offload ? *offload : (struct virtio_net_hdr){ 0 };
}

static inline unsigned fake_send(struct net_port *port, const struct net_frame *frames, unsigned nr)
{
	struct fake_port *fake = container_of(port, struct fake_port, port);
	unsigned i;

	fake->calls++;
	for (i = 0; i < nr && fake->room && fake->nr_got < FAKE_FRAMES_MAX; i++, fake->room--) {
		struct fake_frame *frame = &fake->got[fake->nr_got++];
		uint32_t done = 0;

		frame->bytes = malloc(frames[i].length + 1);
		for (unsigned k = 0; k < frames[i].nr_parts; k++) {
			const struct iovec *part = &frames[i].parts[k];

			/* The length is that of all parts, or we write beyond our memory. */
			if (part->iov_len > frames[i].length - done)
				abort();
			memcpy(frame->bytes + done, part->iov_base, part->iov_len);
			done += (uint32_t)part->iov_len;
		}
		if (done != frames[i].length)
			abort();
		frame->length = done;
		frame->offload = frames[i].offload;
	}
	return i;
}

static inline size_t fake_next_length(struct net_port *port)
{
	struct fake_port *fake = container_of(port, struct fake_port, port);

	return fake->next_given < fake->nr_gives ? fake->gives[fake->next_given].length : 0;
}

static inline unsigned fake_receive(struct net_port *port, struct net_frame *frames, unsigned nr)
{
	struct fake_port *fake = container_of(port, struct fake_port, port);
	unsigned i;

	for (i = 0; i < nr && fake->next_given < fake->nr_gives; i++, fake->next_given++) {
		const struct fake_frame *frame = &fake->gives[fake->next_given];

		frames[i].length = frame->length;
		if (frame->length > frames[i].parts->iov_len)
			frames[i].length = 0;
		memcpy(frames[i].parts->iov_base, frame->bytes, frames[i].length);
		frames[i].offload = frame->offload;
	}
	return i;
}

static inline int fake_set_offloads(struct net_port *port, unsigned offloads, struct error *err)
{
	return offloads & ~port->gives ? -EOPNOTSUPP : 0;
}

/* What it has kept is forgotten. */
static inline void fake_reset(struct fake_port *fake)
{
	for (unsigned i = 0; i < fake->nr_gives; i++)
		free(fake->gives[i].bytes);
	for (unsigned i = 0; i < fake->nr_got; i++)
		free(fake->got[i].bytes);
	fake->nr_gives = fake->next_given = fake->nr_got = fake->calls = 0;
	fake->room = FAKE_FRAMES_MAX;
}

static inline void fake_close(struct net_port *port)
{
	struct fake_port *fake = container_of(port, struct fake_port, port);

	fake_reset(fake);
	fake->is_closed = true;
}

static const struct net_port_ops fake_ops = {
	.name = "fake",
	.send = fake_send,
	.next_length = fake_next_length,
	.receive = fake_receive,
	.set_offloads = fake_set_offloads,
	.close = fake_close,
};

static inline void fake_init(struct fake_port *fake, unsigned takes)
{
	*fake = (struct fake_port){
		.port = { .ops = &fake_ops, .takes = takes, .gives = ~0u, .mtu = NET_MTU_MAX },
		.room = FAKE_FRAMES_MAX
	};
}

/* A frame that it has for whoever holds it. */
static inline void fake_give(struct fake_port *fake, const void *bytes, size_t length,
	const struct virtio_net_hdr *offload)
{
	fake_keep(&fake->gives[fake->nr_gives++], bytes, (uint32_t)length, offload);
}

/* Tell the holder, until it has taken everything. */
static inline void fake_ready(struct fake_port *fake)
{
	fake->port.ready(&fake->port, fake->port.context);
}
