/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network-ports.c - the host's side of published ports.
 *
 * A port that is published is held by a socket for as long as it is: another program that wants it
 * is told that it is in use, and so are we. Packets never reach that socket, but for those to ::1
 * (firewall.c). For IPv4 and TCP it listens, because one that is only bound does not keep others
 * from listening who may reuse addresses; and it may reuse them, so that what a server of the
 * host's left behind in TIME_WAIT is no obstacle. For IPv6 it only is bound, so that who connects
 * to ::1 is refused.
 */
#include "instance/network.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define RANDOM_TRIES 64 /* for a port that is free in both families */

struct held {
	char **ports;
	int *fds;
	size_t count;
};

static const struct network_address any_address[] = { { .family = AF_INET },
	{ .family = AF_INET6 } };

static void close_from(struct held *held, size_t first)
{
	while (held->count > first)
		close(held->fds[--held->count]);
}

static socklen_t make_sockaddr(
	const struct network_address *address, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = address->family;
	if (address->family == AF_INET) {
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, address->bytes, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

/* The port that a bound socket has. */
static uint16_t port_of(int fd)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return 0;
	return ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
						  : ((struct sockaddr_in6 *)&address)->sin6_port);
}

static int hold(const struct network_address *address, uint16_t port, uint8_t protocol)
{
	bool is_tcp = protocol == IPPROTO_TCP, listens = is_tcp && address->family == AF_INET;
	int fd = socket(address->family, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
	const int on = 1;
	struct sockaddr_storage where;
	socklen_t len = make_sockaddr(address, port, &where);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (address->family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (listens)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&where, len) < 0 || (listens && listen(fd, 1) < 0)) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int remember(struct held *held, const struct network_port *port, int fd)
{
	int *grown = realloc(held->fds, (held->count + 1) * sizeof(*grown));

	if (!grown || strv_push_take(&held->ports, network_port_format(port)) < 0) {
		held->fds = grown ? grown : held->fds;
		close(fd);
		return -ENOMEM;
	}
	held->fds = grown;
	grown[held->count++] = fd;
	return 0;
}

/* One port number at all of `addresses`. A number of 0 is chosen by the kernel for the first of
 * them. */
static int take_number(struct held *held, struct network_port port,
	const struct network_address *addresses, size_t nr_addresses)
{
	int fds[ARRAY_SIZE(any_address)], r = 0;
	size_t got = 0;

	while (got < nr_addresses) {
		r = hold(&addresses[got], port.host, port.protocol);
		/* A host without IPv6 has no such port. */
		if (r == -EAFNOSUPPORT && got > 0) {
			nr_addresses = got;
			break;
		}
		if (r < 0)
			break;
		fds[got] = r;
		if (!port.host)
			port.host = port_of(r);
		got++;
	}
	port.host_last = 0;
	for (size_t i = 0; i < got; i++) {
		port.address = addresses[i];
		if (r >= 0)
			r = remember(held, &port, fds[i]);
		else
			close(fds[i]);
	}
	return r < 0 ? r : 0;
}

static int take_one(struct held *held, const struct network_port *wanted,
	const struct network_address *addresses, size_t nr_addresses)
{
	struct network_port port = *wanted;
	int r = -EADDRINUSE;

	if (!port.host) {
		for (int i = 0; i < RANDOM_TRIES && r == -EADDRINUSE; i++)
			r = take_number(held, port, addresses, nr_addresses);
		return r;
	}
	do
		r = take_number(held, port, addresses, nr_addresses);
	while (r == -EADDRINUSE && port.host++ < wanted->host_last);
	return r;
}

static int take(struct held *held, const char *text, bool ipv4, bool ipv6, struct error *err)
{
	char address[NETWORK_ADDRESS_TEXT];
	struct network_port port;
	int r = network_port_parse(text, &port, err);

	if (r < 0)
		return r;
	if (port.address.family)
		r = take_one(held, &port, &port.address, 1);
	else
		r = take_one(held, &port, any_address + !ipv4, ipv4 && ipv6 ? 2 : 1);
	if (r == 0)
		return 0;
	network_address_format(address, port.address.family ? &port.address : any_address + !ipv4);
	if (r == -EADDRINUSE && port.host && !port.host_last)
		return error_set(err, EADDRINUSE,
			"cannot publish port %u: %s:%u/%s is already in use on the host",
			port.guest, address, port.host, network_protocol_name(port.protocol));
	return error_errno(err, r, "cannot publish %s", text);
}

int instance_ports_take(char *const *wanted, bool ipv4, bool ipv6, char ***ret_ports, int **ret_fds,
	size_t *ret_count, struct error *err)
{
	struct held held = { 0 };
	int r = 0;

	strv_for_each (text, wanted)
		if (r == 0)
			r = take(&held, *text, ipv4, ipv6, err);
	if (r < 0) {
		close_from(&held, 0);
		free(held.fds);
		strv_free(held.ports);
		return r;
	}
	*ret_ports = held.ports;
	*ret_fds = held.fds;
	*ret_count = held.count;
	return 0;
}
