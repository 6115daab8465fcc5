/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c - the socket that a debugger connects to. Only this machine can: a debugger may do
 * everything that the target may.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/str.h"
#include "debug/debug.h"

static int listen_port(uint16_t port, int fd, char address[DEBUG_ADDRESS_MAX])
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 || listen(fd, 1) < 0 ||
		getsockname(fd, (struct sockaddr *)&in, &size) < 0)
		return -errno;
	snprintf(address, DEBUG_ADDRESS_MAX, "127.0.0.1:%u", ntohs(in.sin_port));
	return 0;
}

static int listen_path(const char *path, int fd, char address[DEBUG_ADDRESS_MAX])
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(fd, 1) < 0)
		return -errno;
	snprintf(address, DEBUG_ADDRESS_MAX, "%s", path);
	return 0;
}

int debug_listen(
	const char *where, int *ret_fd, char ret_address[DEBUG_ADDRESS_MAX], struct error *err)
{
	_cleanup_close_ int fd = -1;
	uint64_t port = 0;
	bool is_path = strchr(where, '/') != NULL;
	int r;

	if (!is_path && parse_u64(where, UINT16_MAX, &port) < 0)
		return error_set(err, EINVAL,
			"cannot wait for gdb on %s: neither a port (0 to 65535) nor a path with a '/'",
			where);
	fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		r = -errno;
	else
		r = is_path ? listen_path(where, fd, ret_address)
			    : listen_port((uint16_t)port, fd, ret_address);
	if (r < 0)
		return error_errno(err, r, "cannot wait for gdb on %s", where);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int debug_accept(int listen_fd, int *ret_fd, struct error *err)
{
	struct sockaddr_un un = { 0 };
	socklen_t size = sizeof(un) - 1;
	int fd, r, one = 1;

	do
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	r = fd < 0 ? -errno : 0;
	if (getsockname(listen_fd, (struct sockaddr *)&un, &size) == 0 && un.sun_family == AF_UNIX)
		unlink(un.sun_path);
	close(listen_fd);
	if (r < 0)
		return error_errno(err, r, "cannot wait for gdb");
	/* Packets are small, and each waits for its answer. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	*ret_fd = fd;
	return 0;
}
