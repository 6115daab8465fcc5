/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handoff.c - a descriptor through a socket, a pid through a file.
 */
#include "front/runtime/handoff.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/io.h"

int handoff_send_descriptor(const char *path, const char *name, int fd, struct error *err)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)name, strlen(name) };
	struct msghdr packet = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes) };
	_cleanup_close_ int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "the socket's path %s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	if (socket_fd < 0 ||
		connect(socket_fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		sendmsg(socket_fd, &packet, MSG_NOSIGNAL) < 0)
		return error_errno(err, errno, "cannot send to the socket %s", path);
	return 0;
}

int handoff_send_terminal(const char *path, int master, struct error *err)
{
	char name[32];
	int number;

	if (ioctl(master, TIOCGPTN, &number) < 0)
		return error_errno(err, errno, "cannot name the terminal");
	snprintf(name, sizeof(name), "/dev/pts/%d", number);
	return handoff_send_descriptor(path, name, master, err);
}

int handoff_write_pid(const char *path, pid_t pid, struct error *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	return io_replace_file(AT_FDCWD, path, 0644, text, strlen(text), IO_VOLATILE, err);
}
