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
#include <sys/un.h>

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
	/* A peer that ended with unread packets says so once (sync_receive()), then EPIPE. */
	while (sendmsg(sync_fd, &packet, MSG_NOSIGNAL) < 0)
		if (errno != EINTR && errno != ECONNRESET)
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

/* sun_path is short and the directory's own path may not be: its descriptor stands for it. */
static int make_address(int dir_fd, const char *name, struct sockaddr_un *ret, struct error *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir_fd, name) >=
		(int)sizeof(ret->sun_path))
		return error_set(err, ENAMETOOLONG, "the socket's name %s is too long", name);
	return 0;
}

int container_listen(int dir_fd, const char *name, int *ret_fd, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int r = make_address(dir_fd, name, &address, err);

	if (r < 0)
		return r;
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 1) < 0)
		return error_errno(err, errno, "cannot listen on %s", name);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int container_connect(int dir_fd, const char *name, struct container_handle *ret, struct error *err)
{
	struct container_handle handle = CONTAINER_HANDLE_INIT;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	int r = make_address(dir_fd, name, &address, err);

	if (r < 0)
		return r;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "cannot reach the container's first process");
	handle.sync_fd = steal_fd(&fd);
	*ret = handle;
	return 0;
}

int sync_accept(int listen_fd, int sync_fd)
{
	struct ucred maker, peer;
	socklen_t size = sizeof(maker);

	/* Seen through the same user namespace, so that the same user looks the same. */
	if (getsockopt(sync_fd, SOL_SOCKET, SO_PEERCRED, &maker, &size) < 0)
		return -errno;
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return -errno;
		size = sizeof(peer);
		if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
			peer.uid == maker.uid)
			return fd;
		cleanup_close(&fd);
	}
}
