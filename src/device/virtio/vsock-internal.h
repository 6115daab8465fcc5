/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock-internal.h - what the two halves of the vsock device know of each other: vsock.c speaks
 * with the guest in packets, vsock-socket.c with the host's sockets. All of it with the device's
 * lock.
 */
#pragma once

#include <linux/virtio_vsock.h>
#include <sys/socket.h>

#include "device/virtio/doorbell.h"
#include "device/virtio/vsock.h"

#define VSOCK_CONNECTIONS_MAX 256
#define VSOCK_BUFFER_BYTES    (256u << 10) /* for each, what the host has not taken yet */
#define VSOCK_RESETS_MAX      64 /* answers for connections that we do not know */
#define VSOCK_TURN_MAX	      256 /* packets before others get a turn */
#define VSOCK_FIRST_HOST_PORT 0x40000000u /* of connections that the host begins */
#define VSOCK_HELLO_MAX	      32 /* "CONNECT 4294967295\n" */
#define VSOCK_SHUTDOWN_BOTH   (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/*
 * FREE -> HELLO (accepted at PATH) -> REQUESTED (the guest is asked) -> OPEN
 * FREE -> REQUESTED (virtio_vsock_connect()) -> OPEN
 * FREE -> OPEN (the guest has asked)
 * REQUESTED, OPEN -> ENDING: the guest is told RST; for it, the connection is no more. It goes FREE
 * when that is sent and the host's socket has taken what the guest had sent.
 * Any -> FREE
 */
enum vsock_state {
	VSOCK_FREE,
	VSOCK_HELLO,
	VSOCK_REQUESTED,
	VSOCK_OPEN,
	VSOCK_ENDING,
};

/* Packets that the guest is to get, in this order. */
enum vsock_pending {
	VSOCK_PENDING_REQUEST = 1,
	VSOCK_PENDING_RESPONSE = 2,
	VSOCK_PENDING_CREDIT = 4,
	VSOCK_PENDING_RESET = 8, /* the last */
};

/* Of all connections, behind a restore: WANTED -> TOLD (the event is sent) -> NONE (and done). */
enum vsock_reset {
	VSOCK_RESET_NONE,
	VSOCK_RESET_WANTED,
	VSOCK_RESET_TOLD,
};

struct vsock_connection {
	struct virtio_vsock *vsock;
	enum vsock_state state;
	uint32_t guest_port, host_port;

	/* Towards the guest. */
	uint8_t pending; /* enum vsock_pending */
	bool is_queued; /* in vsock.work */
	struct vsock_connection *next_work;
	uint32_t sent, guest_buffer, guest_taken; /* bytes; the last two as the guest says */
	uint8_t said_shutdown; /* VIRTIO_VSOCK_SHUTDOWN_*, ours */

	/* Towards the host. */
	struct loop_source source; /* its fd is -1 when the socket is closed */
	char hello[VSOCK_HELLO_MAX];
	uint8_t hello_length;
	bool wants_ok; /* it waits for "OK N\n" */
	bool is_readable; /* as far as we know */
	bool is_at_end; /* nothing more comes from it... */
	bool is_gone; /* ...nor can anything be written to it */
	uint8_t *buffer; /* a ring of VSOCK_BUFFER_BYTES */
	uint32_t buffer_first, buffer_used;
	uint32_t received, taken, taken_told; /* bytes from the guest; that the host has taken */
	uint8_t guest_shutdown; /* VIRTIO_VSOCK_SHUTDOWN_*, the guest's */
};

struct virtio_vsock {
	struct virtio_device device;
	struct virtio_doorbell doorbell;
	struct virtio_vsock_config config;
	struct vm_saved saved;
	uint32_t saved_connections; /* that a snapshot has seen */
	enum vsock_reset reset; /* the guest is to hear that they are gone */
	unsigned nr_event_buffers; /* with RESET_TOLD: that the driver had left there */
	struct loop *loop;
	struct loop_source listener; /* PATH; fd -1 without one */
	char *path;
	struct virtio_vsock_door *door; /* or NULL */
	struct virtio_vsock_service *services;
	uint32_t next_host_port;
	struct vsock_connection connections[VSOCK_CONNECTIONS_MAX];
	struct vsock_connection *work, *last_work; /* those with something for the guest, in turn */
	struct virtio_vsock_hdr resets[VSOCK_RESETS_MAX];
	unsigned nr_resets;
	struct virtio_chain chain; /* the one at work */
};

/* --- vsock.c ---------------------------------------------------------------------------------- */

/* The connection has something for the guest; it is served by the next vsock_serve(). */
void vsock_queue(struct vsock_connection *c);
/* Both queues, as far as they go. */
void vsock_serve(struct virtio_vsock *v);
struct vsock_connection *vsock_find(
	struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port);
/* Tell the guest RST; what waits for the host still goes there if `keeps_data`. */
void vsock_end(struct vsock_connection *c, bool keeps_data);

/* --- vsock-socket.c --------------------------------------------------------------------------- */

/* A free slot, with everything reset; NULL: there is none. */
struct vsock_connection *vsock_take_slot(struct virtio_vsock *v);
void vsock_drop(struct vsock_connection *c);
/* The connection that the guest asks for; NULL: nobody is there, or there is no room. */
struct vsock_connection *vsock_accept_guest(
	struct virtio_vsock *v, uint32_t guest_port, uint32_t host_port);
/* The guest has accepted. */
void vsock_accepted(struct vsock_connection *c);
/* Give the host `nr` parts of `bytes` in all; what it does not take is kept. */
void vsock_write(struct vsock_connection *c, struct iovec *parts, unsigned nr, uint32_t bytes);
/* Take from the host, as readv(2); -EAGAIN; 0: it has ended. */
ssize_t vsock_read(struct vsock_connection *c, const struct iovec *parts, unsigned nr);
/* The guest has shut down what c->guest_shutdown says. */
void vsock_shut_down(struct vsock_connection *c);
/* What is asked of the loop follows the state. */
void vsock_watch(struct vsock_connection *c);
int vsock_listen(struct virtio_vsock *v, const char *path, struct error *err);
void vsock_unlisten(struct virtio_vsock *v);
