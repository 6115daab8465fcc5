/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fill.c - a volume that is empty gets what the image has in its place, owners and modes of the
 * folder itself included: one child packs, another unpacks. The host sees to it that nobody else
 * does so meanwhile.
 */
#include "internal.h"

#define SIGCHLD_NUMBER 17

static long stop_at_first(void *context, const char *name, unsigned type)
{
	return 1;
}

/* What a child says at its end, which for one that was killed is nothing. Its sentence ends with
 * the error's own words, which `why` has not. */
static long read_report(int fd, struct text *why)
{
	char buffer[sizeof(struct report) + AGENT_MESSAGE_MAX];
	struct report report;
	long n = sys(SYS_read, fd, buffer, sizeof(buffer)), words;

	if (n < (long)sizeof(report))
		return -EIO;
	memcpy(&report, buffer, sizeof(report));
	words = n - (long)sizeof(report) - (long)strlen(error_text(report.code)) - 2;
	if (report.code && words > 0) {
		text_add(why, ": ");
		text_add_bytes(why, buffer + sizeof(report), (size_t)words);
	}
	return -report.code;
}

struct copier {
	long pid;
	int report_fd;
};

/* `ours` of the pipe between them is used, `other` closed. */
static long start(
	bool packs, int folder, const char *volume, int ours, int other, struct copier *ret)
{
	int report[2];
	long r = sys(SYS_pipe2, report, O_CLOEXEC);

	if (r < 0)
		return r;
	r = sys(SYS_clone, SIGCHLD_NUMBER, 0, 0, 0, 0);
	if (r == 0) {
		sys(SYS_close, other);
		if (packs && sys(SYS_fchdir, folder) < 0)
			files_report(report[1], EIO, "cannot enter the folder");
		if (packs)
			files_pack(".", ours, report[1]);
		files_unpack(volume, ours, report[1], true);
	}
	sys(SYS_close, report[1]);
	ret->pid = r;
	ret->report_fd = report[0];
	return r < 0 ? r : 0;
}

static long finish(const struct copier *copier, struct text *why)
{
	long r;

	if (copier->pid <= 0)
		return 0;
	r = read_report(copier->report_fd, why);
	sys(SYS_close, copier->report_fd);
	sys(SYS_wait4, copier->pid, NULL, 0, NULL);
	return r;
}

static long copy(int folder, const char *volume, struct text *why)
{
	struct copier packer = { 0 }, unpacker = { 0 };
	struct text broken = *why;
	int pipe[2];
	long r = sys(SYS_pipe2, pipe, O_CLOEXEC), packed, unpacked;

	if (r < 0)
		return r;
	r = start(true, folder, volume, pipe[1], pipe[0], &packer);
	if (r == 0)
		r = start(false, folder, volume, pipe[0], pipe[1], &unpacker);
	sys(SYS_close, pipe[0]);
	sys(SYS_close, pipe[1]);
	/* Each fails when the other does; who says so first is not the reason. */
	packed = finish(&packer, why);
	if (packed == -EPIPE)
		*why = broken;
	unpacked = finish(&unpacker, packed < 0 && packed != -EPIPE ? &broken : why);
	if (r < 0)
		return r;
	return packed < 0 && packed != -EPIPE ? packed : unpacked;
}

long fill_volume(int root, const char *target, const char *volume, struct text *why)
{
	long folder, r = folder_each(AT_FDCWD, volume, stop_at_first, NULL);

	if (r != 0)
		return r < 0 ? r : 0;
	folder = open_in(root, target, O_RDONLY | O_DIRECTORY, 0);
	/* There is nothing to copy where the image has nothing, or a file. */
	if (folder == -ENOENT || folder == -ENOTDIR)
		return 0;
	if (folder < 0)
		return folder;
	r = copy((int)folder, volume, why);
	sys(SYS_close, folder);
	return r;
}
