/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor-client.c - the control socket and those who talk to it.
 *
 * Only the instance's owner and root may: SO_PEERCRED is asked for every connection. A client that
 * breaks the protocol or goes away is dropped; nothing it does can hold up the others but not
 * reading its output.
 */
#include "instance/monitor.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/io.h"

#define BACKLOG	      16
#define SEND_PATIENCE 1000 /* ms a small frame may wait */

void monitor_client_drop(struct monitor_client *client)
{
	struct monitor *monitor = client->monitor;
	int index = (int)(client - monitor->clients);

	if (client->source.fd < 0)
		return;
	loop_remove(&monitor->loop, &client->source);
	close(client->source.fd);
	client->source.fd = -1;
	if (monitor->input.taker == index)
		monitor->input.taker = -1;
	if (client->streams & 1 << 0 && monitor->stdin_once && index == 0)
		monitor_input_close(monitor);
	monitor_client_caught_up(monitor, client);
	if (monitor->phase == MONITOR_DRAINING && monitor->nr_behind == 0)
		loop_timer_start(&monitor->loop, &monitor->stuck_timer, 0);
}

void monitor_client_send(
	struct monitor_client *client, enum frame_type type, const void *payload, size_t len)
{
	struct pollfd p = { .fd = client->source.fd, .events = POLLOUT };
	int r;

	r = frame_send(client->source.fd, type, 0, payload, len, MSG_DONTWAIT);
	if (r == -EAGAIN && poll(&p, 1, SEND_PATIENCE) > 0)
		r = frame_send(client->source.fd, type, 0, payload, len, MSG_DONTWAIT);
	if (r < 0)
		monitor_client_drop(client);
}

static void send_result(struct monitor_client *client, int r, const struct error *why)
{
	struct frame_result result = { .code = r < 0 ? -r : 0 };

	if (r < 0)
		snprintf(result.message, sizeof(result.message), "%.*s", (int)FRAME_MESSAGE_MAX - 1,
			why->message);
	monitor_client_send(client, FRAME_RESULT, &result, sizeof(result));
}

void monitor_clients_tell_exit(struct monitor *monitor, int exit_code, bool final)
{
	int32_t code = exit_code;

	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct monitor_client *client = &monitor->clients[i];
		bool due = client->streams != 0;

		if (client->source.fd < 0)
			continue;
		if (client->waits)
			due = due || final || client->waits_for == INSTANCE_WAIT_NEXT_EXIT;
		if (!due)
			continue;
		monitor_client_send(client, FRAME_EXIT, &code, sizeof(code));
		client->streams = 0;
		client->waits = false;
	}
}

/* --- what a frame asks for ----------------------------------------------------------------- */

static void on_stdin(struct monitor_client *client, const struct frame *frame)
{
	struct monitor *monitor = client->monitor;

	if (client->streams & 1 << 0)
		monitor_input_write(
			monitor, (int)(client - monitor->clients), frame->payload, frame->len);
}

static void on_stdin_eof(struct monitor_client *client)
{
	struct monitor *monitor = client->monitor;

	if (monitor->stdin_once && client == &monitor->clients[0])
		monitor_input_close(monitor);
}

static void on_resize(struct monitor *monitor, const struct frame_resize *size)
{
	struct winsize window = { .ws_row = size->rows, .ws_col = size->columns };
	int fd = monitor->streams[0].source.fd;

	if (monitor->instance->config.process.terminal && fd >= 0)
		ioctl(fd, TIOCSWINSZ, &window);
}

/* SIGKILL and the stop signal say that the user wants it stopped, as `stop` does. */
static bool means_stop(const struct monitor *monitor, int signo)
{
	int stop_signal = monitor->instance->spec.stop_signal;

	return signo == SIGKILL || signo == (stop_signal ? stop_signal : SIGTERM);
}

static void on_signal(struct monitor_client *client, const struct frame *frame)
{
	struct monitor *monitor = client->monitor;
	struct instance_event_item item = { "kill", "signal", NULL };
	struct error why = { 0 };
	char number[16];
	int signo = frame_i32(frame), r;

	if (signo < 1 || signo > 64)
		r = error_set(&why, EINVAL, "%d is no signal", signo);
	else
		r = monitor_signal(monitor, signo, &why);
	if (r == 0 && frame->stream == 1) {
		snprintf(number, sizeof(number), "%d", signo);
		item.value = number;
		instance_events_append(monitor->instance, &item, 1);
		if (means_stop(monitor, signo)) {
			monitor->stopping = true;
			monitor->instance->state.stopped_by_user = true;
			if (signo == SIGKILL && monitor->instance->state.status == INSTANCE_PAUSED)
				monitor_pause(monitor, false, NULL);
		}
	}
	if (frame->stream == 1)
		send_result(client, r, &why);
}

static void on_stop(struct monitor_client *client, const struct frame_stop *stop)
{
	if (stop->signo < 0 || stop->signo > 64) {
		struct error why = { 0 };

		error_set(&why, EINVAL, "%d is no signal", stop->signo);
		send_result(client, -EINVAL, &why);
		return;
	}
	client->wants_stop_result = true;
	monitor_stop(client->monitor, stop->signo, stop->timeout_s, true);
}

/* stdout of the foreground's `run --rm` is a broken pipe and nobody else will ever read: then it is
 * one for the command too, which so ends as it would in a pipeline of plain commands. */
static void on_closed(struct monitor_client *client, uint8_t mask)
{
	struct monitor *monitor = client->monitor;

	client->streams &= (uint8_t)~mask;
	if (client != &monitor->clients[0] || !monitor->foreground ||
		!monitor->instance->spec.auto_remove || monitor->instance->config.process.terminal)
		return;
	for (size_t i = 1; i < MONITOR_CLIENTS_MAX; i++)
		if (monitor->clients[i].source.fd >= 0)
			mask &= (uint8_t)~monitor->clients[i].streams;
	for (int i = 0; i < 2; i++)
		if (mask & 1 << (i + 1))
			monitor_stream_close(&monitor->streams[i]);
}

static void on_attach(struct monitor_client *client, uint8_t mask)
{
	client->streams = mask & 7;
	if (client->monitor->phase == MONITOR_RUNNING) {
		struct instance_event_item item = { "attach", NULL, NULL };

		instance_events_append(client->monitor->instance, &item, 1);
	}
}

/* What an exec into the instance translates is told there, too. */
static void on_list(struct monitor_client *client)
{
	struct frame_result result = { .code = ENOENT };
	int list_fd = translations_list(&client->monitor->translations);

	if (list_fd >= 0)
		result.code = 0;
	if (frame_send_fd(client->source.fd, FRAME_RESULT, &result, sizeof(result), list_fd,
		    MSG_DONTWAIT) < 0)
		monitor_client_drop(client);
}

static void dispatch(struct monitor_client *client, const struct frame *frame)
{
	struct monitor *monitor = client->monitor;
	struct error why = { 0 };
	int r;

	switch (frame->type) {
	case FRAME_ATTACH:
		on_attach(client, frame_u8(frame));
		break;
	case FRAME_STDIN:
		on_stdin(client, frame);
		break;
	case FRAME_STDIN_EOF:
		on_stdin_eof(client);
		break;
	case FRAME_RESIZE:
		on_resize(monitor, frame->payload);
		break;
	case FRAME_SIGNAL:
		on_signal(client, frame);
		break;
	case FRAME_STOP:
		on_stop(client, frame->payload);
		break;
	case FRAME_PAUSE:
		r = monitor_pause(monitor, frame_u8(frame) != 0, &why);
		send_result(client, r, &why);
		break;
	case FRAME_RELOAD:
		r = monitor_reload(monitor, &why);
		send_result(client, r, &why);
		break;
	case FRAME_WAIT:
		client->waits = true;
		client->waits_for = frame_u8(frame);
		break;
	case FRAME_CLOSED:
		on_closed(client, frame_u8(frame));
		break;
	case FRAME_LIST:
		on_list(client);
		break;
	default:
		monitor_client_drop(client); /* a frame of ours, sent back to us */
	}
}

/* Is the next frame STDIN while the last one is not written yet? Then it stays in the socket. */
static bool must_wait(struct monitor_client *client)
{
	struct frame_header header;

	return client->monitor->input.pending_len > 0 &&
		recv(client->source.fd, &header, sizeof(header), MSG_PEEK | MSG_DONTWAIT) ==
		(ssize_t)sizeof(header) &&
		header.type == FRAME_STDIN;
}

static void client_ready(struct loop_source *source, uint32_t events)
{
	struct monitor_client *client = container_of(source, struct monitor_client, source);
	struct monitor *monitor = client->monitor;
	struct frame frame;
	int r;

	if (events & EPOLLOUT) {
		monitor_client_retry(client);
		if (monitor->phase == MONITOR_DRAINING && monitor->nr_behind == 0)
			monitor_drain(monitor);
		return; /* the callback may have ended everything; input is looked at next time */
	}
	if (events & EPOLLIN && must_wait(client)) {
		client->stdin_waits = true;
		loop_change(&monitor->loop, source, client->behind ? EPOLLOUT : EPOLLRDHUP);
		return;
	}
	if (client->stdin_waits) {
		monitor_client_drop(client); /* it hung up while its input waited */
		return;
	}
	r = frame_receive(source->fd, monitor->frame, &frame, MSG_DONTWAIT);
	if (r == -EAGAIN)
		return;
	if (r <= 0)
		monitor_client_drop(client);
	else
		dispatch(client, &frame);
}

/* --- the socket ---------------------------------------------------------------------------- */

struct monitor_client *monitor_client_add(struct monitor *monitor, int fd, uint8_t streams)
{
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct monitor_client *client = &monitor->clients[i];

		/* Slot 0 is the foreground's, and stays its own when it has left. */
		if (client->source.fd >= 0 || (i == 0 && fd != monitor->starter))
			continue;
		*client = (struct monitor_client){
			.source = { .ready = client_ready, .fd = fd },
			.monitor = monitor,
			.streams = streams,
		};
		if (loop_add(&monitor->loop, &client->source, EPOLLIN) == 0)
			return client;
		client->source.fd = -1;
		break;
	}
	close(fd);
	return NULL;
}

static void connection_ready(struct loop_source *source, uint32_t events)
{
	struct monitor *monitor = container_of(source, struct monitor, listener);
	int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
		(peer.uid != geteuid() && peer.uid != 0)) {
		close(fd);
		return;
	}
	monitor_client_add(monitor, fd, 0);
}

/* Others may pass through; the sockets' own modes say who may talk to monitors. */
#define RUN_ROOT_MODE 0711

/* The run-time part is gone after a reboot. */
static int make_run_root(const struct instance_roots *roots, struct error *err)
{
	return io_make_dirs(AT_FDCWD, roots->run_root, RUN_ROOT_MODE, err);
}

int monitor_listen(struct monitor *monitor, struct error *err)
{
	const struct instance *instance = monitor->instance;
	_cleanup_close_ int dir_fd = -1, fd = -1;
	struct sockaddr_un address;
	int r;

	r = instance_socket_address(&instance->roots, instance->id, &dir_fd, &address, err);
	if (r == -ENOENT && make_run_root(&instance->roots, err) == 0)
		r = instance_socket_address(&instance->roots, instance->id, &dir_fd, &address, err);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot make the control socket");
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	if (r < 0 && errno == ENOENT) {
		r = make_run_root(&instance->roots, err);
		if (r < 0)
			return r;
		r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	}
	if (r < 0 && errno == EADDRINUSE) {
		/* We hold the instance's lock: whoever left it is gone. */
		unlink(address.sun_path);
		r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	}
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return error_errno(err, errno, "cannot open the control socket in %s",
			instance->roots.run_root);
	monitor->listener = (struct loop_source){ .ready = connection_ready, .fd = fd };
	r = loop_add(&monitor->loop, &monitor->listener, EPOLLIN);
	if (r < 0)
		return error_errno(err, r, "cannot watch the control socket");
	steal_fd(&fd);
	return 0;
}

void monitor_unlisten(struct monitor *monitor)
{
	const struct instance *instance = monitor->instance;
	_cleanup_close_ int dir_fd = -1;
	struct sockaddr_un address;

	if (monitor->listener.fd < 0)
		return;
	/* The name first: nobody may find a socket that no longer answers. */
	if (instance_socket_address(&instance->roots, instance->id, &dir_fd, &address, NULL) == 0)
		unlink(address.sun_path);
	loop_remove(&monitor->loop, &monitor->listener);
	close(monitor->listener.fd);
	monitor->listener.fd = -1;
}
