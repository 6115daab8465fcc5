/* SPDX-License-Identifier: Apache-2.0 */
/*
 * services.c - see services.h. Frames that are not for the services go on to the way out as they
 * are, in runs; answers wait in a ring and are received before what comes from there.
 *
 * Only whole packets of UDP are looked at. A packet for the gateway's address that is none of ours
 * is the way out's business, too.
 */
#include "net/services-internal.h"

#include <string.h>

#include "net/offload.h"

enum {
	TYPE = 12, /* in the frame */
	IP4_BYTES = 20,
	IP4_FRAGMENT = 6,
	IP4_TTL = 8,
	IP4_PROTOCOL = 9,
	IP4_CHECKSUM = 10,
	IP4_SOURCE = 12,
	IP4_TO = 16,
	IP6_BYTES = 40,
	IP6_NEXT = 6,
	IP6_SOURCE = 8,
	IP6_TO = 24,
	UDP_BYTES = 8,
	UDP_TO = 2,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
	PORT_DNS = 53,
	PORT_DHCP = 67,
	HOPS = 64,
	/* Ethernet's header, IPv6's, UDP's */
	HEADERS_MAX = NET_HEADER_BYTES + IP6_BYTES + UDP_BYTES,
};

#define TYPE_IP4 0x0800
#define TYPE_IP6 0x86dd

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static struct services *services_of(struct net_port *port)
{
	return container_of(port, struct services, port);
}

/* --- packets of UDP --------------------------------------------------------------------------- */

static struct in6_addr mapped(const void *address)
{
	struct in6_addr r = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	memcpy(&r.s6_addr[12], address, 4);
	return r;
}

/* Where the header of UDP is; 0: the frame is none of UDP, or not whole. */
static size_t find_udp(const uint8_t *frame, size_t length, struct services_ends *ends)
{
	const uint8_t *ip = frame + NET_HEADER_BYTES;
	size_t at = NET_HEADER_BYTES;
	uint8_t protocol;

	if (length < NET_HEADER_BYTES + IP4_BYTES + UDP_BYTES)
		return 0;
	ends->is_ip6 = get16(frame + TYPE) == TYPE_IP6;
	if (ends->is_ip6) {
		if (length < HEADERS_MAX)
			return 0;
		protocol = ip[IP6_NEXT];
		at += IP6_BYTES;
		memcpy(&ends->guest, ip + IP6_SOURCE, sizeof(ends->guest));
		memcpy(&ends->ours, ip + IP6_TO, sizeof(ends->ours));
	} else if (get16(frame + TYPE) == TYPE_IP4) {
		if (get16(ip + IP4_FRAGMENT) & 0x3fff)
			return 0;
		protocol = ip[IP4_PROTOCOL];
		at += (ip[0] & 15) * 4u;
		ends->guest = mapped(ip + IP4_SOURCE);
		ends->ours = mapped(ip + IP4_TO);
	} else {
		return 0;
	}
	if (protocol != IPPROTO_UDP || at + UDP_BYTES > length)
		return 0;
	memcpy(ends->mac, frame + NET_MAC_BYTES, NET_MAC_BYTES);
	ends->guest_port = get16(frame + at);
	ends->our_port = get16(frame + at + UDP_TO);
	return at;
}

static size_t write_ip4(uint8_t *ip, const struct services_ends *ends, size_t payload)
{
	uint16_t sum;

	memset(ip, 0, IP4_BYTES);
	ip[0] = 0x45;
	put16(ip + 2, IP4_BYTES + UDP_BYTES + payload);
	ip[IP4_TTL] = HOPS;
	ip[IP4_PROTOCOL] = IPPROTO_UDP;
	memcpy(ip + IP4_SOURCE, &ends->ours.s6_addr[12], 4);
	memcpy(ip + IP4_TO, &ends->guest.s6_addr[12], 4);
	sum = (uint16_t)~net_sum(0, ip, IP4_BYTES);
	memcpy(ip + IP4_CHECKSUM, &sum, sizeof(sum));
	return IP4_BYTES;
}

static size_t write_ip6(uint8_t *ip, const struct services_ends *ends, size_t payload)
{
	memset(ip, 0, IP6_BYTES);
	ip[0] = 0x60;
	put16(ip + 4, UDP_BYTES + payload);
	ip[IP6_NEXT] = IPPROTO_UDP;
	ip[IP6_NEXT + 1] = HOPS;
	memcpy(ip + IP6_SOURCE, &ends->ours, 16);
	memcpy(ip + IP6_TO, &ends->guest, 16);
	return IP6_BYTES;
}

static void write_udp(uint8_t *udp, const struct services_ends *ends, const uint8_t *payload,
	size_t length, const uint8_t *addresses, size_t addresses_bytes)
{
	uint8_t pseudo[4] = { 0, IPPROTO_UDP };
	uint16_t sum;

	put16(udp, ends->our_port);
	put16(udp + UDP_TO, ends->guest_port);
	put16(udp + UDP_LENGTH, UDP_BYTES + length);
	put16(udp + UDP_CHECKSUM, 0);
	put16(pseudo + 2, UDP_BYTES + length);
	sum = net_sum(net_sum(0, pseudo, sizeof(pseudo)), addresses, addresses_bytes);
	sum = (uint16_t)~net_sum(net_sum(sum, udp, UDP_BYTES), payload, length);
	if (!sum)
		sum = 0xffff;
	memcpy(udp + UDP_CHECKSUM, &sum, sizeof(sum));
}

void services_reply(struct services *services, const struct services_ends *ends,
	const uint8_t *payload, size_t length)
{
	uint8_t headers[HEADERS_MAX], *ip = headers + NET_HEADER_BYTES;
	struct iovec parts[] = { { headers, 0 }, { (void *)payload, length } };
	size_t ip_bytes = ends->is_ip6 ? write_ip6(ip, ends, length) : write_ip4(ip, ends, length);

	/* The network carries no more. */
	if (ip_bytes + UDP_BYTES + length > services->options.mtu)
		return;
	memcpy(headers, ends->mac, NET_MAC_BYTES);
	memcpy(headers + NET_MAC_BYTES, services->options.mac, NET_MAC_BYTES);
	put16(headers + TYPE, ends->is_ip6 ? TYPE_IP6 : TYPE_IP4);
	write_udp(ip + ip_bytes, ends, payload, length,
		ip + (ends->is_ip6 ? IP6_SOURCE : IP4_SOURCE), ends->is_ip6 ? 32 : 8);
	parts[0].iov_len = NET_HEADER_BYTES + ip_bytes + UDP_BYTES;
	net_ring_push_parts(&services->ring, parts, 2, parts[0].iov_len + length);
	if (services->is_waited_for)
		loop_timer_start(services->loop, &services->ready_timer, 0);
}

static bool is_ours(const struct services *services, const struct services_ends *ends)
{
	const struct net_services_options *o = &services->options;
	struct in6_addr gateway4 = mapped(&o->gateway);

	if (ends->is_ip6)
		return !IN6_IS_ADDR_UNSPECIFIED(&o->gateway6) &&
			!memcmp(&ends->ours, &o->gateway6, 16);
	return o->gateway.s_addr && !memcmp(&ends->ours, &gateway4, 16);
}

/* Is it for a service? Then it is done. */
static bool serve(struct services *services, const uint8_t *frame, size_t length)
{
	struct services_ends ends;
	size_t at = find_udp(frame, length, &ends), bytes;

	if (!at)
		return false;
	bytes = get16(frame + at + UDP_LENGTH);
	if (bytes < UDP_BYTES || at + bytes > length)
		return false;
	bytes -= UDP_BYTES;
	/* It is broadcast, mostly. */
	if (!ends.is_ip6 && ends.our_port == PORT_DHCP) {
		services_lease(services, &ends, frame + at + UDP_BYTES, bytes);
		return true;
	}
	if (ends.our_port != PORT_DNS || !is_ours(services, &ends))
		return false;
	services_ask(services, &ends, frame + at + UDP_BYTES, bytes);
	return true;
}

/* The same, whatever parts it lies in. Large ones are not for us. */
static bool serve_frame(struct services *services, const struct net_frame *frame)
{
	uint8_t bytes[HEADERS_MAX + 4096];
	size_t length = 0;

	if (frame->length > sizeof(bytes))
		return false;
	if (frame->nr_parts == 1)
		return serve(services, frame->parts->iov_base, frame->parts->iov_len);
	for (unsigned i = 0; i < frame->nr_parts; i++) {
		if (frame->parts[i].iov_len > sizeof(bytes) - length)
			return false;
		memcpy(bytes + length, frame->parts[i].iov_base, frame->parts[i].iov_len);
		length += frame->parts[i].iov_len;
	}
	return serve(services, bytes, length);
}

/* --- the port --------------------------------------------------------------------------------- */

static unsigned services_send(struct net_port *port, const struct net_frame *frames, unsigned nr)
{
	struct services *services = services_of(port);
	unsigned first = 0;

	for (unsigned i = 0; i <= nr; i++) {
		unsigned sent;

		if (i < nr && !serve_frame(services, &frames[i]))
			continue;
		/* Those in front of it. */
		sent = services->way_out && i > first
			? services->way_out->ops->send(services->way_out, frames + first, i - first)
			: i - first;
		if (sent < i - first)
			/* What was served behind them is asked again. That does no harm. */
			return first + sent;
		first = i + 1;
	}
	return nr;
}

static size_t services_next_length(struct net_port *port)
{
	struct services *services = services_of(port);
	size_t length = 0;

	net_ring_front(&services->ring, &length);
	if (!length && services->way_out)
		length = services->way_out->ops->next_length(services->way_out);
	services->is_waited_for |= !length;
	return length;
}

/* How much of it went in; 0: it had no room. */
static uint32_t scatter(const uint8_t *bytes, size_t length, const struct net_frame *frame)
{
	size_t done = 0;

	for (unsigned i = 0; i < frame->nr_parts && done < length; i++) {
		size_t size = frame->parts[i].iov_len;

		size = size < length - done ? size : length - done;
		memcpy(frame->parts[i].iov_base, bytes + done, size);
		done += size;
	}
	return done == length ? (uint32_t)length : 0;
}

static unsigned services_receive(struct net_port *port, struct net_frame *frames, unsigned nr)
{
	struct services *services = services_of(port);
	unsigned done = 0;

	for (; done < nr && services->ring.nr_frames; done++) {
		size_t length;
		const uint8_t *bytes = net_ring_front(&services->ring, &length);

		frames[done].length = scatter(bytes, length, &frames[done]);
		frames[done].offload = (struct virtio_net_hdr){ 0 };
		net_ring_pop(&services->ring);
	}
	if (done < nr && services->way_out)
		done += services->way_out->ops->receive(
			services->way_out, frames + done, nr - done);
	services->is_waited_for = done < nr;
	return done;
}

static int services_set_offloads(struct net_port *port, unsigned offloads, struct error *err)
{
	struct services *services = services_of(port);

	return services->way_out
		? services->way_out->ops->set_offloads(services->way_out, offloads, err)
		: 0;
}

static void services_close(struct net_port *port)
{
	struct services *services = services_of(port);

	services_names_close(services);
	net_port_close(services->way_out);
	loop_timer_cancel(services->loop, &services->ready_timer);
	net_ring_free(&services->ring);
	free(services);
}

static const struct net_port_ops services_ops = {
	.name = "services",
	.send = services_send,
	.next_length = services_next_length,
	.receive = services_receive,
	.set_offloads = services_set_offloads,
	.close = services_close,
};

static void tell_holder(struct services *services)
{
	if (services->port.ready)
		services->port.ready(&services->port, services->port.context);
}

static void ready_expired(struct loop_timer *timer)
{
	tell_holder(container_of(timer, struct services, ready_timer));
}

static void way_out_ready(struct net_port *port, void *context)
{
	tell_holder(context);
}

int net_services_open(struct loop *loop, const struct net_services_options *options,
	struct net_port *way_out, struct net_port **ret, struct error *err)
{
	struct services *services = calloc(1, sizeof(*services));
	int r;

	if (!services)
		return error_oom(err);
	r = net_ring_init(&services->ring, SERVICES_RING_BYTES, err);
	if (r < 0) {
		free(services);
		return r;
	}
	services->port = (struct net_port){ .ops = &services_ops,
		.takes = way_out ? way_out->takes : ~0u,
		.gives = way_out ? way_out->gives : 0,
		.mtu = options->mtu };
	services->loop = loop;
	services->options = *options;
	services->is_waited_for = true;
	services->ready_timer.expired = ready_expired;
	services->way_out = way_out;
	services_names_init(services);
	if (way_out) {
		way_out->ready = way_out_ready;
		way_out->context = services;
	}
	*ret = &services->port;
	return 0;
}
