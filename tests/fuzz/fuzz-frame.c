/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-frame.c - packets as a client or a monitor might send them. What is taken for a frame lies
 * inside its packet, and its sentences end there.
 */
#include <stdlib.h>
#include <string.h>

#include "instance/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame frame;
	void *packet;

	/* A block of exactly this size, so that a read beyond it is seen; aligned as ours are. */
	packet = malloc(size ? size : 1);
	if (!packet)
		return 0;
	memcpy(packet, data, size);
	if (frame_parse(packet, size, &frame) == 0) {
		const uint8_t *payload = frame.payload;
		unsigned sum = 0;

		if (frame.type == 0 || frame.type >= FRAME_TYPE_COUNT ||
			frame.len != size - sizeof(struct frame_header))
			abort();
		for (size_t i = 0; i < frame.len; i++)
			sum += payload[i];
		if (frame.type == FRAME_RESULT)
			sum += (unsigned)strlen(
				((const struct frame_result *)frame.payload)->message);
		if (frame.type == FRAME_FAILED)
			sum += (unsigned)strlen(
				((const struct frame_failed *)frame.payload)->result.message);
		if (sum == 0xffffffffu)
			abort(); /* keeps the reads */
	}
	free(packet);
	return 0;
}
