/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-files.c - files in and out of a guest, as tar archives that its agent packs and unpacks.
 */
#include "isolation/vm.h"

#include "base/io.h"

/* A session that has asked for it. */
static int ask(const struct container_config *config, enum agent_type what, const char *path,
	struct vm_link *ret, struct error *err)
{
	int r = vm_link_connect(config->machine, ret, err);

	if (r == 0 && (r = vm_link_send(ret, what, path, strlen(path) + 1)) < 0)
		error_errno(err, r, "cannot talk to the machine");
	return r;
}

int vm_look(const struct container_config *config, const char *path, enum isolation_file *ret,
	struct error *err)
{
	_cleanup_vm_link_ struct vm_link link = VM_LINK_INIT;
	static const struct {
		const char *word;
		enum isolation_file file;
	} known[] = {
		{ "missing", ISOLATION_FILE_MISSING },
		{ "folder", ISOLATION_FILE_FOLDER },
		{ "file", ISOLATION_FILE_OTHER },
	};
	struct agent_frame frame;
	int r = ask(config, AGENT_LOOK, path, &link, err);

	if (r == 0)
		r = vm_link_receive(&link, VM_TALK_TIMEOUT_MS, &frame, err);
	if (r < 0)
		return r;
	if (frame.type == AGENT_RESULT && (r = vm_link_result(&frame, err)) < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(known) && frame.type == AGENT_RESULT; i++) {
		size_t len = strlen(known[i].word);

		if (frame.len == sizeof(struct agent_result) + len &&
			memcmp((const char *)frame.payload + sizeof(struct agent_result),
				known[i].word, len) == 0) {
			*ret = known[i].file;
			return 0;
		}
	}
	return error_set(err, EPROTO, "the machine's agent speaks nonsense");
}

int vm_get(const struct container_config *config, const char *path, int out_fd, struct error *err)
{
	_cleanup_vm_link_ struct vm_link link = VM_LINK_INIT;
	int r = ask(config, AGENT_GET, path, &link, err);

	while (r >= 0) {
		struct agent_frame frame;

		r = vm_link_receive(&link, VM_TALK_TIMEOUT_MS, &frame, err);
		if (r < 0)
			break;
		if (frame.type == AGENT_RESULT)
			return vm_link_result(&frame, err);
		if (frame.type != AGENT_DATA)
			return error_set(err, EPROTO, "the machine's agent speaks nonsense");
		r = io_write_full(out_fd, frame.payload, frame.len);
		if (r < 0)
			return error_errno(err, r, "cannot write what the machine sends");
	}
	return r;
}

/* 1: the answer has come; 0: more may be sent. */
static int take_answer(struct vm_link *link, uint32_t *window, int timeout_ms, struct error *err)
{
	struct agent_frame frame;
	uint32_t taken;
	int r = vm_link_receive(link, timeout_ms, &frame, err);

	if (r <= 0)
		return r;
	if (frame.type == AGENT_RESULT) {
		r = vm_link_result(&frame, err);
		return r < 0 ? r : 1;
	}
	if (frame.type != AGENT_STDIN_TAKEN)
		return error_set(err, EPROTO, "the machine's agent speaks nonsense");
	memcpy(&taken, frame.payload, sizeof(taken));
	if (taken > AGENT_STDIN_WINDOW - *window)
		return error_set(err, EPROTO, "the machine's agent speaks nonsense");
	*window += taken;
	return 0;
}

int vm_put(const struct container_config *config, const char *path, int in_fd, struct error *err)
{
	_cleanup_vm_link_ struct vm_link link = VM_LINK_INIT;
	_cleanup_free_ char *bytes = malloc(AGENT_STDIN_WINDOW);
	uint32_t window = AGENT_STDIN_WINDOW;
	bool at_end = false;
	int r = bytes ? ask(config, AGENT_PUT, path, &link, err) : error_oom(err);

	while (r == 0) {
		ssize_t n;

		/* What has come is looked at first: it may be a refusal. */
		r = take_answer(&link, &window, window && !at_end ? 0 : VM_TALK_TIMEOUT_MS, err);
		if (r != 0 || at_end || !window)
			continue;
		n = read(in_fd, bytes, window);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "cannot read what the machine is to get");
		window -= (uint32_t)n;
		at_end = n == 0;
		if (vm_link_send(&link, AGENT_DATA, bytes, (size_t)n) < 0)
			return error_set(err, EPIPE, "the machine has ended");
	}
	return r > 0 ? 0 : r;
}
