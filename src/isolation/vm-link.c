/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vm-link.c - frames over a connection with the guest's agent (lib/agent.h). What comes from there
 * is hostile: it is checked by lib/agent.c before anybody looks at it, and sentences are cleaned
 * before anybody prints them.
 */
#include "isolation/vm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"

#define HANG_UP_TIMEOUT_MS 5000
#define IN_SIZE		   (AGENT_REPLY_MAX + sizeof(struct agent_header))

void vm_link_close(struct vm_link *link)
{
	cleanup_close(&link->fd);
	free(link->in);
	*link = (struct vm_link)VM_LINK_INIT;
}

void vm_link_hang_up(struct vm_link *link)
{
	struct pollfd p = { .fd = link->fd, .events = POLLIN };

	shutdown(link->fd, SHUT_WR);
	while (poll(&p, 1, HANG_UP_TIMEOUT_MS) > 0 && recv(link->fd, link->in, IN_SIZE, 0) > 0)
		;
	vm_link_close(link);
}

int vm_link_send(const struct vm_link *link, enum agent_type type, const void *payload, size_t len)
{
	struct agent_header head = { .len = (uint32_t)len, .type = (uint16_t)type };
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)payload, len } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = len ? 2 : 1 };

	while (message.msg_iovlen) {
		ssize_t n = sendmsg(link->fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		while (message.msg_iovlen && (size_t)n >= message.msg_iov->iov_len) {
			n -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
			message.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* 1: there are bytes; 0: there are none now. */
static int wait_readable(const struct vm_link *link, int timeout_ms, struct error *err)
{
	struct pollfd p = { .fd = link->fd, .events = POLLIN };
	int64_t end = clock_monotonic_ns() + timeout_ms * INT64_C(1000000);

	for (;;) {
		int64_t left = (end - clock_monotonic_ns()) / 1000000;
		int r = poll(&p, 1, timeout_ms == 0 ? 0 : left < 0 ? 0 : (int)left);

		if (r > 0)
			return 1;
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return error_errno(err, errno, "cannot wait for the machine");
		if (timeout_ms == 0)
			return 0;
		return error_set(err, ETIMEDOUT, "the machine does not answer");
	}
}

static int fill(struct vm_link *link, struct error *err)
{
	ssize_t n;

	do {
		n = recv(link->fd, link->in + link->in_len, IN_SIZE - link->in_len, 0);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return error_set(err, EPIPE, "the machine has ended");
	if (n < 0)
		return error_errno(err, errno, "cannot hear the machine");
	link->in_len += (size_t)n;
	return 0;
}

int vm_link_receive(
	struct vm_link *link, int timeout_ms, struct agent_frame *ret, struct error *err)
{
	memmove(link->in, link->in + link->in_used, link->in_len - link->in_used);
	link->in_len -= link->in_used;
	link->in_used = 0;
	for (;;) {
		long n = agent_frame_next(link->in, link->in_len, AGENT_REPLY_MAX, ret);
		int r;

		if (n < 0 || (n > 0 && !agent_reply_is_valid(ret)))
			return error_set(err, EPROTO, "the machine's agent speaks nonsense");
		if (n > 0) {
			link->in_used = (size_t)n;
			return 1;
		}
		r = wait_readable(link, timeout_ms, err);
		if (r > 0)
			r = fill(link, err);
		else if (r == 0)
			return 0;
		if (r < 0)
			return r;
	}
}

int vm_link_open(int fd, struct vm_link *ret, struct error *err)
{
	const struct agent_hello ours = { AGENT_MAGIC, AGENT_VERSION };
	struct vm_link link = { .fd = fd, .in = malloc(IN_SIZE) };
	struct agent_hello theirs = { 0 };
	struct agent_frame frame = { 0 };
	int r = link.in ? 0 : error_oom(err);

	if (r == 0 && (r = vm_link_send(&link, AGENT_HELLO, &ours, sizeof(ours))) < 0)
		error_errno(err, r, "cannot talk to the machine");
	if (r == 0)
		r = vm_link_receive(&link, VM_TALK_TIMEOUT_MS, &frame, err);
	if (r > 0 && frame.type == AGENT_HELLO)
		memcpy(&theirs, frame.payload, sizeof(theirs));
	if (r > 0 && (theirs.magic != AGENT_MAGIC || theirs.version != AGENT_VERSION))
		r = error_set(err, EPROTO,
			"the machine was started by another version of strata: restart the instance");
	if (r < 0) {
		vm_link_close(&link);
		return r;
	}
	*ret = link;
	return 0;
}

/* "CONNECT PORT\n", which "OK N\n" answers (device/virtio/vsock.h). */
static int connect_port(int fd, struct error *err)
{
	char text[32];
	size_t len = 0;
	int n = snprintf(text, sizeof(text), "CONNECT %u\n", AGENT_PORT);

	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		return error_errno(err, errno, "cannot talk to the machine");
	while (len < sizeof(text)) {
		ssize_t got = recv(fd, text + len, 1, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_set(err, EPIPE, "the machine's agent does not answer");
		if (text[len++] == '\n')
			return 0;
	}
	return error_set(err, EPROTO, "the machine speaks nonsense");
}

int vm_link_connect(const struct container_machine *machine, struct vm_link *ret, struct error *err)
{
	_cleanup_close_ int folder_fd = io_open_dir(AT_FDCWD, machine->folder), fd = -1;
	const struct timeval timeout = { .tv_sec = VM_TALK_TIMEOUT_MS / 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if (folder_fd < 0)
		return error_errno(err, folder_fd, "cannot open %s", machine->folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" VM_SOCKET,
		folder_fd);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "cannot reach the machine");
	r = connect_port(fd, err);
	return r < 0 ? r : vm_link_open(steal_fd(&fd), ret, err);
}

void vm_clean(char *to, size_t size, const char *from, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n + 1 < size; i++)
		to[n++] = (unsigned char)from[i] < 0x20 || from[i] == 0x7f ? '?' : from[i];
	to[n] = '\0';
}

int vm_link_result(const struct agent_frame *frame, struct error *err)
{
	const char *text = (const char *)frame->payload + sizeof(struct agent_result);
	size_t len = frame->len - sizeof(struct agent_result);
	char why[AGENT_MESSAGE_MAX + 1];
	struct agent_result result;

	memcpy(&result, frame->payload, sizeof(result));
	if (result.code == 0 && frame->type == AGENT_RESULT)
		return 0;
	vm_clean(why, sizeof(why), text, len);
	/* Any number is possible; ours stay below 4096. */
	return error_set(err, result.code > 0 && result.code < 4096 ? result.code : EIO, "%s", why);
}

int vm_link_request(struct vm_link *link, enum agent_type type, const void *payload, size_t len,
	struct error *err)
{
	struct agent_frame frame;
	int r = vm_link_send(link, type, payload, len);

	if (r < 0)
		return error_errno(err, r, "cannot talk to the machine");
	r = vm_link_receive(link, VM_TALK_TIMEOUT_MS, &frame, err);
	if (r < 0)
		return r;
	if (frame.type != AGENT_RESULT)
		return error_set(err, EPROTO, "the machine's agent answers another question");
	return vm_link_result(&frame, err);
}
