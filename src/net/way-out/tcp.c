/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcp.c - a guest's TCP connections, each of which goes on as a socket of the host.
 *
 * The host's kernel is the other half: it has the buffers, the windows towards the far end, and
 * congestion control. Between us and the guest there is a cable on the same machine, so what is
 * left to do is small. In all of it, nothing is stored here:
 *
 * - What the guest sends goes to the socket from the frame it is in, at once. What the socket has
 *   taken is acknowledged, the rest was never received. The window we offer is three quarters of
 *   the room that the socket has, so that the rest is nothing; once offered, it is not taken back.
 *   A window that was small is offered again when the socket has room (EPOLLOUT). If the socket
 *   has taken less than was promised, three more ACKs make the guest send again without waiting
 *   for its timer.
 * - What the host sends stays in the socket until the guest has acknowledged it: it is read with
 *   MSG_PEEK behind what is in flight (SO_PEEK_OFF), and dropped from the socket with MSG_TRUNC.
 *   To send again is to look at the front again: all of it from there on, as it is the guest's
 *   lack of buffers that loses frames here, and that hits many in a row.
 *
 * States, and what leads from one to the next:
 *
 *   (none)       -> CONNECTING    the guest's SYN; connect() is under way
 *   CONNECTING   -> SYN_RECEIVED  it is connected: SYN|ACK to the guest
 *   CONNECTING   -> (none)        it failed: RST, or an ICMP error, to the guest
 *   (none)       -> SYN_SENT      accept() of a published port: SYN to the guest
 *   SYN_RECEIVED -> OPEN          the guest's ACK
 *   SYN_SENT     -> OPEN          the guest's SYN|ACK
 *   OPEN         -> (none)        both ends have closed, and the guest has acknowledged ours
 *   any          -> (none)        RST of the guest: RST to the host's far end, and the other way
 *                                 round; too many tries; its place is needed
 *
 * In OPEN, the two ends close on their own: `guest_fin` is the guest's FIN, passed on by
 * shutdown(); the end of file of the socket becomes our FIN, which snd_max then counts (`has_fin`),
 * and which the guest acknowledges (`fin_acked`).
 *
 * One timer does for all (tcp_arm): SYN and data that nobody answers, a guest without room that is
 * asked whether it has some, and guests that have been silent for long. A try counts when the
 * segment is really sent, so a guest that is stopped, and takes no frames, loses no connection.
 *
 * The guest is not believed anything that costs others: numbers out of the window are answered
 * with an ACK at most, options are read within their bounds, and urgent data is data.
 */
#include "net/way-out/tcp.h"

#include <assert.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define SYN_TRIES    5
#define ASK_TRIES    4 /* for a guest whose hardware address is not known */
#define DATA_TRIES   15 /* tcp_retries2 of Linux */
#define PROBE_TRIES  5
#define KEEPALIVE_NS (900 * WAY_SECOND)
#define PROBE_NS     (60 * WAY_SECOND)
#define MSS_DEFAULT  536 /* RFC 9293 §3.7.1 */
#define MSS_DEFAULT6 1220
#define SHIFT_MAX    14 /* RFC 7323 §2.3 */
#define OPTION_END   0
#define OPTION_NOP   1
#define OPTION_MSS   2
#define OPTION_SHIFT 3

struct segment {
	const struct way_packet *packet;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	size_t header_bytes, data_bytes;
};

static const struct way_flow_ops tcp_ops;

static bool read_segment(const struct way_packet *packet, struct segment *s)
{
	const uint8_t *tcp = packet->l4;

	if (packet->l4_bytes < WAY_TCP_BYTES)
		return false;
	*s = (struct segment){
		.packet = packet,
		.seq = way_get32(tcp + 4),
		.ack = way_get32(tcp + 8),
		.flags = tcp[13],
		.window = way_get16(tcp + 14),
		.header_bytes = (tcp[12] >> 4) * 4u,
	};
	if (s->header_bytes < WAY_TCP_BYTES || s->header_bytes > packet->l4_bytes)
		return false;
	s->data_bytes = packet->l4_bytes - s->header_bytes;
	return true;
}

/* What a SYN says about its sender. */
static void read_options(struct way_flow *flow, const struct segment *s)
{
	const uint8_t *at = s->packet->l4 + WAY_TCP_BYTES, *end = s->packet->l4 + s->header_bytes;
	struct way_tcp *t = &flow->tcp;
	unsigned mss = way_is_ip4(&flow->key.far) ? MSS_DEFAULT : MSS_DEFAULT6;

	t->guest_shift = t->our_shift = 0;
	while (at < end && *at != OPTION_END) {
		if (*at == OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			break;
		if (*at == OPTION_MSS && at[1] == 4)
			mss = way_get16(at + 2);
		if (*at == OPTION_SHIFT && at[1] == 3) {
			t->guest_shift = at[2] < SHIFT_MAX ? at[2] : SHIFT_MAX;
			t->our_shift = TCP_SHIFT;
		}
		at += at[1];
	}
	if (mss > tcp_our_mss(flow))
		mss = tcp_our_mss(flow);
	t->mss = (uint16_t)(mss < TCP_MSS_MIN ? TCP_MSS_MIN : mss);
}

/* --- ends ------------------------------------------------------------------------------------- */

void tcp_abort_host(struct way_flow *flow)
{
	const struct linger at_once = { .l_onoff = 1 };

	/* close() then sends RST. */
	setsockopt(flow->source.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	way_flow_free(flow);
}

void tcp_abort(struct way_flow *flow)
{
	tcp_answer(flow, TH_RST | TH_ACK);
	tcp_abort_host(flow);
}

static void tcp_evict(struct way_flow *flow)
{
	tcp_answer(flow, TH_RST | TH_ACK);
}

/* RST for a segment that belongs to nothing (RFC 9293 §3.10.7.1). */
static void refuse(struct way *way, const struct segment *s)
{
	uint8_t buffer[WAY_HEADERS_MAX + WAY_TCP_BYTES] = { 0 };
	uint8_t *tcp = buffer + WAY_HEADERS_MAX;
	const struct way_packet *p = s->packet;
	uint32_t end = s->seq + (uint32_t)s->data_bytes + !!(s->flags & TH_SYN) +
		!!(s->flags & TH_FIN);

	if (s->flags & TH_RST)
		return;
	memcpy(tcp, p->l4 + 2, 2);
	memcpy(tcp + 2, p->l4, 2);
	way_put32(tcp + 4, s->flags & TH_ACK ? s->ack : 0);
	way_put32(tcp + 8, s->flags & TH_ACK ? 0 : end);
	tcp[12] = WAY_TCP_BYTES / 4 << 4;
	tcp[13] = s->flags & TH_ACK ? TH_RST : TH_RST | TH_ACK;
	way_answer_packet(way, p->mac, &p->to, &p->from, IPPROTO_TCP, tcp, WAY_TCP_BYTES, 16);
}

/* --- the timer -------------------------------------------------------------------------------- */

void tcp_arm(struct way_flow *flow)
{
	const struct way_tcp *t = &flow->tcp;

	if (t->state == TCP_STATE_CONNECTING)
		return; /* the host's kernel knows when to give up */
	if (t->state != TCP_STATE_OPEN || tcp_in_flight(t) || t->is_stalled)
		way_flow_set_timer(flow, t->rto_ns);
	else
		way_flow_set_timer(flow, t->tries ? PROBE_NS : KEEPALIVE_NS);
}

static void back_off(struct way_tcp *t)
{
	t->rto_ns = t->rto_ns * 2 < TCP_RTO_MAX_NS ? t->rto_ns * 2 : TCP_RTO_MAX_NS;
}

void tcp_rewind(struct way_flow *flow)
{
	struct way_tcp *t = &flow->tcp;
	const int front = 0;

	t->snd_nxt = t->snd_una;
	t->recover = t->snd_max;
	t->duplicates = 0;
	t->is_resending = true;
	t->is_readable = true;
	if (t->peeks_at_offset)
		setsockopt(flow->source.fd, SOL_SOCKET, SO_PEEK_OFF, &front, sizeof(front));
	way_flow_queue(flow);
}

static void syn_expired(struct way_flow *flow)
{
	static const uint8_t unknown[NET_MAC_BYTES];
	struct way_tcp *t = &flow->tcp;
	bool is_known = memcmp(flow->mac, unknown, sizeof(unknown));

	if (t->tries >= (is_known ? SYN_TRIES : ASK_TRIES)) {
		tcp_abort(flow);
		return;
	}
	if (is_known)
		back_off(t);
	t->syn_due = true;
	way_flow_queue(flow);
	tcp_arm(flow);
}

/* Something that the guest is to get, or get again. */
static bool has_more(const struct way_tcp *t)
{
	return tcp_in_flight(t) || t->is_stalled || t->is_resending;
}

static void tcp_expired(struct way_flow *flow)
{
	struct way_tcp *t = &flow->tcp;
	int64_t silent_ns = flow->way->now_ns - flow->used_ns;

	if (t->state != TCP_STATE_OPEN) {
		syn_expired(flow);
		return;
	}
	if (t->tries >= (has_more(t) ? DATA_TRIES : PROBE_TRIES)) {
		tcp_abort(flow);
		return;
	}
	if (tcp_in_flight(t)) {
		back_off(t);
		tcp_rewind(flow);
	} else if (t->is_stalled) {
		back_off(t);
		t->probe_due = true;
		way_flow_queue(flow);
	} else if (silent_ns >= KEEPALIVE_NS) {
		t->probe_due = true;
		way_flow_queue(flow);
	} else {
		way_flow_set_timer(flow, KEEPALIVE_NS - silent_ns);
		return;
	}
	/* What was rewound is in flight no more, and nothing may come after all. */
	way_flow_set_timer(flow, t->is_resending || t->is_stalled ? t->rto_ns : PROBE_NS);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void set_socket(int fd, struct way_tcp *t)
{
	const int on = 1, front = 0;

	/* The guest has its own opinion of what is worth a segment. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	t->peeks_at_offset = setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &front, sizeof(front)) == 0;
}

/* RFC 6528. */
static uint32_t first_number(struct way *way, const struct way_key *key)
{
	return (uint32_t)way_hash(way->tcp_key, key, sizeof(*key)) + (uint32_t)(way->now_ns >> 12);
}

static void init_flow(struct way_flow *flow, enum tcp_state state)
{
	struct way_tcp *t = &flow->tcp;

	*t = (struct way_tcp){ .state = (uint8_t)state };
	set_socket(flow->source.fd, t);
	t->snd_una = t->snd_nxt = t->snd_max = t->recover = first_number(flow->way, &flow->key);
	t->rto_ns = TCP_SYN_NS;
	t->mss = tcp_our_mss(flow);
}

/* 0, or -errno; connected or about to be. */
static int connect_host(int fd, const struct in6_addr *address, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t size = way_to_sockaddr(address, port, &to);

	return connect(fd, (void *)&to, size) < 0 && errno != EINPROGRESS ? -errno : 0;
}

static void refuse_by(struct way *way, const struct segment *s, int error)
{
	if (error == -EHOSTUNREACH || error == -ENETUNREACH)
		way_icmp_error(way, s->packet, WAY_ERROR_HOST);
	else
		refuse(way, s);
}

static void begin(struct way *way, const struct way_key *key, const struct segment *s)
{
	struct in6_addr to;
	struct way_flow *flow;
	int fd = -1, r = way_translate(way, &key->far, key->far_port, &to);

	if (r == 0)
		r = fd = way_socket(way, way_is_ip4(&to) ? AF_INET : AF_INET6, SOCK_STREAM, 0);
	if (r < 0) {
		refuse_by(way, s, r);
		return;
	}
	r = connect_host(fd, &to, key->far_port);
	if (r < 0) {
		close(fd);
		refuse_by(way, s, r);
		return;
	}
	flow = way_flow_new(way, key, &tcp_ops, fd, TCP_EVENTS | EPOLLOUT);
	if (!flow) {
		refuse(way, s);
		return;
	}
	init_flow(flow, TCP_STATE_CONNECTING);
	memcpy(flow->mac, s->packet->mac, sizeof(flow->mac));
	read_options(flow, s);
	flow->tcp.rcv_nxt = flow->tcp.rcv_edge = s->seq + 1;
	flow->tcp.window = s->window;
}

void way_tcp_accept(struct way *way, const struct way_key *key, int fd)
{
	struct way_flow *flow = way_flow_new(way, key, &tcp_ops, fd, TCP_EVENTS);

	if (!flow)
		return;
	init_flow(flow, TCP_STATE_SYN_SENT);
	flow->tcp.our_shift = TCP_SHIFT;
	flow->tcp.syn_due = true;
	way_flow_queue(flow);
	tcp_arm(flow);
}

/* --- the host's socket ------------------------------------------------------------------------ */

static int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? errno : error;
}

static void connect_ready(struct way_flow *flow, uint32_t events)
{
	struct way_tcp *t = &flow->tcp;
	int error = socket_error(flow->source.fd);

	if (error == EHOSTUNREACH || error == ENETUNREACH || error == ETIMEDOUT) {
		way_icmp_flow_error(flow, WAY_ERROR_HOST, t->rcv_nxt - 1);
		way_flow_free(flow);
	} else if (error) {
		tcp_abort(flow);
	} else if (events & EPOLLOUT) {
		loop_change(flow->way->loop, &flow->source, TCP_EVENTS);
		t->state = TCP_STATE_SYN_RECEIVED;
		t->is_readable = true;
		t->has_ended = events & (EPOLLRDHUP | EPOLLHUP);
		t->syn_due = true;
		way_flow_queue(flow);
		tcp_arm(flow);
	}
}

static void tcp_ready(struct way_flow *flow, uint32_t events)
{
	struct way_tcp *t = &flow->tcp;

	if (t->state == TCP_STATE_CONNECTING) {
		connect_ready(flow, events);
		return;
	}
	if ((events & EPOLLERR) && socket_error(flow->source.fd)) {
		tcp_abort(flow);
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP))
		t->has_ended = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP))
		t->is_readable = true;
	if (events & EPOLLOUT) {
		loop_change(flow->way->loop, &flow->source, TCP_EVENTS);
		t->acks_due = t->is_starved ? 1 + TCP_DUPLICATES : 1;
		t->is_starved = false;
	}
	if (t->state == TCP_STATE_OPEN)
		way_flow_queue(flow);
}

/* --- the guest's segments --------------------------------------------------------------------- */

/* What the guest has, the socket need not keep. */
static void drop_front(const struct way_flow *flow, uint32_t bytes)
{
	while (bytes) {
		ssize_t n = recv(flow->source.fd, NULL, bytes, MSG_TRUNC | MSG_DONTWAIT);

		if (n <= 0)
			break;
		bytes -= (uint32_t)n;
	}
}

static void take_ack(struct way_flow *flow, const struct segment *s)
{
	struct way_tcp *t = &flow->tcp;
	uint32_t acked = s->ack - t->snd_una;
	uint32_t window = (uint32_t)s->window << t->guest_shift;

	if (acked > t->snd_max - t->snd_una)
		return; /* of long ago, or of bytes that there never were */
	if (acked) {
		t->fin_acked = t->has_fin && s->ack == t->snd_max;
		drop_front(flow, acked - t->fin_acked);
		if (acked > tcp_in_flight(t))
			t->snd_nxt = s->ack;
		t->snd_una = s->ack;
		t->rto_ns = TCP_RTO_NS;
		t->duplicates = 0;
	} else if (tcp_in_flight(t) && !s->data_bytes && !(s->flags & TH_FIN) &&
		window == t->window && ++t->duplicates == TCP_DUPLICATES &&
		(int32_t)(t->snd_una - t->recover) >= 0) {
		tcp_rewind(flow);
	}
	if (acked || !tcp_in_flight(t))
		t->tries = 0;
	t->window = window;
	if (window)
		t->is_stalled = false;
	if (t->is_readable)
		way_flow_queue(flow);
	if (acked)
		tcp_arm(flow);
}

/* What of it the socket has taken; -errno: it is broken. */
static ssize_t write_host(struct way_flow *flow, const struct segment *s, size_t skip, size_t size)
{
	struct iovec parts[NET_PARTS_MAX];
	struct msghdr message = { .msg_iov = parts };
	ssize_t n;

	message.msg_iovlen = way_packet_parts(s->packet, s->header_bytes + skip, size, parts);
	n = sendmsg(flow->source.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
		return 0;
	return n < 0 ? -errno : n;
}

/* An ACK, at least one. */
static void owe_ack(struct way_flow *flow)
{
	if (!flow->tcp.acks_due)
		flow->tcp.acks_due = 1;
	way_flow_queue(flow);
}

/* false: the flow is gone. */
static bool take_data(struct way_flow *flow, const struct segment *s)
{
	struct way_tcp *t = &flow->tcp;
	uint32_t skip = t->rcv_nxt - s->seq; /* what we have already */
	bool is_fin = s->flags & TH_FIN;
	ssize_t taken = 0;
	size_t size;

	if (!skip && !s->data_bytes && !is_fin)
		return true;
	owe_ack(flow);
	/* From later on, or nothing new: a guest that asks whether we are there, too. */
	if (t->guest_fin || skip > s->data_bytes || (skip == s->data_bytes && !is_fin))
		return true;
	size = s->data_bytes - skip;
	if (size)
		taken = write_host(flow, s, skip, size);
	if (taken < 0) {
		tcp_abort(flow);
		return false;
	}
	t->rcv_nxt += (uint32_t)taken;
	if ((size_t)taken < size) {
		t->is_starved = true;
		loop_change(flow->way->loop, &flow->source, TCP_EVENTS | EPOLLOUT);
	} else if (is_fin) {
		shutdown(flow->source.fd, SHUT_WR);
		t->guest_fin = true;
		t->rcv_nxt++;
	}
	return true;
}

static void end_if_done(struct way_flow *flow)
{
	struct way_tcp *t = &flow->tcp;

	if (!t->guest_fin || !t->fin_acked)
		return;
	if (t->acks_due)
		tcp_answer(flow, TH_ACK);
	way_flow_free(flow);
}

static void open_input(struct way_flow *flow, const struct segment *s)
{
	take_ack(flow, s);
	if (take_data(flow, s))
		end_if_done(flow);
}

static void syn_received_input(struct way_flow *flow, const struct segment *s)
{
	struct way_tcp *t = &flow->tcp;

	if (s->ack != t->snd_max) {
		refuse(flow->way, s);
		return;
	}
	t->state = TCP_STATE_OPEN;
	t->syn_due = false;
	t->snd_una = t->snd_nxt = s->ack;
	t->rto_ns = TCP_RTO_NS;
	t->tries = 0;
	t->window = (uint32_t)s->window << t->guest_shift;
	way_flow_queue(flow);
	tcp_arm(flow);
	open_input(flow, s);
}

static void syn_sent_input(struct way_flow *flow, const struct segment *s)
{
	struct way_tcp *t = &flow->tcp;

	if ((s->flags & TH_ACK) && s->ack != t->snd_max) {
		refuse(flow->way, s);
		return;
	}
	if ((s->flags & (TH_SYN | TH_ACK)) != (TH_SYN | TH_ACK))
		return;
	read_options(flow, s);
	t->state = TCP_STATE_OPEN;
	t->snd_una = t->snd_nxt = s->ack;
	t->rcv_nxt = t->rcv_edge = s->seq + 1;
	t->window = s->window;
	t->rto_ns = TCP_RTO_NS;
	t->tries = 0;
	t->is_readable = true;
	t->syn_due = false;
	owe_ack(flow);
	tcp_arm(flow);
}

static bool is_reset(const struct way_flow *flow, const struct segment *s)
{
	const struct way_tcp *t = &flow->tcp;

	if (t->state == TCP_STATE_SYN_SENT)
		return (s->flags & TH_ACK) && s->ack == t->snd_max;
	return s->seq == t->rcv_nxt || s->seq - t->rcv_nxt < t->rcv_edge - t->rcv_nxt;
}

static void flow_input(struct way_flow *flow, const struct segment *s)
{
	struct way_tcp *t = &flow->tcp;

	way_flow_touch(flow);
	if (s->flags & TH_RST) {
		if (is_reset(flow, s))
			tcp_abort_host(flow);
		return;
	}
	if (t->state == TCP_STATE_SYN_SENT) {
		syn_sent_input(flow, s);
		return;
	}
	if (t->state == TCP_STATE_CONNECTING)
		return; /* it has to wait, and asks again */
	if (s->flags & TH_SYN) {
		/* Again, as ours was lost; or a new one, which finds out by our ACK. */
		if (t->state == TCP_STATE_SYN_RECEIVED && s->seq + 1 == t->rcv_nxt) {
			t->syn_due = true;
			way_flow_queue(flow);
		} else {
			owe_ack(flow);
		}
		return;
	}
	if (!(s->flags & TH_ACK))
		return;
	if (t->state == TCP_STATE_SYN_RECEIVED)
		syn_received_input(flow, s);
	else
		open_input(flow, s);
}

void way_tcp_input(struct way *way, const struct way_packet *packet)
{
	struct segment s;
	struct way_key key = { .guest = packet->from, .far = packet->to, .protocol = IPPROTO_TCP };
	struct way_flow *flow;

	if (!read_segment(packet, &s))
		return;
	key.guest_port = way_get16(packet->l4);
	key.far_port = way_get16(packet->l4 + 2);
	flow = way_flow_find(way, &key);
	if (flow && memcmp(flow->mac, packet->mac, sizeof(flow->mac))) {
		/* Its guest is gone, and there is another one at its address. */
		if (!(s.flags & TH_SYN))
			return;
		tcp_abort_host(flow);
		flow = NULL;
	}
	if (flow)
		flow_input(flow, &s);
	else if ((s.flags & (TH_SYN | TH_ACK | TH_RST)) == TH_SYN)
		begin(way, &key, &s);
	else
		refuse(way, &s);
}

static const struct way_flow_ops tcp_ops = {
	.name = "tcp",
	.evict_ns = WAY_EVICT_TCP_NS,
	.ready = tcp_ready,
	.expired = tcp_expired,
	.next_length = tcp_next_length,
	.fill = tcp_fill,
	.evict = tcp_evict,
};
