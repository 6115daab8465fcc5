/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dhcp.c - addresses for guests: DHCP (RFC 2131), and DHCPv6 (RFC 8415) for who asks it for the
 * name server only: addresses of IPv6 are made from the router's advertisements.
 *
 * A guest gets number WAY_FIRST_GUEST of the network or one behind it, always the same one for the
 * same hardware address. When all are taken, one that has run out is given to the next; a guest
 * that invents hardware addresses gets none that is another's. Who asks for another address than
 * its own is told no.
 */
#include "net/way-out/way.h"

#define DHCP_SERVER_PORT  67
#define DHCP_CLIENT_PORT  68
#define DHCP6_SERVER_PORT 547
#define DHCP6_CLIENT_PORT 546
#define BOOTP_BYTES	  236 /* before the cookie */
#define DHCP_OPTIONS	  (BOOTP_BYTES + 4)
#define DHCP_BYTES_MIN	  300 /* RFC 1542 §2.1 */
#define DHCP_COOKIE	  0x63825363
#define LEASE_S		  86400
#define OPTIONS_MAX	  312
#define DUID_BYTES_MAX	  130 /* RFC 8415 §11.1, with its type */

enum dhcp_option {
	DHCP_PAD = 0,
	DHCP_MASK = 1,
	DHCP_ROUTER = 3,
	DHCP_NAME_SERVER = 6,
	DHCP_HOSTNAME = 12,
	DHCP_MTU = 26,
	DHCP_REQUESTED = 50,
	DHCP_LEASE = 51,
	DHCP_TYPE = 53,
	DHCP_SERVER = 54,
	DHCP_END = 255,
};

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
	DHCP_INFORM,
};

struct question {
	uint8_t bootp[BOOTP_BYTES];
	uint8_t type;
	struct in_addr requested, server; /* 0: none */
};

/* --- leases ----------------------------------------------------------------------------------- */

static unsigned nr_leases(const struct way *way)
{
	uint64_t addresses = (UINT64_C(1) << (32 - way->prefix_bits)) - 1 - WAY_FIRST_GUEST;

	return addresses < WAY_LEASES_MAX ? (unsigned)addresses : WAY_LEASES_MAX;
}

static struct in6_addr lease_address(struct way *way, int number)
{
	struct in6_addr like = way_map(way->network);

	return way_host(way, &like, (uint8_t)(WAY_FIRST_GUEST + number));
}

/* The number of its lease, which it gets if it has none; -1: there is none left. */
static int find_lease(struct way *way, const uint8_t mac[NET_MAC_BYTES])
{
	int number = -1;

	for (unsigned i = 0; i < nr_leases(way); i++) {
		bool is_free = !way->leases[i].is_taken ||
			way->now_ns - way->leases[i].used_ns > LEASE_S * WAY_SECOND;

		if (way->leases[i].is_taken && !memcmp(way->leases[i].mac, mac, NET_MAC_BYTES))
			return (int)i;
		if (is_free && number < 0)
			number = (int)i;
	}
	if (number < 0)
		return -1;
	memcpy(way->leases[number].mac, mac, NET_MAC_BYTES);
	way->leases[number].is_taken = true;
	return number;
}

static void bind_lease(struct way *way, int number)
{
	struct in6_addr address = lease_address(way, number);
	struct way_guest *guest = way_guest_find(way, &address);

	if (guest)
		guest->is_leased = false;
	guest = way_guest_learn(way, &address, way->leases[number].mac);
	if (guest)
		guest->is_leased = true;
}

/* --- DHCP ------------------------------------------------------------------------------------- */

static bool read_question(const struct way_packet *packet, struct question *q)
{
	uint8_t options[OPTIONS_MAX];
	uint8_t cookie[4];
	size_t size = packet->l4_bytes - WAY_UDP_BYTES;

	if (size < DHCP_OPTIONS)
		return false;
	*q = (struct question){ 0 };
	way_packet_copy(packet, WAY_UDP_BYTES, q->bootp, sizeof(q->bootp));
	way_packet_copy(packet, WAY_UDP_BYTES + BOOTP_BYTES, cookie, sizeof(cookie));
	/* A question of an Ethernet card. */
	if (q->bootp[0] != 1 || q->bootp[1] != 1 || q->bootp[2] != NET_MAC_BYTES ||
		way_get32(cookie) != DHCP_COOKIE)
		return false;
	size -= DHCP_OPTIONS;
	size = size < sizeof(options) ? size : sizeof(options);
	way_packet_copy(packet, WAY_UDP_BYTES + DHCP_OPTIONS, options, size);
	for (size_t at = 0; at < size && options[at] != DHCP_END;) {
		const uint8_t *option = &options[at];

		if (*option == DHCP_PAD) {
			at++;
			continue;
		}
		if (at + 2 > size || at + 2 + option[1] > size)
			break;
		if (*option == DHCP_TYPE && option[1] == 1)
			q->type = option[2];
		else if (*option == DHCP_REQUESTED && option[1] == 4)
			memcpy(&q->requested, option + 2, 4);
		else if (*option == DHCP_SERVER && option[1] == 4)
			memcpy(&q->server, option + 2, 4);
		at += 2u + option[1];
	}
	return q->type != 0;
}

static uint8_t *put_option(uint8_t *at, enum dhcp_option code, const void *value, size_t size)
{
	at[0] = (uint8_t)code;
	at[1] = (uint8_t)size;
	memcpy(at + 2, value, size);
	return at + 2 + size;
}

static uint8_t *put_option32(uint8_t *at, enum dhcp_option code, uint32_t value)
{
	uint8_t bytes[4];

	way_put32(bytes, value);
	return put_option(at, code, bytes, sizeof(bytes));
}

static uint8_t *put_parameters(struct way *way, uint8_t *at, bool has_lease)
{
	uint32_t network = ntohl(way->network.s_addr);
	uint8_t mtu[2];

	at = put_option32(at, DHCP_MASK, UINT32_MAX << (32 - way->prefix_bits));
	at = put_option(at, DHCP_ROUTER, &way->router.s6_addr[12], 4);
	at = put_option32(at, DHCP_NAME_SERVER, network + WAY_NAME_SERVER);
	if (has_lease)
		at = put_option32(at, DHCP_LEASE, LEASE_S);
	way_put16(mtu, (uint16_t)way->port.mtu);
	at = put_option(at, DHCP_MTU, mtu, sizeof(mtu));
	if (*way->hostname)
		at = put_option(at, DHCP_HOSTNAME, way->hostname, strlen(way->hostname));
	return at;
}

static void answer(struct way *way, const struct way_packet *packet, const struct question *q,
	enum dhcp_type type, const struct in6_addr *address)
{
	uint8_t buffer[WAY_HEADERS_MAX + WAY_UDP_BYTES + DHCP_OPTIONS + OPTIONS_MAX] = { 0 };
	uint8_t *udp = buffer + WAY_HEADERS_MAX;
	uint8_t *bootp = udp + WAY_UDP_BYTES, *at = bootp + DHCP_OPTIONS;
	static const uint8_t all_mac[NET_MAC_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct in6_addr all = way_map((struct in_addr){ INADDR_BROADCAST });
	struct in6_addr server = way_router(way, address);
	bool is_known = type == DHCP_ACK && memcmp(q->bootp + 12, "\0\0\0\0", 4);
	uint8_t kind = (uint8_t)type;
	struct in6_addr to = all;
	size_t bytes;

	memcpy(bootp, q->bootp, 28); /* with its number, flags, addresses and relay */
	bootp[0] = 2;
	memcpy(bootp + 28, q->bootp + 28, 16);
	memset(bootp + 16, 0, 8);
	if (type != DHCP_NAK && q->type != DHCP_INFORM)
		memcpy(bootp + 16, &address->s6_addr[12], 4);
	memcpy(bootp + 20, &server.s6_addr[12], 4);
	way_put32(bootp + BOOTP_BYTES, DHCP_COOKIE);
	at = put_option(at, DHCP_TYPE, &kind, 1);
	at = put_option(at, DHCP_SERVER, &server.s6_addr[12], 4);
	if (type != DHCP_NAK)
		at = put_parameters(way, at, q->type != DHCP_INFORM);
	*at++ = DHCP_END;
	bytes = (size_t)(at - udp);
	if (bytes < WAY_UDP_BYTES + DHCP_BYTES_MIN)
		bytes = WAY_UDP_BYTES + DHCP_BYTES_MIN;
	if (is_known)
		memcpy(&to.s6_addr[12], q->bootp + 12, 4);
	way_put16(udp, DHCP_SERVER_PORT);
	way_put16(udp + 2, DHCP_CLIENT_PORT);
	way_put16(udp + 4, (uint16_t)bytes);
	way_answer_packet(
		way, is_known ? packet->mac : all_mac, &server, &to, IPPROTO_UDP, udp, bytes, 6);
}

/* RFC 2131 §4.3.2: what it asks for is in an option, or it has it already. */
static enum dhcp_type judge(const struct question *q, const struct in6_addr *address)
{
	struct in_addr wanted = q->requested;

	if (!wanted.s_addr)
		memcpy(&wanted, q->bootp + 12, sizeof(wanted));
	return wanted.s_addr == way_unmap(address).s_addr ? DHCP_ACK : DHCP_NAK;
}

bool way_dhcp_input(struct way *way, const struct way_packet *packet)
{
	struct in_addr router = way_unmap(&way->router);
	struct in6_addr address;
	struct question q;
	enum dhcp_type type;
	int number;

	if (!way->has_services || packet->is_ip6 || packet->l4_bytes < WAY_UDP_BYTES ||
		way_get16(packet->l4 + 2) != DHCP_SERVER_PORT)
		return false;
	/* It asks for itself: one guest could else take all addresses. */
	if (!read_question(packet, &q) || memcmp(q.bootp + 28, packet->mac, NET_MAC_BYTES) ||
		(q.server.s_addr && q.server.s_addr != router.s_addr))
		return true;
	if (q.type != DHCP_DISCOVER && q.type != DHCP_REQUEST && q.type != DHCP_INFORM)
		return true;
	number = find_lease(way, packet->mac);
	if (number < 0)
		return true;
	way->leases[number].used_ns = way->now_ns;
	address = lease_address(way, number);
	type = q.type == DHCP_DISCOVER	? DHCP_OFFER
		: q.type == DHCP_INFORM ? DHCP_ACK
					: judge(&q, &address);
	if (q.type == DHCP_REQUEST && type == DHCP_ACK)
		bind_lease(way, number);
	answer(way, packet, &q, type, &address);
	return true;
}

/* --- DHCPv6 ----------------------------------------------------------------------------------- */

enum dhcp6_option {
	DHCP6_CLIENT_ID = 1,
	DHCP6_SERVER_ID = 2,
	DHCP6_NAME_SERVERS = 23, /* RFC 3646 */
};

enum {
	DHCP6_REPLY = 7,
	DHCP6_INFORMATION_REQUEST = 11,
};

static uint8_t *put_option6(uint8_t *at, enum dhcp6_option code, const void *value, size_t size)
{
	way_put16(at, (uint16_t)code);
	way_put16(at + 2, (uint16_t)size);
	memcpy(at + 4, value, size);
	return at + 4 + size;
}

/* Its identifier; the size of it, 0: it has given none. */
static size_t client_id(const uint8_t *options, size_t size, const uint8_t **ret)
{
	for (size_t at = 0; at + 4 <= size;) {
		size_t length = way_get16(options + at + 2);

		if (length > size - at - 4)
			break;
		if (way_get16(options + at) == DHCP6_CLIENT_ID && length <= DUID_BYTES_MAX) {
			*ret = options + at + 4;
			return length;
		}
		at += 4 + length;
	}
	return 0;
}

static void answer6(
	struct way *way, const struct way_packet *packet, const uint8_t *question, size_t size)
{
	uint8_t buffer[WAY_HEADERS_MAX + WAY_UDP_BYTES + OPTIONS_MAX] = { 0 };
	uint8_t *udp = buffer + WAY_HEADERS_MAX, *at = udp + WAY_UDP_BYTES;
	struct in6_addr router = WAY_LINK_LOCAL;
	struct in6_addr server = way_host(way, &router, WAY_NAME_SERVER);
	uint8_t id[4 + NET_MAC_BYTES] = { 0, 3, 0, 1 }; /* RFC 8415 §11.4: a hardware address */
	const uint8_t *client;
	size_t client_bytes = client_id(question + 4, size - 4, &client);

	memcpy(at, question, 4);
	*at = DHCP6_REPLY;
	at += 4;
	memcpy(id + 4, way->mac, NET_MAC_BYTES);
	at = put_option6(at, DHCP6_SERVER_ID, id, sizeof(id));
	if (client_bytes)
		at = put_option6(at, DHCP6_CLIENT_ID, client, client_bytes);
	at = put_option6(at, DHCP6_NAME_SERVERS, &server, sizeof(server));
	way_put16(udp, DHCP6_SERVER_PORT);
	way_put16(udp + 2, DHCP6_CLIENT_PORT);
	way_put16(udp + 4, (uint16_t)(at - udp));
	way_answer_packet(
		way, packet->mac, &router, &packet->from, IPPROTO_UDP, udp, (size_t)(at - udp), 6);
}

bool way_dhcp6_input(struct way *way, const struct way_packet *packet)
{
	uint8_t question[OPTIONS_MAX];
	size_t size = packet->l4_bytes - WAY_UDP_BYTES;

	if (!way->has_services || !packet->is_ip6 || packet->l4_bytes < WAY_UDP_BYTES ||
		way_get16(packet->l4 + 2) != DHCP6_SERVER_PORT)
		return false;
	size = size < sizeof(question) ? size : sizeof(question);
	if (size < 4 || !IN6_IS_ADDR_LINKLOCAL(&packet->from))
		return true;
	way_packet_copy(packet, WAY_UDP_BYTES, question, size);
	if (question[0] == DHCP6_INFORMATION_REQUEST)
		answer6(way, packet, question, size);
	return true;
}
