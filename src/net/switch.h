/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.h - a learning Ethernet switch between the far ends of cables: it holds many struct
 * net_port, takes frames from each, and sends them where they belong.
 *
 * It lives on one event loop. What a port may claim to be is said when it is plugged in, and what
 * it sends beyond that goes nowhere; every frame that goes nowhere has a reason and is counted.
 * A port that is slow has a queue of its own, and holds up nobody else.
 */
#pragma once

#include "net/net.h"

#define NET_SWITCH_PORTS_MAX	 1024
#define NET_SWITCH_ADDRESSES_MAX 16 /* that a port owns */
#define NET_VLAN_DEFAULT	 1
#define NET_VLAN_MAX		 4094 /* IEEE 802.1Q: 0 is none, 4095 is reserved */

/* Why a frame went nowhere. Those up to NET_DROP_IN_MAX are counted where it came from, the others
 * where it was to go. */
enum net_drop {
	NET_DROP_RUNT,
	NET_DROP_TOO_LONG,
	NET_DROP_BAD_SOURCE,
	NET_DROP_BAD_PACKET,
	NET_DROP_BAD_OFFLOAD,
	NET_DROP_RESERVED,
	NET_DROP_VLAN,
	NET_DROP_SPOOFED_MAC,
	NET_DROP_SPOOFED_ADDRESS,
	NET_DROP_SPOOFED_NEIGHBOUR,
	NET_DROP_ROGUE_DHCP,
	NET_DROP_ROGUE_ROUTER,
	NET_DROP_FLOOD_LIMIT,
	NET_DROP_NO_DESTINATION,
	NET_DROP_SAME_PORT,
	NET_DROP_IN_MAX = NET_DROP_SAME_PORT,
	NET_DROP_QUEUE_FULL,
	NET_DROP_CANNOT_SEGMENT,
	NET_NR_DROPS,
};

/* One word with dashes, as users and JSON see it. */
const char *net_drop_name(enum net_drop drop);

/* What is plugged in, and what it may do. */
struct net_switch_port {
	/* All zero: whoever speaks there is learnt. Else the port owns this one. */
	uint8_t mac[NET_MAC_BYTES];
	/* Its addresses: IPv4 as ::ffff:a.b.c.d. Who asks for them is answered by the switch. */
	struct in6_addr addresses[NET_SWITCH_ADDRESSES_MAX];
	unsigned nr_addresses;
	/* It may speak with its own MAC and addresses only, and with link-local ones of IPv6 that
	 * nobody else has. */
	bool is_guarded;
	/* It may be router and DHCP server, and is believed what it says of checksums. */
	bool is_uplink;
	uint16_t vlan; /* of its untagged frames; 0: NET_VLAN_DEFAULT */
	/* A trunk: also these VLANs, tagged. One bit for each; NULL: none. Only read while adding.
	 */
	const uint64_t *tagged_vlans;
	unsigned macs_max; /* that are learnt from it; 0: NET_SWITCH_MACS_DEFAULT */
	unsigned floods_per_s; /* frames to everybody; 0: NET_SWITCH_FLOODS_DEFAULT */
	uint64_t in_bytes_per_s, out_bytes_per_s; /* from it and to it; 0: no limit */
};

#define NET_SWITCH_MACS_DEFAULT	  64
#define NET_SWITCH_FLOODS_DEFAULT 1000

struct net_switch_counters {
	uint64_t in_frames, in_bytes; /* that it sent, dropped ones included */
	uint64_t out_frames, out_bytes; /* that were sent to it */
	uint64_t answered; /* its questions about addresses that the switch has answered */
	uint64_t not_learnt; /* MACs beyond what is learnt from it */
	uint64_t drops[NET_NR_DROPS];
};

struct net_switch;

/* `mtu` is the longest IP packet that goes through, apart from what is still to be segmented. */
int net_switch_open(struct loop *loop, uint32_t mtu, struct net_switch **ret, struct error *err);
/* Also closes all ports. NULL is fine. Returns NULL. */
struct net_switch *net_switch_close(struct net_switch *sw);

/*
 * Plug in a port, which is the switch's from then on, and its number from 0 on. -EEXIST: another
 * one owns that MAC or address; -ENOSPC: no more ports. On failure it stays the caller's.
 */
int net_switch_add(struct net_switch *sw, struct net_port *port,
	const struct net_switch_port *config, unsigned *ret_number, struct error *err);
/* Unplug it and close it; what waited for it is lost. Not from within a port's ready(). */
void net_switch_remove(struct net_switch *sw, unsigned number);

/* NULL: there is no such port. */
const struct net_switch_counters *net_switch_count(const struct net_switch *sw, unsigned number);
