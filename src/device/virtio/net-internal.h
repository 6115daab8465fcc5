/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-internal.h - between net.c, which moves frames, and net-control.c, which knows what the
 * driver wants to see of them.
 */
#pragma once

#include <linux/virtio_net.h>

#include "device/virtio/doorbell.h"
#include "device/virtio/net.h"

#define NET_TABLE_MAX 64 /* addresses of either kind; with more, all of the kind pass */

/* Frames of these, or all but these: VIRTIO_NET_CTRL_RX_* is the number of the bit. */
struct net_table {
	uint32_t nr;
	uint8_t addresses[NET_TABLE_MAX][NET_MAC_BYTES];
};

/* What of the driver's wishes a snapshot keeps. */
struct net_filter {
	uint8_t mac[NET_MAC_BYTES];
	uint8_t modes; /* a bit for each of VIRTIO_NET_CTRL_RX_* */
	uint8_t link_is_down;
	struct net_table unicast, multicast;
};

/* Whatever bytes a snapshot had become a filter. */
void net_filter_check(struct net_filter *filter);
/* As it is for a driver that has said nothing yet: everything passes. */
void net_filter_reset(struct net_filter *filter, const uint8_t mac[NET_MAC_BYTES]);
/* Does the driver want frames to that address? */
bool net_filter_passes(const struct net_filter *filter, const uint8_t to[NET_MAC_BYTES]);
/* A command of the control queue (§5.1.6.5): what to answer. */
uint8_t net_filter_command(struct net_filter *filter, const struct virtio_chain *chain);
