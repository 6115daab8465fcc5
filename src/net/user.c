/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user.c - the user-mode network: a port behind which libslirp speaks TCP, UDP and ICMP with the
 * guest and opens ordinary sockets for it. Nothing else knows of libslirp.
 *
 * libslirp says before each wait which of its sockets it wants to hear of and how long it may
 * sleep (slirp_pollfds_fill), and is told after it what has happened (slirp_pollfds_poll). Its
 * sockets live in an epoll of their own, which is one source of the loop; refresh() asks again
 * after everything that may have changed libslirp's mind, and tells the kernel only what is
 * different.
 *
 * Frames to the guest wait in a ring. While it is short of room, sockets are not read, so that TCP
 * slows the far end down; what comes nevertheless (timers, answers) is dropped, as on a wire.
 *
 * A guest can make libslirp open sockets. From USER_SOCKETS_MAX on, what would open another one is
 * dropped before libslirp sees it.
 */
#include "net/net.h"

#include <fcntl.h>
#include <slirp/libslirp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "net/ring.h"

#define USER_RING_BYTES	  (2u << 20)
#define USER_EVENTS_MAX	  4 /* sockets that are served in one go... */
#define USER_EVENT_BYTES  (128u << 10) /* ...and how much each may bring (libslirp's buffers) */
#define USER_SOCKETS_MAX  1024
#define USER_DESCRIPTORS  4096 /* beyond them, sockets are not served */
#define USER_FIRST_GUEST  15
#define USER_ROUTER	  2
#define USER_NAME_SERVER  3
#define USER_PREFIX6_BITS 64
#define USER_CONFIG	  4 /* of SlirpConfig, which libslirp 4.7 has */

/* What of a socket is wanted, asked of the kernel, and has happened: SLIRP_POLL_*. */
struct watch {
	uint8_t wanted, asked, happened;
	bool is_listed;
};

struct user_timer {
	struct loop_timer timer;
	struct user *user;
	SlirpTimerId id;
	void *context;
};

struct user {
	struct net_port port;
	struct loop *loop;
	Slirp *slirp;
	struct net_ring ring;
	bool is_waited_for; /* receive() gave less than was asked for */
	bool is_short; /* of room: sockets are not read */
	struct loop_source source; /* the epoll descriptor of slirp's sockets */
	struct loop_timer poll_timer; /* slirp's next deadline */
	struct in_addr first_guest;
	struct loop_timer ready_timer; /* tells the holder, outside of its own calls */
	struct user_timer timers[SLIRP_TIMER_NUM];
	struct watch watches[USER_DESCRIPTORS];
	int sockets[USER_DESCRIPTORS];
	size_t nr_sockets;
	uint8_t frame[NET_FRAME_MAX];
};

static const struct {
	uint8_t slirp;
	uint32_t epoll;
} events_map[] = {
	{ SLIRP_POLL_IN, EPOLLIN },
	{ SLIRP_POLL_OUT, EPOLLOUT },
	{ SLIRP_POLL_PRI, EPOLLPRI },
	{ SLIRP_POLL_ERR, EPOLLERR },
	{ SLIRP_POLL_HUP, EPOLLHUP },
};

static uint32_t to_epoll(uint8_t events)
{
	uint32_t r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(events_map); i++)
		if (events & events_map[i].slirp)
			r |= events_map[i].epoll;
	return r;
}

static uint8_t from_epoll(uint32_t events)
{
	uint8_t r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(events_map); i++)
		if (events & events_map[i].epoll)
			r |= events_map[i].slirp;
	return r;
}

/* --- slirp's sockets -------------------------------------------------------------------------- */

static struct watch *watch_of(struct user *user, int fd)
{
	return fd >= 0 && fd < USER_DESCRIPTORS ? &user->watches[fd] : NULL;
}

static void register_socket(int fd, void *opaque)
{
	struct user *user = opaque;
	struct watch *watch = watch_of(user, fd);

	if (!watch || watch->is_listed)
		return;
	*watch = (struct watch){ .is_listed = true };
	user->sockets[user->nr_sockets++] = fd;
}

static void unregister_socket(int fd, void *opaque)
{
	struct user *user = opaque;
	struct watch *watch = watch_of(user, fd);

	if (!watch || !watch->is_listed)
		return;
	if (watch->asked)
		epoll_ctl(user->source.fd, EPOLL_CTL_DEL, fd, NULL);
	*watch = (struct watch){ 0 };
	for (size_t i = 0; i < user->nr_sockets; i++) {
		if (user->sockets[i] != fd)
			continue;
		user->sockets[i] = user->sockets[--user->nr_sockets];
		break;
	}
}

/* The index that slirp keeps is the descriptor. */
static int want_events(int fd, int events, void *opaque)
{
	struct watch *watch = watch_of(opaque, fd);

	if (!watch)
		return -1;
	register_socket(fd, opaque);
	watch->wanted = (uint8_t)events;
	return fd;
}

static int events_of(int index, void *opaque)
{
	struct watch *watch = watch_of(opaque, index);

	return watch ? watch->happened : 0;
}

/* An epoll reports errors of what is in it even if nothing is asked for, so that goes out. */
static void ask_kernel(struct user *user, int fd, struct watch *watch)
{
	struct epoll_event e = { .events = to_epoll(watch->wanted), .data.fd = fd };
	int operation = EPOLL_CTL_MOD;

	if (!watch->wanted)
		operation = EPOLL_CTL_DEL;
	else if (!watch->asked)
		operation = EPOLL_CTL_ADD;
	/* The number may be another socket's than the one that was asked for. */
	if (epoll_ctl(user->source.fd, operation, fd, &e) < 0 && errno == ENOENT &&
		operation == EPOLL_CTL_MOD)
		epoll_ctl(user->source.fd, EPOLL_CTL_ADD, fd, &e);
	watch->asked = watch->wanted;
}

/* Sockets are read while the ring has room for all that one round may bring. */
static void watch_room(struct user *user)
{
	user->is_short = !net_ring_has_room(&user->ring, USER_EVENTS_MAX * USER_EVENT_BYTES);
	loop_change(user->loop, &user->source, user->is_short ? 0 : EPOLLIN);
}

/* Slirp may want something else now. */
static void refresh(struct user *user)
{
	uint32_t timeout_ms = UINT32_MAX;

	for (size_t i = 0; i < user->nr_sockets; i++)
		user->watches[user->sockets[i]].wanted = 0;
	slirp_pollfds_fill(user->slirp, &timeout_ms, want_events, user);
	for (size_t i = 0; i < user->nr_sockets; i++) {
		struct watch *watch = &user->watches[user->sockets[i]];

		if (watch->wanted != watch->asked)
			ask_kernel(user, user->sockets[i], watch);
	}
	if (timeout_ms == UINT32_MAX)
		loop_timer_cancel(user->loop, &user->poll_timer);
	else
		loop_timer_start(user->loop, &user->poll_timer, (int64_t)timeout_ms * 1000000);
	watch_room(user);
}

static void tell_holder(struct user *user)
{
	if (user->is_waited_for && user->ring.nr_frames && user->port.ready)
		user->port.ready(&user->port, user->port.context);
}

/* Let slirp see what has happened, and the time. */
static void poll_slirp(struct user *user)
{
	struct epoll_event events[USER_EVENTS_MAX];
	int nr = user->is_short ? 0 : epoll_wait(user->source.fd, events, USER_EVENTS_MAX, 0);

	for (int i = 0; i < nr; i++)
		user->watches[events[i].data.fd].happened = from_epoll(events[i].events);
	slirp_pollfds_poll(user->slirp, 0, events_of, user);
	for (int i = 0; i < nr; i++)
		user->watches[events[i].data.fd].happened = 0;
	refresh(user);
	tell_holder(user);
}

static void sockets_ready(struct loop_source *source, uint32_t events)
{
	poll_slirp(container_of(source, struct user, source));
}

static void poll_expired(struct loop_timer *timer)
{
	poll_slirp(container_of(timer, struct user, poll_timer));
}

static void ready_expired(struct loop_timer *timer)
{
	tell_holder(container_of(timer, struct user, ready_timer));
}

/* --- what slirp asks of us -------------------------------------------------------------------- */

static ssize_t to_guest(const void *frame, size_t length, void *opaque)
{
	struct user *user = opaque;

	net_ring_push(&user->ring, frame, length);
	return (ssize_t)length;
}

static void guest_error(const char *message, void *opaque)
{
	/* A guest may send nonsense as often as it likes. */
}

static int64_t now_ns(void *opaque)
{
	return clock_monotonic_ns();
}

static void timer_expired(struct loop_timer *timer)
{
	struct user_timer *t = container_of(timer, struct user_timer, timer);

	slirp_handle_timer(t->user->slirp, t->id, t->context);
	refresh(t->user);
	tell_holder(t->user);
}

static void *new_timer(SlirpTimerId id, void *context, void *opaque)
{
	struct user *user = opaque;
	struct user_timer *t = &user->timers[id];

	*t = (struct user_timer){ { .expired = timer_expired }, user, id, context };
	return t;
}

static void free_timer(void *timer, void *opaque)
{
	struct user *user = opaque;
	struct user_timer *t = timer;

	loop_timer_cancel(user->loop, &t->timer);
}

static void start_timer(void *timer, int64_t expire_ms, void *opaque)
{
	struct user *user = opaque;
	struct user_timer *t = timer;

	loop_timer_start(user->loop, &t->timer, expire_ms * 1000000 - clock_monotonic_ns());
}

static void notify(void *opaque)
{
	/* Only called within what is followed by refresh(). */
}

static const SlirpCb callbacks = {
	.send_packet = to_guest,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new_opaque = new_timer,
	.timer_free = free_timer,
	.timer_mod = start_timer,
	.register_poll_fd = register_socket,
	.unregister_poll_fd = unregister_socket,
	.notify = notify,
};

/* --- the port --------------------------------------------------------------------------------- */

/* Might this frame make slirp open a socket? */
static bool opens_socket(const uint8_t *frame, size_t length)
{
	enum { TYPE = 12, IP = NET_HEADER_BYTES, IP4_BYTES = 20, IP6_BYTES = 40, TCP_FLAGS = 13 };
	bool is_ip4 = length >= IP + IP4_BYTES && frame[TYPE] == 0x08 && !frame[TYPE + 1];
	bool is_ip6 = length >= IP + IP6_BYTES && frame[TYPE] == 0x86 && frame[TYPE + 1] == 0xdd;
	uint8_t protocol;
	size_t tcp;

	if (!is_ip4 && !is_ip6)
		return false;
	protocol = is_ip4 ? frame[IP + 9] : frame[IP + 6];
	tcp = IP + (is_ip4 ? (frame[IP] & 15) * 4u : IP6_BYTES);
	if (protocol != IPPROTO_TCP)
		return protocol == IPPROTO_UDP || (is_ip4 && protocol == IPPROTO_ICMP);
	/* SYN without ACK. */
	return tcp + TCP_FLAGS >= length || (frame[tcp + TCP_FLAGS] & 0x12) == 0x02;
}

/* The frame as one piece that the guest cannot change any more; 0: it makes no sense. */
static size_t gather(struct user *user, const struct net_frame *frame)
{
	size_t length = 0;

	if (frame->nr_parts > NET_PARTS_MAX)
		return 0;
	for (unsigned i = 0; i < frame->nr_parts; i++) {
		const struct iovec *part = &frame->parts[i];

		if (part->iov_len > sizeof(user->frame) - length)
			return 0;
		memcpy(user->frame + length, part->iov_base, part->iov_len);
		length += part->iov_len;
	}
	if (length < NET_HEADER_BYTES)
		return 0;
	if ((frame->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
		net_finish_checksum(user->frame, length, &frame->offload) < 0)
		return 0;
	return length;
}

static unsigned user_send(struct net_port *port, const struct net_frame *frames, unsigned nr)
{
	struct user *user = container_of(port, struct user, port);

	for (unsigned i = 0; i < nr; i++) {
		size_t length = gather(user, &frames[i]);

		if (!length ||
			(user->nr_sockets >= USER_SOCKETS_MAX && opens_socket(user->frame, length)))
			continue;
		/* A large TCP segment is as good as several for slirp. */
		slirp_input(user->slirp, user->frame, (int)length);
	}
	refresh(user);
	if (user->is_waited_for && user->ring.nr_frames)
		loop_timer_start(user->loop, &user->ready_timer, 0);
	return nr;
}

/* How much of it went in; 0: it had no room. */
static uint32_t scatter(const uint8_t *bytes, size_t length, const struct net_frame *frame)
{
	size_t done = 0;

	for (unsigned i = 0; i < frame->nr_parts && done < length; i++) {
		size_t size = frame->parts[i].iov_len;

		if (size > length - done)
			size = length - done;
		memcpy(frame->parts[i].iov_base, bytes + done, size);
		done += size;
	}
	return done == length ? (uint32_t)length : 0;
}

static size_t user_next_length(struct net_port *port)
{
	struct user *user = container_of(port, struct user, port);
	size_t length = 0;

	net_ring_front(&user->ring, &length);
	user->is_waited_for |= !length;
	return length;
}

static unsigned user_receive(struct net_port *port, struct net_frame *frames, unsigned nr)
{
	struct user *user = container_of(port, struct user, port);
	unsigned i;

	for (i = 0; i < nr; i++) {
		size_t length;
		const uint8_t *bytes = net_ring_front(&user->ring, &length);

		if (!bytes)
			break;
		frames[i].length = scatter(bytes, length, &frames[i]);
		/* All sums are ours, or have been checked by the host. */
		frames[i].offload = (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_DATA_VALID };
		net_ring_pop(&user->ring);
	}
	user->is_waited_for = i < nr;
	if (user->is_short)
		watch_room(user);
	return i;
}

static int user_set_offloads(struct net_port *port, unsigned offloads, struct error *err)
{
	if (offloads & ~port->gives)
		return error_set(err, EOPNOTSUPP, "the user-mode network has no such offloads");
	return 0;
}

static void user_close(struct net_port *port)
{
	struct user *user = container_of(port, struct user, port);

	if (user->slirp)
		slirp_cleanup(user->slirp);
	loop_timer_cancel(user->loop, &user->poll_timer);
	loop_timer_cancel(user->loop, &user->ready_timer);
	loop_remove(user->loop, &user->source);
	cleanup_close(&user->source.fd);
	net_ring_free(&user->ring);
	free(user);
}

/* libslirp's sockets; and how it looks at who answers for names, in an empty room (machine/jail.h).
 */
static const struct confine_call calls[] = {
	ALLOW_EQUAL(SYS_socket, 0, AF_INET),
	ALLOW_EQUAL(SYS_socket, 0, AF_INET6),
	ALLOW(SYS_bind),
	ALLOW(SYS_connect),
	ALLOW(SYS_listen),
	ALLOW(SYS_accept),
	ALLOW(SYS_getsockname),
	ALLOW(SYS_getpeername),
	ALLOW(SYS_getsockopt),
	ALLOW(SYS_setsockopt),
	ALLOW(SYS_recvfrom),
	ALLOW(SYS_recvmsg),
	ALLOW(SYS_sendto),
	ALLOW(SYS_readv),
	ALLOW(SYS_writev),
	ALLOW(SYS_shutdown),
	ALLOW(SYS_close),
	ALLOW_EQUAL(SYS_ioctl, 1, FIONBIO),
	ALLOW_EQUAL(SYS_ioctl, 1, FIONREAD),
	ALLOW(SYS_fcntl),
	ALLOW_WITHOUT(SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC),
	ALLOW(SYS_newfstatat),
	ALLOW(SYS_read),
};
const struct confine_list net_user_calls = CONFINE_LIST(calls);

static const struct net_port_ops user_ops = {
	.name = "user",
	.send = user_send,
	.next_length = user_next_length,
	.receive = user_receive,
	.set_offloads = user_set_offloads,
	.close = user_close,
};

/* --- setting up ------------------------------------------------------------------------------- */

static uint32_t mask_of(unsigned prefix_bits)
{
	return UINT32_MAX << (32 - prefix_bits);
}

static struct in_addr host_of(const struct net_user_options *options, uint32_t number)
{
	return (struct in_addr){ htonl(ntohl(options->network.s_addr) + number) };
}

static struct in6_addr host6_of(const struct net_user_options *options, uint8_t number)
{
	struct in6_addr address = options->network6;

	address.s6_addr[sizeof(address.s6_addr) - 1] = number;
	return address;
}

static struct in_addr router_of(const struct net_user_options *options)
{
	return options->router.s_addr ? options->router : host_of(options, USER_ROUTER);
}

static struct in6_addr router6_of(const struct net_user_options *options)
{
	return IN6_IS_ADDR_UNSPECIFIED(&options->router6) ? host6_of(options, USER_ROUTER)
							  : options->router6;
}

static int open_slirp(struct user *user, const struct net_user_options *options, struct error *err)
{
	bool has_router = options->router.s_addr || !IN6_IS_ADDR_UNSPECIFIED(&options->router6);
	SlirpConfig config = {
		.version = USER_CONFIG,
		.restricted = options->restricted,
		.in_enabled = options->ipv4,
		.vnetwork = options->network,
		.vnetmask.s_addr = htonl(mask_of(options->prefix_bits)),
		.vhost = router_of(options),
		.vdhcp_start = host_of(options, USER_FIRST_GUEST),
		.vnameserver = has_router ? options->router : host_of(options, USER_NAME_SERVER),
		.in6_enabled = options->ipv6,
		.vprefix_addr6 = options->network6,
		.vprefix_len = USER_PREFIX6_BITS,
		.vhost6 = router6_of(options),
		.vnameserver6 = host6_of(options, USER_NAME_SERVER),
		.vhostname = options->hostname,
		.if_mtu = options->mtu,
		.if_mru = options->mtu,
		.disable_host_loopback = !options->host_loopback,
		.disable_dns = has_router,
	};

	user->slirp = slirp_new(&config, &callbacks, user);
	if (!user->slirp)
		return error_set(err, EINVAL, "libslirp takes no such network");
	return 0;
}

static socklen_t host_bytes(const struct net_forward *forward)
{
	return forward->host.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						   : sizeof(struct sockaddr_in);
}

static int forward_flags(const struct net_forward *forward)
{
	return (forward->is_udp ? SLIRP_HOSTFWD_UDP : 0) |
		(forward->host.ss_family == AF_INET6 ? SLIRP_HOSTFWD_V6ONLY : 0);
}

int net_slirp_add_forward(
	struct net_port *port, const struct net_forward *forward, struct error *err)
{
	struct user *user = container_of(port, struct user, port);
	struct sockaddr_in guest = {
		.sin_family = AF_INET,
		.sin_addr = forward->guest.s_addr ? forward->guest : user->first_guest,
		.sin_port = htons(forward->guest_port),
	};
	const struct sockaddr_in *host = (const void *)&forward->host;

	if (slirp_add_hostxfwd(user->slirp, (const void *)&forward->host, host_bytes(forward),
		    (const void *)&guest, sizeof(guest), forward_flags(forward)) < 0)
		/* The port is at the same place in both families. */
		return error_errno(err, errno, "cannot listen at the host's port %u (%s)",
			ntohs(host->sin_port), forward->is_udp ? "udp" : "tcp");
	refresh(user);
	return 0;
}

void net_slirp_remove_forward(struct net_port *port, const struct net_forward *forward)
{
	struct user *user = container_of(port, struct user, port);

	slirp_remove_hostxfwd(user->slirp, (const void *)&forward->host, host_bytes(forward),
		forward_flags(forward));
	refresh(user);
}

static int open_user(struct user *user, const struct net_user_options *options, struct error *err)
{
	int r = net_ring_init(&user->ring, USER_RING_BYTES, err);

	if (r < 0)
		return r;
	user->source.fd = epoll_create1(EPOLL_CLOEXEC);
	if (user->source.fd < 0)
		return error_errno(err, errno, "cannot create an epoll descriptor");
	user->first_guest = host_of(options, USER_FIRST_GUEST);
	r = open_slirp(user, options, err);
	if (r < 0)
		return r;
	r = loop_add(user->loop, &user->source, EPOLLIN);
	if (r < 0)
		return error_errno(err, r, "cannot watch the network's sockets");
	refresh(user);
	for (size_t i = 0; i < options->nr_forwards && r == 0; i++)
		r = net_slirp_add_forward(&user->port, &options->forwards[i], err);
	return r;
}

int net_slirp_open(struct loop *loop, const struct net_user_options *options, struct net_port **ret,
	struct error *err)
{
	struct user *user;
	int r = net_user_check_options(options, err);

	if (r < 0)
		return r;
	user = calloc(1, sizeof(*user));
	if (!user)
		return error_oom(err);
	user->port = (struct net_port){
		.ops = &user_ops,
		.takes = NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 |
			NET_OFFLOAD_TSO_ECN,
		.gives = NET_OFFLOAD_CHECKSUM,
		.mtu = options->mtu,
	};
	user->loop = loop;
	user->is_waited_for = true;
	user->source = (struct loop_source){ .ready = sockets_ready, .fd = -1 };
	user->poll_timer.expired = poll_expired;
	user->ready_timer.expired = ready_expired;
	r = open_user(user, options, err);
	if (r < 0) {
		user_close(&user->port);
		return r;
	}
	*ret = &user->port;
	return 0;
}
