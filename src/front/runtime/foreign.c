/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreign.c - is a bundle's command a program of another CPU that strata translates?
 *
 * The runtime-spec has no word for it: engines choose an image by its platform and tell a runtime
 * nothing of it. So the command's file is looked at, in the root file system as the bundle has it,
 * before anything is mounted there, and so is the interpreter of a script. Who lies about it only
 * gets a command that cannot be executed.
 */
#include "front/runtime/bundle.h"

#include <limits.h>
#include <sys/stat.h>

#include "base/io.h"

#define HEAD_BYTES 256 /* of a file; the kernel reads as much of a script (BINPRM_BUF_SIZE) */
#define DEPTH_MAX  5 /* interpreters of interpreters, as in the kernel */
#define PATH_USUAL "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The first bytes of a regular file in the root: how many, or -errno. */
static ssize_t read_head(int root_fd, const char *path, char head[HEAD_BYTES + 1])
{
	_cleanup_close_ int fd = io_open_in_root(
		root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EACCES;
	n = pread(fd, head, HEAD_BYTES, 0);
	if (n < 0)
		return -errno;
	head[n] = '\0';
	return n;
}

/* The same of the command as PATH and the working directory have it. */
static ssize_t read_command(int root_fd, const struct container_process *process,
	char path[PATH_MAX], char head[HEAD_BYTES + 1])
{
	const char *name = process->args[0], *list = PATH_USUAL;
	_cleanup_strv_ char **directories = NULL;
	ssize_t n = -ENOENT;

	strv_for_each (variable, process->env)
		if (str_after_prefix(*variable, "PATH="))
			list = str_after_prefix(*variable, "PATH=");
	if (strchr(name, '/')) {
		snprintf(path, PATH_MAX, "%s/%s", *name != '/' && process->cwd ? process->cwd : "",
			name);
		return read_head(root_fd, path, head);
	}
	directories = strv_split(list, ':');
	strv_for_each (directory, directories) {
		snprintf(path, PATH_MAX, "%s/%s", *directory, name);
		n = read_head(root_fd, path, head);
		if (n >= 0)
			return n;
	}
	return n;
}

int bundle_find_foreign(struct container_config *config, struct error *err)
{
	const struct container_process *process = &config->process;
	_cleanup_close_ int root_fd = -1;
	char path[PATH_MAX], head[HEAD_BYTES + 1];
	const char *architecture = NULL;
	ssize_t n;

	if (config->translate || !config->rootfs.path || !process->args || !process->args[0])
		return 0;
	root_fd = open(config->rootfs.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		return 0;
	n = read_command(root_fd, process, path, head);
	for (int depth = 0; n > 2 && head[0] == '#' && head[1] == '!' && depth < DEPTH_MAX;
		depth++) {
		char *start = head + 2 + strspn(head + 2, " \t");

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(start, " \t\n"), start);
		n = read_head(root_fd, path, head);
	}
	if (n > 0)
		architecture = container_translated_file(head, (size_t)n);
	if (!architecture)
		return 0;
	config->translate = strdup(architecture);
	return config->translate ? 0 : error_oom(err);
}
