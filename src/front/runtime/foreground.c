/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground.c - the terminal, the signals and the end of a process we stay with.
 *
 * poll(2), not epoll: standard input may be a regular file. What is typed waits in a buffer while
 * the process does not read, and nothing more is read of ours until it has gone; what it writes
 * waits for our standard output.
 */
#include "front/runtime/foreground.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/process.h"

#define CHUNK_BYTES 16384

/* Faults of our own, and what nobody can hold back. */
static const int not_forwarded[] = { SIGKILL, SIGSTOP, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGILL,
	SIGFPE, SIGABRT, SIGTRAP, SIGSYS };

struct relay {
	int signal_fd;
	int master; /* -1 = no terminal, or it has closed */
	bool stdin_open, stdout_open;
	pid_t pid;
	int status; /* -1 = it runs */
	size_t pending_at, pending_len;
	char pending[CHUNK_BYTES]; /* read from us, not yet taken by the terminal */
};

/* Who reads our output from a pipe or a file wants line feeds, not what a terminal makes of them.
 */
static void pass_line_feeds(int master)
{
	struct termios t;

	if (master < 0 || isatty(STDOUT_FILENO) || tcgetattr(master, &t) < 0)
		return;
	t.c_oflag &= ~(tcflag_t)ONLCR;
	tcsetattr(master, TCSANOW, &t);
}

int foreground_begin(struct foreground *foreground, int terminal_fd, struct error *err)
{
	sigset_t mask;

	pass_line_feeds(terminal_fd);
	sigfillset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(not_forwarded); i++)
		sigdelset(&mask, not_forwarded[i]);
	if (sigprocmask(SIG_BLOCK, &mask, &foreground->old_mask) < 0)
		return error_errno(err, errno, "cannot hold signals back");
	foreground->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (foreground->signal_fd >= 0)
		return 0;
	sigprocmask(SIG_SETMASK, &foreground->old_mask, NULL);
	return error_errno(err, errno, "cannot watch signals");
}

void foreground_end(struct foreground *foreground)
{
	if (foreground->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &foreground->saved);
	foreground->raw = false;
	if (foreground->signal_fd < 0)
		return;
	close(steal_fd(&foreground->signal_fd));
	sigprocmask(SIG_SETMASK, &foreground->old_mask, NULL);
}

/* --- the terminal ---------------------------------------------------------------------------- */

static void enter_raw_mode(struct foreground *foreground)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &foreground->saved) < 0)
		return;
	raw = foreground->saved;
	cfmakeraw(&raw);
	foreground->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* The size of whichever of our streams is a terminal. */
static void copy_size(int master)
{
	static const int order[] = { STDOUT_FILENO, STDIN_FILENO, STDERR_FILENO };
	struct winsize size;

	for (size_t i = 0; master >= 0 && i < ARRAY_SIZE(order); i++)
		if (ioctl(order[i], TIOCGWINSZ, &size) == 0) {
			ioctl(master, TIOCSWINSZ, &size);
			return;
		}
}

/* Waits for our standard output, be it blocking or not. */
static int write_stdout(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);
		struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			poll(&p, 1, -1);
		else if (n < 0 && errno != EINTR)
			return -errno;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* EIO: the last of the processes that had it open has gone. */
static void read_master(struct relay *relay)
{
	char chunk[CHUNK_BYTES];
	ssize_t n = read(relay->master, chunk, sizeof(chunk));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		relay->master = -1;
		return;
	}
	/* Whoever reads us may be gone: the process goes on. */
	if (relay->stdout_open && write_stdout(chunk, (size_t)n) < 0)
		relay->stdout_open = false;
}

static void write_master(struct relay *relay)
{
	ssize_t n = write(relay->master, relay->pending + relay->pending_at, relay->pending_len);

	if (n > 0) {
		relay->pending_at += (size_t)n;
		relay->pending_len -= (size_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		relay->pending_len = 0;
	}
}

static void read_stdin(struct relay *relay)
{
	ssize_t n = read(STDIN_FILENO, relay->pending, sizeof(relay->pending));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	relay->stdin_open = n > 0;
	relay->pending_at = 0;
	relay->pending_len = n > 0 ? (size_t)n : 0;
}

/* --- signals --------------------------------------------------------------------------------- */

static void reap(struct relay *relay)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == relay->pid)
			relay->status = process_exit_code(status);
}

static void take_signal(struct relay *relay)
{
	struct signalfd_siginfo info;

	if (read(relay->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(relay);
	else if (info.ssi_signo == SIGWINCH)
		copy_size(relay->master);
	/* What we have done to ourselves is a write into a broken pipe. */
	else if (info.ssi_pid != (uint32_t)getpid())
		kill(relay->pid, (int)info.ssi_signo);
}

static void serve(struct relay *relay)
{
	while (relay->status < 0) {
		bool terminal = relay->master >= 0;
		bool typed = terminal && relay->pending_len > 0;
		struct pollfd fds[] = {
			{ .fd = relay->signal_fd, .events = POLLIN },
			{ .fd = relay->master, .events = (short)(POLLIN | (typed ? POLLOUT : 0)) },
			{ .fd = terminal && relay->stdin_open && !typed ? STDIN_FILENO : -1,
				.events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents & (POLLIN | POLLHUP | POLLERR))
			read_master(relay);
		if (fds[1].revents & POLLOUT && relay->master >= 0)
			write_master(relay);
		if (fds[2].revents)
			read_stdin(relay);
		if (fds[0].revents)
			take_signal(relay);
	}
}

/* What it had written when it ended; others that have the terminal open may go on. */
static void drain(struct relay *relay)
{
	struct pollfd p = { .fd = relay->master, .events = POLLIN };

	while (relay->master >= 0 && poll(&p, 1, 0) > 0)
		read_master(relay);
}

int foreground_wait(struct foreground *foreground, pid_t pid, int terminal_fd)
{
	struct relay relay = {
		.signal_fd = foreground->signal_fd,
		.master = terminal_fd,
		.stdin_open = true,
		.stdout_open = true,
		.pid = pid,
		.status = -1,
	};

	if (terminal_fd >= 0) {
		fcntl(terminal_fd, F_SETFL, fcntl(terminal_fd, F_GETFL) | O_NONBLOCK);
		enter_raw_mode(foreground);
		copy_size(terminal_fd);
	}
	/* It may have ended before SIGCHLD was held back. */
	reap(&relay);
	serve(&relay);
	drain(&relay);
	return relay.status;
}
