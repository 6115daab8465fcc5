/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net.c - the machine's network cards, each with a user-mode network of its own behind it.
 */
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

static int connect_net(struct machine *m, struct net *n, unsigned index, struct error *err)
{
	const struct machine_net_config *config = &m->config.nets[index];
	struct net_user_options options;
	uint8_t mac[NET_MAC_BYTES];
	int r;

	net_user_options_init(&options);
	options.forwards = config->forwards;
	options.nr_forwards = config->nr_forwards;
	for (unsigned i = 0; i < NET_MAC_BYTES; i++)
		mac[i] = first_mac[i];
	mac[NET_MAC_BYTES - 1] = (uint8_t)(mac[NET_MAC_BYTES - 1] + index);
	r = net_user_open(&m->loop, &options, &n->port, err);
	return r < 0 ? r : virtio_net_new(&m->loop, &m->memory, n->port, mac, &n->net, err);
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

const struct machine_virtio machine_virtio_net = {
	.name = "virtio-net",
	.count = count,
	.open = open_net,
	.device = device,
	.close = close_net,
};
