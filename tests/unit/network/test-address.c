/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-address.c - addresses and prefixes are read, compared and counted right, in both families.
 */
#include "unit/test.h"

#include "network/network.h"

static struct network_prefix prefix(const char *text)
{
	struct network_prefix p;

	assert_int_equal(network_prefix_parse(text, &p), 0);
	return p;
}

static struct network_address address(const char *text)
{
	struct network_address a;

	assert_int_equal(network_address_parse(text, &a), 0);
	return a;
}

static void prefixes_are_exact(void **state)
{
	static const char *const bad[] = { "", "10.0.0.0", "10.0.0.0/", "10.0.0.1/24",
		"10.0.0.0/33", "10.0.0.0/0", "fd00::1/64", "fd00::/129", "a/8", "10.0.0.0/-1",
		"10.0.0.0/24x" };
	char text[NETWORK_ADDRESS_TEXT];
	struct network_prefix p;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(network_prefix_parse(bad[i], &p), -EINVAL);
	p = prefix("10.88.4.0/22");
	assert_string_equal(network_prefix_format(text, &p), "10.88.4.0/22");
	p = prefix("fd12:3456::/32");
	assert_string_equal(network_prefix_format(text, &p), "fd12:3456::/32");
}

static void prefixes_know_what_is_theirs(void **state)
{
	struct network_prefix four = prefix("10.88.4.0/22"), six = prefix("fd00:1::/64");
	struct network_prefix inside = prefix("10.88.5.0/24"), around = prefix("10.0.0.0/8");
	struct network_prefix beside = prefix("10.88.8.0/22"), half = prefix("8000::/1");
	struct network_address a = address("10.88.7.255");

	assert_true(network_prefix_contains(&four, &a));
	a = address("10.88.8.0");
	assert_false(network_prefix_contains(&four, &a));
	a = address("fd00:1::ffff");
	assert_true(network_prefix_contains(&six, &a));
	assert_false(network_prefix_contains(&four, &a));
	assert_true(network_prefix_overlaps(&four, &inside));
	assert_true(network_prefix_overlaps(&inside, &four));
	assert_true(network_prefix_overlaps(&around, &four));
	assert_false(network_prefix_overlaps(&four, &beside));
	assert_false(network_prefix_overlaps(&four, &six));
	assert_true(network_prefix_overlaps(&half, &six));
}

static void addresses_have_numbers(void **state)
{
	struct network_prefix four = prefix("10.88.255.0/24"), six = prefix("fd00::ffff:0/112");
	char text[NETWORK_ADDRESS_TEXT];
	struct network_address a;

	assert_true(network_prefix_number(&four, 255, &a));
	assert_string_equal(network_address_format(text, &a), "10.88.255.255");
	assert_false(network_prefix_number(&four, 256, &a));
	assert_true(network_prefix_number(&six, 2, &a));
	assert_string_equal(network_address_format(text, &a), "fd00::ffff:2");
	assert_false(network_prefix_number(&six, 65536, &a));
}

static void mac_addresses_are_of_one_interface(void **state)
{
	struct network_address four = address("10.88.0.2"), six = address("fd00::a:b");
	uint8_t mac[NETWORK_MAC_BYTES];
	char text[NETWORK_MAC_TEXT];

	network_mac_of_address(&four, mac);
	assert_string_equal(network_mac_format(text, mac), "02:42:0a:58:00:02");
	network_mac_of_address(&six, mac);
	assert_string_equal(network_mac_format(text, mac), "02:42:00:0a:00:0b");
	assert_int_equal(network_mac_parse("92:D0:c6:0a:29:33", mac), 0);
	assert_string_equal(network_mac_format(text, mac), "92:d0:c6:0a:29:33");
	assert_int_equal(network_mac_parse("01:00:5e:00:00:01", mac), -EINVAL);
	assert_int_equal(network_mac_parse("00:00:00:00:00:00", mac), -EINVAL);
	assert_int_equal(network_mac_parse("92:d0:c6:0a:29", mac), -EINVAL);
	assert_int_equal(network_mac_parse("92:d0:c6:0a:29:3g", mac), -EINVAL);
	assert_int_equal(network_mac_parse("92-d0-c6-0a-29-33", mac), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_are_exact),
		cmocka_unit_test(prefixes_know_what_is_theirs),
		cmocka_unit_test(addresses_have_numbers),
		cmocka_unit_test(mac_addresses_are_of_one_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
