/* SPDX-License-Identifier: Apache-2.0 */
/*
 * criu.c - one run of criu(8) as `criu swrk`, its mode for programs that direct it.
 *
 * The conversation goes over a SOCK_SEQPACKET: one request, any number of notifications that each
 * wait for our word, one answer. The command line would do for most of it, but a terminal's master
 * is handed out over this socket only.
 */
#include "container/criu.h"

#include <ctype.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/io.h"
#include "base/log.h"
#include "base/process.h"

/* criu's own bound for a request or an answer is of this order. */
#define ANSWER_MAX    (64u << 10)
#define LOG_MAX	      (64u << 20)
#define SOCKET_NUMBER 3

int criu_check(struct error *err)
{
	char *const argv[] = { (char *)"criu", (char *)"check", NULL };
	struct error said = { 0 };
	int r;

	if (geteuid() != 0)
		return error_set(err, EPERM, "criu needs root");
	r = process_run(argv, NULL, NULL, &said);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "it needs the program criu, which is not in $PATH");
	if (r < 0)
		return error_set(err, r, "%s", said.message);
	if (r > 0)
		return error_set(
			err, ENOTSUP, "criu does not work on this kernel: %s", said.message);
	return 0;
}

/* --- the process ----------------------------------------------------------------------------- */

/* Every descriptor to its number, without stepping on one that is still to be moved. */
static int place_descriptors(const struct criu_call *call, int socket_fd)
{
	_cleanup_free_ int *sources = calloc(CRIU_FIRST_FD + call->nr_fds, sizeof(int));
	int count = CRIU_FIRST_FD + (int)call->nr_fds, null_fd;

	if (!sources)
		return -ENOMEM;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (null_fd < 0)
		return -errno;
	for (int i = 0; i < count; i++) {
		int fd = i == SOCKET_NUMBER  ? socket_fd
			: i >= CRIU_FIRST_FD ? call->fds[i - CRIU_FIRST_FD]
			: call->stdio	     ? call->stdio[i]
					     : -1;

		sources[i] = fcntl(fd < 0 ? null_fd : fd, F_DUPFD_CLOEXEC, count);
		if (sources[i] < 0)
			return -errno;
	}
	for (int i = 0; i < count; i++)
		if (dup2(sources[i], i) < 0)
			return -errno;
	return 0;
}

static void become_criu(const struct criu_call *call, int socket_fd, int error_fd)
	__attribute__((noreturn));

static void become_criu(const struct criu_call *call, int socket_fd, int error_fd)
{
	struct error error = { 0 };
	int report = fcntl(error_fd, F_DUPFD_CLOEXEC, CRIU_FIRST_FD + (int)call->nr_fds), r = 0;

	if (call->prepare)
		r = call->prepare(call->context, &error);
	if (r == 0 && (r = place_descriptors(call, socket_fd)) < 0)
		error_errno(&error, r, "cannot set up criu's descriptors");
	if (r == 0) {
		execlp("criu", "criu", "swrk", "3", NULL);
		error_errno(&error, errno, "cannot run criu");
	}
	io_write_full(report, &error, sizeof(error));
	_exit(127);
}

/* The child's failure before it became criu, if any. */
static int await_start(int error_fd, struct error *err)
{
	struct error said;

	if (io_read_full(error_fd, &said, sizeof(said)) < 0)
		return 0;
	return error_set(err, said.code, "%s", said.message);
}

static int start(const struct criu_call *call, pid_t *ret_pid, int *ret_socket, struct error *err)
{
	_cleanup_close_ int ours = -1, theirs = -1, error_read = -1, error_write = -1;
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a socket pair");
	ours = pair[0], theirs = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	error_read = pair[0], error_write = pair[1];
	pid = fork();
	if (pid < 0)
		return error_errno(err, errno, "cannot fork");
	if (pid == 0)
		become_criu(call, theirs, error_write);
	close(steal_fd(&error_write));
	r = await_start(error_read, err);
	if (r < 0) {
		waitpid(pid, NULL, 0);
		return r;
	}
	*ret_pid = pid;
	*ret_socket = steal_fd(&ours);
	return 0;
}

/* --- the conversation ------------------------------------------------------------------------ */

static int send_request(int socket_fd, const struct str *request, struct error *err)
{
	if (request->failed)
		return error_oom(err);
	if (send(socket_fd, request->data, request->len, MSG_NOSIGNAL) < 0)
		return error_errno(err, errno, "cannot talk to criu");
	return 0;
}

/* One packet and, if one came with it, a descriptor. -EPIPE, without a sentence: criu has ended. */
static int receive_answer(
	int socket_fd, void *buf, struct criu_answer *ret, int *ret_fd, struct error *err)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { buf, ANSWER_MAX };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(err, errno, "cannot hear from criu");
	*ret_fd = -1;
	c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
	if (n == 0)
		return -EPIPE;
	if (message.msg_flags & MSG_TRUNC || criu_parse_answer(buf, (size_t)n, ret) < 0)
		return error_set(err, EPROTO, "criu's answer cannot be understood");
	return 0;
}

static int answer_notification(const struct criu_call *call, int socket_fd,
	const struct criu_answer *notification, int fd, struct error *err)
{
	_cleanup_str_ struct str reply = { 0 };
	int r = 0;

	log_debug("criu: %s", notification->script);
	if (call->notify)
		r = call->notify(call->context, notification->script, notification->pid, fd, err);
	criu_put_uint(&reply, CRIU_REQUEST_TYPE, CRIU_NOTIFY);
	criu_put_uint(&reply, CRIU_REQUEST_NOTIFY_SUCCESS, r == 0);
	if (r < 0) {
		/* Let it undo what it has done; our reason is the one that counts. */
		send_request(socket_fd, &reply, NULL);
		return r;
	}
	return send_request(socket_fd, &reply, err);
}

/* "(00.012) Error (criu/mount.c:12): mnt: ..." -> its line from "Error" on; NULL. */
static char *first_error_line(const struct criu_call *call)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	char *line, *end;

	if (!call->log_dir || !(path = strf("%s/%s", call->log_dir, call->log_file)) ||
		io_read_file(AT_FDCWD, path, LOG_MAX, &text, NULL, NULL) < 0)
		return NULL;
	line = strstr(text, "Error (");
	if (!line)
		return NULL;
	end = strchrnul(line, '\n');
	*end = '\0';
	return strdup(line);
}

static int explain(
	const struct criu_call *call, const struct criu_answer *answer, struct error *err)
{
	_cleanup_free_ char *line = first_error_line(call);
	const char *why = line ? line : answer->message;
	int code = answer->errno_code > 0 ? answer->errno_code : EIO;

	if (!answer->type && !line)
		why = "it ended without an answer";
	else if (!*why)
		why = answer->errno_code > 0 ? strerror(answer->errno_code) : "it does not say why";
	if (!call->log_dir)
		return error_set(err, code, "criu failed: %s", why);
	return error_set(err, code, "criu failed: %s (all it said is in %s/%s)", why, call->log_dir,
		call->log_file);
}

static int converse(
	const struct criu_call *call, int socket_fd, struct criu_answer *ret, struct error *err)
{
	_cleanup_str_ struct str request = { 0 };
	_cleanup_free_ void *buf = malloc(ANSWER_MAX);
	int r;

	if (!buf)
		return error_oom(err);
	criu_put_uint(&request, CRIU_REQUEST_TYPE, call->type);
	if (call->options)
		criu_put_message(&request, CRIU_REQUEST_OPTIONS, call->options);
	if (call->features)
		criu_put_message(&request, CRIU_REQUEST_FEATURES, call->features);
	r = send_request(socket_fd, &request, err);
	while (r == 0) {
		_cleanup_close_ int fd = -1;

		r = receive_answer(socket_fd, buf, ret, &fd, err);
		if (r == -EPIPE)
			*ret = (struct criu_answer){ 0 };
		else if (r < 0)
			return r;
		if (!ret->success)
			return explain(call, ret, err);
		if (ret->type != CRIU_NOTIFY)
			return ret->type == (int)call->type
				? 0
				: error_set(err, EPROTO, "criu answers another question");
		r = answer_notification(call, socket_fd, ret, fd, err);
	}
	return r;
}

int criu_call(const struct criu_call *call, struct criu_answer *ret, struct error *err)
{
	_cleanup_close_ int socket_fd = -1;
	int status, r;
	pid_t pid = -1;

	r = start(call, &pid, &socket_fd, err);
	if (r < 0)
		return r;
	if (call->ret_started)
		*call->ret_started = true;
	r = converse(call, socket_fd, ret, err);
	/* End of file: after a pre-dump it would wait for the next one. */
	close(steal_fd(&socket_fd));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	/* It counts as failed for a pre-dump that nothing follows. */
	if (r == 0 && status != 0 && call->type != CRIU_PRE_DUMP)
		return error_set(err, EIO, "criu ended with status %d after it had succeeded",
			process_exit_code(status));
	return r;
}
