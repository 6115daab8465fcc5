/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.c - a port that is a tap interface of the host: whoever made it decides where its frames go
 * (a bridge, routing, NAT).
 *
 * The kernel's header for unfinished work (IFF_VNET_HDR) is that of a frame here, so checksums and
 * segmentation go through as they are, both ways.
 */
#include "net/net.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define VLAN_BYTES 4

struct tap {
	struct net_port port;
	struct loop *loop;
	struct loop_source source;
	bool is_readable; /* as far as we know */
	bool is_full; /* send() has stopped */
	bool is_gone; /* with its network namespace, say */
	unsigned offloads; /* what it may leave undone */
};

static const struct {
	unsigned offload, tun;
} offload_map[] = {
	{ NET_OFFLOAD_CHECKSUM, TUN_F_CSUM },
	{ NET_OFFLOAD_TSO4, TUN_F_TSO4 },
	{ NET_OFFLOAD_TSO6, TUN_F_TSO6 },
	{ NET_OFFLOAD_TSO_ECN, TUN_F_TSO_ECN },
};

static struct tap *tap_of(struct net_port *port)
{
	return container_of(port, struct tap, port);
}

static void watch(struct tap *tap)
{
	if (tap->is_gone)
		return;
	loop_change(tap->loop, &tap->source,
		(tap->is_readable ? 0 : EPOLLIN) | (tap->is_full ? EPOLLOUT : 0));
}

static void tap_ready(struct loop_source *source, uint32_t events)
{
	struct tap *tap = container_of(source, struct tap, source);

	if (events & (EPOLLERR | EPOLLHUP)) {
		/* Told again and again, whatever is asked for. */
		tap->is_gone = true;
		loop_remove(tap->loop, &tap->source);
	}
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		tap->is_full = false;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		tap->is_readable = true;
	if (tap->port.ready)
		tap->port.ready(&tap->port, tap->port.context);
	/* If the holder has read all there is, nothing has changed. */
	watch(tap);
}

/* --- the port --------------------------------------------------------------------------------- */

/* The kernel's header and the frame. */
static unsigned list_parts(struct virtio_net_hdr *header, const struct net_frame *frame,
	struct iovec parts[NET_PARTS_MAX])
{
	unsigned nr = frame->nr_parts < NET_PARTS_MAX ? frame->nr_parts : NET_PARTS_MAX - 1;

	parts[0] = (struct iovec){ header, sizeof(*header) };
	memcpy(parts + 1, frame->parts, nr * sizeof(*parts));
	return nr + 1;
}

static unsigned tap_send(struct net_port *port, const struct net_frame *frames, unsigned nr)
{
	struct tap *tap = tap_of(port);
	struct iovec parts[NET_PARTS_MAX];
	unsigned i;

	for (i = 0; i < nr && !tap->is_full; i++) {
		struct virtio_net_hdr header = frames[i].offload;
		unsigned nr_parts = list_parts(&header, &frames[i], parts);
		ssize_t n;

		if (!frames[i].nr_parts)
			continue;
		n = writev(tap->source.fd, parts, (int)nr_parts);
		if (n < 0 && errno == EAGAIN) {
			tap->is_full = true;
			watch(tap);
			break;
		}
		/* Anything else: the kernel takes no such frame, or the interface is down. */
	}
	return i;
}

static size_t tap_next_length(struct net_port *port)
{
	struct tap *tap = tap_of(port);

	if (!tap->is_readable)
		return 0;
	if (tap->offloads & ~(unsigned)NET_OFFLOAD_CHECKSUM)
		return NET_FRAME_MAX;
	return port->mtu + NET_HEADER_BYTES + VLAN_BYTES;
}

static unsigned tap_receive(struct net_port *port, struct net_frame *frames, unsigned nr)
{
	struct tap *tap = tap_of(port);
	struct iovec parts[NET_PARTS_MAX];
	unsigned i;

	for (i = 0; i < nr; i++) {
		struct virtio_net_hdr *header = &frames[i].offload;
		unsigned nr_parts = list_parts(header, &frames[i], parts);
		ssize_t n = readv(tap->source.fd, parts, (int)nr_parts);

		if (n < (ssize_t)sizeof(*header)) {
			tap->is_readable = false;
			watch(tap);
			break;
		}
		frames[i].length = (uint32_t)(n - (ssize_t)sizeof(*header));
	}
	return i;
}

static int tap_set_offloads(struct net_port *port, unsigned offloads, struct error *err)
{
	struct tap *tap = tap_of(port);
	unsigned tun = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offload_map); i++)
		if (offloads & offload_map[i].offload)
			tun |= offload_map[i].tun;
	if (ioctl(tap->source.fd, TUNSETOFFLOAD, (unsigned long)tun) < 0)
		return error_errno(err, errno, "the tap interface takes no such offloads");
	tap->offloads = offloads;
	return 0;
}

static void tap_close(struct net_port *port)
{
	struct tap *tap = tap_of(port);

	loop_remove(tap->loop, &tap->source);
	cleanup_close(&tap->source.fd);
	free(tap);
}

static const struct confine_call calls[] = {
	ALLOW(SYS_readv),
	ALLOW(SYS_writev),
	ALLOW_EQUAL(SYS_ioctl, 1, TUNSETOFFLOAD),
};
const struct confine_list net_tap_calls = CONFINE_LIST(calls);

static const struct net_port_ops tap_ops = {
	.name = "tap",
	.send = tap_send,
	.next_length = tap_next_length,
	.receive = tap_receive,
	.set_offloads = tap_set_offloads,
	.close = tap_close,
};

/* --- setting up ------------------------------------------------------------------------------- */

static int get_mtu(const char *name, uint32_t *ret)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	strcpy(request.ifr_name, name);
	if (fd < 0 || ioctl(fd, SIOCGIFMTU, &request) < 0)
		return -errno;
	if (request.ifr_mtu < NET_MTU_MIN || request.ifr_mtu > NET_MTU_MAX)
		return -ERANGE;
	*ret = (uint32_t)request.ifr_mtu;
	return 0;
}

static int attach(const char *name, int *ret_fd, struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	_cleanup_close_ int fd = -1;

	if (!*name || strlen(name) >= IFNAMSIZ)
		return error_set(err, EINVAL, "\"%s\" is no name of an interface", name);
	/* Else the kernel makes one, which vanishes with us and leads nowhere. */
	if (!if_nametoindex(name))
		return error_set(err, ENODEV,
			"there is no interface %s: make one with \"ip tuntap add %s mode tap\"",
			name, name);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_errno(err, errno, "cannot open /dev/net/tun");
	strcpy(request.ifr_name, name);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_errno(err, errno, "cannot attach to the tap interface %s", name);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int net_tap_attach(
	struct loop *loop, int fd, uint32_t mtu, struct net_port **ret, struct error *err)
{
	const unsigned all = NET_OFFLOAD_CHECKSUM | NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6 |
		NET_OFFLOAD_TSO_ECN;
	int header_bytes = sizeof(struct virtio_net_hdr);
	struct tap *tap;
	int r;

	if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 || ioctl(fd, TUNSETOFFLOAD, 0ul) < 0)
		return error_errno(err, errno, "it cannot be used as a tap interface");
	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return error_oom(err);
	tap->port = (struct net_port){ .ops = &tap_ops, .takes = all, .gives = all, .mtu = mtu };
	tap->loop = loop;
	tap->source = (struct loop_source){ .ready = tap_ready, .fd = fd };
	r = loop_add(loop, &tap->source, EPOLLIN);
	if (r < 0) {
		free(tap);
		return error_errno(err, r, "it cannot be watched");
	}
	*ret = &tap->port;
	return 0;
}

int net_tap_open(struct loop *loop, const char *name, struct net_port **ret, struct error *err)
{
	_cleanup_close_ int fd = -1;
	uint32_t mtu = 0;
	int r = attach(name, &fd, err);

	if (r < 0)
		return r;
	r = get_mtu(name, &mtu);
	if (r < 0)
		return error_errno(err, r, "cannot use the MTU of %s", name);
	r = net_tap_attach(loop, fd, mtu, ret, err);
	if (r < 0)
		return error_prefix(err, "the interface %s", name);
	steal_fd(&fd);
	return 0;
}
