/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - the server's process, from its fork to its end.
 *
 * The socket between it and its maker carries, one after the other: "I am in my namespaces" from
 * it, "your ids are mapped" to it, "I stand" or what is wrong from it; then messages and answers.
 * It ends when its maker does.
 */
#include "share/internal.h"

#include <grp.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "base/userns.h"

#define WORKERS	       4
#define MAPS_BYTES_MAX (16u << 20)
#define NAMESPACES                                                                                 \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

int share_parse(char *text, struct share *ret, struct error *err)
{
	char *path = strchr(text, '=');
	char *option;

	*ret = (struct share){ .name = text };
	if (!path || path == text || !path[1])
		return error_set(
			err, EINVAL, "%s is no share: it is NAME=PATH or NAME=PATH:ro", text);
	*path++ = '\0';
	option = strrchr(path, ':');
	if (option && streq(option, ":ro")) {
		*option = '\0';
		ret->is_readonly = true;
	}
	ret->path = path;
	if (strlen(text) > SHARE_NAME_MAX || strchr(text, '/') || streq(text, ".") ||
		streq(text, ".."))
		return error_set(err, EINVAL, "%s cannot be the name of a shared folder", text);
	return 0;
}

/* --- the server ------------------------------------------------------------------------------- */

/* One of the threads that serve. They take messages as these come; all have all that there is. */
struct worker {
	struct share_session *session;
	struct share_buffers *buffers;
	struct share_message message;
	pthread_barrier_t *started;
};

/* One message. false: there are no more. */
static bool serve_message(struct worker *w)
{
	struct share_message *message = &w->message;
	ssize_t n = recv(0, message, sizeof(*message), 0);
	unsigned nr = (unsigned)message->nr_out + message->nr_in;
	struct share_answer answer = { .id = message->id };

	if (n < 0 && errno == EINTR)
		return true;
	if (n < (ssize_t)SHARE_MESSAGE_HEAD ||
		n != (ssize_t)(SHARE_MESSAGE_HEAD + nr * sizeof(struct iovec)))
		return false;
	if (message->id == SHARE_RESET)
		share_session_reset(w->session);
	else
		answer.written = (uint32_t)share_session_serve(w->session, w->buffers,
			message->parts, message->nr_out, message->parts + message->nr_out,
			message->nr_in);
	return send(0, &answer, sizeof(answer), MSG_NOSIGNAL) >= 0;
}

static void *run_worker(void *argument)
{
	struct worker *w = argument;

	/* What a thread asks of the kernel when it begins, it has asked behind this. */
	pthread_barrier_wait(w->started);
	while (serve_message(w))
		;
	_exit(0);
}

/* All but the first, who is the caller. They wait for messages, of which there are none yet. */
static int start_workers(struct share_session *session, struct worker **ret, struct error *err)
{
	static pthread_barrier_t started;
	struct worker *workers = calloc(WORKERS, sizeof(*workers));

	/* What is allocated comes from one place, so that no thread needs system calls for one of
	 * its own. */
	mallopt(M_ARENA_MAX, 1);
	if (!workers)
		return error_oom(err);
	pthread_barrier_init(&started, NULL, WORKERS);
	for (unsigned i = 0; i < WORKERS; i++) {
		pthread_t thread;
		int r;

		workers[i].session = session;
		workers[i].started = &started;
		workers[i].buffers = share_buffers_new();
		if (!workers[i].buffers)
			return error_oom(err);
		r = i ? pthread_create(&thread, NULL, run_worker, &workers[i]) : 0;
		if (r != 0)
			return error_errno(err, r, "cannot start a server of shared folders");
	}
	pthread_barrier_wait(&started);
	*ret = workers;
	return 0;
}

/* Nothing of the maker's but the socket, which gets the number 0. */
static int leave_maker(int fd)
{
	struct rlimit limit;

	if (dup2(fd, 0) < 0)
		return -errno;
	fcntl(0, F_SETFD, FD_CLOEXEC);
	if (syscall(SYS_close_range, 1, ~0u, 0) < 0)
		return -errno;
	/* Each file that the guest knows is one. */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	/* A terminal's keys are not for us. */
	setsid();
	umask(0);
	return 0;
}

static bool is_kept(const struct iovec *memory, size_t nr, uintptr_t start, uintptr_t end)
{
	for (size_t i = 0; i < nr; i++) {
		uintptr_t kept = (uintptr_t)memory[i].iov_base;

		if (start < kept + memory[i].iov_len && end > kept)
			return true;
	}
	return false;
}

/* What the maker writes to such memory (translated code, say), or we would, the other sees. A
 * private copy does no harm. */
static int drop_shared_memory(const struct iovec *memory, size_t nr)
{
	_cleanup_free_ char *text = NULL;
	int r = io_read_file(AT_FDCWD, "/proc/self/maps", MAPS_BYTES_MAX, &text, NULL, NULL);

	for (char *line = text; r == 0 && line && *line;) {
		char *next = strchr(line, '\n');
		char shared = '-';
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx %*3c%c", &start, &end, &shared) != 3)
			return -EIO;
		if (shared == 's' && !is_kept(memory, nr, start, end) &&
			munmap((void *)start, end - start) < 0)
			return -errno;
		line = next ? next + 1 : NULL;
	}
	return r;
}

static int enter_namespaces(struct error *err)
{
	char byte = 0;

	if (unshare(NAMESPACES) < 0)
		return error_errno(err, errno, "cannot confine the server of shared folders");
	if (send(0, &byte, 1, MSG_NOSIGNAL) != 1 || recv(0, &byte, 1, 0) != 1)
		return error_set(err, EPIPE, "the maker of a server of shared folders is gone");
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_errno(err, errno, "cannot become root of the shared folders");
	/* Where groups may not be set, those of the user stay, who may use them. */
	setgroups(0, NULL);
	return 0;
}

static int prepare(const struct share *shares, size_t nr, struct worker **ret, struct error *err)
{
	struct share_session *session;
	int root_fd, proc_fd;
	int r = enter_namespaces(err);

	if (r == 0)
		r = confine_to_shares(shares, nr, &root_fd, &proc_fd, err);
	if (r == 0)
		r = share_session_open(root_fd, proc_fd, &session, err);
	if (r == 0)
		r = confine_rights(err);
	if (r == 0)
		r = start_workers(session, ret, err);
	if (r == 0)
		r = confine_calls(err);
	return r;
}

static _Noreturn void run_server(
	const struct share *shares, size_t nr, const struct iovec *memory, size_t nr_memory, int fd)
{
	struct worker *workers = NULL;
	struct error error = { 0 };
	int r = leave_maker(fd);

	if (r == 0)
		r = drop_shared_memory(memory, nr_memory);
	if (r < 0)
		_exit(1);
	r = prepare(shares, nr, &workers, &error);
	send(0, &error, sizeof(error), MSG_NOSIGNAL);
	while (r == 0 && serve_message(&workers[0]))
		;
	_exit(0);
}

/* --- its maker -------------------------------------------------------------------------------- */

static int give_ids(pid_t pid, int fd, struct error *err)
{
	struct userns_maps maps = { 0 };
	char byte = 0;
	int r = userns_maps_of_caller(&maps, err);

	if (r == 0)
		r = userns_write_maps(pid, &maps, err);
	userns_maps_free(&maps);
	if (r == 0 && send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		r = error_errno(err, errno, "the server of shared folders has ended");
	return r;
}

/* Until the server stands. */
static int raise_server(struct share_server *server, struct error *err)
{
	struct error told;
	char first[sizeof(struct error)];
	ssize_t n = recv(server->fd, first, sizeof(first), 0);
	int r;

	if (n == 1) {
		r = give_ids(server->pid, server->fd, err);
		if (r < 0)
			return r;
		n = recv(server->fd, first, sizeof(first), 0);
	}
	if (n != sizeof(told))
		return error_set(err, EPIPE, "the server of shared folders has ended");
	memcpy(&told, first, sizeof(told));
	told.message[sizeof(told.message) - 1] = '\0';
	return told.code ? error_set(err, told.code, "%s", told.message) : 0;
}

static int check_shares(const struct share *shares, size_t nr, struct error *err)
{
	if (nr > SHARES_MAX)
		return error_set(err, EINVAL, "at most %d folders can be shared", SHARES_MAX);
	for (size_t i = 0; i < nr; i++)
		for (size_t k = 0; k < i; k++)
			if (streq(shares[i].name, shares[k].name))
				return error_set(err, EINVAL, "two shared folders have the name %s",
					shares[i].name);
	return 0;
}

int share_server_start(const struct share *shares, size_t nr, const struct iovec *memory,
	size_t nr_memory, struct share_server *ret, struct error *err)
{
	struct share_server server;
	int pair[2];
	int r = check_shares(shares, nr, err);

	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot create a pair of sockets");
	server.pid = fork();
	if (server.pid == 0)
		run_server(shares, nr, memory, nr_memory, pair[1]);
	r = errno;
	close(pair[1]);
	server.fd = pair[0];
	if (server.pid < 0) {
		close(server.fd);
		return error_errno(err, r, "cannot fork");
	}
	r = raise_server(&server, err);
	if (r < 0) {
		share_server_stop(&server);
		return r;
	}
	*ret = server;
	return 0;
}

void share_server_stop(struct share_server *server)
{
	if (!server->pid)
		return;
	close(server->fd);
	kill(server->pid, SIGKILL);
	while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
		;
	server->pid = 0;
}
