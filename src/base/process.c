/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process.c - helper programs, process identity, signal names.
 */
#include "base/process.h"

#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <strings.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/io.h"

#define OUTPUT_MAX (64u << 10)

extern char **environ;

struct capture {
	int fd;
	struct str text;
};

/* Keep reading until both pipes are closed; beyond OUTPUT_MAX bytes are dropped. */
static int drain(struct capture capture[2])
{
	char chunk[4096];

	while (capture[0].fd >= 0 || capture[1].fd >= 0) {
		struct pollfd p[2] = { { capture[0].fd, POLLIN, 0 }, { capture[1].fd, POLLIN, 0 } };

		if (poll(p, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (!p[i].revents)
				continue;
			n = read(capture[i].fd, chunk, sizeof(chunk));
			if (n <= 0) {
				close(capture[i].fd);
				capture[i].fd = -1;
			} else if (capture[i].text.len < OUTPUT_MAX) {
				str_append_n(&capture[i].text, chunk, (size_t)n);
			}
		}
	}
	return 0;
}

static int feed(int fd, const char *input)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	int r;

	sigaction(SIGPIPE, &ignore, &old);
	r = io_write_full(fd, input, strlen(input));
	sigaction(SIGPIPE, &old, NULL);
	return r == -EPIPE ? 0 : r;
}

/* What a program said in several lines becomes part of one sentence. */
static void flatten(char *text)
{
	for (char *p = text; p && (p = strchr(p, '\n'));)
		*p = ';';
}

int process_run(char *const argv[], const char *input, char **ret_output, struct error *err)
{
	struct capture capture[2] = { { -1, { 0 } }, { -1, { 0 } } };
	_cleanup_close_ int in_read = -1, in_write = -1, out_write = -1, err_write = -1;
	posix_spawn_file_actions_t actions;
	int p[2], status, r;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot run %s", argv[0]);
	in_read = p[0], in_write = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot run %s", argv[0]);
	capture[0].fd = p[0], out_write = p[1];
	if (pipe2(p, O_CLOEXEC) < 0) {
		close(capture[0].fd);
		return error_errno(err, errno, "cannot run %s", argv[0]);
	}
	capture[1].fd = p[0], err_write = p[1];

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in_read, 0);
	posix_spawn_file_actions_adddup2(&actions, out_write, 1);
	posix_spawn_file_actions_adddup2(&actions, err_write, 2);
	r = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(steal_fd(&in_read));
	close(steal_fd(&out_write));
	close(steal_fd(&err_write));
	if (r != 0) {
		close(capture[0].fd);
		close(capture[1].fd);
		return error_errno(err, r, "cannot run %s", argv[0]);
	}
	if (input)
		feed(in_write, input);
	close(steal_fd(&in_write));
	drain(capture);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	r = process_exit_code(status);
	if (r != 0) {
		char *text = capture[1].text.data;

		while (capture[1].text.len && isspace((unsigned char)text[capture[1].text.len - 1]))
			text[--capture[1].text.len] = '\0';
		flatten(text);
		error_set(err, EIO, "%s failed with status %d%s%s", argv[0], r,
			capture[1].text.len ? ": " : "", capture[1].text.len ? text : "");
	}
	if (ret_output)
		*ret_output = str_finish(&capture[0].text);
	str_free(&capture[0].text);
	str_free(&capture[1].text);
	return r;
}

/* Fields of /proc/PID/stat after the command name, which may itself hold spaces and brackets. */
static int read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
	char path[40], text[1024], *p;
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || p[1] != ' ')
		return -EIO;
	p += 2;
	*ret_state = *p;
	for (int field = 3; field < 22; field++) {
		p = strchr(p, ' ');
		if (!p)
			return -EIO;
		p++;
	}
	*ret_start = strtoull(p, NULL, 10);
	return 0;
}

int process_start_time(pid_t pid, uint64_t *ret_ticks)
{
	char state;

	return read_stat(pid, &state, ret_ticks);
}

int process_open(pid_t pid, uint64_t start_ticks)
{
	uint64_t ticks;
	char state;
	int fd, r;

	if (pid <= 0)
		return -ESRCH;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return -errno;
	/* With the pidfd held, the pid cannot be reused between these two looks. */
	r = read_stat(pid, &state, &ticks);
	if (r == 0 && ticks != start_ticks)
		r = -ESRCH;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

bool process_alive(pid_t pid, uint64_t start_ticks)
{
	uint64_t ticks;
	char state;

	return pid > 0 && read_stat(pid, &state, &ticks) == 0 && ticks == start_ticks &&
		state != 'Z' && state != 'X';
}

int process_boot_id(char buf[37])
{
	_cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = io_read_full(fd, buf, 36);
	if (r == 0)
		buf[36] = '\0';
	return r;
}

int process_self_dir(char *buf, size_t size)
{
	const char *told = getenv(PROCESS_DIRECTORY_VARIABLE);
	ssize_t n;
	char *slash;

	if (told && *told == '/')
		return snprintf(buf, size, "%s", told) < (int)size ? 0 : -ENAMETOOLONG;
	n = readlink("/proc/self/exe", buf, size - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (!slash)
		return -ENOENT;
	slash[slash == buf ? 1 : 0] = '\0';
	return 0;
}

int process_helper_path(const char *name, char *buf, size_t size, struct error *err)
{
	char self[PATH_MAX];

	if (process_self_dir(self, sizeof(self)) == 0 &&
		snprintf(buf, size, "%s/%s", self, name) < (int)size && access(buf, X_OK) == 0)
		return 0;
	if (snprintf(buf, size, "%s/%s", STRATA_LIBEXEC_DIR, name) < (int)size &&
		access(buf, X_OK) == 0)
		return 0;
	return error_set(err, ENOENT,
		"the helper program %s is neither beside strata nor in %s: is the installation complete?",
		name, STRATA_LIBEXEC_DIR);
}

int process_exit_code(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

int process_signal_from_name(const char *name)
{
	uint64_t n;
	const char *rest;

	if (parse_u64(name, (uint64_t)SIGRTMAX, &n) == 0)
		return n > 0 ? (int)n : -EINVAL;
	if (strncasecmp(name, "SIG", 3) == 0)
		name += 3;
	for (int i = 1; i < 32; i++) {
		const char *known = sigabbrev_np(i);

		if (known && strcasecmp(known, name) == 0)
			return i;
	}
	if (strcasecmp(name, "IOT") == 0)
		return SIGABRT;
	if (strcasecmp(name, "CLD") == 0)
		return SIGCHLD;
	if (strncasecmp(name, "RTMIN", 5) == 0) {
		rest = name + 5;
		if (!*rest)
			return SIGRTMIN;
		if (*rest == '+' && parse_u64(rest + 1, (uint64_t)(SIGRTMAX - SIGRTMIN), &n) == 0)
			return SIGRTMIN + (int)n;
	}
	if (strncasecmp(name, "RTMAX", 5) == 0) {
		rest = name + 5;
		if (!*rest)
			return SIGRTMAX;
		if (*rest == '-' && parse_u64(rest + 1, (uint64_t)(SIGRTMAX - SIGRTMIN), &n) == 0)
			return SIGRTMAX - (int)n;
	}
	return -EINVAL;
}

const char *process_signal_name(int signo)
{
	const char *name = sigabbrev_np(signo);

	return name ? name : "?";
}
