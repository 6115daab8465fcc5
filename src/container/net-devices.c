/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-devices.c - interfaces of the host that move into the container's network namespace (the
 * parent's side; runtime-spec config-linux.md, "Network Devices").
 *
 * The kernel takes an interface's addresses away when it moves, so those that are meant to stay (of
 * global scope, set for good) are remembered and set again, and the interface is raised. Nobody
 * brings it back: with its namespace a virtual one goes, and a physical one returns by itself.
 */
#include "container/internal.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/str.h"

#define WHAT "linux.netDevices"

/* Of one interface, and of one datagram of the kernel's. */
#define ADDRESSES_MAX 256
#define ANSWER_BYTES  (32 << 10)

/* Where a name with "%d" is the kernel's choice, the interface is found by a number of ours. */
#define TEMPLATE_INDEX_BASE 1000000

struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg address;
	};
	char attributes[256];
};

/* One that moves along: what RTM_NEWADDR needs to make it again. */
struct address {
	struct ifaddrmsg message;
	uint32_t flags;
	struct {
		unsigned short type;
		unsigned char len; /* 0 = it has none */
		char bytes[16];
	} parts[3];
};

struct device {
	unsigned index;
	struct address *addresses;
	size_t nr_addresses;
};

static const unsigned short part_types[] = { IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST };

static void begin(struct request *r, unsigned short type, unsigned short flags, size_t body)
{
	*r = (struct request){ .header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(body),
				       .nlmsg_type = type,
				       .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags) } };
}

/* All of ours fit: names, numbers and addresses. */
static void add(struct request *r, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((char *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->header.nlmsg_len = (uint32_t)(NLMSG_ALIGN(r->header.nlmsg_len) + RTA_ALIGN(a->rta_len));
}

static int open_netlink(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

/* Ask for something to be done: 0 or -errno. */
static int ask(int netlink, struct request *r)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[sizeof(struct request)];
	} answer;

	r->header.nlmsg_flags |= NLM_F_ACK;
	if (send(netlink, r, r->header.nlmsg_len, 0) < 0 ||
		recv(netlink, &answer, sizeof(answer), 0) < 0)
		return -errno;
	return answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
}

static int remember(struct device *device, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	struct address a = { .message = *m, .flags = m->ifa_flags }, *grown;
	int len = (int)IFA_PAYLOAD(h);

	for (const struct rtattr *at = IFA_RTA(m); RTA_OK(at, len); at = RTA_NEXT(at, len)) {
		if (at->rta_type == IFA_FLAGS)
			memcpy(&a.flags, RTA_DATA(at), sizeof(a.flags));
		for (size_t i = 0; i < ARRAY_SIZE(part_types); i++) {
			if (at->rta_type != part_types[i] ||
				RTA_PAYLOAD(at) > sizeof(a.parts[i].bytes))
				continue;
			a.parts[i].type = at->rta_type;
			a.parts[i].len = (unsigned char)RTA_PAYLOAD(at);
			memcpy(a.parts[i].bytes, RTA_DATA(at), RTA_PAYLOAD(at));
		}
	}
	if (m->ifa_index != device->index || m->ifa_scope != RT_SCOPE_UNIVERSE ||
		!(a.flags & IFA_F_PERMANENT))
		return 0;
	if (device->nr_addresses == ADDRESSES_MAX)
		return -E2BIG;
	grown = reallocarray(device->addresses, device->nr_addresses + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	device->addresses = grown;
	grown[device->nr_addresses++] = a;
	return 0;
}

static int read_addresses(int netlink, struct device *device)
{
	_cleanup_free_ char *answer = malloc(ANSWER_BYTES);
	struct request r;

	if (!answer)
		return -ENOMEM;
	begin(&r, RTM_GETADDR, NLM_F_DUMP, sizeof(r.address));
	if (send(netlink, &r, r.header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(netlink, answer, ANSWER_BYTES, 0);
		const struct nlmsghdr *h = (const void *)answer;
		int len = (int)n, result = 0;

		if (n < 0)
			return -errno;
		for (; NLMSG_OK(h, (unsigned)len) && result == 0; h = NLMSG_NEXT(h, len)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (h->nlmsg_type == RTM_NEWADDR)
				result = remember(device, h);
		}
		if (result < 0)
			return result;
	}
}

static int move(int netlink, const struct device *device, int ns_fd, const char *name)
{
	uint32_t index = TEMPLATE_INDEX_BASE + device->index;
	struct request r;

	begin(&r, RTM_NEWLINK, 0, sizeof(r.link));
	r.link.ifi_index = (int)device->index;
	add(&r, IFLA_NET_NS_FD, &ns_fd, sizeof(ns_fd));
	add(&r, IFLA_IFNAME, name, strlen(name) + 1);
	if (strchr(name, '%'))
		add(&r, IFLA_NEW_IFINDEX, &index, sizeof(index));
	return ask(netlink, &r);
}

static int restore(int netlink, const struct device *device, unsigned index)
{
	for (size_t i = 0; i < device->nr_addresses; i++) {
		const struct address *a = &device->addresses[i];
		struct request r;
		int result;

		begin(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(r.address));
		r.address = a->message;
		r.address.ifa_index = index;
		add(&r, IFA_FLAGS, &a->flags, sizeof(a->flags));
		for (size_t k = 0; k < ARRAY_SIZE(a->parts); k++)
			if (a->parts[k].len)
				add(&r, a->parts[k].type, a->parts[k].bytes, a->parts[k].len);
		result = ask(netlink, &r);
		if (result < 0)
			return result;
	}
	return 0;
}

/* In the container's namespace, where `netlink` is. */
static int settle(int netlink, const struct device *device, const char *name)
{
	unsigned index = TEMPLATE_INDEX_BASE + device->index;
	struct request r;
	int result;

	if (!strchr(name, '%')) {
		struct ifreq query = { 0 };

		memcpy(query.ifr_name, name, strlen(name) + 1);
		if (ioctl(netlink, SIOCGIFINDEX, &query) < 0)
			return -errno;
		index = (unsigned)query.ifr_ifindex;
	}
	result = restore(netlink, device, index);
	if (result < 0)
		return result;
	begin(&r, RTM_NEWLINK, 0, sizeof(r.link));
	r.link.ifi_index = (int)index;
	r.link.ifi_flags = r.link.ifi_change = IFF_UP;
	return ask(netlink, &r);
}

static int move_one(
	int ours, int theirs, int ns_fd, const char *from, const char *to, struct error *err)
{
	struct device device = { .index = if_nametoindex(from) };
	int r;

	if (!device.index)
		return error_errno(err, errno, WHAT ": there is no interface %s", from);
	r = read_addresses(ours, &device);
	if (r < 0)
		r = error_errno(err, r, WHAT ": cannot read the addresses of %s", from);
	if (r == 0 && (r = move(ours, &device, ns_fd, to)) < 0)
		r = error_errno(err, r, WHAT ": cannot move %s into the container as %s", from, to);
	if (r == 0 && (r = settle(theirs, &device, to)) < 0)
		r = error_errno(err, r, WHAT ": cannot give %s its addresses back as %s", from, to);
	free(device.addresses);
	return r;
}

/* A socket belongs to the namespace that its maker is in at the time. */
static int open_netlink_in(int ns_fd, struct error *err)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd;

	if (own < 0 || setns(ns_fd, CLONE_NEWNET) < 0)
		return error_errno(err, errno, WHAT ": cannot enter the network namespace");
	fd = open_netlink();
	if (setns(own, CLONE_NEWNET) < 0) {
		if (fd >= 0)
			close(fd);
		return error_errno(err, errno, WHAT ": cannot return to our network namespace");
	}
	return fd < 0 ? error_errno(err, fd, WHAT ": cannot talk to the kernel") : fd;
}

int net_devices_check(const struct container_config *config, struct error *err)
{
	if (!config->nr_net_devices)
		return 0;
	if (geteuid() != 0)
		return error_set(err, EPERM, WHAT ": only root can move the host's interfaces");
	if (namespaces_is_shared(config, CONTAINER_NS_NETWORK))
		return error_set(
			err, EINVAL, WHAT ": the container has no network namespace of its own");
	return 0;
}

int net_devices_move(const struct container_config *config, pid_t pid, struct error *err)
{
	_cleanup_close_ int ns_fd = -1, ours = -1, theirs = -1;
	char path[40];
	int r = 0;

	if (!config->nr_net_devices)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	ours = open_netlink();
	if (ns_fd < 0 || ours < 0)
		return error_errno(
			err, ns_fd < 0 ? errno : ours, WHAT ": cannot open the network namespaces");
	theirs = open_netlink_in(ns_fd, err);
	if (theirs < 0)
		return theirs;
	for (size_t i = 0; r == 0 && i < config->nr_net_devices; i++) {
		const struct container_key_value *d = &config->net_devices[i];

		r = move_one(ours, theirs, ns_fd, d->key, *d->value ? d->value : d->key, err);
	}
	return r;
}
