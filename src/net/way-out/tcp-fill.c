/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp-fill.c - segments to guests. What a flow has to say is decided when there is a frame for it:
 * a SYN, data with the latest acknowledgement, the FIN, or an acknowledgement alone. Data is read
 * from the socket into the frame, behind the place of the headers.
 */
#include "net/way-out/tcp.h"

#include <linux/sock_diag.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/parts.h"

#define SYN_OPTIONS   8
#define HEADERS_MAX   (NET_HEADER_BYTES + WAY_IP6_BYTES + WAY_TCP_BYTES + SYN_OPTIONS)
#define SMALL_PART    8 /* of the send buffer: a window below that is small */
#define PIECE_MIN     (16u << 10)
#define DISCARDED_MAX 16 /* buffers of what is passed over where SO_PEEK_OFF is missing */

/* What is left of the socket's buffer, for data and what the kernel needs besides. */
static uint32_t room_of_socket(const struct way_flow *flow, bool *ret_is_small)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);
	uint32_t room = 0;

	if (getsockopt(flow->source.fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0 &&
		info[SK_MEMINFO_SNDBUF] > info[SK_MEMINFO_WMEM_QUEUED])
		room = info[SK_MEMINFO_SNDBUF] - info[SK_MEMINFO_WMEM_QUEUED];
	room -= room / 4;
	*ret_is_small = room < info[SK_MEMINFO_SNDBUF] / SMALL_PART;
	return room;
}

/*
 * The window that the guest is told: what it was told before, or more. Who has sent nothing since
 * is told the same again.
 */
static uint16_t our_window(struct way_flow *flow, bool is_syn)
{
	struct way_tcp *t = &flow->tcp;
	unsigned shift = is_syn ? 0 : t->our_shift;
	uint32_t promised = t->rcv_edge - t->rcv_nxt;
	uint32_t window = (promised + (1u << shift) - 1) >> shift;
	bool is_small = false;

	if (is_syn || t->acks_due) {
		uint32_t room = room_of_socket(flow, &is_small) >> shift;

		window = room > window ? room : window;
	}
	if (window > UINT16_MAX)
		window = UINT16_MAX;
	t->rcv_edge = t->rcv_nxt + (window << shift);
	if (is_small && !t->guest_fin && t->state == TCP_STATE_OPEN)
		loop_change(flow->way->loop, &flow->source, TCP_EVENTS | EPOLLOUT);
	return (uint16_t)window;
}

/* --- headers ---------------------------------------------------------------------------------- */

/* TCP's header at `tcp`; its sum is left out. Its size. */
static size_t put_tcp(struct way_flow *flow, uint8_t *tcp, uint8_t flags, uint32_t seq)
{
	struct way_tcp *t = &flow->tcp;
	bool is_syn = flags & TH_SYN;
	size_t size = WAY_TCP_BYTES;

	memset(tcp, 0, WAY_TCP_BYTES + SYN_OPTIONS);
	way_put16(tcp, flow->key.far_port);
	way_put16(tcp + 2, flow->key.guest_port);
	way_put32(tcp + 4, seq);
	if (flags & TH_ACK)
		way_put32(tcp + 8, t->rcv_nxt);
	if (!(flags & TH_RST))
		way_put16(tcp + 14, our_window(flow, is_syn));
	if (is_syn) {
		tcp[20] = 2; /* the largest segment */
		tcp[21] = 4;
		way_put16(tcp + 22, tcp_our_mss(flow));
		size += 4;
	}
	if (is_syn && t->our_shift) {
		tcp[24] = 1; /* nothing */
		tcp[25] = 3; /* the window's scale */
		tcp[26] = 3;
		tcp[27] = t->our_shift;
		size += 4;
	}
	tcp[12] = (uint8_t)(size / 4 << 4);
	tcp[13] = flags;
	return size;
}

void tcp_answer(struct way_flow *flow, uint8_t flags)
{
	uint8_t buffer[WAY_HEADERS_MAX + WAY_TCP_BYTES + SYN_OPTIONS];
	uint8_t *tcp = buffer + WAY_HEADERS_MAX;
	static const uint8_t unknown[NET_MAC_BYTES];
	size_t size;

	if (!memcmp(flow->mac, unknown, sizeof(unknown)))
		return;
	size = put_tcp(flow, tcp, flags, flow->tcp.snd_nxt);
	way_answer_packet(
		flow->way, flow->mac, &flow->key.far, &flow->key.guest, IPPROTO_TCP, tcp, size, 16);
}

static size_t header_bytes(const struct way_flow *flow)
{
	return NET_HEADER_BYTES + tcp_ip_bytes(flow) + WAY_TCP_BYTES;
}

/* Headers in front of `bytes` bytes that are in the frame already. */
static void put_segment(
	struct way_flow *flow, struct net_frame *frame, uint8_t flags, uint32_t seq, size_t bytes)
{
	struct way_tcp *t = &flow->tcp;
	uint8_t head[HEADERS_MAX];
	size_t l4 = NET_HEADER_BYTES + tcp_ip_bytes(flow);
	size_t size = put_tcp(flow, head + l4, flags, seq);

	way_put_headers(flow->way, head, flow->mac, &flow->key.far, &flow->key.guest, IPPROTO_TCP,
		size + bytes);
	way_finish_sum(flow->way, frame, &flow->key, head, l4, l4 + size, size + bytes, 16);
	if (bytes > t->mss) {
		frame->offload.gso_type = way_is_ip4(&flow->key.far) ? VIRTIO_NET_HDR_GSO_TCPV4
								     : VIRTIO_NET_HDR_GSO_TCPV6;
		frame->offload.gso_size = t->mss;
		frame->offload.hdr_len = (uint16_t)(l4 + size);
	}
	frame->length = 0;
	if (way_scatter(head, l4 + size, frame) == l4 + size)
		frame->length = (uint32_t)(l4 + size + bytes);
}

/* --- data ------------------------------------------------------------------------------------- */

/* The most that a segment may have. */
static uint32_t segment_max(const struct way_flow *flow)
{
	unsigned tso = way_is_ip4(&flow->key.far) ? NET_OFFLOAD_TSO4 : NET_OFFLOAD_TSO6;
	uint32_t mss = flow->tcp.mss;

	return flow->way->offloads & tso ? TCP_DATA_MAX / mss * mss : mss;
}

/* What the guest has room for now. */
static uint32_t data_limit(const struct way_flow *flow)
{
	const struct way_tcp *t = &flow->tcp;
	uint32_t in_flight = tcp_in_flight(t), max, room;

	if (t->state != TCP_STATE_OPEN || in_flight >= t->window)
		return 0;
	max = segment_max(flow);
	room = t->window - in_flight;
	/* RFC 9293 §3.8.6.2.1: not in tiny pieces while there will be more room. But half of a
	 * large segment is better than to wait. */
	if (in_flight && room < t->mss && room < PIECE_MIN && room < t->window / 2)
		return 0;
	if (!t->peeks_at_offset && in_flight > (DISCARDED_MAX - 1) * NET_FRAME_MAX)
		return 0;
	if (room >= max)
		return max;
	return room > t->mss ? room / t->mss * t->mss : room;
}

size_t tcp_next_length(const struct way_flow *flow)
{
	uint32_t limit = flow->tcp.is_readable ? data_limit(flow) : 0;

	return header_bytes(flow) + (limit > SYN_OPTIONS ? limit : SYN_OPTIONS);
}

/* From behind what is in flight into the frame, behind the place of the headers. */
static ssize_t peek(struct way_flow *flow, const struct net_frame *frame, uint32_t limit)
{
	struct iovec parts[DISCARDED_MAX + NET_PARTS_MAX];
	struct msghdr message = { .msg_iov = parts };
	uint32_t skip = flow->tcp.peeks_at_offset ? 0 : tcp_in_flight(&flow->tcp);
	unsigned nr = 0;
	ssize_t n;

	for (uint32_t left = skip; left;) {
		uint32_t size = left < NET_FRAME_MAX ? left : NET_FRAME_MAX;

		parts[nr++] = (struct iovec){ flow->way->datagram, size };
		left -= size;
	}
	nr += parts_slice(
		frame->parts, frame->nr_parts, header_bytes(flow), limit, parts + nr, NULL);
	message.msg_iovlen = nr < NET_PARTS_MAX ? nr : NET_PARTS_MAX;
	n = recvmsg(flow->source.fd, &message, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 || !skip)
		return n;
	return n > (ssize_t)skip ? n - (ssize_t)skip : flow->tcp.has_ended ? 0 : -1;
}

static void count_try(struct way_tcp *t)
{
	if (t->is_resending)
		t->tries++;
	t->is_resending = false;
}

static void advance(struct way_flow *flow, uint32_t numbers)
{
	struct way_tcp *t = &flow->tcp;
	bool was_idle = !tcp_in_flight(t);

	t->snd_nxt += numbers;
	if ((int32_t)(t->snd_nxt - t->snd_max) > 0)
		t->snd_max = t->snd_nxt;
	count_try(t);
	/* Several ones are for a guest that is to count them; data is none of these. */
	if (t->acks_due == 1)
		t->acks_due = 0;
	if (was_idle)
		tcp_arm(flow);
}

/* Nothing follows: FIN. */
static bool fill_fin(struct way_flow *flow, struct net_frame *frame)
{
	struct way_tcp *t = &flow->tcp;

	t->is_readable = false;
	/* The guest has it, or it is on its way. */
	if (t->fin_acked || (t->has_fin && t->snd_nxt == t->snd_max))
		return false;
	put_segment(flow, frame, TH_FIN | TH_ACK, t->snd_nxt, 0);
	t->has_fin = true;
	advance(flow, 1);
	return true;
}

/* false: there is no data; or the flow is gone (*ret_is_gone). */
static bool fill_data(struct way_flow *flow, struct net_frame *frame, bool *ret_is_gone)
{
	struct way_tcp *t = &flow->tcp;
	uint32_t limit = data_limit(flow);
	size_t room = way_room(frame);
	ssize_t n;

	room = room > header_bytes(flow) ? room - header_bytes(flow) : 0;
	if (limit > room)
		limit = (uint32_t)room;
	if (!limit) {
		if (!tcp_in_flight(t) && !t->is_stalled) {
			t->is_stalled = true;
			tcp_arm(flow);
		}
		return false;
	}
	n = peek(flow, frame, limit);
	if (n == 0)
		return fill_fin(flow, frame);
	if (n < 0) {
		t->is_readable = false;
		if (errno == EAGAIN || errno == EINTR)
			return false;
		*ret_is_gone = true;
		tcp_abort(flow);
		return false;
	}
	put_segment(flow, frame, TH_ACK | TH_PUSH, t->snd_nxt, (size_t)n);
	/* A short read is all there was; of more, an event will tell. */
	if (n < (ssize_t)limit && !t->has_ended)
		t->is_readable = false;
	advance(flow, (uint32_t)n);
	return true;
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool fill_syn(struct way_flow *flow, struct net_frame *frame)
{
	static const uint8_t unknown[NET_MAC_BYTES];
	struct way_tcp *t = &flow->tcp;
	bool is_answer = t->state == TCP_STATE_SYN_RECEIVED;

	t->syn_due = false;
	t->tries++;
	if (!memcmp(flow->mac, unknown, sizeof(unknown))) {
		const struct way_guest *guest = way_guest_find(flow->way, &flow->key.guest);

		if (!guest) {
			way_guest_ask(flow->way, &flow->key.guest);
			return false;
		}
		memcpy(flow->mac, guest->mac, sizeof(flow->mac));
	}
	t->snd_nxt = t->snd_una + 1;
	t->snd_max = t->snd_nxt;
	put_segment(flow, frame, is_answer ? TH_SYN | TH_ACK : TH_SYN, t->snd_una, 0);
	return true;
}

/* Is anybody there? Its number is one that the guest has, which it can only acknowledge. */
static bool fill_probe(struct way_flow *flow, struct net_frame *frame)
{
	flow->tcp.probe_due = false;
	flow->tcp.tries++;
	put_segment(flow, frame, TH_ACK, flow->tcp.snd_una - 1, 0);
	return true;
}

bool tcp_fill(struct way_flow *flow, struct net_frame *frame)
{
	struct way_tcp *t = &flow->tcp;
	bool is_gone = false;

	if (t->syn_due)
		return fill_syn(flow, frame);
	if (t->state != TCP_STATE_OPEN)
		return false;
	if (t->acks_due < 2 && t->is_readable && fill_data(flow, frame, &is_gone)) {
		if (t->is_readable || t->acks_due)
			way_flow_queue(flow);
		return true;
	}
	if (is_gone)
		return false;
	if (t->probe_due)
		return fill_probe(flow, frame);
	if (!t->acks_due)
		return false;
	put_segment(flow, frame, TH_ACK, t->snd_nxt, 0);
	t->acks_due--;
	if (t->acks_due || t->is_readable)
		way_flow_queue(flow);
	return true;
}
