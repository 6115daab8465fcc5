/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unix.c - Unix sockets by paths of any length: what does not fit into an address is reached
 * through the descriptor of its folder.
 */
#include "base/unix.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

/* *ret_folder_fd has to be open until the address was used; -1: it needs none. */
static int make_address(const char *path, struct sockaddr_un *ret, int *ret_folder_fd)
{
	_cleanup_free_ char *folder = NULL;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int n;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	*ret_folder_fd = -1;
	if (strlen(path) < sizeof(ret->sun_path)) {
		strcpy(ret->sun_path, path);
		return 0;
	}
	folder = strf("%.*s", slash ? (int)(name - path) : 1, slash ? path : ".");
	if (!folder)
		return -ENOMEM;
	*ret_folder_fd = io_open_dir(AT_FDCWD, folder);
	if (*ret_folder_fd < 0)
		return *ret_folder_fd;
	n = snprintf(
		ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", *ret_folder_fd, name);
	return n < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

int unix_connect(const char *path)
{
	_cleanup_close_ int folder_fd = -1, fd = -1;
	struct sockaddr_un address;
	int r = make_address(path, &address, &folder_fd);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return steal_fd(&fd);
}

int unix_listen(const char *path, mode_t mode, int backlog)
{
	_cleanup_close_ int folder_fd = -1, fd = -1;
	struct sockaddr_un address;
	mode_t mask;
	int r = make_address(path, &address, &folder_fd);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0777 & ~mode);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, backlog) < 0)
		r = -errno;
	return r < 0 ? r : steal_fd(&fd);
}
