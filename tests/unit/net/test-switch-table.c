/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-switch-table.c - keys found after others came and went, whatever collided; age; fullness.
 */
#include "unit/test.h"

#include <stdlib.h>
#include <string.h>

#include "net/switch-table.h"

#define SIZE 64
#define KEYS 60

static struct net_table table;

static int setup(void **state)
{
	return net_table_init(&table, SIZE, NULL);
}

static int teardown(void **state)
{
	net_table_free(&table);
	return 0;
}

static struct net_table_key key_of(unsigned i)
{
	return net_table_mac((uint16_t)(1 + i % 3), (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)i });
}

/* Against an array that says what is there, with more keys than places for them. */
static void test_like_an_array(void **state)
{
	bool is_there[KEYS] = { false };
	unsigned nr = 0;

	srand(1);
	for (unsigned turn = 0; turn < 20000; turn++) {
		unsigned i = (unsigned)rand() % KEYS;
		struct net_table_key key = key_of(i);
		struct net_table_entry *entry = net_table_find(&table, &key);

		assert_int_equal(entry != NULL, is_there[i]);
		if (entry) {
			assert_int_equal(entry->port, i);
			net_table_remove(&table, entry);
			nr--;
			is_there[i] = false;
			continue;
		}
		entry = net_table_put(&table, &key, 0);
		assert_int_equal(entry != NULL, nr < SIZE / 2);
		if (!entry)
			continue;
		assert_int_equal(entry->port, NET_TABLE_NO_PORT);
		entry->port = (uint16_t)i;
		is_there[i] = true;
		nr++;
	}
	for (unsigned i = 0; i < KEYS; i++) {
		struct net_table_key key = key_of(i);

		assert_int_equal(net_table_find(&table, &key) != NULL, is_there[i]);
	}
}

static void test_ports(void **state)
{
	for (unsigned i = 0; i < 30; i++) {
		struct net_table_key key = key_of(i);

		net_table_put(&table, &key, 0)->port = i % 2;
	}
	net_table_remove_port(&table, 1);
	assert_int_equal(table.nr, 15);
	for (unsigned i = 0; i < 30; i++) {
		struct net_table_key key = key_of(i);

		assert_int_equal(net_table_find(&table, &key) != NULL, i % 2 == 0);
	}
}

static void test_age(void **state)
{
	struct net_table_key key = key_of(1), fixed = key_of(2);
	struct net_table_entry *entry = net_table_put(&table, &key, 1000);

	entry->port = 7;
	assert_false(net_table_is_old(entry, 1000 + NET_TABLE_AGE_NS));
	assert_true(net_table_is_old(entry, 1001 + NET_TABLE_AGE_NS));
	entry = net_table_put(&table, &fixed, 0);
	entry->is_fixed = true;
	assert_false(net_table_is_old(entry, INT64_MAX));
	assert_int_equal(net_table_sweep(&table, SIZE, 1000), -1);
	assert_int_equal(net_table_sweep(&table, SIZE, 1001 + NET_TABLE_AGE_NS), 7);
	assert_int_equal(net_table_sweep(&table, SIZE, 1001 + NET_TABLE_AGE_NS), -1);
	assert_null(net_table_find(&table, &key));
	assert_non_null(net_table_find(&table, &fixed));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_like_an_array),
		TEST(test_ports),
		TEST(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
