/* SPDX-License-Identifier: Apache-2.0 */
/*
 * way.h - what the files of the way out share: the port, its flows, packets as they were read, and
 * the frames that go back. Nothing else includes this.
 *
 * All of it belongs to the thread of the loop. All memory is there from the start: a flow for each
 * connection, a ring for answers, a table of guests. No packet allocates anything.
 *
 * Addresses are in6_addr everywhere; those of IPv4 are mapped ones (::ffff:a.b.c.d).
 */
#pragma once

#include <string.h>

#include "base/clock.h"
#include "net/net.h"
#include "net/ring.h"

#define WAY_FLOWS_MAX	 4096
#define WAY_BUCKETS	 8192
#define WAY_GUESTS_MAX	 256 /* addresses in the guests' network that we know somebody at */
#define WAY_GUEST_FLOWS	 3072 /* of one guest, so that others have some left */
#define WAY_LEASES_MAX	 112 /* 27 bits of prefix leave 16; those of IPv4 by DHCP */
#define WAY_RING_BYTES	 (512u << 10)
#define WAY_SLOTS	 256 /* of the timer wheel */
#define WAY_TICK_SHIFT	 26 /* 67 ms */
#define WAY_NAME_SERVERS 3 /* of resolv.conf, as many as the C library reads */

#define WAY_ROUTER	 2 /* numbers in the network */
#define WAY_NAME_SERVER	 3
#define WAY_FIRST_GUEST	 15
#define WAY_PREFIX6_BITS 64

/* The router's, with which it advertises itself. */
#define WAY_LINK_LOCAL                                                                             \
	{                                                                                          \
		.s6_addr = { 0xfe, 0x80, [15] = WAY_ROUTER }                                       \
	}

#define WAY_SECOND	 INT64_C(1000000000)
#define WAY_EVICT_UDP_NS (2 * WAY_SECOND) /* for how long what is evicted was silent at least */
#define WAY_EVICT_TCP_NS (60 * WAY_SECOND)
#define WAY_HEADERS_MAX	 (NET_HEADER_BYTES + 40 + 60) /* Ethernet, IPv6, TCP with options */
#define WAY_IP4_BYTES	 20 /* as we write them */
#define WAY_IP6_BYTES	 40
#define WAY_TCP_BYTES	 20
#define WAY_UDP_BYTES	 8
#define WAY_ICMP_BYTES	 8
#define WAY_QUOTED_MAX	 548 /* of a packet, in an ICMP error about it (RFC 1812 §4.3.2.3) */

struct way;
struct way_flow;

/* --- lists ------------------------------------------------------------------------------------ */

/* A ring with a head of the same kind; one that is in no list has NULL. */
struct way_link {
	struct way_link *next, *previous;
};

static inline void way_list_init(struct way_link *head)
{
	head->next = head->previous = head;
}

static inline bool way_list_is_empty(const struct way_link *head)
{
	return head->next == head;
}

static inline void way_list_append(struct way_link *head, struct way_link *link)
{
	link->next = head;
	link->previous = head->previous;
	head->previous->next = link;
	head->previous = link;
}

static inline void way_list_remove(struct way_link *link)
{
	if (!link->next)
		return;
	link->next->previous = link->previous;
	link->previous->next = link->next;
	link->next = link->previous = NULL;
}

/* --- a packet from a guest -------------------------------------------------------------------- */

/* Headers are copies, which the guest cannot change any more; what follows stays where it is. */
struct way_packet {
	const struct net_frame *frame;
	_Alignas(8) uint8_t spare[2]; /* so that the IP header is aligned */
	uint8_t head[WAY_HEADERS_MAX + 20]; /* the frame's first bytes... */
	size_t head_bytes; /* ...which are so many */
	const uint8_t *l3, *l4; /* headers in `head` */
	size_t l3_bytes; /* all of the IP packet */
	size_t l4_bytes; /* behind the IP header; the frame has them */
	struct in6_addr from, to;
	uint8_t mac[NET_MAC_BYTES];
	uint8_t protocol; /* IPPROTO_* */
	uint8_t hops; /* that it may go */
	uint16_t id, fragment; /* of IPv4: where it belongs, 0: it is whole */
	bool is_ip6;
};

/* false: it is nothing that we understand. */
bool way_packet_parse(const struct net_frame *frame, struct way_packet *ret);
/* Is the sum of the transport header right, or somebody else's work? */
bool way_packet_sum_is_right(const struct way_packet *packet);
/* The parts of its payload from `skip` bytes behind the start of the transport header on. */
unsigned way_packet_parts(const struct way_packet *packet, size_t skip, size_t size,
	struct iovec parts[NET_PARTS_MAX]);
/* Copy them; the packet has that many. */
void way_packet_copy(const struct way_packet *packet, size_t skip, void *to, size_t size);

/* --- bytes ------------------------------------------------------------------------------------ */

static inline uint16_t way_get16(const void *at)
{
	const uint8_t *b = at;

	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t way_get32(const void *at)
{
	return (uint32_t)way_get16(at) << 16 | way_get16((const uint8_t *)at + 2);
}

static inline void way_put16(void *at, uint16_t value)
{
	uint8_t *b = at;

	b[0] = (uint8_t)(value >> 8);
	b[1] = (uint8_t)value;
}

static inline void way_put32(void *at, uint32_t value)
{
	way_put16(at, (uint16_t)(value >> 16));
	way_put16((uint8_t *)at + 2, (uint16_t)value);
}

/* Sums of 16-bit words in memory order (RFC 1071), not folded; even lengths can be added up. */
uint64_t way_sum(const void *bytes, size_t length);
uint64_t way_sum_parts(const struct iovec *parts, unsigned nr, size_t skip, size_t size);
uint16_t way_fold(uint64_t sum);
uint64_t way_sum_pseudo(
	const struct in6_addr *from, const struct in6_addr *to, uint8_t protocol, size_t bytes);

/* Into the first parts. How many bytes went in. */
size_t way_scatter(const void *bytes, size_t length, const struct net_frame *frame);
size_t way_room(const struct net_frame *frame);

/* --- addresses -------------------------------------------------------------------------------- */

static inline bool way_is_ip4(const struct in6_addr *address)
{
	return IN6_IS_ADDR_V4MAPPED(address);
}

static inline struct in6_addr way_map(struct in_addr address)
{
	struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(&mapped.s6_addr[12], &address, sizeof(address));
	return mapped;
}

static inline struct in_addr way_unmap(const struct in6_addr *address)
{
	struct in_addr ip4;

	memcpy(&ip4, &address->s6_addr[12], sizeof(ip4));
	return ip4;
}

static inline bool way_is_same(const struct in6_addr *a, const struct in6_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* Address and port for the host's calls. Returns its size. */
socklen_t way_to_sockaddr(
	const struct in6_addr *address, uint16_t port, struct sockaddr_storage *ret);
/* Returns the port. */
uint16_t way_from_sockaddr(const struct sockaddr_storage *from, struct in6_addr *ret);

/* Number `number` in the network, with the family of `like`. */
struct in6_addr way_host(const struct way *way, const struct in6_addr *like, uint8_t number);
/* Its address in the family of `like`. */
struct in6_addr way_router(const struct way *way, const struct in6_addr *like);
bool way_is_router(const struct way *way, const struct in6_addr *address);
bool way_is_name_server(const struct way *way, const struct in6_addr *address);
/* In the guests' network (or only there, as link-local ones are). */
bool way_is_inside(const struct way *way, const struct in6_addr *address);

/*
 * Where a guest's packet to this place goes in the host's world. 0; -EACCES: it may not go there;
 * -EHOSTUNREACH: nobody is there.
 */
int way_translate(struct way *way, const struct in6_addr *to, uint16_t port, struct in6_addr *ret);

/* --- fragments -------------------------------------------------------------------------------- */

#define WAY_ASSEMBLIES	4 /* datagrams at a time */
#define WAY_BLOCK_BYTES 8 /* places of fragments are counted in these */
#define WAY_DATAGRAM	65536

struct way_assembly {
	struct in6_addr from, to;
	uint16_t id;
	uint8_t protocol;
	bool is_in_use;
	size_t bytes; /* of all of it; 0: the last fragment has not come yet */
	size_t nr_blocks; /* that are there */
	size_t highest; /* the end of the last of them */
	int64_t begun_ns;
	uint64_t blocks[WAY_DATAGRAM / WAY_BLOCK_BYTES / 64]; /* which ones */
	uint8_t frame[NET_HEADER_BYTES + WAY_IP4_BYTES + WAY_DATAGRAM];
};

/* One more: true: `ret` is all of it, valid until the next fragment comes. */
bool way_fragment_input(struct way *way, const struct way_packet *packet, struct iovec *ret);

/* --- flows ------------------------------------------------------------------------------------ */

/* As the guest sees it; ports in the host's byte order. No padding: it is hashed. */
struct way_key {
	struct in6_addr guest, far;
	uint16_t guest_port, far_port; /* of a ping: its identifier, and 0 */
	uint32_t protocol;
};

struct way_flow_ops {
	const char *name;
	int64_t evict_ns; /* silent for so long, it may go when others need its place */
	/* The host's socket is ready. May free the flow. */
	void (*ready)(struct way_flow *flow, uint32_t events);
	/* The time that was set has come. May free the flow. */
	void (*expired)(struct way_flow *flow);
	/* The most bytes that fill() may write. */
	size_t (*next_length)(const struct way_flow *flow);
	/* Write a frame, and queue the flow again if there may be more: true; false: there is
	 * nothing, or it went into the ring. May free the flow. Only of those that queue it. */
	bool (*fill)(struct way_flow *flow, struct net_frame *frame);
	/* Its place is needed. The flow is freed after it. */
	void (*evict)(struct way_flow *flow);
};

struct way_tcp {
	uint8_t state; /* enum tcp_state */
	uint8_t guest_shift, our_shift; /* window scales; 0 where the guest has none */
	uint8_t duplicates; /* ACKs of the guest that say nothing new */
	uint8_t acks_due; /* segments without data that are to be sent */
	uint8_t tries; /* of what has not been answered */
	bool syn_due, probe_due;
	bool is_readable; /* the host's socket, as far as we know */
	bool has_ended; /* the host's end will send no more; some may be in the socket yet */
	bool has_fin; /* snd_max counts the FIN that was sent to the guest */
	bool fin_acked; /* by the guest */
	bool guest_fin; /* the guest has ended, and the host's socket knows */
	bool is_starved; /* the socket has not taken what we had promised */
	bool is_stalled; /* the guest has no room, and there is something for it */
	bool is_resending;
	bool peeks_at_offset; /* SO_PEEK_OFF works */
	uint16_t mss; /* that the guest takes */
	uint32_t rcv_nxt; /* of the guest's bytes: next that is expected */
	uint32_t rcv_edge; /* up to which it may send */
	uint32_t snd_una, snd_nxt, snd_max; /* of ours: unacknowledged, next, never sent yet */
	uint32_t recover; /* snd_max when the last loss was seen */
	uint32_t window; /* of the guest, in bytes */
	int64_t rto_ns;
};

struct way_udp {
	/* Of a published port: the socket is its listener's, and the far end is this. */
	struct way_listener *listener;
	struct in6_addr peer;
	uint16_t peer_port;
	bool is_dns;
};

struct way_ping {
	uint16_t host_id; /* the identifier in the host's world */
	bool is_raw; /* sees the pings of all */
};

struct way_flow {
	struct way *way;
	const struct way_flow_ops *ops; /* NULL: not in use */
	struct loop_source source;
	struct way_key key;
	uint8_t mac[NET_MAC_BYTES]; /* of the guest; all zero: not known yet */
	uint32_t hash;
	struct way_flow *next_in_bucket; /* or in the list of unused ones */
	struct way_link used; /* way.used: the one that was silent the longest first */
	struct way_link waiting; /* way.waiting: those that have something for a guest */
	struct way_link timer; /* in a slot of the wheel */
	int64_t used_ns, deadline_ns;
	uint64_t slot_tick; /* when the slot comes that it is in */
	struct way_guest *guest; /* whose it is counted for; may be NULL */
	union {
		struct way_tcp tcp;
		struct way_udp udp;
		struct way_ping ping;
	};
};

static inline struct way_flow *way_flow_of(struct loop_source *source)
{
	return container_of(source, struct way_flow, source);
}

struct way_flow *way_flow_find(struct way *way, const struct way_key *key);
/*
 * A flow that owns `fd` from now on, as the call does if it fails (NULL: all are busy, or the loop
 * takes no more). -1: it has none. `events` is what the loop watches it for.
 */
struct way_flow *way_flow_new(struct way *way, const struct way_key *key,
	const struct way_flow_ops *ops, int fd, uint32_t events);
void way_flow_free(struct way_flow *flow);
/* It is not silent. */
void way_flow_touch(struct way_flow *flow);
/* It has something for the guest, perhaps. */
void way_flow_queue(struct way_flow *flow);
void way_flow_set_timer(struct way_flow *flow, int64_t delay_ns);
/* Somebody who was silent for long gives way, with its socket, too; false: nobody was. */
bool way_flow_evict(struct way *way, const struct way_guest *guest);
/* A socket, for which others give way if need be; -errno. */
int way_socket(struct way *way, int family, int type, int protocol);

int way_flows_init(struct way *way, struct error *err);
void way_flows_free(struct way *way);

/* --- guests ----------------------------------------------------------------------------------- */

/* Who is at an address of the guests' network. */
struct way_guest {
	struct in6_addr address;
	uint8_t mac[NET_MAC_BYTES];
	bool is_known;
	bool is_leased; /* by DHCP: nobody else gets it by saying so */
	unsigned nr_flows;
	int64_t heard_ns;
};

/* NULL: nobody is. */
struct way_guest *way_guest_find(struct way *way, const struct in6_addr *address);
/* Somebody says that it is at that address. NULL: it cannot be. */
struct way_guest *way_guest_learn(
	struct way *way, const struct in6_addr *address, const uint8_t mac[NET_MAC_BYTES]);
/* Ask who is there. */
void way_guest_ask(struct way *way, const struct in6_addr *address);
void way_arp_input(struct way *way, const struct net_frame *frame);
/* ICMPv6 between neighbours: true: it was that. */
bool way_ndp_input(struct way *way, const struct way_packet *packet);

/* --- protocols -------------------------------------------------------------------------------- */

void way_tcp_input(struct way *way, const struct way_packet *packet);
/* A connection of the host that is to go to a guest; `fd` is ours from now on. */
void way_tcp_accept(struct way *way, const struct way_key *key, int fd);
void way_udp_input(struct way *way, const struct way_packet *packet);
/* `size` bytes in way->datagram, behind the place of headers and UDP's own, are for a guest. */
void way_udp_accept(struct way *way, const struct way_key *key, struct way_listener *listener,
	const struct in6_addr *peer, uint16_t peer_port, size_t size);
void way_icmp_input(struct way *way, const struct way_packet *packet);
/* true: the packet was for us. */
bool way_dhcp_input(struct way *way, const struct way_packet *packet);
bool way_dhcp6_input(struct way *way, const struct way_packet *packet);

/* What an ICMP error says, in both families. */
enum way_error {
	WAY_ERROR_PORT, /* nobody listens there */
	WAY_ERROR_HOST, /* it cannot be reached */
	WAY_ERROR_FORBIDDEN,
	WAY_ERROR_COUNT,
};

/* Tell the guest why its packet was not delivered. */
void way_icmp_error(struct way *way, const struct way_packet *packet, enum way_error error);
/* The same for a flow whose packet is gone; its headers are made up, of the transport's the ports
 * and the word that follows. */
void way_icmp_flow_error(struct way_flow *flow, enum way_error error, uint32_t second_word);
enum way_error way_error_of(int error_number);

/* --- frames to guests ------------------------------------------------------------------------- */

/* Ethernet and IP in front of `bytes` bytes: how many bytes they are. */
size_t way_put_headers(struct way *way, uint8_t *to, const uint8_t mac[NET_MAC_BYTES],
	const struct in6_addr *far, const struct in6_addr *guest, uint8_t protocol, size_t bytes);
/* IP alone. Its size. */
size_t way_put_ip(struct way *way, uint8_t *to, const struct in6_addr *from,
	const struct in6_addr *dest, uint8_t protocol, size_t bytes);
/* Into the ring; what has no room is lost. */
void way_answer(struct way *way, const void *frame, size_t length);
/* A packet of `bytes` bytes at `l4`, which has WAY_HEADERS_MAX free bytes before it, whose sum is
 * at `sum_place` of it: with all sums, and in fragments if it must be, into the ring. */
void way_answer_packet(struct way *way, const uint8_t mac[NET_MAC_BYTES],
	const struct in6_addr *far, const struct in6_addr *guest, uint8_t protocol, uint8_t *l4,
	size_t bytes, size_t sum_place);
/*
 * The sum of a packet whose headers are in `head`, `head_bytes` with the frame's, and whose payload
 * is in the frame's parts behind so many bytes: done, or left to the guest if it takes that. `l4`
 * is where the transport header begins, `bytes` its size with the payload.
 */
void way_finish_sum(struct way *way, struct net_frame *frame, const struct way_key *key,
	uint8_t *head, size_t l4, size_t head_bytes, size_t bytes, size_t sum_place);

/* --- DNS -------------------------------------------------------------------------------------- */

struct way_resolver {
	struct in6_addr servers[WAY_NAME_SERVERS];
	unsigned nr_servers;
	int64_t read_ns; /* 0: never */
};

/* The host's name server, of that family if there is one. */
struct in6_addr way_name_server(struct way *way, bool is_ip6);

/* --- ways in ---------------------------------------------------------------------------------- */

struct way_listener {
	struct loop_source source;
	struct way *way;
	struct net_forward forward;
};

int way_listen(struct way *way, const struct net_user_options *options, struct error *err);
void way_listen_end(struct way *way);

/* --- the port --------------------------------------------------------------------------------- */

struct way {
	struct net_port port;
	struct loop *loop;
	/* The options, as they are needed. */
	bool ipv4, ipv6, restricted, host_loopback;
	struct in_addr network;
	unsigned prefix_bits;
	struct in6_addr network6;
	struct in6_addr router, router6;
	bool has_services; /* names and addresses for guests; else somebody else gives them */
	char hostname[NET_HOSTNAME_MAX + 1];
	uint8_t mac[NET_MAC_BYTES]; /* the router's */
	_Atomic unsigned offloads; /* that received frames may leave undone */

	int64_t now_ns; /* when this turn began */
	uint64_t key[2], tcp_key[2]; /* of hashes; random */
	bool is_waited_for; /* receive() gave less than was asked for */
	struct loop_timer ready_timer; /* tells the holder, outside of its own calls */
	struct net_ring ring;
	uint16_t ip_id;

	struct way_flow *flows, *unused;
	unsigned nr_touched; /* flows that were ever in use */
	struct way_flow **buckets;
	struct way_link used, waiting;
	struct way_link slots[WAY_SLOTS];
	uint64_t tick; /* up to which the wheel has turned */
	uint64_t wheel_armed; /* the tick at which wheel_timer goes off; 0: it does not */
	unsigned nr_timers;
	struct loop_timer wheel_timer;

	struct way_guest guests[WAY_GUESTS_MAX];
	struct {
		uint8_t mac[NET_MAC_BYTES];
		bool is_taken;
		int64_t used_ns;
	} leases[WAY_LEASES_MAX];
	struct way_resolver resolver;
	struct way_assembly assemblies[WAY_ASSEMBLIES];
	struct way_listener listeners[NET_FORWARDS_MAX];
	/* A datagram that is not read into a frame, with place for headers in front of it. */
	uint8_t datagram[WAY_HEADERS_MAX + NET_FRAME_MAX];
};

/* The holder is told of what it waits for; called last, by what the loop calls. */
void way_tell(struct way *way);
static inline void way_look_at_clock(struct way *way)
{
	way->now_ns = clock_monotonic_ns();
}
/* SipHash-1-3. */
uint64_t way_hash(const uint64_t key[2], const void *bytes, size_t length);
