/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c - interfaces, by rtnetlink(7): a network's bridge, and what joins an instance to it.
 *
 * On the path of every `run` with a network. One message makes a veth with both ends where they
 * belong, named and addressed, the outer one in the bridge and up; one batch inside does the rest.
 * An interface whose namespace ends is gone with it, so a killed instance leaves none.
 */
#include "network/internal.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/veth.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/io.h"
#include "base/netlink.h"

static unsigned index_of(int fd, const char *name)
{
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCGIFINDEX, &request) < 0 ? 0 : (unsigned)request.ifr_ifindex;
}

static void begin_link(struct netlink_batch *batch, uint16_t flags, int index, bool up)
{
	const struct ifinfomsg link = {
		.ifi_index = index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = up ? IFF_UP : 0
	};

	netlink_begin(batch, RTM_NEWLINK, flags, &link, sizeof(link));
}

static void add_address(struct netlink_batch *batch, unsigned index,
	const struct network_subnet *subnet, const struct network_address *address)
{
	size_t bytes = network_family_bits(address->family) / 8;
	const struct ifaddrmsg message = { .ifa_family = (unsigned char)address->family,
		.ifa_prefixlen = (unsigned char)subnet->prefix.bits,
		.ifa_index = index,
		/* Nobody else can have it: it need not be asked for first. */
		.ifa_flags = address->family == AF_INET6 ? IFA_F_NODAD : 0 };

	netlink_begin(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof(message));
	netlink_add(batch, IFA_LOCAL, address->bytes, bytes);
	netlink_add(batch, IFA_ADDRESS, address->bytes, bytes);
	if (address->family == AF_INET) {
		struct network_address last = { 0 };
		uint64_t size = UINT64_C(1) << (32 - subnet->prefix.bits);

		network_prefix_number(&subnet->prefix, size - 1, &last);
		netlink_add(batch, IFA_BROADCAST, last.bytes, bytes);
	}
}

static void add_default_route(
	struct netlink_batch *batch, unsigned index, const struct network_address *gateway)
{
	const struct rtmsg message = { .rtm_family = (unsigned char)gateway->family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST };

	netlink_begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
	netlink_add(batch, RTA_GATEWAY, gateway->bytes, network_family_bits(gateway->family) / 8);
	netlink_add_u32(batch, RTA_OIF, index);
}

/* --- the bridge ------------------------------------------------------------------------------ */

static int make_bridge(int fd, const struct network *network)
{
	uint8_t mac[NETWORK_MAC_BYTES];
	struct netlink_batch batch = { 0 };
	size_t info, data;

	/* Given, or it would be that of whichever port has the lowest. */
	network_mac_of_address(&network->subnets[0].gateway, mac);
	begin_link(&batch, NLM_F_CREATE | NLM_F_EXCL, 0, false);
	netlink_add_text(&batch, IFLA_IFNAME, network->bridge);
	netlink_add(&batch, IFLA_ADDRESS, mac, sizeof(mac));
	netlink_add_u32(&batch, IFLA_MTU, (uint32_t)network->mtu);
	info = netlink_begin_nested(&batch, IFLA_LINKINFO, NULL, 0);
	netlink_add_text(&batch, IFLA_INFO_KIND, "bridge");
	data = netlink_begin_nested(&batch, IFLA_INFO_DATA, NULL, 0);
	/* There is nothing to find a tree in, so nobody has to wait for it. */
	netlink_add_u32(&batch, IFLA_BR_FORWARD_DELAY, 0);
	netlink_add_u32(&batch, IFLA_BR_STP_STATE, 0);
	netlink_end_nested(&batch, data);
	netlink_end_nested(&batch, info);
	return netlink_send(fd, &batch, NULL);
}

static void set_for_bridge(
	const char *family, const char *bridge, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, bridge, key);
	io_write_kernel_file(AT_FDCWD, path, value);
}

int network_bridge_make(const struct network *network, struct error *err)
{
	_cleanup_close_ int fd = netlink_open();
	struct netlink_batch batch = { 0 };
	unsigned index;
	int r = fd < 0 ? fd : 0;

	if (r == 0 && !index_of(fd, network->bridge)) {
		r = make_bridge(fd, network);
		if (r == -EEXIST) /* by another, at the same time */
			r = 0;
	}
	index = r == 0 ? index_of(fd, network->bridge) : 0;
	if (r == 0 && !index)
		r = -ENODEV;
	if (r < 0)
		return error_errno(err, r, "cannot make the bridge %s", network->bridge);
	/* Published ports are reached from the host's own 127.0.0.1, too (firewall.c keeps
	 * everybody else from it). */
	set_for_bridge("ipv4", network->bridge, "route_localnet", "1");
	set_for_bridge("ipv6", network->bridge, "accept_ra", "0");
	set_for_bridge("ipv6", network->bridge, "accept_dad", "0");
	for (size_t i = 0; i < network->nr_subnets; i++)
		add_address(&batch, index, &network->subnets[i], &network->subnets[i].gateway);
	begin_link(&batch, 0, (int)index, true);
	r = netlink_send(fd, &batch, NULL);
	return r < 0 ? error_errno(err, r, "cannot set up the bridge %s", network->bridge) : 0;
}

void network_link_delete(const char *name)
{
	const struct ifinfomsg link = { 0 };
	_cleanup_close_ int fd = netlink_open();
	struct netlink_batch batch = { 0 };

	if (fd < 0 || !*name)
		return;
	netlink_begin(&batch, RTM_DELLINK, 0, &link, sizeof(link));
	netlink_add_text(&batch, IFLA_IFNAME, name);
	netlink_send(fd, &batch, NULL);
}

/* Packets that a published port leads back to where they came from leave by the port they came in
 * by, where the kernel filters bridged packets (bridge-nf-call-iptables). */
static int allow_hairpin(int fd, const struct network_endpoint *endpoint)
{
	const struct ifinfomsg link = { .ifi_family = AF_BRIDGE,
		.ifi_index = (int)index_of(fd, endpoint->link) };
	struct netlink_batch batch = { 0 };
	size_t info;

	if (!endpoint->ports)
		return 0;
	netlink_begin(&batch, RTM_SETLINK, 0, &link, sizeof(link));
	info = netlink_begin_nested(&batch, IFLA_PROTINFO | NLA_F_NESTED, NULL, 0);
	netlink_add_u8(&batch, IFLA_BRPORT_MODE, 1);
	netlink_end_nested(&batch, info);
	return netlink_send(fd, &batch, NULL);
}

/* --- a veth ---------------------------------------------------------------------------------- */

static int make_veth(int fd, const struct network *network, const struct network_endpoint *endpoint,
	int namespace_fd)
{
	const struct ifinfomsg peer = { 0 };
	struct netlink_batch batch = { 0 };
	size_t info, data, inner;
	unsigned bridge = index_of(fd, network->bridge);

	if (!bridge)
		return -ENODEV;
	begin_link(&batch, NLM_F_CREATE | NLM_F_EXCL, 0, true);
	netlink_add_text(&batch, IFLA_IFNAME, endpoint->link);
	netlink_add_u32(&batch, IFLA_MTU, (uint32_t)network->mtu);
	netlink_add_u32(&batch, IFLA_MASTER, bridge);
	info = netlink_begin_nested(&batch, IFLA_LINKINFO, NULL, 0);
	netlink_add_text(&batch, IFLA_INFO_KIND, "veth");
	data = netlink_begin_nested(&batch, IFLA_INFO_DATA, NULL, 0);
	inner = netlink_begin_nested(&batch, VETH_INFO_PEER, &peer, sizeof(peer));
	netlink_add_text(&batch, IFLA_IFNAME, endpoint->inside);
	netlink_add(&batch, IFLA_ADDRESS, endpoint->mac, NETWORK_MAC_BYTES);
	netlink_add_u32(&batch, IFLA_MTU, (uint32_t)network->mtu);
	netlink_add_u32(&batch, IFLA_NET_NS_FD, (uint32_t)namespace_fd);
	netlink_end_nested(&batch, inner);
	netlink_end_nested(&batch, data);
	netlink_end_nested(&batch, info);
	return netlink_send(fd, &batch, NULL);
}

/* A socket belongs to the namespace that its maker is in at the time. */
static int open_netlink_in(int namespace_fd)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	if (own < 0 || setns(namespace_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = netlink_open();
	if (setns(own, CLONE_NEWNET) < 0) {
		int r = -errno;

		cleanup_close(&fd);
		return r;
	}
	return fd;
}

static void add_inner_addresses(struct netlink_batch *batch, unsigned index,
	const struct network *network, const struct network_endpoint *endpoint)
{
	const struct network_address *addresses[] = { &endpoint->ip, &endpoint->ip6 };

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		const struct network_subnet *subnet = network_subnet_of(
			network, addresses[i]->family);

		if (subnet)
			add_address(batch, index, subnet, addresses[i]);
	}
}

/* One that it has already is no mistake: the first network is the way out. */
static int route_out(int fd, unsigned index, const struct network *network)
{
	for (size_t i = 0; i < network->nr_subnets; i++) {
		struct netlink_batch batch = { 0 };
		int r;

		add_default_route(&batch, index, &network->subnets[i].gateway);
		r = netlink_send(fd, &batch, NULL);
		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

int network_set_up_inside(const struct network *network, const struct network_endpoint *endpoint,
	int namespace_fd, bool is_way_out)
{
	_cleanup_close_ int fd = open_netlink_in(namespace_fd);
	struct netlink_batch batch = { 0 };
	unsigned index;
	int r;

	if (fd < 0)
		return fd;
	index = index_of(fd, endpoint->inside);
	if (!index)
		return -ENODEV;
	begin_link(&batch, 0, (int)index, true);
	add_inner_addresses(&batch, index, network, endpoint);
	r = netlink_send(fd, &batch, NULL);
	return r == 0 && is_way_out ? route_out(fd, index, network) : r;
}

int network_attach(const struct network_roots *roots, const struct network *network,
	const struct network_endpoint *endpoint, int namespace_fd, bool is_way_out,
	struct error *err)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (roots->rootless)
		return network_attach_user(roots, network, endpoint, namespace_fd, is_way_out, err);
	fd = netlink_open();
	r = fd < 0 ? fd : make_veth(fd, network, endpoint, namespace_fd);

	if (r < 0)
		return error_errno(err, r, "cannot make the interface %s of network %s",
			endpoint->inside, network->name);
	r = allow_hairpin(fd, endpoint);
	if (r == 0)
		r = network_set_up_inside(network, endpoint, namespace_fd, is_way_out);
	if (r < 0)
		network_link_delete(endpoint->link);
	return r < 0 ? error_errno(err, r, "cannot set up the interface %s of network %s",
			       endpoint->inside, network->name)
		     : 0;
}

/* --- a tap ----------------------------------------------------------------------------------- */

int network_attach_tap(
	const struct network *network, const struct network_endpoint *endpoint, struct error *err)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	_cleanup_close_ int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int fd = netlink_open();
	struct netlink_batch batch = { 0 };
	int r = 0;

	if (tun < 0)
		return error_errno(err, errno, "cannot open /dev/net/tun");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", endpoint->link);
	if (fd < 0)
		r = fd;
	else if (ioctl(tun, TUNSETIFF, &request) < 0 || ioctl(tun, TUNSETPERSIST, 1) < 0)
		r = -errno;
	if (r == 0) {
		begin_link(&batch, 0, (int)index_of(fd, endpoint->link), true);
		netlink_add_u32(&batch, IFLA_MTU, (uint32_t)network->mtu);
		netlink_add_u32(&batch, IFLA_MASTER, index_of(fd, network->bridge));
		r = netlink_send(fd, &batch, NULL);
		if (r == 0)
			r = allow_hairpin(fd, endpoint);
		if (r < 0)
			ioctl(tun, TUNSETPERSIST, 0);
	}
	return r < 0 ? error_errno(err, r, "cannot make the tap interface %s of network %s",
			       endpoint->link, network->name)
		     : 0;
}
