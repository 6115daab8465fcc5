/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net.h - what Ethernet frames go to and come from: the far end of a guest's network cable.
 *
 * A port belongs to the thread of its event loop; everything here is called on it. Frames lie in
 * the caller's memory, in as many parts as it likes, and several are passed at a time; nothing is
 * allocated for one. Who cannot go on says so by taking or giving fewer frames than asked for, and
 * calls ready() when it can: no side ever has to keep what the other is too slow for.
 *
 * What comes out of the guest is hostile, and so is what comes out of the network.
 */
#pragma once

#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/confine.h"
#include "base/error.h"
#include "base/loop.h"

#define NET_MAC_BYTES	 6
#define NET_HEADER_BYTES 14 /* destination, source, type */
#define NET_MTU_DEFAULT	 1500
#define NET_MTU_MIN	 1280 /* RFC 8200 §5 */
#define NET_MTU_MAX	 65520 /* an IP packet's 65535 bytes, and a multiple of 8 below them */
#define NET_FRAME_MAX	 (NET_HEADER_BYTES + 4 + 65535) /* with a VLAN tag */
#define NET_PARTS_MAX	 1024 /* of a frame, and as many as writev(2) takes */
#define NET_FORWARDS_MAX 64
#define NET_HOSTNAME_MAX 63

/* Work on a frame that one side may leave to the other; see struct net_frame.offload. */
enum net_offload {
	NET_OFFLOAD_CHECKSUM = 1, /* the last checksum (TCP's, UDP's) */
	NET_OFFLOAD_TSO4 = 2, /* cutting up what is larger than the MTU: TCP over IPv4, */
	NET_OFFLOAD_TSO6 = 4, /* over IPv6, */
	NET_OFFLOAD_TSO_ECN = 8, /* also with congestion notification */
};

struct net_frame {
	struct iovec *parts; /* of its bytes, from the destination address on, without the CRC */
	unsigned nr_parts; /* at most NET_PARTS_MAX */
	/* All bytes of the frame. Set by receive(); 0 there: it had no room and was dropped. */
	uint32_t length;
	/* What is left to do for it, as virtio 1.2 §5.1.6.2 has it (without num_buffers), in the
	 * host's byte order. Only what the other side has said it takes; checked by who does it. */
	struct virtio_net_hdr offload;
};

struct net_port;

struct net_port_ops {
	const char *name; /* "user" */
	/* The first of these frames are on their way now: how many. Fewer than nr: ready() will say
	 * when there is room again. A frame that makes no sense counts, and is dropped. */
	unsigned (*send)(struct net_port *port, const struct net_frame *frames, unsigned nr);
	/* The most bytes that the next frame can have; 0: there is none now, and ready() will say
	 * when there is. */
	size_t (*next_length)(struct net_port *port);
	/* Fill up to nr frames: how many. Fewer than nr: ready() will say when there are more.
	 * They may come in another order, with their parts. */
	unsigned (*receive)(struct net_port *port, struct net_frame *frames, unsigned nr);
	/* What received frames may leave undone from now on: some of `gives`. On any thread. */
	int (*set_offloads)(struct net_port *port, unsigned offloads, struct error *err);
	/* Frees it. */
	void (*close)(struct net_port *port);
};

struct net_port {
	const struct net_port_ops *ops;
	unsigned takes, gives; /* enum net_offload: what send() does, what receive() may leave */
	uint32_t mtu;
	/* Set by who holds the port, before the loop goes on: try send() and receive() again. May
	 * call both, but not close(). Never called from within them. */
	void (*ready)(struct net_port *port, void *context);
	void *context;
};

/* NULL is fine. Returns NULL. */
struct net_port *net_port_close(struct net_port *port);

/* What kinds of ports make of system calls (base/confine.h), beside epoll's. */
extern const struct confine_list net_user_calls, net_tap_calls, net_cable_calls;

/* --- checksums ---------------------------------------------------------------------------------
 */

/*
 * Do what `offload` asks for of the frame at `frame`: put the checksum of what follows csum_start
 * at csum_offset behind it (where the sum of the pseudo header is already). -EINVAL: those places
 * are not in the frame.
 */
int net_finish_checksum(uint8_t *frame, size_t length, const struct virtio_net_hdr *offload);

/* --- ways in -----------------------------------------------------------------------------------
 */

/* A port of the host that leads to one of the guest's. */
struct net_forward {
	bool is_udp;
	struct sockaddr_storage host; /* IPv4 or IPv6 */
	struct in_addr guest; /* 0: the first one */
	uint16_t guest_port;
};

/* "[ADDRESS:]HOST:GUEST[/tcp|/udp]"; an IPv6 address in brackets. Without ADDRESS, all of IPv4. */
int net_forward_parse(const char *text, struct net_forward *ret, struct error *err);

/* --- the user-mode network ---------------------------------------------------------------------
 *
 * A router made of this process's sockets: the guest reaches what this process reaches, and no
 * right is needed for that. It gives addresses by DHCP, DHCPv6 and router advertisements, and
 * answers DNS with what the host's resolver says.
 */

enum net_user_stack {
	NET_USER_WAY_OUT, /* ours (way-out/) */
	NET_USER_SLIRP, /* libslirp */
	NET_USER_STACK_COUNT,
};

struct net_user_options {
	enum net_user_stack stack; /* who opens it is to choose by it */
	bool ipv4, ipv6;
	/* The network: its router is number 2 of it, its name server 3, its first guest 15. */
	struct in_addr network;
	unsigned prefix_bits;
	struct in6_addr network6; /* a /64, with the same numbers */
	/* Another router than number 2, 0 for none such. There is no name server then, and nobody
	 * is given an address: that is done by net/services.h. */
	struct in_addr router;
	struct in6_addr router6;
	uint32_t mtu; /* what the guest may send and gets at once */
	bool restricted; /* no way out; only forwards lead in */
	bool host_loopback; /* the router's address is the host's 127.0.0.1 */
	const char *hostname; /* what DHCP calls the guest; NULL: nothing */
	const struct net_forward *forwards;
	size_t nr_forwards;
};

/* IPv4 10.0.2.0/24 and IPv6 fd00::/64, the largest MTU, unrestricted. */
void net_user_options_init(struct net_user_options *options);
/* "10.0.2.0/24": IPv4, 8 to 27 bits. */
int net_user_set_network(struct net_user_options *options, const char *text, struct error *err);

int net_user_check_options(const struct net_user_options *options, struct error *err);

/* Ours. */
int net_user_open(struct loop *loop, const struct net_user_options *options, struct net_port **ret,
	struct error *err);
/* The same by libslirp, for programs that have it. */
int net_slirp_open(struct loop *loop, const struct net_user_options *options, struct net_port **ret,
	struct error *err);

/* Listen at a port of the host, from now on and until it is removed. */
int net_user_add_forward(
	struct net_port *port, const struct net_forward *forward, struct error *err);
void net_user_remove_forward(struct net_port *port, const struct net_forward *forward);
int net_slirp_add_forward(
	struct net_port *port, const struct net_forward *forward, struct error *err);
void net_slirp_remove_forward(struct net_port *port, const struct net_forward *forward);
/* The card that its router seems to have. */
void net_user_router_mac(const struct net_user_options *options, uint8_t ret[NET_MAC_BYTES]);

/* One option of the user-mode network as users write it: net=ADDRESS/BITS, mtu=N, hostname=NAME,
 * stack=own or slirp, and restrict, host, ipv4, ipv6 with on or off. */
int net_user_set_option(
	struct net_user_options *options, const char *key, const char *value, struct error *err);

/* --- tap ---------------------------------------------------------------------------------------
 */

/* The tap interface `name`, which is there, and which the caller may use. */
int net_tap_open(struct loop *loop, const char *name, struct net_port **ret, struct error *err);
/* One that is attached to the open descriptor `fd`, which becomes the port's unless this fails. */
int net_tap_attach(
	struct loop *loop, int fd, uint32_t mtu, struct net_port **ret, struct error *err);

/* --- cables ------------------------------------------------------------------------------------
 *
 * To another process, over a unix socket of SOCK_SEQPACKET: the one that has a switch
 * (net/switch.h), and one that has something to plug in.
 */

/* The switch's end. It takes what the other end says it takes, from then on. The descriptor becomes
 * the port's unless this fails. */
int net_cable_open(
	struct loop *loop, int fd, uint32_t mtu, struct net_port **ret, struct error *err);
/* The other end: waits until the switch has greeted, which is when this cable is plugged in. */
int net_cable_join(struct loop *loop, int fd, struct net_port **ret, struct error *err);
/* The same, to the switch that listens at `path`. */
int net_cable_connect(
	struct loop *loop, const char *path, struct net_port **ret, struct error *err);
