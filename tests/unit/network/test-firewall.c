/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-firewall.c - the rules of a network say what it was made with, and what is published.
 */
#include "unit/test.h"

#include "network/keep.h"

static char name[] = "shop";

static struct network make(bool ipv6)
{
	struct network network = { .name = name,
		.bridge = "st-0123456789ab",
		.id = "0123456789abcdef",
		.nr_subnets = ipv6 ? 2 : 1 };

	network_prefix_parse("10.88.0.0/24", &network.subnets[0].prefix);
	network_prefix_parse("fd00:1::/64", &network.subnets[1].prefix);
	return network;
}

static void expect(
	const struct network *network, const struct network_endpoint *endpoint, const char *line)
{
	char *text = firewall_text(network, endpoint, endpoint ? 1 : 0);

	assert_non_null(text);
	if (!strstr(text, line))
		fail_msg("no \"%s\" in\n%s", line, text);
	free(text);
}

static void expect_not(
	const struct network *network, const struct network_endpoint *endpoint, const char *line)
{
	char *text = firewall_text(network, endpoint, endpoint ? 1 : 0);

	if (strstr(text, line))
		fail_msg("\"%s\" in\n%s", line, text);
	free(text);
}

static void a_network_has_a_way_out(void **state)
{
	struct network network = make(true);

	expect(&network, NULL, "table inet strata-0123456789ab {");
	expect(&network, NULL, "delete table inet strata-0123456789ab\n");
	expect(&network, NULL, "ip saddr 10.88.0.0/24 oifname != \"st-0123456789ab\" masquerade");
	expect(&network, NULL, "ip6 saddr fd00:1::/64 oifname != \"st-0123456789ab\" masquerade");
	expect(&network, NULL, "ip saddr != { 10.88.0.0/24, 0.0.0.0 } drop");
	expect(&network, NULL, "ip daddr 127.0.0.0/8 drop");
	expect_not(&network, NULL, "elements");
	network.no_masquerade = true;
	expect_not(&network, NULL, "oifname != \"st-0123456789ab\" masquerade");
}

static void an_internal_one_has_none(void **state)
{
	struct network network = make(false);

	network.internal = true;
	expect(&network, NULL, "\t\tiifname \"st-0123456789ab\" drop\n");
	expect_not(&network, NULL, "oifname != \"st-0123456789ab\" masquerade");
	expect_not(&network, NULL, "ip6 saddr");
}

static void instances_may_be_kept_apart(void **state)
{
	static const char between[] = "iifname \"st-0123456789ab\" oifname \"st-0123456789ab\" ";
	char accept[128], drop[128];
	struct network network = make(false);

	snprintf(accept, sizeof(accept), "%saccept", between);
	snprintf(drop, sizeof(drop), "%sdrop", between);
	expect(&network, NULL, accept);
	expect_not(&network, NULL, drop);
	network.no_icc = true;
	expect(&network, NULL, drop);
}

static void published_ports_are_elements(void **state)
{
	char one[] = "0.0.0.0:8080:80/tcp", two[] = "127.0.0.1:53:5353/udp";
	char three[] = "[::]:8080:80/tcp";
	char *ports[] = { one, two, three, NULL };
	struct network_endpoint endpoint = { .ports = ports };
	struct network network = make(true);

	network_address_parse("10.88.0.2", &endpoint.ip);
	network_address_parse("fd00:1::2", &endpoint.ip6);
	expect(&network, &endpoint, "elements = { tcp . 8080 : 10.88.0.2 . 80 }");
	expect(&network, &endpoint, "elements = { 127.0.0.1 . udp . 53 : 10.88.0.2 . 5353 }");
	expect(&network, &endpoint, "elements = { tcp . 8080 : fd00:1::2 . 80 }");
	/* A machine has no IPv6. */
	endpoint.ip6.family = 0;
	expect_not(&network, &endpoint, "fd00:1::2");
}

static void names_are_lines(void **state)
{
	char instance[] = "web", alias[] = "www", *aliases[] = { alias, NULL };
	struct network_endpoint endpoint = {
		.id = "0123456789abcdef", .instance = instance, .aliases = aliases
	};
	char *text;

	network_address_parse("10.88.0.2", &endpoint.ip);
	network_address_parse("fd00:1::2", &endpoint.ip6);
	text = names_text(&endpoint);
	assert_string_equal(text,
		"10.88.0.2 web 0123456789ab www\n"
		"fd00:1::2 web 0123456789ab www\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_has_a_way_out),
		cmocka_unit_test(an_internal_one_has_none),
		cmocka_unit_test(instances_may_be_kept_apart),
		cmocka_unit_test(published_ports_are_elements),
		cmocka_unit_test(names_are_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
