/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - the guest's network card (virtio 1.2 §5.1): Ethernet frames between it and a port of
 * net/.
 *
 * All functions are called on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"
#include "device/virtio/virtio.h"
#include "net/net.h"

struct virtio_net;

/* The port is the caller's still, must belong to the same loop, and is closed after the device is
 * freed. `mac` is what the guest reads as its address. */
int virtio_net_new(struct loop *loop, struct vm_memory *memory, struct net_port *port,
	const uint8_t mac[NET_MAC_BYTES], struct virtio_net **ret, struct error *err);
/* NULL is fine. Returns NULL. */
struct virtio_net *virtio_net_free(struct virtio_net *net);
/* For a transport. */
struct virtio_device *virtio_net_device(struct virtio_net *net);
/* What a snapshot keeps besides virtio_net_device()->saved. */
struct vm_saved *virtio_net_saved(struct virtio_net *net);

/* Plug the cable in, as it is in the beginning, or pull it: then no frame passes, and the guest is
 * told. */
void virtio_net_set_link(struct virtio_net *net, bool is_up);
