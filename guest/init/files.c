/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.c - what children that execute nothing, but do something with the guest's files, have to
 * say; and what is there.
 */
#include "internal.h"

static int tell_fd = -1;

void files_report(int report_fd, long code, const char *text)
{
	char buffer[sizeof(struct report) + AGENT_MESSAGE_MAX];
	struct report report = { .code = (int32_t)(code < 0 ? -code : code) };
	struct text words = { .at = buffer + sizeof(report), .size = AGENT_MESSAGE_MAX };

	memcpy(buffer, &report, sizeof(report));
	text_add(&words, code ? "%s: %s" : "%s", text, error_text(code));
	write_all(report_fd, buffer, sizeof(report) + words.len);
	process_exit(code != 0);
}

void files_begin(int report_fd)
{
	tell_fd = report_fd;
}

void files_must(long r, const char *what)
{
	if (r < 0)
		files_report(tell_fd, r, what);
}

void files_end(void)
{
	files_report(tell_fd, 0, "");
}

void files_look(const char *path, int report_fd)
{
	struct stat st;
	long r = sys(SYS_newfstatat, AT_FDCWD, path, &st, 0);

	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		files_report(report_fd, r, path);
	files_report(report_fd, 0, r < 0 ? "missing" : S_ISDIR(st.st_mode) ? "folder" : "file");
}
