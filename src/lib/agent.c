/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent.c - taking frames apart, for both sides (agent.h). Freestanding: neither a C library nor
 * memory of its own.
 */
#include "lib/agent.h"

static void copy(void *to, const void *from, size_t size)
{
	__builtin_memcpy(to, from, size);
}

long agent_frame_next(const void *buffer, size_t len, uint32_t max, struct agent_frame *ret)
{
	struct agent_header head;

	if (len < sizeof(head))
		return 0;
	copy(&head, buffer, sizeof(head));
	if (head.type == 0 || head.type >= AGENT_TYPE_COUNT || head.len > max)
		return -1;
	if (len - sizeof(head) < head.len)
		return 0;
	*ret = (struct agent_frame){ .type = head.type,
		.stream = head.stream,
		.len = head.len,
		.payload = (const char *)buffer + sizeof(head) };
	return (long)(sizeof(head) + head.len);
}

bool agent_reply_is_valid(const struct agent_frame *frame)
{
	switch (frame->type) {
	case AGENT_HELLO:
		return frame->len == sizeof(struct agent_hello);
	case AGENT_RESULT:
	case AGENT_FAILED:
		return frame->len >= sizeof(struct agent_result) &&
			frame->len <= sizeof(struct agent_result) + AGENT_MESSAGE_MAX;
	case AGENT_STATS:
		return frame->len == sizeof(struct agent_stats);
	case AGENT_STARTED:
	case AGENT_EXITED:
		return frame->len == sizeof(int32_t);
	case AGENT_STDIN_TAKEN:
		return frame->len == sizeof(uint32_t);
	case AGENT_OUTPUT:
		return frame->len > 0 && (frame->stream == 1 || frame->stream == 2);
	case AGENT_DATA:
		return frame->len > 0;
	default:
		return false;
	}
}

bool agent_strings_are_valid(const char *bytes, size_t len, size_t count)
{
	size_t ends = 0;

	for (size_t i = 0; i < len; i++)
		ends += bytes[i] == '\0';
	return ends == count && (len == 0 || bytes[len - 1] == '\0');
}

bool agent_exec_parse(const void *payload, size_t len, struct agent_exec_parts *ret)
{
	const char *at = payload;
	struct agent_exec_parts parts;
	size_t fixed;

	if (len < sizeof(parts.head))
		return false;
	copy(&parts.head, payload, sizeof(parts.head));
	if (parts.head.flags & ~(uint32_t)AGENT_EXEC_FLAGS ||
		parts.head.nr_limits > AGENT_LIMITS_MAX ||
		parts.head.nr_groups > AGENT_GROUPS_MAX || parts.head.nr_args == 0 ||
		parts.head.nr_args > AGENT_STRINGS_MAX || parts.head.nr_env > AGENT_STRINGS_MAX ||
		parts.head.nr_group_names > AGENT_GROUPS_MAX)
		return false;
	fixed = sizeof(parts.head) + parts.head.nr_limits * sizeof(struct agent_limit) +
		parts.head.nr_groups * sizeof(uint32_t);
	if (len < fixed)
		return false;
	parts.limits = (const void *)(at + sizeof(parts.head));
	parts.groups = (const void *)(at + fixed - parts.head.nr_groups * sizeof(uint32_t));
	parts.strings = at + fixed;
	parts.nr_strings = 2 + parts.head.nr_args + parts.head.nr_env + parts.head.nr_group_names;
	if (!agent_strings_are_valid(parts.strings, len - fixed, parts.nr_strings))
		return false;
	*ret = parts;
	return true;
}

long agent_process_next(const void *buffer, size_t len, struct agent_process_parts *ret)
{
	const char *at = buffer;
	struct agent_process_parts parts;
	size_t size;

	if (len < sizeof(parts.head))
		return 0;
	copy(&parts.head, buffer, sizeof(parts.head));
	if (parts.head.pid == 0 || parts.head.pid > INT32_MAX ||
		parts.head.user_len > AGENT_USER_MAX || parts.head.stat_len > AGENT_STAT_MAX)
		return -1;
	size = sizeof(parts.head) + parts.head.user_len + parts.head.stat_len +
		parts.head.command_len;
	if (len < size)
		return 0;
	parts.user = at + sizeof(parts.head);
	parts.stat = parts.user + parts.head.user_len;
	parts.command = parts.stat + parts.head.stat_len;
	*ret = parts;
	return (long)size;
}
