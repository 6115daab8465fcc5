/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net.c - the machine's network cards, each with a network of its own behind it.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"
#include "device/virtio/net.h"
#include "machine/virtio.h"

struct net {
	struct net_port *port;
	struct virtio_net *net;
};

/* Locally administered; the last byte counts the cards. */
static const uint8_t first_mac[NET_MAC_BYTES] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static unsigned count(const struct machine_config *config)
{
	return config->nr_nets;
}

static void close_net(void *self)
{
	struct net *n = self;

	virtio_net_free(n->net);
	net_port_close(n->port);
	free(n);
}

/* The descriptor becomes the port's. */
static int open_cable(
	struct machine *m, const char *cable, struct net_port **ret, struct error *err)
{
	const char *number = str_after_prefix(cable, "fd:");
	uint64_t fd;
	int r;

	if (!number)
		return net_cable_connect(&m->loop, cable, ret, err);
	if (parse_u64(number, INT_MAX, &fd) < 0)
		return error_set(err, EINVAL, "\"%s\" is no descriptor", number);
	r = net_cable_join(&m->loop, (int)fd, ret, err);
	if (r < 0)
		return error_prefix(err, "the switch");
	/* What is open across execve(2) is not ours, and is closed (jail.c). */
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static int open_port(struct machine *m, const struct machine_net_config *config,
	struct net_port **ret, struct error *err)
{
	if (config->tap)
		return net_tap_open(&m->loop, config->tap, ret, err);
	if (config->cable)
		return open_cable(m, config->cable, ret, err);
	if (config->user.stack == NET_USER_SLIRP)
		return net_slirp_open(&m->loop, &config->user, ret, err);
	return net_user_open(&m->loop, &config->user, ret, err);
}

static int connect_net(struct machine *m, struct net *n, unsigned index, struct error *err)
{
	static const uint8_t none[NET_MAC_BYTES];
	const struct machine_net_config *config = &m->config.nets[index];
	uint8_t mac[NET_MAC_BYTES];
	int r = open_port(m, config, &n->port, err);

	if (r < 0)
		return r;
	if (memcmp(config->mac, none, sizeof(none))) {
		memcpy(mac, config->mac, sizeof(mac));
	} else {
		memcpy(mac, first_mac, sizeof(mac));
		mac[NET_MAC_BYTES - 1] = (uint8_t)(mac[NET_MAC_BYTES - 1] + index);
	}
	return virtio_net_new(&m->loop, &m->memory, n->port, mac, &n->net, err);
}

static int open_net(struct machine *m, unsigned index, void **ret, struct error *err)
{
	struct net *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return error_oom(err);
	r = connect_net(m, n, index, err);
	if (r < 0)
		close_net(n);
	else
		*ret = n;
	return r;
}

static struct virtio_device *device(void *self)
{
	return virtio_net_device(((struct net *)self)->net);
}

static struct vm_saved *saved(void *self)
{
	return virtio_net_saved(((struct net *)self)->net);
}

const struct machine_virtio machine_virtio_net = {
	.name = "virtio-net",
	.count = count,
	.open = open_net,
	.device = device,
	.close = close_net,
	.saved = saved,
};
