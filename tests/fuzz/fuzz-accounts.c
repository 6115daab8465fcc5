/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-accounts.c - a container's /etc/passwd and /etc/group may hold anything. The input is
 * "SPEC\nPASSWD\0GROUP".
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "container/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One directory for the life of the process. */
static char root_path[] = "/tmp/strata-fuzz-accounts-XXXXXX";

static void remove_root(void)
{
	io_remove_tree(AT_FDCWD, root_path, NULL);
}

static int open_root(void)
{
	static int root_fd = -1;

	if (root_fd < 0) {
		if (!mkdtemp(root_path))
			abort();
		atexit(remove_root);
		root_fd = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		mkdirat(root_fd, "etc", 0755);
	}
	return root_fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *passwd = memchr(data, '\n', size), *group;
	struct container_user user;
	char spec[128] = "";
	int root_fd = open_root();
	size_t left;

	if (!passwd || (size_t)(passwd - data) >= sizeof(spec))
		return 0;
	memcpy(spec, data, (size_t)(passwd - data));
	left = size - (size_t)(++passwd - data);
	group = memchr(passwd, '\0', left);
	io_replace_file(root_fd, "etc/passwd", 0644, passwd,
		group ? (size_t)(group - passwd) : left, IO_VOLATILE, NULL);
	io_replace_file(root_fd, "etc/group", 0644, group ? group : passwd,
		group ? left - (size_t)(group - passwd) : 0, IO_VOLATILE, NULL);
	if (user_resolve(root_fd, spec, NULL, &user, NULL) == 0)
		container_user_free(&user);
	unlinkat(root_fd, "etc/passwd", 0);
	unlinkat(root_fd, "etc/group", 0);
	return 0;
}
