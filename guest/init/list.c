/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list.c - the processes of the instance for `strata top`: what its own /proc says of each. In a
 * child, whose root is the image's; the host makes sense of it.
 */
#include "internal.h"

#define COMMAND_MAX 4096 /* bytes of /proc/PID/cmdline that are sent */

static struct {
	struct agent_process head;
	char bytes[AGENT_USER_MAX + AGENT_STAT_MAX + COMMAND_MAX];
} row;

struct list {
	int to;
	uint64_t uptime_ms;
	const char *passwd; /* NULL: numbers */
};

/* As much of a file as fits; nothing when it cannot be read. */
static size_t read_some(int folder, const char *name, char *to, size_t size)
{
	long fd = sys(SYS_openat, folder, name, O_RDONLY | O_CLOEXEC), n = 0;
	size_t len = 0;

	if (fd < 0)
		return 0;
	while (len < size && (n = sys(SYS_read, fd, to + len, size - len)) > 0)
		len += (size_t)n;
	sys(SYS_close, fd);
	return len;
}

/* One that ends meanwhile is left out. */
static long list_process(void *context, const char *name, unsigned type)
{
	const struct list *list = context;
	struct agent_process *head = &row.head;
	char *at = row.bytes;
	struct stat st;
	uint64_t pid;
	long folder, r;

	if (!number_parse(name, strlen(name), INT32_MAX, &pid))
		return 0;
	folder = sys(SYS_openat, AT_FDCWD, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return 0;
	r = sys(SYS_fstat, folder, &st);
	*head = (struct agent_process){ .pid = (uint32_t)pid, .uptime_ms = list->uptime_ms };
	if (r == 0) {
		head->user_len = (uint16_t)user_name(list->passwd, st.st_uid, at, AGENT_USER_MAX);
		at += head->user_len;
		head->stat_len = (uint16_t)read_some((int)folder, "stat", at, AGENT_STAT_MAX);
		at += head->stat_len;
		head->command_len = (uint16_t)read_some((int)folder, "cmdline", at, COMMAND_MAX);
		at += head->command_len;
	}
	sys(SYS_close, folder);
	return r < 0 || !head->stat_len ? 0
					: write_all(list->to, &row, (size_t)(at - (char *)&row));
}

void list_processes(int to, int report_fd)
{
	struct {
		long seconds, nanoseconds;
	} now = { 0 };
	struct list list = { .to = to };
	long r = sys(SYS_chdir, "/proc");

	sys(SYS_clock_gettime, 7 /* CLOCK_BOOTTIME */, &now);
	list.uptime_ms = (uint64_t)now.seconds * 1000 + (uint64_t)now.nanoseconds / 1000000;
	list.passwd = user_read_passwd();
	if (r == 0)
		r = folder_each(AT_FDCWD, ".", list_process, &list);
	files_report(report_fd, r, r < 0 ? "/proc" : "");
}
