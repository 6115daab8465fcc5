/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc-status.c - /proc/self/status: the host's, with the guest's seccomp filters in place of those
 * that are installed beneath the translator.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "translate/proc.h"

#define STATUS_MAX 8192 /* the kernel's is about 1.5 KiB */

static void write_line(struct thread *t, struct proc_text *text, const char *line, size_t size)
{
	static const char mode[] = "Seccomp:", filters[] = "Seccomp_filters:";

	if (strncmp(line, mode, sizeof(mode) - 1) == 0)
		proc_print(text, "%s\t%u\n", mode, t->seccomp_mode);
	else if (strncmp(line, filters, sizeof(filters) - 1) == 0)
		proc_print(text, "%s\t%u\n", filters, seccomp_count(t));
	else
		proc_write(text, line, size);
}

void proc_write_status(struct thread *t, struct proc_text *text)
{
	char content[STATUS_MAX + 1], *line = content, *end;
	size_t used = 0;
	int64_t n = 0,
		fd = host_call(
			SYS_openat, AT_FDCWD, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		text->error = (int)fd;
		return;
	}
	while (used < STATUS_MAX &&
		(n = host_call(SYS_read, fd, content + used, STATUS_MAX - used)) > 0)
		used += (size_t)n;
	host_call(SYS_close, fd);
	if (n < 0)
		text->error = (int)n;
	content[used] = '\0';
	for (; (end = strchr(line, '\n')); line = end + 1)
		write_line(t, text, line, (size_t)(end + 1 - line));
}
