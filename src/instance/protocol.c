/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.c - frames between a monitor and its clients. Whatever arrives is checked here, in one
 * table, so that the code that acts on a frame may rely on the length of its payload.
 */
#include "instance/protocol.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io.h"
#include "base/log.h"

static const struct {
	uint32_t min, max; /* bytes of payload */
	uint8_t max_stream;
} rules[] = {
	[FRAME_ATTACH] = { 1, 1, 0 },
	[FRAME_STDIN] = { 1, FRAME_PAYLOAD_MAX, 0 },
	[FRAME_STDIN_EOF] = { 0, 0, 0 },
	[FRAME_RESIZE] = { sizeof(struct frame_resize), sizeof(struct frame_resize), 0 },
	[FRAME_SIGNAL] = { 4, 4, 1 },
	[FRAME_STOP] = { sizeof(struct frame_stop), sizeof(struct frame_stop), 0 },
	[FRAME_PAUSE] = { 1, 1, 0 },
	[FRAME_RELOAD] = { 0, 0, 0 },
	[FRAME_WAIT] = { 1, 1, 0 },
	[FRAME_CLOSED] = { 1, 1, 0 },
	[FRAME_LIST] = { 0, 0, 0 },
	[FRAME_STARTED] = { 4, 4, 0 },
	[FRAME_FAILED] = { sizeof(struct frame_failed), sizeof(struct frame_failed), 0 },
	[FRAME_OUTPUT] = { 1, FRAME_PAYLOAD_MAX, 2 },
	[FRAME_STDIN_TAKEN] = { 0, 0, 0 },
	[FRAME_EXIT] = { 4, 4, 0 },
	[FRAME_RESULT] = { sizeof(struct frame_result), sizeof(struct frame_result), 0 },
	[FRAME_WARNING] = { 1, FRAME_MESSAGE_MAX, LOG_LEVEL_DEBUG },
};
static_assert(sizeof(rules) / sizeof(rules[0]) == FRAME_TYPE_COUNT, "every frame has a rule");
static_assert(sizeof(struct frame_header) == 8, "the header is 8 bytes");

/* Sentences end inside their array, whoever sent them. */
static bool is_terminated(const struct frame_result *result)
{
	return memchr(result->message, '\0', sizeof(result->message)) != NULL;
}

int frame_parse(const void *bytes, size_t size, struct frame *ret)
{
	struct frame_header header;
	const void *payload;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, bytes, sizeof(header));
	if (header.type == 0 || header.type >= FRAME_TYPE_COUNT || header.zero != 0 ||
		header.len != size - sizeof(header) || header.len < rules[header.type].min ||
		header.len > rules[header.type].max ||
		header.stream > rules[header.type].max_stream)
		return -EBADMSG;
	payload = (const char *)bytes + sizeof(header);
	if (header.type == FRAME_OUTPUT && header.stream == 0)
		return -EBADMSG;
	if (header.type == FRAME_RESULT && !is_terminated(payload))
		return -EBADMSG;
	if (header.type == FRAME_FAILED &&
		!is_terminated(&((const struct frame_failed *)payload)->result))
		return -EBADMSG;
	*ret = (struct frame){
		.type = header.type,
		.stream = header.stream,
		.len = header.len,
		.payload = payload,
	};
	return 0;
}

/* Room for one descriptor beside a message. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_frame(
	int fd, struct frame_header header, const void *payload, int passed_fd, int flags)
{
	union control control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS } };
	struct iovec parts[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)payload, .iov_len = header.len },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = header.len ? 2 : 1 };
	ssize_t n;

	if (passed_fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &passed_fd, sizeof(passed_fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	do {
		n = sendmsg(fd, &message, flags | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int frame_send(
	int fd, enum frame_type type, uint8_t stream, const void *payload, size_t len, int flags)
{
	struct frame_header header = {
		.type = (uint8_t)type,
		.stream = stream,
		.len = (uint32_t)len,
	};

	return send_frame(fd, header, payload, -1, flags);
}

int frame_send_fd(
	int fd, enum frame_type type, const void *payload, size_t len, int passed_fd, int flags)
{
	struct frame_header header = { .type = (uint8_t)type, .len = (uint32_t)len };

	return send_frame(fd, header, payload, passed_fd, flags);
}

int frame_send_i32(int fd, enum frame_type type, int32_t value, int flags)
{
	return frame_send(fd, type, 0, &value, sizeof(value), flags);
}

int frame_send_result(int fd, int code, const char *message, int flags)
{
	struct frame_result result = { .code = code < 0 ? -code : code };

	snprintf(result.message, sizeof(result.message), "%s", message ? message : "");
	return frame_send(fd, FRAME_RESULT, 0, &result, sizeof(result), flags);
}

static int take_descriptor(struct msghdr *message)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(message);
	int fd;

	if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS ||
		control->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(control), sizeof(fd));
	return fd;
}

int frame_receive_fd(int fd, void *buf, struct frame *ret, int *ret_fd, int flags)
{
	union control control = { 0 };
	struct iovec part = { .iov_base = buf, .iov_len = FRAME_MAX };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	_cleanup_close_ int passed = -1;
	ssize_t n;
	int r;

	/* Without room for them the kernel throws descriptors away. */
	if (ret_fd) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	do {
		n = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? 0 : -errno;
	if (n == 0)
		return 0;
	if (ret_fd)
		passed = take_descriptor(&message);
	if (message.msg_flags & MSG_TRUNC)
		return -EBADMSG;
	r = frame_parse(buf, (size_t)n, ret);
	if (r < 0)
		return r;
	if (ret_fd)
		*ret_fd = steal_fd(&passed);
	return 1;
}

int frame_receive(int fd, void *buf, struct frame *ret, int flags)
{
	return frame_receive_fd(fd, buf, ret, NULL, flags);
}
