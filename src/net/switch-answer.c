/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch-answer.c - who asks for the MAC of an address that the switch knows gets its answer from
 * the switch, so that nobody else hears the question, and nobody else can answer it (RFC 826, RFC
 * 5227, RFC 4861). What is not known can only be at a port that is not guarded.
 */
#include "net/switch-internal.h"

#include <string.h>

#include "net/offload.h"

enum {
	ARP_BYTES = 28,
	ARP_OPERATION = 6,
	ARP_SENDER = 8,
	ARP_SENDER_IP = 14,
	ARP_TARGET = 18,
	ARP_TARGET_IP = 24,
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	IP6_BYTES = 40,
	IP6_LENGTH = 4,
	IP6_NEXT = 6,
	IP6_HOPS = 7,
	IP6_SOURCE = 8,
	IP6_TO = 24,
	ICMP6_BYTES = 32, /* an advertisement with one option */
	ICMP6_QUESTION_BYTES = 24,
	ICMP6_CHECKSUM = 2,
	ICMP6_FLAGS = 4,
	ICMP6_TARGET = 8,
	ICMP6_OPTION = 24,
	ICMP6_NEIGHBOUR_SOLICITATION = 135,
	ICMP6_NEIGHBOUR_ADVERTISEMENT = 136,
	OPTION_TARGET_MAC = 2,
	FLAG_ROUTER = 0x80,
	FLAG_SOLICITED = 0x40,
	FLAG_OVERRIDE = 0x20,
	HOPS = 255, /* RFC 4861 §7.1.1: not from behind a router */
};

static const struct in6_addr all_nodes = { .s6_addr = { 0xff, 2, [15] = 1 } };

/* Who has the address; NULL: nobody known, or the one who asks. */
static const struct net_table_entry *find_neighbour(
	struct switch_port *port, uint16_t vlan, const struct in6_addr *address)
{
	struct net_switch *sw = port->sw;
	struct net_table_key key = net_table_address(vlan, address);
	const struct net_table_entry *entry = net_table_find(&sw->neighbours, &key);

	if (!entry || entry->port == port->number || net_table_is_old(entry, sw->now_ns))
		return NULL;
	return entry;
}

/* From the owner of an address to who asked, over the same cable. */
static void turn_around(
	struct switch_packet *packet, const struct net_table_entry *neighbour, uint32_t length)
{
	memcpy(packet->bytes, packet->bytes + NET_MAC_BYTES, NET_MAC_BYTES);
	memcpy(packet->bytes + NET_MAC_BYTES, neighbour->mac, NET_MAC_BYTES);
	packet->length = length;
	packet->offload = (struct virtio_net_hdr){ 0 };
}

static enum switch_answer answer_arp(struct switch_port *port, struct switch_packet *packet)
{
	static const uint8_t question[] = { 0, 1, 8, 0, 6, 4, 0, ARP_REQUEST };
	uint8_t *arp = packet->bytes + packet->l3;
	struct in6_addr target = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
	const struct net_table_entry *neighbour;
	uint8_t asker[10];

	if (packet->length < packet->l3 + ARP_BYTES || memcmp(arp, question, sizeof(question)) != 0)
		return SWITCH_FORWARD;
	/* Who tells its own address tells it to all. */
	if (!memcmp(arp + ARP_SENDER_IP, arp + ARP_TARGET_IP, 4))
		return SWITCH_FORWARD;
	memcpy(&target.s6_addr[12], arp + ARP_TARGET_IP, 4);
	neighbour = find_neighbour(port, packet->vlan, &target);
	if (!neighbour)
		return SWITCH_ASK;
	memcpy(asker, arp + ARP_SENDER, sizeof(asker));
	arp[ARP_OPERATION + 1] = ARP_REPLY;
	memcpy(arp + ARP_SENDER, neighbour->mac, NET_MAC_BYTES);
	memcpy(arp + ARP_SENDER_IP, &target.s6_addr[12], 4);
	memcpy(arp + ARP_TARGET, asker, sizeof(asker));
	turn_around(packet, neighbour, packet->l3 + ARP_BYTES);
	return SWITCH_ANSWERED;
}

static void write_advertisement(struct switch_port *port, struct switch_packet *packet,
	const struct net_table_entry *neighbour)
{
	uint8_t *ip = packet->bytes + packet->l3, *icmp = ip + IP6_BYTES;
	const uint8_t pseudo[] = { 0, ICMP6_BYTES, 0, IPPROTO_ICMPV6 };
	struct in6_addr asker;
	uint16_t sum;
	bool has_address;

	memcpy(&asker, ip + IP6_SOURCE, sizeof(asker));
	has_address = !IN6_IS_ADDR_UNSPECIFIED(&asker);
	ip[IP6_LENGTH] = 0;
	ip[IP6_LENGTH + 1] = ICMP6_BYTES;
	ip[IP6_HOPS] = HOPS;
	memcpy(ip + IP6_SOURCE, icmp + ICMP6_TARGET, sizeof(asker));
	memcpy(ip + IP6_TO, has_address ? &asker : &all_nodes, sizeof(asker));
	icmp[0] = ICMP6_NEIGHBOUR_ADVERTISEMENT;
	memset(icmp + ICMP6_CHECKSUM, 0, ICMP6_TARGET - ICMP6_CHECKSUM);
	icmp[ICMP6_FLAGS] = FLAG_OVERRIDE;
	if (has_address)
		icmp[ICMP6_FLAGS] |= FLAG_SOLICITED;
	if (port->sw->ports[neighbour->port]->config.is_uplink)
		icmp[ICMP6_FLAGS] |= FLAG_ROUTER;
	icmp[ICMP6_OPTION] = OPTION_TARGET_MAC;
	icmp[ICMP6_OPTION + 1] = 1;
	memcpy(icmp + ICMP6_OPTION + 2, neighbour->mac, NET_MAC_BYTES);
	sum = net_sum(0, pseudo, sizeof(pseudo));
	sum = net_sum(sum, ip + IP6_SOURCE, 2 * sizeof(asker));
	sum = (uint16_t)~net_sum(sum, icmp, ICMP6_BYTES);
	memcpy(icmp + ICMP6_CHECKSUM, &sum, sizeof(sum));
}

static enum switch_answer answer_ip6(struct switch_port *port, struct switch_packet *packet)
{
	const uint8_t *ip = packet->bytes + packet->l3, *icmp = ip + IP6_BYTES;
	const struct net_table_entry *neighbour;
	struct in6_addr target;

	if (packet->length < packet->l3 + IP6_BYTES + ICMP6_QUESTION_BYTES ||
		ip[IP6_NEXT] != IPPROTO_ICMPV6 || ip[IP6_HOPS] != HOPS ||
		icmp[0] != ICMP6_NEIGHBOUR_SOLICITATION || icmp[1])
		return SWITCH_FORWARD;
	memcpy(&target, icmp + ICMP6_TARGET, sizeof(target));
	neighbour = find_neighbour(port, packet->vlan, &target);
	if (!neighbour)
		return SWITCH_ASK;
	write_advertisement(port, packet, neighbour);
	turn_around(packet, neighbour, packet->l3 + IP6_BYTES + ICMP6_BYTES);
	return SWITCH_ANSWERED;
}

enum switch_answer switch_answer(struct switch_port *port, struct switch_packet *packet)
{
	/* Who asks one it knows means that one. */
	if (switch_is_unicast(packet->bytes))
		return SWITCH_FORWARD;
	switch (packet->type) {
	case ETHER_ARP:
		return answer_arp(port, packet);
	case ETHER_IP6:
		return answer_ip6(port, packet);
	default:
		return SWITCH_FORWARD;
	}
}
