/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services-leases.c - DHCP (RFC 2131) for guests whose address was decided before they asked: by
 * their card's MAC, always the same one. So there is nothing to remember, and a lease is as long as
 * the network.
 */
#include "net/services-internal.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	OPERATION = 0, /* in the message */
	HARDWARE = 1,
	HARDWARE_BYTES = 2,
	NUMBER = 4,
	CLIENT_ADDRESS = 12,
	YOUR_ADDRESS = 16,
	SERVER_ADDRESS = 20,
	CLIENT_MAC = 28,
	COOKIE = 236,
	OPTIONS = 240,
	MESSAGE_MIN = 300, /* RFC 1542 §2.1 */
	MESSAGE_MAX = 576,
	BOOT_REQUEST = 1,
	BOOT_REPLY = 2,
	ETHERNET = 1,

	OPTION_PAD = 0,
	OPTION_MASK = 1,
	OPTION_ROUTER = 3,
	OPTION_NAME_SERVER = 6,
	OPTION_HOSTNAME = 12,
	OPTION_MTU = 26,
	OPTION_WANTED = 50,
	OPTION_TIME = 51,
	OPTION_MESSAGE = 53,
	OPTION_SERVER = 54,
	OPTION_END = 255,

	DISCOVER = 1,
	OFFER = 2,
	REQUEST = 3,
	ACK = 5,
	NAK = 6,
	INFORM = 8,
};

#define LEASE_S	    86400u
#define PORT_CLIENT 68

static const uint8_t cookie[] = { 99, 130, 83, 99 };

/* The option's value of that length; NULL: it is not there. */
static const uint8_t *find_option(
	const uint8_t *message, size_t length, uint8_t option, size_t bytes)
{
	size_t at = OPTIONS;

	while (at < length && message[at] != OPTION_END) {
		if (message[at] == OPTION_PAD) {
			at++;
			continue;
		}
		if (at + 2 > length || at + 2 + message[at + 1] > length)
			return NULL;
		if (message[at] == option)
			return message[at + 1] == bytes ? message + at + 2 : NULL;
		at += 2u + message[at + 1];
	}
	return NULL;
}

static uint8_t *put_option(uint8_t *at, uint8_t option, const void *value, size_t bytes)
{
	*at++ = option;
	*at++ = (uint8_t)bytes;
	memcpy(at, value, bytes);
	return at + bytes;
}

static uint8_t *put_address(uint8_t *at, uint8_t option, struct in_addr address)
{
	return put_option(at, option, &address, sizeof(address));
}

/* What a guest is told; RFC 2132 for what each means. */
static uint8_t *put_lease(
	const struct services *services, const struct net_lease *lease, uint8_t *at, bool has_time)
{
	const struct net_services_options *o = &services->options;
	struct in_addr mask = { htonl(o->prefix_bits ? UINT32_MAX << (32 - o->prefix_bits) : 0) };
	uint32_t seconds = htonl(LEASE_S);
	uint16_t mtu = htons((uint16_t)o->mtu);

	if (has_time)
		at = put_option(at, OPTION_TIME, &seconds, sizeof(seconds));
	at = put_address(at, OPTION_MASK, mask);
	if (!o->is_internal)
		at = put_address(at, OPTION_ROUTER, o->gateway);
	at = put_address(at, OPTION_NAME_SERVER, o->gateway);
	at = put_option(at, OPTION_MTU, &mtu, sizeof(mtu));
	if (lease->hostname && strlen(lease->hostname) <= NET_HOSTNAME_MAX)
		at = put_option(at, OPTION_HOSTNAME, lease->hostname, strlen(lease->hostname));
	return at;
}

static void reply(struct services *services, const struct services_ends *ends,
	const uint8_t *message, const struct net_lease *lease, uint8_t kind)
{
	uint8_t answer[MESSAGE_MAX] = { BOOT_REPLY, ETHERNET, NET_MAC_BYTES }, *at;
	struct services_ends back = *ends;
	bool has_address = kind == OFFER || kind == ACK;
	bool is_informed = kind == INFORM;

	/* Its number, its flags, its own address and MAC. */
	memcpy(answer + NUMBER, message + NUMBER, YOUR_ADDRESS - NUMBER);
	memcpy(answer + CLIENT_MAC, message + CLIENT_MAC, 16);
	memcpy(answer + SERVER_ADDRESS, &services->options.gateway, 4);
	if (has_address)
		memcpy(answer + YOUR_ADDRESS, &lease->address, 4);
	memcpy(answer + COOKIE, cookie, sizeof(cookie));
	at = put_option(answer + OPTIONS, OPTION_MESSAGE,
		&(uint8_t){ is_informed ? (uint8_t)ACK : kind }, 1);
	at = put_address(at, OPTION_SERVER, services->options.gateway);
	if (kind != NAK)
		at = put_lease(services, lease, at, !is_informed);
	*at++ = OPTION_END;
	/* It has no address yet, but a MAC. */
	memset(&back.guest, 0xff, sizeof(back.guest));
	if (is_informed)
		back.guest = ends->guest;
	memset(back.ours.s6_addr, 0, sizeof(back.ours));
	memcpy(&back.ours.s6_addr[12], &services->options.gateway, 4);
	back.guest_port = PORT_CLIENT;
	services_reply(services, &back, answer,
		at - answer < MESSAGE_MIN ? MESSAGE_MIN : (size_t)(at - answer));
}

void services_lease(struct services *services, const struct services_ends *ends,
	const uint8_t *message, size_t length)
{
	const struct net_services_options *o = &services->options;
	const uint8_t *kind, *server, *wanted;
	struct net_lease lease = { 0 };

	if (!o->gateway.s_addr || length < OPTIONS || message[OPERATION] != BOOT_REQUEST ||
		message[HARDWARE] != ETHERNET || message[HARDWARE_BYTES] != NET_MAC_BYTES ||
		memcmp(message + COOKIE, cookie, sizeof(cookie)) != 0 ||
		memcmp(message + CLIENT_MAC, ends->mac, NET_MAC_BYTES) != 0)
		return;
	kind = find_option(message, length, OPTION_MESSAGE, 1);
	if (!kind || !o->find_lease(o->context, ends->mac, &lease) || !lease.address.s_addr)
		return;
	server = find_option(message, length, OPTION_SERVER, 4);
	wanted = find_option(message, length, OPTION_WANTED, 4);
	switch (*kind) {
	case DISCOVER:
		reply(services, ends, message, &lease, OFFER);
		break;
	case REQUEST:
		/* It has chosen another one. */
		if (server && memcmp(server, &o->gateway, 4) != 0)
			break;
		if (!wanted)
			wanted = message + CLIENT_ADDRESS;
		reply(services, ends, message, &lease,
			memcmp(wanted, &lease.address, 4) != 0 ? NAK : ACK);
		break;
	case INFORM:
		reply(services, ends, message, &lease, INFORM);
		break;
	default:
		break;
	}
}
