/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passing.c - messages with descriptors in them.
 */
#include "base/passing.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(PASSING_FDS_MAX * sizeof(int))];
};

int passing_send(int socket_fd, const void *bytes, size_t size, const int *fds, unsigned nr)
{
	union control control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (nr > PASSING_FDS_MAX)
		return -E2BIG;
	if (nr) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(nr * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, nr * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nr * sizeof(int));
	}
	do
		n = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == (ssize_t)size ? 0 : -EIO;
}

ssize_t passing_receive(int socket_fd, void *bytes, size_t size, int *fds, unsigned *nr, int flags)
{
	union control control;
	struct iovec iov = { bytes, size };
	struct msghdr message = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	unsigned room = *nr, count = 0;
	struct cmsghdr *header;
	ssize_t n;

	*nr = 0;
	do
		n = recvmsg(socket_fd, &message, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	for (unsigned i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
		if (*nr < room)
			fds[(*nr)++] = fd;
		else
			close(fd);
	}
	return n;
}
