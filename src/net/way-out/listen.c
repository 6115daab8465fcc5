/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.c - published ports: sockets of the host that lead to guests.
 *
 * Who comes is shown to the guest with its own address, if that is one that leads back through us:
 * what comes from the host's loopback, over IPv6 or from an address of the guests' network comes
 * from the router.
 */
#include "net/way-out/way.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define BACKLOG	    128
#define AT_ONCE	    64 /* connections or datagrams, before others get a turn */
#define PORTS_TRIED 64

static bool is_shown(const struct way *way, const struct in6_addr *peer)
{
	return way_is_ip4(peer) && peer->s6_addr[12] != 127 && !way_is_inside(way, peer);
}

/* From whom the guest thinks it is. false: there are too many of them. */
static bool make_key(const struct way_listener *listener, const struct in6_addr *peer,
	uint16_t port, bool is_new, struct way_key *ret)
{
	struct way *way = listener->way;
	const struct net_forward *forward = &listener->forward;
	struct in6_addr guest = way_map(way->network);
	struct way_key key = { .guest = way_host(way, &guest, WAY_FIRST_GUEST) };

	if (forward->guest.s_addr)
		key.guest = way_map(forward->guest);
	key.far = is_shown(way, peer) ? *peer : way_router(way, &key.guest);
	key.protocol = forward->is_udp ? IPPROTO_UDP : IPPROTO_TCP;
	key.guest_port = forward->guest_port;
	for (unsigned i = 0; i < PORTS_TRIED; i++, port++) {
		const struct way_flow *flow;

		key.far_port = port;
		flow = way_flow_find(way, &key);
		if (flow &&
			(is_new || flow->udp.listener != listener ||
				!way_is_same(&flow->udp.peer, peer)))
			continue;
		*ret = key;
		return true;
	}
	return false;
}

static void accept_one(struct way_listener *listener, int fd, const struct sockaddr_storage *from)
{
	struct in6_addr peer;
	uint16_t port = way_from_sockaddr(from, &peer);
	struct way_key key;

	if (make_key(listener, &peer, port, true, &key))
		way_tcp_accept(listener->way, &key, fd);
	else
		close(fd);
}

static void connections_ready(struct loop_source *source, uint32_t events)
{
	struct way_listener *listener = container_of(source, struct way_listener, source);
	struct way *way = listener->way;

	way_look_at_clock(way);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		int fd = accept4(source->fd, (void *)&from, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
			accept_one(listener, fd, &from);
		else if ((errno != EMFILE && errno != ENFILE) || !way_flow_evict(way, NULL))
			break;
	}
	way_tell(way);
}

static void datagrams_ready(struct loop_source *source, uint32_t events)
{
	struct way_listener *listener = container_of(source, struct way_listener, source);
	struct way *way = listener->way;

	way_look_at_clock(way);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(source->fd, way->datagram + WAY_HEADERS_MAX + WAY_UDP_BYTES,
			NET_FRAME_MAX - WAY_UDP_BYTES, MSG_DONTWAIT, (void *)&from, &size);
		struct in6_addr peer;
		struct way_key key;
		uint16_t port;

		if (n < 0)
			break;
		port = way_from_sockaddr(&from, &peer);
		if (make_key(listener, &peer, port, false, &key))
			way_udp_accept(way, &key, listener, &peer, port, (size_t)n);
	}
	way_tell(way);
}

static int open_listener(struct way_listener *listener, struct error *err)
{
	const struct net_forward *forward = &listener->forward;
	const struct sockaddr_in *host = (const void *)&forward->host;
	bool is_ip6 = forward->host.ss_family == AF_INET6;
	const int on = 1;
	int fd = socket(forward->host.ss_family,
		(forward->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	listener->source.fd = fd;
	if (fd >= 0 && is_ip6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (fd >= 0 && !forward->is_udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 ||
		bind(fd, (const void *)&forward->host,
			is_ip6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in)) < 0 ||
		(!forward->is_udp && listen(fd, BACKLOG) < 0))
		/* The port is at the same place in both families. */
		return error_errno(err, errno, "cannot listen at the host's port %u (%s)",
			ntohs(host->sin_port), forward->is_udp ? "udp" : "tcp");
	return 0;
}

static bool is_open(const struct way_listener *listener)
{
	return listener->way && listener->source.fd >= 0;
}

static void close_listener(struct way_listener *listener)
{
	loop_remove(listener->way->loop, &listener->source);
	cleanup_close(&listener->source.fd);
	listener->source.fd = -1;
}

static struct way_listener *find_free(struct way *way)
{
	for (size_t i = 0; i < NET_FORWARDS_MAX; i++)
		if (!is_open(&way->listeners[i]))
			return &way->listeners[i];
	return NULL;
}

int net_user_add_forward(
	struct net_port *port, const struct net_forward *forward, struct error *err)
{
	struct way *way = container_of(port, struct way, port);
	struct way_listener *listener = find_free(way);
	int r;

	if (!listener)
		return error_set(
			err, ENOSPC, "at most %d ports can be forwarded", NET_FORWARDS_MAX);
	*listener = (struct way_listener){ .way = way, .forward = *forward };
	listener->source.ready = forward->is_udp ? datagrams_ready : connections_ready;
	r = open_listener(listener, err);
	if (r == 0) {
		/* By its edge: a connection for which there is no descriptor wakes us once. */
		r = loop_add(way->loop, &listener->source,
			EPOLLIN | (forward->is_udp ? 0 : (uint32_t)EPOLLET));
		if (r < 0)
			error_errno(err, r, "cannot watch the network's sockets");
	}
	if (r < 0)
		close_listener(listener);
	return r;
}

static bool is_same_place(const struct net_forward *a, const struct net_forward *b)
{
	struct in6_addr address, other;

	return a->is_udp == b->is_udp && a->host.ss_family == b->host.ss_family &&
		way_from_sockaddr(&a->host, &address) == way_from_sockaddr(&b->host, &other) &&
		way_is_same(&address, &other);
}

void net_user_remove_forward(struct net_port *port, const struct net_forward *forward)
{
	struct way *way = container_of(port, struct way, port);
	struct way_link *link, *next;

	for (size_t i = 0; i < NET_FORWARDS_MAX; i++) {
		struct way_listener *listener = &way->listeners[i];

		if (!is_open(listener) || !is_same_place(&listener->forward, forward))
			continue;
		/* Datagrams are answered through it. */
		for (link = way->used.next; link != &way->used; link = next) {
			struct way_flow *flow = container_of(link, struct way_flow, used);

			next = link->next;
			if (flow->key.protocol == IPPROTO_UDP && flow->udp.listener == listener)
				way_flow_free(flow);
		}
		close_listener(listener);
	}
}

int way_listen(struct way *way, const struct net_user_options *options, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < options->nr_forwards && r == 0; i++)
		r = net_user_add_forward(&way->port, &options->forwards[i], err);
	return r;
}

void way_listen_end(struct way *way)
{
	for (size_t i = 0; i < NET_FORWARDS_MAX; i++)
		if (is_open(&way->listeners[i]))
			close_listener(&way->listeners[i]);
}
