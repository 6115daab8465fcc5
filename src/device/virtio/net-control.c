/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net-control.c - which frames the driver wants, as it says through the control queue (virtio 1.2
 * §5.1.6.5.1, §5.1.6.5.2).
 */
#include "device/virtio/net-internal.h"

#include <string.h>

#define MODE(name) (1u << VIRTIO_NET_CTRL_RX_##name)

void net_filter_reset(struct net_filter *filter, const uint8_t mac[NET_MAC_BYTES])
{
	uint8_t link_is_down = filter->link_is_down;

	*filter = (struct net_filter){ .modes = MODE(PROMISC), .link_is_down = link_is_down };
	memcpy(filter->mac, mac, NET_MAC_BYTES);
}

void net_filter_check(struct net_filter *filter)
{
	if (filter->unicast.nr > NET_TABLE_MAX || filter->multicast.nr > NET_TABLE_MAX) {
		filter->modes |= MODE(PROMISC);
		filter->unicast.nr = filter->multicast.nr = 0;
	}
}

static bool has_address(const struct net_table *table, const uint8_t address[NET_MAC_BYTES])
{
	for (uint32_t i = 0; i < table->nr; i++)
		if (!memcmp(table->addresses[i], address, NET_MAC_BYTES))
			return true;
	return false;
}

bool net_filter_passes(const struct net_filter *filter, const uint8_t to[NET_MAC_BYTES])
{
	static const uint8_t broadcast[NET_MAC_BYTES] = { 255, 255, 255, 255, 255, 255 };
	uint8_t modes = filter->modes;

	if (modes & MODE(PROMISC))
		return true;
	if (!memcmp(to, broadcast, NET_MAC_BYTES))
		return !(modes & MODE(NOBCAST));
	if (to[0] & 1)
		return !(modes & MODE(NOMULTI)) &&
			(modes & MODE(ALLMULTI) || has_address(&filter->multicast, to));
	return !(modes & MODE(NOUNI)) &&
		(modes & MODE(ALLUNI) || !memcmp(to, filter->mac, NET_MAC_BYTES) ||
			has_address(&filter->unicast, to));
}

static uint8_t set_mode(
	struct net_filter *filter, const struct virtio_chain *chain, uint8_t command)
{
	uint8_t on;

	if (command > VIRTIO_NET_CTRL_RX_NOBCAST ||
		virtio_chain_read(chain, sizeof(struct virtio_net_ctrl_hdr), &on, 1) != 1)
		return VIRTIO_NET_ERR;
	if (on)
		filter->modes |= (uint8_t)(1u << command);
	else
		filter->modes &= (uint8_t) ~(1u << command);
	return VIRTIO_NET_OK;
}

/* A table at *offset, which moves behind it. false: it is not all there. */
static bool read_table(const struct virtio_chain *chain, size_t *offset, struct net_table *table,
	bool *ret_is_full)
{
	uint32_t nr;

	if (virtio_chain_read(chain, *offset, &nr, sizeof(nr)) != sizeof(nr))
		return false;
	*offset += sizeof(nr);
	if (nr > (chain->out_bytes - *offset) / NET_MAC_BYTES)
		return false;
	*ret_is_full = nr > NET_TABLE_MAX;
	table->nr = *ret_is_full ? 0 : nr;
	virtio_chain_read(chain, *offset, table->addresses, table->nr * (size_t)NET_MAC_BYTES);
	*offset += nr * (size_t)NET_MAC_BYTES;
	return true;
}

static uint8_t set_tables(struct net_filter *filter, const struct virtio_chain *chain)
{
	size_t offset = sizeof(struct virtio_net_ctrl_hdr);
	struct net_table unicast, multicast;
	bool all_unicast, all_multicast;

	if (!read_table(chain, &offset, &unicast, &all_unicast) ||
		!read_table(chain, &offset, &multicast, &all_multicast))
		return VIRTIO_NET_ERR;
	filter->unicast = unicast;
	filter->multicast = multicast;
	if (all_unicast)
		filter->modes |= MODE(ALLUNI);
	if (all_multicast)
		filter->modes |= MODE(ALLMULTI);
	return VIRTIO_NET_OK;
}

static uint8_t set_mac(struct net_filter *filter, const struct virtio_chain *chain)
{
	uint8_t mac[NET_MAC_BYTES];

	if (virtio_chain_read(chain, sizeof(struct virtio_net_ctrl_hdr), mac, sizeof(mac)) !=
			sizeof(mac) ||
		mac[0] & 1)
		return VIRTIO_NET_ERR;
	memcpy(filter->mac, mac, sizeof(mac));
	return VIRTIO_NET_OK;
}

uint8_t net_filter_command(struct net_filter *filter, const struct virtio_chain *chain)
{
	struct virtio_net_ctrl_hdr header;

	if (virtio_chain_read(chain, 0, &header, sizeof(header)) != sizeof(header))
		return VIRTIO_NET_ERR;
	if (header.class == VIRTIO_NET_CTRL_RX)
		return set_mode(filter, chain, header.cmd);
	if (header.class != VIRTIO_NET_CTRL_MAC)
		return VIRTIO_NET_ERR;
	if (header.cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return set_tables(filter, chain);
	if (header.cmd == VIRTIO_NET_CTRL_MAC_ADDR_SET)
		return set_mac(filter, chain);
	return VIRTIO_NET_ERR;
}
