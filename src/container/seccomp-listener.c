/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp-listener.c - SCMP_ACT_NOTIFY: the descriptor through which an agent outside answers
 * system calls, sent to it together with what it should know of the container (child; runtime-spec
 * config-linux.md, "The Container Process State").
 *
 * Once the filter is installed no system call of ours is sure to be answered: the profile may deny
 * sendmsg(2), or ask the very agent that waits for us. A filter holds for the thread that installs
 * it, so a second thread is started before, and does the sending. Both share the descriptors. The
 * first one waits without a system call, for as long as it takes to send one message.
 *
 * The agent's socket is found while the host's files can still be seen, but connected only when
 * there is something to say: a container may wait for its start for ever.
 */
#include "container/internal.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/str.h"

#define STACK_BYTES (16 << 10)
#define PAUSE_NS    20000 /* between two looks of the second thread */
#define NOT_YET	    (-1) /* in place of a descriptor */
#define NONE	    (-2)

int seccomp_listener_open(struct child *child, struct error *err)
{
	const char *path = child->seccomp.listener_path;
	char number[16];
	struct stat st;
	ssize_t n;

	if (!path)
		return 0;
	child->agent_fd = open(path, O_PATH | O_CLOEXEC);
	if (child->agent_fd < 0 || fstat(child->agent_fd, &st) < 0)
		return error_errno(err, errno,
			"config.json: linux.seccomp.listenerPath: cannot open %s", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, ENOTSOCK,
			"config.json: linux.seccomp.listenerPath: %s is not a socket", path);
	child->own_fds_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (child->own_fds_fd < 0)
		return error_errno(err, errno, "cannot open /proc/self/fd");
	/* Our number outside; inside of a pid namespace we know another. */
	n = readlink("/proc/self", number, sizeof(number) - 1);
	if (n < 0)
		return error_errno(err, errno, "cannot read /proc/self");
	number[n] = '\0';
	child->outer_pid = (pid_t)atoi(number);
	return 0;
}

/* The path may mean another file inside, so the descriptor's name is used; it is found in the
 * directory we are in, because connect(2) takes no directory. We are about to leave it. */
static int connect_agent(const struct child *child, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%d", child->agent_fd);
	if (fd < 0 || fchdir(child->own_fds_fd) < 0 ||
		connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "cannot connect to the seccomp agent at %s",
			child->seccomp.listener_path);
	return steal_fd(&fd);
}

static char *write_process_state(const struct child *child)
{
	const struct container_identity unknown = { 0 }, *identity = child->options->identity;
	pid_t first = child->is_first ? child->outer_pid : child->first_pid;
	struct json_writer w = { 0 };
	_cleanup_free_ char *state = container_state_write(child->config,
		identity ? identity : &unknown, child->is_first ? "created" : "running", first);

	if (!state)
		return NULL;
	json_begin_object(&w, NULL);
	json_write_string(&w, "ociVersion", CONTAINER_SPEC_VERSION);
	json_begin_array(&w, "fds");
	json_write_string(&w, NULL, "seccompFd");
	json_end_array(&w);
	json_write_int(&w, "pid", child->outer_pid);
	json_write_string(&w, "metadata", child->seccomp.listener_metadata);
	json_write_raw(&w, "state", state);
	json_end_object(&w);
	return json_writer_finish(&w);
}

int seccomp_listener_connect(struct child *child, struct error *err)
{
	if (!child->seccomp.listener_path)
		return 0;
	child->agent_text = write_process_state(child);
	if (!child->agent_text)
		return error_oom(err);
	child->agent_socket = connect_agent(child, err);
	return child->agent_socket < 0 ? child->agent_socket : 0;
}

/* What the two threads share. */
struct sender {
	int socket;
	const char *text;
	atomic_int listener; /* or NOT_YET, NONE */
	int result;
	_Atomic pid_t alive; /* cleared by the kernel when the second thread has ended */
};

/* The descriptor goes with the first bytes. How many were sent, or -errno. */
static ssize_t send_part(int socket, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .header = {
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int)),
		      } };
	struct iovec iov = { (void *)(uintptr_t)text, len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
	if (fd >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.bytes);
	}
	do {
		n = sendmsg(socket, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int send_listener(void *arg)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct sender *s = arg;
	size_t len = strlen(s->text), sent = 0;
	int fd;

	while ((fd = atomic_load(&s->listener)) == NOT_YET)
		nanosleep(&pause, NULL);
	while (fd != NONE && s->result == 0 && sent < len) {
		ssize_t n = send_part(s->socket, s->text + sent, len - sent, sent ? -1 : fd);

		if (n < 0)
			s->result = (int)n;
		else
			sent += (size_t)n;
	}
	/* The descriptors are the first thread's, too, which may not be let close them. */
	close(s->socket);
	if (fd != NONE)
		close(fd);
	return 0;
}

int seccomp_listener_install(struct child *child, struct error *err)
{
	const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	char stack[STACK_BYTES] __attribute__((aligned(16)));
	struct sender s = {
		.socket = child->agent_socket,
		.text = child->agent_text,
		.listener = NOT_YET,
	};
	int r;

	if (clone(send_listener, stack + sizeof(stack), flags, &s, &s.alive, NULL, &s.alive) < 0)
		return error_errno(err, errno, "cannot make a thread for the seccomp listener");
	r = seccomp_install(&child->seccomp);
	atomic_store(&s.listener, r < 0 ? NONE : r);
	while (atomic_load(&s.alive))
		;
	if (r < 0)
		return error_errno(err, r, "cannot install the seccomp filter");
	return s.result < 0 ? error_errno(err, s.result, "cannot send to the seccomp agent at %s",
				      child->seccomp.listener_path)
			    : 0;
}
