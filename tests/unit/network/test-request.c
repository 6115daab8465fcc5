/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-request.c - --network's and --publish's values: Docker's notation, and nothing else.
 */
#include "unit/test.h"

#include <netinet/in.h>

#include "network/network.h"

static void check_again(const char *text, const char *expected)
{
	struct network_request request;
	struct error err = { 0 };
	char *written;

	assert_int_equal(network_request_parse(text, &request, &err), 0);
	written = network_request_format(&request);
	assert_string_equal(written, expected);
	free(written);
	network_request_free(&request);
}

static void networks_are_names_or_lists(void **state)
{
	check_again("web", "name=web");
	check_again("name=web", "name=web");
	check_again("alias=db,name=web,ip=10.88.0.9,alias=sql,alias=db",
		"name=web,ip=10.88.0.9,alias=db,alias=sql");
	check_again("name=web,ip6=fd00::9,mac-address=92:D0:C6:0A:29:33",
		"name=web,ip6=fd00::9,mac-address=92:d0:c6:0a:29:33");
}

static void other_networks_are_refused(void **state)
{
	static const char *const bad[] = { "", "a/b", "name=", "ip=10.0.0.1", "name=web,ip=fd00::1",
		"name=web,ip6=10.0.0.1", "name=web,alias=-x", "name=web,driver-opt=1",
		"name=web,mac-address=1", "name=web,", "name=web,alias=a b" };
	struct network_request request;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct error){ 0 };
		assert_int_equal(network_request_parse(bad[i], &request, &err), -EINVAL);
		assert_true(err.message[0] != '\0');
	}
}

static void check_ports(const char *text, const char *expected)
{
	_cleanup_strv_ char **ports = NULL;
	struct error err = { 0 };
	struct str all = { 0 };

	assert_int_equal(network_ports_expand(text, &ports, &err), 0);
	strv_for_each (port, ports)
		str_appendf(&all, "%s%s", all.len ? " " : "", *port);
	assert_string_equal(all.data, expected);
	str_free(&all);
}

static void ports_are_dockers(void **state)
{
	check_ports("80", ":80/tcp");
	check_ports("8080:80", "8080:80/tcp");
	check_ports("53:53/udp", "53:53/udp");
	check_ports("127.0.0.1:8080:80/tcp", "127.0.0.1:8080:80/tcp");
	check_ports("127.0.0.1::80", "127.0.0.1::80/tcp");
	check_ports("[::1]:8080:80", "[::1]:8080:80/tcp");
	check_ports("8000-8010:80", "8000-8010:80/tcp");
	check_ports("7000-7002:90-92/udp", "7000:90/udp 7001:91/udp 7002:92/udp");
	check_ports("90-91", ":90/tcp :91/tcp");
	check_ports("65534-65535:65534-65535", "65534:65534/tcp 65535:65535/tcp");
}

static void other_ports_are_refused(void **state)
{
	static const char *const bad[] = { "", ":", "80:", "0:80", "80:0", "65536:80", "80/icmp",
		"a:80", "1.2.3:80:80", "::1:80:80", "[::1:80:80", "80-79", "1-3:1-2", "1:1-2",
		"127.0.0.1:80:80:80", "80/", "-80", "8000-:80" };
	_cleanup_strv_ char **ports = NULL;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = (struct error){ 0 };
		assert_int_equal(network_ports_expand(bad[i], &ports, &err), -EINVAL);
		assert_true(err.message[0] != '\0');
	}
	assert_null(ports);
	assert_int_equal(network_ports_expand("1-1024:1-1024", &ports, NULL), 0);
	assert_int_equal(network_ports_expand("2000:2000", &ports, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks_are_names_or_lists),
		cmocka_unit_test(other_networks_are_refused),
		cmocka_unit_test(ports_are_dockers),
		cmocka_unit_test(other_ports_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
