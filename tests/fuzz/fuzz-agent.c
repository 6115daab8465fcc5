/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-agent.c - what a guest might send to the host, and what the host might ask of a guest, as a
 * stream of frames. What is taken for a frame lies inside the buffer.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/agent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte of what was found is read. */
static unsigned sum_of(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += at[i];
	return sum;
}

static unsigned look_at(const struct agent_frame *frame)
{
	struct agent_exec_parts parts;
	const char *strings;
	unsigned sum = sum_of(frame->payload, frame->len);

	if (frame->len > AGENT_REPLY_MAX)
		abort();
	if (frame->type == AGENT_RESULT && agent_reply_is_valid(frame) &&
		frame->len - sizeof(struct agent_result) > AGENT_MESSAGE_MAX)
		abort();
	if (!agent_exec_parse(frame->payload, frame->len, &parts))
		return sum;
	sum += sum_of(parts.limits, parts.head.nr_limits * sizeof(*parts.limits));
	sum += sum_of(parts.groups, parts.head.nr_groups * sizeof(*parts.groups));
	strings = parts.strings;
	for (uint32_t i = 0; i < parts.nr_strings; i++)
		strings += strlen(strings) + 1;
	if (strings != (const char *)frame->payload + frame->len)
		abort();
	return sum;
}

static unsigned look_at_processes(const uint8_t *bytes, size_t size)
{
	struct agent_process_parts parts;
	size_t at = 0;
	unsigned sum = 0;
	long n;

	while ((n = agent_process_next(bytes + at, size - at, &parts)) > 0) {
		if (parts.head.user_len > AGENT_USER_MAX || parts.head.stat_len > AGENT_STAT_MAX)
			abort();
		sum += sum_of(parts.user, parts.head.user_len);
		sum += sum_of(parts.stat, parts.head.stat_len);
		sum += sum_of(parts.command, parts.head.command_len);
		at += (size_t)n;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1); /* of this size: reads beyond it are seen */
	struct agent_frame frame;
	size_t at = 0;
	unsigned sum = 0;
	long n;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	while ((n = agent_frame_next(copy + at, size - at, AGENT_REPLY_MAX, &frame)) > 0) {
		sum += look_at(&frame);
		at += (size_t)n;
	}
	sum += look_at_processes(copy, size);
	free(copy);
	if (sum == 0xffffffffu)
		abort(); /* keeps the reads */
	return 0;
}
