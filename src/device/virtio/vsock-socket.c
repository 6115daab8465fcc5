/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock-socket.c - the vsock device towards the host: unix sockets at PATH and PATH_P, pairs of
 * sockets for this process, and what waits for a slow one of them.
 *
 * Slots of connections are never freed, so a callback of the loop that was about to come when
 * another thread dropped the connection finds the slot FREE, or a socket that has nothing for it.
 */
#include "device/virtio/vsock-internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/str.h"

#define SUFFIX_MAX (sizeof("_4294967295") - 1)
#define BACKLOG	   64

static void socket_ready(struct loop_source *source, uint32_t events);

/* --- slots ------------------------------------------------------------------------------------ */

struct vsock_connection *vsock_take_slot(struct virtio_vsock *v)
{
	for (unsigned i = 0; i < VSOCK_CONNECTIONS_MAX; i++) {
		struct vsock_connection *c = &v->connections[i];

		/* One that is still in the queue of work cannot be used yet. */
		if (c->state == VSOCK_FREE && !c->is_queued) {
			*c = (struct vsock_connection){ .vsock = v,
				.source = { .ready = socket_ready, .fd = -1 } };
			return c;
		}
	}
	return NULL;
}

static void close_socket(struct vsock_connection *c)
{
	if (c->source.fd < 0)
		return;
	loop_remove(c->vsock->loop, &c->source);
	close(c->source.fd);
	c->source.fd = -1;
	c->buffer_used = 0;
	c->is_readable = false;
}

void vsock_drop(struct vsock_connection *c)
{
	if (c->state == VSOCK_FREE)
		return;
	close_socket(c);
	if (c->buffer)
		munmap(c->buffer, VSOCK_BUFFER_BYTES);
	c->buffer = NULL;
	c->pending = 0;
	c->state = VSOCK_FREE;
	/* Somebody may wait for a slot. */
	if (c->vsock->listener.fd >= 0)
		loop_change(c->vsock->loop, &c->vsock->listener, EPOLLIN);
}

void vsock_watch(struct vsock_connection *c)
{
	bool reads = (c->state == VSOCK_OPEN && !c->is_readable && !c->is_at_end) ||
		c->state == VSOCK_HELLO;

	if (c->state == VSOCK_ENDING && !c->buffer_used) {
		close_socket(c);
		if (!c->pending)
			vsock_drop(c);
	}
	/* A socket whose other end is gone would be reported for ever. */
	if (c->source.fd >= 0 && !c->is_gone)
		loop_change(c->vsock->loop, &c->source,
			(reads ? EPOLLIN : 0) | (c->buffer_used ? EPOLLOUT : 0));
}

/* The slot has `fd` from now on. false: it has not, and fd is closed. */
static bool give_socket(struct vsock_connection *c, int fd, enum vsock_state state)
{
	void *buffer = mmap(NULL, VSOCK_BUFFER_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	c->source.fd = fd;
	if (buffer == MAP_FAILED || loop_add(c->vsock->loop, &c->source, 0) < 0) {
		close(fd);
		c->source.fd = -1;
		if (buffer != MAP_FAILED)
			munmap(buffer, VSOCK_BUFFER_BYTES);
		return false;
	}
	c->buffer = buffer;
	c->state = state;
	vsock_watch(c);
	return true;
}

/* --- the host's socket ------------------------------------------------------------------------ */

/* It takes no more. What the guest has sent and it has not read is lost, so that is no orderly end.
 */
static void write_failed(struct vsock_connection *c)
{
	if (c->state == VSOCK_ENDING)
		c->buffer_used = 0;
	else
		vsock_end(c, false);
	vsock_watch(c);
}

static ssize_t send_parts(int fd, struct iovec *parts, unsigned nr)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = nr };
	ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* Tell the guest when that matters to it: half of the buffer is free that it does not know of. */
static void host_took(struct vsock_connection *c, uint32_t bytes)
{
	c->taken += bytes;
	if (c->state == VSOCK_OPEN && c->taken - c->taken_told >= VSOCK_BUFFER_BYTES / 2) {
		c->pending |= VSOCK_PENDING_CREDIT;
		vsock_queue(c);
	}
}

static void finish_writing(struct vsock_connection *c)
{
	if (!c->buffer_used && c->source.fd >= 0 && c->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND)
		shutdown(c->source.fd, SHUT_WR);
}

static void flush(struct vsock_connection *c)
{
	uint32_t first = c->buffer_first, used = c->buffer_used;
	uint32_t to_end = VSOCK_BUFFER_BYTES - first;
	struct iovec parts[] = {
		{ c->buffer + first, used < to_end ? used : to_end },
		{ c->buffer, used < to_end ? 0 : used - to_end },
	};
	ssize_t n;

	if (!used)
		return;
	n = send_parts(c->source.fd, parts, 2);
	if (n < 0) {
		write_failed(c);
		return;
	}
	c->buffer_first = (first + (uint32_t)n) % VSOCK_BUFFER_BYTES;
	c->buffer_used -= (uint32_t)n;
	host_took(c, (uint32_t)n);
	finish_writing(c);
}

static void keep(struct vsock_connection *c, const uint8_t *bytes, size_t size)
{
	while (size) {
		uint32_t place = (c->buffer_first + c->buffer_used) % VSOCK_BUFFER_BYTES;
		size_t n = VSOCK_BUFFER_BYTES - place < size ? VSOCK_BUFFER_BYTES - place : size;

		memcpy(c->buffer + place, bytes, n);
		c->buffer_used += (uint32_t)n;
		bytes += n;
		size -= n;
	}
}

void vsock_write(struct vsock_connection *c, struct iovec *parts, unsigned nr, uint32_t bytes)
{
	ssize_t n = c->buffer_used || !bytes ? 0 : send_parts(c->source.fd, parts, nr);
	size_t done;

	if (n < 0) {
		write_failed(c);
		return;
	}
	done = (size_t)n;
	for (unsigned i = 0; i < nr; i++) {
		size_t skip = done < parts[i].iov_len ? done : parts[i].iov_len;

		keep(c, (const uint8_t *)parts[i].iov_base + skip, parts[i].iov_len - skip);
		done -= skip;
	}
	host_took(c, (uint32_t)n);
	vsock_watch(c);
}

ssize_t vsock_read(struct vsock_connection *c, const struct iovec *parts, unsigned nr)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = nr };
	ssize_t n = recvmsg(c->source.fd, &message, MSG_DONTWAIT);

	if (n > 0)
		return n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		c->is_readable = false;
		return -EAGAIN;
	}
	if (n < 0)
		c->is_gone = true;
	c->is_at_end = true;
	return 0;
}

void vsock_shut_down(struct vsock_connection *c)
{
	if (c->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV && c->source.fd >= 0)
		shutdown(c->source.fd, SHUT_RD);
	finish_writing(c);
}

static void say_ok(struct vsock_connection *c)
{
	char text[VSOCK_HELLO_MAX];
	int length = snprintf(text, sizeof(text), "OK %u\n", c->host_port);

	c->wants_ok = false;
	if (send(c->source.fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) != length)
		vsock_end(c, false);
}

void vsock_accepted(struct vsock_connection *c)
{
	if (c->wants_ok)
		say_ok(c);
	vsock_watch(c);
}

/* --- connections that the host begins --------------------------------------------------------- */

static uint32_t free_host_port(struct virtio_vsock *v, uint32_t guest_port)
{
	uint32_t port;

	/* There are far more ports than connections. */
	do {
		port = v->next_host_port++;
		if (v->next_host_port < VSOCK_FIRST_HOST_PORT)
			v->next_host_port = VSOCK_FIRST_HOST_PORT;
	} while (vsock_find(v, guest_port, port));
	return port;
}

static void request_guest(struct vsock_connection *c, uint32_t port)
{
	c->host_port = free_host_port(c->vsock, port);
	c->guest_port = port;
	c->state = VSOCK_REQUESTED;
	c->pending = VSOCK_PENDING_REQUEST;
	vsock_queue(c);
	vsock_watch(c);
}

/* The line that the client has begun with, or -EAGAIN while it is not whole; behind it, nothing is
 * taken from the socket. */
static int read_line(struct vsock_connection *c)
{
	char *to = c->hello + c->hello_length;
	size_t room = VSOCK_HELLO_MAX - c->hello_length;
	ssize_t n = recv(c->source.fd, to, room, MSG_PEEK | MSG_DONTWAIT);
	char *end;

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (!n)
		return -EPIPE;
	end = memchr(to, '\n', (size_t)n);
	n = recv(c->source.fd, to, end ? (size_t)(end - to) + 1 : (size_t)n, MSG_DONTWAIT);
	if (n < 0)
		return -EAGAIN;
	c->hello_length += (uint8_t)n;
	if (end) {
		*end = '\0';
		return 0;
	}
	return c->hello_length == VSOCK_HELLO_MAX ? -EINVAL : -EAGAIN;
}

static void read_hello(struct vsock_connection *c)
{
	int r = read_line(c);
	const char *number = r < 0 ? NULL : str_after_prefix(c->hello, "CONNECT ");
	uint64_t port;

	if (r == -EAGAIN && !c->is_gone)
		return;
	if (!number || parse_u64(number, UINT32_MAX, &port) < 0) {
		vsock_drop(c);
		return;
	}
	c->wants_ok = true;
	request_guest(c, (uint32_t)port);
}

static void host_events(struct vsock_connection *c, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR)) {
		c->is_gone = true;
		loop_remove(c->vsock->loop, &c->source);
	}
	if (c->state == VSOCK_HELLO) {
		read_hello(c);
		return;
	}
	if (c->state == VSOCK_REQUESTED && c->is_gone) {
		/* Whoever asked has left. */
		if (c->pending & VSOCK_PENDING_REQUEST)
			vsock_drop(c);
		else
			vsock_end(c, false);
		return;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		c->is_readable = true;
		vsock_queue(c);
	}
	flush(c);
	vsock_watch(c);
}

static void socket_ready(struct loop_source *source, uint32_t events)
{
	struct vsock_connection *c = container_of(source, struct vsock_connection, source);
	struct virtio_vsock *v = c->vsock;

	pthread_mutex_lock(&v->device.lock);
	if (c->state != VSOCK_FREE && c->source.active)
		host_events(c, events);
	if (v->device.started)
		vsock_serve(v);
	pthread_mutex_unlock(&v->device.lock);
}

static void accept_host(struct virtio_vsock *v)
{
	struct vsock_connection *c = vsock_take_slot(v);
	int fd;

	if (!c) {
		/* It waits in the backlog. */
		loop_change(v->loop, &v->listener, 0);
		return;
	}
	fd = accept4(v->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		give_socket(c, fd, VSOCK_HELLO);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct virtio_vsock *v = container_of(source, struct virtio_vsock, listener);

	pthread_mutex_lock(&v->device.lock);
	accept_host(v);
	pthread_mutex_unlock(&v->device.lock);
}

static int bind_path(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, path);
	if (bind(fd, (void *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

int vsock_listen(struct virtio_vsock *v, const char *path, struct error *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (strlen(path) + SUFFIX_MAX >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return error_set(
			err, ENAMETOOLONG, "the path of the vsock sockets is too long: %s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot create a socket");
	r = bind_path(fd, path);
	if (r < 0)
		return error_errno(err, r, "cannot listen at %s", path);
	v->path = strdup(path);
	if (!v->path) {
		unlink(path);
		return error_oom(err);
	}
	v->listener = (struct loop_source){ .ready = listener_ready, .fd = steal_fd(&fd) };
	r = loop_add(v->loop, &v->listener, EPOLLIN);
	return r < 0 ? error_errno(err, r, "cannot watch %s", path) : 0;
}

void vsock_unlisten(struct virtio_vsock *v)
{
	if (v->listener.fd < 0)
		return;
	loop_remove(v->loop, &v->listener);
	close(v->listener.fd);
	v->listener.fd = -1;
	if (v->door)
		v->door->remove(v->door);
	else
		unlink(v->path);
	free(v->path);
	v->path = NULL;
}

int virtio_vsock_connect(struct virtio_vsock *v, uint32_t port, int *ret_fd, struct error *err)
{
	struct vsock_connection *c;
	int pair[2];
	int r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return error_errno(err, errno, "cannot create a pair of sockets");
	pthread_mutex_lock(&v->device.lock);
	c = vsock_take_slot(v);
	if (!c)
		r = error_set(err, EAGAIN, "the guest has too many vsock connections");
	else if (!give_socket(c, steal_fd(&pair[0]), VSOCK_REQUESTED))
		r = error_oom(err);
	if (r >= 0) {
		request_guest(c, port);
		if (v->device.started)
			virtio_doorbell_ring(&v->doorbell);
		*ret_fd = steal_fd(&pair[1]);
	}
	pthread_mutex_unlock(&v->device.lock);
	cleanup_close(&pair[0]);
	cleanup_close(&pair[1]);
	return r;
}

/* --- connections that the guest begins -------------------------------------------------------- */

static int connect_path(const struct virtio_vsock *v, uint32_t port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (!v->path)
		return -ECONNREFUSED;
	if (v->door)
		return v->door->connect(v->door, port);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s_%u", v->path, port);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (void *)&address, sizeof(address)) < 0) {
		close(fd);
		fd = -ECONNREFUSED;
	}
	return fd;
}

static int connect_service(struct virtio_vsock_service *service)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	service->connected(service, pair[1]);
	return pair[0];
}

struct vsock_connection *vsock_accept_guest(
	struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_connection *c = vsock_take_slot(v);
	struct virtio_vsock_service *service = v->services;
	int fd;

	if (!c)
		return NULL;
	while (service && service->port != host_port)
		service = service->next;
	fd = service ? connect_service(service) : connect_path(v, host_port);
	if (fd < 0)
		return NULL;
	c->guest_port = guest_port;
	c->host_port = host_port;
	return give_socket(c, fd, VSOCK_OPEN) ? c : NULL;
}
