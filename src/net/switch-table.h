/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch-table.h - who is where: MACs, and addresses of IP, each in a VLAN, with the port that has
 * it. The memory is got once; the places of keys depend on random numbers, so nobody can choose
 * addresses that collide.
 *
 * A fixed entry stays until its port goes. Others are of no worth once they have not been seen for
 * NET_TABLE_AGE_NS.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/net.h"

#define NET_TABLE_AGE_NS  (300ll * 1000000000)
#define NET_TABLE_NO_PORT UINT16_MAX

struct net_table_key {
	uint8_t bytes[16]; /* an address, or a MAC and zeroes */
	uint16_t vlan;
};

struct net_table_entry {
	struct net_table_key key;
	bool is_used, is_fixed;
	uint16_t port;
	uint8_t mac[NET_MAC_BYTES];
	int64_t seen_ns;
};

struct net_table {
	struct net_table_entry *entries;
	unsigned size, nr; /* size is a power of two, and twice what may be in it */
	unsigned next_swept;
	uint64_t multipliers[4];
};

int net_table_init(struct net_table *table, unsigned size, struct error *err);
void net_table_free(struct net_table *table);

struct net_table_key net_table_mac(uint16_t vlan, const uint8_t mac[NET_MAC_BYTES]);
struct net_table_key net_table_address(uint16_t vlan, const struct in6_addr *address);

/* NULL: not there. One that is too old may be. Valid until something is put or removed. */
struct net_table_entry *net_table_find(struct net_table *table, const struct net_table_key *key);
bool net_table_is_old(const struct net_table_entry *entry, int64_t now_ns);
/* A key that is not there, with no port yet. NULL: the table is full. */
struct net_table_entry *net_table_put(
	struct net_table *table, const struct net_table_key *key, int64_t now_ns);
void net_table_remove(struct net_table *table, struct net_table_entry *entry);
void net_table_remove_port(struct net_table *table, unsigned port);
/* Look at `nr` more places for an entry that is too old, which is removed: whose it was, or -1. */
int net_table_sweep(struct net_table *table, unsigned nr, int64_t now_ns);
