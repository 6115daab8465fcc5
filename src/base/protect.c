/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protect.c - keep our own program's file from being overwritten through /proc/PID/exe
 * (CVE-2019-5736).
 *
 * What enters a container that already runs shares it with processes that may be hostile, and the
 * file of its program is the host's. Others keep them from it in the first place (process_hide() in
 * container/child.c, container/command.c), but between the look at a command and its execve(2) the
 * file can be exchanged for a link to /proc/self/exe. So a program that enters containers executes
 * itself again, from a place that nobody can write to: a sealed copy in memory. It does so before
 * anything else, and knows by the place itself that it was done.
 *
 * A read-only clone of the mount that its file is on would cost less, but whoever may make a user
 * namespace can clear the flag of one that is attached nowhere (mount_setattr(2), seen on Linux
 * 6.18). It is what is left where no memory can be had.
 *
 * The same place is there for another program of the host's that is to run inside.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"

#define SELF		 "/proc/self/exe"
#define COMMAND_LINE_MAX (8u << 20) /* the kernel's own bound is a quarter of the stack's */
#define SEALS		 (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool is_protected(const char *path, int fd)
{
	struct statvfs fs;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals >= 0 && seals & F_SEAL_WRITE)
		return true;
	if (fstatvfs(fd, &fs) < 0 || fs.f_flag & ST_RDONLY)
		return true;
	/* Whoever is not let write it by its mode is no danger, nor is root of a user namespace. */
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0;
}

/* Needs CAP_SYS_ADMIN over our mount namespace. */
static int clone_read_only(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };
	_cleanup_close_ int tree = (int)syscall(
		SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0 ||
		syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return steal_fd(&tree);
}

static int copy_sealed(const char *name, int from)
{
	_cleanup_close_ int copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	ssize_t n;

	if (copy < 0 || fstat(from, &st) < 0)
		return -errno;
	for (off_t done = 0; done < st.st_size; done += n) {
		n = sendfile(copy, from, NULL, (size_t)(st.st_size - done));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return fcntl(copy, F_ADD_SEALS, SEALS) < 0 ? -errno : steal_fd(&copy);
}

static int open_place(const char *path, const char *name, int fd)
{
	int place = copy_sealed(name, fd);

	return place < 0 ? clone_read_only(path) : place;
}

int process_open_protected(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const char *slash = strrchr(path, '/');

	if (fd < 0)
		return -errno;
	if (is_protected(path, fd))
		return steal_fd(&fd);
	return open_place(path, slash ? slash + 1 : path, fd);
}

/* From a clone of a mount nobody can tell any more where the program and its helpers are. */
static void remember_directory(void)
{
	char directory[PATH_MAX];

	if (process_self_dir(directory, sizeof(directory)) == 0)
		setenv(PROCESS_DIRECTORY_VARIABLE, directory, 1);
}

/* Ours as it was given: what is left of main()'s was taken apart. NULL when it cannot be read. */
static char **command_line(char **ret_text)
{
	size_t len, count = 0;
	char **argv;

	if (io_read_file(AT_FDCWD, "/proc/self/cmdline", COMMAND_LINE_MAX, ret_text, &len, NULL) <
		0)
		return NULL;
	for (size_t i = 0; i < len; i++)
		count += (*ret_text)[i] == '\0';
	argv = calloc(count + 1, sizeof(*argv));
	count = 0;
	for (size_t i = 0; argv && i < len; i += strlen(*ret_text + i) + 1)
		argv[count++] = *ret_text + i;
	return argv;
}

void process_protect_program(void)
{
	_cleanup_close_ int self = open(SELF, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char **argv = NULL;
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int place = -1;

	if (self < 0 || is_protected(SELF, self))
		return;
	argv = command_line(&text);
	place = open_place(SELF, "strata", self);
	remember_directory();
	if (place >= 0 && argv)
		syscall(SYS_execveat, place, "", argv, environ, AT_EMPTY_PATH);
	log_info("cannot execute strata from a place that cannot be written to");
}
