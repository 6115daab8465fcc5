/* SPDX-License-Identifier: Apache-2.0 */
/*
 * neighbour.c - who is where on the guests' cable: ARP (RFC 826), neighbour discovery (RFC 4861)
 * and router advertisements.
 *
 * The router and the name server answer for their addresses. Guests are learned from what they ask
 * and send: an address is its last sender's, unless DHCP has given it to another one. There are
 * WAY_GUESTS_MAX of them; the one who was silent the longest makes room, if no flow is its.
 */
#include "net/way-out/way.h"

#include <assert.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>

#define ARP_BYTES	  28
#define ARP_REQUEST	  1
#define ARP_REPLY	  2
#define NDP_OPTION_BYTES  8
#define RA_LIFETIME_S	  1800
#define RA_PREFIX_VALID_S 86400
#define RA_PREFIX_FRESH_S 14400
#define OPTION_RDNSS	  25 /* RFC 8106 §5.1 */

static const uint8_t everybody[NET_MAC_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const struct in6_addr link_local = WAY_LINK_LOCAL;

/* --- the table -------------------------------------------------------------------------------- */

struct way_guest *way_guest_find(struct way *way, const struct in6_addr *address)
{
	size_t start = way_hash(way->key, address, sizeof(*address)) % WAY_GUESTS_MAX;

	/* Nothing is ever taken out of it, only exchanged; so a gap is the end. */
	for (size_t i = 0; i < WAY_GUESTS_MAX; i++) {
		struct way_guest *guest = &way->guests[(start + i) % WAY_GUESTS_MAX];

		if (!guest->is_known)
			return NULL;
		if (way_is_same(&guest->address, address))
			return guest;
	}
	return NULL;
}

/* A place for one more: a free one, or that of who was silent the longest. NULL: all have flows. */
static struct way_guest *find_place(struct way *way, const struct in6_addr *address)
{
	size_t start = way_hash(way->key, address, sizeof(*address)) % WAY_GUESTS_MAX;
	struct way_guest *place = NULL;

	for (size_t i = 0; i < WAY_GUESTS_MAX; i++) {
		struct way_guest *guest = &way->guests[(start + i) % WAY_GUESTS_MAX];

		if (!guest->is_known)
			return guest;
		if (!guest->nr_flows && !guest->is_leased &&
			(!place || guest->heard_ns < place->heard_ns))
			place = guest;
	}
	return place;
}

struct way_guest *way_guest_learn(
	struct way *way, const struct in6_addr *address, const uint8_t mac[NET_MAC_BYTES])
{
	struct way_guest *guest = way_guest_find(way, address);

	if (!guest) {
		guest = find_place(way, address);
		if (!guest)
			return NULL;
		*guest = (struct way_guest){ .address = *address, .is_known = true };
		memcpy(guest->mac, mac, sizeof(guest->mac));
	}
	if (memcmp(guest->mac, mac, sizeof(guest->mac))) {
		if (guest->is_leased)
			return NULL;
		memcpy(guest->mac, mac, sizeof(guest->mac));
	}
	guest->heard_ns = way->now_ns;
	return guest;
}

/* --- ARP -------------------------------------------------------------------------------------- */

/* In network byte order, as everything here. */
struct arp {
	uint16_t hardware, protocol;
	uint8_t hardware_bytes, protocol_bytes;
	uint16_t operation;
	uint8_t from_mac[NET_MAC_BYTES], from[4], to_mac[NET_MAC_BYTES], to[4];
};

static_assert(sizeof(struct arp) == ARP_BYTES, "it has no padding");

static struct in6_addr address4(const uint8_t bytes[4])
{
	struct in_addr address;

	memcpy(&address, bytes, sizeof(address));
	return way_map(address);
}

static void send_arp(struct way *way, const uint8_t mac[NET_MAC_BYTES], uint16_t operation,
	const struct in6_addr *from, const struct in6_addr *to)
{
	uint8_t frame[NET_HEADER_BYTES + ARP_BYTES];
	struct arp arp = { .hardware = htons(1), .protocol = htons(ETHERTYPE_IP) };

	arp.hardware_bytes = NET_MAC_BYTES;
	arp.protocol_bytes = 4;
	arp.operation = htons(operation);
	memcpy(arp.from_mac, way->mac, NET_MAC_BYTES);
	memcpy(arp.from, &from->s6_addr[12], sizeof(arp.from));
	if (operation == ARP_REPLY)
		memcpy(arp.to_mac, mac, NET_MAC_BYTES);
	memcpy(arp.to, &to->s6_addr[12], sizeof(arp.to));
	memcpy(frame, mac, NET_MAC_BYTES);
	memcpy(frame + NET_MAC_BYTES, way->mac, NET_MAC_BYTES);
	way_put16(frame + NET_HEADER_BYTES - 2, ETHERTYPE_ARP);
	memcpy(frame + NET_HEADER_BYTES, &arp, sizeof(arp));
	way_answer(way, frame, sizeof(frame));
}

void way_arp_input(struct way *way, const struct net_frame *frame)
{
	uint8_t bytes[NET_HEADER_BYTES + ARP_BYTES] = { 0 };
	struct arp arp;
	struct in6_addr from, to;
	size_t done = 0;

	for (unsigned i = 0; i < frame->nr_parts && done < sizeof(bytes); i++) {
		size_t n = frame->parts[i].iov_len;

		n = n < sizeof(bytes) - done ? n : sizeof(bytes) - done;
		memcpy(bytes + done, frame->parts[i].iov_base, n);
		done += n;
	}
	if (done < sizeof(bytes))
		return;
	memcpy(&arp, bytes + NET_HEADER_BYTES, sizeof(arp));
	if (arp.hardware != htons(1) || arp.protocol != htons(ETHERTYPE_IP) ||
		arp.hardware_bytes != NET_MAC_BYTES || arp.protocol_bytes != 4 || !way->ipv4)
		return;
	from = address4(arp.from);
	to = address4(arp.to);
	if (way_is_inside(way, &from) && !way_is_router(way, &from) &&
		!way_is_name_server(way, &from) &&
		!memcmp(arp.from_mac, bytes + NET_MAC_BYTES, NET_MAC_BYTES))
		way_guest_learn(way, &from, arp.from_mac);
	if (arp.operation == htons(ARP_REQUEST) &&
		(way_is_router(way, &to) || way_is_name_server(way, &to)))
		send_arp(way, arp.from_mac, ARP_REPLY, &to, &from);
}

/* --- neighbours of IPv6 ----------------------------------------------------------------------- */

static bool is_ours(const struct way *way, const struct in6_addr *address)
{
	return way_is_router(way, address) || way_is_name_server(way, address);
}

static void put_mac_option(struct way *way, uint8_t *at, uint8_t type)
{
	at[0] = type;
	at[1] = 1;
	memcpy(at + 2, way->mac, NET_MAC_BYTES);
}

void way_guest_ask(struct way *way, const struct in6_addr *address)
{
	enum { SOLICITATION = 24 };
	uint8_t buffer[WAY_HEADERS_MAX + SOLICITATION + NDP_OPTION_BYTES] = { 0 };
	uint8_t *icmp = buffer + WAY_HEADERS_MAX;
	uint8_t mac[NET_MAC_BYTES] = { 0x33, 0x33, 0xff };
	struct in6_addr from = way_router(way, address);
	/* RFC 4291 §2.7.1: all who have an address that ends so. */
	struct in6_addr group = { .s6_addr = { 0xff, 2, [11] = 1, [12] = 0xff } };

	if (way_is_ip4(address)) {
		send_arp(way, everybody, ARP_REQUEST, &from, address);
		return;
	}
	memcpy(&group.s6_addr[13], &address->s6_addr[13], 3);
	memcpy(mac + 3, &address->s6_addr[13], 3);
	icmp[0] = ND_NEIGHBOR_SOLICIT;
	memcpy(icmp + 8, address, sizeof(*address));
	put_mac_option(way, icmp + SOLICITATION, ND_OPT_SOURCE_LINKADDR);
	way_answer_packet(way, mac, &link_local, &group, IPPROTO_ICMPV6, icmp,
		SOLICITATION + NDP_OPTION_BYTES, 2);
}

static void answer_solicitation(struct way *way, const struct way_packet *packet)
{
	enum { ADVERTISEMENT = 24 };
	uint8_t buffer[WAY_HEADERS_MAX + ADVERTISEMENT + NDP_OPTION_BYTES] = { 0 };
	uint8_t *icmp = buffer + WAY_HEADERS_MAX;
	static const struct in6_addr all = { .s6_addr = { 0xff, 2, [15] = 1 } };
	bool is_asked_by_one = !IN6_IS_ADDR_UNSPECIFIED(&packet->from);
	struct in6_addr target;

	memcpy(&target, packet->l4 + 8, sizeof(target));
	if (!is_ours(way, &target))
		return;
	icmp[0] = ND_NEIGHBOR_ADVERT;
	/* Router, and the answer to a question. */
	icmp[4] = is_asked_by_one ? 0xe0 : 0xa0;
	memcpy(icmp + 8, &target, sizeof(target));
	put_mac_option(way, icmp + ADVERTISEMENT, ND_OPT_TARGET_LINKADDR);
	way_answer_packet(way, packet->mac, &target, is_asked_by_one ? &packet->from : &all,
		IPPROTO_ICMPV6, icmp, ADVERTISEMENT + NDP_OPTION_BYTES, 2);
}

static void advertise_router(struct way *way, const struct way_packet *packet)
{
	enum {
		HEAD = 16,
		MAC = HEAD,
		MTU = MAC + 8,
		PREFIX = MTU + 8,
		DNS = PREFIX + 32,
		SIZE = DNS + 24
	};
	uint8_t buffer[WAY_HEADERS_MAX + SIZE] = { 0 };
	uint8_t *icmp = buffer + WAY_HEADERS_MAX;
	static const struct in6_addr all = { .s6_addr = { 0xff, 2, [15] = 1 } };
	struct in6_addr server = way_host(way, &link_local, WAY_NAME_SERVER);

	icmp[0] = ND_ROUTER_ADVERT;
	icmp[4] = 64;
	icmp[5] = ND_RA_FLAG_OTHER; /* DHCPv6 has the name server, too */
	way_put16(icmp + 6, RA_LIFETIME_S);
	put_mac_option(way, icmp + MAC, ND_OPT_SOURCE_LINKADDR);
	icmp[MTU] = ND_OPT_MTU;
	icmp[MTU + 1] = 1;
	way_put32(icmp + MTU + 4, way->port.mtu);
	icmp[PREFIX] = ND_OPT_PREFIX_INFORMATION;
	icmp[PREFIX + 1] = 4;
	icmp[PREFIX + 2] = WAY_PREFIX6_BITS;
	icmp[PREFIX + 3] = ND_OPT_PI_FLAG_ONLINK | ND_OPT_PI_FLAG_AUTO;
	way_put32(icmp + PREFIX + 4, RA_PREFIX_VALID_S);
	way_put32(icmp + PREFIX + 8, RA_PREFIX_FRESH_S);
	memcpy(icmp + PREFIX + 16, &way->network6, WAY_PREFIX6_BITS / 8);
	icmp[DNS] = OPTION_RDNSS;
	icmp[DNS + 1] = 3;
	way_put32(icmp + DNS + 4, RA_LIFETIME_S);
	memcpy(icmp + DNS + 8, &server, sizeof(server));
	way_answer_packet(way, packet->mac, &link_local,
		IN6_IS_ADDR_UNSPECIFIED(&packet->from) ? &all : &packet->from, IPPROTO_ICMPV6, icmp,
		SIZE, 2);
}

/* RFC 4861 §7.1, §6.1: nothing of this comes from beyond a router. */
static bool is_of_neighbour(const struct way_packet *packet, size_t bytes)
{
	return packet->hops == 255 && packet->l4_bytes >= bytes && !packet->l4[1];
}

/* Who asks or answers is where it says it is: its frame comes from there. */
static void learn(struct way *way, const struct in6_addr *address, const struct way_packet *packet)
{
	if (!IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_MULTICAST(address) &&
		way_is_inside(way, address) && !is_ours(way, address))
		way_guest_learn(way, address, packet->mac);
}

bool way_ndp_input(struct way *way, const struct way_packet *packet)
{
	struct in6_addr target;

	if (packet->l4_bytes < 4)
		return true;
	switch (packet->l4[0]) {
	case ND_ROUTER_SOLICIT:
		if (is_of_neighbour(packet, 8)) {
			learn(way, &packet->from, packet);
			if (way->has_services)
				advertise_router(way, packet);
		}
		return true;
	case ND_NEIGHBOR_SOLICIT:
		if (is_of_neighbour(packet, 24)) {
			learn(way, &packet->from, packet);
			answer_solicitation(way, packet);
		}
		return true;
	case ND_NEIGHBOR_ADVERT:
		if (is_of_neighbour(packet, 24)) {
			memcpy(&target, packet->l4 + 8, sizeof(target));
			learn(way, &target, packet);
		}
		return true;
	case ND_ROUTER_ADVERT:
	case ND_REDIRECT:
		return true;
	default:
		return false;
	}
}
