/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.c - the client of a monitor: our stdio is the command's for a while.
 *
 * poll(2), not epoll: stdin may be a regular file. Writing to our stdout blocks, and while it does
 * nothing is received: so a slow reader slows the command down. One STDIN frame is under way at a
 * time (protocol.h), which leaves the socket free for signals.
 */
#include "instance/client.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/process.h"
#include "instance/protocol.h"

#define STDIN_READ_MAX (FRAME_PAYLOAD_MAX - DETACH_KEYS_MAX)

int instance_socket_address(const struct instance_roots *roots, const char *id, int *ret_dir_fd,
	void *ret_sockaddr_un, struct error *err)
{
	struct sockaddr_un *address = ret_sockaddr_un;
	size_t size = sizeof(address->sun_path);
	int fd;

	*ret_dir_fd = -1;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (snprintf(address->sun_path, size, "%s/%s.sock", roots->run_root, id) < (int)size)
		return 0;
	fd = io_open_dir(AT_FDCWD, roots->run_root);
	if (fd < 0)
		return error_errno(err, fd, "cannot open %s", roots->run_root);
	snprintf(address->sun_path, size, "/proc/self/fd/%d/%.*s.sock", fd, INSTANCE_ID_LEN, id);
	*ret_dir_fd = fd;
	return 0;
}

int instance_connect(const struct instance *instance)
{
	_cleanup_close_ int dir_fd = -1, fd = -1;
	struct sockaddr_un address;
	int r;

	r = instance_socket_address(&instance->roots, instance->id, &dir_fd, &address, NULL);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Signals that go to the command: all a user or a supervisor sends on purpose. Job control and
 * what the kernel tells us about ourselves stay ours. */
static const int forwarded[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };

int client_signals(const struct instance_attach_options *options, sigset_t *old)
{
	sigset_t wanted, blocked;
	int fd;

	sigemptyset(&wanted);
	if (options->signal_proxy || options->terminal)
		for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
			sigaddset(&wanted, forwarded[i]);
	if (options->terminal)
		sigaddset(&wanted, SIGWINCH);
	blocked = wanted;
	sigaddset(&blocked, SIGPIPE); /* a broken stdout is told to the monitor */
	sigprocmask(SIG_BLOCK, &blocked, old);
	fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

struct client {
	int fd; /* to the monitor */
	int signal_fd;
	const struct instance_attach_options *options;
	struct detach_matcher matcher;
	bool stdin_open; /* still to be read */
	bool stdin_free; /* the last STDIN was taken */
	bool detached;
	bool ended;
	int exit_code;
	int killed_by; /* a signal that ends us, not the command */
	char *typed; /* STDIN_READ_MAX bytes read and the same filtered, when there is a stdin */
};

/* Returns a negative errno when the connection is of no more use. */
static int forward_stdin(struct client *client)
{
	char *raw = client->typed, *filtered = client->typed + FRAME_PAYLOAD_MAX;
	size_t len;
	ssize_t n = read(0, raw, STDIN_READ_MAX);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		client->stdin_open = false;
		return frame_send(client->fd, FRAME_STDIN_EOF, 0, NULL, 0, 0);
	}
	client->detached = detach_matcher_feed(&client->matcher, raw, (size_t)n, filtered, &len);
	if (!len)
		return 0;
	client->stdin_free = false;
	return frame_send(client->fd, FRAME_STDIN, 0, filtered, len, 0);
}

static int send_size(struct client *client)
{
	struct frame_resize size = { 0 };

	if (!terminal_size(&size.rows, &size.columns))
		return 0;
	return frame_send(client->fd, FRAME_RESIZE, 0, &size, sizeof(size), 0);
}

static int forward_signal(struct client *client)
{
	struct signalfd_siginfo info;

	if (read(client->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	if (info.ssi_signo == SIGWINCH)
		return send_size(client);
	if (client->options->signal_proxy)
		return frame_send_i32(client->fd, FRAME_SIGNAL, (int)info.ssi_signo, 0);
	client->killed_by = (int)info.ssi_signo;
	return 0;
}

/* What we cannot write any more is not to be sent to us any more. */
static int write_output(struct client *client, const struct frame *frame)
{
	int r = io_write_full(frame->stream, frame->payload, frame->len);
	uint8_t mask = (uint8_t)(1 << frame->stream);

	while (r == -EAGAIN) {
		/* Our stdout is not blocking; whoever made it so waits on the other side. */
		struct pollfd p = { .fd = frame->stream, .events = POLLOUT };

		poll(&p, 1, -1);
		r = io_write_full(frame->stream, frame->payload, frame->len);
	}
	if (r < 0)
		return frame_send(client->fd, FRAME_CLOSED, 0, &mask, sizeof(mask), 0);
	return 0;
}

static int handle_frame(struct client *client, void *buffer)
{
	struct frame frame;
	int r = frame_receive(client->fd, buffer, &frame, 0);

	if (r == 0)
		return -EPIPE;
	if (r < 0)
		return r;
	switch (frame.type) {
	case FRAME_OUTPUT:
		return write_output(client, &frame);
	case FRAME_STDIN_TAKEN:
		client->stdin_free = true;
		return 0;
	case FRAME_EXIT:
		client->ended = true;
		client->exit_code = frame_i32(&frame) & 255;
		return 0;
	default:
		return 0;
	}
}

static int client_loop(struct client *client, void *buffer)
{
	int r = client->options->terminal ? send_size(client) : 0;

	while (r >= 0 && !client->ended && !client->detached && !client->killed_by) {
		bool read_stdin = client->stdin_open && client->stdin_free;
		struct pollfd fds[3] = {
			{ .fd = client->fd, .events = POLLIN },
			{ .fd = client->signal_fd, .events = POLLIN },
			{ .fd = read_stdin ? 0 : -1, .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[1].revents)
			r = forward_signal(client);
		if (r >= 0 && fds[0].revents)
			r = handle_frame(client, buffer);
		else if (r >= 0 && fds[2].revents)
			r = forward_stdin(client);
		/* A send that failed says less than what the monitor sent before it went. */
		if (r == -EPIPE || r == -ECONNRESET)
			while ((r = handle_frame(client, buffer)) >= 0 && !client->ended)
				;
	}
	return r;
}

int client_run(int fd, const struct instance_attach_options *options, int signal_fd,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err)
{
	struct client client = {
		.fd = fd,
		.signal_fd = signal_fd,
		.options = options,
		.stdin_open = options->stdin_open,
		.stdin_free = true,
	};
	_cleanup_terminal_ struct terminal terminal = { .fd = -1 };
	_cleanup_free_ void *buffer = malloc(FRAME_MAX);
	_cleanup_free_ char *typed = NULL;
	int r;

	/* Without a terminal nothing typed is special. */
	r = detach_matcher_init(
		&client.matcher, options->terminal ? options->detach_keys : "", err);
	if (r < 0)
		return r;
	if (options->stdin_open)
		client.typed = typed = malloc(2 * FRAME_PAYLOAD_MAX);
	if (!buffer || (options->stdin_open && !typed))
		return error_oom(err);
	if (options->terminal && options->stdin_open) {
		r = terminal_raw(&terminal, 0, err);
		if (r < 0)
			return r;
	}
	r = client_loop(&client, buffer);
	if (client.ended)
		*ret_end = INSTANCE_ATTACH_EXITED;
	else if (client.detached || client.killed_by)
		*ret_end = INSTANCE_ATTACH_DETACHED;
	else
		*ret_end = INSTANCE_ATTACH_LOST;
	*ret_exit_code = client.killed_by ? 128 + client.killed_by : client.exit_code;
	return 0;
}

int instance_attach(struct instance *instance, const struct instance_attach_options *options,
	enum instance_attach_end *ret_end, int *ret_exit_code, struct error *err)
{
	uint8_t mask = (uint8_t)(options->stdin_open << 0 | options->stdout_open << 1 |
		options->stderr_open << 2);
	_cleanup_close_ int fd = -1, signal_fd = -1;
	sigset_t old;
	int r;

	r = instance_refresh(instance, err);
	if (r < 0)
		return r;
	if (!instance_is_live(instance))
		return error_set(err, ESRCH, "instance %s is %s, not running: start it first",
			instance_label(instance), instance_status_name(instance->state.status));
	if (instance->state.status == INSTANCE_PAUSED)
		return error_set(err, EBUSY, "instance %s is paused: unpause it first",
			instance_label(instance));
	fd = instance_connect(instance);
	if (fd < 0)
		return error_set(err, ENOTCONN,
			"cannot attach to %s: its monitor is gone, and with it the other end of its output; `strata restart` or `rm -f` help",
			instance_label(instance));
	signal_fd = client_signals(options, &old);
	r = signal_fd < 0 ? error_errno(err, signal_fd, "cannot watch signals")
			  : frame_send(fd, FRAME_ATTACH, 0, &mask, sizeof(mask), 0);
	if (r == 0)
		r = client_run(fd, options, signal_fd, ret_end, ret_exit_code, err);
	else if (signal_fd >= 0)
		error_errno(err, r, "cannot attach to %s", instance_label(instance));
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
