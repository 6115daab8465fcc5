/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forward.c - which ports of the host lead to which of the guest, as users write it.
 */
#include "net/net.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

#define FORWARD_TEXT_MAX 128

static int parse_port(const char *text, uint16_t *ret)
{
	uint64_t port;

	if (parse_u64(text, 65535, &port) < 0 || !port)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* `address` is "1.2.3.4", "[::1]" or NULL. */
static int set_host(struct sockaddr_storage *host, char *address, uint16_t port)
{
	struct sockaddr_in *in = (void *)host;
	struct sockaddr_in6 *in6 = (void *)host;
	size_t length = address ? strlen(address) : 0;

	memset(host, 0, sizeof(*host));
	if (length && address[0] == '[') {
		if (address[length - 1] != ']')
			return -EINVAL;
		address[length - 1] = '\0';
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return inet_pton(AF_INET6, address + 1, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	if (!address)
		return 0;
	return inet_pton(AF_INET, address, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

/* The part behind the last `separator`, which is cut off; NULL: there is none. */
static char *cut_last(char *text, char separator)
{
	char *place = strrchr(text, separator);

	if (!place)
		return NULL;
	*place = '\0';
	return place + 1;
}

static int parse(char *text, struct net_forward *forward)
{
	const char *protocol = cut_last(text, '/');
	const char *guest = cut_last(text, ':');
	char *host = cut_last(text, ':');
	char *address = host ? text : NULL;
	uint16_t port;

	forward->is_udp = protocol && streq(protocol, "udp");
	if (protocol && !forward->is_udp && !streq(protocol, "tcp"))
		return -EINVAL;
	if (!guest || parse_port(guest, &forward->guest_port) < 0)
		return -EINVAL;
	if (parse_port(host ? host : text, &port) < 0)
		return -EINVAL;
	return set_host(&forward->host, address, port);
}

int net_forward_parse(const char *text, struct net_forward *ret, struct error *err)
{
	char copy[FORWARD_TEXT_MAX];
	struct net_forward forward = { 0 };

	if (strlen(text) >= sizeof(copy))
		return error_set(err, EINVAL, "a port forwarding is not that long");
	strcpy(copy, text);
	if (parse(copy, &forward) < 0)
		return error_set(err, EINVAL,
			"%s is no port forwarding: it is [ADDRESS:]HOST-PORT:GUEST-PORT[/tcp|/udp]",
			text);
	*ret = forward;
	return 0;
}
