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
#include <poll.h>
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
#include "base/confine.h"
#include "base/io.h"
#include "base/str.h"
#include "base/thread.h"
#include "base/userns.h"

#define WAITERS	       4
#define STATE_FD       1 /* in the server */
#define FIRST_FD       3 /* behind what it has from the start: those two, and standard error */
#define MAPS_BYTES_MAX (16u << 20)
#define END_TIMEOUT_MS 1000
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

/*
 * The first thread takes all messages and serves what is done at once, which is nearly everything:
 * a second thread would only cost the way there. What would wait for a disk it gives to a waiter,
 * and goes on; when all of these wait, it waits itself.
 */
struct waiter {
	struct pool *pool;
	struct waiter *next_idle;
	struct share_buffers *buffers;
	struct share_message message;
	bool has_message;
	pthread_cond_t given;
};

struct pool {
	struct share_session *session;
	struct share_buffers *buffers; /* the first thread's */
	struct share_message message; /* likewise */
	pthread_barrier_t started;
	pthread_mutex_t lock; /* of what follows, and of has_message */
	struct waiter *idle;
	struct waiter waiters[WAITERS];
};

static size_t serve_request(const struct pool *pool, struct share_buffers *buffers, bool may_wait,
	const struct share_message *message)
{
	return share_session_serve(pool->session, buffers, may_wait, message->parts,
		message->nr_out, message->parts + message->nr_out, message->nr_in);
}

static bool send_answer(uint32_t id, size_t written)
{
	const struct share_answer answer = { .id = id, .written = (uint32_t)written };

	return send(0, &answer, sizeof(answer), MSG_NOSIGNAL) >= 0;
}

static void *run_waiter(void *argument)
{
	struct waiter *w = argument;
	struct pool *pool = w->pool;

	confine_name_thread("shares");
	/* What a thread asks of the kernel when it begins, it has asked behind this. */
	pthread_barrier_wait(&pool->started);
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		w->next_idle = pool->idle;
		pool->idle = w;
		while (!w->has_message)
			pthread_cond_wait(&w->given, &pool->lock);
		pthread_mutex_unlock(&pool->lock);
		if (!send_answer(w->message.id, serve_request(pool, w->buffers, true, &w->message)))
			_exit(0);
		pthread_mutex_lock(&pool->lock);
		w->has_message = false;
	}
}

/* false: all of them wait. */
static bool give_to_waiter(struct pool *pool, size_t message_bytes)
{
	struct waiter *w;

	pthread_mutex_lock(&pool->lock);
	w = pool->idle;
	if (w) {
		pool->idle = w->next_idle;
		memcpy(&w->message, &pool->message, message_bytes);
		w->has_message = true;
		pthread_cond_signal(&w->given);
	}
	pthread_mutex_unlock(&pool->lock);
	return w;
}

/* One message. false: there are no more. */
static bool serve_message(struct pool *pool)
{
	const struct share_message *message = &pool->message;
	ssize_t n = recv(0, &pool->message, sizeof(pool->message), 0);
	unsigned nr = (unsigned)message->nr_out + message->nr_in;
	size_t written = 0;

	if (n < 0 && errno == EINTR)
		return true;
	if (n < (ssize_t)SHARE_MESSAGE_HEAD ||
		n != (ssize_t)(SHARE_MESSAGE_HEAD + nr * sizeof(struct iovec)))
		return false;
	if (message->id == SHARE_RESET)
		share_session_reset(pool->session);
	else if (message->id == SHARE_SAVE)
		written = (size_t)-share_session_save(pool->session, STATE_FD);
	else if (message->id == SHARE_RESTORE)
		written = (size_t)-share_session_restore(pool->session, STATE_FD);
	else
		written = serve_request(pool, pool->buffers, false, message);
	if (written == SHARE_WAITS && give_to_waiter(pool, (size_t)n))
		return true;
	if (written == SHARE_WAITS)
		written = serve_request(pool, pool->buffers, true, message);
	return send_answer(message->id, written);
}

/* All threads but the first, who is the caller. */
static int start_waiters(struct share_session *session, struct pool **ret, struct error *err)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	/* What is allocated comes from one place, so that no thread needs system calls for one of
	 * its own. */
	mallopt(M_ARENA_MAX, 1);
	if (!pool)
		return error_oom(err);
	pool->session = session;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_barrier_init(&pool->started, NULL, WAITERS + 1);
	pool->buffers = share_buffers_new();
	for (unsigned i = 0; i < WAITERS; i++) {
		struct waiter *w = &pool->waiters[i];
		pthread_t thread;
		int r;

		w->pool = pool;
		pthread_cond_init(&w->given, NULL);
		w->buffers = share_buffers_new();
		if (!pool->buffers || !w->buffers)
			return error_oom(err);
		r = thread_start(&thread, run_waiter, w);
		if (r < 0)
			return error_errno(err, r, "cannot start a server of shared folders");
	}
	pthread_barrier_wait(&pool->started);
	*ret = pool;
	return 0;
}

/* Nothing of the maker's but the socket, which gets the number 0, the file of the state, and
 * standard error, where it says why it has ended. */
static int leave_maker(int fd, int state_fd)
{
	struct rlimit limit;
	/* Whatever numbers they have, none is in the other's way. */
	int socket_fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
	int file_fd = fcntl(state_fd, F_DUPFD_CLOEXEC, FIRST_FD);

	if (socket_fd < 0 || file_fd < 0 || dup3(socket_fd, 0, O_CLOEXEC) < 0 ||
		dup3(file_fd, STATE_FD, O_CLOEXEC) < 0 ||
		syscall(SYS_close_range, FIRST_FD, ~0u, 0) < 0)
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

static int prepare(const struct share *shares, size_t nr, struct pool **ret, struct error *err)
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
		r = start_waiters(session, ret, err);
	if (r == 0)
		r = confine_calls(err);
	return r;
}

static _Noreturn void run_server(const struct share *shares, size_t nr, const struct iovec *memory,
	size_t nr_memory, int fd, int state_fd)
{
	struct pool *pool = NULL;
	struct error error = { 0 };
	int r = leave_maker(fd, state_fd);

	if (r == 0)
		r = drop_shared_memory(memory, nr_memory);
	if (r < 0)
		_exit(1);
	r = prepare(shares, nr, &pool, &error);
	send(0, &error, sizeof(error), MSG_NOSIGNAL);
	while (r == 0 && serve_message(pool))
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
	struct share_server server = { 0 };
	int pair[2];
	int r = check_shares(shares, nr, err);

	if (r < 0)
		return r;
	server.state_fd = memfd_create("strata-shares", MFD_CLOEXEC);
	if (server.state_fd < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		r = errno;
		cleanup_close(&server.state_fd);
		return error_errno(err, r, "cannot create a pair of sockets");
	}
	server.pid = fork();
	if (server.pid == 0)
		run_server(shares, nr, memory, nr_memory, pair[1], server.state_fd);
	r = errno;
	close(pair[1]);
	server.fd = pair[0];
	if (server.pid < 0) {
		close(server.fd);
		close(server.state_fd);
		return error_errno(err, r, "cannot fork");
	}
	server.pidfd = (int)syscall(SYS_pidfd_open, server.pid, 0);
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
	struct pollfd p = { .fd = server->pidfd, .events = POLLIN };

	if (!server->pid)
		return;
	/* Its end; we may have no right any more to send it a signal. One that hangs in a file of
	 * the host's is not waited for: it ends when it hangs no more. */
	close(server->fd);
	close(server->state_fd);
	while (poll(&p, 1, END_TIMEOUT_MS) < 0 && errno == EINTR)
		;
	waitpid(server->pid, NULL, WNOHANG);
	close(server->pidfd);
	server->pid = 0;
}
