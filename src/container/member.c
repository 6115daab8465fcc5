/* SPDX-License-Identifier: Apache-2.0 */
/*
 * member.c - the process of a container that others can look at.
 */
#include <stdio.h>

#include "base/io.h"
#include "container/container.h"

pid_t container_member(const struct container_config *config, pid_t init_pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int pid;

	if (!config->namespaces[CONTAINER_NS_USER].wanted || !config->init)
		return init_pid;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)init_pid, (int)init_pid);
	if (io_read_file(AT_FDCWD, path, 64u << 10, &text, NULL, NULL) < 0 ||
		sscanf(text, "%d", &pid) != 1)
		return init_pid;
	return pid;
}
