/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp.h - what the two halves of TCP share: tcp.c hears guests and sockets, tcp-fill.c writes
 * segments to guests. The prose is in tcp.c.
 */
#pragma once

#include <netinet/tcp.h>

#include "net/way-out/way.h"

enum tcp_state {
	TCP_STATE_CONNECTING, /* the guest has called; the host's socket connects */
	TCP_STATE_SYN_RECEIVED, /* it is connected; the guest is to confirm that it knows */
	TCP_STATE_SYN_SENT, /* somebody of the host has called; the guest is to answer */
	TCP_STATE_OPEN, /* with one end or both closed, too */
	TCP_STATE_COUNT,
};

#define TCP_SHIFT      7 /* our window scale: up to 8 MiB */
#define TCP_MSS_MIN    64 /* smaller ones are a waste that somebody wants */
#define TCP_DATA_MAX   65480 /* of a frame with segmentation left to the guest */
#define TCP_RTO_NS     (WAY_SECOND / 2) /* to the guest, which is on the same machine */
#define TCP_RTO_MAX_NS (60 * WAY_SECOND)
#define TCP_SYN_NS     WAY_SECOND
#define TCP_DUPLICATES 3 /* RFC 5681 §3.2 */

/* What the sockets are watched for. */
#define TCP_EVENTS (EPOLLIN | EPOLLRDHUP | (uint32_t)EPOLLET)

/* Bytes on their way to the guest, the FIN's number included. */
static inline uint32_t tcp_in_flight(const struct way_tcp *t)
{
	return t->snd_nxt - t->snd_una;
}

static inline size_t tcp_ip_bytes(const struct way_flow *flow)
{
	return way_is_ip4(&flow->key.far) ? WAY_IP4_BYTES : WAY_IP6_BYTES;
}

/* The largest segment without segmentation. */
static inline uint16_t tcp_our_mss(const struct way_flow *flow)
{
	return (uint16_t)(flow->way->port.mtu - tcp_ip_bytes(flow) - WAY_TCP_BYTES);
}

/* Set the timer for what the flow waits for now. */
void tcp_arm(struct way_flow *flow);
/* Send again from the first byte that was not acknowledged. */
void tcp_rewind(struct way_flow *flow);
/* Tell both ends that it is over, and free it. */
void tcp_abort(struct way_flow *flow);
/* The host's end only; frees it. */
void tcp_abort_host(struct way_flow *flow);

size_t tcp_next_length(const struct way_flow *flow);
bool tcp_fill(struct way_flow *flow, struct net_frame *frame);
/* A segment without data, into the ring. */
void tcp_answer(struct way_flow *flow, uint8_t flags);
