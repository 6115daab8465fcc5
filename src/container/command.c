/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.c - which file a command's name means inside the root, and whether it may be executed.
 *
 * The kernel would run our own program inside the container if a hostile image asked for
 * /proc/self/exe, as the command or behind "#!" (CVE-2019-5736): the new process would be dumpable
 * and its /proc/PID/exe the strata of the host. So the file is opened without following such magic
 * links and compared with ourselves, and so is every interpreter of a script, as deep as the kernel
 * goes.
 *
 * Where programs are translated, it is found out in the same way what the kernel would say of them.
 */
#include "container/internal.h"

#include <linux/binfmts.h>
#include <linux/capability.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/io.h"
#include "base/str.h"

/* Scripts as interpreters of scripts: the kernel stops at four (fs/exec.c). */
#define INTERPRETER_DEPTH_MAX 5

/* Read the start of a file that the command's user may execute but not read: the kernel will, so
 * we must. Our permitted set still holds the capability. */
static int open_for_reading(int root_fd, const char *path)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct now[2], more[2];
	int fd = io_open_in_root(root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);

	if (fd != -EACCES || syscall(SYS_capget, &header, now) < 0)
		return fd;
	memcpy(more, now, sizeof(more));
	more[0].effective |= more[0].permitted & (1u << CAP_DAC_OVERRIDE);
	if (syscall(SYS_capset, &header, more) < 0)
		return fd;
	fd = io_open_in_root(root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	syscall(SYS_capset, &header, now);
	return fd;
}

/* The interpreter of "#! PATH ARGUMENT"; an empty string for what is no script. */
static int read_interpreter(int fd, char line[BINPRM_BUF_SIZE + 1])
{
	char *start, *end;
	ssize_t n;

	do {
		n = pread(fd, line, BINPRM_BUF_SIZE, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	line[n] = '\0';
	if (n < 2 || line[0] != '#' || line[1] != '!') {
		line[0] = '\0';
		return 0;
	}
	start = line + 2 + strspn(line + 2, " \t");
	end = start + strcspn(start, " \t\n");
	*end = '\0';
	memmove(line, start, (size_t)(end - start) + 1);
	return 0;
}

/* A relative name is relative to the working directory, which is inside the root by now. */
static int absolute_path(char path[PATH_MAX], const char *name)
{
	size_t len = 0;

	path[0] = '\0';
	if (name[0] != '/') {
		if (!getcwd(path, PATH_MAX))
			return -errno;
		len = strlen(path);
	}
	return snprintf(path + len, PATH_MAX - len, "/%s", name) >= (int)(PATH_MAX - len)
		? -ENAMETOOLONG
		: 0;
}

/* Is it a file this process may execute? 0 or -errno. */
static int check_executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* `path` cannot be opened, or only by us: what execve(2) would say of it, or the translator. */
static int refuse_unreadable(const char *command, const char *path, struct error *err)
{
	int r = faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0 ? -errno : check_executable(path);

	return r < 0 ? error_set(err, -r, "exec: \"%s\": %s", command, strerror(-r)) : 0;
}

/* Refuse ourselves and, if it is to be translated, what is not executable in another way. */
static int follow(
	const struct child *child, const char *command, bool translated, struct error *err)
{
	char path[PATH_MAX], line[BINPRM_BUF_SIZE + 1];
	int r = absolute_path(path, command);

	if (r < 0)
		return error_errno(err, r, "exec: \"%s\"", command);
	for (int depth = 0; depth <= INTERPRETER_DEPTH_MAX; depth++) {
		_cleanup_close_ int fd = open_for_reading(child->root_fd, path);
		struct stat st;

		/* A magic link execve(2) would follow. */
		if (fd == -ELOOP)
			return error_set(err, EACCES,
				"exec: \"%s\": a link of /proc cannot be executed", command);
		/* What cannot be opened cannot be executed either: execve(2) says it best. */
		if (fd < 0 && !translated)
			return 0;
		if (translated && (r = refuse_unreadable(command, path, err)) < 0)
			return r;
		if (fd < 0)
			return error_errno(err, fd, "exec: \"%s\"", command);
		if (fstat(fd, &st) < 0)
			return error_errno(err, errno, "exec: \"%s\"", command);
		if (st.st_dev == child->own_device && st.st_ino == child->own_inode)
			return error_set(err, EACCES,
				"exec: \"%s\": this is the strata program of the host", command);
		if (!S_ISREG(st.st_mode) || read_interpreter(fd, line) < 0 || !line[0])
			return translated ? translation_check(child, fd, command, err) : 0;
		r = absolute_path(path, line);
		if (r < 0)
			return error_errno(err, r, "exec: \"%s\"", command);
	}
	return 0;
}

int command_refuse_ourselves(const struct child *child, const char *command, struct error *err)
{
	return follow(child, command, false, err);
}

static const char *search_path(const struct child *child)
{
	strv_for_each (variable, child->env) {
		const char *value = str_after_prefix(*variable, "PATH=");

		if (value)
			return value;
	}
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

static int find_in_path(const struct child *child, const char *name, char **ret, struct error *err)
{
	_cleanup_strv_ char **directories = strv_split(search_path(child), ':');
	int worst = -ENOENT;

	if (!directories)
		return error_oom(err);
	strv_for_each (directory, directories) {
		_cleanup_free_ char *path = strf("%s/%s", **directory ? *directory : ".", name);
		int r;

		if (!path)
			return error_oom(err);
		r = check_executable(path);
		if (r == 0) {
			*ret = steal_ptr(&path);
			return 0;
		}
		if (r == -EACCES)
			worst = r;
	}
	if (worst == -EACCES)
		return error_set(err, EACCES, "exec: \"%s\": permission denied", name);
	return error_set(err, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

int command_find(struct child *child, char **ret, struct error *err)
{
	const char *name = child->process->args ? child->process->args[0] : NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	if (!name)
		return error_set(err, EINVAL, "there is no command to run");

	if (!*name)
		return error_set(err, ENOENT, "exec: \"\": executable file not found in $PATH");
	if (strchr(name, '/')) {
		path = strdup(name);
		if (!path)
			return error_oom(err);
		r = check_executable(path);
		if (r == -ENOENT)
			return error_set(err, ENOENT,
				"exec: \"%s\": stat %s: no such file or directory", name, name);
		if (r == -EISDIR)
			/* Docker makes 126 of a message with these words of EACCES. */
			return error_set(err, EACCES,
				"exec: \"%s\": permission denied: it is a directory", name);
		if (r == -EACCES)
			return error_set(err, EACCES, "exec: \"%s\": permission denied", name);
		if (r < 0)
			return error_errno(err, r, "exec: \"%s\"", name);
	} else {
		r = find_in_path(child, name, &path, err);
		if (r < 0)
			return r;
	}
	r = follow(child, path, child->translator_fd >= 0, err);
	if (r < 0)
		return r;
	*ret = steal_ptr(&path);
	return 0;
}
