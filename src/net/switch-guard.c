/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch-guard.c - what a port of a switch may send.
 *
 * Of all ports but uplinks: no offers of DHCP and no advertisements of routers, also behind IPv6's
 * extension headers (RFC 7113) and in fragments. Of guarded ports: nothing with a MAC or address
 * that they do not own, in the header, in ARP (RFC 826) and in neighbour discovery (RFC 4861).
 * What is too short to be seen whole, where it matters, is refused.
 */
#include "net/switch-internal.h"

#include <string.h>

#define EXTENSIONS_MAX 8

enum {
	IP4_BYTES = 20,
	IP4_FRAGMENT = 6,
	IP4_PROTOCOL = 9,
	IP4_SOURCE = 12,
	IP6_BYTES = 40,
	IP6_NEXT = 6,
	IP6_SOURCE = 8,
	ARP_BYTES = 28,
	ARP_SENDER = 8,
	ARP_SENDER_IP = 14,
	UDP_TO = 2,
	PORT_DHCP_SERVER = 67,
	PORT_DHCP_CLIENT = 68,
	PORT_DHCP6_CLIENT = 546,
	ICMP6_ROUTER_ADVERTISEMENT = 134,
	ICMP6_NEIGHBOUR_SOLICITATION = 135,
	ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
	ICMP6_REDIRECT = 137,
	ICMP6_BYTES = 24, /* of the two about neighbours, before options */
	ICMP6_TARGET = 8,
	OPTION_SOURCE_MAC = 1,
	OPTION_TARGET_MAC = 2,
};

static const uint8_t none[16];

/* What a packet of IP carries. */
struct carried {
	uint8_t protocol; /* of what begins at `at` */
	bool is_later; /* a fragment that is not the first: nothing begins */
	bool is_fragment;
	size_t at;
};

static struct in6_addr mapped(const uint8_t address[4])
{
	struct in6_addr r = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(&r.s6_addr[12], address, 4);
	return r;
}

/* Is this address this port's? A link-local one that is nobody's becomes it. */
static bool owns(struct switch_port *port, uint16_t vlan, const struct in6_addr *address)
{
	struct net_switch *sw = port->sw;
	struct net_table_key key = net_table_address(vlan, address);
	struct net_table_entry *entry = net_table_find(&sw->neighbours, &key);

	if (entry && entry->port == port->number) {
		entry->seen_ns = sw->now_ns;
		return true;
	}
	if ((entry && !net_table_is_old(entry, sw->now_ns)) || !IN6_IS_ADDR_LINKLOCAL(address) ||
		port->nr_locals >= SWITCH_LOCALS_MAX)
		return false;
	if (entry)
		sw->ports[entry->port]->nr_locals--;
	else
		entry = net_table_put(&sw->neighbours, &key, sw->now_ns);
	if (!entry)
		return false;
	entry->port = port->number;
	entry->seen_ns = sw->now_ns;
	memcpy(entry->mac, port->config.mac, sizeof(entry->mac));
	port->nr_locals++;
	return true;
}

/* --- IPv4 and ARP ----------------------------------------------------------------------------- */

static int guard_arp(struct switch_port *port, const struct switch_packet *packet)
{
	static const uint8_t ethernet_ip4[] = { 0, 1, 8, 0, 6, 4 };
	const uint8_t *arp = packet->bytes + packet->l3;
	struct in6_addr sender;

	if (!port->config.is_guarded)
		return -1;
	if (packet->length < packet->l3 + ARP_BYTES ||
		memcmp(arp, ethernet_ip4, sizeof(ethernet_ip4)) != 0)
		return NET_DROP_BAD_PACKET;
	if (memcmp(arp + ARP_SENDER, port->config.mac, NET_MAC_BYTES) != 0)
		return NET_DROP_SPOOFED_NEIGHBOUR;
	/* One that asks whether its address is free says none (RFC 5227). */
	if (!memcmp(arp + ARP_SENDER_IP, none, 4))
		return -1;
	sender = mapped(arp + ARP_SENDER_IP);
	return owns(port, packet->vlan, &sender) ? -1 : NET_DROP_SPOOFED_NEIGHBOUR;
}

static int guard_udp(const struct switch_port *port, const struct switch_packet *packet,
	const struct carried *carried, unsigned client)
{
	const uint8_t *udp = packet->bytes + carried->at;

	if (packet->length < carried->at + UDP_TO + 2)
		return carried->is_fragment ? NET_DROP_BAD_PACKET : -1;
	/* A server may answer from any port. */
	return switch_get16(udp + UDP_TO) == client ? NET_DROP_ROGUE_DHCP : -1;
}

/* Does it ask for an address, having none? */
static bool is_dhcp_question(const struct switch_packet *packet, const struct carried *carried)
{
	const uint8_t *udp = packet->bytes + carried->at;

	return carried->protocol == IPPROTO_UDP && !carried->is_later &&
		packet->length >= carried->at + UDP_TO + 2 &&
		switch_get16(udp + UDP_TO) == PORT_DHCP_SERVER;
}

static int guard_ip4(struct switch_port *port, const struct switch_packet *packet)
{
	const uint8_t *ip = packet->bytes + packet->l3;
	struct carried carried = { 0 };
	struct in6_addr source;
	int r = -1;

	if (packet->length < packet->l3 + IP4_BYTES || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
		return NET_DROP_BAD_PACKET;
	carried.protocol = ip[IP4_PROTOCOL];
	carried.is_later = switch_get16(ip + IP4_FRAGMENT) & 0x1fff;
	carried.at = packet->l3 + (ip[0] & 15) * 4u;
	if (carried.protocol == IPPROTO_UDP && !carried.is_later)
		r = guard_udp(port, packet, &carried, PORT_DHCP_CLIENT);
	if (r >= 0 || !port->config.is_guarded)
		return r;
	if (!memcmp(ip + IP4_SOURCE, none, 4))
		return is_dhcp_question(packet, &carried) || carried.protocol == IPPROTO_IGMP
			? -1
			: NET_DROP_SPOOFED_ADDRESS;
	source = mapped(ip + IP4_SOURCE);
	return owns(port, packet->vlan, &source) ? -1 : NET_DROP_SPOOFED_ADDRESS;
}

/* --- IPv6 and neighbour discovery ------------------------------------------------------------- */

/* Behind all extension headers; false: they end nowhere. */
static bool find_carried(const struct switch_packet *packet, struct carried *carried)
{
	*carried = (struct carried){ .protocol = packet->bytes[packet->l3 + IP6_NEXT],
		.at = packet->l3 + IP6_BYTES };
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		const uint8_t *header = packet->bytes + carried->at;
		size_t bytes;

		switch (carried->protocol) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT:
		case IPPROTO_AH:
		case IPPROTO_MH:
			break;
		default:
			return true;
		}
		if (carried->at + 8 > packet->length)
			return false;
		bytes = (header[1] + 1u) * 8;
		if (carried->protocol == IPPROTO_AH)
			bytes = (header[1] + 2u) * 4;
		if (carried->protocol == IPPROTO_FRAGMENT) {
			bytes = 8;
			carried->is_fragment = true;
			carried->is_later = switch_get16(header + 2) & 0xfff8;
		}
		carried->protocol = header[0];
		carried->at += bytes;
		if (carried->at > packet->length)
			return false;
		if (carried->is_later)
			return true;
	}
	return false;
}

/* The MAC that an option tells has to be the port's. */
static bool tells_own_mac(const struct switch_port *port, const struct switch_packet *packet,
	size_t at, uint8_t option)
{
	while (at + 8 <= packet->length) {
		const uint8_t *bytes = packet->bytes + at;

		if (!bytes[1])
			return false;
		if (bytes[0] == option && memcmp(bytes + 2, port->config.mac, NET_MAC_BYTES) != 0)
			return false;
		at += bytes[1] * 8u;
	}
	return true;
}

static int guard_neighbour(
	struct switch_port *port, const struct switch_packet *packet, const struct carried *carried)
{
	const uint8_t *icmp = packet->bytes + carried->at;
	bool is_question = *icmp == ICMP6_NEIGHBOUR_SOLICITATION;
	struct in6_addr target;

	if (packet->length < carried->at + ICMP6_BYTES)
		return NET_DROP_BAD_PACKET;
	/* RFC 6980 §5: in fragments, it can hide. */
	if (carried->is_fragment ||
		!tells_own_mac(port, packet, carried->at + ICMP6_BYTES,
			is_question ? OPTION_SOURCE_MAC : OPTION_TARGET_MAC))
		return NET_DROP_SPOOFED_NEIGHBOUR;
	memcpy(&target, icmp + ICMP6_TARGET, sizeof(target));
	return is_question || owns(port, packet->vlan, &target) ? -1 : NET_DROP_SPOOFED_NEIGHBOUR;
}

static int guard_icmp6(
	struct switch_port *port, const struct switch_packet *packet, const struct carried *carried)
{
	/* RFC 7112: the first fragment has all headers. */
	if (packet->length <= carried->at)
		return carried->is_fragment ? NET_DROP_BAD_PACKET : -1;
	switch (packet->bytes[carried->at]) {
	case ICMP6_ROUTER_ADVERTISEMENT:
	case ICMP6_REDIRECT:
		return NET_DROP_ROGUE_ROUTER;
	case ICMP6_NEIGHBOUR_SOLICITATION:
	case ICMP6_NEIGHBOUR_ADVERTISEMENT:
		return port->config.is_guarded ? guard_neighbour(port, packet, carried) : -1;
	default:
		return -1;
	}
}

static int guard_ip6(struct switch_port *port, const struct switch_packet *packet)
{
	const uint8_t *ip = packet->bytes + packet->l3;
	struct carried carried;
	struct in6_addr source;
	int r = -1;

	if (packet->length < packet->l3 + IP6_BYTES || ip[0] >> 4 != 6 ||
		!find_carried(packet, &carried))
		return NET_DROP_BAD_PACKET;
	if (!carried.is_later && carried.protocol == IPPROTO_UDP)
		r = guard_udp(port, packet, &carried, PORT_DHCP6_CLIENT);
	else if (!carried.is_later && carried.protocol == IPPROTO_ICMPV6)
		r = guard_icmp6(port, packet, &carried);
	if (r >= 0 || !port->config.is_guarded)
		return r;
	memcpy(&source, ip + IP6_SOURCE, sizeof(source));
	/* Who has no address yet asks for neighbours and routers, and joins groups. */
	if (IN6_IS_ADDR_UNSPECIFIED(&source))
		return carried.protocol == IPPROTO_ICMPV6 ? -1 : NET_DROP_SPOOFED_ADDRESS;
	return owns(port, packet->vlan, &source) ? -1 : NET_DROP_SPOOFED_ADDRESS;
}

int switch_guard(struct switch_port *port, const struct switch_packet *packet)
{
	if (port->config.is_uplink)
		return -1;
	if (port->config.is_guarded &&
		memcmp(packet->bytes + NET_MAC_BYTES, port->config.mac, NET_MAC_BYTES) != 0)
		return NET_DROP_SPOOFED_MAC;
	switch (packet->type) {
	case ETHER_ARP:
		return guard_arp(port, packet);
	case ETHER_IP4:
		return guard_ip4(port, packet);
	case ETHER_IP6:
		return guard_ip6(port, packet);
	default:
		return -1;
	}
}
