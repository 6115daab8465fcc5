/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-user-options.c - how the user-mode network is chosen in words.
 */
#include "unit/test.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/net.h"

static int set(struct net_user_options *options, const char *key, const char *value)
{
	struct error err = { 0 };
	int r = net_user_set_option(options, key, value, &err);

	assert_true(r == 0 || (err.message[0] && err.code == -r));
	return r;
}

static void test_set(void **state)
{
	struct net_user_options o;

	net_user_options_init(&o);
	assert_true(o.ipv4 && o.ipv6 && !o.restricted && !o.host_loopback);
	assert_int_equal(set(&o, "net", "192.168.0.0/16"), 0);
	assert_int_equal(o.network.s_addr, inet_addr("192.168.0.0"));
	assert_int_equal(o.prefix_bits, 16);
	assert_int_equal(set(&o, "mtu", "1500"), 0);
	assert_int_equal(o.mtu, 1500);
	assert_int_equal(set(&o, "hostname", "guest"), 0);
	assert_string_equal(o.hostname, "guest");
	assert_int_equal(set(&o, "restrict", "on"), 0);
	assert_int_equal(set(&o, "host", "on"), 0);
	assert_int_equal(set(&o, "ipv6", "off"), 0);
	assert_true(o.ipv4 && !o.ipv6 && o.restricted && o.host_loopback);
	assert_int_equal(o.stack, NET_USER_WAY_OUT);
	assert_int_equal(set(&o, "stack", "slirp"), 0);
	assert_int_equal(o.stack, NET_USER_SLIRP);
	assert_int_equal(set(&o, "stack", "own"), 0);
	assert_int_equal(o.stack, NET_USER_WAY_OUT);
	assert_int_equal(set(&o, "host", "off"), 0);
	assert_false(o.host_loopback);
}

static void test_refused(void **state)
{
	static const char *const bad[][2] = { { "", "" }, { "nets", "10.0.0.0/8" },
		{ "mtu", "1279" }, { "mtu", "65521" }, { "mtu", "" }, { "host", "yes" },
		{ "host", "" }, { "hostname", "" }, { "net", "10.0.0.0" }, { "stack", "" },
		{ "stack", "lwip" } };
	struct net_user_options o, before;
	char longest[200];

	net_user_options_init(&o);
	before = o;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(set(&o, bad[i][0], bad[i][1]), -EINVAL);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(set(&o, "hostname", longest), -EINVAL);
	assert_memory_equal(&o, &before, sizeof(o));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
