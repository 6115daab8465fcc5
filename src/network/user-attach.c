/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user-attach.c - joins an instance to a network without rights on the host: a tap in the network
 * namespace of a container, which belongs to a user namespace of the caller's, or a cable for a
 * machine. The other end goes to the keeper, which has the switch.
 *
 * The tap is made by a child that is root of that user namespace, and given away by it; when the
 * container's network namespace ends, it is gone.
 */
#include "network/internal.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/userns.h"

struct attachment {
	const struct network *network;
	const struct network_endpoint *endpoint;
	int namespace_fd, keeper_fd;
	bool is_way_out;
};

static int plug_in(int keeper_fd, const struct network_endpoint *endpoint, int fd)
{
	char words[sizeof(NETWORK_KEEPER_PLUG) + NETWORK_ID_LEN];

	snprintf(words, sizeof(words), NETWORK_KEEPER_PLUG "%s", endpoint->id);
	return network_keeper_tell(keeper_fd, words, fd);
}

/* What it asks of the network is what its endpoint says, and nothing else. */
static void ignore_routers(const char *interface)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", interface);
	io_write_kernel_file(AT_FDCWD, path, "0");
}

static int make_tap(const struct network *network, const struct network_endpoint *endpoint,
	int *ret_fd, struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	_cleanup_close_ int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return error_errno(err, errno, "cannot open /dev/net/tun");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", endpoint->inside);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_errno(err, errno, "cannot make a tap");
	request.ifr_mtu = (int)network->mtu;
	if (control < 0 || ioctl(control, SIOCSIFMTU, &request) < 0)
		return error_errno(err, errno, "cannot set its MTU");
	memset(&request.ifr_hwaddr, 0, sizeof(request.ifr_hwaddr));
	request.ifr_hwaddr.sa_family = 1; /* ARPHRD_ETHER */
	memcpy(request.ifr_hwaddr.sa_data, endpoint->mac, NETWORK_MAC_BYTES);
	if (ioctl(control, SIOCSIFHWADDR, &request) < 0)
		return error_errno(err, errno, "cannot set its MAC");
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* As root of the container's user namespace. */
static int make_inside(void *context, struct error *err)
{
	const struct attachment *a = context;
	_cleanup_close_ int fd = -1;
	int r;

	if (setns(a->namespace_fd, CLONE_NEWNET) < 0)
		return error_errno(err, errno, "cannot enter its network namespace");
	r = make_tap(a->network, a->endpoint, &fd, err);
	if (r < 0)
		return r;
	ignore_routers(a->endpoint->inside);
	/* Somebody has to be at the other end before it is up. */
	r = plug_in(a->keeper_fd, a->endpoint, fd);
	if (r < 0)
		return error_errno(err, r, "cannot talk to the network's keeper");
	r = network_set_up_inside(a->network, a->endpoint, a->namespace_fd, a->is_way_out);
	return r < 0 ? error_errno(err, r, "cannot set its addresses") : 0;
}

int network_attach_user(const struct network_roots *roots, const struct network *network,
	const struct network_endpoint *endpoint, int namespace_fd, bool is_way_out,
	struct error *err)
{
	_cleanup_close_ int keeper = network_keeper_connect(roots, network->name);
	_cleanup_close_ int owner = ioctl(namespace_fd, NS_GET_USERNS);
	struct attachment a = { network, endpoint, namespace_fd, keeper, is_way_out };
	int r;

	if (keeper < 0)
		return error_errno(
			err, keeper, "cannot talk to the keeper of network %s", network->name);
	if (owner < 0)
		return error_errno(err, errno, "cannot find its user namespace");
	r = userns_call_in(owner, make_inside, &a, err);
	if (r < 0)
		return error_prefix(err, "cannot set up the interface %s of network %s",
			endpoint->inside, network->name);
	return network_keeper_answer(keeper, network->name, err);
}

int network_attach_cable(const struct network_roots *roots, const struct network *network,
	const struct network_endpoint *endpoint, int *ret_fd, struct error *err)
{
	_cleanup_close_ int keeper = network_keeper_connect(roots, network->name);
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2], r;

	if (keeper < 0)
		return error_errno(
			err, keeper, "cannot talk to the keeper of network %s", network->name);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, errno, "cannot make a cable");
	ours = pair[0];
	theirs = pair[1];
	r = plug_in(keeper, endpoint, theirs);
	if (r < 0)
		return error_errno(
			err, r, "cannot talk to the keeper of network %s", network->name);
	r = network_keeper_answer(keeper, network->name, err);
	if (r == 0)
		*ret_fd = steal_fd(&ours);
	return r;
}
