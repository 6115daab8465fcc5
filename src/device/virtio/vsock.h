/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock.h - sockets between the guest and the host (virtio 1.2 §5.10), wholly in this process.
 *
 * A connection of the guest to port P of the host goes to who serves that port here
 * (virtio_vsock_serve()), else to the unix socket PATH_P. Who connects to the unix socket PATH and
 * writes "CONNECT P\n" is connected with the guest's port P, and reads "OK N\n" first, N being the
 * host's port, when somebody listens there; else it reads the end of file. (Firecracker's protocol,
 * so that its tools work.)
 *
 * Connections do not survive a snapshot: a guest that goes on elsewhere is told that they are gone.
 *
 * All functions are called on the loop's thread.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "device/virtio/virtio.h"

#define VIRTIO_VSOCK_HOST_CID  2
#define VIRTIO_VSOCK_GUEST_CID 3

struct virtio_vsock;

/* Who does what has to be done by path while the guest runs, where this process cannot. */
struct virtio_vsock_door {
	/* Connect with PATH_PORT: a socket, not blocking; -errno. */
	int (*connect)(struct virtio_vsock_door *door, uint32_t port);
	/* Remove what was made at PATH. */
	void (*remove)(struct virtio_vsock_door *door);
};

struct virtio_vsock_options {
	uint64_t guest_cid; /* more than 2 */
	const char *path; /* NULL: only this process is reached */
	struct virtio_vsock_door *door; /* NULL: this process does it; stays the caller's */
};

int virtio_vsock_new(struct loop *loop, struct vm_memory *memory,
	const struct virtio_vsock_options *options, struct virtio_vsock **ret, struct error *err);
/* NULL is fine. Returns NULL. Removes what was made at PATH. */
struct virtio_vsock *virtio_vsock_free(struct virtio_vsock *vsock);
/* For a transport. */
struct virtio_device *virtio_vsock_device(struct virtio_vsock *vsock);
/* What a snapshot keeps besides virtio_vsock_device()->saved: whether there were connections. */
struct vm_saved *virtio_vsock_saved(struct virtio_vsock *vsock);

/* This process as the host's end of a port; embedded in its owner. */
struct virtio_vsock_service {
	uint32_t port;
	/* The guest has connected: `fd` is a stream socket, not blocking, and the callee's. Called
	 * with the device's lock held: it must not call the device. */
	void (*connected)(struct virtio_vsock_service *service, int fd);
	struct virtio_vsock_service *next;
};

/* Before the guest runs. It stays the caller's, and must outlive the device. */
void virtio_vsock_serve(struct virtio_vsock *vsock, struct virtio_vsock_service *service);

/* Connect with a port of the guest: a stream socket, not blocking, that reads as ended when nobody
 * listens there. What is written before the guest answers waits. */
int virtio_vsock_connect(struct virtio_vsock *vsock, uint32_t port, int *ret_fd, struct error *err);
