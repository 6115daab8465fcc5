/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor-stdio.c - the command's standard input, output and error.
 *
 * Output: one chunk at a time is read, logged, and sent to every attached client. A client whose
 * socket is full is "behind"; while any is, nothing more is read, so that the command is slowed
 * down by its slowest reader (as in Docker) and we hold one chunk at most.
 *
 * Input: what a client sends is written at once as far as it goes; the rest waits here, and the
 * client hears STDIN_TAKEN only when it is gone.
 */
#include "instance/monitor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define WIDE_PIPE (256 << 10) /* bytes of a pipe that is written to a lot */

/* --- output -------------------------------------------------------------------------------- */

void monitor_stream_close(struct monitor_stream *stream)
{
	if (stream->source.fd < 0)
		return;
	loop_remove(&stream->monitor->loop, &stream->source);
	close(stream->source.fd);
	stream->source.fd = -1;
}

/* Stop or go on reading: level-triggered, so a source that is not to be read must be out of the
 * loop (a pipe's EPOLLHUP cannot be masked). */
static void watch_streams(struct monitor *monitor, bool watch)
{
	for (int i = 0; i < 2; i++) {
		struct loop_source *source = &monitor->streams[i].source;

		if (source->fd < 0 || source->active == watch)
			continue;
		if (watch)
			loop_add(&monitor->loop, source, EPOLLIN);
		else
			loop_remove(&monitor->loop, source);
	}
}

static void send_chunk(struct monitor *monitor, struct monitor_client *client)
{
	int r = frame_send(client->source.fd, FRAME_OUTPUT, (uint8_t)monitor->chunk_stream,
		monitor->chunk, monitor->chunk_len, MSG_DONTWAIT);

	if (r == -EAGAIN && !client->behind) {
		client->behind = true;
		monitor->nr_behind++;
		loop_change(&monitor->loop, &client->source, EPOLLIN | EPOLLOUT);
	} else if (r == 0 && client->behind) {
		monitor_client_caught_up(monitor, client);
	} else if (r < 0 && r != -EAGAIN) {
		monitor_client_drop(client);
	}
}

void monitor_client_caught_up(struct monitor *monitor, struct monitor_client *client)
{
	if (!client->behind)
		return;
	client->behind = false;
	monitor->nr_behind--;
	if (client->source.fd >= 0)
		loop_change(&monitor->loop, &client->source, EPOLLIN);
	if (monitor->nr_behind == 0 && monitor->phase == MONITOR_RUNNING)
		watch_streams(monitor, true);
}

void monitor_client_retry(struct monitor_client *client)
{
	send_chunk(client->monitor, client);
}

/* Read one chunk and hand it on. Returns what read(2) did. */
static ssize_t pass_on(struct monitor *monitor, struct monitor_stream *stream)
{
	ssize_t n = read(stream->source.fd, monitor->chunk, sizeof(monitor->chunk));

	if (n <= 0)
		return n;
	if ((size_t)n == sizeof(monitor->chunk) && !monitor->widened) {
		monitor->widened = true;
		fcntl(stream->source.fd, F_SETPIPE_SZ, WIDE_PIPE);
	}
	log_writer_append(&monitor->log, stream->number, monitor->chunk, (size_t)n);
	monitor->chunk_len = (size_t)n;
	monitor->chunk_stream = stream->number;
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++)
		if (monitor->clients[i].source.fd >= 0 &&
			monitor->clients[i].streams & 1 << stream->number)
			send_chunk(monitor, &monitor->clients[i]);
	return n;
}

static void stream_ready(struct loop_source *source, uint32_t events)
{
	struct monitor_stream *stream = container_of(source, struct monitor_stream, source);
	struct monitor *monitor = stream->monitor;
	ssize_t n = pass_on(monitor, stream);

	/* A pty without any process on its other side reads as EIO: one may open it again, but not
	 * before the command, which holds it, has ended. */
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		monitor_stream_close(stream);
	else if (monitor->nr_behind)
		watch_streams(monitor, false);
}

/* Is there anything to read now? (The descriptors may be blocking ones.) */
static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

bool monitor_read_rest(struct monitor *monitor)
{
	for (int i = 0; i < 2; i++) {
		struct monitor_stream *stream = &monitor->streams[i];

		while (stream->source.fd >= 0) {
			if (monitor->nr_behind) {
				watch_streams(monitor, false);
				return false;
			}
			/* A process outside (--pid host) may keep the pipe open for ever. */
			if (!is_readable(stream->source.fd) || pass_on(monitor, stream) <= 0)
				monitor_stream_close(stream);
		}
	}
	return monitor->nr_behind == 0;
}

/* --- input --------------------------------------------------------------------------------- */

static void input_taken(struct monitor *monitor)
{
	struct monitor_input *input = &monitor->input;
	int taker = input->taker;

	input->taker = -1;
	input->pending_len = input->pending_at = 0;
	if (taker >= 0 && monitor->clients[taker].source.fd >= 0)
		monitor_client_send(&monitor->clients[taker], FRAME_STDIN_TAKEN, NULL, 0);
	for (size_t i = 0; i < MONITOR_CLIENTS_MAX; i++) {
		struct monitor_client *client = &monitor->clients[i];

		if (client->source.fd < 0 || !client->stdin_waits)
			continue;
		client->stdin_waits = false;
		loop_change(
			&monitor->loop, &client->source, EPOLLIN | (client->behind ? EPOLLOUT : 0));
	}
}

/* Close for good; what could not be written is dropped, and its sender may go on. */
static void input_shut(struct monitor *monitor)
{
	struct monitor_input *input = &monitor->input;

	if (input->source.fd >= 0) {
		loop_remove(&monitor->loop, &input->source);
		close(input->source.fd);
		input->source.fd = -1;
	}
	input->close_after = false;
	input_taken(monitor);
}

/* Write what goes. Returns false when the reader is gone. */
static bool input_flush(struct monitor *monitor)
{
	struct monitor_input *input = &monitor->input;

	while (input->pending_at < input->pending_len) {
		ssize_t n = write(input->source.fd, input->pending + input->pending_at,
			input->pending_len - input->pending_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		input->pending_at += (size_t)n;
	}
	return true;
}

static void input_ready(struct loop_source *source, uint32_t events)
{
	struct monitor_input *input = container_of(source, struct monitor_input, source);
	struct monitor *monitor = input->monitor;

	if (!input_flush(monitor)) {
		input_shut(monitor);
		return;
	}
	if (input->pending_at < input->pending_len)
		return;
	loop_remove(&monitor->loop, source);
	if (input->close_after)
		input_shut(monitor);
	else
		input_taken(monitor);
}

void monitor_input_write(struct monitor *monitor, int client, const void *bytes, size_t len)
{
	struct monitor_input *input = &monitor->input;
	ssize_t n;

	input->taker = client;
	if (input->source.fd < 0) {
		input_taken(monitor); /* nobody reads it: as if written to a closed pipe */
		return;
	}
	n = write(input->source.fd, bytes, len);
	if (n == (ssize_t)len) {
		input_taken(monitor);
		return;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		input_shut(monitor);
		return;
	}
	if (n < 0)
		n = 0;
	if (!input->pending)
		input->pending = malloc(FRAME_PAYLOAD_MAX);
	if (!input->pending) {
		input_shut(monitor);
		return;
	}
	input->pending_len = len - (size_t)n;
	input->pending_at = 0;
	memcpy(input->pending, (const char *)bytes + n, input->pending_len);
	if (loop_add(&monitor->loop, &input->source, EPOLLOUT) < 0)
		input_shut(monitor);
}

void monitor_input_close(struct monitor *monitor)
{
	struct monitor_input *input = &monitor->input;

	if (input->source.fd < 0 || monitor->instance->config.process.terminal)
		return; /* a terminal has no end of file but the one that is typed */
	if (input->pending_at < input->pending_len)
		input->close_after = true;
	else
		input_shut(monitor);
}

/* --- both ---------------------------------------------------------------------------------- */

static int make_pipe(int *ret_read, int *ret_write, struct error *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_errno(err, errno, "cannot make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

int monitor_open_stdio(struct monitor *monitor, int theirs[3], struct error *err)
{
	int r = 0;

	monitor->input.monitor = monitor;
	monitor->widened = false;
	if (monitor->instance->config.process.terminal)
		return 0;
	if (monitor->instance->spec.open_stdin) {
		r = make_pipe(&theirs[0], &monitor->input.source.fd, err);
		if (r == 0)
			fcntl(monitor->input.source.fd, F_SETFL, O_NONBLOCK);
	}
	for (int i = 0; i < 2 && r == 0; i++)
		r = make_pipe(&monitor->streams[i].source.fd, &theirs[i + 1], err);
	if (r < 0) {
		for (int i = 0; i < 3; i++) {
			cleanup_close(&theirs[i]);
			theirs[i] = -1;
		}
		monitor_close_stdio(monitor);
	}
	return r;
}

/* With a terminal everything is one descriptor; input gets a duplicate of it, because epoll knows
 * a descriptor only once. */
static void take_terminal(struct monitor *monitor)
{
	int master = steal_fd(&monitor->process.handle.terminal_fd);

	if (master < 0)
		return;
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	monitor->streams[0].source.fd = master;
	if (monitor->instance->spec.open_stdin)
		monitor->input.source.fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
}

void monitor_watch_stdio(struct monitor *monitor)
{
	if (monitor->instance->config.process.terminal)
		take_terminal(monitor);
	monitor->input.source.ready = input_ready;
	for (int i = 0; i < 2; i++)
		monitor->streams[i].source.ready = stream_ready;
	watch_streams(monitor, true);
}

void monitor_close_stdio(struct monitor *monitor)
{
	for (int i = 0; i < 2; i++)
		monitor_stream_close(&monitor->streams[i]);
	input_shut(monitor);
}
