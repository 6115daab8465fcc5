/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-list.c - the processes of a guest, of which its agent sends a stream.
 */
#include "isolation/vm.h"

#include "base/clock.h"
#include "base/str.h"

#define UPTIME_MS_MAX (INT64_C(1) << 42) /* more than a century */

/* With NUL behind it. */
static void take_text(char *to, const char *from, size_t len)
{
	memcpy(to, from, len);
	to[len] = '\0';
}

/* What is whole in `bytes`; it is taken out of there. */
static int take_processes(struct str *bytes,
	int (*each)(void *context, const struct isolation_seen *seen, struct error *err),
	void *context, struct error *err)
{
	char user[AGENT_USER_MAX + 1], stat_text[AGENT_STAT_MAX + 1];
	struct agent_process_parts parts;
	size_t at = 0;
	int r = 0;

	while (r == 0) {
		long n = agent_process_next(bytes->data + at, bytes->len - at, &parts);

		if (n < 0 || (n > 0 && parts.head.uptime_ms > UPTIME_MS_MAX))
			return error_set(err, EPROTO, "the machine's agent speaks nonsense");
		if (n == 0)
			break;
		take_text(user, parts.user, parts.head.user_len);
		take_text(stat_text, parts.stat, parts.head.stat_len);
		r = each(context,
			&(struct isolation_seen){ .pid = (pid_t)parts.head.pid,
				.user = user,
				.stat = stat_text,
				.command = parts.command,
				.command_len = parts.head.command_len,
				.boot_ns = clock_realtime_ns() -
					(int64_t)parts.head.uptime_ms * 1000000 },
			err);
		at += (size_t)n;
	}
	memmove(bytes->data, bytes->data + at, bytes->len - at);
	bytes->len -= at;
	return r;
}

int vm_list(const struct container_config *config,
	int (*each)(void *context, const struct isolation_seen *seen, struct error *err),
	void *context, struct error *err)
{
	_cleanup_vm_link_ struct vm_link link = VM_LINK_INIT;
	_cleanup_str_ struct str bytes = { 0 };
	size_t total = 0;
	int r = vm_link_connect(config->machine, &link, err);

	if (r == 0 && (r = vm_link_send(&link, AGENT_LIST, "", 1)) < 0)
		error_errno(err, r, "cannot talk to the machine");
	while (r == 0) {
		struct agent_frame frame;

		r = vm_link_receive(&link, VM_TALK_TIMEOUT_MS, &frame, err);
		if (r < 0)
			return r;
		if (frame.type == AGENT_RESULT)
			return vm_link_result(&frame, err);
		total += frame.len;
		if (frame.type != AGENT_DATA || total > AGENT_LIST_MAX)
			return error_set(err, EPROTO, "the machine's agent speaks nonsense");
		str_append_n(&bytes, frame.payload, frame.len);
		if (bytes.failed)
			return error_oom(err);
		r = take_processes(&bytes, each, context, err);
	}
	return r;
}
