/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch-table.c - see switch-table.h. Open addressing with linear probing: an entry lies between
 * the place of its key and the next empty one, without gaps, and removing moves back what follows.
 * The hash is multilinear modulo 2^64, whose upper bits are universal.
 */
#include "net/switch-table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int net_table_init(struct net_table *table, unsigned size, struct error *err)
{
	*table = (struct net_table){ .size = size };
	if (getrandom(table->multipliers, sizeof(table->multipliers), 0) !=
		sizeof(table->multipliers))
		return error_errno(err, errno, "cannot get random numbers");
	for (size_t i = 0; i < ARRAY_SIZE(table->multipliers); i++)
		table->multipliers[i] |= 1;
	table->entries = calloc(size, sizeof(*table->entries));
	return table->entries ? 0 : error_oom(err);
}

void net_table_free(struct net_table *table)
{
	free(table->entries);
	*table = (struct net_table){ 0 };
}

struct net_table_key net_table_mac(uint16_t vlan, const uint8_t mac[NET_MAC_BYTES])
{
	struct net_table_key key = { .vlan = vlan };

	memcpy(key.bytes, mac, NET_MAC_BYTES);
	return key;
}

struct net_table_key net_table_address(uint16_t vlan, const struct in6_addr *address)
{
	struct net_table_key key = { .vlan = vlan };

	memcpy(key.bytes, address, sizeof(key.bytes));
	return key;
}

static unsigned place_of(const struct net_table *table, const struct net_table_key *key)
{
	const uint64_t *m = table->multipliers;
	uint64_t words[2], hash;

	memcpy(words, key->bytes, sizeof(words));
	hash = words[0] * m[0] + words[1] * m[1] + key->vlan * m[2];
	hash = (hash ^ hash >> 32) * m[3];
	return (unsigned)(hash >> 32) & (table->size - 1);
}

static bool is_same(const struct net_table_key *a, const struct net_table_key *b)
{
	return a->vlan == b->vlan && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool net_table_is_old(const struct net_table_entry *entry, int64_t now_ns)
{
	return !entry->is_fixed && now_ns - entry->seen_ns > NET_TABLE_AGE_NS;
}

struct net_table_entry *net_table_find(struct net_table *table, const struct net_table_key *key)
{
	unsigned mask = table->size - 1;

	for (unsigned i = place_of(table, key); table->entries[i].is_used; i = (i + 1) & mask)
		if (is_same(&table->entries[i].key, key))
			return &table->entries[i];
	return NULL;
}

struct net_table_entry *net_table_put(
	struct net_table *table, const struct net_table_key *key, int64_t now_ns)
{
	unsigned mask = table->size - 1, i = place_of(table, key);

	if (table->nr >= table->size / 2)
		return NULL;
	while (table->entries[i].is_used)
		i = (i + 1) & mask;
	table->entries[i] = (struct net_table_entry){
		.key = *key, .is_used = true, .port = NET_TABLE_NO_PORT, .seen_ns = now_ns
	};
	table->nr++;
	return &table->entries[i];
}

void net_table_remove(struct net_table *table, struct net_table_entry *entry)
{
	unsigned mask = table->size - 1, hole = (unsigned)(entry - table->entries);

	for (unsigned i = (hole + 1) & mask; table->entries[i].is_used; i = (i + 1) & mask) {
		unsigned home = place_of(table, &table->entries[i].key);

		/* It may lie in the hole unless its home is behind that. */
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		table->entries[hole] = table->entries[i];
		hole = i;
	}
	table->entries[hole].is_used = false;
	table->nr--;
}

void net_table_remove_port(struct net_table *table, unsigned port)
{
	for (unsigned i = 0; i < table->size;) {
		struct net_table_entry *entry = &table->entries[i];

		/* Another may come to lie at this place then. */
		if (entry->is_used && entry->port == port)
			net_table_remove(table, entry);
		else
			i++;
	}
}

int net_table_sweep(struct net_table *table, unsigned nr, int64_t now_ns)
{
	while (nr--) {
		struct net_table_entry *entry = &table->entries[table->next_swept];
		unsigned port = entry->port;

		if (entry->is_used && net_table_is_old(entry, now_ns)) {
			net_table_remove(table, entry);
			return (int)port;
		}
		table->next_swept = (table->next_swept + 1) & (table->size - 1);
	}
	return -1;
}
