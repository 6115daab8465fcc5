/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch-internal.h - the parts of the switch: switch.c (ports), switch-forward.c (where frames
 * go), switch-guard.c (what a port may send), switch-answer.c (questions that the switch answers).
 */
#pragma once

#include "base/loop.h"
#include "net/ring.h"
#include "net/switch-table.h"
#include "net/switch.h"

#define SWITCH_BATCH	   32 /* frames that are taken from a port in one go, */
#define SWITCH_BATCH_BYTES (256u << 10) /* and about how many bytes: what the CPU's cache holds */
#define SWITCH_BATCH_MIN   4
#define SWITCH_TURNS	   16 /* batches before others get a turn */
#define SWITCH_RING_BYTES  (1u << 20) /* that wait for a slow port */
#define SWITCH_TABLE	   8192 /* twice the MACs, or addresses, of all ports */
#define SWITCH_LOCALS_MAX  8 /* link-local addresses of a port */
#define SWITCH_TAG_BYTES   4
#define SWITCH_LINK_MAX	   (NET_HEADER_BYTES + SWITCH_TAG_BYTES)
#define SWITCH_FRAME_PARTS 3 /* Ethernet's header, the others, what they carry */

enum {
	ETHER_TYPE = 12,
	ETHER_IP4 = 0x0800,
	ETHER_ARP = 0x0806,
	ETHER_VLAN = 0x8100,
	ETHER_IP6 = 0x86dd,
};

/* Bytes a second, and how many may come at once. It may be overdrawn by one frame. */
struct switch_bucket {
	uint64_t per_s; /* 0: no limit */
	int64_t left, burst;
	int64_t filled_ns;
};

/* Frames for a port in the batch that is being served. They lie in the switch's buffers. */
struct switch_out {
	struct net_frame frames[SWITCH_BATCH];
	struct iovec parts[SWITCH_BATCH][SWITCH_FRAME_PARTS];
	uint8_t links[SWITCH_BATCH][SWITCH_LINK_MAX];
	unsigned nr;
};

struct switch_port {
	struct net_switch *sw;
	struct net_port *port;
	struct net_switch_port config;
	uint64_t tagged_vlans[(NET_VLAN_MAX + 64) / 64];
	uint16_t number;
	unsigned nr_learnt, nr_locals;
	unsigned batch; /* frames to be taken at once */
	struct net_switch_counters counters;
	struct switch_bucket in, out_limit, floods;
	struct net_ring ring;
	bool is_pending; /* in the switch's list */
	bool is_waiting; /* it takes no more until it says so */
	int64_t wake_ns; /* when to go on by ourselves; 0: it will say so */
	struct switch_out out;
};

/* A frame in the switch, in one piece, with room for SWITCH_ANSWER_MAX bytes. */
struct switch_packet {
	uint8_t *bytes;
	uint32_t length;
	struct virtio_net_hdr offload;
	uint16_t vlan, type; /* the type is what stands behind a tag */
	unsigned l3; /* where what it carries begins: behind the tag, if it has one */
};

#define SWITCH_ANSWER_MAX   128
#define SWITCH_BUFFER_BYTES ((NET_FRAME_MAX + SWITCH_ANSWER_MAX + 63) & ~63u)

struct net_switch {
	struct loop *loop;
	uint32_t mtu;
	struct switch_port *ports[NET_SWITCH_PORTS_MAX];
	unsigned ports_end; /* behind the last one */
	struct net_table macs, neighbours;
	struct loop_timer timer; /* the earliest wake_ns */
	int64_t now_ns; /* of this turn */
	uint16_t pending[NET_SWITCH_PORTS_MAX]; /* ports with something in `out` */
	unsigned nr_pending;
	uint8_t *buffers; /* SWITCH_BATCH of them */
	size_t buffers_bytes;
};

/* Go on with this port then, without being told by it. */
void switch_wake_at(struct switch_port *port, int64_t when_ns);
void switch_port_ready(struct net_port *p, void *context);
void switch_timer_expired(struct loop_timer *timer);

static inline uint16_t switch_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline bool switch_is_unicast(const uint8_t mac[NET_MAC_BYTES])
{
	return !(mac[0] & 1);
}

/* May `port` send this? -1, or why not (enum net_drop). */
int switch_guard(struct switch_port *port, const struct switch_packet *packet);

enum switch_answer {
	SWITCH_FORWARD, /* not a question, or one for all */
	SWITCH_ASK, /* a question that those ports know that are not guarded */
	SWITCH_ANSWERED, /* the packet is the answer now, for the port that it came from */
};

enum switch_answer switch_answer(struct switch_port *port, struct switch_packet *packet);
