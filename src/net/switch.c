/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.c - the switch and its ports: how they are plugged in, and what they own. What a port owns
 * is in the tables as long as it is plugged in, so no two own the same.
 */
#include "net/switch-internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

#define BUCKET_BYTES (64u << 10) /* at least, may come at once */
#define BUCKET_PARTS 50 /* else what comes in a 50th of a second */

static const char *const drop_names[] = {
	[NET_DROP_RUNT] = "runt",
	[NET_DROP_TOO_LONG] = "too-long",
	[NET_DROP_BAD_SOURCE] = "bad-source",
	[NET_DROP_BAD_PACKET] = "bad-packet",
	[NET_DROP_BAD_OFFLOAD] = "bad-offload",
	[NET_DROP_RESERVED] = "reserved",
	[NET_DROP_VLAN] = "vlan",
	[NET_DROP_SPOOFED_MAC] = "spoofed-mac",
	[NET_DROP_SPOOFED_ADDRESS] = "spoofed-address",
	[NET_DROP_SPOOFED_NEIGHBOUR] = "spoofed-neighbour",
	[NET_DROP_ROGUE_DHCP] = "rogue-dhcp",
	[NET_DROP_ROGUE_ROUTER] = "rogue-router",
	[NET_DROP_FLOOD_LIMIT] = "flood-limit",
	[NET_DROP_NO_DESTINATION] = "no-destination",
	[NET_DROP_SAME_PORT] = "same-port",
	[NET_DROP_QUEUE_FULL] = "queue-full",
	[NET_DROP_CANNOT_SEGMENT] = "cannot-segment",
};
static_assert(ARRAY_SIZE(drop_names) == NET_NR_DROPS, "a name for each reason");

const char *net_drop_name(enum net_drop drop)
{
	return drop_names[drop];
}

static void bucket_init(
	struct switch_bucket *bucket, uint64_t per_s, int64_t burst_min, int64_t now_ns)
{
	int64_t burst = (int64_t)(per_s / BUCKET_PARTS);

	if (burst < burst_min)
		burst = burst_min;
	*bucket = (struct switch_bucket){
		.per_s = per_s, .left = burst, .burst = burst, .filled_ns = now_ns
	};
}

/* --- plugging in ------------------------------------------------------------------------------ */

static int check_config(const struct net_switch_port *config, struct error *err)
{
	static const uint8_t none[NET_MAC_BYTES];
	bool has_mac = memcmp(config->mac, none, sizeof(none)) != 0;

	if (config->vlan > NET_VLAN_MAX)
		return error_set(err, EINVAL, "a VLAN is 1 to %d", NET_VLAN_MAX);
	if (config->nr_addresses > NET_SWITCH_ADDRESSES_MAX)
		return error_set(
			err, EINVAL, "a port has at most %d addresses", NET_SWITCH_ADDRESSES_MAX);
	if (!switch_is_unicast(config->mac))
		return error_set(err, EINVAL, "a group's MAC cannot be a port's");
	if (!has_mac && (config->nr_addresses || config->is_guarded))
		return error_set(err, EINVAL, "a port that owns addresses needs a MAC");
	if (config->is_guarded && config->tagged_vlans)
		return error_set(err, EINVAL, "a guarded port is in one VLAN");
	return 0;
}

/* Forget who has it now; -EEXIST: that one owns it. */
static int take_key(struct net_switch *sw, struct net_table *table, const struct net_table_key *key)
{
	struct net_table_entry *entry = net_table_find(table, key);

	if (!entry)
		return 0;
	if (entry->is_fixed)
		return -EEXIST;
	if (table == &sw->macs)
		sw->ports[entry->port]->nr_learnt--;
	else
		sw->ports[entry->port]->nr_locals--;
	net_table_remove(table, entry);
	return 0;
}

static int own_key(
	struct switch_port *port, struct net_table *table, const struct net_table_key *key)
{
	struct net_table_entry *entry;
	int r = take_key(port->sw, table, key);

	if (r < 0)
		return r;
	entry = net_table_put(table, key, port->sw->now_ns);
	if (!entry)
		return -ENOSPC;
	entry->is_fixed = true;
	entry->port = port->number;
	memcpy(entry->mac, port->config.mac, sizeof(entry->mac));
	return 0;
}

static int own_all(struct switch_port *port, struct error *err)
{
	static const uint8_t none[NET_MAC_BYTES];
	const struct net_switch_port *config = &port->config;
	struct net_table_key key = net_table_mac(config->vlan, config->mac);
	int r = 0;

	if (memcmp(config->mac, none, sizeof(none)) != 0)
		r = own_key(port, &port->sw->macs, &key);
	for (unsigned i = 0; i < config->nr_addresses && r == 0; i++) {
		key = net_table_address(config->vlan, &config->addresses[i]);
		r = own_key(port, &port->sw->neighbours, &key);
	}
	if (r == -EEXIST)
		return error_set(
			err, EEXIST, "another port of the network has that MAC or address");
	return r < 0 ? error_set(err, -r, "the network has no room for more addresses") : 0;
}

static void free_port(struct switch_port *port)
{
	net_table_remove_port(&port->sw->macs, port->number);
	net_table_remove_port(&port->sw->neighbours, port->number);
	net_ring_free(&port->ring);
	free(port);
}

static int make_port(struct net_switch *sw, unsigned number, const struct net_switch_port *config,
	struct switch_port **ret, struct error *err)
{
	struct switch_port *port = calloc(1, sizeof(*port));
	int r;

	if (!port)
		return error_oom(err);
	port->sw = sw;
	port->number = (uint16_t)number;
	port->config = *config;
	port->config.tagged_vlans = NULL;
	if (config->tagged_vlans)
		memcpy(port->tagged_vlans, config->tagged_vlans, sizeof(port->tagged_vlans));
	if (!port->config.vlan)
		port->config.vlan = NET_VLAN_DEFAULT;
	if (!port->config.macs_max)
		port->config.macs_max = NET_SWITCH_MACS_DEFAULT;
	if (!port->config.floods_per_s)
		port->config.floods_per_s = NET_SWITCH_FLOODS_DEFAULT;
	port->batch = SWITCH_BATCH_MIN;
	sw->now_ns = clock_monotonic_ns();
	bucket_init(&port->in, config->in_bytes_per_s, BUCKET_BYTES, sw->now_ns);
	bucket_init(&port->out_limit, config->out_bytes_per_s, BUCKET_BYTES, sw->now_ns);
	bucket_init(
		&port->floods, port->config.floods_per_s, port->config.floods_per_s, sw->now_ns);
	r = net_ring_init(&port->ring, SWITCH_RING_BYTES, err);
	if (r == 0)
		r = own_all(port, err);
	if (r < 0) {
		free_port(port);
		return r;
	}
	*ret = port;
	return 0;
}

int net_switch_add(struct net_switch *sw, struct net_port *p, const struct net_switch_port *config,
	unsigned *ret_number, struct error *err)
{
	struct switch_port *port = NULL;
	unsigned number = 0;
	int r = check_config(config, err);

	if (r < 0)
		return r;
	while (number < sw->ports_end && sw->ports[number])
		number++;
	if (number == NET_SWITCH_PORTS_MAX)
		return error_set(
			err, ENOSPC, "a network has at most %d ports", NET_SWITCH_PORTS_MAX);
	r = make_port(sw, number, config, &port, err);
	if (r < 0)
		return r;
	r = p->ops->set_offloads(p, p->gives, err);
	if (r < 0) {
		free_port(port);
		return r;
	}
	port->port = p;
	p->ready = switch_port_ready;
	p->context = port;
	sw->ports[number] = port;
	if (number == sw->ports_end)
		sw->ports_end++;
	/* What it has already. */
	switch_wake_at(port, sw->now_ns);
	*ret_number = number;
	return 0;
}

void net_switch_remove(struct net_switch *sw, unsigned number)
{
	struct switch_port *port = number < sw->ports_end ? sw->ports[number] : NULL;

	if (!port)
		return;
	sw->ports[number] = NULL;
	while (sw->ports_end && !sw->ports[sw->ports_end - 1])
		sw->ports_end--;
	net_port_close(port->port);
	free_port(port);
}

const struct net_switch_counters *net_switch_count(const struct net_switch *sw, unsigned number)
{
	return number < sw->ports_end && sw->ports[number] ? &sw->ports[number]->counters : NULL;
}

int net_switch_open(struct loop *loop, uint32_t mtu, struct net_switch **ret, struct error *err)
{
	struct net_switch *sw;
	void *buffers;
	int r;

	if (mtu < NET_MTU_MIN || mtu > NET_MTU_MAX)
		return error_set(
			err, EINVAL, "the MTU is to be %d to %d bytes", NET_MTU_MIN, NET_MTU_MAX);
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return error_oom(err);
	sw->loop = loop;
	sw->mtu = mtu;
	sw->timer.expired = switch_timer_expired;
	sw->buffers_bytes = SWITCH_BATCH * SWITCH_BUFFER_BYTES;
	buffers = mmap(NULL, sw->buffers_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (buffers == MAP_FAILED)
		r = error_errno(err, errno, "cannot get memory for frames");
	else
		sw->buffers = buffers, r = net_table_init(&sw->macs, SWITCH_TABLE, err);
	if (r == 0)
		r = net_table_init(&sw->neighbours, SWITCH_TABLE, err);
	if (r < 0) {
		net_switch_close(sw);
		return r;
	}
	*ret = sw;
	return 0;
}

struct net_switch *net_switch_close(struct net_switch *sw)
{
	if (!sw)
		return NULL;
	while (sw->ports_end)
		net_switch_remove(sw, sw->ports_end - 1);
	loop_timer_cancel(sw->loop, &sw->timer);
	net_table_free(&sw->macs);
	net_table_free(&sw->neighbours);
	if (sw->buffers)
		munmap(sw->buffers, sw->buffers_bytes);
	free(sw);
	return NULL;
}
