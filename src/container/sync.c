/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync.c - the channel between a container's first process and the process that made it.
 *
 * A SOCK_SEQPACKET pair: one packet is one message, and both ends are close-on-exec, so that end
 * of file after SYNC_GO tells the parent that execve(2) has succeeded. The parent trusts the child
 * only as far as the child is still our own code: nothing is read after the exec.
 */
#include "container/internal.h"

#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

int sync_send(int sync_fd, const struct sync_message *message, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)message,
		.iov_len = offsetof(struct sync_message, error.message) +
			strlen(message->error.message) + 1,
	};
	struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control.bytes);
	}
	while (sendmsg(sync_fd, &packet, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int sync_send_type(int sync_fd, enum sync_type type, int fd)
{
	const struct sync_message message = { .type = type };

	return sync_send(sync_fd, &message, fd);
}

int sync_receive(int sync_fd, struct sync_message *ret, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
	struct msghdr packet = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header;
	int fd = -1;
	ssize_t n;

	/*
	 * A peer that ended with unread packets resets the connection, and that error comes before
	 * what it had sent, once: the next call reads on, its last words or the end of file.
	 */
	do {
		n = recvmsg(sync_fd, &packet, MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	header = CMSG_FIRSTHDR(&packet);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(int));
	if (ret_fd)
		*ret_fd = fd;
	else if (fd >= 0)
		close(fd);
	if ((size_t)n < offsetof(struct sync_message, error.message) + 1)
		return -EPROTO;
	ret->error.message[ERROR_MESSAGE_MAX - 1] = '\0';
	return 1;
}

void sync_warn(int sync_fd, const char *fmt, ...)
{
	struct sync_message message = { .type = SYNC_WARNING };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message.error.message, sizeof(message.error.message), fmt, ap);
	va_end(ap);
	sync_send(sync_fd, &message, -1);
}
