/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cable.c - a port that is a socket to another process: a machine and a switch, mostly.
 *
 * The socket is a unix one of SOCK_SEQPACKET, so the kernel keeps frames apart, in order, and
 * whole; each goes with what is undone for it in front (struct virtio_net_hdr). What is shorter
 * than that and Ethernet's header is no frame: a greeting, in which one end says what it takes,
 * and the switch's end how long packets may be. It is sent whenever that changes; until the first
 * one has come, the other end takes nothing undone.
 *
 * While the socket is full, epoll says when it is not; while the holder does not read, nothing is
 * asked of epoll. When the other end is gone, frames go nowhere, as with a cable that is pulled.
 */
#include "net/net.h"

#include <assert.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

#define CABLE_BATCH	   32 /* frames in a system call */
#define CABLE_BUFFER_BYTES (4 << 20) /* of the socket, if the kernel gives as much */
#define CABLE_GREETING_MS  10000
#define CABLE_MAGIC	   0x4c424353 /* "SCBL" */

#define ALL_OFFLOADS                                                                               \
	(NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 | NET_OFFLOAD_TSO_ECN)

struct greeting {
	uint32_t magic, takes, mtu;
};
static_assert(sizeof(struct greeting) < sizeof(struct virtio_net_hdr) + NET_HEADER_BYTES,
	"no frame looks like a greeting");

struct cable {
	struct net_port port;
	struct loop *loop;
	struct loop_source source;
	bool is_readable; /* as far as we know */
	bool is_full; /* send() has stopped */
	bool is_pulled; /* the other end is gone */
	_Atomic unsigned offloads; /* what it may leave undone */
	atomic_bool owes_greeting; /* there was no room for it */
};

static struct cable *cable_of(struct net_port *port)
{
	return container_of(port, struct cable, port);
}

static void watch(struct cable *cable)
{
	if (!cable->is_pulled)
		loop_change(cable->loop, &cable->source,
			(cable->is_readable ? 0 : EPOLLIN) | (cable->is_full ? EPOLLOUT : 0));
}

/* There may still be frames in it to be read. */
static void pull(struct cable *cable)
{
	cable->is_pulled = true;
	cable->is_full = false;
	loop_remove(cable->loop, &cable->source);
}

static bool send_greeting(struct cable *cable)
{
	struct greeting greeting = { CABLE_MAGIC, cable->offloads, cable->port.mtu };

	if (send(cable->source.fd, &greeting, sizeof(greeting), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		errno == EAGAIN)
		return false;
	cable->owes_greeting = false;
	return true;
}

/* Does the holder read on? Until then, what comes is none of our business. */
static void cable_ready(struct loop_source *source, uint32_t events)
{
	struct cable *cable = container_of(source, struct cable, source);

	if (events & (EPOLLERR | EPOLLHUP))
		pull(cable);
	if (events & EPOLLOUT)
		cable->is_full = false;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		cable->is_readable = true;
	if (cable->port.ready)
		cable->port.ready(&cable->port, cable->port.context);
	watch(cable);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Frames for one system call. Those of nothing are left out. */
struct outgoing {
	struct mmsghdr messages[CABLE_BATCH];
	struct virtio_net_hdr headers[CABLE_BATCH];
	unsigned behind[CABLE_BATCH]; /* frames that are done when this message is */
	struct iovec parts[NET_PARTS_MAX];
	unsigned nr, nr_parts;
};

static bool add_frame(struct outgoing *out, const struct net_frame *frame, unsigned index)
{
	unsigned nr = frame->nr_parts < NET_PARTS_MAX ? frame->nr_parts : NET_PARTS_MAX - 1;
	struct iovec *parts = out->parts + out->nr_parts;

	if (out->nr == CABLE_BATCH || out->nr_parts + nr + 1 > NET_PARTS_MAX)
		return false;
	out->headers[out->nr] = frame->offload;
	parts[0] = (struct iovec){ &out->headers[out->nr], sizeof(out->headers[0]) };
	memcpy(parts + 1, frame->parts, nr * sizeof(*parts));
	out->messages[out->nr] = (struct mmsghdr){ .msg_hdr = { .msg_iov = parts,
							   .msg_iovlen = nr + 1 } };
	out->behind[out->nr++] = index + 1;
	out->nr_parts += nr + 1;
	return true;
}

/* How many of the messages are done, one way or the other; 0: there is no room. */
static unsigned send_messages(struct cable *cable, struct outgoing *out)
{
	int n = sendmmsg(cable->source.fd, out->messages, out->nr, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		return (unsigned)n;
	switch (errno) {
	case EAGAIN:
		cable->is_full = true;
		watch(cable);
		return 0;
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		pull(cable);
		return out->nr;
	default:
		/* This one cannot be sent: too long, or no memory for it. */
		return 1;
	}
}

static unsigned cable_send(struct net_port *port, const struct net_frame *frames, unsigned nr)
{
	struct cable *cable = cable_of(port);
	struct outgoing out;
	unsigned done = 0;

	if (cable->owes_greeting && !send_greeting(cable)) {
		cable->is_full = true;
		watch(cable);
	}
	while (done < nr && !cable->is_full && !cable->is_pulled) {
		unsigned next = done, sent;

		out.nr = out.nr_parts = 0;
		for (; next < nr; next++)
			if (frames[next].nr_parts && !add_frame(&out, &frames[next], next))
				break;
		sent = out.nr ? send_messages(cable, &out) : 0;
		if (sent == out.nr)
			done = next;
		else if (sent)
			done = out.behind[sent - 1];
	}
	return cable->is_pulled ? nr : done;
}

/* --- receiving -------------------------------------------------------------------------------- */

static size_t cable_next_length(struct net_port *port)
{
	struct cable *cable = cable_of(port);

	if (!cable->is_readable)
		return 0;
	return NET_FRAME_MAX;
}

struct incoming {
	struct mmsghdr messages[CABLE_BATCH];
	struct iovec parts[NET_PARTS_MAX];
	/* A header, or as much of a greeting. */
	struct virtio_net_hdr headers[CABLE_BATCH];
};

/* How many frames the kernel is asked for. */
static unsigned list_frames(struct incoming *in, const struct net_frame *frames, unsigned nr)
{
	unsigned i, nr_parts = 0;

	for (i = 0; i < nr && i < CABLE_BATCH; i++) {
		unsigned n = frames[i].nr_parts < NET_PARTS_MAX ? frames[i].nr_parts
								: NET_PARTS_MAX - 1;
		struct iovec *parts = in->parts + nr_parts;

		if (nr_parts + n + 1 > NET_PARTS_MAX)
			break;
		parts[0] = (struct iovec){ &in->headers[i], sizeof(in->headers[i]) };
		memcpy(parts + 1, frames[i].parts, n * sizeof(*parts));
		in->messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = parts,
							    .msg_iovlen = n + 1 } };
		nr_parts += n + 1;
	}
	return i;
}

static void take_greeting(struct cable *cable, const struct virtio_net_hdr *header,
	const struct net_frame *frame, size_t length)
{
	uint8_t bytes[sizeof(struct greeting)];
	struct greeting greeting;
	const struct iovec *part = frame->parts;
	size_t rest = length - sizeof(*header);

	/* A holder whose first part is shorter than a word has none of ours. */
	if (length != sizeof(greeting) || !frame->nr_parts || part->iov_len < rest)
		return;
	memcpy(bytes, header, sizeof(*header));
	memcpy(bytes + sizeof(*header), part->iov_base, rest);
	memcpy(&greeting, bytes, sizeof(greeting));
	if (greeting.magic == CABLE_MAGIC)
		cable->port.takes = greeting.takes & ALL_OFFLOADS;
}

/* What came in front, in order, and what is none behind it: how many frames there are. The memory
 * of a frame goes with it. */
static unsigned sort_frames(
	struct cable *cable, struct incoming *in, struct net_frame *frames, unsigned nr)
{
	unsigned done = 0;

	for (unsigned i = 0; i < nr; i++) {
		size_t length = in->messages[i].msg_len;
		struct net_frame frame = frames[i];
		bool had_no_room = in->messages[i].msg_hdr.msg_flags & MSG_TRUNC;

		if (!had_no_room && length < sizeof(frame.offload) + NET_HEADER_BYTES) {
			if (length > sizeof(frame.offload))
				take_greeting(cable, &in->headers[i], &frame, length);
			continue;
		}
		frame.offload = in->headers[i];
		frame.length = had_no_room ? 0 : (uint32_t)(length - sizeof(frame.offload));
		frames[i] = frames[done];
		frames[done++] = frame;
	}
	return done;
}

static unsigned cable_receive(struct net_port *port, struct net_frame *frames, unsigned nr)
{
	struct cable *cable = cable_of(port);
	struct incoming in;
	unsigned done = 0;

	while (done < nr && cable->is_readable) {
		unsigned wanted = list_frames(&in, frames + done, nr - done);
		int n = recvmmsg(cable->source.fd, in.messages, wanted, MSG_DONTWAIT, NULL);

		/* Fewer than asked for are all that there are. A message of nothing is the end. */
		if (n < (int)wanted || !in.messages[n - 1].msg_len) {
			if ((n < 0 && errno != EAGAIN && errno != EINTR) ||
				(n > 0 && !in.messages[n - 1].msg_len))
				pull(cable);
			cable->is_readable = false;
			watch(cable);
		}
		if (n > 0)
			done += sort_frames(cable, &in, frames + done, (unsigned)n);
	}
	return done;
}

/* --- the port --------------------------------------------------------------------------------- */

static int cable_set_offloads(struct net_port *port, unsigned offloads, struct error *err)
{
	struct cable *cable = cable_of(port);

	cable->offloads = offloads & ALL_OFFLOADS;
	cable->owes_greeting = true;
	send_greeting(cable);
	return 0;
}

static void cable_close(struct net_port *port)
{
	struct cable *cable = cable_of(port);

	loop_remove(cable->loop, &cable->source);
	cleanup_close(&cable->source.fd);
	free(cable);
}

static const struct confine_call calls[] = { ALLOW(SYS_recvmmsg), ALLOW(SYS_sendmmsg) };
const struct confine_list net_cable_calls = CONFINE_LIST(calls);

static const struct net_port_ops cable_ops = {
	.name = "cable",
	.send = cable_send,
	.next_length = cable_next_length,
	.receive = cable_receive,
	.set_offloads = cable_set_offloads,
	.close = cable_close,
};

/* --- setting up ------------------------------------------------------------------------------- */

static int check_socket(int fd, struct error *err)
{
	int type = 0, domain = 0;
	socklen_t length = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0)
		return error_errno(err, errno, "descriptor %d is no cable", fd);
	if (type != SOCK_SEQPACKET || domain != AF_UNIX)
		return error_set(err, EINVAL,
			"descriptor %d is no cable: a unix socket of SOCK_SEQPACKET", fd);
	return 0;
}

int net_cable_open(
	struct loop *loop, int fd, uint32_t mtu, struct net_port **ret, struct error *err)
{
	struct cable *cable;
	const int bytes = CABLE_BUFFER_BYTES;
	int r = check_socket(fd, err);

	if (r < 0)
		return r;
	cable = calloc(1, sizeof(*cable));
	if (!cable)
		return error_oom(err);
	cable->port = (struct net_port){ .ops = &cable_ops, .gives = ALL_OFFLOADS, .mtu = mtu };
	cable->loop = loop;
	cable->source = (struct loop_source){ .ready = cable_ready, .fd = fd };
	/* As much as the kernel allows. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	r = loop_add(loop, &cable->source, EPOLLIN);
	if (r < 0) {
		free(cable);
		return error_errno(err, r, "cannot watch a cable");
	}
	*ret = &cable->port;
	return 0;
}

static int await_greeting(int fd, struct greeting *greeting, struct error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;
	int r = poll(&p, 1, CABLE_GREETING_MS);

	if (r < 0)
		return error_errno(err, errno, "cannot wait for the switch");
	if (r == 0)
		return error_set(err, ETIMEDOUT, "the switch says nothing");
	n = recv(fd, greeting, sizeof(*greeting), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return error_set(err, ECONNRESET, "the switch takes no more cables");
	if (n != sizeof(*greeting) || greeting->magic != CABLE_MAGIC)
		return error_set(err, EPROTO, "it is no switch");
	if (greeting->mtu < NET_MTU_MIN || greeting->mtu > NET_MTU_MAX)
		return error_set(err, EPROTO, "the switch has an MTU of %u bytes", greeting->mtu);
	return 0;
}

int net_cable_join(struct loop *loop, int fd, struct net_port **ret, struct error *err)
{
	struct greeting greeting;
	int r = check_socket(fd, err);

	if (r == 0)
		r = await_greeting(fd, &greeting, err);
	if (r == 0)
		r = net_cable_open(loop, fd, greeting.mtu, ret, err);
	if (r == 0)
		(*ret)->takes = greeting.takes & ALL_OFFLOADS;
	return r;
}

int net_cable_connect(struct loop *loop, const char *path, struct net_port **ret, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, ENAMETOOLONG, "%s is too long for a socket's name", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot make a socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_errno(err, errno, "cannot connect with the switch at %s", path);
	r = net_cable_join(loop, fd, ret, err);
	if (r < 0)
		return error_prefix(err, "%s", path);
	steal_fd(&fd);
	return 0;
}
